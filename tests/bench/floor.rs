//! What a release must wait for, whoever performs it: computed from the emulator's settings, the target group and the
//! spec, never measured. A lower bound: where the account draws a time at random, its least.

use std::time::Duration;

use crd_schema::Application;
use emulator::world::Settings;
use emulator::world::elb::TargetGroup;

/// One wait that nothing shortens.
pub(crate) struct Wait {
    pub(crate) what: &'static str,
    /// Whose it is: which setting says it.
    pub(crate) from: &'static str,
    pub(crate) length: Duration,
}

/// The waits of one release that replaces another, in order; nothing in it overlaps.
pub(crate) fn of_a_release(
    settings: &Settings,
    group: &TargetGroup,
    image: &str,
    application: &Application,
) -> Vec<Wait> {
    let ms = Duration::from_millis;
    let behaviour = settings.behaviour(image);
    // A target is registered when its task is ACTIVATING; its first check passes while the task still is, at the least.
    let first_check =
        settings.target_registration_ms.max(behaviour.start_ms) + behaviour.latency_ms;
    let drained = settings.declared_ms(group.number("deregistration_delay.timeout_seconds"));
    let wait = |what, from, length| Wait { what, from, length };
    vec![
        wait(
            "the service scheduler starts tasks",
            "schedulerDelayMs",
            ms(settings.scheduler_delay_ms),
        ),
        wait(
            "tasks are PROVISIONING",
            "taskProvisioningMs",
            ms(settings.task_provisioning_ms),
        ),
        wait(
            "tasks are PENDING",
            "taskPendingMs",
            ms(settings.task_pending_ms),
        ),
        wait(
            "tasks are ACTIVATING; targets register and pass a check",
            "taskActivatingMs, targetRegistrationMs",
            ms(settings.task_activating_ms.max(first_check)),
        ),
        wait(
            "settle after the shift",
            "spec.cleanUp.settle",
            application.clean_up.settle,
        ),
        wait("bake time", "spec.bakeTime", application.bake_time),
        wait(
            "blue is kept",
            "spec.cleanUp.keepBlue",
            application.clean_up.keep_blue,
        ),
        wait(
            "the service scheduler stops tasks",
            "schedulerDelayMs",
            ms(settings.scheduler_delay_ms),
        ),
        wait(
            "blue's targets drain",
            "deregistration_delay",
            ms(drained.max(settings.task_deactivating_ms)),
        ),
        wait(
            "the service scheduler ends the service",
            "schedulerDelayMs",
            ms(settings.scheduler_delay_ms),
        ),
        wait(
            "the service becomes INACTIVE",
            "serviceInactiveMs",
            ms(settings.service_inactive_ms),
        ),
    ]
}

/// All of them, one after the other.
pub(crate) fn total(waits: &[Wait]) -> Duration {
    waits.iter().map(|wait| wait.length).sum()
}
