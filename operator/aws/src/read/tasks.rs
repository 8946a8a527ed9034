//! ECS tasks: where a service's tasks listen, and why others stopped.

use std::collections::BTreeSet;

use aws_sdk_ecs::primitives::DateTime;
use aws_sdk_ecs::types::{DesiredStatus, HealthStatus, Service as EcsService, Task, TaskStopCode};
use futures_util::future::try_join_all;

use crate::budget::Class;
use crate::clients::Clients;
use crate::error::{Error, Kind, one_line};
use crate::page;
use crate::read::services::{self, is_troubled, last_segment};

const LIST: &str = "ListTasks";
const DESCRIBE: &str = "DescribeTasks";

/// Stopped tasks that are looked at for a cause.
const MAX_STOPPED: usize = 100;

/// What is known of a service from its tasks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tasks {
    /// `address:port` of RUNNING tasks; or the ids of those that are healthy as far as their containers tell. Where the
    /// service is updated in place, of those that run its task definition.
    pub(crate) addresses: BTreeSet<String>,
    /// The same of the others, which are about to be replaced.
    pub(crate) outgoing: BTreeSet<String>,
    /// The newest cause of trouble.
    pub(crate) trouble: Option<String>,
}

/// What a task that works is known by.
#[derive(Debug, Clone, Copy)]
pub(crate) enum KnownBy {
    /// Where it listens.
    Address {
        /// The container port.
        port: u16,
    },
    /// Its id: it has no load balancer to check its health, but its containers may be checked.
    Id {
        /// An essential container has a health check: what is not HEALTHY yet does not count.
        checked: bool,
    },
}

impl KnownBy {
    fn name(self, task: &Task) -> Option<String> {
        if task.last_status() != Some("RUNNING") {
            return None;
        }
        match self {
            Self::Address { port } => Some(format!("{}:{port}", address(task)?)),
            Self::Id { checked } => {
                let health = task.health_status();
                let healthy = health == Some(&HealthStatus::Healthy);
                let works = healthy || (!checked && health != Some(&HealthStatus::Unhealthy));
                let id = last_segment(task.task_arn()?);
                works.then(|| id.to_owned())
            }
        }
    }
}

/// Reads the tasks of one service: the running ones if it has any, the stopped ones if it is in trouble. `in_place`: it is
/// updated in place, and what runs another task definition than the service is about to be replaced.
pub(crate) async fn of_service(
    clients: &Clients,
    cluster: &str,
    service: &EcsService,
    known: KnownBy,
    in_place: bool,
) -> Result<Tasks, Error> {
    let name = service.service_name().unwrap_or_default();
    if service.status() == Some("INACTIVE") {
        return Ok(Tasks::default());
    }
    let mut tasks = Tasks::default();
    if service.running_count > 0 || service.pending_count > 0 {
        let arns = list(clients, cluster, name, DesiredStatus::Running).await?;
        let running = describe(clients, cluster, name, &arns).await?;
        let runs = in_place.then(|| services::runs(service));
        (tasks.addresses, tasks.outgoing) = named(&running, known, runs);
    }
    if is_troubled(service) && service.status() == Some("ACTIVE") {
        let mut stopped = list(clients, cluster, name, DesiredStatus::Stopped).await?;
        stopped.truncate(MAX_STOPPED);
        let stopped = describe(clients, cluster, name, &stopped).await?;
        tasks.trouble = trouble(&stopped, service);
    }
    Ok(tasks)
}

/// By what `running` tasks are known: those that run this task definition, or all where none is given; and the others.
fn named(
    running: &[Task],
    known: KnownBy,
    runs: Option<&str>,
) -> (BTreeSet<String>, BTreeSet<String>) {
    let is_new = |task: &Task| runs.is_none_or(|runs| task.task_definition_arn() == Some(runs));
    let names = |new: bool| {
        let tasks = running.iter().filter(|task| is_new(task) == new);
        tasks.filter_map(|task| known.name(task)).collect()
    };
    (names(true), names(false))
}

async fn list(
    clients: &Clients,
    cluster: &str,
    service: &str,
    status: DesiredStatus,
) -> Result<Vec<String>, Error> {
    let status = &status;
    let arns = page::names(LIST, service, |token| async move {
        let send = clients
            .ecs
            .list_tasks()
            .cluster(cluster)
            .service_name(service)
            .desired_status(status.clone())
            .set_next_token(token)
            .send();
        let answer = clients.call(Class::TaskRead, LIST, service, send).await?;
        Ok((answer.task_arns.unwrap_or_default(), answer.next_token))
    })
    .await;
    match arns {
        // A DRAINING service may disappear between two reads.
        Err(error) if error.kind == Kind::NotFound => Ok(Vec::new()),
        arns => arns,
    }
}

