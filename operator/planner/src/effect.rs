//! What a write changes in AWS, and whether a world shows it.

use crate::release;
use crate::time::Mono;
use crate::world::{Action, RecordParameter, ServiceStatus, World};
use crate::write::Write;

/// The service that a write concerns, by name.
pub(crate) fn service_name(write: &Write) -> Option<String> {
    match write {
        Write::CreateService { name, .. }
        | Write::ScaleService { name, .. }
        | Write::TagService { name, .. }
        | Write::DeleteService { name } => Some(name.clone()),
        Write::PutRecord(_)
        | Write::RegisterTaskDefinition { .. }
        | Write::SetWeights { .. }
        | Write::DeregisterTaskDefinition { .. } => None,
    }
}

/// Reads of ECS show it, and they may lag longer than those of the load balancer.
pub(crate) fn is_ecs(write: &Write) -> bool {
    match write {
        Write::RegisterTaskDefinition { .. }
        | Write::CreateService { .. }
        | Write::ScaleService { .. }
        | Write::TagService { .. }
        | Write::DeleteService { .. }
        | Write::DeregisterTaskDefinition { .. } => true,
        Write::PutRecord(_) | Write::SetWeights { .. } => false,
    }
}

/// What a write changes: a later write of the same thing takes the place of an earlier one's barrier.
pub(crate) fn subject(write: &Write) -> String {
    match write {
        Write::PutRecord(_) => "record".to_owned(),
        Write::RegisterTaskDefinition { digest, .. } => format!("revision {digest}"),
        Write::CreateService { name, .. }
        | Write::ScaleService { name, .. }
        | Write::DeleteService { name } => {
            format!("service {name}")
        }
        Write::SetWeights { rule, .. } => format!("rule {rule:?}"),
        Write::TagService { name, key, .. } => format!("tag {name} {key}"),
        Write::DeregisterTaskDefinition { arn } => format!("revision {arn}"),
    }
}

/// When the part of the world was read that would show `write`.
pub(crate) fn read_at(world: &World, write: &Write) -> Option<Mono> {
    match write {
        Write::PutRecord(_) => world.record.at(),
        Write::RegisterTaskDefinition { .. } | Write::DeregisterTaskDefinition { .. } => {
            world.revisions.at()
        }
        Write::CreateService { .. }
        | Write::ScaleService { .. }
        | Write::TagService { .. }
        | Write::DeleteService { .. } => world.services.at(),
        Write::SetWeights { .. } => world.rules.at(),
    }
}

/// The world shows the effect of `write`.
pub(crate) fn shows(world: &World, write: &Write) -> bool {
    let service = |name: &str| {
        world
            .services
            .value()
            .map(|all| all.iter().find(|s| s.name == name))
    };
    match write {
        Write::PutRecord(record) => matches!(
            world.record.value(),
            Some(RecordParameter::Set { record: read, .. }) if read == record
        ),
        Write::RegisterTaskDefinition { digest, .. } => {
            world.revisions.value().is_some_and(|all| all.iter().any(|r| r.digest.as_ref() == Some(digest)))
        }
        Write::DeregisterTaskDefinition { arn } => {
            world.revisions.value().is_some_and(|all| all.iter().all(|r| r.arn != *arn))
        }
        Write::CreateService { name, .. } => service(name).flatten().is_some(),
        Write::ScaleService { name, to, .. } => {
            service(name).is_some_and(|s| s.is_none_or(|s| s.desired == *to || s.status != ServiceStatus::Active))
        }
        Write::DeleteService { name } => {
            service(name).is_some_and(|s| s.is_none_or(|s| s.status != ServiceStatus::Active))
        }
        Write::TagService { name, key, value, .. } => service(name).is_some_and(|s| {
            s.is_none_or(|s| key != release::TAG_REJECTED || s.tags.rejected.map(release::show) == Some(value.clone()))
        }),
        Write::SetWeights { rule, weights, .. } => world.rules.value().is_some_and(|all| {
            all.iter().any(|r| {
                r.target == *rule
                    && matches!(&r.action, Action::Forward { weights: read, .. } if *read == weights.get())
            })
        }),
    }
}
