//! What AWS refuses to the operator itself: permissions, and what the account lacks.

use std::time::Duration;

use emulator::api::{AwsError, Service};
use emulator::faults::Effect;
use tests::Stage;

use crate::account::{Account, Says};
use crate::page;

const REPEATED: Says = Says {
    title: "",
    phase: "Holding",
    condition: ("Stalled", "RepeatedErrors"),
    words: &[],
};

/// A spec whose deadlines are longer than it takes to repair a policy.
fn patient(stage: &Stage) {
    let mut spec = stage.spec();
    spec["spec"]["deadlines"] =
        serde_json::json!({"scaleUp": "2h", "validate": "2h", "shift": "2h", "cleanUp": "2h"});
    stage.put("spec", &spec.to_string());
}

/// A read is denied while the blog serves: nothing changes, and it goes on when the policy is repaired.
async fn read_denied(
    service: Service,
    operation: &'static str,
    title: &'static str,
    words: &'static [&'static str],
) {
    let account = Account::serving().await;
    let says = Says {
        title,
        words,
        ..REPEATED
    };
    account
        .meets_with_all(says, |stage| Account::deny(stage, &[(service, operation)]))
        .await;
    account
        .repaired("1.4.0", |stage| {
            Account::allow(stage);
            stage.wish("1.4.0");
        })
        .await;
    account.shop_is_released().await;
}

macro_rules! reads_denied {
    ($($test:ident: $service:ident $operation:literal needs $action:literal;)*) => {$(
        #[tokio::test(start_paused = true)]
        async fn $test() {
            let title = concat!("denied: ", $operation);
            read_denied(Service::$service, $operation, title, &[$operation, $action, "policy"]).await;
        }
    )*};
}

reads_denied! {
    list_services: Ecs "ListServices" needs "ecs:ListServices";
    describe_services: Ecs "DescribeServices" needs "ecs:DescribeServices";
    list_tasks: Ecs "ListTasks" needs "ecs:ListTasks";
    describe_tasks: Ecs "DescribeTasks" needs "ecs:DescribeTasks";
    describe_target_groups: Elbv2 "DescribeTargetGroups" needs "elasticloadbalancing:DescribeTargetGroups";
    describe_target_group_attributes: Elbv2 "DescribeTargetGroupAttributes" needs "elasticloadbalancing:DescribeTargetGroupAttributes";
    describe_target_health: Elbv2 "DescribeTargetHealth" needs "elasticloadbalancing:DescribeTargetHealth";
    describe_listeners: Elbv2 "DescribeListeners" needs "elasticloadbalancing:DescribeListeners";
    describe_rules: Elbv2 "DescribeRules" needs "elasticloadbalancing:DescribeRules";
}

/// Reads that only a release needs are told when one is wished for.
async fn read_of_a_release_denied(
    service: Service,
    operation: &'static str,
    title: &'static str,
    words: &'static [&'static str],
) {
    let account = Account::serving().await;
    patient(&account.stage);
    account.specs_are_read().await;
    let says = Says {
        title,
        words,
        ..REPEATED
    };
    account
        .meets_with_all(says, |stage| {
            Account::deny(stage, &[(service, operation)]);
            stage.wish("1.4.0");
        })
        .await;
    account.repaired("1.4.0", Account::allow).await;
}

