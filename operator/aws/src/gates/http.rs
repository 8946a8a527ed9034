//! An HTTP request to wherever the spec says.

use aws_smithy_runtime_api::client::http::{HttpConnector, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use crd_schema::gate::Http;
use planner::gate::Run;
use runtime::cloud::Tried;

use crate::error::chain;

/// Bytes of an answer in which a text is looked for.
const MAX_BODY: usize = 256 * 1024;

/// An answer passes or fails; no answer tells nothing. A redirect is an answer like any other.
pub(super) async fn request(web: &SharedHttpConnector, http: &Http, run: &Run) -> Tried {
    let Http {
        url,
        method,
        headers,
        status,
        body,
    } = http;
    let asked = format!("{method} {url}");
    let unclear = |why: &dyn std::fmt::Display| Tried::Unclear {
        reason: format!("{asked} got no answer: {why}"),
    };
    let mut request = HttpRequest::new(SdkBody::empty());
    if let Err(error) = request
        .set_uri(url.as_str())
        .and_then(|()| request.set_method(method))
    {
        return unclear(&error);
    }
    let own = [
        ("user-agent", concat!("teal/", env!("CARGO_PKG_VERSION"))),
        ("idempotency-key", &run.key),
        ("content-length", "0"),
    ];
    let given = headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    for (name, value) in own.into_iter().chain(given) {
        if let Err(error) = request
            .headers_mut()
            .try_insert(name.to_ascii_lowercase(), value.to_owned())
        {
            return unclear(&error);
        }
    }
    let answer = match web.call(request).await {
        Ok(answer) => answer,
        Err(error) => return unclear(&chain(&error)),
    };
    let found = answer.status().as_u16();
    if found != *status {
        let reason = format!("{asked} answered {found}, and {status} is right");
        return Tried::Failed { reason };
    }
    let Some(text) = body else {
        return Tried::Passed;
    };
    match beginning(answer.into_body()).await {
        Ok(read) if String::from_utf8_lossy(&read).contains(text) => Tried::Passed,
        Ok(read) => Tried::Failed {
            reason: format!(
                "{asked} answered {found} with {} bytes that do not contain {text:?}",
                read.len()
            ),
        },
        Err(error) => unclear(&error),
    }
}

/// At most [`MAX_BODY`] bytes of an answer.
pub(crate) async fn beginning(
    body: SdkBody,
) -> Result<Vec<u8>, aws_smithy_types::byte_stream::error::Error> {
    let mut stream = ByteStream::new(body);
    let mut read = Vec::new();
    while read.len() < MAX_BODY
        && let Some(bytes) = stream.next().await
    {
        read.extend_from_slice(&bytes?);
    }
    read.truncate(MAX_BODY);
    Ok(read)
}
