//! One error for every call to AWS, and what a failed write leaves behind.

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::{ConnectorError, SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use hyper_util::client::legacy::Error as TransportError;
use planner::memory::WriteOutcome;
use runtime::cloud::ReadError;

use crate::in_process::NoAnswer;

/// Characters of an AWS message that are kept.
const MAX_MESSAGE: usize = 400;

/// What kind of failure it is: what to do about it follows from this alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Too many calls, ours or somebody else's on the account.
    Throttled,
    /// IAM says no.
    Denied,
    /// What was asked for is not there.
    NotFound,
    /// It is there in another state than the call needs.
    Conflict,
    /// AWS understood the call and cannot accept it.
    Invalid,
    /// AWS has an internal failure (5xx).
    Unavailable,
    /// No answer in time.
    Timeout,
    /// No connection, or it broke.
    Network,
    /// There are no credentials, or AWS does not know them.
    Credentials,
}

impl Kind {
    /// The stable name: metric label and log field.
    pub const fn category(self) -> &'static str {
        match self {
            Self::Throttled => "throttled",
            Self::Denied => "denied",
            Self::NotFound => "not-found",
            Self::Conflict => "conflict",
            Self::Invalid => "invalid",
            Self::Unavailable => "unavailable",
            Self::Timeout => "timeout",
            Self::Network => "network",
            Self::Credentials => "credentials",
        }
    }
}

/// What a failed call may have done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It never left.
    NotSent,
    /// AWS refused it (any 4xx): nothing was done.
    Refused,
    /// It may have been done, or may yet be.
    Unknown,
}

/// A call to AWS that failed: one line, never a raw answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{operation} on {resource} failed ({}): {message}", kind.category())]
pub struct Error {
    /// What kind of failure it is.
    pub kind: Kind,
    /// What the call may have done.
    pub effect: Effect,
    /// AWS operation, as in IAM.
    pub operation: &'static str,
    /// What it was about: a name or an ARN.
    pub resource: String,
    /// AWS's error code, when AWS answered.
    pub code: Option<String>,
    /// What to do next where that is known, and AWS's own text (or the transport's), cut.
    pub message: String,
}

