//! The desired value: which version is wished for, in either of its two forms.
//!
//! `1.4.0`, or `{"version": "1.4.0", "images": {"web": "…@sha256:…"}, "id": "build-991"}`, with `"overrideFreeze": true`
//! where it is not to wait for the end of a freeze. It is written by a release pipeline and believed in nothing: a version can become an image's tag and nothing else.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use crate::Application;
use crate::image::{self, Reference, Template};
use crate::text::cut;

/// Bytes of a desired value that are looked at: a standard SSM parameter holds no more.
pub const MAX_BYTES: usize = 4 * 1024;
/// Characters that an `id` may have.
const MAX_ID: usize = 128;

/// What is wished for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Desired {
    /// `[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}`; `+` too where every image is given by digest.
    pub version: String,
    /// Container name to full image, for those whose image is not the template's with the version in it.
    #[serde(
        default,
        deserialize_with = "without_duplicates",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub images: BTreeMap<String, String>,
    /// Anything that tells two wishes for the same content apart: another id is another release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// A freeze of the spec's schedule does not hold it up. It is no part of what is released.
    #[serde(
        default,
        rename = "overrideFreeze",
        skip_serializing_if = "std::ops::Not::not"
    )]
    pub override_freeze: bool,
}

/// Why a desired value is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DesiredError {
    /// Nothing is there.
    #[error("the desired value is empty; write a version such as `1.4.0`")]
    Empty,
    /// Larger than [`MAX_BYTES`].
    #[error("the desired value has {bytes} bytes; at most {MAX_BYTES} are allowed")]
    TooLong {
        /// Its size.
        bytes: usize,
    },
    /// Not UTF-8.
    #[error("the desired value is not text: the byte at offset {offset} is not UTF-8")]
    NotText {
        /// Where the first wrong byte is.
        offset: usize,
    },
    /// Begins with `{` and is not the JSON form.
    #[error("the desired value is not `{{\"version\": …, \"images\": …, \"id\": …}}`: {reason}")]
    Json {
        /// What the JSON reader says, with line and column.
        reason: String,
    },
    /// No version that a registry could have as a tag.
    #[error("the version {version:?} is refused: {reason}")]
    Version {
        /// The version, cut to 80 characters.
        version: String,
        /// What is wrong with it.
        reason: String,
    },
    /// `+` is not possible in a tag.
    #[error(
        "the version {version:?} contains `+`, which no image tag can; give every image by digest, or write another version"
    )]
    PlusNeedsDigests {
        /// The version.
        version: String,
    },
    /// An `id` that is empty, too long or has characters that a tag value cannot have.
    #[error("the id is refused: write 1 to {MAX_ID} letters, digits and `_.:/=+-@`")]
    Id,
    /// An image for a container that the spec does not name.
    #[error("`images` names the container {container:?}; the spec's template has {known}")]
    UnknownContainer {
        /// The container, cut to 80 characters.
        container: String,
        /// The spec's containers.
        known: String,
    },
    /// No image reference with a tag or a digest.
    #[error(
        "the image {image:?} of container {container:?} is no image with a tag or a `sha256` digest"
    )]
    Image {
        /// The container.
        container: String,
        /// What was given, cut to 200 characters.
        image: String,
    },
    /// An image from elsewhere.
    #[error(
        "the image {image:?} of container {container:?} lies outside the spec's repository {repository:?}"
    )]
    ForeignRepository {
        /// The container.
        container: String,
        /// What was given, cut to 200 characters.
        image: String,
        /// Where it must lie.
        repository: String,
    },
}

impl Desired {
    /// Reads a desired value. One newline at the end of the plain form is cut, nothing else is.
    ///
    /// # Errors
    ///
    /// Anything that is not exactly one of the two forms.
    pub fn parse(value: impl AsRef<[u8]>) -> Result<Self, DesiredError> {
        let bytes = value.as_ref();
        if bytes.len() > MAX_BYTES {
            return Err(DesiredError::TooLong { bytes: bytes.len() });
        }
        let text = str::from_utf8(bytes).map_err(|error| DesiredError::NotText {
            offset: error.valid_up_to(),
        })?;
        let desired = if text.trim_ascii_start().starts_with('{') {
            serde_json::from_str(text).map_err(|error| DesiredError::Json {
                reason: cut(&error.to_string(), 200),
            })?
        } else {
            let version = text
                .strip_suffix('\n')
                .map_or(text, |line| line.strip_suffix('\r').unwrap_or(line));
            if version.trim().is_empty() {
                return Err(DesiredError::Empty);
            }
            Self {
                version: version.to_owned(),
                images: BTreeMap::new(),
                id: None,
                override_freeze: false,
            }
        };
        desired.check()?;
        Ok(desired)
    }

