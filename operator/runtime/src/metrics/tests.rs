use std::collections::BTreeSet;

use planner::Plan;
use planner::lab::{Lab, Operator, application};
use prometheus::TextEncoder;

use super::*;

/// Names of the table in this module's documentation.
fn documented() -> BTreeSet<&'static str> {
    let rows = include_str!("mod.rs")
        .lines()
        .filter_map(|line| line.strip_prefix("//! | `"));
    let names = rows
        .filter_map(|row| row.split(" |").next())
        .flat_map(|cell| cell.split(", "));
    names.map(|name| name.trim_matches('`')).collect()
}

fn registered(registry: &Registry) -> BTreeSet<String> {
    registry
        .gather()
        .iter()
        .map(|family| family.name().to_owned())
        .collect()
}

fn plan() -> Plan {
    let mut lab = Lab::new(application());
    lab.wish("1.0.0");
    let mut operator = Operator::new(&lab);
    for _ in 0..60 {
        let _ = operator.reconcile(&mut lab).unwrap();
    }
    operator.reconcile(&mut lab).unwrap()
}

fn show(metrics: &Metrics, plan: &Plan) {
    let status = serde_json::json!({
        "name": "blog", "phase": "Settled", "stage": "Settled",
        "conditions": [],
    });
    let status = serde_json::from_value(status).unwrap();
    let app = application();
    metrics.show(
        &app.name,
        &status,
        Some(&plan.report),
        Generations::default(),
    );
}

#[test]
fn the_table_names_exactly_what_is_exported() {
    let registry = Registry::new();
    let metrics = Metrics::new(&registry, "0.1.0").unwrap();
    metrics.appear(&application().name);
    show(&metrics, &plan());
    let registered = registered(&registry);
    assert_eq!(
        registered
            .iter()
            .map(String::as_str)
            .collect::<BTreeSet<_>>(),
        documented()
    );
}

#[test]
fn nothing_of_an_application_remains_when_it_vanishes() {
    let registry = Registry::new();
    let metrics = Metrics::new(&registry, "0.1.0").unwrap();
    let before = TextEncoder::new()
        .encode_to_string(&registry.gather())
        .unwrap();
    metrics.appear(&application().name);
    show(&metrics, &plan());
    metrics.vanish(&application().name);
    let after = TextEncoder::new()
        .encode_to_string(&registry.gather())
        .unwrap();
    assert_eq!(before, after);
}

#[test]
fn a_rule_that_no_longer_names_a_group_has_no_weight_for_it() {
    let registry = Registry::new();
    let metrics = Metrics::new(&registry, "0.1.0").unwrap();
    let mut plan = plan();
    let series = || {
        let families = registry.gather();
        families
            .iter()
            .find(|family| family.name() == "teal_weight_read")
            .unwrap()
            .get_metric()
            .len()
    };
    plan.report.rules.truncate(1);
    plan.report.rules[0].read = [Some(100), Some(0)];
    show(&metrics, &plan);
    assert_eq!(series(), 2);
    plan.report.rules[0].read = [Some(100), None];
    show(&metrics, &plan);
    assert_eq!(series(), 1);
}
