//! Container image references, and templates of them.

/// `{version}` in a template.
const VERSION: &str = "{version}";

/// An image reference with `{version}` as its tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Template<'a> {
    /// Registry and repository path, before the tag.
    pub(crate) repository: &'a str,
}

impl<'a> Template<'a> {
    /// `Err` says what would be right.
    pub(crate) fn parse(text: &'a str) -> Result<Self, String> {
        let right = || {
            "write `repository:{version}`: `{version}` exactly once, and as the whole tag"
                .to_owned()
        };
        if text.contains('@') {
            return Err(format!(
                "{}; a digest would fix what each release must decide",
                right()
            ));
        }
        let repository = text
            .strip_suffix(VERSION)
            .and_then(|rest| rest.strip_suffix(':'))
            .ok_or_else(right)?;
        if repository.contains(['{', '}']) {
            return Err(right());
        }
        if !is_repository(repository) {
            return Err("write `repository:{version}` with a repository such as `registry.example.com/team/app`".into());
        }
        Ok(Self { repository })
    }
}

/// A full image reference: repository and a tag, a digest or both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reference<'a> {
    /// Registry and repository path.
    pub(crate) repository: &'a str,
    /// Whether the content is fixed by a digest.
    pub(crate) has_digest: bool,
}

impl<'a> Reference<'a> {
    /// `None` if `text` is no image reference with a tag or a digest.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(digest)),
            None => (text, None),
        };
        let (repository, tag) = match name.rsplit_once(':') {
            Some((repository, tag)) if !tag.contains('/') => (repository, Some(tag)),
            Some(_) | None => (name, None),
        };
        let right = is_repository(repository)
            && (tag.is_some() || digest.is_some())
            && tag.is_none_or(is_tag)
            && digest.is_none_or(is_digest);
        right.then_some(Self {
            repository,
            has_digest: digest.is_some(),
        })
    }
}

/// `[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}`: what a registry takes as a tag.
pub(crate) fn is_tag(text: &str) -> bool {
    text.len() <= 128
        && text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))
}

fn is_digest(text: &str) -> bool {
    let hex = text.strip_prefix("sha256:").unwrap_or_default();
    hex.len() == 64 && hex.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'))
}

/// An optional registry with an optional port, then small letters, digits and single separators between them.
fn is_repository(text: &str) -> bool {
    let component = |part: &str| {
        let end = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        part.starts_with(end)
            && part.ends_with(end)
            && part.chars().all(|c| end(c) || matches!(c, '.' | '_' | '-'))
    };
    let registry = |part: &str| {
        let (host, port) = part
            .split_once(':')
            .map_or((part, None), |(host, port)| (host, Some(port)));
        !host.is_empty()
            && host
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'))
            && port.is_none_or(|port| {
                !port.is_empty() && port.len() <= 5 && port.chars().all(|c| c.is_ascii_digit())
            })
    };
    let first_right = |part: &str, alone: bool| component(part) || !alone && registry(part);
    text.len() <= 255
        && match text.split_once('/') {
            None => first_right(text, true),
            Some((first, rest)) => first_right(first, false) && rest.split('/').all(component),
        }
}
