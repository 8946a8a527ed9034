//! Container images of a task definition, as an Application names them.

use serde_json::{Map, Value};

/// A container that each release gives an image of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Image {
    pub(super) container: String,
    /// Ends in `:{version}`.
    pub(super) template: String,
    /// Something to know about it.
    pub(super) note: Option<String>,
}

/// The container that takes traffic, and those whose image has the same version; the names of the others, which keep
/// what the base says.
pub(super) fn of(definition: &Map<String, Value>, main: &str) -> (Vec<Image>, Vec<String>) {
    let containers = definition
        .get("containerDefinitions")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    let text = |container: &Value, member: &str| container[member].as_str().map(str::to_owned);
    let all: Vec<(String, String)> = containers
        .iter()
        .filter_map(|one| Some((text(one, "name")?, text(one, "image")?)))
        .collect();
    let version = all
        .iter()
        .find(|(name, _)| name == main)
        .and_then(|(_, image)| split(image).tag)
        .filter(|tag| *tag != "latest");
    let mut images = Vec::new();
    let mut others = Vec::new();
    for (name, image) in &all {
        let parts = split(image);
        let note = if name == main {
            match (parts.tag, parts.by_digest) {
                (_, true) => Some("it runs by digest now".to_owned()),
                (Some(tag), false) => Some(format!("{tag} now")),
                (None, false) => Some("it runs without tag now".to_owned()),
            }
        } else if version.is_some() && parts.tag == version {
            Some(format!(
                "the same version as {main} now; remove it if that is chance"
            ))
        } else {
            others.push(name.clone());
            continue;
        };
        images.push(Image {
            container: name.clone(),
            template: format!("{}:{{version}}", parts.repository),
            note,
        });
    }
    (images, others)
}

struct Parts<'a> {
    repository: &'a str,
    tag: Option<&'a str>,
    by_digest: bool,
}

/// `registry:5000/team/app:1.2@sha256:…` in its parts.
fn split(image: &str) -> Parts<'_> {
    let (name, by_digest) = match image.split_once('@') {
        Some((name, _)) => (name, true),
        None => (image, false),
    };
    let (repository, tag) = match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, Some(tag)),
        Some(_) | None => (name, None),
    };
    Parts {
        repository,
        tag,
        by_digest,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn definition(images: &[(&str, &str)]) -> Map<String, Value> {
        let containers: Vec<Value> = images
            .iter()
            .map(|(name, image)| json!({"name": name, "image": image}))
            .collect();
        let whole = json!({"containerDefinitions": containers});
        whole.as_object().unwrap().clone()
    }

    fn templates(images: &[(&str, &str)]) -> (Vec<(String, String)>, Vec<String>) {
        let (images, others) = of(&definition(images), "web");
        let images = images
            .into_iter()
            .map(|image| (image.container, image.template));
        (images.collect(), others)
    }

    #[test]
    fn the_version_stands_where_the_tag_stood() {
        for (image, expected) in [
            ("blog:1.3.0", "blog:{version}"),
            (
                "localhost:5000/team/blog",
                "localhost:5000/team/blog:{version}",
            ),
            ("localhost:5000/blog:1", "localhost:5000/blog:{version}"),
            ("ecr/blog@sha256:00ff", "ecr/blog:{version}"),
            ("ecr/blog:1.3.0@sha256:00ff", "ecr/blog:{version}"),
        ] {
            let (images, others) = templates(&[("web", image)]);
            assert_eq!(images, [("web".to_owned(), expected.to_owned())]);
            assert!(others.is_empty());
        }
    }

    #[test]
    fn containers_of_the_same_version_go_along_and_side_cars_stay() {
        let (images, others) = templates(&[
            ("web", "blog:1.3.0"),
            ("worker", "blog-worker:1.3.0"),
            ("envoy", "envoy:1.31"),
        ]);
        assert_eq!(images.len(), 2);
        assert_eq!(others, ["envoy"]);
        let (images, others) = templates(&[("web", "blog:latest"), ("agent", "agent:latest")]);
        assert_eq!(images.len(), 1);
        assert_eq!(others, ["agent"]);
    }
}
