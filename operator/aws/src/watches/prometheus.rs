//! A Prometheus server's instant query (<https://prometheus.io/docs/prometheus/latest/querying/api/#instant-queries>).

use aws_smithy_runtime_api::client::http::{HttpConnector, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use planner::watch::Measured;
use serde_json::Value;

use crate::error::chain;
use crate::gates::beginning;

/// The one number that `query` gives now.
pub(super) async fn ask(web: &SharedHttpConnector, address: &str, query: &str) -> Measured {
    let asked = form_urlencoded::Serializer::new(String::new())
        .append_pair("query", query)
        .finish();
    let url = format!("{}/api/v1/query?{asked}", address.trim_end_matches('/'));
    let error = |why: &dyn std::fmt::Display| Measured::Error {
        reason: format!("the Prometheus server at {address} told nothing: {why}"),
    };
    let mut request = HttpRequest::new(SdkBody::empty());
    let agent = concat!("teal/", env!("CARGO_PKG_VERSION"));
    let made = request.set_uri(url).map_err(|why| why.to_string());
    let named = request.headers_mut().try_insert("user-agent", agent);
    if let Err(why) = made.and(named.map(drop).map_err(|why| why.to_string())) {
        return error(&why);
    }
    let answer = match web.call(request).await {
        Ok(answer) => answer,
        Err(why) => return error(&chain(&why)),
    };
    let status = answer.status().as_u16();
    let body = match beginning(answer.into_body()).await {
        Ok(body) => body,
        Err(why) => return error(&chain(&why)),
    };
    read(status, &body).unwrap_or_else(|why| error(&why))
}

/// What an answer says; an error says why it says nothing.
pub(super) fn read(status: u16, body: &[u8]) -> Result<Measured, String> {
    let json: Value = serde_json::from_slice(body)
        .map_err(|_| format!("status {status}, and the answer is not Prometheus's JSON"))?;
    if json["status"] != "success" {
        let why = json["error"].as_str().unwrap_or("no reason is given");
        return Err(format!("status {status}: {why}"));
    }
    let result = &json["data"]["result"];
    let sample = match json["data"]["resultType"].as_str() {
        Some("scalar") => result,
        Some("vector") => match result.as_array().map(Vec::as_slice) {
            Some([]) => {
                let reason = "the query's answer is empty".to_owned();
                return Ok(Measured::NoData { reason });
            }
            Some([one]) => &one["value"],
            Some(several) => {
                let found = several.len();
                return Err(format!(
                    "{found} series where one is needed: aggregate them, with sum() for example"
                ));
            }
            None => return Err("its answer is not Prometheus's JSON".to_owned()),
        },
        other => {
            let kind = other.unwrap_or("nothing");
            return Err(format!(
                "the query gives a {kind}: write one that gives a number"
            ));
        }
    };
    match sample[1].as_str().map(str::parse::<f64>) {
        Some(Ok(value)) if value.is_nan() => Ok(Measured::NoData {
            reason: "the query's answer is not a number (NaN)".to_owned(),
        }),
        Some(Ok(value)) => Ok(Measured::Value(value)),
        Some(Err(_)) | None => Err("its answer is not Prometheus's JSON".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_number_or_why_there_is_none() {
        let vector = |result: &str| {
            format!(r#"{{"status":"success","data":{{"resultType":"vector","result":{result}}}}}"#)
        };
        let sample = |value: &str| format!(r#"{{"metric":{{}},"value":[1,"{value}"]}}"#);
        let told = |body: &str| read(200, body.as_bytes());
        let one = vector(&format!("[{}]", sample("0.25")));
        assert_eq!(told(&one), Ok(Measured::Value(0.25)));
        let scalar = r#"{"status":"success","data":{"resultType":"scalar","result":[1,"+Inf"]}}"#;
        assert_eq!(told(scalar), Ok(Measured::Value(f64::INFINITY)));
        for nothing in ["[]", &format!("[{}]", sample("NaN"))] {
            let told = told(&vector(nothing));
            assert!(matches!(told, Ok(Measured::NoData { .. })), "{told:?}");
        }
        for (status, body, why) in [
            (
                200,
                vector(&format!("[{},{}]", sample("1"), sample("2"))),
                "2 series",
            ),
            (200, vector("{}"), "not Prometheus's JSON"),
            (
                200,
                vector(&format!("[{}]", sample("many"))),
                "not Prometheus's JSON",
            ),
            (
                200,
                r#"{"status":"success","data":{"resultType":"matrix","result":[]}}"#.to_owned(),
                "matrix",
            ),
            (
                400,
                r#"{"status":"error","error":"parse error"}"#.to_owned(),
                "status 400: parse error",
            ),
            (502, "<html>".to_owned(), "status 502"),
        ] {
            let told = read(status, body.as_bytes()).unwrap_err();
            assert!(told.contains(why), "{told}");
        }
    }
}
