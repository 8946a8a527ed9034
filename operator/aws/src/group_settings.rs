//! A target group's settings: from a template as ELB describes it, as AWS's own JSON, to a request that creates another.

use aws_sdk_elasticloadbalancingv2::operation::create_target_group::builders::CreateTargetGroupFluentBuilder;
use aws_sdk_elasticloadbalancingv2::types::{
    Matcher, ProtocolEnum, Tag, TargetGroup, TargetGroupIpAddressTypeEnum, TargetTypeEnum,
};
use serde_json::{Map, Value, json};

/// CreateTargetGroup's members as this group has them, all but the name and the tags.
pub(crate) fn of(group: &TargetGroup) -> Map<String, Value> {
    let matcher = group.matcher().map(|matcher| {
        let codes = [
            ("HttpCode", matcher.http_code()),
            ("GrpcCode", matcher.grpc_code()),
        ];
        let given = codes
            .into_iter()
            .filter_map(|(kind, codes)| Some((kind.to_owned(), json!(codes?))));
        Value::Object(given.collect())
    });
    let members = [
        ("Protocol", group.protocol().map(|one| json!(one.as_str()))),
        (
            "ProtocolVersion",
            group.protocol_version().map(|one| json!(one)),
        ),
        ("Port", group.port().map(|one| json!(one))),
        ("VpcId", group.vpc_id().map(|one| json!(one))),
        (
            "TargetType",
            group.target_type().map(|one| json!(one.as_str())),
        ),
        (
            "IpAddressType",
            group.ip_address_type().map(|one| json!(one.as_str())),
        ),
        (
            "TargetControlPort",
            group.target_control_port().map(|one| json!(one)),
        ),
        (
            "HealthCheckProtocol",
            group.health_check_protocol().map(|one| json!(one.as_str())),
        ),
        (
            "HealthCheckPort",
            group.health_check_port().map(|one| json!(one)),
        ),
        (
            "HealthCheckEnabled",
            group.health_check_enabled().map(|one| json!(one)),
        ),
        (
            "HealthCheckPath",
            group.health_check_path().map(|one| json!(one)),
        ),
        (
            "HealthCheckIntervalSeconds",
            group.health_check_interval_seconds().map(|one| json!(one)),
        ),
        (
            "HealthCheckTimeoutSeconds",
            group.health_check_timeout_seconds().map(|one| json!(one)),
        ),
        (
            "HealthyThresholdCount",
            group.healthy_threshold_count().map(|one| json!(one)),
        ),
        (
            "UnhealthyThresholdCount",
            group.unhealthy_threshold_count().map(|one| json!(one)),
        ),
        ("Matcher", matcher),
    ];
    members
        .into_iter()
        .filter_map(|(member, value)| Some((member.to_owned(), value?)))
        .collect()
}

/// The request with the members of `body`; none when it has one that cannot be sent.
pub(crate) fn request(
    create: CreateTargetGroupFluentBuilder,
    body: &Map<String, Value>,
) -> Option<CreateTargetGroupFluentBuilder> {
    body.iter().try_fold(create, |create, (member, value)| {
        let text = || value.as_str();
        let number = || value.as_i64().and_then(|number| i32::try_from(number).ok());
        Some(match member.as_str() {
            "Name" => create.name(text()?),
            "Protocol" => create.protocol(ProtocolEnum::from(text()?)),
            "ProtocolVersion" => create.protocol_version(text()?),
            "Port" => create.port(number()?),
            "VpcId" => create.vpc_id(text()?),
            "TargetType" => create.target_type(TargetTypeEnum::from(text()?)),
            "IpAddressType" => create.ip_address_type(TargetGroupIpAddressTypeEnum::from(text()?)),
            "TargetControlPort" => create.target_control_port(number()?),
            "HealthCheckProtocol" => create.health_check_protocol(ProtocolEnum::from(text()?)),
            "HealthCheckPort" => create.health_check_port(text()?),
            "HealthCheckEnabled" => create.health_check_enabled(value.as_bool()?),
            "HealthCheckPath" => create.health_check_path(text()?),
            "HealthCheckIntervalSeconds" => create.health_check_interval_seconds(number()?),
            "HealthCheckTimeoutSeconds" => create.health_check_timeout_seconds(number()?),
            "HealthyThresholdCount" => create.healthy_threshold_count(number()?),
            "UnhealthyThresholdCount" => create.unhealthy_threshold_count(number()?),
            "Matcher" => {
                let code = |kind: &str| value.get(kind).and_then(Value::as_str).map(str::to_owned);
                let matcher = Matcher::builder()
                    .set_http_code(code("HttpCode"))
                    .set_grpc_code(code("GrpcCode"));
                create.matcher(matcher.build())
            }
            "Tags" => create.set_tags(Some(tags(value)?)),
            _ => return None,
        })
    })
}

fn tags(list: &Value) -> Option<Vec<Tag>> {
    let tag = |tag: &Value| {
        let text = |member: &str| tag.get(member).and_then(Value::as_str);
        Some(
            Tag::builder()
                .key(text("Key")?)
                .value(text("Value")?)
                .build(),
        )
    };
    list.as_array()?.iter().map(tag).collect()
}
