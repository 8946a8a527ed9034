//! What the operator may write: one of these a reconcile.

use std::collections::BTreeMap;
use std::fmt;

use crd_schema::TargetGroupArn;
use crd_schema::application::RuleTarget;
use crd_schema::record::Record;
use crd_schema::strategy::Share;
use serde_json::{Map, Value};

use crate::ablation::Rule;
use crate::scaling::Change;
use crate::time::Mono;
use crate::tuning::Tuning;
use crate::world::Side;

/// One mutating AWS call, complete: the executor has no choices left.
#[derive(Clone, PartialEq)]
pub enum Write {
    /// SSM PutParameter of the record.
    PutRecord(Box<Record>),
    /// ECS RegisterTaskDefinition.
    RegisterTaskDefinition {
        /// Content digest of the release it renders.
        digest: String,
        /// The request, AWS's own JSON.
        body: Map<String, Value>,
    },
    /// ELB CreateTargetGroup.
    CreateTargetGroup {
        /// `Name`.
        name: String,
        /// The side that it will hold.
        side: Side,
        /// The request, AWS's own JSON.
        body: Map<String, Value>,
    },
    /// ELB ModifyTargetGroupAttributes on a group of ours that nothing is bound to yet.
    SetGroupAttributes {
        /// ARN.
        group: TargetGroupArn,
        /// The attributes to set.
        attributes: BTreeMap<String, String>,
    },
    /// ECS CreateService.
    CreateService {
        /// `serviceName`.
        name: String,
        /// The group it is bound to.
        side: Side,
        /// The request, AWS's own JSON.
        body: Map<String, Value>,
    },
    /// ECS UpdateService with a desired count.
    ScaleService {
        /// `serviceName`.
        name: String,
        /// The count that the plan saw.
        from: u32,
        /// The count to set.
        to: u32,
    },
    /// ECS UpdateService with a task definition: a rolling update.
    UpdateService {
        /// `serviceName`.
        name: String,
        /// Task definition ARN that the plan saw.
        from: String,
        /// Task definition ARN to run.
        to: String,
        /// The request, AWS's own JSON.
        body: Map<String, Value>,
    },
    /// ELB ModifyListener or ModifyRule: the forward's groups and weights; all else is sent as read.
    SetWeights {
        /// Which rule.
        rule: RuleTarget,
        /// The group that holds each side.
        groups: [Option<TargetGroupArn>; 2],
        /// Groups without weight that the forward does not name any more.
        forget: Vec<TargetGroupArn>,
        /// The weights that the plan saw.
        seen: [Option<u32>; 2],
        /// The weights to set.
        weights: Weights,
        /// Health of each group whose weight rises.
        evidence: Vec<Evidence>,
    },
    /// ECS TagResource on a service.
    TagService {
        /// `serviceName`.
        name: String,
        /// ARN.
        arn: String,
        /// Tag key.
        key: String,
        /// Tag value.
        value: String,
    },
    /// ECS DeleteService without force.
    DeleteService {
        /// `serviceName`.
        name: String,
    },
    /// ELB DeleteTargetGroup. ELB refuses it while any rule refers to the group.
    DeleteTargetGroup {
        /// ARN.
        group: TargetGroupArn,
    },
    /// ECS DeregisterTaskDefinition.
    DeregisterTaskDefinition {
        /// ARN.
        arn: String,
    },
    /// A call to Application Auto Scaling about one service.
    SetScaling {
        /// `serviceName`.
        name: String,
        /// What changes.
        change: Change,
    },
}

/// Without the request, which carries what the template has in its environment.
impl fmt::Debug for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.operation(), self.describe())
    }
}

