//! Each write as its AWS call.

use std::collections::BTreeMap;

use aws_sdk_ecs::config::http::HttpRequest;
use aws_sdk_ecs::types::Tag;
use aws_sdk_elasticloadbalancingv2::types::{
    Action, ForwardActionConfig, TargetGroupAttribute, TargetGroupTuple,
};
use aws_smithy_types::body::SdkBody;
use crd_schema::application::RuleTarget;
use crd_schema::record::Record;
use crd_schema::{Application, ApplicationName, TargetGroupArn};
use planner::{Weights, Write};
use serde_json::{Map, Value};

use crate::budget::Class;
use crate::error::{Error, Kind};
use crate::group_settings;
use crate::names::Leaf;
use crate::read::balancers::{self, Sides};
use crate::write::AwsWriter;

impl AwsWriter {
    /// Sends the write, once.
    pub(super) async fn send(&self, application: &Application, write: &Write) -> Result<(), Error> {
        let cluster = &application.cluster;
        match write {
            Write::PutRecord(record) => self.put_record(&application.name, record).await,
            Write::RegisterTaskDefinition { body, .. } => self.register(body).await,
            Write::CreateTargetGroup { name, body, .. } => self.create_group(name, body).await,
            Write::SetGroupAttributes { group, attributes } => {
                self.set_attributes(group, attributes).await
            }
            Write::DeleteTargetGroup { group } => {
                let send = self
                    .clients
                    .elb
                    .delete_target_group()
                    .target_group_arn(group.as_str())
                    .send();
                self.clients
                    .call(Class::ElbModify, "DeleteTargetGroup", group.as_str(), send)
                    .await
                    .map(drop)
            }
            Write::CreateService { name, body, .. } => self.create_service(name, body).await,
            Write::ScaleService { name, to, .. } => self.scale(cluster, name, *to).await,
            Write::UpdateService { name, body, .. } => self.update(name, body).await,
            Write::SetWeights {
                rule,
                groups,
                forget,
                weights,
                ..
            } => self.set_weights(rule, groups, forget, *weights).await,
            Write::TagService {
                arn, key, value, ..
            } => self.tag(arn, [(key, value)]).await,
            Write::DeleteService { name } => {
                let send = self
                    .clients
                    .ecs
                    .delete_service()
                    .cluster(cluster)
                    .service(name)
                    .send();
                self.clients
                    .call(Class::ServiceModify, "DeleteService", name, send)
                    .await
                    .map(drop)
            }
            Write::SetScaling { name, change } => self.set_scaling(cluster, name, change).await,
            Write::DeregisterTaskDefinition { arn } => {
                let send = self
                    .clients
                    .ecs
                    .deregister_task_definition()
                    .task_definition(arn)
                    .send();
                self.clients
                    .call(
                        Class::DefinitionModify,
                        "DeregisterTaskDefinition",
                        arn,
                        send,
                    )
                    .await
                    .map(drop)
            }
        }
    }

    async fn put_record(&self, name: &ApplicationName, record: &Record) -> Result<(), Error> {
        let text = serde_json::to_string(record).map_err(|error| {
            Error::own(
                Kind::Invalid,
                "PutParameter",
                name.as_str(),
                error.to_string(),
            )
        })?;
        self.parameters
            .put(name, Leaf::Record, &text)
            .await
            .map(drop)
    }

    /// The plan's JSON is the request: members that the SDK does not know yet are sent all the same.
    async fn register(&self, body: &Map<String, Value>) -> Result<(), Error> {
        let family = body
            .get("family")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let send = self
            .clients
            .ecs
            .register_task_definition()
            .family(family)
            .customize()
            .mutate_request(with_body(body));
        self.clients
            .call(
                Class::DefinitionModify,
                "RegisterTaskDefinition",
                family,
                send.send(),
            )
            .await
            .map(drop)
    }

    async fn create_service(&self, name: &str, body: &Map<String, Value>) -> Result<(), Error> {
        let send = self
            .clients
            .ecs
            .create_service()
            .service_name(name)
            .customize()
            .mutate_request(with_body(body));
        self.clients
            .call(Class::ServiceModify, "CreateService", name, send.send())
            .await
            .map(drop)
    }

