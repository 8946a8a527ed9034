//! What the wall to AWS reads again before a write.

use planner::memory::weight;
use planner::world::{Action, Group, Origin, Rule, Service, ServiceStatus};
use planner::{Side, World, Write};
use runtime::cloud::Changed;

use crate::sides::{holders, told};

/// What the write touches still is what the plan saw, as the wall to AWS asks it.
pub(crate) fn look(world: &World, write: &Write) -> Result<(), Changed> {
    let unread = |reason: &str| {
        Err(Changed::Unread {
            reason: reason.to_owned(),
        })
    };
    let differs = |what: String| Err(Changed::Differs { what });
    let services = || world.services.value().map(Vec::as_slice);
    let service = |name: &str| -> Option<Option<&Service>> {
        Some(services()?.iter().find(|service| service.name == name))
    };
    let weighted = |side: Side| -> Option<bool> {
        let rules = world.rules.value()?;
        Some(rules.iter().any(|rule| weight(rule, side) > 0))
    };
    match write {
        Write::PutRecord(_)
        | Write::RegisterTaskDefinition { .. }
        | Write::SetScaling { .. }
        | Write::DeregisterTaskDefinition { .. } => Ok(()),
        Write::CreateTargetGroup { name, .. } => {
            let named = |group: &Group| matches!(&group.origin, Origin::Ours { name: held } if held == name);
            match groups(world) {
                None => unread("target groups"),
                Some(all) if all.iter().any(|group| named(group)) => {
                    differs(format!("target group {name} (none before)"))
                }
                Some(_) => Ok(()),
            }
        }
        Write::SetGroupAttributes { group, .. } | Write::DeleteTargetGroup { group } => {
            let (Some(all), Some(holders), Some(rules)) =
                (groups(world), holders(world), world.rules.value())
            else {
                return unread("target groups");
            };
            let by_arn = [Some(group.clone()), None];
            let named = |rule: &Rule| {
                matches!(
                    told(&rule.action, &holders, &by_arn),
                    Action::Forward {
                        weights: [Some(_), _],
                        ..
                    }
                )
            };
            if all.iter().any(|known| known.arn == *group) && !rules.iter().any(named) {
                Ok(())
            } else {
                differs(format!("target group {group}"))
            }
        }
        Write::CreateService { name, .. } => match service(name) {
            None => unread("services"),
            Some(Some(found)) if found.status != ServiceStatus::Inactive => {
                differs(format!("service {name} (none before)"))
            }
            Some(_) => Ok(()),
        },
        Write::TagService { name, .. } => match service(name) {
            None => unread("services"),
            Some(Some(found)) if found.status == ServiceStatus::Active => Ok(()),
            Some(_) => differs(format!("service {name}")),
        },
        Write::UpdateService { name, from, .. } => match service(name) {
            None => unread("services"),
            Some(Some(found))
                if found.status == ServiceStatus::Active && found.task_definition == *from =>
            {
                Ok(())
            }
            Some(_) => differs(format!("service {name}")),
        },
        Write::ScaleService { name, .. } | Write::DeleteService { name } => {
            let (from, removes, gone) = match write {
                Write::ScaleService { from, to, .. } => (*from, to < from, false),
                _ => (0, true, true),
            };
            let Some(found) = service(name) else {
                return unread("services");
            };
            let Some(found) = found.filter(|found| {
                found.status == ServiceStatus::Active
                    && found.desired == from
                    && !(gone && found.running > 0)
            }) else {
                return differs(format!("service {name}"));
            };
            let company = gone
                && services().into_iter().flatten().any(|other| {
                    other.name != found.name
                        && other.side == found.side
                        && other.status == ServiceStatus::Active
                        && other.running > 0
                });
            if !removes || company {
                return Ok(());
            }
            match found.side.map(weighted) {
                Some(None) => unread("rules"),
                Some(Some(true)) => differs(format!("weight on the group of {name}")),
                Some(Some(false)) | None => Ok(()),
            }
        }
        Write::SetWeights {
            rule,
            groups: planned,
            seen,
            ..
        } => {
            let (Some(rules), Some(holders)) = (world.rules.value(), holders(world)) else {
                return unread("rules");
            };
            let now = rules.iter().find(|known| known.target == *rule);
            match now.map(|rule| told(&rule.action, &holders, planned)) {
                Some(Action::Forward { weights, .. }) if weights == *seen => Ok(()),
                Some(Action::Forward { .. } | Action::Other { .. } | Action::Missing) | None => {
                    differs(format!("weights of {rule:?}"))
                }
            }
        }
    }
}

/// Every group that was read; none unless all could be.
fn groups(world: &World) -> Option<Vec<&Group>> {
    let [a, b] = &world.groups;
    let spares = &world.own.value()?.spares;
    Some(a.value()?.iter().chain(b.value()?).chain(spares).collect())
}
