//! What one round of reads sees, parts of it older than others or not at all.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use crd_schema::ListenerArn;
use planner::scaling::{Scaling, Suspended};
use planner::world::{
    Action, Base, DesiredParameter, Group, Origin, OwnGroups, RecordParameter, Role, Rule, Service,
    ServiceStatus, Target, Template, World,
};
use planner::{Read, Side};
use serde_json::{Map, Value, json};

use crate::account::{Account, Deployed, Part, Reads, Targets, is_ill, targets_of};
use crate::balancer::{Balancer, Sides, TargetGroup, rules};
use crate::setup::Setup;

/// Attributes of a new group: the deregistration delay is a tick, as [`crate::account::DRAIN`] says.
static NEW: LazyLock<BTreeMap<String, String>> = LazyLock::new(|| {
    let delay = "deregistration_delay.timeout_seconds".to_owned();
    BTreeMap::from([(delay, "1".to_owned())])
});

/// Attributes of the template.
static ATTRIBUTES: LazyLock<BTreeMap<String, String>> = LazyLock::new(|| {
    let algorithm = "load_balancing.algorithm.type".to_owned();
    let mut attributes = NEW.clone();
    attributes.insert(algorithm, "least_outstanding_requests".to_owned());
    attributes
});

impl Account {
    /// One round of reads; services that are gone are shown only to who asks for them by name. Sides follow from what
    /// was read, as in production.
    pub fn observe(&self, setup: &Setup, reads: Reads, names: &[String]) -> World {
        let at = self.clock().mono;
        let services = &self.ecs.answer(reads.ecs).services;
        let elb = self.elb.answer(reads.elb);
        let health = self.health.answer(reads.health);
        let ssm = self.ssm.answer(reads.ssm);
        let active = |s: &&Deployed| s.shown.status == ServiceStatus::Active;
        let sides = elb.sides(setup, |arn| {
            let mut active = services.iter().filter(active);
            active.any(|service| *service.group == *arn)
        });
        let unseen = |(n, (_, role)): &(usize, (_, Role))| {
            *role == Role::Unlisted && elb.rules[*n].is_empty()
        };
        let rules = rules(setup).enumerate().filter(|rule| !unseen(rule));
        let rules = rules.map(|(n, (target, role))| Rule {
            target: target.clone(),
            listener: ListenerArn::new("listener"),
            route: 0,
            role,
            action: forward(elb, n, &sides),
        });
        let worker = setup.application.is_worker();
        let group = |side: Side| {
            let n = sides.holders[side.index()].filter(|_| !worker);
            let group = n.map(|n| show_group(setup, &elb.groups[n], health));
            known(reads, Part::Groups, group, at)
        };
        let desired = DesiredParameter::Set {
            generation: ssm.desired.1,
            desired: Setup::desired(ssm.desired.0),
        };
        let record = match &ssm.record {
            None => RecordParameter::Missing,
            Some((version, record)) => RecordParameter::Set {
                generation: Setup::generation(*version),
                record: Box::new((**record).clone()),
            },
        };
        let base = Base::Found {
            revision: "blog:1".to_owned(),
            definition: base(),
        };
        let hidden = |s: &&Deployed| {
            s.shown.status == ServiceStatus::Inactive && !names.contains(&s.shown.name)
        };
        let shown = services.iter().filter(|s| !hidden(s));
        let shown = shown.map(|s| self.show(setup, elb, &sides, s)).collect();
        let own = own_groups(setup, elb, &sides, health);
        let scaled = |s: &Deployed| Some((s.shown.name.clone(), show_scaling(s.scaled?)));
        let scaling = services.iter().filter(|s| !hidden(s)).filter_map(scaled);
        let scaling = scaling.collect();
        let revisions = self.ecs.answer(reads.ecs).revisions.clone();
        World {
            spec_present: true,
            desired: known(reads, Part::Desired, desired, at),
            record: known(reads, Part::Record, record, at),
            intents: known(reads, Part::Intents, ssm.intents.clone(), at),
            services: known(reads, Part::Services, shown, at),
            rules: known(reads, Part::Rules, rules.collect(), at),
            groups: [group(Side::A), group(Side::B)],
            own: known(reads, Part::Groups, own, at),
            base: Read::known(base, at),
            revisions: Read::known(revisions, at),
            verdicts: BTreeMap::new(),
            scaling: known(reads, Part::Scaling, scaling, at),
            conflicts: Vec::new(),
        }
    }

