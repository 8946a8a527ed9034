//! Somebody else's service that is told or asked by a signed POST.

use crate::event::Reason;

/// Where to, and by what secret the request is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// `https://…` or `http://…`.
    pub url: String,
    /// The shared secret.
    pub secret: Secret,
}

/// Where a shared secret is; never the secret itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Secret {
    /// A parameter of Parameter Store, best a SecureString.
    Parameter(String),
    /// A variable of the operator's environment.
    Environment(String),
}

/// Somebody who is told what happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// Where to.
    pub webhook: Webhook,
    /// What of; empty: everything.
    pub events: Vec<Reason>,
}

impl Notification {
    /// It is told of this.
    pub fn wants(&self, reason: Reason) -> bool {
        self.events.is_empty() || self.events.contains(&reason)
    }
}
