//! Writes to Application Auto Scaling.

use aws_sdk_applicationautoscaling::types::{ScalableDimension, ServiceNamespace, SuspendedState};
use planner::scaling::{Change, Suspended};
use serde_json::{Map, Value, json};

use crate::budget::Class;
use crate::error::{Error, Kind};
use crate::read::scaling::resource_id;
use crate::write::AwsWriter;
use crate::write::send::with_body;

const DIMENSION: ScalableDimension = ScalableDimension::EcsServiceDesiredCount;

impl AwsWriter {
    /// One call about the autoscaling of `service`.
    pub(super) async fn set_scaling(
        &self,
        cluster: &str,
        service: &str,
        change: &Change,
    ) -> Result<(), Error> {
        let id = resource_id(cluster, service);
        let operation = change.operation();
        let clients = &self.clients;
        let class = Class::ScalingModify;
        match change {
            Change::Register {
                min,
                max,
                suspended,
            } => {
                let capacity = |count: u32| {
                    let why = format!("a capacity of {count} is too large");
                    i32::try_from(count).map_err(|_| Error::own(Kind::Invalid, operation, &id, why))
                };
                let send = clients
                    .scaling
                    .register_scalable_target()
                    .service_namespace(ServiceNamespace::Ecs)
                    .resource_id(&id)
                    .scalable_dimension(DIMENSION)
                    .min_capacity(capacity(*min)?)
                    .max_capacity(capacity(*max)?)
                    .suspended_state(state(*suspended))
                    .send();
                clients.call(class, operation, &id, send).await.map(drop)
            }
            Change::Suspend(suspended) => {
                let send = clients
                    .scaling
                    .register_scalable_target()
                    .service_namespace(ServiceNamespace::Ecs)
                    .resource_id(&id)
                    .scalable_dimension(DIMENSION)
                    .suspended_state(state(*suspended))
                    .send();
                clients.call(class, operation, &id, send).await.map(drop)
            }
            Change::PutPolicy { name, body } => {
                let body = about(&id, "PolicyName", name, body);
                let send = clients
                    .scaling
                    .put_scaling_policy()
                    .service_namespace(ServiceNamespace::Ecs)
                    .resource_id(&id)
                    .scalable_dimension(DIMENSION)
                    .policy_name(name)
                    .customize()
                    .mutate_request(with_body(&body))
                    .send();
                clients.call(class, operation, &id, send).await.map(drop)
            }
            Change::PutAction { name, body } => {
                let body = about(&id, "ScheduledActionName", name, body);
                let send = clients
                    .scaling
                    .put_scheduled_action()
                    .service_namespace(ServiceNamespace::Ecs)
                    .resource_id(&id)
                    .scalable_dimension(DIMENSION)
                    .scheduled_action_name(name)
                    .customize()
                    .mutate_request(with_body(&body))
                    .send();
                clients.call(class, operation, &id, send).await.map(drop)
            }
            Change::Deregister => {
                let send = clients
                    .scaling
                    .deregister_scalable_target()
                    .service_namespace(ServiceNamespace::Ecs)
                    .resource_id(&id)
                    .scalable_dimension(DIMENSION)
                    .send();
                clients.call(class, operation, &id, send).await.map(drop)
            }
        }
    }
}

/// The plan's JSON is the request, and names what it is about.
fn about(id: &str, named: &str, name: &str, body: &Map<String, Value>) -> Map<String, Value> {
    let mut request = body.clone();
    for (member, value) in [
        ("ServiceNamespace", json!("ecs")),
        ("ResourceId", json!(id)),
        ("ScalableDimension", json!("ecs:service:DesiredCount")),
        (named, json!(name)),
    ] {
        request.insert(member.to_owned(), value);
    }
    request
}

/// All three: what is left out may mean that it stays, or that it is resumed.
fn state(suspended: Suspended) -> SuspendedState {
    SuspendedState::builder()
        .dynamic_scaling_in_suspended(suspended.scale_in)
        .dynamic_scaling_out_suspended(suspended.scale_out)
        .scheduled_scaling_suspended(suspended.scheduled)
        .build()
}