    async fn update(&self, name: &str, body: &Map<String, Value>) -> Result<(), Error> {
        let send = self
            .clients
            .ecs
            .update_service()
            .service(name)
            .customize()
            .mutate_request(with_body(body));
        self.clients
            .call(Class::ServiceModify, "UpdateService", name, send.send())
            .await
            .map(drop)
    }

    /// The plan's JSON member by member: ELB's protocol takes no JSON.
    pub(crate) async fn create_group(
        &self,
        name: &str,
        body: &Map<String, Value>,
    ) -> Result<(), Error> {
        const OPERATION: &str = "CreateTargetGroup";
        let create = group_settings::request(self.clients.elb.create_target_group(), body);
        let create = create.ok_or_else(|| {
            let why = "the template has a setting that cannot be sent";
            Error::own(Kind::Invalid, OPERATION, name, why)
        })?;
        self.clients
            .call(Class::ElbModify, OPERATION, name, create.send())
            .await
            .map(drop)
    }

    pub(crate) async fn set_attributes(
        &self,
        group: &TargetGroupArn,
        attributes: &BTreeMap<String, String>,
    ) -> Result<(), Error> {
        let attributes = attributes.iter().map(|(key, value)| {
            TargetGroupAttribute::builder()
                .key(key)
                .value(value)
                .build()
        });
        let send = self
            .clients
            .elb
            .modify_target_group_attributes()
            .target_group_arn(group.as_str())
            .set_attributes(Some(attributes.collect()))
            .send();
        let operation = "ModifyTargetGroupAttributes";
        self.clients
            .call(Class::ElbModify, operation, group.as_str(), send)
            .await
            .map(drop)
    }

    async fn scale(&self, cluster: &str, name: &str, to: u32) -> Result<(), Error> {
        let to = i32::try_from(to).map_err(|_| {
            Error::own(
                Kind::Invalid,
                "UpdateService",
                name,
                format!("a count of {to} is too large"),
            )
        })?;
        let send = self
            .clients
            .ecs
            .update_service()
            .cluster(cluster)
            .service(name)
            .desired_count(to)
            .send();
        self.clients
            .call(Class::ServiceModify, "UpdateService", name, send)
            .await
            .map(drop)
    }

    /// All of them in one call: none of them is there without the others.
    pub(crate) async fn tag(
        &self,
        arn: &str,
        tags: impl IntoIterator<Item = (&String, &String)>,
    ) -> Result<(), Error> {
        let tags = tags
            .into_iter()
            .map(|(key, value)| Tag::builder().key(key).value(value).build());
        let send = self
            .clients
            .ecs
            .tag_resource()
            .resource_arn(arn)
            .set_tags(Some(tags.collect()))
            .send();
        self.clients
            .call(Class::TagModify, "TagResource", arn, send)
            .await
            .map(drop)
    }

    pub(crate) async fn set_weights(
        &self,
        rule: &RuleTarget,
        groups: &Sides,
        forget: &[TargetGroupArn],
        weights: Weights,
    ) -> Result<(), Error> {
        let arn = balancers::arn(rule);
        let operation = match rule {
            RuleTarget::Listener(_) => "ModifyListener",
            RuleTarget::Rule(_) => "ModifyRule",
        };
        // A read that fails here leaves nothing behind, whatever became of it.
        let actions = balancers::read_one(&self.clients, rule)
            .await
            .map_err(Error::before_sending)?;
        let actions = actions.ok_or_else(|| {
            Error::own(Kind::NotFound, operation, arn, "it does not exist any more")
        })?;
        let actions = with_weights(&actions, groups, forget, weights).ok_or_else(|| {
            Error::own(
                Kind::Conflict,
                operation,
                arn,
                "it is no longer exactly one forward",
            )
        })?;
        match rule {
            RuleTarget::Listener(listener) => {
                let send = self
                    .clients
                    .elb
                    .modify_listener()
                    .listener_arn(listener.as_str())
                    .set_default_actions(Some(actions));
                self.clients
                    .call(Class::ElbModify, operation, arn, send.send())
                    .await
                    .map(drop)
            }
            RuleTarget::Rule(rule) => {
                let send = self
                    .clients
                    .elb
                    .modify_rule()
                    .rule_arn(rule.as_str())
                    .set_actions(Some(actions));
                self.clients
                    .call(Class::ElbModify, operation, arn, send.send())
                    .await
                    .map(drop)
            }
        }
    }
}

