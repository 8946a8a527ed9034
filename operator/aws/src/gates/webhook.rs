//! A webhook: somebody else's service tests, and says what came of it.

use std::time::Duration;

use aws_smithy_runtime_api::client::http::SharedHttpConnector;
use crd_schema::Application;
use crd_schema::record::Stage;
use crd_schema::webhook::Webhook;
use planner::gate::Run;
use runtime::cloud::Tried;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::clients::Clients;
use crate::error::{chain, one_line};
use crate::webhook::{Answered, post};

/// When one that is in progress is asked again, where it does not say.
const AGAIN: Duration = Duration::from_secs(30);
/// The longest time until it is asked again, whatever it says.
const LATEST: Duration = Duration::from_secs(3_600);
/// Longest text of an answer that is told on, in characters.
const LONGEST: usize = 200;

/// What stands in an answer. Nothing is `passed`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Said {
    status: Status,
    reason: Option<String>,
    /// Seconds.
    again_after: Option<f64>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Status {
    #[default]
    Passed,
    Failed,
    InProgress,
}

/// Asks, or asks again with the same id.
pub(super) async fn ask(
    clients: &Clients,
    web: &SharedHttpConnector,
    application: &Application,
    run: &Run,
    webhook: &Webhook,
    failed: u32,
) -> Tried {
    let id = format!("{}-{failed}", run.key);
    let body = json!({
        "type": "gate",
        "data": {
            "application": application.name.as_str(),
            "cluster": application.cluster,
            "version": run.version,
            "gate": run.name.as_str(),
            "place": run.place,
            "before": run.before.map(Stage::as_str),
            "attempt": failed + 1,
            "service": run.service,
            "taskDefinition": run.task_definition,
        },
    });
    match post(clients, web, webhook, &id, &body).await {
        Ok(answered) => said(&webhook.url, &answered),
        Err(error) => Tried::Unclear {
            reason: format!("webhook {}: {}", webhook.url, chain(&error)),
        },
    }
}

/// 2xx says what stands in it; anything else tells nothing about the release.
fn said(url: &str, answered: &Answered) -> Tried {
    let Answered { status, body } = answered;
    let text = short(&String::from_utf8_lossy(body));
    if !(200..300).contains(status) {
        let reason = format!("webhook {url} answered {status}: {text}");
        return Tried::Unclear { reason };
    }
    // A text of any other kind is a friendly word.
    let said = match serde_json::from_slice::<Value>(body) {
        Ok(object @ Value::Object(_)) => serde_json::from_value::<Said>(object),
        Ok(_) | Err(_) => Ok(Said::default()),
    };
    let Ok(said) = said else {
        let reason = format!(
            "webhook {url} answered {text}, and `status` is one of passed, failed and inProgress"
        );
        return Tried::Unclear { reason };
    };
    let why = said.reason.as_deref().map(short);
    let why = why.map_or_else(String::new, |why| format!(": {why}"));
    match said.status {
        Status::Passed => Tried::Passed,
        Status::Failed => Tried::Failed {
            reason: format!("webhook {url} says failed{why}"),
        },
        Status::InProgress => {
            let after = said.again_after.unwrap_or(AGAIN.as_secs_f64());
            let after = Duration::try_from_secs_f64(after).unwrap_or(AGAIN);
            Tried::Runs {
                so_far: String::new(),
                after: Some(after.clamp(Duration::from_secs(1), LATEST)),
                reason: format!("webhook {url} is in progress{why}"),
            }
        }
    }
}

fn short(text: &str) -> String {
    one_line(&text.chars().take(LONGEST).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(status: u16, body: &str) -> Tried {
        let body = body.as_bytes().to_vec();
        said("https://qa.example/", &Answered { status, body })
    }

    #[test]
    fn an_answer_that_is_well_passes_unless_it_says_otherwise() {
        for (status, body) in [
            (204, ""),
            (200, "ok"),
            (200, "[]"),
            (201, "{}"),
            (200, r#"{"status": "passed", "job": 7}"#),
        ] {
            assert_eq!(told(status, body), Tried::Passed, "{status} {body}");
        }
        let failed = told(200, r#"{"status": "failed", "reason": "3 of\n7"}"#);
        let reason = "webhook https://qa.example/ says failed: 3 of 7".to_owned();
        assert_eq!(failed, Tried::Failed { reason });
        let runs = told(202, r#"{"status": "inProgress", "againAfter": 5}"#);
        let after = Some(Duration::from_secs(5));
        assert!(
            matches!(&runs, Tried::Runs { after: found, .. } if *found == after),
            "{runs:?}"
        );
    }

    #[test]
    fn anything_else_tells_nothing() {
        for (status, body) in [
            (500, ""),
            (401, "who are you"),
            (302, ""),
            (200, r#"{"status": "OK"}"#),
            (200, r#"{"status": 1}"#),
        ] {
            let tried = told(status, body);
            assert!(
                matches!(tried, Tried::Unclear { .. }),
                "{status} {body}: {tried:?}"
            );
        }
    }
}