    fn show(&self, setup: &Setup, elb: &Balancer, sides: &Sides, service: &Deployed) -> Service {
        let running = service.tasks.iter().filter(|task| task.running);
        let addresses: BTreeSet<String> = running.map(|task| show_address(task.address)).collect();
        let runs = addresses.len();
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        // Stopping tasks count as running; they are the draining targets of the only service of a group.
        let alone = self.active_in(&service.group).count() <= 1;
        let stopping = self.draining.iter().filter(|t| t.group == service.group);
        let stopping = if alone { stopping.count() } else { 0 };
        let n = elb.position(&service.group);
        let holds = |side: &Side| n.is_some() && sides.holders[side.index()] == n;
        let users = n.is_some_and(|n| elb.groups[n].origin == Origin::Template);
        Service {
            side: Side::BOTH.into_iter().find(holds).filter(|_| !users),
            group_gone: is_per_release(setup) && n.is_none(),
            running: count(runs + service.replaced.len() + stopping),
            pending: count(service.tasks.len() - runs),
            addresses: if setup.application.is_worker() && is_ill(setup, service) {
                BTreeSet::new()
            } else {
                addresses
            },
            outgoing: service.outgoing().map(show_address).collect(),
            ..(*service.shown).clone()
        }
    }
}

fn known<T>(reads: Reads, part: Part, value: T, at: planner::Mono) -> Read<T> {
    if reads.unread == Some(part) {
        let reason = "throttled".to_owned();
        return Read::Unread { reason };
    }
    Read::known(value, at)
}

fn is_per_release(setup: &Setup) -> bool {
    setup.application.group_template().is_some()
}

fn forward(elb: &Balancer, rule: usize, sides: &Sides) -> Action {
    let held = |n: &usize| sides.holders.contains(&Some(*n));
    let others = elb.rules[rule].iter().filter(|(n, _)| !held(n));
    Action::Forward {
        weights: elb.weights(rule, sides),
        others: others
            .map(|(n, weight)| ((*elb.groups[*n].arn).clone(), *weight))
            .collect(),
        sticky: false,
    }
}

fn show_group(setup: &Setup, group: &TargetGroup, health: &Targets) -> Group {
    let targets = targets_of(health, &group.arn).iter();
    let target = |(address, state): &(u8, _)| Target {
        address: show_address(*address),
        zone: None,
        state: *state,
        reason: None,
    };
    let attributes = match group.origin {
        Origin::Given => BTreeMap::new(),
        _ if !group.complete => NEW.clone(),
        Origin::Ours { .. } | Origin::Template => ATTRIBUTES.clone(),
    };
    Group {
        arn: (*group.arn).clone(),
        origin: group.origin.clone(),
        attributes,
        load_balancer: None,
        by_address: true,
        sticky: false,
        single_zone: false,
        interval: setup.tuning.health_gap,
        targets: targets.map(target).collect(),
        members: Vec::new(),
    }
}

fn own_groups(setup: &Setup, elb: &Balancer, sides: &Sides, health: &Targets) -> OwnGroups {
    if !is_per_release(setup) {
        return OwnGroups::default();
    }
    let settings = json!({"TargetType": "ip", "Port": 8080, "Protocol": "HTTP"});
    let spares = sides.spares.iter();
    OwnGroups {
        template: Template::Found {
            settings: settings.as_object().cloned().unwrap_or_default(),
            attributes: ATTRIBUTES.clone(),
        },
        spares: spares
            .map(|n| show_group(setup, &elb.groups[*n], health))
            .collect(),
        taken: BTreeSet::new(),
    }
}

fn show_scaling(scale_in: bool) -> Scaling {
    let suspended = Suspended {
        scale_in,
        ..Suspended::default()
    };
    Scaling {
        min: 1,
        max: 4,
        suspended,
        ..Scaling::default()
    }
}

fn show_address(address: u8) -> String {
    format!("10.0.0.{address}:8080")
}

fn base() -> Map<String, Value> {
    let base = json!({"containerDefinitions": [{"name": "web"}]});
    base.as_object().cloned().unwrap_or_default()
}
