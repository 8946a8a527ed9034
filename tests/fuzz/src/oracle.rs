//! What the operator says it knows, held against what it was told.
//!
//! Written apart from the code under test: it reads AWS's answers as JSON, by the members' documented names.

use std::collections::BTreeSet;

use crd_schema::application::{RuleTarget, TargetGroups};
use crd_schema::record::Generation;
use crd_schema::{Application, Desired, Record};
use planner::World;
use planner::world::{
    Action, Base, DesiredParameter, Read, RecordParameter, Revision, Rule, Service, ServiceStatus,
    Side, Target, TargetState,
};
use serde_json::Value;

use crate::answers::Exchange;

/// An answer that ends in the middle.
const GARBAGE: &str = "garbage";

/// Every reason that a world gives.
pub(crate) fn reasons(world: &World) -> Vec<String> {
    fn of<T>(read: &Read<T>) -> Option<String> {
        match read {
            Read::Unread { reason } => Some(reason.clone()),
            Read::Known { .. } => None,
        }
    }
    let mut reasons = vec![
        of(&world.desired),
        of(&world.record),
        of(&world.services),
        of(&world.rules),
        of(&world.groups[0]),
        of(&world.groups[1]),
        of(&world.base),
        of(&world.revisions),
        of(&world.own),
        of(&world.scaling),
    ];
    if let Some(DesiredParameter::Invalid { reason, .. }) = world.desired.value() {
        reasons.push(Some(reason.clone()));
    }
    let services = world.services.value().into_iter().flatten();
    reasons.extend(services.map(|service| service.trouble.clone()));
    reasons.into_iter().flatten().collect()
}

/// Panics where a part of the world is not what was told.
pub(crate) fn check(application: &Application, world: &World, told: &[Exchange]) {
    let told = Told { application, told };
    told.no_garbage_is_believed(world);
    if let Some(found) = world.desired.value() {
        told.parameter("desired", |parameter| told.desired(parameter, found));
    }
    if let Some(found) = world.record.value() {
        told.parameter("record", |parameter| told.record(parameter, found));
    }
    if let Some(services) = world.services.value() {
        told.services(services);
    }
    if let Some(rules) = world.rules.value() {
        told.rules(rules);
    }
    for side in Side::BOTH {
        if let Some(Some(group)) = world.groups[side.index()].value() {
            told.targets(side, &group.targets);
        }
    }
    if let Some(base) = world.base.value() {
        told.base(base);
    }
    if let Some(revisions) = world.revisions.value() {
        told.revisions(revisions);
    }
    if let Some(scaling) = world.scaling.value() {
        told.autoscaled(scaling.keys());
    }
}

struct Told<'a> {
    application: &'a Application,
    told: &'a [Exchange],
}

