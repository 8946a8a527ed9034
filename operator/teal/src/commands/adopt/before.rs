//! Where there is no spec yet: what stands in the way of the service, and its second target group.

use std::collections::{BTreeMap, BTreeSet};

use aws::survey::{Group, Place};
use aws::{MoveIn, Survey};
use crd_schema::application::RuleTarget;
use crd_schema::{ApplicationName, TargetGroupArn};
use planner::adoption::{Candidate, Obstacle};
use planner::world::Action;
use serde_json::{Map, Value, json};

use crate::cli;
use crate::commands::second_group;
use crate::connect::Aws;
use crate::failure::{Exit, Failure};

/// What was found of a service and its group.
struct Seen {
    candidate: Candidate,
    group: Group,
    attributes: BTreeMap<String, String>,
    places: Vec<Place>,
}

/// The second target group of a service that has one.
enum Second {
    /// Rules name it, without weight.
    There(TargetGroupArn),
    /// There is none.
    Missing,
    /// Rules name several groups, or give another one weight.
    Unclear(Vec<String>),
}

/// Says what is missing for a spec, and makes the second target group where that is asked for.
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
    let seen = look(&Survey::new(&aws.connection), application, cluster, service).await?;
    let second = seen.second();
    if let Second::Unclear(names) = &second {
        let obstacle = format!(
            "the rules name {} too: which group is the second of the pair only you can tell, and it may have no traffic of its own",
            names.join(", ")
        );
        return Err(Failure::new(
            Exit::NeedsPerson,
            format!("{application}: {obstacle}"),
        ));
    }
    let create = arguments.create_group && matches!(second, Second::Missing);
    let arn = match second {
        Second::There(arn) => Some(arn),
        Second::Missing if create && !arguments.dry_run => {
            let moves = MoveIn::new(&aws.connection, aws.names.clone());
            Some(seen.make_second(&moves).await?)
        }
        Second::Missing | Second::Unclear(_) => None,
    };
    let told = Told {
        application,
        cluster,
        seen: &seen,
        second: arn.as_ref(),
        would_create: create && arguments.dry_run,
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
    let [binding] = candidate.bindings.as_slice() else {
        return Err(super::refused(application, &obstacles));
    };
    let Some(arn) = binding.group.clone().filter(|_| obstacles.is_empty()) else {
        return Err(super::refused(application, &obstacles));
    };
    let group = survey.group(&arn).await?;
    let attributes = survey.attributes(&arn).await?;
    let [balancer] = group.load_balancers.as_slice() else {
        let why = format!(
            "{application}: {} load balancers forward to {}, the target group of service {service}: it must be one, an Application Load Balancer",
            group.load_balancers.len(),
            group.name
        );
        return Err(Failure::new(Exit::Refused, why));
    };
    let places = survey.places(balancer, &[Some(arn), None]).await?;
    Ok(Seen {
        candidate,
        group,
        attributes,
        places,
    })
}

impl Seen {
    /// Another group that the rules name.
    fn second(&self) -> Second {
        let others = self.places.iter().filter_map(|place| match &place.action {
            Action::Forward { others, .. } => Some(others),
            Action::Other { .. } | Action::Missing => None,
        });
        let others: Vec<&(TargetGroupArn, u32)> = others.flatten().collect();
        let names: BTreeSet<&TargetGroupArn> = others.iter().map(|(arn, _)| arn).collect();
        let quiet = others.iter().all(|(_, weight)| *weight == 0);
        match Vec::from_iter(names).as_slice() {
            [] => Second::Missing,
            [only] if quiet => Second::There((*only).clone()),
            several => Second::Unclear(
                several
                    .iter()
                    .map(|arn| {
                        arn.as_str()
                            .rsplit(':')
                            .next()
                            .unwrap_or_default()
                            .to_owned()
                    })
                    .collect(),
            ),
        }
    }

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

    async fn make_second(&self, moves: &MoveIn) -> Result<TargetGroupArn, Failure> {
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
        Ok(second)
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
    second: Option<&'a TargetGroupArn>,
    would_create: bool,
}

impl Told<'_> {
    fn value(&self) -> Value {
        let commands = self.second.is_none().then(|| self.seen.commands());
        json!({
            "application": self.application,
            "service": self.seen.candidate.name,
            "group": self.seen.group.arn,
            "second": self.second,
            "commands": commands,
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
        let Group { name, settings, .. } = &self.seen.group;
        let settings: &Map<String, Value> = settings;
        let mut text = format!(
            "{}: nothing stands in the way of service {}, and there is no spec yet",
            self.application, self.seen.candidate.name
        );
        match self.second {
            Some(second) => {
                text.push_str(&format!("\n  second target group  {second}, at weight 0"));
            }
            None => {
                let will = if self.would_create {
                    "--create-group would do this (nothing was changed)"
                } else {
                    "it has none; --create-group, or these commands, make one"
                };
                text.push_str(&format!("\n  second target group  {will}:\n"));
                for line in self.seen.commands() {
                    text.push_str(&format!("    {line}\n"));
                }
                let attributes = &self.seen.attributes;
                let codes = [
                    (
                        "Terraform, where that makes the first one",
                        second_group::terraform(name, settings, attributes),
                    ),
                    (
                        "CloudFormation, where that does",
                        second_group::cloudformation(name, settings, attributes),
                    ),
                ];
                for (title, code) in codes {
                    text.push_str(&format!("  {title} (Teal names it in the rules itself):\n"));
                    for line in code.lines() {
                        text.push_str(&format!("    {line}\n"));
                    }
                }
                text.push_str(&format!(
                    "  Or let Teal make one for each release: `targetGroups: {{perRelease: {{from: {}}}}}`, without adoption.",
                    self.seen.group.arn
                ));
            }
        }
        text.push_str("\n  next");
        for command in self.next() {
            text.push_str(&format!("\n    {command}"));
        }
        text
    }
}
