//! A small evaluator of identity-based IAM policies, and what each request of the operator asks permission for.
//!
//! The rules are those of "Policy evaluation logic" and "IAM JSON policy elements: Condition operators" in the IAM user
//! guide; which resources and condition keys an action has is from the "Service Authorization Reference". What it does
//! not know of the policy language is an error, never a silent yes or no.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use emulator::Emulator;
use emulator::api::Service;
use serde_json::Value;

/// One permission that a request needs: a request can need several.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Asked {
    /// `ecs:UpdateService`.
    pub action: String,
    /// The ARN; `*` where the action has no resource.
    pub resource: String,
    /// Condition keys and their values.
    pub context: BTreeMap<String, BTreeSet<String>>,
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} on {} with {:?}",
            self.action, self.resource, self.context
        )
    }
}

/// An identity-based policy.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    statements: Vec<Statement>,
}

#[derive(Debug, Clone, PartialEq)]
struct Statement {
    sid: String,
    allow: bool,
    actions: Vec<String>,
    resources: Vec<String>,
    conditions: Vec<Condition>,
}

#[derive(Debug, Clone, PartialEq)]
struct Condition {
    operator: Operator,
    key: String,
    values: Vec<String>,
}

/// The operators that the shipped policies use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    StringEquals,
    EveryStringEquals,
    StringLike,
    ArnEquals,
    Null,
}

impl Policy {
    /// Reads a policy document.
    ///
    /// # Errors
    /// Whatever this evaluator does not know.
    pub fn parse(document: &str) -> Result<Self, String> {
        let document: Value = serde_json::from_str(document).map_err(|error| error.to_string())?;
        let statements = document["Statement"].as_array().ok_or("no statements")?;
        let statements = statements.iter().map(statement).collect::<Result<_, _>>()?;
        Ok(Self { statements })
    }

    /// The shipped policy of the operator with the ARNs of one's own listeners and rules in their place, as its README
    /// says.
    ///
    /// # Errors
    /// As [`Policy::parse`].
    pub fn shipped(listeners: &[String], rules: &[String]) -> Result<Self, String> {
        let mut policy = Self::parse(include_str!("../../manifests/iam/operator-policy.json"))?;
        policy.set_resources("ChangeWeightsOfListeners", listeners)?;
        policy.set_resources("ChangeWeightsOfRules", rules)?;
        Ok(policy)
    }

    /// The policy of who moves a service in, with the ARNs of one's own listeners in their place.
    ///
    /// # Errors
    /// When it has no such statement.
    pub fn naming(mut self, listeners: &[String]) -> Result<Self, String> {
        self.set_resources("NameTheSecondGroup", listeners)?;
        Ok(self)
    }

    fn set_resources(&mut self, sid: &str, resources: &[String]) -> Result<(), String> {
        let mut statements = self.statements.iter_mut();
        let found = statements.find(|statement| statement.sid == sid);
        found
            .ok_or_else(|| format!("no statement {sid}"))?
            .resources = resources.to_vec();
        Ok(())
    }

    /// The names of its statements.
    pub fn sids(&self) -> Vec<String> {
        let sids = self
            .statements
            .iter()
            .map(|statement| statement.sid.clone());
        sids.collect()
    }

    /// The policy without one of its statements.
    #[must_use]
    pub fn without(mut self, sid: &str) -> Self {
        self.statements.retain(|statement| statement.sid != sid);
        self
    }

    /// Allowed by a statement and denied by none.
    pub fn allows(&self, asked: &Asked) -> bool {
        let says = |allow| {
            let mut statements = self.statements.iter();
            statements.any(|statement| statement.allow == allow && statement.concerns(asked))
        };
        says(true) && !says(false)
    }
}

fn statement(from: &Value) -> Result<Statement, String> {
    let members = from.as_object().ok_or("a statement is an object")?;
    for name in members.keys() {
        if !["Sid", "Effect", "Action", "Resource", "Condition"].contains(&name.as_str()) {
            return Err(format!("{name} is not known here"));
        }
    }
    let allow = match from["Effect"].as_str() {
        Some("Allow") => true,
        Some("Deny") => false,
        other => return Err(format!("effect {other:?}")),
    };
    let mut conditions = Vec::new();
    for (operator, keys) in from["Condition"].as_object().into_iter().flatten() {
        let operator = match operator.as_str() {
            "StringEquals" => Operator::StringEquals,
            "ForAllValues:StringEquals" => Operator::EveryStringEquals,
            "StringLike" => Operator::StringLike,
            "ArnEquals" | "ArnLike" => Operator::ArnEquals,
            "Null" => Operator::Null,
            other => return Err(format!("the condition operator {other} is not known here")),
        };
        for (key, values) in keys.as_object().into_iter().flatten() {
            let (key, values) = (key.clone(), texts(values)?);
            conditions.push(Condition {
                operator,
                key,
                values,
            });
        }
    }
    Ok(Statement {
        sid: from["Sid"]
            .as_str()
            .ok_or("a statement has no Sid")?
            .to_owned(),
        allow,
        actions: texts(&from["Action"])?,
        resources: texts(&from["Resource"])?,
        conditions,
    })
}

