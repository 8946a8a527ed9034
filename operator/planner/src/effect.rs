//! What a write changes in AWS, and whether a world shows it.

use std::time::Duration;

use crate::release;
use crate::time::Mono;
use crate::tuning::Tuning;
use crate::world::{Action, Group, Origin, RecordParameter, Rule, ServiceStatus, World};
use crate::write::Write;

/// The service that a write concerns, by name.
pub(crate) fn service_name(write: &Write) -> Option<String> {
    match write {
        Write::CreateService { name, .. }
        | Write::ScaleService { name, .. }
        | Write::UpdateService { name, .. }
        | Write::TagService { name, .. }
        | Write::SetScaling { name, .. }
        | Write::DeleteService { name } => Some(name.clone()),
        Write::PutRecord(_)
        | Write::RegisterTaskDefinition { .. }
        | Write::SetWeights { .. }
        | Write::CreateTargetGroup { .. }
        | Write::SetGroupAttributes { .. }
        | Write::DeleteTargetGroup { .. }
        | Write::DeregisterTaskDefinition { .. } => None,
    }
}

/// Reads of ECS show it, and they may lag longer than those of the load balancer.
pub(crate) fn is_ecs(write: &Write) -> bool {
    match write {
        Write::RegisterTaskDefinition { .. }
        | Write::CreateService { .. }
        | Write::ScaleService { .. }
        | Write::UpdateService { .. }
        | Write::TagService { .. }
        | Write::DeleteService { .. }
        | Write::DeregisterTaskDefinition { .. } => true,
        Write::PutRecord(_)
        | Write::SetWeights { .. }
        | Write::CreateTargetGroup { .. }
        | Write::SetGroupAttributes { .. }
        | Write::DeleteTargetGroup { .. }
        | Write::SetScaling { .. } => false,
    }
}

/// How long reads of what it changes may lag.
pub(crate) fn lag(write: &Write, tuning: &Tuning) -> Duration {
    if is_ecs(write) {
        tuning.ecs_staleness
    } else {
        tuning.staleness
    }
}

/// It sets a value that may have been there before, and that somebody else may set as well.
pub(crate) fn recurs(write: &Write) -> bool {
    match write {
        Write::ScaleService { .. }
        | Write::UpdateService { .. }
        | Write::SetWeights { .. }
        | Write::SetScaling { .. } => true,
        Write::PutRecord(_)
        | Write::RegisterTaskDefinition { .. }
        | Write::CreateTargetGroup { .. }
        | Write::SetGroupAttributes { .. }
        | Write::CreateService { .. }
        | Write::TagService { .. }
        | Write::DeleteService { .. }
        | Write::DeleteTargetGroup { .. }
        | Write::DeregisterTaskDefinition { .. } => false,
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
        Write::UpdateService { name, .. } => format!("task definition of {name}"),
        Write::SetWeights { rule, .. } => format!("rule {rule:?}"),
        Write::CreateTargetGroup { name, .. } => format!("new group {name}"),
        Write::SetGroupAttributes { group, .. } | Write::DeleteTargetGroup { group } => {
            format!("group {group}")
        }
        Write::TagService { name, key, .. } => format!("tag {name} {key}"),
        Write::DeregisterTaskDefinition { arn } => format!("revision {arn}"),
        Write::SetScaling { name, change } => format!("scaling of {name}: {}", change.subject()),
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
        | Write::UpdateService { .. }
        | Write::TagService { .. }
        | Write::DeleteService { .. } => world.services.at(),
        Write::SetWeights { .. } => world.rules.at(),
        Write::CreateTargetGroup { .. }
        | Write::SetGroupAttributes { .. }
        | Write::DeleteTargetGroup { .. } => world.own.at(),
        Write::SetScaling { .. } => world.scaling.at(),
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
        Write::RegisterTaskDefinition { digest, body } => {
            let generation = release::generation_of(body);
            world.revisions.value().is_some_and(|all| {
                all.iter()
                    .any(|r| r.digest.as_ref() == Some(digest) && r.generation == generation)
            })
        }
        Write::DeregisterTaskDefinition { arn } => world
            .revisions
            .value()
            .is_some_and(|all| all.iter().all(|r| r.arn != *arn)),
        Write::CreateService { name, .. } => service(name).flatten().is_some(),
        Write::ScaleService { name, to, .. } => service(name).is_some_and(|s| {
            s.is_none_or(|s| s.desired == *to || s.status != ServiceStatus::Active)
        }),
        Write::UpdateService { name, to, .. } => service(name).is_some_and(|s| {
            s.is_none_or(|s| s.task_definition == *to || s.status != ServiceStatus::Active)
        }),
        Write::DeleteService { name } => {
            service(name).is_some_and(|s| s.is_none_or(|s| s.status != ServiceStatus::Active))
        }
        Write::TagService {
            name, key, value, ..
        } => service(name).is_some_and(|s| {
            s.is_none_or(|s| {
                key != release::TAG_REJECTED
                    || s.tags.rejected.map(release::show) == Some(value.clone())
            })
        }),
        Write::SetWeights { rule, .. } => world.rules.value().is_some_and(|all| {
            all.iter()
                .any(|r| r.target == *rule && shows_weights(r, write))
        }),
        Write::CreateTargetGroup { name, .. } => own_groups(world).is_some_and(|mut all| {
            all.any(|group| matches!(&group.origin, Origin::Ours { name: read } if read == name))
        }),
        // Not to be there proves nothing: an old answer does not show a new group yet.
        Write::SetGroupAttributes { group, attributes } => {
            own_groups(world).is_some_and(|mut all| {
                all.find(|read| read.arn == *group).is_some_and(|read| {
                    attributes
                        .iter()
                        .all(|(key, value)| read.attributes.get(key) == Some(value))
                })
            })
        }
        Write::SetScaling { name, change } => world
            .scaling
            .value()
            .is_some_and(|all| change.shown_by(all.get(name))),
        Write::DeleteTargetGroup { group } => {
            own_groups(world).is_some_and(|mut all| all.all(|read| read.arn != *group))
        }
    }
}

/// The rule is as `write`, a write of weights, leaves it.
pub(crate) fn shows_weights(rule: &Rule, write: &Write) -> bool {
    let Write::SetWeights {
        weights, forget, ..
    } = write
    else {
        return false;
    };
    matches!(
        &rule.action,
        Action::Forward { weights: read, others, .. }
            if *read == weights.get() && others.iter().all(|(group, _)| !forget.contains(group))
    )
}

/// Every group that was read, with or without a side; none unless all could be.
fn own_groups(world: &World) -> Option<impl Iterator<Item = &Group>> {
    let [a, b] = [world.groups[0].value()?, world.groups[1].value()?];
    let spares = &world.own.value()?.spares;
    Some(a.iter().chain(b).chain(spares))
}
