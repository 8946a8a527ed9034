//! Where an application's parameters are: `<prefix>/<name>/{spec,desired,record,status,intents/…}`; and the pause of
//! all: `<prefix>/pause`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crd_schema::ApplicationName;

/// The prefix that an operator serves unless told otherwise.
pub const DEFAULT_PREFIX: &str = "/teal/apps";

/// One of an application's parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leaf {
    /// The Application.
    Spec,
    /// The wish.
    Desired,
    /// The operator's memory.
    Record,
    /// What people see.
    Status,
    /// What a person asks of the rollout.
    Intent(Verb),
}

/// What a person may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// The step ends now.
    Promote,
    /// The rollout ends, and traffic goes back.
    Abort,
    /// A gate passes.
    Approve,
    /// Nothing makes progress.
    Pause,
}

impl Leaf {
    fn as_str(self) -> &'static str {
        match self {
            Self::Spec => "spec",
            Self::Desired => "desired",
            Self::Record => "record",
            Self::Status => "status",
            Self::Intent(Verb::Promote) => "intents/promote",
            Self::Intent(Verb::Abort) => "intents/abort",
            Self::Intent(Verb::Approve) => "intents/approve",
            Self::Intent(Verb::Pause) => "intents/pause",
        }
    }
}

/// The prefixes that are served, and under which of them each application was found. Clones share what was found.
#[derive(Debug, Clone)]
pub struct Names {
    prefixes: Vec<String>,
    homes: Arc<Mutex<BTreeMap<ApplicationName, String>>>,
}

impl Default for Names {
    fn default() -> Self {
        Self::new([DEFAULT_PREFIX])
    }
}

impl Names {
    /// Serves these prefixes; [`DEFAULT_PREFIX`] when there is none. A slash at the end is cut.
    pub fn new<T: AsRef<str>>(prefixes: impl IntoIterator<Item = T>) -> Self {
        let mut prefixes: Vec<String> = prefixes
            .into_iter()
            .map(|prefix| prefix.as_ref().trim_end_matches('/').to_owned())
            .collect();
        if prefixes.is_empty() {
            prefixes.push(DEFAULT_PREFIX.to_owned());
        }
        Self {
            prefixes,
            homes: Arc::default(),
        }
    }

    /// The prefixes.
    pub(crate) fn prefixes(&self) -> &[String] {
        &self.prefixes
    }

    /// The full name of a parameter. An application that no prefix has shown yet is at home under the first.
    pub fn parameter(&self, application: &ApplicationName, leaf: Leaf) -> String {
        format!("{}/{application}/{}", self.home(application), leaf.as_str())
    }

    /// The parameter that pauses this application and all others of its prefix.
    pub(crate) fn pause_above(&self, application: &ApplicationName) -> String {
        pause_of(&self.home(application))
    }

    /// The parameters that pause everything, one a prefix.
    pub fn pauses(&self) -> Vec<String> {
        self.prefixes
            .iter()
            .map(|prefix| pause_of(prefix))
            .collect()
    }

    fn home(&self, application: &ApplicationName) -> String {
        let homes = self.homes.lock().unwrap_or_else(PoisonError::into_inner);
        let first = || self.prefixes.first().map_or(DEFAULT_PREFIX, String::as_str);
        let home = homes.get(application).map(String::as_str);
        home.unwrap_or_else(first).to_owned()
    }

    /// Remembers that an application's parameters are under this prefix.
    pub(crate) fn found(&self, application: &ApplicationName, prefix: &str) {
        let mut homes = self.homes.lock().unwrap_or_else(PoisonError::into_inner);
        homes.insert(application.clone(), prefix.to_owned());
    }

    /// The application whose `leaf` this parameter is.
    pub(crate) fn parse(prefix: &str, parameter: &str, leaf: Leaf) -> Option<ApplicationName> {
        let rest = parameter.strip_prefix(prefix)?.strip_prefix('/')?;
        let name = rest.strip_suffix(leaf.as_str())?.strip_suffix('/')?;
        (!name.is_empty() && !name.contains('/')).then(|| ApplicationName::new(name))
    }
}

fn pause_of(prefix: &str) -> String {
    format!("{prefix}/pause")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_and_read() {
        let names = Names::new(["/a/", "/b"]);
        let blog = ApplicationName::new("blog");
        assert_eq!(names.parameter(&blog, Leaf::Spec), "/a/blog/spec");
        names.clone().found(&blog, "/b");
        assert_eq!(names.parameter(&blog, Leaf::Desired), "/b/blog/desired");
        assert_eq!(names.pause_above(&blog), "/b/pause");
        assert_eq!(names.pauses(), ["/a/pause", "/b/pause"]);
        assert_eq!(Names::parse("/a", "/a/blog/spec", Leaf::Spec), Some(blog));
        for other in [
            "/a/blog/desired",
            "/a/x/blog/spec",
            "/a//spec",
            "/a/spec",
            "/ab/blog/spec",
            "",
        ] {
            assert_eq!(Names::parse("/a", other, Leaf::Spec), None, "{other}");
        }
        assert_eq!(
            Names::new(Vec::<String>::new()).prefixes(),
            [DEFAULT_PREFIX]
        );
    }
}
