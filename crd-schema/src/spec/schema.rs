//! The JSON Schema of the document.

use std::borrow::Cow;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value;

use super::document::{
    Canary, Document, Linear, PerRelease, Percent, Preset, Service, Step, Strategy, Target,
    TargetGroups, TaskDefinition,
};
use super::refused;
use crate::identity::{AnalysisName, GateName, ListenerArn, RuleArn, TargetGroupArn};

/// The JSON Schema (draft 2020-12) of the Application document, without references.
///
/// `errorMessage` says what would be right (editors that know the keyword show it), `default` what holds when a
/// field is left out.
pub fn schema() -> Value {
    let settings =
        SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    settings
        .into_generator()
        .into_root_schema_for::<Document>()
        .to_value()
}

impl JsonSchema for TaskDefinition {
    fn schema_name() -> Cow<'static, str> {
        "TaskDefinition".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "object"],
            "minLength": 1,
            "maxLength": 266,
            "format": "family",
            "pattern": "^[A-Za-z0-9_-]{1,255}(:[0-9]+)?$",
            "properties": {
                "inline": {
                    "description": "AWS's own RegisterTaskDefinition JSON.",
                    "type": "object",
                    "minProperties": 1
                }
            },
            "required": ["inline"],
            "additionalProperties": false
        })
    }
}

impl JsonSchema for Service {
    fn schema_name() -> Cow<'static, str> {
        "Service".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let mut schema = json_schema!({
            "type": "object",
            "properties": {
                "desiredCount": {
                    "description": "Tasks of a first release; afterwards the live count counts.",
                    "type": "integer",
                    "minimum": 1,
                    "maximum": 5000
                },
                "schedulingStrategy": {
                    "const": "REPLICA",
                    "errorMessage": "only `REPLICA` is supported; leave it out"
                },
                "deploymentController": {
                    "type": "object",
                    "properties": {
                        "type": {
                            "const": "ECS",
                            "errorMessage": "only `ECS` is supported, since the operator itself moves traffic; leave it out"
                        }
                    }
                },
                "deploymentConfiguration": {
                    "type": "object",
                    "properties": {
                        "strategy": {
                            "const": "ROLLING",
                            "errorMessage": "only `ROLLING` is supported, since the operator itself moves traffic; leave it out"
                        }
                    }
                },
                "serviceConnectConfiguration": { "type": "object" }
            },
            "required": ["desiredCount"]
        });
        refused::in_service(&mut schema);
        schema
    }
}

impl JsonSchema for TargetGroups {
    fn schema_name() -> Cow<'static, str> {
        "TargetGroups".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "The target groups of blue and green: `{pair: [ARN, ARN]}` for two that they take turns on, or `{perRelease: {from: ARN}}` for a new one for each release. Of a service that is updated in place (`rolling`) `{single: ARN}`.",
            "type": "object",
            "properties": {
                "pair": {
                    "description": "Two different target groups, for life.",
                    "type": "array",
                    "items": generator.subschema_for::<TargetGroupArn>(),
                    "minItems": 2,
                    "maxItems": 2,
                    "errorMessage": "write exactly two target-group ARNs: one serves, the other waits for the next release"
                },
                "single": generator.subschema_for::<TargetGroupArn>(),
                "perRelease": generator.subschema_for::<PerRelease>()
            },
            "minProperties": 1,
            "maxProperties": 1,
            "additionalProperties": false,
            "errorMessage": "write exactly one of `pair: [ARN, ARN]`, `perRelease: {from: ARN}` and, with `strategy: {rolling: {}}`, `single: ARN`"
        })
    }
}

impl JsonSchema for Target {
    fn schema_name() -> Cow<'static, str> {
        "Target".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A place that forwards to the target groups: `{listener: ARN}` for a listener's default action, or `{rule: ARN}` for a rule with conditions.",
            "type": "object",
            "properties": {
                "listener": generator.subschema_for::<ListenerArn>(),
                "rule": generator.subschema_for::<RuleArn>()
            },
            "minProperties": 1,
            "maxProperties": 1,
            "additionalProperties": false,
            "errorMessage": "write exactly one of `listener: ARN` and `rule: ARN` in each entry"
        })
    }
}

impl JsonSchema for Strategy {
    fn schema_name() -> Cow<'static, str> {
        "Strategy".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one_of = "write exactly one of `blueGreen: {}`, `canary: {steps: […]}`, `linear: {stepPercent: 10, interval: 1m}`, `rolling: {}` and `preset: NAME`";
        json_schema!({
            "type": "object",
            "properties": {
                "blueGreen": {
                    "description": "All traffic at once, after green is healthy.",
                    "type": "object",
                    "additionalProperties": false,
                    "errorMessage": "write `blueGreen: {}`"
                },
                "canary": generator.subschema_for::<Canary>(),
                "linear": generator.subschema_for::<Linear>(),
                "rolling": {
                    "description": "One service for life: ECS's own rolling update replaces its tasks, within `minimumHealthyPercent` and `maximumPercent` of `deploymentConfiguration`. No weight moves.",
                    "type": "object",
                    "additionalProperties": false,
                    "errorMessage": "write `rolling: {}`; its bounds are `spec.template.service.deploymentConfiguration`"
                },
                "preset": generator.subschema_for::<Preset>()
            },
            "minProperties": 1,
            "maxProperties": 1,
            "additionalProperties": false,
            "errorMessage": one_of
        })
    }
}

impl JsonSchema for Step {
    fn schema_name() -> Cow<'static, str> {
        "Step".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut set_scale = generator.subschema_for::<Percent>();
        let what = "Percent of blue's tasks that green has from here on, 0.1 to 100, to a tenth, rounded up.";
        set_scale.insert("description".into(), what.into());
        json_schema!({
            "description": "One step: `{setWeight: 10}`, `{setScale: 20}` for as many percent of blue's tasks, `{pause: 5m}`, `{pause: {}}` until a person promotes, `{gate: NAME}` until that gate has passed, or `{analysis: NAME}` until that analysis has gone well.",
            "type": "object",
            "properties": {
                "setWeight": generator.subschema_for::<Percent>(),
                "setScale": set_scale,
                "gate": generator.subschema_for::<GateName>(),
                "analysis": generator.subschema_for::<AnalysisName>(),
                "pause": {
                    "description": "How long nothing happens; `{}` until a person promotes.",
                    "type": ["string", "object"],
                    "format": "deadline",
                    "additionalProperties": false,
                    "errorMessage": "write a length of time such as `5m`, or `{}` to wait until a person promotes"
                }
            },
            "minProperties": 1,
            "maxProperties": 1,
            "additionalProperties": false,
            "errorMessage": "write exactly one of `setWeight: PERCENT`, `setScale: PERCENT`, `pause: TIME`, `gate: NAME` and `analysis: NAME` in each step"
        })
    }
}
