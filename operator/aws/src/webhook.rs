//! Signed POSTs to somebody else's service, in the form of Standard Webhooks
//! (<https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>).
//!
//! `webhook-id` is the same each time the same thing is said; `webhook-timestamp` is when, in Unix seconds;
//! `webhook-signature` is `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`. The secret is fetched for each
//! request, so that a new one counts at once, and goes nowhere but into the signature.

use std::env;
use std::time::{Duration, SystemTime};

use aws_smithy_runtime_api::client::http::{HttpConnector, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::http::HttpError;
use aws_smithy_types::base64;
use aws_smithy_types::body::SdkBody;
use crd_schema::webhook::{Secret, Webhook};
use hmac::{Hmac, KeyInit, Mac};
use runtime::events::Event;
use serde_json::{Value, json};
use sha2::Sha256;

use crate::budget::Class;
use crate::clients::Clients;
use crate::error::{Error, Kind, chain};
use crate::gates::beginning;

/// What a secret in base64 begins with; any other is taken as it is written.
const ENCODED: &str = "whsec_";
/// Longest time that one request may take.
const LONGEST: Duration = Duration::from_secs(30);

/// Why nothing was said, or nobody answered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WebhookError {
    /// The secret could not be read.
    #[error("its secret could not be read: {0}")]
    Unread(#[source] Error),
    /// The environment has no such variable.
    #[error("its secret is missing: set {0} in the operator's environment")]
    NotSet(String),
    /// It says that it is base64, and is not; or there is nothing in it.
    #[error(
        "its secret is empty, or begins with `whsec_` and is no base64 after that: write another one to {0}"
    )]
    Unusable(String),
    /// The address is none.
    #[error("POST {url} could not be made")]
    Request {
        /// Where to.
        url: String,
        /// Why.
        #[source]
        source: HttpError,
    },
    /// No answer.
    #[error("POST {url} got no answer: {why}")]
    NoAnswer {
        /// Where to.
        url: String,
        /// Why.
        why: String,
    },
}

/// What somebody answered.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    /// At most 256 KB of it.
    pub(crate) body: Vec<u8>,
}

/// Says something once.
///
/// # Errors
/// No secret, or no answer within 30 s.
pub(crate) async fn post(
    clients: &Clients,
    web: &SharedHttpConnector,
    webhook: &Webhook,
    id: &str,
    body: &Value,
) -> Result<Answered, WebhookError> {
    let secret = secret(clients, &webhook.secret).await?;
    let since = clients.now().duration_since(SystemTime::UNIX_EPOCH);
    let timestamp = since.unwrap_or_default().as_secs().to_string();
    let body = body.to_string();
    let url = &webhook.url;
    let signature = signature(&secret, id, &timestamp, &body);
    let request = request(url, id, &timestamp, &signature, body);
    let request = request.map_err(|source| WebhookError::Request {
        url: url.clone(),
        source,
    })?;
    let no_answer = |why: String| WebhookError::NoAnswer {
        url: url.clone(),
        why,
    };
    let exchange = async {
        let answer = web.call(request).await.map_err(|error| chain(&error))?;
        let status = answer.status().as_u16();
        let body = beginning(answer.into_body()).await;
        let body = body.map_err(|error| chain(&error))?;
        Ok(Answered { status, body })
    };
    let answered = tokio::time::timeout(LONGEST, exchange).await;
    answered
        .unwrap_or_else(|_| Err(format!("it took longer than {} s", LONGEST.as_secs())))
        .map_err(no_answer)
}

/// Tells what happened.
///
/// # Errors
/// No secret, no answer, or another status than 2xx.
pub(crate) async fn tell(
    clients: &Clients,
    web: &SharedHttpConnector,
    webhook: &Webhook,
    event: &Event,
) -> Result<(), Error> {
    let body = json!({
        "type": event.reason.as_str(),
        "timestamp": event.at.to_string(),
        "data": {
            "application": event.application,
            "reason": event.reason.as_str(),
            "warning": event.reason.is_warning(),
            "note": event.note,
        },
    });
    let (operation, url) = ("POST", &webhook.url);
    match post(clients, web, webhook, &event.id, &body).await {
        Ok(answered) if (200..300).contains(&answered.status) => Ok(()),
        Ok(answered) => {
            let why = format!("it answered {}", answered.status);
            Err(Error::own(Kind::Unavailable, operation, url, why))
        }
        Err(error) => Err(Error::own(Kind::Network, operation, url, chain(&error))),
    }
}

fn request(
    url: &str,
    id: &str,
    timestamp: &str,
    signature: &str,
    body: String,
) -> Result<HttpRequest, HttpError> {
    let length = body.len().to_string();
    let mut request = HttpRequest::new(SdkBody::from(body));
    request.set_uri(url)?;
    request.set_method("POST")?;
    let headers = [
        ("content-type", "application/json"),
        ("content-length", &length),
        ("user-agent", concat!("teal/", env!("CARGO_PKG_VERSION"))),
        ("idempotency-key", id),
        ("webhook-id", id),
        ("webhook-timestamp", timestamp),
        ("webhook-signature", signature),
    ];
    for (name, value) in headers {
        request
            .headers_mut()
            .try_insert(name.to_owned(), value.to_owned())?;
    }
    Ok(request)
}

/// The key that signs.
async fn secret(clients: &Clients, secret: &Secret) -> Result<Vec<u8>, WebhookError> {
    let (text, from) = match secret {
        Secret::Parameter(name) => {
            let send = clients.ssm.get_parameter().name(name).with_decryption(true);
            let read = clients.call(Class::ParameterRead, "GetParameter", name, send.send());
            let read = read.await.map_err(WebhookError::Unread)?;
            let text = read.parameter.and_then(|parameter| parameter.value);
            let nothing = || Error::own(Kind::Invalid, "GetParameter", name, "it has no value");
            (
                text.ok_or_else(nothing).map_err(WebhookError::Unread)?,
                name,
            )
        }
        Secret::Environment(name) => {
            let text = env::var(name).map_err(|_| WebhookError::NotSet(name.clone()))?;
            (text, name)
        }
    };
    key(&text).ok_or_else(|| WebhookError::Unusable(from.clone()))
}

fn key(text: &str) -> Option<Vec<u8>> {
    let text = text.trim();
    let key = match text.strip_prefix(ENCODED) {
        Some(encoded) => base64::decode(encoded).ok()?,
        None => text.as_bytes().to_vec(),
    };
    (!key.is_empty()).then_some(key)
}

fn signature(key: &[u8], id: &str, timestamp: &str, body: &str) -> String {
    // HMAC takes keys of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return String::new();
    };
    mac.update(format!("{id}.{timestamp}.{body}").as_bytes());
    format!("v1,{}", base64::encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's own libraries.
    #[test]
    fn signatures_are_those_of_standard_webhooks() {
        let key = key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let body = r#"{"test": 2432232314}"#;
        let signed = signature(&key, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", body);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_secret_is_base64_or_what_it_says() {
        assert_eq!(key(" plain \n").unwrap(), b"plain");
        assert_eq!(key("whsec_AAE=").unwrap(), [0, 1]);
        for unusable in ["", "whsec_", "whsec_%"] {
            assert_eq!(key(unusable), None, "{unusable:?}");
        }
    }
}
