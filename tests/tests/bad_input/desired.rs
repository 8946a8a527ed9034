//! Bad values of `desired`.

use emulator::api::Service;
use serde_json::json;

use crate::account::{Account, Says};

const INVALID: Says = Says {
    title: "",
    phase: "Holding",
    condition: ("DesiredUnreadable", "DesiredInvalid"),
    words: &[],
};

/// The blog serves 1.3.0, gets this value, stays as it is, and goes on with the next good one.
async fn refused(title: &'static str, value: &str, words: &'static [&'static str]) {
    let account = Account::serving().await;
    account
        .meets(
            Says {
                title,
                words,
                ..INVALID
            },
            |stage| stage.wish(value),
        )
        .await;
    account.repaired("1.4.0", |stage| stage.wish("1.4.0")).await;
}

#[tokio::test(start_paused = true)]
async fn missing() {
    let account = Account::empty().await;
    let says = Says {
        title: "desired: missing",
        condition: ("Stalled", "DesiredMissing"),
        words: &["teal release"],
        ..INVALID
    };
    account.meets(says, |_| {}).await;
    account.repaired("1.3.0", |stage| stage.wish("1.3.0")).await;
}

#[tokio::test(start_paused = true)]
async fn deleted_while_it_serves() {
    let mut account = Account::serving().await;
    account.stage.remove("desired");
    account.shop_is_released().await;
    account.settled("blog", "1.3.0").await;
    // Another process never saw the wish; it leaves what serves as it is.
    account.restart().await;
    let says = Says {
        title: "desired: deleted, and the operator was started again",
        condition: ("Stalled", "DesiredMissing"),
        words: &["teal release"],
        ..INVALID
    };
    account.meets(says, |_| {}).await;
    account.repaired("1.4.0", |stage| stage.wish("1.4.0")).await;
}

#[tokio::test(start_paused = true)]
async fn empty() {
    let nothing = json!({"Name": "/teal/apps/blog/desired", "Value": "", "Type": "String", "Overwrite": true});
    let stage = tests::Stage::new();
    stage
        .emulator
        .call(Service::Ssm, "PutParameter", nothing)
        .expect_err("AWS takes no empty value");
    refused("desired: empty", "\n", &["empty", "1.4.0"]).await;
}

#[tokio::test(start_paused = true)]
async fn five_kilobytes() {
    let account = Account::serving().await;
    let says = Says {
        title: "desired: 5 KB",
        words: &["5120 bytes", "at most 4096"],
        ..INVALID
    };
    account
        .meets(says, |stage| {
            let input = json!({
                "Name": "/teal/apps/blog/desired", "Value": "1".repeat(5 * 1024), "Type": "String", "Overwrite": true,
                "Tier": "Advanced",
            });
            stage.person(Service::Ssm, "PutParameter", input);
        })
        .await;
    account.repaired("1.4.0", |stage| stage.wish("1.4.0")).await;
}

#[tokio::test(start_paused = true)]
async fn not_text() {
    refused(
        "desired: not text",
        "\u{1}\u{7f}\u{fffd}ELF\u{2}",
        &["not allowed", "letters, digits"],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_secret() {
    let account = Account::serving().await;
    let says = Says {
        title: "desired: SecureString",
        words: &["SecureString", "type String"],
        ..INVALID
    };
    account
        .meets(says, |stage| {
            stage.remove("desired");
            let input = json!({"Name": "/teal/apps/blog/desired", "Value": "1.4.0", "Type": "SecureString"});
            stage.person(Service::Ssm, "PutParameter", input);
        })
        .await;
    account
        .repaired("1.4.0", |stage| {
            stage.remove("desired");
            stage.wish("1.4.0");
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_command() {
    refused(
        "desired: a command",
        "latest; rm -rf /",
        &["latest; rm -rf /", "not allowed"],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_image_from_elsewhere() {
    let value = json!({"version": "1.4.0", "images": {"web": "docker.io/evil/blog:1.4.0"}});
    refused(
        "desired: an image outside the repository",
        &value.to_string(),
        &[
            "docker.io/evil/blog:1.4.0",
            "web",
            "outside",
            "dkr.ecr.eu-west-1.amazonaws.com/blog",
        ],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn broken_json() {
    refused(
        "desired: broken JSON",
        "{\"version\": \"1.4.0\", \"imagse\": {}}",
        &["imagse", "line 1"],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_first_one_ever() {
    let account = Account::empty().await;
    let says = Says {
        title: "desired: a command, before any release",
        words: &["not allowed"],
        ..INVALID
    };
    account
        .meets(says, |stage| stage.wish("latest; rm -rf /"))
        .await;
    account.repaired("1.3.0", |stage| stage.wish("1.3.0")).await;
}

#[tokio::test(start_paused = true)]
async fn a_bad_value_does_not_stop_the_release_on_its_way() {
    let account = Account::serving().await;
    account.stage.wish("1.4.0");
    let begun = || account.services("blog").len() == 2;
    account
        .until("1.4.0 begins", std::time::Duration::from_secs(300), begun)
        .await;
    account.stage.wish("latest; rm -rf /");
    let on_1_4 = || {
        account.stage.get("status")["serving"]["version"] == "1.4.0"
            && account.services("blog").len() == 1
    };
    account
        .until(
            "1.4.0 serves",
            std::time::Duration::from_secs(1_800),
            on_1_4,
        )
        .await;
    account.repaired("1.5.0", |stage| stage.wish("1.5.0")).await;
}

#[tokio::test(start_paused = true)]
async fn repair_goes_on_beside_a_bad_value() {
    let account = Account::serving().await;
    let value =
        json!({"version": "1.4.0", "images": {"web": "docker.io/evil/blog:1.4.0"}}).to_string();
    for bad in ["latest; rm -rf /", value.as_str()] {
        account.stage.wish(bad);
        tokio::time::sleep(std::time::Duration::from_secs(60)).await;
        account.stage.set_weights([Some(0), Some(100)]);
        account
            .until("healed", std::time::Duration::from_secs(180), || {
                account.stage.weights(0) == [Some(100), Some(0)]
            })
            .await;
    }
}
