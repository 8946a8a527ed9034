//! An Application from an ECS service and what its load balancer forwards to it.

use aws::Survey;
use aws::error::Kind;
use aws::survey::Group;
use crd_schema::{ApplicationName, TargetGroupArn};
use planner::release::{TAG_APPLICATION, TAG_MANAGED_BY};
use planner::scaling::Scaling;
use serde_json::{Map, Value, json};

use super::appspec::Told;
use super::draft::Draft;
use super::members::{self, Described};
use super::traffic::{self, Route, resource};
use super::{alarms, images, scaling, strategy, worker};
use crate::cli::Strategy;
use crate::failure::{Exit, Failure};

/// What a person asks for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) application: &'a ApplicationName,
    pub(super) cluster: &'a str,
    /// The service.
    pub(super) name: &'a str,
    /// What CodeDeploy was told of the same service.
    pub(super) told: Option<&'a Told>,
    /// None: as the service is released now, where that can be said.
    pub(super) strategy: Option<Strategy>,
}

/// Everything that is read.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) service: Map<String, Value>,
    /// One for each target group of the service, in its order.
    pub(super) routes: Vec<Route>,
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

/// Looks, and drafts.
pub(super) async fn draft(survey: &Survey, asked: Asked<'_>) -> Result<Draft, Failure> {
    let service = running(survey, asked.cluster, asked.name).await?;
    let described = Described(&service);
    if asked.strategy == Some(Strategy::Rolling) {
        in_place(asked, described)?;
    }
    let unbound = |list: &Value| list.as_array().is_none_or(Vec::is_empty);
    if described.member("loadBalancers").is_none_or(unbound) && asked.told.is_none() {
        let definition = described.text("taskDefinition").unwrap_or_default();
        let definition = survey.definition(definition).await?;
        let scaling = survey.scaling(asked.cluster, asked.name).await?;
        return Ok(worker::compose(
            asked,
            &service,
            &definition,
            scaling.as_ref(),
        ));
    }
    let seen = look(survey, asked, service).await?;
    Ok(compose(asked, &seen))
}

/// What is updated in place is one service on its own groups: nobody may be moving it between two of them.
pub(super) fn in_place(asked: Asked<'_>, service: Described<'_>) -> Result<(), Failure> {
    let Asked {
        application,
        cluster,
        name,
        ..
    } = asked;
    match owner(service) {
        None => Ok(()),
        Some(owner) => Err(wrong(format!(
            "service {name} is not updated in place: {owner} releases it now"
        ))
        .next(format!(
            "`teal adopt {application} --cluster {cluster} --service {name}` prints the command after which Amazon ECS updates it in place; without --strategy each release is a service of its own."
        ))),
    }
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
    asked: Asked<'_>,
    service: Map<String, Value>,
) -> Result<Seen, Failure> {
    let described = Described(&service);
    let mut routes = Vec::new();
    for binding in bindings(described, asked.name)? {
        routes.push(route(survey, asked, binding).await?);
    }
    traffic::apart(&routes, asked.name)?;
    let definition = described.text("taskDefinition").unwrap_or_default();
    let (revision, definition) = survey.definition(definition).await?;
    let scaling = survey.scaling(asked.cluster, asked.name).await?;
    Ok(Seen {
        routes,
        revision,
        definition,
        service,
        scaling,
    })
}

async fn route(survey: &Survey, asked: Asked<'_>, binding: Binding) -> Result<Route, Failure> {
    let group = survey.group(&binding.group).await?;
    let balancer = balancer(&group, asked.name)?;
    let names = asked.told.map(|told| told.group.group_names());
    let other = match (&binding.alternate, names.unwrap_or_default().as_slice()) {
        (Some(alternate), _) => Some(alternate.clone()),
        (None, [one, other]) if *one == group.name => Some(survey.group_named(other).await?),
        (None, [other, one]) if *one == group.name => Some(survey.group_named(other).await?),
        (None, _) => None,
    };
    let groups = [Some(binding.group.clone()), other.clone()];
    let places = survey.places(&balancer, &groups).await?;
    Ok(Route {
        binding,
        group,
        other,
        places,
    })
}

pub(super) fn wrong(message: String) -> Failure {
    Failure::new(Exit::Invalid, message)
}

/// The target groups of the service; at least one.
pub(super) fn bindings(service: Described<'_>, name: &str) -> Result<Vec<Binding>, Failure> {
    let bindings = service.member("loadBalancers").and_then(Value::as_array);
    let bindings = bindings.map(Vec::as_slice).unwrap_or_default();
    if bindings.is_empty() {
        return Err(wrong(format!("service {name} has no load balancer"))
            .next("Teal moves traffic by the rules of an Application Load Balancer; a service without one needs none of that."));
    }
    bindings.iter().map(|one| binding(one, name)).collect()
}

