//! Where there is no spec yet: what stands in the way of the service, and the second target group of each of its routes.

use std::collections::{BTreeMap, BTreeSet};

use aws::survey::{Group, Place};
use aws::{MoveIn, Survey};
use crd_schema::application::RuleTarget;
use crd_schema::{ApplicationName, TargetGroupArn};
use planner::adoption::{Candidate, Obstacle};
use planner::world::Action;
use serde_json::{Value, json};

use crate::cli;
use crate::commands::second_group;
use crate::connect::Aws;
use crate::failure::{Exit, Failure};

/// What was found of a service.
struct Seen {
    candidate: Candidate,
    /// What it is bound to, in its order.
    routes: Vec<Bound>,
}

/// A group of the service, and what forwards to it.
struct Bound {
    group: Group,
    attributes: BTreeMap<String, String>,
    places: Vec<Place>,
    /// The other group of its pair: rules name it, without weight.
    second: Option<TargetGroupArn>,
}

/// Says what is missing for a spec, and makes each route's second target group where that is asked for.
pub(super) async fn prepare(
    aws: &Aws,
    application: &ApplicationName,
    arguments: &cli::Adopt,
) -> Result<(Value, String), Failure> {
    let (Some(cluster), Some(service)) = (&arguments.cluster, &arguments.service) else {
        return Err(aws.unknown(application).next(
            "With --cluster and --service, `teal adopt` says what is missing for its spec.",
        ));
    };
    let service = service.rsplit('/').next().unwrap_or(service);
    let mut seen = look(&Survey::new(&aws.connection), application, cluster, service).await?;
    if arguments.create_group && !arguments.dry_run {
        let moves = MoveIn::new(&aws.connection, aws.names.clone());
        for route in &mut seen.routes {
            route.make_second(&moves).await?;
        }
    }
    let told = Told {
        application,
        cluster,
        seen: &seen,
        would_create: arguments.create_group && arguments.dry_run,
    };
    Ok((told.value(), told.text()))
}

async fn look(
    survey: &Survey,
    application: &ApplicationName,
    cluster: &str,
    service: &str,
) -> Result<Seen, Failure> {
    let candidate = survey.candidate(cluster, service).await?;
    let candidate = candidate.ok_or_else(|| super::no_such_service(cluster, service))?;
    let mut obstacles = candidate.obstacles(cluster);
    if let Some(owner) = candidate.tags.get(planner::release::TAG_APPLICATION) {
        let (name, owner) = (candidate.name.clone(), owner.clone());
        obstacles.push(Obstacle::OfAnother { name, owner });
    }
    if !obstacles.is_empty() {
        return Err(super::refused(application, &obstacles));
    }
    let refused = |why: String| Failure::new(Exit::Refused, format!("{application}: {why}"));
    let bound = || {
        candidate
            .bindings
            .iter()
            .filter_map(|one| one.group.as_ref())
    };
    let mut routes = Vec::new();
    for arn in bound() {
        let group = survey.group(arn).await?;
        let attributes = survey.attributes(arn).await?;
        let [balancer] = group.load_balancers.as_slice() else {
            return Err(refused(format!(
                "{} load balancers forward to {}, the target group of service {service}: it must be one, an Application Load Balancer",
                group.load_balancers.len(),
                group.name
            )));
        };
        let places = survey.places(balancer, &[Some(arn.clone()), None]).await?;
        if let Some(other) = bound().find(|other| others(&places).any(|(one, _)| one == *other)) {
            return Err(refused(format!(
                "a rule forwards to {} and to {}, two target groups of service {service}: each is a route of its own, and a rule belongs to one route",
                group.name,
                resource(other)
            )));
        }
        let second = second(&places).map_err(|names| {
            let why = format!(
                "{application}: the rules name {} too: which group is the second of the pair only you can tell, and it may have no traffic of its own",
                names.join(", ")
            );
            Failure::new(Exit::NeedsPerson, why)
        })?;
        routes.push(Bound {
            group,
            attributes,
            places,
            second,
        });
    }
    Ok(Seen { candidate, routes })
}

/// Groups that the places name beside the one that they were looked for by, with their weights.
fn others(places: &[Place]) -> impl Iterator<Item = &(TargetGroupArn, u32)> {
    let others = places.iter().filter_map(|place| match &place.action {
        Action::Forward { others, .. } => Some(others),
        Action::Other { .. } | Action::Missing => None,
    });
    others.flatten()
}

/// The other group of the pair, where the rules name one.
///
/// # Errors
/// The rules name several groups, or give another one weight: their names.
fn second(places: &[Place]) -> Result<Option<TargetGroupArn>, Vec<&str>> {
    let names: BTreeSet<&TargetGroupArn> = others(places).map(|(arn, _)| arn).collect();
    let quiet = others(places).all(|(_, weight)| *weight == 0);
    match Vec::from_iter(names).as_slice() {
        [] => Ok(None),
        [only] if quiet => Ok(Some((*only).clone())),
        several => Err(several.iter().map(|arn| resource(arn)).collect()),
    }
}

/// The last part of an ARN.
fn resource(arn: &TargetGroupArn) -> &str {
    arn.as_str().rsplit(':').next().unwrap_or_default()
}