/// Puts the plan's JSON in place of the body that the SDK serialized. Runs before the request is signed, so the
/// signature covers it.
pub(crate) fn with_body(
    body: &Map<String, Value>,
) -> impl Fn(&mut HttpRequest) + Send + Sync + 'static {
    let text = Value::Object(body.clone()).to_string();
    move |request| {
        request
            .headers_mut()
            .insert("content-length", text.len().to_string());
        *request.body_mut() = SdkBody::from(text.as_str());
    }
}

/// The same actions with these weights for the groups of the sides, and without those that are to be forgotten; `None`
/// unless they are exactly one forward. What stands before it is sent as read.
fn with_weights(
    actions: &[Action],
    sides: &Sides,
    forget: &[TargetGroupArn],
    weights: Weights,
) -> Option<Vec<Action>> {
    let (before, forward) = balancers::forward(actions)?;
    let mut forward = forward.clone();
    let mut config = forward
        .forward_config
        .take()
        .unwrap_or_else(|| ForwardActionConfig::builder().build());
    // One group may be named outside the list only: then it is the whole list, with weight 1.
    let outside = forward.target_group_arn.take();
    let named = config
        .target_groups
        .take()
        .filter(|named| !named.is_empty());
    let named = named.unwrap_or_else(|| {
        outside
            .into_iter()
            .map(|arn| {
                TargetGroupTuple::builder()
                    .target_group_arn(arn)
                    .weight(1)
                    .build()
            })
            .collect()
    });
    let ours = |tuple: &TargetGroupTuple| {
        let mut known = sides.iter().flatten().chain(forget);
        known.any(|group| tuple.target_group_arn() == Some(group.as_str()))
    };
    let mut groups = Vec::new();
    for (group, weight) in sides.iter().zip(weights.get()) {
        if let Some(weight) = weight {
            let group = group.as_ref()?;
            let weight = i32::try_from(weight).ok()?;
            groups.push(
                TargetGroupTuple::builder()
                    .target_group_arn(group.as_str())
                    .weight(weight)
                    .build(),
            );
        }
    }
    groups.extend(named.into_iter().filter(|tuple| !ours(tuple)));
    config.target_groups = Some(groups);
    forward.forward_config = Some(config);
    let mut actions: Vec<Action> = before.iter().cloned().map(with_its_secret).collect();
    actions.push(forward);
    Some(actions)
}

