//! An Application from an ECS service without a load balancer.

use crd_schema::ApplicationName;
use serde_json::{Map, Value, json};

use super::draft::Draft;
use super::members::Described;
use super::service::{about_the_controller, begun, template};

/// The Application that says what was seen: the service, and its task definition by name and content.
pub(super) fn compose(
    application: &ApplicationName,
    cluster: &str,
    service: &Map<String, Value>,
    (revision, definition): &(String, Map<String, Value>),
) -> Draft {
    let service = Described(service);
    let name = service.text("serviceName").unwrap_or_default();
    let arn = service.text("serviceArn").unwrap_or_default();
    let mut draft = begun(application, cluster, name);
    draft.remark("It has no load balancer: green works beside blue until the bake time is over (docs/decisions/workers.md).");
    draft.remark(format!(
        "Teal takes the running service over as the first blue once it carries two tags: aws ecs tag-resource --resource-arn {arn} --tags key=teal:managed-by,value=teal key=teal:application,value={application}"
    ));
    about_the_controller(&mut draft, service);
    template(
        &mut draft,
        cluster,
        service,
        revision,
        definition,
        first(definition),
    );
    draft.set("worker", json!({"overlap": true}));
    draft.note(
        "/spec/worker",
        "may two versions work at the same time? If not: one task, `overlap: false` and `strategy: {rolling: {}}`",
    );
    draft.set("bakeTime", json!("10m"));
    draft
}

/// Application Auto Scaling scales it: somebody must change that first.
pub(super) fn scaled(draft: &mut Draft) {
    draft.todo(
        "/spec/template/service/desiredCount",
        "Application Auto Scaling scales it, which does not move with the release of a service without a load balancer yet: deregister its scalable target, or each release is held",
    );
}

/// The first essential container.
fn first(definition: &Map<String, Value>) -> Option<&str> {
    let containers = definition.get("containerDefinitions")?.as_array()?;
    let essential = |one: &&Value| one["essential"] != json!(false);
    containers.iter().find(essential)?["name"].as_str()
}