impl Error {
    /// A failure that we find ourselves in an answer or before a call.
    pub(crate) fn own(
        kind: Kind,
        operation: &'static str,
        resource: &str,
        message: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            effect: Effect::NotSent,
            operation,
            resource: one_line(resource),
            code: None,
            message: message.into(),
        }
    }

    /// From what the SDK gives.
    pub(crate) fn from_sdk<E>(
        operation: &'static str,
        resource: &str,
        error: &SdkError<E, HttpResponse>,
    ) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let (kind, effect, code, text) = match error {
            SdkError::ServiceError(answer) => {
                let status = answer.raw().status().as_u16();
                let code = answer.err().code().unwrap_or_default();
                let text = answer.err().message().unwrap_or("AWS gave no message");
                (
                    classify(status, code, text),
                    effect_of(status),
                    Some(code),
                    text.to_owned(),
                )
            }
            SdkError::ResponseError(answer) => {
                let status = answer.raw().status().as_u16();
                let kind = if status < 400 {
                    Kind::Invalid
                } else {
                    classify(status, "", "")
                };
                (
                    kind,
                    effect_of(status),
                    None,
                    format!(
                        "the answer (HTTP {status}) could not be read: {}",
                        chain(error)
                    ),
                )
            }
            SdkError::TimeoutError(_) => (Kind::Timeout, Effect::Unknown, None, chain(error)),
            SdkError::DispatchFailure(failure) => {
                let (kind, effect) = match failure.as_connector_error() {
                    Some(connector) => of_connector(connector),
                    None => (Kind::Network, Effect::Unknown),
                };
                (kind, effect, None, chain(error))
            }
            SdkError::ConstructionFailure(_) => {
                (Kind::Invalid, Effect::NotSent, None, chain(error))
            }
            // The enum is open: what is not known may have happened.
            _ => (Kind::Network, Effect::Unknown, None, chain(error)),
        };
        Self::told(operation, resource, (kind, effect), code, &text)
    }

    /// From an answer that is a refusal.
    pub(crate) fn from_answer(
        operation: &'static str,
        resource: &str,
        status: u16,
        code: &str,
        text: &str,
    ) -> Self {
        let kind = (classify(status, code, text), effect_of(status));
        Self::told(operation, resource, kind, Some(code), text)
    }

    /// From a request that got no answer.
    pub(crate) fn from_connector(
        operation: &'static str,
        resource: &str,
        error: &ConnectorError,
    ) -> Self {
        Self::told(
            operation,
            resource,
            of_connector(error),
            None,
            &chain(error),
        )
    }

    fn told(
        operation: &'static str,
        resource: &str,
        (kind, effect): (Kind, Effect),
        code: Option<&str>,
        text: &str,
    ) -> Self {
        let code = code.filter(|code| !code.is_empty()).map(one_line);
        let said = match &code {
            Some(code) => format!("{code}: {}", one_line(text)),
            None => one_line(text),
        };
        // What to do comes first: AWS's own text is long, and a message is cut at its end.
        let message = match next_step(kind, code.as_deref().unwrap_or_default(), text) {
            Some(next) => format!("{next} ({said})"),
            None => said,
        };
        Self {
            kind,
            effect,
            operation,
            resource: one_line(resource),
            code,
            message,
        }
    }

    /// The same failure, of a read that a write had to make first: the write itself never left.
    pub(crate) fn before_sending(self) -> Self {
        Self {
            effect: Effect::NotSent,
            ..self
        }
    }

    /// The stable name of the kind.
    pub fn category(&self) -> &'static str {
        self.kind.category()
    }

    /// What became of the write that failed so.
    pub fn outcome(&self) -> WriteOutcome {
        let reason = self.to_string();
        match self.effect {
            Effect::NotSent => WriteOutcome::NotSent { reason },
            Effect::Refused => WriteOutcome::Refused { reason },
            Effect::Unknown => WriteOutcome::Unknown { reason },
        }
    }
}

impl From<Error> for ReadError {
    fn from(error: Error) -> Self {
        Self {
            operation: error.operation,
            category: error.kind.category(),
            message: format!("{}: {}", error.resource, error.message),
        }
    }
}

/// Codes that the SDKs treat as throttling (botocore `retries/standard.py`).
const THROTTLES: [&str; 15] = [
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "RequestThrottledException",
    "RequestThrottled",
    "TooManyRequestsException",
    "TooManyUpdates",
    "ProvisionedThroughputExceededException",
    "TransactionInProgressException",
    "RequestLimitExceeded",
    "BandwidthLimitExceeded",
    "LimitExceededException",
    "SlowDown",
    "PriorRequestNotComplete",
    "EC2ThrottledException",
];

/// Codes that speak of who calls, not of what is called.
const CREDENTIALS: [&str; 10] = [
    "UnrecognizedClientException",
    "InvalidClientTokenId",
    "ExpiredToken",
    "ExpiredTokenException",
    "SignatureDoesNotMatch",
    "InvalidSignatureException",
    "IncompleteSignature",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "RequestExpired",
];

/// The kind of an answer, from its status, AWS's code and AWS's message.
pub(crate) fn classify(status: u16, code: &str, message: &str) -> Kind {
    if status == 429 || THROTTLES.contains(&code) {
        Kind::Throttled
    } else if status >= 500 {
        Kind::Unavailable
    } else if CREDENTIALS.contains(&code) {
        Kind::Credentials
    } else if matches!(
        code,
        "AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation" | "OptInRequired"
    ) || status == 403
    {
        Kind::Denied
    } else if code.contains("NotFound") || message.starts_with("Unable to describe task definition")
    {
        Kind::NotFound
    } else if code.contains("Conflict")
        || matches!(
            code,
            "ServiceNotActiveException"
                | "UpdateInProgressException"
                | "ResourceInUse"
                | "ParameterAlreadyExists"
        )
        || message.contains("not idempotent")
        || message.contains("still Draining")
        || message.contains("while the primary deployment is scaled above 0")
        || message.contains("while it is scaled above 0")
    {
        Kind::Conflict
    } else {
        Kind::Invalid
    }
}

