//! An Application from an ECS service and what its load balancer forwards to it.

use std::collections::BTreeSet;

use aws::Survey;
use aws::error::Kind;
use aws::survey::{Group, Place};
use crd_schema::application::RuleTarget;
use crd_schema::{ApplicationName, TargetGroupArn};
use planner::release::{TAG_APPLICATION, TAG_MANAGED_BY};
use planner::scaling::Scaling;
use planner::world::Action;
use serde_json::{Map, Value, json};

use super::appspec::Told;
use super::draft::Draft;
use super::members::{self, Described};
use super::{alarms, images, scaling, strategy, worker};
use crate::commands::second_group;
use crate::failure::{Exit, Failure};

/// Where the first route stands in an Application.
const ROUTE: &str = "/spec/traffic/routes/0";

/// Everything that is read.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) cluster: String,
    pub(super) name: String,
    pub(super) service: Map<String, Value>,
    pub(super) binding: Binding,
    pub(super) group: Group,
    /// The other group of the pair, where it is known.
    pub(super) other: Option<TargetGroupArn>,
    pub(super) places: Vec<Place>,
    /// `family:revision`.
    pub(super) revision: String,
    pub(super) definition: Map<String, Value>,
    /// What Application Auto Scaling knows of it.
    pub(super) scaling: Option<Scaling>,
}

/// What binds the service to its load balancer.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Binding {
    pub(super) group: TargetGroupArn,
    pub(super) container: String,
    pub(super) port: u64,
    /// Where Amazon ECS moves traffic itself: the other group.
    pub(super) alternate: Option<TargetGroupArn>,
    /// The same: the test rule.
    pub(super) test_rule: Option<String>,
}

/// Looks, and drafts. `told` is what CodeDeploy was told of the same service.
pub(super) async fn draft(
    survey: &Survey,
    application: &ApplicationName,
    cluster: &str,
    name: &str,
    told: Option<&Told>,
) -> Result<Draft, Failure> {
    let service = running(survey, cluster, name).await?;
    let described = Described(&service);
    let unbound = |list: &Value| list.as_array().is_none_or(Vec::is_empty);
    if described.member("loadBalancers").is_none_or(unbound) && told.is_none() {
        let definition = described.text("taskDefinition").unwrap_or_default();
        let definition = survey.definition(definition).await?;
        let mut draft = worker::compose(application, cluster, &service, &definition);
        if survey.scaling(cluster, name).await?.is_some() {
            worker::scaled(&mut draft);
        }
        return Ok(draft);
    }
    let seen = look(survey, cluster, name, told, service).await?;
    Ok(compose(application, &seen, told))
}

/// The service as it is, if it is one that Teal can release.
async fn running(
    survey: &Survey,
    cluster: &str,
    name: &str,
) -> Result<Map<String, Value>, Failure> {
    let service = survey.service(cluster, name).await.map_err(|error| {
        if error.kind == Kind::NotFound {
            Failure::new(Exit::NotFound, format!("there is no cluster {cluster}"))
                .next("`aws ecs list-clusters` shows all of this Region.")
        } else {
            error.into()
        }
    })?;
    let live = |service: &Map<String, Value>| service.get("status") != Some(&json!("INACTIVE"));
    let service = service.filter(live).ok_or_else(|| {
        Failure::new(
            Exit::NotFound,
            format!("cluster {cluster} has no service {name}"),
        )
        .next(format!(
            "`aws ecs list-services --cluster {cluster}` shows all."
        ))
    })?;
    let described = Described(&service);
    if described.tag(TAG_MANAGED_BY).is_some() {
        let of = described.tag(TAG_APPLICATION).unwrap_or("an application");
        return Err(wrong(format!(
            "service {name} is one that Teal made: it belongs to {of}"
        ))
        .next(format!("`teal status {of}` shows how it is.")));
    }
    if described.text("schedulingStrategy") == Some("DAEMON") {
        return Err(wrong(format!(
            "service {name} is a DAEMON: Teal releases services of the scheduling strategy REPLICA"
        )));
    }
    Ok(service)
}