/// ELB never shows a client secret; a rule that has one keeps it when it is told to.
/// (<https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_AuthenticateOidcActionConfig.html>)
fn with_its_secret(mut action: Action) -> Action {
    if let Some(config) = &mut action.authenticate_oidc_config {
        config.client_secret = None;
        config.use_existing_client_secret = Some(true);
    }
    action
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_elasticloadbalancingv2::types::{
        ActionTypeEnum, AuthenticateCognitoActionConfig, AuthenticateOidcActionConfig,
        TargetGroupStickinessConfig,
    };
    use planner::Side;

    const A: &str = "arn:a";
    const B: &str = "arn:b";

    fn tuple(arn: &str, weight: i32) -> TargetGroupTuple {
        TargetGroupTuple::builder()
            .target_group_arn(arn)
            .weight(weight)
            .build()
    }

    fn forward(groups: Vec<TargetGroupTuple>, outside: Option<&str>) -> Action {
        let stickiness = TargetGroupStickinessConfig::builder()
            .enabled(true)
            .duration_seconds(77)
            .build();
        let config = ForwardActionConfig::builder()
            .set_target_groups(Some(groups))
            .target_group_stickiness_config(stickiness)
            .build();
        Action::builder()
            .r#type(ActionTypeEnum::Forward)
            .order(3)
            .set_target_group_arn(outside.map(str::to_owned))
            .forward_config(config)
            .build()
    }

    #[test]
    fn only_groups_and_weights_of_the_pair_change() {
        let pair = [A, B].map(|arn| Some(TargetGroupArn::new(arn)));
        let set = |one: Action, weights| with_weights(&[one], &pair, &[], weights);
        let read = forward(vec![tuple("arn:c", 5), tuple(A, 100)], None);
        let expected = forward(vec![tuple(A, 0), tuple(B, 100), tuple("arn:c", 5)], None);
        assert_eq!(
            set(read.clone(), Weights::all_to(Side::B)),
            Some(vec![expected])
        );
        assert_eq!(
            set(read, Weights::only(Side::B)),
            Some(vec![forward(vec![tuple(B, 100), tuple("arn:c", 5)], None)])
        );

        // ELB shows a single group twice, and takes it outside the list only when it is the only one.
        let single = forward(vec![tuple(A, 1)], Some(A));
        assert_eq!(
            set(single, Weights::all_to(Side::A)),
            Some(vec![forward(vec![tuple(A, 100), tuple(B, 0)], None)])
        );
        let outside = forward(Vec::new(), Some("arn:c"));
        assert_eq!(
            set(outside, Weights::only(Side::A)),
            Some(vec![forward(vec![tuple(A, 100), tuple("arn:c", 1)], None)])
        );
        let redirect = Action::builder().r#type(ActionTypeEnum::Redirect).build();
        assert_eq!(set(redirect.clone(), Weights::all_to(Side::A)), None);
        assert_eq!(
            with_weights(
                &[redirect, forward(vec![tuple(A, 1)], None)],
                &pair,
                &[],
                Weights::all_to(Side::A)
            ),
            None
        );
    }

    #[test]
    fn what_authenticates_is_sent_as_read_and_the_secret_stays_where_it_is() {
        let oidc = |existing: Option<bool>| {
            let config = AuthenticateOidcActionConfig::builder()
                .issuer("https://idp.example")
                .client_id("blog")
                .scope("openid email")
                .set_use_existing_client_secret(existing)
                .build();
            Action::builder()
                .r#type(ActionTypeEnum::AuthenticateOidc)
                .order(1)
                .authenticate_oidc_config(config)
                .build()
        };
        let cognito = Action::builder()
            .r#type(ActionTypeEnum::AuthenticateCognito)
            .order(2)
            .authenticate_cognito_config(
                AuthenticateCognitoActionConfig::builder()
                    .user_pool_client_id("blog")
                    .build(),
            )
            .build();
        let pair = [A, B].map(|arn| Some(TargetGroupArn::new(arn)));
        let read = [
            oidc(None),
            cognito.clone(),
            forward(vec![tuple(A, 100), tuple(B, 0)], None),
        ];
        let expected = vec![
            oidc(Some(true)),
            cognito,
            forward(vec![tuple(A, 0), tuple(B, 100)], None),
        ];
        assert_eq!(
            with_weights(&read, &pair, &[], Weights::all_to(Side::B)),
            Some(expected)
        );
    }

    #[test]
    fn a_side_without_a_group_is_not_named_and_a_spare_one_is_forgotten() {
        let sides = [None, Some(TargetGroupArn::new(B))];
        let spare = TargetGroupArn::new("arn:spare");
        let read = forward(vec![tuple("arn:spare", 0), tuple(B, 1)], None);
        let set = |weights| {
            with_weights(
                std::slice::from_ref(&read),
                &sides,
                std::slice::from_ref(&spare),
                weights,
            )
        };
        let expected = forward(vec![tuple(B, 100)], None);
        assert_eq!(set(Weights::only(Side::B)), Some(vec![expected]));
        assert_eq!(
            set(Weights::all_to(Side::A)),
            None,
            "there is no group on A to give weight to"
        );
    }
}
