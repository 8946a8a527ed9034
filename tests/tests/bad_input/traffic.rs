//! Rules and target groups that a release cannot work with.

use emulator::api::Service;
use serde_json::{Value, json};
use tests::Stage;

use crate::account::{Account, Says, actions, balancer, group, listener};

const UNUSABLE: Says = Says {
    title: "",
    phase: "Holding",
    condition: ("Stalled", "RuleUnusable"),
    words: &[],
};

/// The blog's production listener gets these actions, and 1.4.0 is wished for; later it gets its own back.
async fn actions_become(
    title: &'static str,
    words: &'static [&'static str],
    change: impl Fn(&mut Value),
) {
    let account = Account::serving().await;
    let good = actions(&account.stage, &account.stage.listeners[0]);
    account
        .meets(
            Says {
                title,
                words,
                ..UNUSABLE
            },
            |stage| {
                let mut bad = good.clone();
                change(&mut bad);
                set_actions(stage, &bad);
                stage.wish("1.4.0");
            },
        )
        .await;
    account
        .repaired("1.4.0", |stage| set_actions(stage, &good))
        .await;
}

fn set_actions(stage: &Stage, actions: &Value) {
    let input = json!({"ListenerArn": stage.listeners[0], "DefaultActions": actions});
    stage.person(Service::Elbv2, "ModifyListener", input);
}

/// The blog's rules name its first group alone, as before a first release.
fn name_one_group(stage: &Stage) {
    let actions = json!([{"Type": "forward", "TargetGroupArn": stage.groups[0]}]);
    set_actions(stage, &actions);
}

/// The Application with another route.
fn route(stage: &Stage, change: impl Fn(&mut Value)) {
    let mut spec = stage.spec();
    change(&mut spec["spec"]["traffic"]["routes"][0]);
    stage.put("spec", &spec.to_string());
}

