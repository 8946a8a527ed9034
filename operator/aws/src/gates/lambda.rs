//! A Lambda function, asked as Amazon ECS asks the lifecycle hooks of its own deployments.
//!
//! What it is given, and what it answers, is that of "Lambda hooks for Amazon ECS service deployments"
//! (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/lambda-lifecycle-hooks.html>). The two members that
//! CodeDeploy gives its hooks are there too; what such a hook tells CodeDeploy does not reach us.

use std::time::Duration;

use crd_schema::Application;
use crd_schema::gate::Lambda;
use crd_schema::record::Stage;
use planner::gate::Run;
use runtime::cloud::Tried;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::budget::Class;
use crate::clients::Clients;
use crate::error::{Error, one_line};
use crate::signed::Ask;

/// When a function that is not done is asked again, where it does not say (Amazon ECS's own).
const AGAIN: Duration = Duration::from_secs(30);
/// The longest time until it is asked again, whatever it says.
const LATEST: Duration = Duration::from_secs(3_600);
/// Longest text of a function that is told on, in characters.
const LONGEST: usize = 200;

/// What a function returns.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Returned {
    hook_status: HookStatus,
    #[serde(default)]
    call_back_delay: Option<f64>,
    #[serde(default)]
    hook_details: Option<Map<String, Value>>,
    #[serde(default)]
    reason: Option<String>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum HookStatus {
    Succeeded,
    Failed,
    InProgress,
}

/// What a function throws.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Thrown {
    error_type: String,
    error_message: String,
}

/// Invokes the function and waits for what it returns. One that is in progress is invoked again with the same execution
/// id, and with the details that it returned last.
pub(super) async fn invoke(
    clients: &Clients,
    application: &Application,
    run: &Run,
    lambda: &Lambda,
    failed: u32,
    so_far: Option<&str>,
) -> Result<Tried, Error> {
    let details = so_far.and_then(|details| serde_json::from_str(details).ok());
    let details: Map<String, Value> = details.unwrap_or_else(|| lambda.hook_details.clone());
    let function = &lambda.function;
    let escaped = function.replace(':', "%3A").replace('$', "%24");
    let ask = Ask {
        service: "lambda",
        operation: "Invoke",
        resource: function,
        path: &format!("/2015-03-31/functions/{escaped}/invocations"),
        headers: &[
            ("content-type", "application/json"),
            ("x-amz-invocation-type", "RequestResponse"),
        ],
        body: event(application, run, failed, &details).to_string(),
    };
    let answer = clients.ask(Class::FunctionInvoke, &ask).await?;
    if answer.header("x-amz-function-error").is_some() {
        let thrown: Thrown = serde_json::from_slice(&answer.body).unwrap_or_default();
        let (kind, text) = (short(&thrown.error_type), short(&thrown.error_message));
        let reason = format!("function {function} broke: {kind}: {text}");
        return Ok(Tried::Unclear { reason });
    }
    Ok(said(function, &answer.body, details))
}

/// The event of Amazon ECS's hooks, as far as there is such a thing here; the members of CodeDeploy's; and our own.
fn event(application: &Application, run: &Run, failed: u32, details: &Map<String, Value>) -> Value {
    let id = format!("{}-{failed}", run.key);
    let of_deployment: String = run.key.chars().take(9).collect();
    json!({
        "executionId": id,
        "lifecycleStage": lifecycle_stage(run.before),
        "hookDetails": details,
        "executionDetails": {
            "serviceArn": run.service,
            "taskDefinition": run.task_definition,
        },
        "DeploymentId": format!("d-{}", of_deployment.to_uppercase()),
        "LifecycleEventHookExecutionId": id,
        "teal": {
            "application": application.name.as_str(),
            "version": run.version,
            "gate": run.name.as_str(),
            "place": run.place,
            "before": run.before.map(Stage::as_str),
            "attempt": failed + 1,
        },
    })
}

/// What Amazon ECS calls the moment.
fn lifecycle_stage(before: Option<Stage>) -> &'static str {
    match before {
        Some(Stage::ScaleUp) => "PRE_SCALE_UP",
        Some(Stage::Validate) => "POST_SCALE_UP",
        Some(Stage::Shift) => "POST_TEST_TRAFFIC_SHIFT",
        None => "PRODUCTION_TRAFFIC_SHIFT",
        Some(Stage::Bake) => "POST_PRODUCTION_TRAFFIC_SHIFT",
        Some(Stage::CleanUp | Stage::Settled) => "CLEAN_UP",
        Some(Stage::RollBack) => "ROLLBACK",
    }
}

