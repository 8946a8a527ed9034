//! An ECS service that somebody else made, and what its load balancer forwards to it: what `teal init` writes down, and
//! what `teal adopt` looks at.
//!
//! Reads only, and nothing that the operator's own reads would not be allowed to read.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ecs::types::ServiceField;
use aws_sdk_elasticloadbalancingv2::types::{Listener, Rule, RuleCondition};
use crd_schema::application::RuleTarget;
use crd_schema::{ListenerArn, RuleArn, TargetGroupArn};
use planner::adoption::Candidate;
use planner::scaling::Scaling;
use planner::world::Action;
use serde_json::{Map, Value};

use crate::budget::Class;
use crate::clients::{Clients, Connection};
use crate::error::{Error, Kind};
use crate::group_settings;
use crate::read::raw::RawAnswer;
use crate::read::{balancers, definitions, groups, scaling};

const DESCRIBE: &str = "DescribeServices";

/// Looks at what there is.
#[derive(Debug, Clone)]
pub struct Survey {
    clients: Clients,
}

/// A target group.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// Its ARN.
    pub arn: TargetGroupArn,
    /// Its name.
    pub name: String,
    /// ARNs of the load balancers that forward to it.
    pub load_balancers: Vec<String>,
    /// CreateTargetGroup's members as it has them, all but name and tags.
    pub settings: Map<String, Value>,
}

/// A listener's default action or a rule that names a group.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    /// As an Application names it.
    pub target: RuleTarget,
    /// Where it belongs.
    pub listener: ListenerArn,
    /// The rule's ARN; a default action has one too.
    pub rule: String,
    /// For people: `HTTP:8080, default action`, `HTTPS:443, rule 10: path-pattern /blog/*`.
    pub label: String,
    /// What it does, seen from the groups in question.
    pub action: Action,
    /// It does nothing but forward: nobody is asked who they are before.
    pub plain: bool,
}

impl Survey {
    /// Uses the readers' clients.
    pub fn new(connection: &Connection) -> Self {
        Self {
            clients: connection.reader(),
        }
    }

    /// AWS's own JSON of a service, tags included; `None` when the cluster has none of this name.
    ///
    /// # Errors
    /// When the answer cannot be had; of kind `NotFound` when there is no such cluster.
    pub async fn service(
        &self,
        cluster: &str,
        name: &str,
    ) -> Result<Option<Map<String, Value>>, Error> {
        let answer = RawAnswer::default();
        let send = self
            .clients
            .ecs
            .describe_services()
            .cluster(cluster)
            .services(name)
            .include(ServiceField::Tags)
            .customize()
            .interceptor(answer.clone())
            .send();
        self.clients
            .call(Class::ServiceRead, DESCRIBE, name, send)
            .await?;
        let unreadable = || Error::own(Kind::Invalid, DESCRIBE, name, "AWS's answer is no JSON");
        let mut answer: Map<String, Value> =
            serde_json::from_slice(&answer.bytes()).map_err(|_| unreadable())?;
        Ok(match answer.remove("services") {
            Some(Value::Array(services)) => {
                services.into_iter().find_map(|service| match service {
                    Value::Object(service) => Some(service),
                    Value::Null
                    | Value::Bool(_)
                    | Value::Number(_)
                    | Value::String(_)
                    | Value::Array(_) => None,
                })
            }
            Some(_) | None => None,
        })
    }

