//! What a data plane sees and reports when tasks are real.

use super::*;
use crate::world::TaskMode;
use crate::world::view::{self, CheckResult};

fn stage() -> Stage {
    Stage::with(Settings {
        tasks: TaskMode::Real,
        ..Settings::default()
    })
}

fn last_status(stage: &mut Stage) -> String {
    let task = ["RUNNING", "STOPPED"]
        .iter()
        .find_map(|status| stage.tasks("web", status).first().cloned());
    string(&task.unwrap()["lastStatus"])
}

#[test]
fn a_real_task_lives_by_what_is_reported() {
    let mut stage = stage();
    let blue = stage.blue.clone();
    let definition = stage.register("web:1");
    stage.create("web", &blue, &definition, 1).unwrap();
    stage.pass(2);
    assert!(view::tasks_to_run(&stage.world).is_empty(), "PROVISIONING");
    stage.pass(10);
    let specs = view::tasks_to_run(&stage.world);
    assert_eq!(specs.len(), 1);
    assert_eq!(
        (
            specs[0].family.as_str(),
            specs[0].containers[0].image.as_str()
        ),
        ("web", "web:1")
    );
    assert_eq!(specs[0].containers[0].ports, [8080]);
    assert_eq!(specs[0].address.octets()[0], 127);
    stage.pass(100);
    assert_eq!(
        last_status(&mut stage),
        "PENDING",
        "it waits for the report"
    );
    view::report_task_started(&mut stage.world, &specs[0].id);
    assert_eq!(last_status(&mut stage), "ACTIVATING");
    stage.pass(10);
    assert_eq!(last_status(&mut stage), "RUNNING");

    let checks = view::checks_due(&mut stage.world);
    assert_eq!(checks.len(), 1);
    assert_eq!(
        (
            checks[0].path.as_str(),
            checks[0].timeout_ms,
            checks[0].interval_ms
        ),
        ("/health", 2000, 5000)
    );
    assert!(
        view::checks_due(&mut stage.world).is_empty(),
        "each is handed out once"
    );
    assert_eq!(view::next_check(&stage.world), Some(stage.world.now + 5000));
    view::report_check(
        &mut stage.world,
        &blue,
        checks[0].target,
        CheckResult::Status(200),
    );
    assert_eq!(stage.states(&blue), ["healthy"]);
    stage.until_steady("web");

    stage
        .ecs(
            "UpdateService",
            json!({ "cluster": "shop", "service": "web", "desiredCount": 0 }),
        )
        .unwrap();
    stage.pass(10);
    assert_eq!(
        view::tasks_to_run(&stage.world).len(),
        1,
        "it serves while its target drains"
    );
    stage.pass(20);
    assert!(view::tasks_to_run(&stage.world).is_empty());
    assert_eq!(
        view::tasks_to_stop(&stage.world),
        [(specs[0].id.clone(), 30_000)]
    );
    stage.pass(100);
    assert_eq!(
        last_status(&mut stage),
        "STOPPING",
        "it waits for the report"
    );
    view::report_task_exited(&mut stage.world, &specs[0].id, 0, None);
    assert!(view::tasks_to_stop(&stage.world).is_empty());
    stage.pass(20);
    assert_eq!(last_status(&mut stage), "STOPPED");
}

#[test]
fn a_real_task_that_cannot_start_fails_to_start() {
    let mut stage = stage();
    let blue = stage.blue.clone();
    let definition = stage.register("web:1");
    stage.create("web", &blue, &definition, 1).unwrap();
    stage.pass(12);
    let id = view::tasks_to_run(&stage.world)[0].id.clone();
    view::report_task_exited(
        &mut stage.world,
        &id,
        1,
        Some("CannotPullContainerError: no such image".into()),
    );
    stage.pass(20);
    let task = &stage.tasks("web", "STOPPED")[0];
    assert_eq!(task["stopCode"], "TaskFailedToStart");
    assert_eq!(
        task["stoppedReason"],
        "CannotPullContainerError: no such image"
    );
    assert_eq!(
        task["containers"][0]["reason"],
        "CannotPullContainerError: no such image"
    );
    assert!(task["containers"][0].get("exitCode").is_none());
}