impl Bound {
    /// Rules that give the first group weight and do not name the second, each with that weight. One whose cookie
    /// outlasts weights is left to a person.
    fn to_name(&self) -> impl Iterator<Item = (&Place, u32)> {
        self.places.iter().filter_map(|place| match &place.action {
            Action::Forward {
                weights: [Some(weight @ 1..), None],
                sticky: false,
                ..
            } => Some((place, *weight)),
            Action::Forward { .. } | Action::Other { .. } | Action::Missing => None,
        })
    }

    /// Makes the second group, and names it in the rules, where there is none.
    async fn make_second(&mut self, moves: &MoveIn) -> Result<(), Failure> {
        if self.second.is_some() {
            return Ok(());
        }
        let again = "What was done is there, and running this again does the rest.";
        let name = second_group::counterpart(&self.group.name);
        let made = moves
            .second_group(&self.group, &self.attributes, &name)
            .await;
        let second = made.map_err(|error| Failure::from(error).next(again))?;
        for (place, weight) in self.to_name() {
            let named = moves
                .name_at_zero(&place.target, [&self.group.arn, &second], weight)
                .await;
            named.map_err(|error| Failure::from(error).next(again))?;
        }
        self.second = Some(second);
        Ok(())
    }

    /// The AWS CLI's commands that do what `--create-group` does.
    fn commands(&self) -> Vec<String> {
        let mut lines = vec![format!(
            "SECOND=$({})",
            second_group::command(&self.group.name, &self.group.settings)
        )];
        if let Some(delay) = self.attributes.get("deregistration_delay.timeout_seconds") {
            lines.push(format!(
                "aws elbv2 modify-target-group-attributes --target-group-arn \"$SECOND\" --attributes Key=deregistration_delay.timeout_seconds,Value={delay}"
            ));
        }
        for (place, weight) in self.to_name() {
            if !place.plain {
                // The whole list would have to be said again, with what AWS does not show.
                lines.push(format!(
                    "# {} authenticates first: Teal names the second group there itself",
                    place.label
                ));
                continue;
            }
            let (verb, option, arn, actions) = match &place.target {
                RuleTarget::Listener(arn) => (
                    "modify-listener",
                    "listener-arn",
                    arn.as_str(),
                    "default-actions",
                ),
                RuleTarget::Rule(arn) => ("modify-rule", "rule-arn", arn.as_str(), "actions"),
            };
            lines.push(format!(
                "aws elbv2 {verb} --{option} {arn} --{actions} \"Type=forward,ForwardConfig={{TargetGroups=[{{TargetGroupArn={},Weight={weight}}},{{TargetGroupArn=$SECOND,Weight=0}}]}}\"",
                self.group.arn
            ));
        }
        lines
    }
}

/// What there is to tell.
struct Told<'a> {
    application: &'a ApplicationName,
    cluster: &'a str,
    seen: &'a Seen,
    would_create: bool,
}

impl Told<'_> {
    fn value(&self) -> Value {
        let routes = self.seen.routes.iter().map(|route| match &route.second {
            Some(second) => json!({"group": route.group.arn, "second": second}),
            None => json!({"group": route.group.arn, "commands": route.commands()}),
        });
        json!({
            "application": self.application,
            "service": self.seen.candidate.name,
            "routes": routes.collect::<Vec<_>>(),
            "next": self.next(),
        })
    }

    fn next(&self) -> Vec<String> {
        let (application, cluster, service) =
            (self.application, self.cluster, &self.seen.candidate.name);
        vec![
            format!(
                "teal init {application} --cluster {cluster} --service {service} --out {application}.yaml"
            ),
            format!("teal apply -f {application}.yaml"),
            format!("teal adopt {application}"),
        ]
    }

    fn text(&self) -> String {
        let mut text = format!(
            "{}: nothing stands in the way of service {}, and there is no spec yet",
            self.application, self.seen.candidate.name
        );
        for route in &self.seen.routes {
            text.push_str(&self.of_route(route));
        }
        text.push_str("\n  next");
        for command in self.next() {
            text.push_str(&format!("\n    {command}"));
        }
        text
    }

    /// What is there of a route's second group, or what makes it.
    fn of_route(&self, route: &Bound) -> String {
        let Group { name, settings, .. } = &route.group;
        let only = self.seen.routes.len() == 1;
        let beside = if only {
            String::new()
        } else {
            format!(", beside {name}")
        };
        let mut text = format!("\n  second target group{beside}");
        if let Some(second) = &route.second {
            text.push_str(&format!("  {second}, at weight 0"));
            return text;
        }
        text.push_str(if self.would_create {
            "  --create-group would do this (nothing was changed):\n"
        } else {
            "  it has none; --create-group, or these commands, make one:\n"
        });
        for line in route.commands() {
            text.push_str(&format!("    {line}\n"));
        }
        let codes = [
            (
                "Terraform, where that makes the first one",
                second_group::terraform(name, settings, &route.attributes),
            ),
            (
                "CloudFormation, where that does",
                second_group::cloudformation(name, settings, &route.attributes),
            ),
        ];
        for (title, code) in codes {
            text.push_str(&format!("  {title} (Teal names it in the rules itself):\n"));
            for line in code.lines() {
                text.push_str(&format!("    {line}\n"));
            }
        }
        if only {
            text.push_str(&format!(
                "  Or let Teal make one for each release: `targetGroups: {{perRelease: {{from: {}}}}}`, without adoption.",
                route.group.arn
            ));
        } else {
            text.truncate(text.trim_end().len());
        }
        text
    }
}
