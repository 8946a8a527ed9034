//! An ECS task in the application's network, which runs to its end.

use aws_sdk_ecs::types::{Container, Task};
use crd_schema::Application;
use crd_schema::gate::EcsTask;
use planner::gate::Run;
use planner::release::{MANAGED_BY, TAG_APPLICATION, TAG_MANAGED_BY};
use runtime::cloud::Tried;
use serde_json::{Map, Value, json};

use crate::budget::Class;
use crate::clients::Clients;
use crate::error::{Error, Kind};
use crate::write::with_body;

/// Members of CreateService's request that RunTask knows too, by the same name.
/// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html>)
const SHARED: [&str; 6] = [
    "capacityProviderStrategy",
    "enableECSManagedTags",
    "launchType",
    "networkConfiguration",
    "placementConstraints",
    "platformVersion",
];

/// RunTask with a token of this try: the same try asked for again gives the same task.
/// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/ECS_Idempotency.html>)
pub(super) async fn start(
    clients: &Clients,
    application: &Application,
    wanted: &EcsTask,
    run: &Run,
    failed: u32,
) -> Result<Tried, Error> {
    const OPERATION: &str = "RunTask";
    let Some(definition) = wanted
        .task_definition
        .as_ref()
        .or(run.task_definition.as_ref())
    else {
        let reason = "the release's task definition is not registered yet".to_owned();
        return Ok(Tried::Unclear { reason });
    };
    let body = body(application, wanted, run, definition, failed);
    let send = clients
        .ecs
        .run_task()
        .task_definition(definition)
        .customize()
        .mutate_request(with_body(&body));
    let answer = clients
        .call(Class::TaskModify, OPERATION, definition, send.send())
        .await?;
    if let Some(task) = answer.tasks().first() {
        return Ok(state(task, wanted));
    }
    let failure = answer.failures().first();
    let why = failure
        .and_then(|failure| failure.reason())
        .unwrap_or("AWS gave no reason");
    Err(Error::own(Kind::Unavailable, OPERATION, definition, why))
}

fn body(
    application: &Application,
    wanted: &EcsTask,
    run: &Run,
    definition: &str,
    failed: u32,
) -> Map<String, Value> {
    let service = &application.template.service;
    let shared = SHARED.into_iter().filter_map(|member| {
        let value = service.get(member)?;
        Some((member.to_owned(), value.clone()))
    });
    let mut body: Map<String, Value> = shared.collect();
    let own = [
        (TAG_MANAGED_BY, MANAGED_BY),
        (TAG_APPLICATION, application.name.as_str()),
    ];
    let given = application
        .tags
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()));
    let tags = own.into_iter().chain(given);
    let tags: Vec<Value> = tags
        .map(|(key, value)| json!({"key": key, "value": value}))
        .collect();
    body.extend([
        ("cluster".to_owned(), json!(application.cluster)),
        ("taskDefinition".to_owned(), json!(definition)),
        ("count".to_owned(), json!(1)),
        (
            "clientToken".to_owned(),
            json!(format!("{}-{failed}", run.key)),
        ),
        ("startedBy".to_owned(), json!(started_by(application, run))),
        ("tags".to_owned(), json!(tags)),
    ]);
    if let Some(container) = wanted
        .container
        .as_ref()
        .filter(|_| !wanted.command.is_empty())
    {
        let overrides = json!({
            "containerOverrides": [{"name": container, "command": wanted.command}]
        });
        body.insert("overrides".to_owned(), overrides);
    }
    body
}

pub(super) async fn look(
    clients: &Clients,
    application: &Application,
    wanted: &EcsTask,
    arn: &str,
) -> Result<Tried, Error> {
    const OPERATION: &str = "DescribeTasks";
    let send = clients
        .ecs
        .describe_tasks()
        .cluster(&application.cluster)
        .tasks(arn)
        .send();
    let answer = clients.call(Class::TaskRead, OPERATION, arn, send).await?;
    Ok(match answer.tasks().first() {
        Some(task) => state(task, wanted),
        // Reads may lag behind RunTask.
        None => Tried::Runs {
            so_far: arn.to_owned(),
            after: None,
            reason: "ECS does not show the task yet".to_owned(),
        },
    })
}

/// What all tasks of a run carry: at most 99 of 128 characters.
fn started_by(application: &Application, run: &Run) -> String {
    format!("teal/{}/{}/{}", application.name, run.name, run.key)
}

/// StopTask, of the task that is known or of all that the run began. One that has stopped already stays as it is.
pub(super) async fn stop(
    clients: &Clients,
    application: &Application,
    run: &Run,
    known: Option<&str>,
    why: &str,
) -> Result<(), Error> {
    if let Some(arn) = known {
        return stop_one(clients, application, arn, why).await;
    }
    let send = clients
        .ecs
        .list_tasks()
        .cluster(&application.cluster)
        .started_by(started_by(application, run))
        .send();
    let begun = clients
        .call(Class::TaskRead, "ListTasks", &run.place, send)
        .await?;
    for arn in begun.task_arns() {
        stop_one(clients, application, arn, why).await?;
    }
    Ok(())
}

async fn stop_one(
    clients: &Clients,
    application: &Application,
    arn: &str,
    why: &str,
) -> Result<(), Error> {
    let send = clients
        .ecs
        .stop_task()
        .cluster(&application.cluster)
        .task(arn)
        .reason(why)
        .send();
    let stopped = clients.call(Class::TaskModify, "StopTask", arn, send).await;
    stopped.map(drop)
}

/// How far a task is. It passes when the container that was named ended with 0, or each of them where none was.
fn state(task: &Task, wanted: &EcsTask) -> Tried {
    let arn = task.task_arn().unwrap_or_default().to_owned();
    let id = arn.rsplit('/').next().unwrap_or_default();
    let status = task.last_status().unwrap_or("UNKNOWN");
    if status != "STOPPED" {
        let reason = format!("task {id} is {status}");
        return Tried::Runs {
            so_far: arn,
            after: None,
            reason,
        };
    }
    let named = wanted.container.as_deref();
    let decides = |one: &&Container| named.is_none() || one.name() == named;
    let containers: Vec<&Container> = task.containers().iter().filter(decides).collect();
    if !containers.is_empty() && containers.iter().all(|one| one.exit_code() == Some(0)) {
        return Tried::Passed;
    }
    let codes = containers
        .iter()
        .filter_map(|one| Some((one.name()?, one.exit_code()?)));
    if let Some((name, code)) = codes.into_iter().find(|(_, code)| *code != 0) {
        let reason = format!("container {name} of task {id} ended with exit code {code}");
        return Tried::Failed { reason };
    }
    let reason = containers.iter().find_map(|one| one.reason());
    let why = reason
        .or(task.stopped_reason())
        .unwrap_or("ECS gave no reason");
    Tried::Unclear {
        reason: format!("task {id} stopped without an exit code: {why}"),
    }
}
