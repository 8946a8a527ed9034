//! What an update in place may not do.

use serde_json::{Map, Value};

use crate::world::Read;

use super::{Facts, Violation, deny};

/// The members by which ECS decides how many tasks may be missing while it replaces them.
const CONFIGURATION: &str = "deploymentConfiguration";

impl Facts<'_> {
    /// The one service goes to a task definition of the application's own, within the bounds of its spec.
    pub(super) fn update(
        &self,
        name: &str,
        to: &str,
        body: &Map<String, Value>,
    ) -> Result<(), Violation> {
        let service = self.own(name)?;
        let said = |member: &str| body.get(member).and_then(Value::as_str);
        if !self.application.is_rolling() {
            return deny("S9", "the application is not updated in place");
        }
        if said("service") != Some(name) || said("taskDefinition") != Some(to) {
            return deny(
                "S9",
                "the request is for another service or task definition",
            );
        }
        if let Some(other) = self.live().find(|other| other.name != service.name) {
            return deny("S11", format!("{} works beside it", other.name));
        }
        if body.get(CONFIGURATION) != self.application.template.service.get(CONFIGURATION) {
            let what = "the bounds of the deployment are not those of the spec";
            return deny("S4", what);
        }
        self.may_run(to, service.tags.blue.as_deref())
    }

    /// It was registered for a wish that was not rejected; or it is what ran before.
    pub(super) fn may_run(
        &self,
        task_definition: &str,
        before: Option<&str>,
    ) -> Result<(), Violation> {
        let revisions = match &self.world.revisions {
            Read::Known { value, .. } => value,
            Read::Unread { reason } => return deny("S14", format!("not read: {reason}")),
        };
        let known = revisions.iter().find(|known| known.arn == task_definition);
        if let Some(generation) = known.and_then(|known| known.generation) {
            return if self.is_rejected(generation) {
                deny("S8", "the generation of its task definition was rejected")
            } else {
                Ok(())
            };
        }
        let good = self.memory.record.last_good.as_ref();
        let good = good.and_then(|good| good.task_definition.as_deref());
        if good == Some(task_definition) || before == Some(task_definition) {
            return Ok(());
        }
        deny(
            "S9",
            format!("{task_definition} was not registered for a wish of this application"),
        )
    }
}