async fn look(
    survey: &Survey,
    cluster: &str,
    name: &str,
    told: Option<&Told>,
    service: Map<String, Value>,
) -> Result<Seen, Failure> {
    let described = Described(&service);
    let binding = binding(described, name)?;
    let group = survey.group(&binding.group).await?;
    let balancer = balancer(&group, name)?;
    let names = told
        .map(|told| told.group.group_names())
        .unwrap_or_default();
    let other = match (&binding.alternate, names.as_slice()) {
        (Some(alternate), _) => Some(alternate.clone()),
        (None, [one, other]) if *one == group.name => Some(survey.group_named(other).await?),
        (None, [other, one]) if *one == group.name => Some(survey.group_named(other).await?),
        (None, _) => None,
    };
    let groups = [Some(binding.group.clone()), other.clone()];
    let places = survey.places(&balancer, &groups).await?;
    let definition = described.text("taskDefinition").unwrap_or_default();
    let (revision, definition) = survey.definition(definition).await?;
    let scaling = survey.scaling(cluster, name).await?;
    Ok(Seen {
        cluster: cluster.to_owned(),
        name: name.to_owned(),
        binding,
        group,
        other,
        places,
        revision,
        definition,
        service,
        scaling,
    })
}

fn wrong(message: String) -> Failure {
    Failure::new(Exit::Invalid, message)
}