fn said(function: &str, body: &[u8], details: Map<String, Value>) -> Tried {
    let Ok(returned) = serde_json::from_slice::<Returned>(body) else {
        let body = short(&String::from_utf8_lossy(body));
        let reason = format!(
            "function {function} returned {body}, and `{{\"hookStatus\": \"SUCCEEDED\"}}`, `\"FAILED\"` or \
             `\"IN_PROGRESS\"` is awaited: what a function tells CodeDeploy it must return here"
        );
        return Tried::Unclear { reason };
    };
    let why = returned.reason.as_deref().map(short);
    let why = why.map_or_else(String::new, |why| format!(": {why}"));
    match returned.hook_status {
        HookStatus::Succeeded => Tried::Passed,
        HookStatus::Failed => Tried::Failed {
            reason: format!("function {function} returned FAILED{why}"),
        },
        HookStatus::InProgress => {
            let after = returned.call_back_delay.unwrap_or(AGAIN.as_secs_f64());
            let after = Duration::try_from_secs_f64(after).unwrap_or(AGAIN);
            Tried::Runs {
                so_far: Value::Object(returned.hook_details.unwrap_or(details)).to_string(),
                after: Some(after.clamp(Duration::from_secs(1), LATEST)),
                reason: format!("function {function} is in progress{why}"),
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

    fn told(body: &str) -> Tried {
        said("smoke", body.as_bytes(), Map::new())
    }

    #[test]
    fn what_a_function_returns_is_read_as_amazon_ecs_reads_it() {
        assert_eq!(told(r#"{"hookStatus": "SUCCEEDED"}"#), Tried::Passed);
        let failed = told(r#"{"hookStatus": "FAILED", "reason": "3 of\n7 tests"}"#);
        let reason = "function smoke returned FAILED: 3 of 7 tests".to_owned();
        assert_eq!(failed, Tried::Failed { reason });
        let runs = |body: &str| {
            let tried = told(body);
            let Tried::Runs { so_far, after, .. } = &tried else {
                panic!("{tried:?}");
            };
            (so_far.clone(), after.unwrap().as_secs())
        };
        assert_eq!(
            runs(r#"{"hookStatus": "IN_PROGRESS"}"#),
            ("{}".to_owned(), 30)
        );
        let asked =
            r#"{"hookStatus": "IN_PROGRESS", "callBackDelay": 60, "hookDetails": {"job": 7}}"#;
        assert_eq!(runs(asked), (r#"{"job":7}"#.to_owned(), 60));
        for (delay, seconds) in [("0", 1), ("-5", 30), ("1e300", 30), ("99999", 3_600)] {
            let body = format!(r#"{{"hookStatus": "IN_PROGRESS", "callBackDelay": {delay}}}"#);
            assert_eq!(runs(&body).1, seconds, "{delay}");
        }
    }

    #[test]
    fn anything_else_tells_nothing() {
        for body in [
            "null",
            "",
            "\"Validation test succeeded\"",
            r#"{"hookStatus": "OK"}"#,
            "[]",
        ] {
            let tried = told(body);
            let tells = |reason: &str| reason.contains("must return here");
            assert!(
                matches!(&tried, Tried::Unclear { reason } if tells(reason)),
                "{body}: {tried:?}"
            );
        }
    }

    #[test]
    fn each_moment_has_its_name_in_amazon_ecs() {
        let names = [
            Some(Stage::ScaleUp),
            Some(Stage::Validate),
            Some(Stage::Shift),
            None,
            Some(Stage::Bake),
        ];
        let expected = [
            "PRE_SCALE_UP",
            "POST_SCALE_UP",
            "POST_TEST_TRAFFIC_SHIFT",
            "PRODUCTION_TRAFFIC_SHIFT",
            "POST_PRODUCTION_TRAFFIC_SHIFT",
        ];
        assert_eq!(names.map(lifecycle_stage), expected);
    }
}
