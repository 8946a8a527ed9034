//! How a command can fail, as people see it and as an exit code.

use std::error::Error;
use std::fmt;
use std::process::ExitCode;

use aws::error::Kind;

/// The closed set of exit codes: a public contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// A bug in Teal.
    Bug = 1,
    /// Usage, or input that is wrong.
    Invalid = 2,
    /// Rolled back or rejected.
    Rejected = 3,
    /// A newer wish took its place.
    Superseded = 4,
    /// A person must decide.
    NeedsPerson = 5,
    /// It took too long.
    TimedOut = 6,
    /// It does not exist.
    NotFound = 7,
    /// Refused or denied.
    Refused = 8,
    /// Ctrl-C, as shells have it.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// An expected failure: what happened, why, and what to do next. Printed once, by `main`.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The exit code.
    pub(crate) exit: Exit,
    message: String,
    source: Option<Box<dyn Error + Send + Sync>>,
    next: Option<String>,
}

impl Failure {
    /// What happened.
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
            source: None,
            next: None,
        }
    }

    /// Why.
    pub(crate) fn because(self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            source: Some(source.into()),
            ..self
        }
    }

    /// What to do next.
    pub(crate) fn next(self, next: impl Into<String>) -> Self {
        Self {
            next: Some(next.into()),
            ..self
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        let mut said = self.message.clone();
        let mut cause: Option<&dyn Error> =
            self.source.as_deref().map(|source| source as &dyn Error);
        while let Some(error) = cause {
            let text = error.to_string();
            if !said.contains(&text) {
                write!(f, ": {text}")?;
                said = text;
            }
            cause = error.source();
        }
        if let Some(next) = &self.next {
            write!(f, "\n{next}")?;
        }
        Ok(())
    }
}

impl Error for Failure {}

impl From<aws::Error> for Failure {
    fn from(error: aws::Error) -> Self {
        let exit = match error.kind {
            Kind::NotFound => Exit::NotFound,
            Kind::Invalid => Exit::Invalid,
            Kind::Timeout => Exit::TimedOut,
            Kind::Throttled
            | Kind::Denied
            | Kind::Conflict
            | Kind::Unavailable
            | Kind::Network
            | Kind::Credentials => Exit::Refused,
        };
        Self::new(exit, error.to_string())
    }
}

impl From<aws::ConnectError> for Failure {
    fn from(error: aws::ConnectError) -> Self {
        let exit = match error {
            aws::ConnectError::NoRegion => Exit::Invalid,
            aws::ConnectError::NoCredentials { .. } => Exit::Refused,
        };
        Self::new(exit, error.to_string())
    }
}

impl From<runtime::cloud::ReadError> for Failure {
    fn from(error: runtime::cloud::ReadError) -> Self {
        let exit = match error.category {
            "not-found" => Exit::NotFound,
            "timeout" => Exit::TimedOut,
            _ => Exit::Refused,
        };
        Self::new(exit, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn the_chain_is_told_once_with_what_to_do() {
        let cause = Outer(std::io::Error::other("the disk is full"));
        let failure = Failure::new(Exit::Refused, "it was not written")
            .because(cause)
            .next("Make room.");
        assert_eq!(
            failure.to_string(),
            "it was not written: outer: the disk is full\nMake room."
        );
    }

    #[test]
    fn exit_codes_are_a_contract() {
        let codes = [
            (Exit::Bug, 1),
            (Exit::Invalid, 2),
            (Exit::Rejected, 3),
            (Exit::Superseded, 4),
            (Exit::NeedsPerson, 5),
            (Exit::TimedOut, 6),
            (Exit::NotFound, 7),
            (Exit::Refused, 8),
            (Exit::Interrupted, 130),
        ];
        for (exit, code) in codes {
            assert_eq!(exit as u8, code);
        }
    }
}
