//! An Application's `strategy`: what says how Amazon ECS moves traffic itself, and an update in place.

use serde_json::{Value, json};

use super::draft::Draft;
use super::members::Described;

/// A strategy, and how long the old release stands by afterwards where that is said.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Way {
    pub(super) strategy: Value,
    pub(super) bake_time: Option<String>,
}

/// From a service's `deploymentConfiguration`; none for `ROLLING`, which moves no traffic.
/// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeploymentConfiguration.html>)
pub(super) fn of(configuration: &Value) -> Option<Way> {
    let minutes = |value: &Value| value.as_u64().map(|minutes| format!("{minutes}m"));
    let strategy = match configuration["strategy"].as_str()? {
        "BLUE_GREEN" => json!({"blueGreen": {}}),
        "LINEAR" => {
            let linear = &configuration["linearConfiguration"];
            let interval = minutes(&linear["stepBakeTimeInMinutes"])?;
            json!({"linear": {"stepPercent": percent(&linear["stepPercent"])?, "interval": interval}})
        }
        "CANARY" => {
            let canary = &configuration["canaryConfiguration"];
            let pause = minutes(&canary["canaryBakeTimeInMinutes"])?;
            let weight = percent(&canary["canaryPercent"])?;
            json!({"canary": {"steps": [{"setWeight": weight}, {"pause": pause}]}})
        }
        _ => return None,
    };
    Some(Way {
        strategy,
        bake_time: minutes(&configuration["bakeTimeInMinutes"]),
    })
}

/// A percentage without a fraction that says nothing.
fn percent(value: &Value) -> Option<Value> {
    let percent = value.as_f64()?;
    let share = crd_schema::strategy::Share::percent(percent)?;
    serde_json::to_value(share).ok()
}

/// An update in place, and what it changes for ECS.
pub(super) fn rolling(draft: &mut Draft, service: Described<'_>) {
    let configuration = service.member("deploymentConfiguration");
    let breaker = configuration.map(|configuration| &configuration["deploymentCircuitBreaker"]);
    let says = |member: &str| breaker.is_some_and(|breaker| breaker[member] == json!(true));
    draft.note(
        "/spec/strategy",
        "Amazon ECS replaces the tasks of the one service, and so it does on the way back (docs/decisions/rolling.md)",
    );
    if !says("enable") {
        draft.note(
            "/spec/strategy",
            "its circuit breaker is off now; Teal switches it on unless `deploymentConfiguration` says otherwise",
        );
    } else if says("rollback") {
        draft.note(
            "/spec/template/service/deploymentConfiguration/deploymentCircuitBreaker",
            "with `rollback: true` Amazon ECS goes back by itself, too, which rejects the release; `false` leaves it to Teal",
        );
    }
    draft.set("strategy", json!({"rolling": {}}));
    draft.set("bakeTime", json!("10m"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_of_ecs_strategies_has_its_words() {
        for (configuration, expected) in [
            (json!({"strategy": "ROLLING", "bakeTimeInMinutes": 0}), None),
            (json!({}), None),
            (
                json!({"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 15}),
                Some((json!({"blueGreen": {}}), Some("15m"))),
            ),
            (
                json!({"strategy": "LINEAR", "linearConfiguration": {"stepPercent": 10.5, "stepBakeTimeInMinutes": 6}}),
                Some((
                    json!({"linear": {"stepPercent": 10.5, "interval": "6m"}}),
                    None,
                )),
            ),
            (
                json!({"strategy": "CANARY", "canaryConfiguration": {"canaryPercent": 5.0, "canaryBakeTimeInMinutes": 10}}),
                Some((
                    json!({"canary": {"steps": [{"setWeight": 5}, {"pause": "10m"}]}}),
                    None,
                )),
            ),
        ] {
            let expected = expected.map(|(strategy, bake_time): (Value, Option<&str>)| Way {
                strategy,
                bake_time: bake_time.map(str::to_owned),
            });
            assert_eq!(of(&configuration), expected, "{configuration}");
        }
    }
}
