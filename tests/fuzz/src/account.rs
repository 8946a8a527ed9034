//! An emulated account in the middle of a release, as good for reading as an account can be.

use std::future::Future;
use std::sync::LazyLock;
use std::time::Duration;

use crd_schema::Application;
use emulator::Emulator;
use emulator::api::Service;
use emulator::world::World;
use serde_json::{Value, json};
use tests::Stage;
use tokio::runtime::{Builder, Runtime};

/// Stands in the environment of the base task definition.
pub(crate) const SECRET: &str = "hunter2-correct-horse";

/// Two services, traffic on the new one, an autoscaled service, a rule beside the listeners.
static BAKING: LazyLock<(World, String)> = LazyLock::new(|| {
    runtime().block_on(async {
        let stage = Stage::new();
        let base = stage.person(Service::Ecs, "DescribeTaskDefinition", json!({"taskDefinition": "blog"}));
        let mut containers = base["taskDefinition"]["containerDefinitions"].clone();
        containers[0]["environment"] = json!([{"name": "PASSWORD", "value": SECRET}]);
        stage.person(
            Service::Ecs,
            "RegisterTaskDefinition",
            json!({
                "family": "blog", "networkMode": "awsvpc", "requiresCompatibilities": ["FARGATE"], "cpu": "256",
                "memory": "512", "containerDefinitions": containers,
            }),
        );
        stage.person(
            Service::Elbv2,
            "CreateRule",
            json!({
                "ListenerArn": stage.listeners[0],
                "Priority": 10,
                "Conditions": [{"Field": "path-pattern", "Values": ["/old/*"]}],
                "Actions": [{"Type": "redirect", "RedirectConfig": {"StatusCode": "HTTP_301", "Path": "/"}}],
            }),
        );
        let operator = stage.operator();
        stage.wish("1.0.0");
        stage.settled_on("1.0.0").await;
        stage.wish("1.1.0");
        stage.entered("Bake").await;
        tokio::time::sleep(Duration::from_secs(10)).await;
        operator.kill().await;
        let service = stage.services()[0]["serviceName"].clone();
        stage.person(
            Service::AutoScaling,
            "RegisterScalableTarget",
            json!({
                "ServiceNamespace": "ecs", "ScalableDimension": "ecs:service:DesiredCount", "MinCapacity": 1,
                "MaxCapacity": 4, "ResourceId": format!("service/prod/{}", service.as_str().expect("a name")),
            }),
        );
        (stage.emulator.with(|world| world.clone()), stage.spec().to_string())
    })
});

/// The account itself.
pub(crate) fn baking() -> World {
    BAKING.0.clone()
}

/// The Application that is released there.
pub(crate) fn application() -> Application {
    crd_schema::spec::load(&BAKING.1, "blog").expect("the stage's spec is right")
}

/// A fresh copy of the account, without throttling. Must be called in a runtime.
pub(crate) fn emulator() -> Emulator {
    let emulator = Emulator::resumed(baking());
    let faults: Value = json!({"throttling": false});
    emulator
        .faults()
        .set(serde_json::from_value(faults).expect("fault settings"));
    emulator
}

/// Runs to the end on a paused clock, once the account is there.
pub(crate) fn run<F: Future>(future: F) -> F::Output {
    LazyLock::force(&BAKING);
    runtime().block_on(future)
}

fn runtime() -> Runtime {
    Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime needs nothing that can be missing")
}