fn binding(binding: &Value, name: &str) -> Result<Binding, Failure> {
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
pub(super) fn begun(asked: Asked<'_>) -> Draft {
    let head = format!(
        "From service {} of cluster {}, by `teal init`. `teal validate` checks it, `teal apply -f` puts it in force.",
        asked.name, asked.cluster
    );
    Draft::new(asked.application.as_str(), &head)
}

/// The Application that says what was seen.
pub(super) fn compose(asked: Asked<'_>, seen: &Seen) -> Draft {
    let service = Described(&seen.service);
    let mut draft = begun(asked);
    about_adoption(&mut draft, asked);
    about_the_controller(&mut draft, service);
    let first = seen.routes.first();
    let definition = (seen.revision.as_str(), &seen.definition);
    template(
        &mut draft,
        asked.cluster,
        service,
        definition,
        first.map(|route| route.binding.container.as_str()),
    );
    let rolling = asked.strategy == Some(Strategy::Rolling);
    if let Some(known) = &seen.scaling {
        if rolling {
            scaling::stays(&mut draft, known);
        } else {
            let groups = seen.routes.iter().map(|route| route.group.arn.as_str());
            scaling::moves(
                &mut draft,
                asked.name,
                groups.map(resource).collect(),
                known,
            );
        }
    }
    traffic::write(&mut draft, &seen.routes, asked.told, rolling);
    match asked.told {
        Some(told) => told.way(&mut draft),
        None if rolling => strategy::rolling(&mut draft, service),
        None => way(&mut draft, service),
    }
    draft
}

/// How the running service becomes the application's.
fn about_adoption(draft: &mut Draft, asked: Asked<'_>) {
    let application = asked.application;
    let blue = match asked.strategy {
        Some(Strategy::Rolling) => "",
        None => " as the first blue",
    };
    draft.remark(format!(
        "Teal takes the running service over{blue} by `teal adopt {application}`, after `teal apply`: nothing restarts."
    ));
}

/// The same where `teal adopt` does not do it.
pub(super) fn by_two_tags(draft: &mut Draft, asked: Asked<'_>, service: Described<'_>, blue: &str) {
    let arn = service.text("serviceArn").unwrap_or_default();
    draft.remark(format!(
        "Teal takes the running service over{blue} once it carries two tags: aws ecs tag-resource --resource-arn {arn} --tags key=teal:managed-by,value=teal key=teal:application,value={}",
        asked.application
    ));
}

/// How a release goes, as far as Amazon ECS was told.
fn way(draft: &mut Draft, service: Described<'_>) {
    let configuration = service.member("deploymentConfiguration");
    let way = configuration.and_then(strategy::of);
    if way.is_none() {
        draft.note(
            "/spec/strategy",
            "all at once; or `canary`, `linear`, or `preset` with one of CodeDeploy's names",
        );
        if owner(service).is_none() {
            draft.note(
                "/spec/strategy",
                "Amazon ECS updates it in place now: `teal init --strategy rolling` writes that",
            );
        }
    }
    let strategy = way.as_ref().map(|way| way.strategy.clone());
    draft.set(
        "strategy",
        strategy.unwrap_or_else(|| json!({"blueGreen": {}})),
    );
    let bake_time = way.and_then(|way| way.bake_time);
    draft.set("bakeTime", json!(bake_time.as_deref().unwrap_or("10m")));
}

/// Who releases the service now, where that is not Amazon ECS's rolling update.
pub(super) fn owner(service: Described<'_>) -> Option<String> {
    let configuration = service.member("deploymentConfiguration");
    let strategy = configuration.and_then(|configuration| configuration["strategy"].as_str());
    match (service.controller(), strategy) {
        ("CODE_DEPLOY", _) => Some("CodeDeploy".to_owned()),
        ("EXTERNAL", _) => Some("another program".to_owned()),
        (_, Some(strategy)) if strategy != "ROLLING" => Some(format!("Amazon ECS ({strategy})")),
        (_, Some(_) | None) => None,
    }
}

pub(super) fn about_the_controller(draft: &mut Draft, service: Described<'_>) {
    let configuration = service
        .member("deploymentConfiguration")
        .unwrap_or(&Value::Null);
    if let Some(owner) = owner(service) {
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
    (revision, definition): (&str, &Map<String, Value>),
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