fn texts(value: &Value) -> Result<Vec<String>, String> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let all = match value {
        Value::Array(values) => values.iter().map(text).collect(),
        one @ (Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Object(_)) => text(one).map(|one| vec![one]),
    };
    all.ok_or_else(|| format!("{value} is neither a text nor a list of texts"))
}

impl Statement {
    fn concerns(&self, asked: &Asked) -> bool {
        let action = asked.action.to_lowercase();
        let acts = |pattern: &String| matches(&pattern.to_lowercase(), &action);
        self.actions.iter().any(acts)
            && self
                .resources
                .iter()
                .any(|pattern| matches(pattern, &asked.resource))
            && self
                .conditions
                .iter()
                .all(|condition| condition.holds(asked))
    }
}

impl Condition {
    fn holds(&self, asked: &Asked) -> bool {
        let there = asked.context.get(&self.key);
        let equal = |value: &String| self.values.contains(value);
        let like = |value: &String| self.values.iter().any(|pattern| matches(pattern, value));
        match self.operator {
            Operator::StringEquals => there.is_some_and(|values| values.iter().any(equal)),
            Operator::EveryStringEquals => there.is_none_or(|values| values.iter().all(equal)),
            Operator::StringLike | Operator::ArnEquals => {
                there.is_some_and(|values| values.iter().any(like))
            }
            Operator::Null => {
                let absent = there.is_none_or(BTreeSet::is_empty);
                self.values.contains(&absent.to_string())
            }
        }
    }
}

/// `*` is any run of characters, `?` is any one.
fn matches(pattern: &str, text: &str) -> bool {
    let (mut pattern, mut text) = (pattern.chars(), text.chars());
    match pattern.next() {
        None => text.next().is_none(),
        Some('*') => {
            let rest = pattern.as_str();
            let mut ends = text
                .as_str()
                .char_indices()
                .map(|(at, _)| &text.as_str()[at..]);
            ends.any(|end| matches(rest, end)) || matches(rest, "")
        }
        Some('?') => text.next().is_some() && matches(pattern.as_str(), text.as_str()),
        Some(wanted) => text.next() == Some(wanted) && matches(pattern.as_str(), text.as_str()),
    }
}