#[tokio::test(start_paused = true)]
async fn a_redirect() {
    let words = &["listener/app/blog/", "redirect", "needs one forward"];
    actions_become("rule: redirect", words, |actions| {
        *actions = json!([{"Type": "redirect", "RedirectConfig": {"Protocol": "HTTPS", "Port": "443", "StatusCode": "HTTP_301"}}]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_fixed_response() {
    let words = &["listener/app/blog/", "fixed-response", "needs one forward"];
    actions_become("rule: fixed-response", words, |actions| {
        *actions =
            json!([{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "503"}}]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn sticky() {
    let words = &[
        "listener/app/blog/",
        "stickiness",
        "TargetGroupStickinessConfig",
    ];
    actions_become("rule: sticky", words, |actions| {
        actions[0]["ForwardConfig"]["TargetGroupStickinessConfig"] =
            json!({"Enabled": true, "DurationSeconds": 3600});
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn another_group_beside_the_pair() {
    let account = Account::serving().await;
    let good = actions(&account.stage, &account.stage.listeners[0]);
    let third = group(&account.stage, "maintenance", "ip");
    let words = &[
        "listener/app/blog/",
        "targetgroup/maintenance/",
        "own groups only",
        "take that out",
    ];
    account
        .meets(
            Says {
                title: "rule: another group beside the pair",
                words,
                ..UNUSABLE
            },
            |stage| {
                let mut bad = good.clone();
                let tuples = bad[0]["ForwardConfig"]["TargetGroups"]
                    .as_array_mut()
                    .expect("a list");
                tuples.push(json!({"TargetGroupArn": third, "Weight": 1}));
                set_actions(stage, &bad);
                stage.wish("1.4.0");
            },
        )
        .await;
    account
        .repaired("1.4.0", |stage| set_actions(stage, &good))
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_rule_that_does_not_exist() {
    let account = Account::serving().await;
    let rule = account.stage.listeners[0].replacen(":listener/", ":listener-rule/", 1)
        + "/00000000000000ff";
    let words = &[
        "listener-rule/app/blog/",
        "00000000000000ff",
        "does not exist",
        "traffic",
    ];
    route(
        &account.stage,
        |route| {
            route["production"] = json!([{"listener": account.stage.listeners[0]}, {"rule": rule}])
        },
    );
    account.specs_are_read().await;
    account
        .meets(
            Says {
                title: "rule: does not exist",
                words,
                ..UNUSABLE
            },
            |stage| stage.wish("1.4.0"),
        )
        .await;
    account
        .repaired("1.4.0", |stage| {
            stage.put("spec", &stage.spec().to_string())
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_rule_that_stands_in_no_list() {
    let account = Account::serving().await;
    let third = listener(
        &account.stage,
        &balancer(&account.stage),
        8082,
        &[&account.stage.groups[0]],
    );
    let words = &["listener/app/blog/", "`production`", "- listener: "];
    let says = Says {
        title: "rule: unlisted",
        condition: ("Stalled", "UnlistedRule"),
        words,
        ..UNUSABLE
    };
    account.meets(says, |stage| stage.wish("1.4.0")).await;
    account
        .repaired("1.4.0", |stage| {
            stage.person(
                Service::Elbv2,
                "DeleteListener",
                json!({"ListenerArn": third}),
            );
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_rule_that_names_neither_group() {
    let account = Account::serving().await;
    let third = group(&account.stage, "maintenance", "ip");
    let good = actions(&account.stage, &account.stage.listeners[0]);
    let words = &["listener/app/blog/", "forwards to neither group"];
    account
        .meets(
            Says {
                title: "rule: names neither group",
                words,
                condition: ("Stalled", "RuleNamesNeitherGroup"),
                ..UNUSABLE
            },
            |stage| {
                set_actions(
                    stage,
                    &json!([{"Type": "forward", "TargetGroupArn": third}]),
                );
                stage.wish("1.4.0");
            },
        )
        .await;
    account
        .repaired("1.4.0", |stage| set_actions(stage, &good))
        .await;
}

const GROUP: Says = Says {
    condition: ("Stalled", "GroupUnusable"),
    ..UNUSABLE
};

#[tokio::test(start_paused = true)]
async fn a_group_of_another_load_balancer() {
    let account = Account::empty().await;
    name_one_group(&account.stage);
    let other = account.stage.person(
        Service::Elbv2,
        "CreateLoadBalancer",
        json!({"Name": "other", "Type": "application", "Subnets": ["subnet-0a0a0a0a0a0a0a0a0", "subnet-0b0b0b0b0b0b0b0b0"]}),
    );
    let far = group(&account.stage, "far", "ip");
    listener(
        &account.stage,
        &other["LoadBalancers"][0]["LoadBalancerArn"],
        80,
        &[&far],
    );
    let words = &[
        "targetgroup/far/",
        "loadbalancer/app/other/",
        "loadbalancer/app/blog/",
        "one load balancer",
    ];
    route(&account.stage, |route| {
        route["targetGroups"]["pair"] = json!([account.stage.groups[0], far])
    });
    account.specs_are_read().await;
    account
        .meets(
            Says {
                title: "group: of another load balancer",
                words,
                ..GROUP
            },
            |stage| stage.wish("1.3.0"),
        )
        .await;
    account
        .repaired("1.3.0", |stage| {
            stage.put("spec", &stage.spec().to_string())
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_group_of_instances() {
    let account = Account::empty().await;
    name_one_group(&account.stage);
    let instances = group(&account.stage, "instances", "instance");
    let words = &["targetgroup/instances/", "`ip`", "--target-type ip"];
    route(&account.stage, |route| {
        route["targetGroups"]["pair"] = json!([account.stage.groups[0], instances])
    });
    account.specs_are_read().await;
    account
        .meets(
            Says {
                title: "group: of instances",
                words,
                ..GROUP
            },
            |stage| stage.wish("1.3.0"),
        )
        .await;
    account
        .repaired("1.3.0", |stage| {
            stage.put("spec", &stage.spec().to_string())
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_sticky_group() {
    let account = Account::serving().await;
    let set = |stage: &Stage, enabled: &str| {
        let attributes = json!([{"Key": "stickiness.enabled", "Value": enabled}]);
        let input = json!({"TargetGroupArn": stage.groups[1], "Attributes": attributes});
        stage.person(Service::Elbv2, "ModifyTargetGroupAttributes", input);
    };
    let words = &["targetgroup/blog-b/", "stickiness.enabled"];
    account
        .meets(
            Says {
                title: "group: sticky",
                words,
                ..GROUP
            },
            |stage| set(stage, "true"),
        )
        .await;
    account
        .repaired("1.4.0", |stage| {
            set(stage, "false");
            stage.wish("1.4.0");
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_group_that_does_not_exist() {
    let account = Account::empty().await;
    let gone = account.stage.groups[1].replacen("blog-b", "blog-x", 1);
    let words = &["targetgroup/blog-x/", "does not exist", "create it"];
    route(&account.stage, |route| {
        route["targetGroups"]["pair"] = json!([account.stage.groups[0], gone])
    });
    account.specs_are_read().await;
    account
        .meets(
            Says {
                title: "group: does not exist",
                words,
                condition: ("Stalled", "RepeatedErrors"),
                ..GROUP
            },
            |stage| stage.wish("1.3.0"),
        )
        .await;
    account
        .repaired("1.3.0", |stage| {
            stage.put("spec", &stage.spec().to_string())
        })
        .await;
}
