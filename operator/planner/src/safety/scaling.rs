//! What may never happen to autoscaling.

use std::collections::BTreeMap;

use crate::memory::weight;
use crate::scaling::{Change, Scaling};
use crate::world::{Read, Role, Rule, Service, ServiceStatus, Side};

use super::{Facts, Violation, deny};

impl<'a> Facts<'a> {
    /// What Application Auto Scaling knows, read a moment ago.
    fn scaling(&self) -> Result<&'a BTreeMap<String, Scaling>, Violation> {
        match &self.world.scaling {
            Read::Known { value, at } if self.now.mono.since(*at) <= self.tuning.plan_age => {
                Ok(value)
            }
            Read::Known { .. } => deny("S14", "scalable targets were read too long ago"),
            Read::Unread { reason } => deny("S14", format!("not read: {reason}")),
        }
    }

    /// S18: a scalable target would bring back what is scaled down, and would be left behind by what is deleted.
    pub(super) fn not_scaled(&self, service: &Service) -> Result<(), Violation> {
        if self.scaling()?.contains_key(&service.name) {
            let name = &service.name;
            return deny(
                "S18",
                format!("service {name} has a registered scalable target"),
            );
        }
        Ok(())
    }

    /// S18: traffic leaves a living service for the one that was created beside it only while the one cannot be scaled
    /// in, or there were too few tasks to go back to, and only when the other is scaled too. No way back waits for that.
    pub(super) fn follows_scaling(
        &self,
        rule: &Rule,
        next: [Option<u32>; 2],
        rising: &Service,
        side: Side,
    ) -> Result<(), Violation> {
        let left = side.other();
        let falls = next[left.index()].unwrap_or(0) < weight(rule, left);
        if !falls || self.dead(rule, left) {
            return Ok(());
        }
        let blue = self
            .live()
            .filter(|service| service.side == Some(left))
            .find(|service| rising.tags.blue.as_deref() == Some(service.name.as_str()));
        let Some(blue) = blue else { return Ok(()) };
        let all = self.scaling()?;
        let Some(known) = all.get(&blue.name) else {
            return Ok(());
        };
        let (rising, blue) = (&rising.name, &blue.name);
        match all.get(rising) {
            None => deny(
                "S18",
                format!("service {rising} is not autoscaled as {blue} is"),
            ),
            Some(_) if known.suspended.scale_in => Ok(()),
            Some(_) => deny(
                "S18",
                format!("service {blue} may be scaled in while its traffic leaves"),
            ),
        }
    }

    /// S9, S18: only of services of this application, nothing is lost, and nothing is taken from what serves.
    pub(super) fn set_scaling(&self, name: &str, change: &Change) -> Result<(), Violation> {
        if self.application.is_worker() {
            return deny(
                "S18",
                format!("service {name} has no load balancer: its autoscaling does not move"),
            );
        }
        let all = self.scaling()?;
        let (service, max) = match change {
            Change::Deregister => return self.deregister(name, all),
            Change::Register { max, .. } => (self.own(name)?, Some(*max)),
            Change::Suspend(_) | Change::PutPolicy { .. } | Change::PutAction { .. } => {
                (self.own(name)?, None)
            }
        };
        let Some(side) = service.side else {
            return deny("S9", format!("service {name} is bound to neither group"));
        };
        let mut production = self
            .rules
            .iter()
            .filter(|rule| rule.role == Role::Production);
        let moving = self.memory.record.rollout.is_some();
        let serves = production.clone().any(|rule| weight(rule, side) > 0);
        if moving && serves && max.is_some_and(|max| max < service.desired) {
            return deny(
                "S18",
                format!("service {name} would lose tasks while traffic moves"),
            );
        }
        let resumes = match change {
            Change::Register { suspended, .. } | Change::Suspend(suspended) => !suspended.scale_in,
            Change::PutPolicy { .. } | Change::PutAction { .. } | Change::Deregister => false,
        };
        let split = production.any(|rule| Side::BOTH.iter().all(|side| weight(rule, *side) > 0));
        let held = all.get(name).is_some_and(|known| known.suspended.scale_in);
        if resumes && held && split {
            return deny(
                "S18",
                format!("service {name} could be scaled in while traffic is split"),
            );
        }
        Ok(())
    }

    fn deregister(&self, name: &str, all: &BTreeMap<String, Scaling>) -> Result<(), Violation> {
        let Some(service) = self.services.iter().find(|service| service.name == name) else {
            return deny("S14", format!("service {name} was not read"));
        };
        if !service.tags.ours {
            return deny(
                "S9",
                format!("service {name} is not one of this application"),
            );
        }
        if service.status == ServiceStatus::Active {
            self.remove(service)?;
        }
        let Some(known) = all.get(name) else {
            return Ok(());
        };
        let mut others = self.live().filter(|other| other.name != name).peekable();
        let given = self.application.autoscaling.is_some();
        let nobody = others.peek().is_none();
        let has_all = |other: &Service| {
            let came_from = service.tags.blue.as_deref() == Some(other.name.as_str());
            all.get(&other.name).is_some_and(|has| {
                let policies = known.policies.keys();
                came_from
                    || given
                    || policies
                        .clone()
                        .all(|policy| has.policies.contains_key(policy))
            })
        };
        if nobody || others.any(has_all) {
            Ok(())
        } else {
            deny("S18", format!("the autoscaling of {name} would be lost"))
        }
    }
}
