//! Gates as requests: an HTTP request to wherever the spec says, an ECS task in the application's network.

use aws_sdk_ecs::types::{Container, Task};
use aws_smithy_runtime_api::client::http::{HttpConnector, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use crd_schema::Application;
use crd_schema::gate::{Check, EcsTask, Http};
use planner::gate::Run;
use planner::release::{MANAGED_BY, TAG_APPLICATION, TAG_MANAGED_BY};
use runtime::cloud::Tried;
use serde_json::{Map, Value, json};

use crate::budget::Class;
use crate::clients::Clients;
use crate::error::{Error, Kind, chain};
use crate::write::with_body;

/// Bytes of an answer in which a text is looked for.
const MAX_BODY: usize = 256 * 1024;
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

/// Sends a request, or asks for a task: one try, or one look at it.
pub(crate) async fn attempt(
    clients: &Clients,
    web: &SharedHttpConnector,
    application: &Application,
    run: &Run,
    failed: u32,
    task: Option<&str>,
) -> Tried {
    match &run.gate.check {
        Check::Http(http) => request(web, http, run).await,
        Check::EcsTask(wanted) => {
            let looked = match task {
                Some(arn) => look(clients, application, wanted, arn).await,
                None => start(clients, application, wanted, run, failed).await,
            };
            looked.unwrap_or_else(|error| Tried::Unclear {
                reason: error.to_string(),
            })
        }
        Check::Approval => Tried::Unclear {
            reason: "a person approves it".to_owned(),
        },
    }
}

/// An answer passes or fails; no answer tells nothing. A redirect is an answer like any other.
async fn request(web: &SharedHttpConnector, http: &Http, run: &Run) -> Tried {
    let Http {
        url,
        method,
        headers,
        status,
        body,
    } = http;
    let asked = format!("{method} {url}");
    let unclear = |why: &dyn std::fmt::Display| Tried::Unclear {
        reason: format!("{asked} got no answer: {why}"),
    };
    let mut request = HttpRequest::new(SdkBody::empty());
    if let Err(error) = request
        .set_uri(url.as_str())
        .and_then(|()| request.set_method(method))
    {
        return unclear(&error);
    }
    let own = [
        ("user-agent", concat!("teal/", env!("CARGO_PKG_VERSION"))),
        ("idempotency-key", &run.key),
        ("content-length", "0"),
    ];
    let given = headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    for (name, value) in own.into_iter().chain(given) {
        if let Err(error) = request
            .headers_mut()
            .try_insert(name.to_ascii_lowercase(), value.to_owned())
        {
            return unclear(&error);
        }
    }
    let answer = match web.call(request).await {
        Ok(answer) => answer,
        Err(error) => return unclear(&chain(&error)),
    };
    let found = answer.status().as_u16();
    if found != *status {
        let reason = format!("{asked} answered {found}, and {status} is right");
        return Tried::Failed { reason };
    }
    let Some(text) = body else {
        return Tried::Passed;
    };
    match beginning(answer.into_body()).await {
        Ok(read) if String::from_utf8_lossy(&read).contains(text) => Tried::Passed,
        Ok(read) => Tried::Failed {
            reason: format!(
                "{asked} answered {found} with {} bytes that do not contain {text:?}",
                read.len()
            ),
        },
        Err(error) => unclear(&error),
    }
}

/// At most [`MAX_BODY`] bytes of an answer.
pub(crate) async fn beginning(
    body: SdkBody,
) -> Result<Vec<u8>, aws_smithy_types::byte_stream::error::Error> {
    let mut stream = ByteStream::new(body);
    let mut read = Vec::new();
    while read.len() < MAX_BODY
        && let Some(bytes) = stream.next().await
    {
        read.extend_from_slice(&bytes?);
    }
    read.truncate(MAX_BODY);
    Ok(read)
}

/// RunTask with a token of this try: the same try asked for again gives the same task.
/// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/ECS_Idempotency.html>)
async fn start(
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
        (
            "startedBy".to_owned(),
            json!(format!("teal/{}/{}", application.name, run.name)),
        ),
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

async fn look(
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
            arn: arn.to_owned(),
            reason: "ECS does not show the task yet".to_owned(),
        },
    })
}

/// How far a task is. It passes when the container that was named ended with 0, or each of them where none was.
fn state(task: &Task, wanted: &EcsTask) -> Tried {
    let arn = task.task_arn().unwrap_or_default().to_owned();
    let id = arn.rsplit('/').next().unwrap_or_default();
    let status = task.last_status().unwrap_or("UNKNOWN");
    if status != "STOPPED" {
        let reason = format!("task {id} is {status}");
        return Tried::Runs { arn, reason };
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