/// What a request asks permission for.
///
/// # Errors
/// A request of which that is not written here.
pub fn asked(
    emulator: &Emulator,
    service: Service,
    operation: &str,
    input: &Value,
) -> Result<Vec<Asked>, String> {
    let (account, region) = emulator.with(|world| {
        (
            world.settings.account.clone(),
            world.settings.region.clone(),
        )
    });
    let arn = |service: &str, path: &str| format!("arn:aws:{service}:{region}:{account}:{path}");
    let text = |member: &str| input[member].as_str().unwrap_or_default().to_owned();
    let list = |member: &str| -> Vec<String> {
        let all = input[member].as_array().into_iter().flatten();
        all.filter_map(|one| one.as_str().map(str::to_owned))
            .collect()
    };
    let one = |_: &str, resource: String, context| Asked {
        action: service.iam_action(operation),
        resource,
        context,
    };
    let any = |prefix: &str| vec![one(prefix, "*".to_owned(), BTreeMap::new())];
    let cluster = || {
        text("cluster")
            .rsplit('/')
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    let in_cluster = || {
        key(
            "ecs:cluster",
            [arn("ecs", &format!("cluster/{}", cluster()))],
        )
    };
    let in_ecs = |kind: &str, name: &str| {
        let named = arn("ecs", &format!("{kind}/{}/{name}", cluster()));
        if name.starts_with("arn:") {
            name.to_owned()
        } else {
            named
        }
    };
    let parameter = |name: &str| {
        one(
            "ssm",
            arn("ssm", &format!("parameter{name}")),
            BTreeMap::new(),
        )
    };
    let requested = || tags(&input["tags"], "aws:RequestTag");
    // Tagging at creation is a permission of its own.
    let tagging = |resource: &str| {
        let mut context = requested();
        context.extend(key("ecs:CreateAction", [operation.to_owned()]));
        let action = "ecs:TagResource".to_owned();
        let tagged = !input["tags"].as_array().is_none_or(Vec::is_empty);
        tagged.then(|| Asked {
            action,
            resource: resource.to_owned(),
            context,
        })
    };
    let asked = match (service, operation) {
        (Service::Ecs, "ListServices" | "ListTasks") => {
            vec![one("ecs", "*".to_owned(), in_cluster())]
        }
        (Service::Ecs, "DescribeServices") => list("services")
            .iter()
            .map(|name| one("ecs", in_ecs("service", name), in_cluster()))
            .collect(),
        (Service::Ecs, "DescribeTasks") => list("tasks")
            .iter()
            .map(|name| one("ecs", in_ecs("task", name), in_cluster()))
            .collect(),
        (
            Service::Ecs,
            "DescribeTaskDefinition" | "ListTaskDefinitions" | "DeregisterTaskDefinition",
        ) => any("ecs"),
        (Service::Ecs, "RegisterTaskDefinition") => {
            let resource = arn("ecs", &format!("task-definition/{}", text("family")));
            let roles = [text("taskRoleArn"), text("executionRoleArn")];
            let mut all = vec![one("ecs", resource.clone(), requested())];
            all.extend(tagging(&resource));
            all.extend(
                roles
                    .into_iter()
                    .filter(|role| !role.is_empty())
                    .map(|resource| Asked {
                        action: "iam:PassRole".to_owned(),
                        resource,
                        context: key(
                            "iam:PassedToService",
                            ["ecs-tasks.amazonaws.com".to_owned()],
                        ),
                    }),
            );
            all
        }
        (Service::Ecs, "RunTask") => {
            let named = text("taskDefinition");
            let definition = if named.starts_with("arn:") {
                named
            } else {
                arn("ecs", &format!("task-definition/{named}"))
            };
            let mut context = requested();
            context.extend(in_cluster());
            let mut all = vec![one("ecs", definition, context)];
            // The end of the ARN is ECS's to choose.
            all.extend(tagging(&in_ecs("task", "new")));
            all
        }
        (Service::Ecs, "StopTask") => {
            let resource = in_ecs("task", &text("task"));
            let mut context = tags_of(emulator, &resource);
            context.extend(in_cluster());
            vec![one("ecs", resource, context)]
        }
        (Service::Ecs, "CreateService") => {
            let resource = in_ecs("service", &text("serviceName"));
            let mut context = requested();
            context.extend(in_cluster());
            let mut all = vec![one("ecs", resource.clone(), context)];
            all.extend(tagging(&resource));
            all
        }
        (Service::Ecs, "UpdateService" | "DeleteService") => {
            let resource = in_ecs("service", &text("service"));
            let mut context = tags_of(emulator, &resource);
            context.extend(in_cluster());
            vec![one("ecs", resource, context)]
        }
        (Service::Ecs, "TagResource") => {
            let resource = text("resourceArn");
            let mut context = tags_of(emulator, &resource);
            context.extend(requested());
            vec![one("ecs", resource, context)]
        }
        (
            Service::Elbv2,
            "DescribeListeners"
            | "DescribeRules"
            | "DescribeTargetGroups"
            | "DescribeTargetGroupAttributes"
            | "DescribeTargetHealth"
            | "DescribeTags",
        ) => any("elasticloadbalancing"),
        (Service::Elbv2, "CreateTargetGroup") => {
            // The end of the ARN is ELB's to choose.
            let resource = arn(
                "elasticloadbalancing",
                &format!("targetgroup/{}/new", text("Name")),
            );
            let requested = elb_tags(&input["Tags"], "aws:RequestTag");
            let mut context = requested.clone();
            context.extend(key(
                "elasticloadbalancing:CreateAction",
                [operation.to_owned()],
            ));
            let tagging = Asked {
                action: "elasticloadbalancing:AddTags".to_owned(),
                resource: resource.clone(),
                context,
            };
            let tags = input["Tags"]
                .as_array()
                .is_some_and(|tags| !tags.is_empty());
            let mut all = vec![one("elasticloadbalancing", resource, requested)];
            all.extend(tags.then_some(tagging));
            all
        }
        (Service::Elbv2, "ModifyTargetGroupAttributes" | "DeleteTargetGroup") => {
            let group = text("TargetGroupArn");
            let read = serde_json::json!({"ResourceArns": [group]});
            let read = emulator.call(Service::Elbv2, "DescribeTags", read);
            let tags = read.map_or_else(
                |_| Context::new(),
                |read| elb_tags(&read["TagDescriptions"][0]["Tags"], "aws:ResourceTag"),
            );
            vec![one("elasticloadbalancing", group, tags)]
        }
        (Service::Elbv2, "ModifyListener") => {
            vec![one(
                "elasticloadbalancing",
                text("ListenerArn"),
                BTreeMap::new(),
            )]
        }
        (Service::Elbv2, "ModifyRule") => {
            vec![one(
                "elasticloadbalancing",
                text("RuleArn"),
                BTreeMap::new(),
            )]
        }
        (Service::Ssm, "GetParametersByPath") => vec![parameter(&text("Path"))],
        (Service::Ssm, "GetParameter" | "PutParameter") => vec![parameter(&text("Name"))],
        (Service::Ssm, "GetParameters") => {
            list("Names").iter().map(|name| parameter(name)).collect()
        }
        (Service::DynamoDb, "GetItem" | "PutItem") => {
            let table = arn("dynamodb", &format!("table/{}", text("TableName")));
            vec![one("dynamodb", table, BTreeMap::new())]
        }
        (Service::CloudWatch, "DescribeAlarms") => list("AlarmNames")
            .iter()
            .map(|name| {
                let alarm = arn("cloudwatch", &format!("alarm:{name}"));
                one("cloudwatch", alarm, BTreeMap::new())
            })
            .collect(),
        (Service::CloudWatch, "GetMetricData") => any("cloudwatch"),
        (Service::Lambda, "Invoke") => {
            let named = text("FunctionName");
            let function = if named.starts_with("arn:") {
                named
            } else {
                arn("lambda", &format!("function:{named}"))
            };
            vec![one("lambda", function, BTreeMap::new())]
        }
        (
            Service::AutoScaling,
            "DescribeScalableTargets" | "DescribeScalingPolicies" | "DescribeScheduledActions",
        ) => any("application-autoscaling"),
        (
            Service::AutoScaling,
            "RegisterScalableTarget"
            | "PutScalingPolicy"
            | "PutScheduledAction"
            | "DeregisterScalableTarget",
        ) => {
            // AWS's id of a target is its own; what is asked for is told in the context.
            let target = arn(
                "application-autoscaling",
                "scalable-target/0ec50123456789abcdef",
            );
            let mut about = key(
                "application-autoscaling:service-namespace",
                [text("ServiceNamespace")],
            );
            about.extend(key(
                "application-autoscaling:scalable-dimension",
                [text("ScalableDimension")],
            ));
            vec![one("application-autoscaling", target, about)]
        }
        (service, operation) => {
            return Err(format!(
                "{service:?} {operation}: nobody wrote what it asks for"
            ));
        }
    };
    Ok(asked)
}

type Context = BTreeMap<String, BTreeSet<String>>;

fn key<const N: usize>(name: &str, values: [String; N]) -> Context {
    BTreeMap::from([(name.to_owned(), BTreeSet::from(values))])
}

/// Tags as condition keys under `prefix`, and the key that lists the tags' own keys when they are the request's.
fn tags(tags: &Value, prefix: &str) -> Context {
    let mut context = Context::new();
    for tag in tags.as_array().into_iter().flatten() {
        let (name, value) = (tag["key"].as_str(), tag["value"].as_str());
        let name = name.unwrap_or_default();
        context.extend(key(
            &format!("{prefix}/{name}"),
            [value.unwrap_or_default().to_owned()],
        ));
        if prefix == "aws:RequestTag" {
            context
                .entry("aws:TagKeys".to_owned())
                .or_default()
                .insert(name.to_owned());
        }
    }
    context
}

/// The same for tags as ELB writes them.
fn elb_tags(list: &Value, prefix: &str) -> Context {
    let lower = |tag: &Value| serde_json::json!({"key": tag["Key"], "value": tag["Value"]});
    let list = list.as_array().into_iter().flatten().map(lower);
    tags(&Value::Array(list.collect()), prefix)
}

/// The tags of an ECS resource as they are now.
fn tags_of(emulator: &Emulator, arn: &str) -> Context {
    let input = serde_json::json!({"resourceArn": arn});
    let read = emulator.call(Service::Ecs, "ListTagsForResource", input);
    read.map_or_else(
        |_| Context::new(),
        |read| tags(&read["tags"], "aws:ResourceTag"),
    )
}
