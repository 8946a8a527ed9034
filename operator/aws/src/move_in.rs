//! What a person changes so that a service can be adopted, and adopts it: `teal adopt`.
//!
//! Each call is one that can be made again: the same tags, the same group, the same weights.

use std::collections::BTreeMap;

use crd_schema::TargetGroupArn;
use crd_schema::application::RuleTarget;
use planner::Weights;
use serde_json::json;

use crate::clients::Connection;
use crate::error::Error;
use crate::names::Names;
use crate::read::groups;
use crate::survey::Group;
use crate::write::AwsWriter;

/// Writes by the person's own rights, each call once.
#[derive(Debug, Clone)]
pub struct MoveIn {
    writer: AwsWriter,
}

impl MoveIn {
    /// Uses the writer's clients: nothing is tried twice.
    pub fn new(connection: &Connection, names: Names) -> Self {
        Self {
            writer: AwsWriter::new(connection, names),
        }
    }

    /// Tags a service, in one call: it has all of the tags then or none.
    ///
    /// # Errors
    /// When it was not done, or nobody knows whether it was; doing it again is harmless.
    pub async fn tag(&self, service: &str, tags: &BTreeMap<String, String>) -> Result<(), Error> {
        self.writer.tag(service, tags).await
    }

    /// Creates a group like another one: its settings and attributes, `name`. One that is there already and has these
    /// settings is taken as it is; ELB refuses one that has others.
    ///
    /// # Errors
    /// When it was not done, or nobody knows whether it was; doing it again is harmless.
    pub async fn second_group(
        &self,
        like: &Group,
        attributes: &BTreeMap<String, String>,
        name: &str,
    ) -> Result<TargetGroupArn, Error> {
        let mut body = like.settings.clone();
        body.insert("Name".to_owned(), json!(name));
        self.writer.create_group(name, &body).await?;
        let arn = groups::named(&self.writer.clients, name).await?;
        let has = groups::attributes(&self.writer.clients, &arn).await?;
        let differ = attributes
            .iter()
            .filter(|(key, value)| has.get(*key) != Some(value));
        let differ: BTreeMap<String, String> = differ
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        if !differ.is_empty() {
            self.writer.set_attributes(&arn, &differ).await?;
        }
        Ok(arn)
    }

    /// Names a second group in a forward, at weight 0 beside `weight` of the first. All else of the rule stays.
    ///
    /// # Errors
    /// When it was not done, or nobody knows whether it was; doing it again is harmless.
    pub async fn name_at_zero(
        &self,
        place: &RuleTarget,
        groups: [&TargetGroupArn; 2],
        weight: u32,
    ) -> Result<(), Error> {
        let Some(weights) = Weights::new([Some(weight), Some(0)]) else {
            return Ok(());
        };
        let sides = groups.map(|group| Some(group.clone()));
        self.writer.set_weights(place, &sides, &[], weights).await
    }
}