async fn describe(
    clients: &Clients,
    cluster: &str,
    service: &str,
    arns: &[String],
) -> Result<Vec<Task>, Error> {
    let calls = arns.chunks(100).map(|chunk| async move {
        let send = clients
            .ecs
            .describe_tasks()
            .cluster(cluster)
            .set_tasks(Some(chunk.to_vec()))
            .send();
        // A task that is MISSING is gone, or too new to be described: it has no address yet either way.
        Ok(clients
            .call(Class::TaskRead, DESCRIBE, service, send)
            .await?
            .tasks
            .unwrap_or_default())
    });
    Ok(try_join_all(calls).await?.into_iter().flatten().collect())
}

/// The address of a task; in `awsvpc` mode the container port is the host port.
fn address(task: &Task) -> Option<String> {
    let interface = task
        .attachments()
        .iter()
        .find(|attachment| attachment.r#type() == Some("ElasticNetworkInterface"));
    let attached = interface
        .and_then(|interface| {
            interface
                .details()
                .iter()
                .find(|detail| detail.name() == Some("privateIPv4Address"))
        })
        .and_then(|detail| detail.value());
    let address = attached.or_else(|| {
        let interfaces = task
            .containers()
            .iter()
            .flat_map(|container| container.network_interfaces());
        interfaces
            .filter_map(|interface| interface.private_ipv4_address())
            .next()
    })?;
    Some(address.to_owned())
}

/// What ECS says when its circuit breaker counts, or holds back the next start: that tasks stop, and not why.
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-event-messages-list.html>)
const NO_CAUSE: &str = "unable to consistently start tasks successfully";

/// The newest of: a task that stopped for a reason, an event that complains. One that names no cause comes last.
fn trouble(stopped: &[Task], service: &EcsService) -> Option<String> {
    let deaths = stopped
        .iter()
        .filter(|task| !is_scaled_in(task))
        .filter_map(|task| Some((task.stopped_at?, death(task))));
    let complaints = service.events().iter().filter_map(|event| {
        let text = event.message()?;
        let complains =
            text.contains("unable") || text.contains("unhealthy") || text.contains("throttled");
        complains.then(|| event.created_at.map(|at| (at, complaint(text))))?
    });
    let rank = |(at, text): &(DateTime, String)| (!text.contains(NO_CAUSE), order(at));
    let newest = deaths.chain(complaints).max_by_key(rank);
    newest.map(|(_, text)| text)
}

/// What an event complains of, without what is known already: a reason that is kept is short, and its end is the cause.
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-event-messages-list.html>)
fn complaint(text: &str) -> String {
    let of_service = text.strip_prefix("(service ");
    let rest = of_service.and_then(|rest| rest.split_once(") "));
    let text = rest.map_or(text, |(_, rest)| rest);
    let parts = text
        .split_once("(target-group arn:")
        .and_then(|(before, rest)| {
            let (arn, after) = rest.split_once(')')?;
            let (_, name) = arn.split_once(":targetgroup/")?;
            Some((before, name.split('/').next()?, after))
        });
    one_line(&match parts {
        Some((before, name, after)) => format!("{before}(target-group {name}){after}"),
        None => text.to_owned(),
    })
}

fn order(at: &DateTime) -> (i64, u32) {
    (at.secs(), at.subsec_nanos())
}

/// Stopped because fewer tasks were wanted: no trouble.
fn is_scaled_in(task: &Task) -> bool {
    task.stopped_reason()
        .is_some_and(|reason| reason.starts_with("Scaling activity initiated by"))
}