impl Told<'_> {
    /// Inputs and outputs of an operation; `None` when one of the outputs is not known here.
    fn of(&self, operation: &str) -> Option<Vec<(&Value, &Value)>> {
        let exchanges = self.told.iter().filter(|one| one.operation == operation);
        exchanges
            .map(|one| {
                (!one.output.is_null() && one.output != GARBAGE)
                    .then_some((&one.input, &one.output))
            })
            .collect()
    }

    fn no_garbage_is_believed(&self, world: &World) {
        let garbage = |operations: &[&str]| {
            let mut told = self.told.iter();
            told.any(|one| one.output == GARBAGE && operations.contains(&one.operation.as_str()))
        };
        let services = [
            "ListServices",
            "DescribeServices",
            "ListTasks",
            "DescribeTasks",
        ];
        let facts = ["DescribeTargetGroups", "DescribeTargetGroupAttributes"];
        let groups = [facts[0], facts[1], "DescribeTargetHealth"];
        let rules = [facts[0], facts[1], "DescribeListeners", "DescribeRules"];
        let scaled = [
            "ListServices",
            "DescribeServices",
            "DescribeScalableTargets",
            "DescribeScalingPolicies",
            "DescribeScheduledActions",
        ];
        let believed = [
            (
                "desired",
                garbage(&["GetParameters"]) && world.desired.value().is_some(),
            ),
            (
                "record",
                garbage(&["GetParameters"]) && world.record.value().is_some(),
            ),
            (
                "services",
                garbage(&services) && world.services.value().is_some(),
            ),
            ("rules", garbage(&rules) && world.rules.value().is_some()),
            (
                "a group",
                garbage(&groups) && world.groups.iter().all(|group| group.value().is_some()),
            ),
            (
                "base",
                garbage(&["DescribeTaskDefinition"]) && world.base.value().is_some(),
            ),
            (
                "revisions",
                garbage(&["ListTaskDefinitions"]) && world.revisions.value().is_some(),
            ),
            (
                "autoscaled",
                garbage(&scaled) && world.scaling.value().is_some(),
            ),
        ];
        for (part, wrong) in believed {
            assert!(
                !wrong,
                "{part} is known from an answer that cannot be read: {world:?}"
            );
        }
    }

    /// One of the parameters of this name that were told, or none, is what was understood.
    fn parameter(&self, leaf: &str, is: impl Fn(Option<&Value>) -> bool) {
        let Some(told) = self.of("GetParameters") else {
            return;
        };
        let name = format!("/teal/apps/{}/{leaf}", self.application.name);
        let outputs: Vec<&Value> = told.iter().map(|(_, output)| *output).collect();
        let named: Vec<&Value> = outputs
            .iter()
            .flat_map(|output| list(output, "Parameters"))
            .filter(|parameter| parameter["Name"] == name.as_str())
            .collect();
        let absent = outputs
            .iter()
            .flat_map(|output| list(output, "InvalidParameters"))
            .any(|invalid| *invalid == name.as_str());
        let understood = named.iter().any(|parameter| is(Some(parameter))) || absent && is(None);
        assert!(understood, "{leaf} is not what was told: {outputs:?}");
    }

    fn desired(&self, parameter: Option<&Value>, found: &DesiredParameter) -> bool {
        match (parameter, found) {
            (None, DesiredParameter::Missing) => true,
            (
                Some(parameter),
                DesiredParameter::Set {
                    generation,
                    desired,
                },
            ) => {
                is_generation(parameter, *generation)
                    && parameter["Type"] != "SecureString"
                    && Desired::parse(text(parameter, "Value")).as_ref() == Ok(desired)
                    && desired.images_for(self.application).is_ok()
            }
            (Some(parameter), DesiredParameter::Invalid { generation, .. }) => {
                is_generation(parameter, *generation)
            }
            (None, DesiredParameter::Set { .. } | DesiredParameter::Invalid { .. })
            | (Some(_), DesiredParameter::Missing) => false,
        }
    }

    fn record(&self, parameter: Option<&Value>, found: &RecordParameter) -> bool {
        match (parameter, found) {
            (None, RecordParameter::Missing) => true,
            (Some(parameter), RecordParameter::Set { generation, record }) => {
                is_generation(parameter, *generation)
                    && parameter["Type"] != "SecureString"
                    && Record::from_json(text(parameter, "Value")).as_ref() == Ok(record)
            }
            (Some(parameter), RecordParameter::Garbled { generation }) => {
                is_generation(parameter, *generation)
            }
            (None, RecordParameter::Set { .. } | RecordParameter::Garbled { .. })
            | (Some(_), RecordParameter::Missing) => false,
        }
    }

    /// Each service is one that was described; each one that was listed is accounted for; none comes twice.
    fn services(&self, services: &[Service]) {
        let (Some(lists), Some(described)) = (self.of("ListServices"), self.of("DescribeServices"))
        else {
            return;
        };
        let told: Vec<&Value> = described
            .iter()
            .flat_map(|(_, output)| list(output, "services"))
            .collect();
        let gone: Vec<&str> = described
            .iter()
            .flat_map(|(_, output)| list(output, "failures"))
            .filter(|failure| failure["reason"] == "MISSING")
            .map(|failure| text(failure, "arn"))
            .collect();
        for arn in lists
            .iter()
            .flat_map(|(_, output)| list(output, "serviceArns"))
        {
            // A damaged list may hold a bare name, of which AWS tells the whole ARN that it does not have; or two ARNs of one
            // service, which is asked for once.
            let name = |arn: &str| arn.rsplit('/').next().map(str::to_owned);
            let listed = name(arn.as_str().unwrap_or_default());
            let shown = told
                .iter()
                .any(|service| name(text(service, "serviceArn")) == listed);
            assert!(
                shown || gone.iter().any(|gone| name(gone) == listed),
                "{arn} was listed and not described, and yet the services are known"
            );
        }
        let mut names = BTreeSet::new();
        for service in services {
            assert!(names.insert(&service.name), "{} twice", service.name);
            assert!(
                told.iter().any(|told| is_service(told, service)),
                "no such service was told: {service:?} {told:?}"
            );
        }
        for told in told.iter().filter(|told| self.is_tagged(told)) {
            assert!(
                services.iter().any(|service| is_service(told, service)),
                "left out: {told}"
            );
        }
    }

    fn is_tagged(&self, service: &Value) -> bool {
        let tag = list(service, "tags")
            .iter()
            .find(|tag| tag["key"] == "teal:application");
        tag.is_some_and(|tag| tag["value"] == self.application.name.as_str())
    }

    /// Each forward has the weights that were told, and each rule that names a group of the pair is there.
    fn rules(&self, rules: &[Rule]) {
        let Some(told) = self.of("DescribeRules") else {
            return;
        };
        let all: Vec<(&str, &Value)> = told
            .iter()
            .flat_map(|(input, output)| {
                list(output, "Rules")
                    .iter()
                    .map(|rule| (text(input, "ListenerArn"), rule))
            })
            .collect();
        let is = |rule: &Rule, (listener, told): (&str, &Value)| match &rule.target {
            RuleTarget::Listener(arn) => told["IsDefault"] == true && arn.as_str() == listener,
            RuleTarget::Rule(arn) => told["IsDefault"] != true && told["RuleArn"] == arn.as_str(),
        };
        for rule in rules {
            let meant: Vec<&Value> = all
                .iter()
                .filter(|told| is(rule, **told))
                .map(|(_, told)| *told)
                .collect();
            match &rule.action {
                Action::Missing => {
                    assert!(meant.is_empty(), "{rule:?} is there: {meant:?}");
                }
                Action::Forward { weights, .. } => {
                    let same = meant
                        .iter()
                        .any(|told| self.weights(told) == Some(*weights));
                    assert!(same, "{rule:?} is not what was told: {meant:?}");
                }
                Action::Other { .. } => assert!(!meant.is_empty(), "{rule:?} was not told"),
            }
        }
        for (listener, told) in &all {
            if self
                .weights(told)
                .is_some_and(|weights| weights != [None, None])
            {
                assert!(
                    rules.iter().any(|rule| is(rule, (listener, told))),
                    "left out: {told}"
                );
            }
        }
    }

    /// The weights of a rule that is exactly one forward, whoever it lets through, each group named once.
    fn weights(&self, rule: &Value) -> Option<[Option<u32>; 2]> {
        let (action, before) = list(rule, "Actions").split_last()?;
        let passes = |action: &Value| {
            let kinds = [
                "authenticate-oidc",
                "authenticate-cognito",
                "jwt-validation",
            ];
            kinds.iter().any(|kind| action["Type"] == *kind)
        };
        if action["Type"] != "forward" || !before.iter().all(passes) {
            return None;
        }
        let tuples = list(&action["ForwardConfig"], "TargetGroups");
        let named: Vec<(&str, u32)> = if tuples.is_empty() {
            vec![(text(action, "TargetGroupArn"), 1)]
        } else {
            let one = |tuple: &Value| {
                if tuple["Weight"].is_null() && tuples.len() == 1 {
                    return Some(1);
                }
                u32::try_from(tuple["Weight"].as_i64()?).ok()
            };
            tuples
                .iter()
                .map(|tuple| Some((tuple["TargetGroupArn"].as_str()?, one(tuple)?)))
                .collect::<Option<_>>()?
        };
        let of = |side: Side| {
            let arn = self.group(side);
            let mut found = named.iter().filter(|(name, _)| *name == arn);
            match (found.next(), found.next()) {
                (first, None) => Some(first.map(|(_, weight)| *weight)),
                (_, Some(_)) => None,
            }
        };
        Some([of(Side::A)?, of(Side::B)?])
    }

    /// The group of the pair on `side`.
    fn group(&self, side: Side) -> &str {
        match self.application.target_groups() {
            Some(TargetGroups::Pair(pair)) => pair[side.index()].as_str(),
            Some(TargetGroups::Single(only) | TargetGroups::PerRelease { from: only }) => {
                only.as_str()
            }
            None => panic!("the application has a load balancer"),
        }
    }

    /// Each target is one that was told, with its health; none is left out, none comes twice.
    fn targets(&self, side: Side, targets: &[Target]) {
        let arn = self.group(side);
        let Some(told) = self.of("DescribeTargetHealth") else {
            return;
        };
        let mut told = told
            .iter()
            .filter(|(input, _)| input["TargetGroupArn"] == arn);
        let Some((_, output)) = told.next_back() else {
            panic!("targets that nobody told: {targets:?}")
        };
        let told = list(output, "TargetHealthDescriptions");
        assert_eq!(told.len(), targets.len(), "{targets:?} {told:?}");
        let addresses: BTreeSet<&String> = targets.iter().map(|target| &target.address).collect();
        assert_eq!(
            addresses.len(),
            targets.len(),
            "a target counts twice: {targets:?}"
        );
        for target in targets
            .iter()
            .filter(|target| target.state == TargetState::Healthy)
        {
            let is = |told: &Value| {
                let (id, port) = (text(&told["Target"], "Id"), told["Target"]["Port"].as_i64());
                target.address == format!("{id}:{}", port.unwrap_or(0))
                    && told["TargetHealth"]["State"] == "healthy"
            };
            assert!(told.iter().any(is), "{target:?} was not told: {told:?}");
        }
    }

    fn base(&self, base: &Base) {
        let Some(told) = self.of("DescribeTaskDefinition") else {
            return;
        };
        let Base::Found {
            revision,
            definition,
        } = base
        else {
            return;
        };
        let is = |output: &Value| {
            let told = &output["taskDefinition"];
            let arn = text(told, "taskDefinitionArn");
            arn.rsplit('/').next() == Some(revision)
                && definition
                    .iter()
                    .all(|(name, member)| name == "tags" || told[name] == *member)
        };
        assert!(
            told.iter().any(|(_, output)| is(output)),
            "{base:?} was not told"
        );
    }

    fn revisions(&self, revisions: &[Revision]) {
        let Some(told) = self.of("ListTaskDefinitions") else {
            return;
        };
        let mut arns = BTreeSet::new();
        for revision in revisions {
            assert!(arns.insert(&revision.arn), "{} twice", revision.arn);
            let listed = |output: &Value| {
                list(output, "taskDefinitionArns")
                    .iter()
                    .any(|arn| *arn == *revision.arn)
            };
            assert!(
                told.iter().any(|(_, output)| listed(output)),
                "{revision:?} was not told"
            );
        }
    }

    fn autoscaled<'b>(&self, names: impl Iterator<Item = &'b String>) {
        let Some(told) = self.of("DescribeScalableTargets") else {
            return;
        };
        for name in names {
            let named = |output: &Value| {
                list(output, "ScalableTargets")
                    .iter()
                    .any(|target| text(target, "ResourceId").rsplit('/').next() == Some(name))
            };
            assert!(
                told.iter().any(|(_, output)| named(output)),
                "{name} was not told"
            );
        }
    }
}

fn is_service(told: &Value, service: &Service) -> bool {
    // A number that is absent is 0 in AWS's SDKs.
    let count = |member: &str| told[member].as_i64().unwrap_or(0);
    let status = match service.status {
        ServiceStatus::Active => "ACTIVE",
        ServiceStatus::Draining => "DRAINING",
        ServiceStatus::Inactive => "INACTIVE",
    };
    told["serviceName"] == service.name.as_str()
        && told["serviceArn"] == service.arn.as_str()
        && told["status"] == status
        && count("desiredCount") == i64::from(service.desired)
        && count("runningCount") == i64::from(service.running)
        && count("pendingCount") == i64::from(service.pending)
        && text(told, "taskDefinition") == service.task_definition
}

fn is_generation(parameter: &Value, generation: Generation) -> bool {
    parameter["Version"].as_i64().unwrap_or(0) == generation.version
}

fn list<'a>(value: &'a Value, member: &str) -> &'a [Value] {
    value[member]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default()
}

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap_or_default()
}
