//! Whatever is written into a parameter, reading it ends with a value or an error, never with a panic.

#![expect(clippy::unwrap_used, reason = "a test may stop where it is wrong")]

use crd_schema::spec::load;
use crd_schema::{Application, Desired, Record};
use proptest::prelude::*;

const BLOG: &str = include_str!("../../manifests/examples/blog.yaml");

fn read_everything(text: &str) {
    match load(text, "fuzz") {
        Ok(_) => {}
        Err(invalid) => {
            assert!(!invalid.problems.is_empty());
            assert!(!invalid.to_string().is_empty() && !invalid.summary().is_empty());
            for problem in &invalid.problems {
                let lines = text.replace("\r\n", "\n").split(['\n', '\r']).count();
                assert!(
                    (1..=lines).contains(&problem.line) && problem.column >= 1,
                    "{problem:?}"
                );
            }
        }
    }
    let _ = Desired::parse(text);
    let _ = Record::from_json(text);
}

fn blog() -> Application {
    load(BLOG, "blog.yaml").unwrap()
}

/// Pieces that YAML gives a meaning to.
fn yaml_like() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[ -~]{0,6}",
        proptest::sample::select(
            &[
                "\n", "\n  ", "- ", ": ", "{", "}", "[", "]", "&a ", "*a", "!!x ", "<<: ", "|\n ",
                ">", "---\n", "\"", "'", "#", "\t", "\u{feff}", "\0", "spec", "null", "é😀"
            ][..]
        )
        .prop_map(str::to_owned),
    ];
    proptest::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_text(text in any::<String>()) {
        read_everything(&text);
    }

    #[test]
    fn anything_like_yaml(text in yaml_like()) {
        read_everything(&text);
    }

    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Desired::parse(&bytes);
        read_everything(&String::from_utf8_lossy(&bytes));
    }

    /// The example with a part cut out and something else in its place.
    #[test]
    fn anything_in_the_middle_of_the_example(start in 0..BLOG.len(), length in 0..400_usize, piece in yaml_like()) {
        let end = (start + length).min(BLOG.len());
        prop_assume!(BLOG.is_char_boundary(start) && BLOG.is_char_boundary(end));
        read_everything(&format!("{}{piece}{}", &BLOG[..start], &BLOG[end..]));
    }

    /// What passes as a version is the tag of the spec's own image and nothing else.
    #[test]
    fn a_version_becomes_a_tag_and_nothing_else(text in prop_oneof![any::<String>(), "[A-Za-z0-9_.+;:/@ -]{1,140}"]) {
        if let Ok(desired) = Desired::parse(&text) && desired.images.is_empty() {
            let image = &desired.images_for(&blog()).unwrap()["web"];
            let tag = image.strip_prefix("123456789012.dkr.ecr.eu-west-1.amazonaws.com/blog:").unwrap();
            prop_assert!((1..=128).contains(&tag.len()));
            prop_assert!(tag.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c)));
        }
    }

    /// What was written by us is read back as it was.
    #[test]
    fn desired_values_come_back(version in "[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", id in proptest::option::of("[A-Za-z0-9_.:/=+@-]{1,128}")) {
        let desired = Desired { version, images: Default::default(), id, override_freeze: false };
        prop_assert_eq!(Desired::parse(serde_json::to_string(&desired).unwrap()), Ok(desired));
    }
}