fn effect_of(status: u16) -> Effect {
    if (400..500).contains(&status) {
        Effect::Refused
    } else {
        Effect::Unknown
    }
}

/// The kind of a failure without an answer.
pub(crate) fn kind_of_transport(error: &(dyn std::error::Error + 'static)) -> Kind {
    let connector = causes(error).find_map(|cause| cause.downcast_ref::<ConnectorError>());
    if is_of_credentials(error) {
        Kind::Credentials
    } else {
        connector.map_or(Kind::Network, |connector| of_connector(connector).0)
    }
}

fn is_of_credentials(error: &(dyn std::error::Error + 'static)) -> bool {
    causes(error).any(|cause| cause.is::<CredentialsError>())
}

/// A connection that was never made carried nothing; anything later may have arrived.
fn of_connector(error: &ConnectorError) -> (Kind, Effect) {
    if is_of_credentials(error) {
        return (Kind::Credentials, Effect::NotSent);
    }
    let kind = if error.is_timeout() {
        Kind::Timeout
    } else {
        Kind::Network
    };
    let never_connected = causes(error).any(|cause| {
        let transport = cause.downcast_ref::<TransportError>();
        transport.is_some_and(TransportError::is_connect)
            || cause.downcast_ref() == Some(&NoAnswer::NotConnected)
    });
    (
        kind,
        if error.is_user() || never_connected {
            Effect::NotSent
        } else {
            Effect::Unknown
        },
    )
}

fn causes<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |error| error.source())
}

/// The causes in one line, without what only repeats.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut texts: Vec<String> = Vec::new();
    for text in causes(error).map(ToString::to_string) {
        if texts.last().is_none_or(|last| !last.contains(&text)) {
            texts.push(text);
        }
    }
    texts.join(": ")
}

/// Control characters as spaces, cut.
pub(crate) fn one_line(text: &str) -> String {
    let mut line: String = text
        .chars()
        .take(MAX_MESSAGE)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if text.chars().nth(MAX_MESSAGE).is_some() {
        line.push('…');
    }
    line
}

/// A name for several: the first, and how many more.
pub(crate) fn several(names: &[String]) -> String {
    match names {
        [] => "nothing".to_owned(),
        [one] => one.clone(),
        [first, more @ ..] => format!("{first} and {} more", more.len()),
    }
}

/// What a person can do, where AWS's text does not say it.
fn next_step(kind: Kind, code: &str, message: &str) -> Option<String> {
    if message.to_ascii_lowercase().contains("service linked role") {
        return Some(
            "the account has no service-linked role for ECS yet: create it once with `aws iam create-service-linked-role --aws-service-name ecs.amazonaws.com`"
                .to_owned(),
        );
    }
    match kind {
        Kind::Credentials => Some(
            "give it credentials: a task role on ECS, or AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY elsewhere"
                .to_owned(),
        ),
        Kind::Denied => Some(match denied_action(message) {
            Some(action) => format!("allow {action} in the policy of whom AWS names here"),
            None => "allow the action in the policy of whom AWS names here".to_owned(),
        }),
        Kind::Network => Some("check the route to AWS: endpoint, proxy, security group, DNS".to_owned()),
        Kind::NotFound if code.starts_with("TargetGroupNotFound") || code == "ClusterNotFoundException" => {
            Some("it does not exist: create it, or correct its name in the spec".to_owned())
        }
        Kind::NotFound
        | Kind::Throttled
        | Kind::Conflict
        | Kind::Invalid
        | Kind::Unavailable
        | Kind::Timeout => None,
    }
}

/// The action that IAM's refusal names, as a policy writes it.
fn denied_action(message: &str) -> Option<&str> {
    let (_, after) = message.split_once("is not authorized to perform: ")?;
    let action = after.split_whitespace().next()?;
    action.contains(':').then_some(action)
}