    /// The full image of every container that the spec's template names.
    ///
    /// # Errors
    ///
    /// An image for an unknown container or outside the container's repository; `+` where an image would be a tag.
    pub fn images_for(&self, app: &Application) -> Result<BTreeMap<String, String>, DesiredError> {
        let templates = &app.template.images;
        if let Some(container) = self
            .images
            .keys()
            .find(|container| !templates.contains_key(*container))
        {
            let known: Vec<_> = templates.keys().map(|name| format!("{name:?}")).collect();
            return Err(DesiredError::UnknownContainer {
                container: cut(container, 80),
                known: known.join(", "),
            });
        }
        templates
            .iter()
            .map(|(container, template)| Ok((container.clone(), self.image(container, template)?)))
            .collect()
    }

    fn image(&self, container: &str, template: &str) -> Result<String, DesiredError> {
        let Some(image) = self.images.get(container) else {
            if self.has_plus() {
                return Err(DesiredError::PlusNeedsDigests {
                    version: self.version.clone(),
                });
            }
            return Ok(template.replacen("{version}", &self.version, 1));
        };
        let lies_in = |template: Template<'_>| {
            Reference::parse(image)
                .is_some_and(|reference| reference.repository == template.repository)
        };
        if Template::parse(template).is_ok_and(lies_in) {
            Ok(image.clone())
        } else {
            let repository = template.trim_end_matches(":{version}").to_owned();
            Err(DesiredError::ForeignRepository {
                container: container.to_owned(),
                image: cut(image, 200),
                repository,
            })
        }
    }

    fn has_plus(&self) -> bool {
        self.version.contains('+')
    }

    fn check(&self) -> Result<(), DesiredError> {
        let mut all_by_digest = !self.images.is_empty();
        for (container, image) in &self.images {
            let reference = Reference::parse(image);
            let reference = reference.ok_or_else(|| DesiredError::Image {
                container: cut(container, 80),
                image: cut(image, 200),
            })?;
            all_by_digest &= reference.has_digest;
        }
        check_version(&self.version)?;
        if self.has_plus() && !all_by_digest {
            return Err(DesiredError::PlusNeedsDigests {
                version: self.version.clone(),
            });
        }
        let in_id = |c: char| c.is_ascii_alphanumeric() || "_.:/=+-@".contains(c);
        let id_is_right = |id: &String| (1..=MAX_ID).contains(&id.len()) && id.chars().all(in_id);
        if self.id.as_ref().is_none_or(id_is_right) {
            Ok(())
        } else {
            Err(DesiredError::Id)
        }
    }
}

/// `+` is let through here.
fn check_version(version: &str) -> Result<(), DesiredError> {
    let refuse = |reason: String| {
        Err(DesiredError::Version {
            version: cut(version, 80),
            reason,
        })
    };
    let Some(first) = version.chars().next() else {
        return refuse("it is empty".into());
    };
    if let Some((position, wrong)) = version
        .chars()
        .enumerate()
        .find(|(_, c)| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '+')))
    {
        return refuse(format!(
            "{wrong:?} at character {} is not allowed; only letters, digits and `_.-` are",
            position + 1
        ));
    }
    if matches!(first, '.' | '-' | '+') {
        return refuse(format!(
            "it begins with {first:?}; a letter, a digit or `_` must come first"
        ));
    }
    if !image::is_tag(&version.replace('+', "_")) {
        return refuse(format!(
            "it has {} characters; at most 128 are allowed",
            version.len()
        ));
    }
    Ok(())
}

/// A map in which no key comes twice: serde would keep the last one.
fn without_duplicates<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, String>, D::Error> {
    struct Images;

    impl<'de> Visitor<'de> for Images {
        type Value = BTreeMap<String, String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a map of container to image")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut images = BTreeMap::new();
            while let Some((container, image)) = map.next_entry::<String, String>()? {
                if images.contains_key(&container) {
                    return Err(A::Error::custom(format_args!(
                        "duplicate container {container:?}"
                    )));
                }
                images.insert(container, image);
            }
            Ok(images)
        }
    }

    deserializer.deserialize_map(Images)
}
