//! Signed requests to services of which one operation is needed.
//!
//! The SDK's client of AWS Lambda brings a hundred operations and, for one of them, event streams into the core that all
//! clients share. What is used here is the SDK's own signer and connector; what a client adds on top (retries, endpoint
//! rules for odd partitions) gates do without.

use std::fmt;
use std::time::SystemTime;

use aws_config::SdkConfig;
use aws_credential_types::provider::ProvideCredentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::http::{HttpConnector, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use serde_json::Value;
use tokio::time::Instant;

use crate::error::{Effect, Error, Kind, chain};
use crate::gates::beginning;
use crate::metrics::{CallMetrics, code_in};

/// Signs and sends. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Signer {
    config: SdkConfig,
    web: SharedHttpConnector,
    metrics: CallMetrics,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer")
    }
}

/// A POST to a service.
#[derive(Debug)]
pub(crate) struct Ask<'a> {
    /// The service, as in its host name, in signatures and in IAM.
    pub(crate) service: &'static str,
    /// The operation, as its model calls it.
    pub(crate) operation: &'static str,
    /// What it is about, for people.
    pub(crate) resource: &'a str,
    /// Path, escaped as it goes over the wire.
    pub(crate) path: &'a str,
    /// Headers besides those of the signature.
    pub(crate) headers: &'a [(&'static str, &'a str)],
    /// The body.
    pub(crate) body: String,
}

/// What a service said, when it did not refuse.
#[derive(Debug)]
pub(crate) struct Answer {
    headers: Vec<(String, String)>,
    /// At most 256 KB of it.
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// A header, its name in small letters.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

impl Signer {
    pub(crate) fn new(config: &SdkConfig, web: SharedHttpConnector, metrics: CallMetrics) -> Self {
        Self {
            config: config.clone(),
            web,
            metrics,
        }
    }

    /// Sends once, and counts it.
    ///
    /// # Errors
    /// No credentials, no answer, or a refusal.
    pub(crate) async fn send(&self, ask: &Ask<'_>) -> Result<Answer, Error> {
        let began = Instant::now();
        let counting = Counting {
            metrics: &self.metrics,
            ask,
            began,
            ended: false,
        };
        let answer = self.exchange(ask).await;
        counting.end(answer.as_ref().err().map(|error| error.kind));
        answer
    }

    async fn exchange(&self, ask: &Ask<'_>) -> Result<Answer, Error> {
        let Ask {
            operation,
            resource,
            ..
        } = *ask;
        let request = self.signed(ask).await?;
        let answer = self.web.call(request).await;
        let answer = answer.map_err(|error| Error::from_connector(operation, resource, &error))?;
        let status = answer.status().as_u16();
        let headers = answer.headers().iter();
        let headers: Vec<(String, String)> = headers
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let body = beginning(answer.into_body()).await.map_err(|error| Error {
            effect: Effect::Unknown,
            ..Error::own(Kind::Network, operation, resource, chain(&error))
        })?;
        let answer = Answer { headers, body };
        if status < 300 {
            return Ok(answer);
        }
        let in_header = answer.header("x-amzn-errortype");
        let code = in_header.map_or_else(|| code_in(&answer.body), str::to_owned);
        // `Code:http://…` and `namespace#Code` are ways to write it.
        let code = code.split(':').next().unwrap_or_default();
        let code = code.rsplit('#').next().unwrap_or_default();
        let said: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let text = said["message"].as_str().or(said["Message"].as_str());
        let text = text.unwrap_or("AWS gave no message");
        Err(Error::from_answer(operation, resource, status, code, text))
    }

    async fn signed(&self, ask: &Ask<'_>) -> Result<HttpRequest, Error> {
        let Ask {
            operation,
            resource,
            ..
        } = *ask;
        let wrong = |kind, error: &(dyn std::error::Error + 'static)| {
            Error::own(kind, operation, resource, chain(error))
        };
        let Some(provider) = self.config.credentials_provider() else {
            let why = "there are no credentials";
            return Err(Error::own(Kind::Credentials, operation, resource, why));
        };
        let credentials = provider.provide_credentials().await;
        let identity = credentials
            .map_err(|error| wrong(Kind::Credentials, &error))?
            .into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(self.region())
            .name(ask.service)
            .time(self.now())
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| wrong(Kind::Invalid, &error))?
            .into();
        let uri = format!("{}{}", self.endpoint(ask.service), ask.path);
        let body = SignableBody::Bytes(ask.body.as_bytes());
        let signable = SignableRequest::new("POST", &uri, ask.headers.iter().copied(), body);
        let signed = signable.and_then(|signable| sign(signable, &params));
        let (instructions, _) = signed
            .map_err(|error| wrong(Kind::Invalid, &error))?
            .into_parts();
        let mut request = HttpRequest::new(SdkBody::from(ask.body.as_str()));
        let length = ask.body.len().to_string();
        let own = [("content-length", length.as_str())];
        let given = ask.headers.iter().copied().chain(own);
        let all = given.chain(instructions.headers());
        request
            .set_uri(uri)
            .and_then(|()| request.set_method("POST"))
            .map_err(|error| wrong(Kind::Invalid, &error))?;
        for (name, value) in all {
            request
                .headers_mut()
                .try_insert(name.to_owned(), value.to_owned())
                .map_err(|error| wrong(Kind::Invalid, &error))?;
        }
        Ok(request)
    }

    /// What time it is on the clock of the SDK.
    pub(crate) fn now(&self) -> SystemTime {
        let clock = self.config.time_source();
        clock.map_or_else(SystemTime::now, |clock| clock.now())
    }

    fn region(&self) -> &str {
        self.config.region().map_or("us-east-1", AsRef::as_ref)
    }

    /// Where the service is in this Region (<https://docs.aws.amazon.com/general/latest/gr/rande.html>).
    fn endpoint(&self, service: &str) -> String {
        if let Some(url) = self.config.endpoint_url() {
            return url.trim_end_matches('/').to_owned();
        }
        let region = self.region();
        let fips = if self.config.use_fips() == Some(true) {
            "-fips"
        } else {
            ""
        };
        let domain = match (self.config.use_dual_stack(), region.starts_with("cn-")) {
            (Some(true), false) => "api.aws",
            (Some(true), true) => "api.amazonwebservices.com.cn",
            (_, false) => "amazonaws.com",
            (_, true) => "amazonaws.com.cn",
        };
        format!("https://{service}{fips}.{region}.{domain}")
    }
}

/// Counts a request also when its caller goes away: then it counts as one that took too long.
struct Counting<'a> {
    metrics: &'a CallMetrics,
    ask: &'a Ask<'a>,
    began: Instant,
    ended: bool,
}

impl Counting<'_> {
    fn end(mut self, failure: Option<Kind>) {
        self.count(failure);
    }

    fn count(&mut self, failure: Option<Kind>) {
        let seconds = self.began.elapsed().as_secs_f64();
        let Ask {
            service, operation, ..
        } = *self.ask;
        self.metrics.count(service, operation, failure, seconds);
        self.ended = true;
    }
}

impl Drop for Counting<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.count(Some(Kind::Timeout));
        }
    }
}
