//! Tags.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{AwsError, invalid};
use crate::api::json::{tag_list, tags, text, texts};
use crate::world::World;

const MOST: usize = 50;

/// The tags of the resource that `resourceArn` names in its long form.
fn of<'a>(
    world: &'a mut World,
    input: &Value,
) -> Result<&'a mut BTreeMap<String, String>, AwsError> {
    let arn = text(input, "resourceArn").unwrap_or_default();
    let resource = arn
        .splitn(6, ':')
        .nth(5)
        .ok_or_else(|| invalid("The specified resourceArn is not valid."))?;
    let missing = || {
        AwsError::new(
            "ResourceNotFoundException",
            "The specified resource could not be found.",
        )
    };
    match resource.split('/').collect::<Vec<_>>().as_slice() {
        ["cluster", name] => world
            .ecs
            .clusters
            .get_mut(*name)
            .map(|cluster| &mut cluster.tags)
            .ok_or_else(missing),
        ["service", _, _] => world
            .ecs
            .services
            .get_mut(arn)
            .map(|service| &mut service.tags)
            .ok_or_else(missing),
        ["task", _, _] => world
            .ecs
            .tasks
            .get_mut(arn)
            .map(|task| &mut task.tags)
            .ok_or_else(missing),
        ["task-definition", name] => name
            .split_once(':')
            .and_then(|(family, revision)| {
                world
                    .ecs
                    .families
                    .get_mut(family)?
                    .revisions
                    .get_mut(&revision.parse().ok()?)
            })
            .map(|definition| &mut definition.tags)
            .ok_or_else(missing),
        ["service" | "task", _] => Err(invalid(
            "Long arn format must be used for tagging operations",
        )),
        _ => Err(invalid("The specified resourceArn is not valid.")),
    }
}

pub(super) fn tag(world: &mut World, input: &Value) -> Result<Value, AwsError> {
    let known = of(world, input)?;
    let mut all = known.clone();
    all.extend(tags(input, "tags", "key", "value"));
    if all.len() > MOST {
        return Err(invalid(format!("A resource can have at most {MOST} tags.")));
    }
    *known = all;
    Ok(json!({}))
}

pub(super) fn untag(world: &mut World, input: &Value) -> Result<Value, AwsError> {
    let known = of(world, input)?;
    for key in texts(input, "tagKeys") {
        known.remove(key);
    }
    Ok(json!({}))
}

pub(super) fn list(world: &mut World, input: &Value) -> Result<Value, AwsError> {
    Ok(json!({ "tags": tag_list(of(world, input)?, "key", "value") }))
}
