//! Fields that are refused by name: known to AWS or to the design, but owned by the operator or not supported yet.
//!
//! Each stands in the schema as a property that nothing satisfies (`not: {}`), with the reason as its text.

use schemars::{Schema, json_schema};
use serde_json::{Map, Value, json};

pub(super) fn in_spec(schema: &mut Schema) {
    refuse(
        schema,
        "region",
        "`region` is reserved and not supported yet: the operator works in its own region; leave it out",
    );
    refuse(
        schema,
        "roleArn",
        "`roleArn` is reserved and not supported yet: the operator works with its own role; leave it out",
    );
}

pub(super) fn in_headers(schema: &mut Schema) {
    let names = json!({ "pattern": "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$", "format": "header-name", "maxLength": 100 });
    schema.insert("propertyNames".into(), names);
    schema.insert(
        "additionalProperties".into(),
        json!({ "type": "string", "format": "header-value", "maxLength": 500 }),
    );
}

pub(super) fn in_service(schema: &mut Schema) {
    for (name, instead) in [
        (
            "serviceName",
            "it is made from the application's name and the version",
        ),
        ("cluster", "write `spec.cluster`"),
        ("taskDefinition", "write `spec.template.taskDefinition`"),
        ("loadBalancers", "write `spec.traffic.routes`"),
        ("clientToken", "it is made for each release"),
    ] {
        refuse(
            schema,
            name,
            &format!("the operator owns `{name}`: {instead}; remove it here"),
        );
    }
    for name in ["serviceRegistries", "vpcLatticeConfigurations"] {
        refuse(schema, name, &past_the_load_balancer(name));
    }
    if let Some(connect) = schema
        .pointer_mut("/properties/serviceConnectConfiguration")
        .and_then(Value::as_object_mut)
    {
        let text = past_the_load_balancer("serviceConnectConfiguration.services");
        connect.insert("properties".into(), json!({ "services": refusal(&text) }));
    }
}

/// What AWS takes as a tag, less the keys that AWS and the operator keep for themselves.
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-using-tags.html>)
pub(super) fn in_tags(schema: &mut Schema) {
    let keys = json!({ "pattern": "^(?!aws:|teal:)", "format": "tag-key", "minLength": 1, "maxLength": 128 });
    schema.insert("propertyNames".into(), keys);
    schema.insert(
        "additionalProperties".into(),
        json!({ "type": "string", "maxLength": 256 }),
    );
}

fn past_the_load_balancer(name: &str) -> String {
    format!(
        "`{name}` is not supported yet: it carries traffic past the load balancer, where no weight holds; remove it"
    )
}

fn refuse(schema: &mut Schema, name: &str, text: &str) {
    let properties = schema
        .ensure_object()
        .entry("properties")
        .or_insert_with(|| Map::new().into());
    if let Some(properties) = properties.as_object_mut() {
        properties.insert(name.to_owned(), refusal(text));
    }
}

fn refusal(text: &str) -> Value {
    json_schema!({ "description": text, "not": {}, "errorMessage": text, "doNotSuggest": true })
        .to_value()
}
