//! The application of the tests.

use std::collections::BTreeMap;
use std::time::Duration;

use crd_schema::analysis::{Analysis, Metric, Otherwise};
use crd_schema::application::{
    Application, BaseTaskDefinition, CleanUp, Deadlines, Drift, DuringBake, OnFailure,
    OnNewRelease, Route, RuleTarget, TargetGroups, Template,
};
use crd_schema::desired::Desired;
use crd_schema::strategy::Strategy;
use crd_schema::{ApplicationName, ListenerArn, TargetGroupArn};
use serde_json::{Value, json};

/// `application` of the tests: two tasks, all at once, short waits, one production and one test rule.
pub fn application() -> Application {
    let service: Value = json!({"launchType": "FARGATE"});
    Application {
        name: ApplicationName::new("blog"),
        cluster: "prod".to_owned(),
        tags: BTreeMap::new(),
        template: Template {
            task_definition: BaseTaskDefinition::Family("blog".to_owned()),
            images: BTreeMap::from([("web".to_owned(), "repo/blog:{version}".to_owned())]),
            service: service.as_object().cloned().unwrap_or_default(),
            desired_count: 2,
        },
        routes: vec![Route {
            container: "web".to_owned(),
            port: 8080,
            groups: TargetGroups::Pair([TargetGroupArn::new("tg-a"), TargetGroupArn::new("tg-b")]),
            production: vec![RuleTarget::Listener(ListenerArn::new("listener-8080"))],
            test: vec![RuleTarget::Listener(ListenerArn::new("listener-9080"))],
        }],
        strategy: Strategy::BLUE_GREEN,
        gates: BTreeMap::new(),
        alarms: None,
        analyses: BTreeMap::new(),
        notifications: Vec::new(),
        schedule: None,
        autoscaling: None,
        bake_time: Duration::from_secs(60),
        clean_up: CleanUp {
            settle: Duration::from_secs(10),
            keep_blue: Duration::ZERO,
        },
        deadlines: Deadlines {
            scale_up: Duration::from_secs(300),
            validate: Duration::from_secs(300),
            shift: Duration::from_secs(600),
            clean_up: Duration::from_secs(600),
        },
        on_failure: OnFailure::RollBack,
        on_new_release: OnNewRelease {
            during_bake: DuringBake::Finish,
        },
        drift: Drift::Heal,
    }
}

/// The same with a group for each release, made from the template `tg-template`.
pub fn per_release() -> Application {
    let mut application = application();
    let from = TargetGroupArn::new("tg-template");
    if let Some(route) = application.routes.first_mut() {
        route.groups = TargetGroups::PerRelease { from };
    }
    application
}

/// The same with a second route: another port of the container, with listeners and groups of its own.
pub fn two_routes() -> Application {
    let mut application = application();
    application.routes.push(Route {
        container: "web".to_owned(),
        port: 9000,
        groups: TargetGroups::Pair([
            TargetGroupArn::new("tg-admin-a"),
            TargetGroupArn::new("tg-admin-b"),
        ]),
        production: vec![RuleTarget::Listener(ListenerArn::new("listener-8443"))],
        test: Vec::new(),
    });
    application
}

/// The same without a load balancer.
pub fn worker() -> Application {
    let mut application = application();
    application.routes = Vec::new();
    application.clean_up.settle = Duration::ZERO;
    application
}

/// The same, which ECS updates in place.
pub fn rolling() -> Application {
    let mut application = worker();
    application.strategy = Strategy::ROLLING;
    application
}

/// One service behind a load balancer, on the one group `tg-a`, which ECS updates in place.
pub fn rolling_behind_a_load_balancer() -> Application {
    let mut application = application();
    application.strategy = Strategy::ROLLING;
    for route in &mut application.routes {
        route.groups = TargetGroups::Single(TargetGroupArn::new("tg-a"));
    }
    application
}

/// One look a minute, which no failure passes; what cannot be told holds.
pub fn analysis(metric: Metric) -> Analysis {
    Analysis {
        metric,
        in_a_step: false,
        initial_delay: Duration::ZERO,
        interval: Duration::from_secs(60),
        count: 1,
        failure_limit: 0,
        error_limit: 0,
        min_requests: 1,
        on_error: Otherwise::Hold,
        on_no_data: Otherwise::Hold,
        dry_run: false,
    }
}

/// A wish for `version`.
pub fn desired(version: &str) -> Desired {
    Desired {
        version: version.to_owned(),
        images: BTreeMap::new(),
        id: None,
        override_freeze: false,
    }
}
