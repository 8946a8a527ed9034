//! Ten steps of a tenth each: what they call, and how long an abort in the middle takes to the weights.

use std::time::Duration;

use serde_json::json;

use crate::figures::{Outcome, Row, Samples, Section};
use crate::watch::Blog;

/// How often an abort is measured.
const ABORTS: u64 = 6;
/// Writes of weights that ten steps cannot do without: one each.
const STEPS: usize = 10;

/// Measures a canary of ten steps, and [`ABORTS`] aborts in the middle of one.
pub(crate) async fn measure() -> Outcome<Section> {
    let blog = Blog::serving("1.3.0").await?;
    let mut spec = blog.stage.get("spec");
    spec["spec"]["strategy"] = json!({"linear": {"stepPercent": 10, "interval": "1m"}});
    blog.stage.put("spec", &spec.to_string());
    blog.rest(0).await;
    blog.wish("1.4.0");
    blog.until_settled("Settled", "1.4.0").await?;
    let production = blog.stage.listeners[0].as_str();
    let writes = blog.writes();
    let of = |operation: &'static str| {
        writes
            .iter()
            .filter(move |write| write.operation == operation)
    };
    let weights = of("ModifyListener").filter(|write| write.input["ListenerArn"] == production);
    let (weights, parameters) = (weights.count(), of("PutParameter").count());
    let calls: u64 = blog.calls().values().sum();
    let mut aborts = Vec::new();
    for turn in 0..ABORTS {
        blog.rest(turn).await;
        aborts.push(abort(&blog, &format!("1.5.{turn}")).await?);
    }
    blog.operator.stop().await;
    let back = Samples::of(aborts)?;
    let ratio = weights as f64 / STEPS as f64;
    let rows = vec![
        Row::new(
            "AWS calls of a release in ten steps, a minute each",
            calls.to_string(),
            format!(
                "of these {} writes, {parameters} of parameters",
                writes.len()
            ),
        ),
        Row::new(
            "  writes of production weights ÷ steps",
            format!("{ratio:.1}"),
            "the first names green's group at 0, as ECS demands",
        ),
        Row::new(
            "from `teal abort` in the middle of the steps to all weight on blue",
            back.show(1, " s"),
            format!("{ABORTS} aborts; intents are read with each look"),
        ),
    ];
    Ok(Section {
        key: "steps",
        title: "Ten steps (virtual time)".to_owned(),
        rows,
        data: json!({"calls": calls, "writes": writes.len(), "weightWrites": weights, "abortSeconds": back.json()}),
    })
}

/// From the intent, half-way, until production has its weights back.
async fn abort(blog: &Blog, version: &str) -> Outcome<Duration> {
    let before = blog.weights();
    blog.wish(version);
    blog.until("half of the traffic", |blog| {
        (blog.weights() == [Some(50), Some(50)]).then_some(())
    })
    .await?;
    blog.until("the status knows", |blog| {
        blog.stage.get("status")["rollout"]
            .is_object()
            .then_some(())
    })
    .await?;
    let rollout = blog.stage.get("status")["rollout"].clone();
    let asked = blog.now();
    let intent = json!({"rollout": rollout});
    blog.stage.put("intents/abort", &intent.to_string());
    let back = blog
        .until("weights are back", |blog| {
            (blog.weights() == before).then(|| blog.now())
        })
        .await?;
    blog.until_settled("Failed", "1.4.0").await?;
    Ok(Duration::from_millis(back.saturating_sub(asked)))
}