#[tokio::test(start_paused = true)]
async fn describe_scalable_targets() {
    let words = &[
        "DescribeScalableTargets",
        "application-autoscaling:DescribeScalableTargets",
        "policy",
    ];
    read_of_a_release_denied(
        Service::AutoScaling,
        "DescribeScalableTargets",
        "denied: DescribeScalableTargets",
        words,
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn list_task_definitions() {
    let words = &["ListTaskDefinitions", "ecs:ListTaskDefinitions", "policy"];
    read_of_a_release_denied(
        Service::Ecs,
        "ListTaskDefinitions",
        "denied: ListTaskDefinitions",
        words,
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn describe_task_definition() {
    let words = &[
        "DescribeTaskDefinition",
        "ecs:DescribeTaskDefinition",
        "policy",
    ];
    let account = Account::empty().await;
    patient(&account.stage);
    account.specs_are_read().await;
    let says = Says {
        title: "denied: DescribeTaskDefinition",
        words,
        ..REPEATED
    };
    account
        .meets_with_all(says, |stage| {
            Account::deny(stage, &[(Service::Ecs, "DescribeTaskDefinition")]);
            stage.wish("1.3.0");
        })
        .await;
    account.repaired("1.3.0", Account::allow).await;
}

/// Desired values cannot be read: the last one stays in force, and what serves goes on serving.
#[tokio::test(start_paused = true)]
async fn get_parameters() {
    let account = Account::serving().await;
    Account::deny(&account.stage, &[(Service::Ssm, "GetParameters")]);
    let unreadable = || {
        let status = account.stage.get("status");
        crate::account::condition(&status, "DesiredUnreadable").is_some()
    };
    account
        .until("told", Duration::from_secs(300), unreadable)
        .await;
    let status = account.stage.get("status");
    let (reason, message) = crate::account::condition(&status, "DesiredUnreadable").expect("told");
    assert_eq!(reason, "Unread");
    for word in ["GetParameters", "ssm:GetParameters", "policy"] {
        assert!(message.contains(word), "{word:?} is missing in {message:?}");
    }
    page::check("denied: GetParameters", &status);
    account.stage.set_weights([Some(0), Some(100)]);
    let healed = || account.stage.weights(0) == [Some(100), Some(0)];
    account
        .until("healed all the same", Duration::from_secs(300), healed)
        .await;
    account
        .repaired("1.4.0", |stage| {
            Account::allow(stage);
            stage.wish("1.4.0");
        })
        .await;
}

/// Without the list of specs there is no application whose status could tell: readiness and the log do.
#[tokio::test(start_paused = true)]
async fn get_parameters_by_path() {
    let mut account = Account::serving().await;
    Account::deny(&account.stage, &[(Service::Ssm, "GetParametersByPath")]);
    account.restart().await;
    tokio::time::sleep(Duration::from_secs(300)).await;
    let missing = account
        .operator()
        .board
        .ready()
        .expect_err("nothing was listed");
    page::told(
        "denied: GetParametersByPath (readiness)",
        &missing.join("\n"),
    );
    assert!(
        missing.join(" ").contains("GetParametersByPath") && missing.join(" ").contains("policy"),
        "{missing:?}"
    );
    account
        .repaired("1.4.0", |stage| {
            Account::allow(stage);
            stage.wish("1.4.0");
        })
        .await;
    account
        .operator()
        .board
        .ready()
        .expect("listed and observed");
}

/// AWS refuses a write of the release to 1.4.0: users stay on 1.3.0, and it goes on when AWS accepts the write.
async fn write_refused(
    title: &'static str,
    words: &'static [&'static str],
    break_it: impl Fn(&Stage),
) {
    let account = Account::serving().await;
    patient(&account.stage);
    account.specs_are_read().await;
    let users = || account.stage.weights(0);
    let before = users();
    break_it(&account.stage);
    account.stage.wish("1.4.0");
    let says = Says {
        title,
        words,
        ..REPEATED
    };
    let told = || {
        let status = account.stage.get("status");
        crate::account::condition(&status, "Stalled")
            .is_some_and(|(reason, _)| reason == "RepeatedErrors")
    };
    account.until(title, Duration::from_secs(900), told).await;
    account.meets_with_all(says, |_| {}).await;
    assert_eq!(users(), before);
    account.repaired("1.4.0", Account::allow).await;
    account.shop_is_released().await;
}

#[tokio::test(start_paused = true)]
async fn register_task_definition() {
    let words = &[
        "RegisterTaskDefinition",
        "ecs:RegisterTaskDefinition",
        "policy",
    ];
    write_refused("denied: RegisterTaskDefinition", words, |stage| {
        Account::deny(stage, &[(Service::Ecs, "RegisterTaskDefinition")]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn create_service() {
    let words = &["CreateService", "blog-1-4-0", "ecs:CreateService", "policy"];
    write_refused("denied: CreateService", words, |stage| {
        Account::deny(stage, &[(Service::Ecs, "CreateService")])
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn modify_listener() {
    let words = &[
        "ModifyListener",
        "listener/app/blog/",
        "elasticloadbalancing:ModifyListener",
        "policy",
    ];
    write_refused("denied: ModifyListener", words, |stage| {
        Account::deny(stage, &[(Service::Elbv2, "ModifyListener")])
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn put_record() {
    let account = Account::serving().await;
    Account::deny(&account.stage, &[(Service::Ssm, "PutParameter")]);
    account.stage.wish("1.4.0");
    tokio::time::sleep(Duration::from_secs(900)).await;
    assert_eq!(account.stage.weights(0), [Some(100), Some(0)]);
    let name = crd_schema::ApplicationName::new("blog");
    let status = serde_json::to_value(&account.operator().board.get(&name).expect("shown").status)
        .expect("JSON");
    let (_, message) = crate::account::condition(&status, "Stalled").expect("stalled");
    for word in [
        "PutParameter",
        "/teal/apps/blog/record",
        "ssm:PutParameter",
        "policy",
    ] {
        assert!(message.contains(word), "{word:?} is missing in {message:?}");
    }
    page::check("denied: PutParameter (on the status page)", &status);
    account.repaired("1.4.0", Account::allow).await;
}

#[tokio::test(start_paused = true)]
async fn no_service_linked_role() {
    let words = &[
        "CreateService",
        "service-linked role",
        "aws iam create-service-linked-role --aws-service-name ecs.amazonaws.com",
    ];
    write_refused("refused: CreateService without the service-linked role", words, |stage| {
        let message = "Unable to assume the service linked role. Please verify that the ECS service linked role exists.";
        let refusal = AwsError::new("InvalidParameterException", message);
        Account::answer(stage, &[(Service::Ecs, "CreateService")], Effect::Error(refusal));
    })
    .await;
}

/// Denied in the clean-up: users are on 1.4.0 already, and only what is left of 1.3.0 waits.
async fn clean_up_denied(
    operation: &'static str,
    title: &'static str,
    words: &'static [&'static str],
) {
    let account = Account::serving().await;
    patient(&account.stage);
    account.specs_are_read().await;
    Account::deny(&account.stage, &[(Service::Ecs, operation)]);
    account.stage.wish("1.4.0");
    let told = || {
        let status = account.stage.get("status");
        crate::account::condition(&status, "Stalled")
            .is_some_and(|(reason, _)| reason == "RepeatedErrors")
    };
    account.until(title, Duration::from_secs(1_800), told).await;
    account
        .meets_with_all(
            Says {
                title,
                words,
                ..REPEATED
            },
            |_| {},
        )
        .await;
    assert_eq!(account.stage.weights(0), [Some(0), Some(100)]);
    account.repaired("1.4.0", Account::allow).await;
}

#[tokio::test(start_paused = true)]
async fn update_service() {
    clean_up_denied(
        "UpdateService",
        "denied: UpdateService",
        &["UpdateService", "blog-1-3-0", "ecs:UpdateService", "policy"],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn delete_service() {
    clean_up_denied(
        "DeleteService",
        "denied: DeleteService",
        &["DeleteService", "blog-1-3-0", "ecs:DeleteService", "policy"],
    )
    .await;
}
