//! Bad specs: refused with line, column, path and what would be right; the last good one stays in force.

use emulator::api::Service;
use serde_json::{Value, json};
use tests::Stage;

use crate::account::{Account, Says, put};

const INVALID: Says = Says {
    title: "",
    phase: "Holding",
    condition: ("DesiredUnreadable", "SpecInvalid"),
    words: &[],
};

/// The blog serves 1.3.0, gets a spec changed so, stays as it is, and goes on with a good one.
async fn refused(title: &'static str, words: &'static [&'static str], change: impl Fn(&mut Value)) {
    let account = Account::serving().await;
    account
        .meets(
            Says {
                title,
                words,
                ..INVALID
            },
            |stage| stage.put("spec", &changed(stage, change)),
        )
        .await;
    account
        .repaired("1.4.0", |stage| {
            stage.put("spec", &stage.spec().to_string());
            stage.wish("1.4.0");
        })
        .await;
}

/// The blog's spec as an infrastructure pipeline may write it: over several lines.
fn changed(stage: &Stage, change: impl Fn(&mut Value)) -> String {
    let mut spec = stage.spec();
    change(&mut spec["spec"]);
    format!("{spec:#}")
}

#[tokio::test(start_paused = true)]
async fn a_typing_mistake() {
    let words = &["line ", "column ", "bakeTiem", "bakeTime"];
    refused("spec: a typing mistake", words, |spec| {
        spec["bakeTiem"] = json!("2m")
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn several_mistakes() {
    let words = &["bakeTiem", "bakeTime"];
    refused("spec: several mistakes", words, |spec| {
        spec["bakeTiem"] = json!("2m");
        spec["drift"] = json!("heel");
        spec["template"]["service"]["desiredCount"] = json!("two");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_field_that_the_operator_owns() {
    let words = &["line ", "template.service.taskDefinition"];
    refused("spec: an owned field in service", words, |spec| {
        spec["template"]["service"]["taskDefinition"] = json!("blog:7");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_field_that_is_not_supported() {
    let words = &["line ", "template.service.serviceRegistries"];
    refused("spec: an unsupported field in service", words, |spec| {
        spec["template"]["service"]["serviceRegistries"] = json!([{"registryArn": "arn:aws:servicediscovery:eu-west-1:123456789012:service/srv-1"}]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn one_group_instead_of_two() {
    let words = &["line ", "targetGroups.pair", "two"];
    refused("spec: one group instead of two", words, |spec| {
        let pair = &mut spec["traffic"]["routes"][0]["targetGroups"]["pair"];
        *pair = json!([pair[0]]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_same_group_twice() {
    let words = &["line ", "targetGroups.pair"];
    refused("spec: the same group twice", words, |spec| {
        let pair = &mut spec["traffic"]["routes"][0]["targetGroups"]["pair"];
        *pair = json!([pair[0], pair[0]]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn another_name_than_the_path() {
    let account = Account::serving().await;
    let says = Says {
        title: "spec: another name than its path",
        words: &["blgo", "blog", "path"],
        ..INVALID
    };
    account
        .meets(says, |stage| {
            let mut spec = stage.spec();
            spec["metadata"]["name"] = json!("blgo");
            stage.put("spec", &spec.to_string());
        })
        .await;
    account
        .repaired("1.3.0", |stage| {
            stage.put("spec", &stage.spec().to_string())
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn not_yaml() {
    let account = Account::serving().await;
    let says = Says {
        title: "spec: not YAML",
        words: &["line "],
        ..INVALID
    };
    account
        .meets(says, |stage| stage.put("spec", "kind: [Application\n\u{2}"))
        .await;
    account
        .repaired("1.3.0", |stage| {
            stage.put("spec", &stage.spec().to_string())
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_secret() {
    let account = Account::serving().await;
    let says = Says {
        title: "spec: SecureString",
        words: &["SecureString", "type String"],
        ..INVALID
    };
    account
        .meets(says, |stage| {
            stage.remove("spec");
            let input = json!({"Name": "/teal/apps/blog/spec", "Value": stage.spec().to_string(), "Type": "SecureString"});
            stage.person(Service::Ssm, "PutParameter", input);
        })
        .await;
    account
        .repaired("1.3.0", |stage| {
            stage.remove("spec");
            stage.put("spec", &stage.spec().to_string());
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn bad_from_the_first_day() {
    let account = Account::empty().await;
    let says = Says {
        title: "spec: a typing mistake, and never a good one",
        condition: ("Stalled", "SpecInvalid"),
        words: &["bakeTiem", "bakeTime"],
        ..INVALID
    };
    let bad = |stage: &Stage| {
        stage.put(
            "spec",
            &changed(stage, |spec| spec["bakeTiem"] = json!("2m")),
        )
    };
    // The good one that the stage has is in force: this operator never saw it.
    let mut account = account;
    bad(&account.stage);
    account.restart().await;
    account.meets(says, |stage| stage.wish("1.3.0")).await;
    account
        .repaired("1.3.0", |stage| {
            stage.put("spec", &stage.spec().to_string())
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn the_last_good_spec_stays_in_force() {
    let account = Account::serving().await;
    account.stage.put(
        "spec",
        &changed(&account.stage, |spec| spec["bakeTiem"] = json!("2m")),
    );
    tokio::time::sleep(std::time::Duration::from_secs(120)).await;
    account.stage.set_weights([Some(0), Some(100)]);
    let healed = || account.stage.weights(0) == [Some(100), Some(0)];
    account
        .until(
            "healed by the last good spec",
            std::time::Duration::from_secs(180),
            healed,
        )
        .await;
    account.stage.wish("1.4.0");
    let released = || {
        account.stage.get("status")["serving"]["version"] == "1.4.0"
            && account.services("blog").len() == 1
    };
    account
        .until(
            "released by the last good spec",
            std::time::Duration::from_secs(1_800),
            released,
        )
        .await;
}

#[tokio::test(start_paused = true)]
async fn two_applications_on_one_target_group() {
    let account = Account::serving().await;
    let says = Says {
        title: "spec: two applications on one target group",
        condition: ("Stalled", "Conflict"),
        words: &["blog-a", "thief", "groups and rules of its own"],
        ..INVALID
    };
    account
        .meets(says, |stage| {
            let mut thief = account.shop();
            thief["metadata"]["name"] = json!("thief");
            let route = &mut thief["spec"]["traffic"]["routes"][0];
            route["targetGroups"]["pair"] = json!([stage.groups[0], "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/thief-b/00000000000000bb"]);
            route["production"] = json!([{"listener": "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener/app/thief/00000000000000cc/00000000000000dd"}]);
            put(stage, "thief", "spec", &thief.to_string());
            put(stage, "thief", "desired", "6.6.6");
        })
        .await;
    assert!(account.services("thief").is_empty());
    account
        .repaired("1.4.0", |stage| {
            stage.person(
                Service::Ssm,
                "DeleteParameter",
                json!({"Name": "/teal/apps/thief/spec"}),
            );
            stage.wish("1.4.0");
        })
        .await;
}