impl Write {
    /// The AWS operation, as in IAM and in metrics.
    pub fn operation(&self) -> &'static str {
        match self {
            Self::PutRecord(_) => "PutParameter",
            Self::RegisterTaskDefinition { .. } => "RegisterTaskDefinition",
            Self::CreateTargetGroup { .. } => "CreateTargetGroup",
            Self::SetGroupAttributes { .. } => "ModifyTargetGroupAttributes",
            Self::CreateService { .. } => "CreateService",
            Self::ScaleService { .. } | Self::UpdateService { .. } => "UpdateService",
            Self::SetWeights {
                rule: RuleTarget::Listener(_),
                ..
            } => "ModifyListener",
            Self::SetWeights {
                rule: RuleTarget::Rule(_),
                ..
            } => "ModifyRule",
            Self::TagService { .. } => "TagResource",
            Self::DeleteService { .. } => "DeleteService",
            Self::DeleteTargetGroup { .. } => "DeleteTargetGroup",
            Self::DeregisterTaskDefinition { .. } => "DeregisterTaskDefinition",
            Self::SetScaling { change, .. } => change.operation(),
        }
    }

    /// Some group's weight changes: to name one at 0, or no longer to name one without weight, moves nothing.
    pub fn moves_traffic(&self) -> bool {
        let number = |weight: Option<u32>| weight.unwrap_or(0);
        match self {
            Self::SetWeights { seen, weights, .. } => seen.map(number) != weights.get().map(number),
            Self::PutRecord(_)
            | Self::RegisterTaskDefinition { .. }
            | Self::CreateTargetGroup { .. }
            | Self::SetGroupAttributes { .. }
            | Self::CreateService { .. }
            | Self::ScaleService { .. }
            | Self::UpdateService { .. }
            | Self::SetScaling { .. }
            | Self::TagService { .. }
            | Self::DeleteService { .. }
            | Self::DeleteTargetGroup { .. }
            | Self::DeregisterTaskDefinition { .. } => false,
        }
    }

    /// Something that runs is taken away: waits for Q∞ after an unknown outcome. A rolling update takes away only what it
    /// puts something in the place of.
    pub fn is_destructive(&self) -> bool {
        match self {
            Self::ScaleService { from, to, .. } => to < from,
            Self::SetScaling { change, .. } => matches!(change, Change::Deregister),
            Self::DeleteService { .. }
            | Self::DeleteTargetGroup { .. }
            | Self::DeregisterTaskDefinition { .. } => true,
            Self::PutRecord(_)
            | Self::RegisterTaskDefinition { .. }
            | Self::CreateTargetGroup { .. }
            | Self::SetGroupAttributes { .. }
            | Self::CreateService { .. }
            | Self::UpdateService { .. }
            | Self::SetWeights { .. }
            | Self::TagService { .. } => false,
        }
    }

    /// For people: what it does, in one line.
    pub fn describe(&self) -> String {
        match self {
            Self::PutRecord(record) => match &record.rollout {
                Some(rollout) => format!(
                    "write down: {} of {}",
                    rollout.stage.as_str(),
                    rollout.release.version
                ),
                None => "write down: settled".to_owned(),
            },
            Self::RegisterTaskDefinition { digest, .. } => {
                format!("register the task definition of release {digest}")
            }
            Self::CreateTargetGroup { name, side, .. } => {
                format!("create target group {name} for side {side:?}")
            }
            Self::SetGroupAttributes { group, attributes } => format!(
                "set {} on target group {group}",
                attributes.keys().cloned().collect::<Vec<_>>().join(", ")
            ),
            Self::CreateService { name, side, body } => {
                if body.contains_key("loadBalancers") {
                    format!("create service {name} on group {side:?}")
                } else {
                    format!("create service {name}")
                }
            }
            Self::ScaleService { name, from, to } => {
                format!("scale service {name} from {from} to {to}")
            }
            Self::UpdateService { name, from, to, .. } => {
                format!(
                    "update service {name} from {} to {}",
                    short(from),
                    short(to)
                )
            }
            Self::SetWeights {
                rule,
                weights,
                forget,
                ..
            } => {
                let [a, b] = weights.get();
                let show =
                    |weight: Option<u32>| weight.map_or_else(|| "-".to_owned(), |w| w.to_string());
                let place = match rule {
                    RuleTarget::Listener(arn) => arn.as_str(),
                    RuleTarget::Rule(arn) => arn.as_str(),
                };
                let without: String = forget
                    .iter()
                    .map(|group| format!(" without {group}"))
                    .collect();
                format!(
                    "set weights A={} B={} on {place}{without}",
                    show(a),
                    show(b)
                )
            }
            Self::TagService {
                name, key, value, ..
            } => format!("tag service {name} with {key}={value}"),
            Self::DeleteService { name } => format!("delete service {name}"),
            Self::DeleteTargetGroup { group } => format!("delete target group {group}"),
            Self::DeregisterTaskDefinition { arn } => format!("deregister task definition {arn}"),
            Self::SetScaling { name, change } => change.describe(name),
        }
    }
}