fn death(task: &Task) -> String {
    let mut parts = Vec::new();
    let code = task.stop_code().map(TaskStopCode::as_str);
    parts.extend(
        [code, task.stopped_reason()]
            .into_iter()
            .flatten()
            .map(str::to_owned),
    );
    for container in task.containers() {
        let exit = container
            .exit_code()
            .filter(|code| *code != 0)
            .map(|code| format!("exited with code {code}"));
        let text: Vec<String> = exit
            .into_iter()
            .chain(container.reason().map(str::to_owned))
            .collect();
        if !text.is_empty() {
            parts.push(format!(
                "container {} {}",
                container.name().unwrap_or("?"),
                text.join(", ")
            ));
        }
    }
    one_line(&parts.join(": "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_ecs::types::{Attachment, Container, KeyValuePair, NetworkInterface, ServiceEvent};

    fn running(status: &str) -> Task {
        let address = KeyValuePair::builder()
            .name("privateIPv4Address")
            .value("10.0.0.7")
            .build();
        let interface = Attachment::builder()
            .r#type("ElasticNetworkInterface")
            .details(address)
            .build();
        Task::builder()
            .task_arn("arn:task/1")
            .last_status(status)
            .attachments(interface)
            .build()
    }

    fn stopped(at: i64, code: TaskStopCode, reason: &str) -> Task {
        let container = Container::builder()
            .name("web")
            .exit_code(137)
            .reason("OutOfMemoryError: killed")
            .build();
        let quiet = Container::builder().name("log").exit_code(0).build();
        Task::builder()
            .stopped_at(DateTime::from_secs(at))
            .stop_code(code)
            .stopped_reason(reason)
            .containers(quiet)
            .containers(container)
            .build()
    }

    fn event(at: i64, message: &str) -> ServiceEvent {
        ServiceEvent::builder()
            .created_at(DateTime::from_secs(at))
            .message(message)
            .build()
    }

    #[test]
    fn a_task_is_known_by_where_it_runs() {
        let listens = |task: &Task| KnownBy::Address { port: 8080 }.name(task);
        let here = listens(&running("RUNNING"));
        assert_eq!(here.as_deref(), Some("10.0.0.7:8080"));
        for status in ["ACTIVATING", "DEACTIVATING", "PENDING", ""] {
            assert_eq!(listens(&running(status)), None);
        }
        let interface = NetworkInterface::builder()
            .private_ipv4_address("10.0.0.8")
            .build();
        let container = Container::builder().network_interfaces(interface).build();
        let runs = Task::builder().last_status("RUNNING");
        let there = listens(&runs.clone().containers(container).build());
        assert_eq!(there.as_deref(), Some("10.0.0.8:8080"));
        assert_eq!(listens(&runs.build()), None);
    }

    #[test]
    fn a_worker_counts_once_its_checked_containers_are_healthy() {
        let named = |status: &str, health: &str, checked| {
            let mut task = running(status);
            task.health_status = Some(health.into());
            KnownBy::Id { checked }.name(&task)
        };
        let counts = Some("1".to_owned());
        assert_eq!(named("RUNNING", "UNKNOWN", false), counts);
        assert_eq!(named("RUNNING", "HEALTHY", true), counts);
        assert_eq!(named("RUNNING", "UNKNOWN", true), None);
        for checked in [true, false] {
            assert_eq!(named("RUNNING", "UNHEALTHY", checked), None);
            assert_eq!(named("PENDING", "HEALTHY", checked), None);
        }
    }

    #[test]
    fn while_a_service_is_updated_in_place_old_tasks_are_told_apart() {
        let mut task = running("RUNNING");
        task.task_definition_arn = Some("mailer-teal:7".to_owned());
        let tasks = [task, running("PENDING")];
        let one = |name: &str| BTreeSet::from([name.to_owned()]);
        for (known, name) in [
            (KnownBy::Id { checked: false }, "1"),
            (KnownBy::Address { port: 8080 }, "10.0.0.7:8080"),
        ] {
            let named = |runs| named(&tasks, known, runs);
            assert_eq!(named(Some("mailer-teal:7")), (one(name), BTreeSet::new()));
            assert_eq!(named(Some("mailer-teal:8")), (BTreeSet::new(), one(name)));
            assert_eq!(named(None), (one(name), BTreeSet::new()));
        }
    }

    #[test]
    fn a_complaint_leaves_room_for_its_cause() {
        let group = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/blog-b/73e2d6bc24d8a067";
        let text = |group: &str| {
            format!(
                "(service blog-1) (task 0f) (port 8080) is unhealthy in (target-group {group}) due to (reason [500])"
            )
        };
        let short =
            "(task 0f) (port 8080) is unhealthy in (target-group blog-b) due to (reason [500])";
        assert_eq!(complaint(&text(group)), short);
        assert_eq!(complaint(&text("blog-b")), short);
        assert_eq!(complaint("(service"), "(service");
        assert_eq!(complaint("(target-group arn:x"), "(target-group arn:x");
    }

    #[test]
    fn trouble_is_the_newest_cause_and_scaling_in_is_none() {
        let service = EcsService::builder()
            .events(event(
                30,
                "(service blog) was unable to place a task. Reason: RESOURCE:FARGATE.",
            ))
            .events(event(90, "(service blog) has reached a steady state."))
            .build();
        let scaled = stopped(
            80,
            TaskStopCode::ServiceSchedulerInitiated,
            "Scaling activity initiated by (deployment ecs-svc/1)",
        );
        assert_eq!(
            trouble(
                &[
                    scaled.clone(),
                    stopped(20, TaskStopCode::TaskFailedToStart, "old")
                ],
                &service
            )
            .as_deref(),
            Some("was unable to place a task. Reason: RESOURCE:FARGATE.")
        );
        let newest = stopped(
            70,
            TaskStopCode::EssentialContainerExited,
            "Essential container in task exited",
        );
        assert_eq!(
            trouble(&[scaled.clone(), newest], &service).as_deref(),
            Some(
                "EssentialContainerExited: Essential container in task exited: container web exited with code 137, OutOfMemoryError: killed"
            )
        );
        assert_eq!(trouble(&[scaled], &EcsService::builder().build()), None);
    }

    #[test]
    fn an_event_that_names_no_cause_is_told_where_nothing_else_is() {
        let text = format!("(service blog) is {NO_CAUSE}.");
        let service = EcsService::builder().events(event(90, &text)).build();
        let alone = trouble(&[], &service);
        assert_eq!(alone, Some(format!("is {NO_CAUSE}.")));
        let code = TaskStopCode::TaskFailedToStart;
        let missing = stopped(20, code, "CannotPullContainerError: not found");
        let told = trouble(&[missing], &service).unwrap_or_default();
        assert!(told.contains("CannotPullContainerError"), "{told}");
    }
}