    /// A task definition: its `family:revision`, and RegisterTaskDefinition's members as it has them.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn definition(&self, arn: &str) -> Result<(String, Map<String, Value>), Error> {
        definitions::describe(&self.clients, arn).await
    }

    /// What Application Auto Scaling knows of a service.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn scaling(&self, cluster: &str, name: &str) -> Result<Option<Scaling>, Error> {
        let services = BTreeSet::from([name.to_owned()]);
        let known = scaling::of_services(&self.clients, cluster, &services).await?;
        Ok(known.into_values().next())
    }

    /// The service as its adoption sees it; `None` when the cluster has none of this name any more.
    ///
    /// # Errors
    /// When the answer cannot be had or read; of kind `NotFound` when there is no such cluster.
    pub async fn candidate(&self, cluster: &str, name: &str) -> Result<Option<Candidate>, Error> {
        let Some(service) = self.service(cluster, name).await? else {
            return Ok(None);
        };
        if service.get("status").and_then(Value::as_str) != Some("ACTIVE") {
            return Ok(None);
        }
        let definition = match Candidate::definition(&service) {
            Some(definition) => self.definition(definition).await?.1,
            None => Map::new(),
        };
        let candidate = Candidate::read(&service, &definition).ok_or_else(|| {
            let why = "AWS's answer lacks its name, ARN, creation time or counts";
            Error::own(Kind::Invalid, DESCRIBE, name, why)
        })?;
        Ok(Some(candidate))
    }

    /// What ModifyTargetGroupAttributes takes, as a group has it.
    ///
    /// # Errors
    /// When it cannot be read, or does not exist (`NotFound`).
    pub async fn attributes(
        &self,
        arn: &TargetGroupArn,
    ) -> Result<BTreeMap<String, String>, Error> {
        groups::attributes(&self.clients, arn).await
    }

    /// One target group.
    ///
    /// # Errors
    /// When it cannot be read, or does not exist (`NotFound`).
    pub async fn group(&self, arn: &TargetGroupArn) -> Result<Group, Error> {
        let group = groups::one(&self.clients, arn).await?;
        Ok(Group {
            arn: arn.clone(),
            name: group.target_group_name.clone().unwrap_or_default(),
            load_balancers: group.load_balancer_arns().to_vec(),
            settings: group_settings::of(&group),
        })
    }

    /// The ARN of a target group of this name.
    ///
    /// # Errors
    /// When it cannot be read, or does not exist (`NotFound`).
    pub async fn group_named(&self, name: &str) -> Result<TargetGroupArn, Error> {
        groups::named(&self.clients, name).await
    }

    /// The places of a load balancer that name one of the groups, by port and in the order in which ELB looks at them.
    ///
    /// # Errors
    /// When one of them cannot be read.
    pub async fn places(
        &self,
        load_balancer: &str,
        groups: &[Option<TargetGroupArn>; 2],
    ) -> Result<Vec<Place>, Error> {
        let named = |rule: &Rule| {
            let mut groups = groups.iter().flatten();
            groups.any(|group| balancers::names(rule.actions(), group))
        };
        let mut places = Vec::new();
        let mut listeners = balancers::listeners(&self.clients, load_balancer).await?;
        listeners.sort_by_key(Listener::port);
        for listener in listeners {
            let arn = listener.listener_arn().unwrap_or_default();
            let mut rules = balancers::rules(&self.clients, arn).await?;
            // The default action's priority is no number: it comes last.
            let priority = |rule: &Rule| rule.priority().and_then(|one| one.parse::<u32>().ok());
            rules.sort_by_key(|rule| priority(rule).unwrap_or(u32::MAX));
            for rule in rules {
                if !named(&rule) {
                    continue;
                }
                let own = rule.rule_arn().unwrap_or_default();
                let is_default = rule.is_default() == Some(true);
                places.push(Place {
                    target: if is_default {
                        RuleTarget::Listener(ListenerArn::new(arn))
                    } else {
                        RuleTarget::Rule(RuleArn::new(own))
                    },
                    listener: ListenerArn::new(arn),
                    rule: own.to_owned(),
                    label: label(&listener, &rule),
                    action: balancers::action(rule.actions(), groups),
                    plain: rule.actions().len() == 1,
                });
            }
        }
        Ok(places)
    }
}

fn label(listener: &Listener, rule: &Rule) -> String {
    let protocol = listener
        .protocol()
        .map_or("?", |protocol| protocol.as_str());
    let port = listener.port().unwrap_or_default();
    if rule.is_default() == Some(true) {
        return format!("{protocol}:{port}, default action");
    }
    let conditions: Vec<String> = rule.conditions().iter().map(condition).collect();
    let priority = rule.priority().unwrap_or("?");
    format!(
        "{protocol}:{port}, rule {priority}: {}",
        conditions.join(", ")
    )
}

fn condition(condition: &RuleCondition) -> String {
    let values = [
        condition.path_pattern_config().map(|one| one.values()),
        condition.host_header_config().map(|one| one.values()),
        condition.http_header_config().map(|one| one.values()),
        condition
            .http_request_method_config()
            .map(|one| one.values()),
        condition.source_ip_config().map(|one| one.values()),
        Some(condition.values()),
    ];
    let values = values
        .into_iter()
        .flatten()
        .find(|values| !values.is_empty());
    let header = condition
        .http_header_config()
        .and_then(|config| config.http_header_name());
    let parts = [
        Some(condition.field().unwrap_or("?").to_owned()),
        header.map(str::to_owned),
        values.map(|values| values.join(" or ")),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
}