/// A task definition without what all of an account's ARNs share.
fn short(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

/// Weights of the two sides in one forward. Cannot say "nothing", nor a sum of zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weights([Option<u32>; 2]);

impl Weights {
    /// AWS's largest weight.
    pub const MAX: u32 = 999;

    /// These weights; `None` when the sum is zero or one is above [`Weights::MAX`].
    pub fn new(weights: [Option<u32>; 2]) -> Option<Self> {
        let sum: u32 = weights.iter().flatten().sum();
        (sum > 0 && weights.iter().flatten().all(|w| *w <= Self::MAX)).then_some(Self(weights))
    }

    /// Everything to `side`, the other group named at 0.
    pub fn all_to(side: Side) -> Self {
        let mut weights = [Some(0); 2];
        weights[side.index()] = Some(100);
        Self(weights)
    }

    /// Everything to `side`, the other group not named.
    pub fn only(side: Side) -> Self {
        let mut weights = [None; 2];
        weights[side.index()] = Some(100);
        Self(weights)
    }

    /// `percent` (1–100) to `side`, the rest to the other.
    pub fn split(side: Side, percent: u32) -> Self {
        let percent = percent.clamp(1, 100);
        let mut weights = [Some(100 - percent); 2];
        weights[side.index()] = Some(percent);
        Self(weights)
    }

    /// This share to `side`, the rest to the other: in whole percent where that is exact.
    ///
    /// ```
    /// use crd_schema::strategy::Share;
    /// use planner::{Side, Weights};
    ///
    /// let of = |tenths| Weights::share(Side::B, Share::tenths(tenths).unwrap()).get();
    /// assert_eq!(of(100), [Some(90), Some(10)]);
    /// assert_eq!(of(1), [Some(999), Some(1)]);
    /// assert_eq!(of(1000), [Some(0), Some(100)]);
    /// ```
    pub fn share(side: Side, share: Share) -> Self {
        let tenths = share.get();
        let (own, all) = if tenths.is_multiple_of(10) {
            (tenths / 10, 100)
        } else {
            (tenths, 1000)
        };
        let mut weights = [Some(all - own); 2];
        weights[side.index()] = Some(own);
        Self(weights)
    }

    /// The same without the sides that have no group to name; `None` when nothing would be left.
    pub(crate) fn of(self, exists: [bool; 2]) -> Option<Self> {
        let mut weights = self.0;
        for (weight, exists) in weights.iter_mut().zip(exists) {
            *weight = weight.filter(|_| exists);
        }
        Self::new(weights)
    }

    /// By [`Side::index`].
    pub fn get(self) -> [Option<u32>; 2] {
        self.0
    }
}

/// Why a weight may rise: health that was seen twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Evidence {
    /// Whose weight rises.
    pub side: Side,
    /// Healthy targets of the service's own tasks, the fewest of the readings.
    pub healthy: u32,
    /// How many the new weight needs.
    pub need: u32,
    /// When the older of the two readings was taken.
    pub first: Mono,
    /// When the newest was taken.
    pub last: Mono,
}

impl Evidence {
    /// Neither reading is older than one may be, but for the time that lies between the two.
    pub fn is_fresh(&self, now: Mono, tuning: &Tuning) -> bool {
        let old = now.since(self.last) > tuning.evidence_age
            || now.since(self.first) > tuning.evidence_age + tuning.health_gap;
        !old || tuning.without(Rule::FreshReadings)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_printed_of_a_write_is_never_its_request() {
        let body = json!({"containerDefinitions": [{"environment": [{"name": "KEY", "value": "s3cret"}]}]});
        let body = body.as_object().unwrap().clone();
        let name = "blog-1".to_owned();
        let (digest, side) = ("4f".to_owned(), Side::B);
        let writes = [
            Write::RegisterTaskDefinition {
                digest,
                body: body.clone(),
            },
            Write::CreateTargetGroup {
                name: name.clone(),
                side,
                body: body.clone(),
            },
            Write::CreateService { name, side, body },
        ];
        let printed = writes.each_ref().map(|write| format!("{write:?}"));
        assert_eq!(
            printed,
            [
                "RegisterTaskDefinition (register the task definition of release 4f)",
                "CreateTargetGroup (create target group blog-1 for side B)",
                "CreateService (create service blog-1)",
            ]
        );
    }
}