/// The one target group of the service.
pub(super) fn binding(service: Described<'_>, name: &str) -> Result<Binding, Failure> {
    let bindings = service.member("loadBalancers").and_then(Value::as_array);
    let bindings = bindings.map(Vec::as_slice).unwrap_or_default();
    let binding = match bindings {
        [] => {
            return Err(wrong(format!("service {name} has no load balancer"))
                .next("Teal moves traffic by the rules of an Application Load Balancer; a service without one needs none of that."));
        }
        [binding] => binding,
        several => {
            let groups: Vec<&str> = several
                .iter()
                .filter_map(|one| one["targetGroupArn"].as_str())
                .map(resource)
                .collect();
            return Err(wrong(format!(
                "service {name} has {} target groups, and an Application of one route alone is written from what runs: {}",
                several.len(),
                groups.join(", ")
            )));
        }
    };
    let Some(group) = binding["targetGroupArn"].as_str() else {
        let balancer = binding["loadBalancerName"].as_str().unwrap_or("?");
        return Err(wrong(format!(
            "service {name} is behind the Classic Load Balancer {balancer}, which has no weights"
        ))
        .next("Move it to an Application Load Balancer first."));
    };
    let advanced = &binding["advancedConfiguration"];
    let text = |member: &str| advanced[member].as_str().map(str::to_owned);
    Ok(Binding {
        group: TargetGroupArn::new(group),
        container: binding["containerName"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
        port: binding["containerPort"].as_u64().unwrap_or_default(),
        alternate: text("alternateTargetGroupArn").map(TargetGroupArn::new),
        test_rule: text("testListenerRule"),
    })
}

/// The Application Load Balancer that forwards to the group.
pub(super) fn balancer(group: &Group, name: &str) -> Result<String, Failure> {
    let protocol = group.settings.get("Protocol").and_then(Value::as_str);
    let speaks_http = protocol.is_some_and(|protocol| protocol.starts_with("HTTP"));
    let network = group
        .load_balancers
        .iter()
        .find(|arn| !arn.contains(":loadbalancer/app/"));
    if !speaks_http || network.is_some() {
        let kind = network.map_or("another kind of load balancer", |arn| {
            if arn.contains(":loadbalancer/net/") {
                "a Network Load Balancer"
            } else {
                "a Gateway Load Balancer"
            }
        });
        let protocol = protocol.unwrap_or("no protocol");
        return Err(wrong(format!(
            "service {name} is behind {kind} (target group {} speaks {protocol}): Teal moves traffic by the rules of an Application Load Balancer",
            group.name
        )));
    }
    match group.load_balancers.as_slice() {
        [balancer] => Ok(balancer.clone()),
        [] => Err(wrong(format!(
            "no load balancer forwards to {}, the target group of service {name}",
            group.name
        ))
        .next("Name it in a listener's rule first; it is what users come by.")),
        several => Err(wrong(format!(
            "{} load balancers forward to {}, the target group of service {name}",
            several.len(),
            group.name
        ))),
    }
}

/// Where it comes from.
pub(super) fn begun(application: &ApplicationName, cluster: &str, name: &str) -> Draft {
    let head = format!(
        "From service {name} of cluster {cluster}, by `teal init`. `teal validate` checks it, `teal apply -f` puts it in force."
    );
    Draft::new(application.as_str(), &head)
}

/// The Application that says what was seen.
pub(super) fn compose(application: &ApplicationName, seen: &Seen, told: Option<&Told>) -> Draft {
    let service = Described(&seen.service);
    let mut draft = begun(application, &seen.cluster, &seen.name);
    draft.remark(format!(
        "Teal takes the running service over as the first blue by `teal adopt {application}`, after `teal apply`: nothing restarts."
    ));
    about_the_controller(&mut draft, service);
    let container = Some(seen.binding.container.as_str());
    template(
        &mut draft,
        &seen.cluster,
        service,
        &seen.revision,
        &seen.definition,
        container,
    );
    if let Some(known) = &seen.scaling {
        let group = resource(seen.group.arn.as_str());
        scaling::moves(&mut draft, &seen.name, group, known);
    }
    traffic(&mut draft, seen, told);
    if let Some(told) = told {
        told.way(&mut draft);
        return draft;
    }
    let configuration = service.member("deploymentConfiguration");
    let way = configuration.and_then(strategy::of);
    if way.is_none() {
        draft.note(
            "/spec/strategy",
            "all at once; or `canary`, `linear`, or `preset` with one of CodeDeploy's names",
        );
    }
    let strategy = way.as_ref().map(|way| way.strategy.clone());
    draft.set(
        "strategy",
        strategy.unwrap_or_else(|| json!({"blueGreen": {}})),
    );
    let bake_time = way.and_then(|way| way.bake_time);
    draft.set("bakeTime", json!(bake_time.as_deref().unwrap_or("10m")));
    draft
}

pub(super) fn about_the_controller(draft: &mut Draft, service: Described<'_>) {
    let configuration = service
        .member("deploymentConfiguration")
        .unwrap_or(&Value::Null);
    let strategy = configuration["strategy"].as_str();
    let owner = match (service.controller(), strategy) {
        ("CODE_DEPLOY", _) => Some("CodeDeploy".to_owned()),
        ("EXTERNAL", _) => Some("another program".to_owned()),
        (_, Some(strategy)) if strategy != "ROLLING" => Some(format!("Amazon ECS ({strategy})")),
        (_, Some(_) | None) => None,
    };
    if let Some(owner) = owner {
        draft.remark(format!(
            "{owner} moves this service's traffic now, and must have stopped before Teal starts: docs/coming-from.md."
        ));
    }
    if let Some(hooks) = configuration["lifecycleHooks"]
        .as_array()
        .filter(|hooks| !hooks.is_empty())
    {
        draft.remark(format!(
            "Its {} lifecycle hooks are not here: write them as `gates` (docs/decisions/gates.md).",
            hooks.len()
        ));
    }
    let alarms = configuration["alarms"]["alarmNames"].as_array();
    let names: Vec<&str> = alarms
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    if configuration["alarms"]["enable"] == json!(true) {
        // Amazon ECS leaves those out that are in ALARM when a deployment begins.
        alarms::watched(draft, &names, Some("ignore"));
    }
}

/// Cluster, tags, and what a release is rendered from. `container` is the one whose image a release brings.
pub(super) fn template(
    draft: &mut Draft,
    cluster: &str,
    service: Described<'_>,
    revision: &str,
    definition: &Map<String, Value>,
    container: Option<&str>,
) {
    draft.set("cluster", json!(cluster));
    let tags = service.tags();
    if !tags.is_empty() {
        draft.set("tags", tags.into());
    }
    let family = revision
        .rsplit_once(':')
        .map_or(revision, |(family, _)| family);
    let (images, others) = images::of(definition, container.unwrap_or_default());
    let (members, refused) = members::of(service);
    let named = |image: &images::Image| (image.container.clone(), json!(image.template));
    let images_by_name: Map<String, Value> = images.iter().map(named).collect();
    draft.set(
        "template",
        json!({"taskDefinition": family, "images": images_by_name, "service": members}),
    );
    draft.note(
        "/spec/template/taskDefinition",
        format!("the newest revision is the base of each release; {revision} runs now"),
    );
    for image in images {
        if let Some(note) = image.note {
            draft.note(&format!("/spec/template/images/{}", image.container), note);
        }
    }
    if !others.is_empty() {
        let others = others.join(", ");
        draft.note(
            "/spec/template/images",
            format!("these keep the image of the base: {others}"),
        );
    }
    if service.member("desiredCount") == Some(&json!(0)) {
        draft.note(
            "/spec/template/service/desiredCount",
            "the service is scaled to 0 now",
        );
    }
    for name in refused {
        draft.todo(
            "/spec/template/service",
            format!("`{name}` is left out: it carries traffic past the load balancer, and Teal does not support that yet"),
        );
    }
}

fn traffic(draft: &mut Draft, seen: &Seen, told: Option<&Told>) {
    let group = &seen.binding.group;
    let test_rule = seen.binding.test_rule.as_deref();
    let [_, listeners] = told.map(|told| told.group.listeners()).unwrap_or_default();
    let is_test = |place: &&Place| {
        let told = listeners.iter().any(|arn| arn == place.listener.as_str());
        told || test_rule == Some(place.rule.as_str())
    };
    let (test, production): (Vec<&Place>, Vec<&Place>) = seen.places.iter().partition(is_test);
    let target = |place: &&Place| match &place.target {
        RuleTarget::Listener(arn) => json!({"listener": arn}),
        RuleTarget::Rule(arn) => json!({"rule": arn}),
    };
    let list = |places: &[&Place]| places.iter().map(target).collect::<Vec<Value>>();
    let mut route = json!({
        "container": seen.binding.container,
        "port": seen.binding.port,
        "targetGroups": {"pair": [group, second(draft, seen)]},
        "production": list(&production),
    });
    if !test.is_empty() {
        route["test"] = json!(list(&test));
    }
    draft.set("traffic", json!({"routes": [route]}));
    for (list, places) in [("production", &production), ("test", &test)] {
        for (index, place) in places.iter().enumerate() {
            let at = format!("{ROUTE}/{list}/{index}");
            draft.note(&at, place.label.clone());
            if let Some(obstacle) = obstacle(&place.action) {
                draft.todo(&at, format!("{}: {obstacle}", place.label));
            }
        }
    }
    let at = format!("{ROUTE}/production");
    if production.is_empty() {
        let name = &seen.group.name;
        draft.todo(
            &at,
            format!("no rule forwards to {name}: name the one that brings users"),
        );
    } else if production.len() > 1 && test.is_empty() {
        draft.note(&at, "all that name the group; move those that only tests use to `test`, a list beside this one");
    }
}

/// The other group of the pair; null when a person must say.
fn second(draft: &mut Draft, seen: &Seen) -> Value {
    if let Some(other) = &seen.other {
        return json!(other);
    }
    let at = format!("{ROUTE}/targetGroups/pair/1");
    let others = seen.places.iter().filter_map(|place| match &place.action {
        Action::Forward { others, .. } => Some(others),
        Action::Other { .. } | Action::Missing => None,
    });
    let others: BTreeSet<&(TargetGroupArn, u32)> = others.flatten().collect();
    let names: BTreeSet<&TargetGroupArn> = others.iter().map(|(arn, _)| arn).collect();
    let takes_traffic = others.iter().any(|(_, weight)| *weight > 0);
    if let [only] = Vec::from_iter(names.clone()).as_slice()
        && !takes_traffic
    {
        return json!(only);
    }
    if names.is_empty() {
        draft.todo(&at, "a second target group must exist; write its ARN here");
        let command = second_group::command(&seen.group.name, &seen.group.settings);
        draft.note(&at, format!("this makes one and prints its ARN: {command}"));
        draft.note(&at, "(its attributes, such as deregistration_delay.timeout_seconds, are set by `aws elbv2 modify-target-group-attributes`)");
        draft.note(
            &at,
            format!("Or let Teal make one for each release: `targetGroups: {{perRelease: {{from: {}}}}}` (docs/decisions/target-groups.md).", seen.binding.group),
        );
    } else {
        let names: Vec<&str> = names.iter().map(|arn| resource(arn.as_str())).collect();
        draft.todo(
            &at,
            format!("which one is the second group? It may have no traffic of its own. The rules name {} too", names.join(", ")),
        );
    }
    Value::Null
}

/// Why Teal could not move traffic there.
fn obstacle(action: &Action) -> Option<String> {
    match action {
        Action::Forward { sticky: true, .. } => {
            Some("group stickiness is on, and weights do not hold then; switch it off".to_owned())
        }
        Action::Forward { sticky: false, .. } => None,
        Action::Other { kinds } => Some(format!(
            "it does `{kinds}`, and Teal changes rules that forward, at most after they authenticate"
        )),
        Action::Missing => Some("it is gone".to_owned()),
    }
}

/// The part of an ARN that names the resource.
fn resource(arn: &str) -> &str {
    arn.rsplit_once(':').map_or(arn, |(_, resource)| resource)
}
