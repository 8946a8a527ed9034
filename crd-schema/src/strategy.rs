//! How traffic moves from blue to green.

use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Number;

use crate::identity::{AnalysisName, GateName};

/// The way from the first weight to the last, which is everything; or none at all, where ECS updates the service in place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Strategy {
    /// In order, each weight and each scale above the one before, and no weight above the scale; none moves everything
    /// at once. After the last one comes everything.
    pub steps: Vec<Step>,
    /// One service for life, which ECS's own rolling update brings from release to release. It has no steps.
    pub rolling: bool,
}

/// One step while traffic moves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Green gets this share of requests, on every production rule.
    SetWeight(Share),
    /// Green has this share of blue's tasks, rounded up: from its creation on where it is the first step. After the
    /// last step it has as many.
    SetScale(Share),
    /// Nothing happens: for this long, or until a person promotes.
    Pause(Option<Duration>),
    /// This gate must pass.
    Gate(GateName),
    /// This analysis must have gone well.
    Analysis(AnalysisName),
}

/// A share of requests in tenths of a percent, 0 to 1000. AWS's weights go to 999 each
/// (<https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_TargetGroupTuple.html>), so that a
/// tenth of a percent is the finest share that two weights of one forward can always tell.
///
/// Written as a number of percent.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(try_from = "f64", into = "Number")]
#[schemars(with = "f64", extend("minimum" = 0, "maximum" = 100, "multipleOf" = 0.1))]
pub struct Share(u16);

impl Strategy {
    /// All at once.
    pub const BLUE_GREEN: Self = Self::of(Vec::new());

    /// ECS's own rolling update.
    pub const ROLLING: Self = Self {
        steps: Vec::new(),
        rolling: true,
    };

    /// Step by step.
    pub const fn of(steps: Vec<Step>) -> Self {
        Self {
            steps,
            rolling: false,
        }
    }

    /// Equal steps with equal waits between them; `share` above 0.
    ///
    /// ```
    /// use crd_schema::strategy::{Share, Step, Strategy};
    ///
    /// let minute = std::time::Duration::from_secs(60);
    /// let steps = Strategy::linear(Share::tenths(400).unwrap(), minute).steps;
    /// let at = |tenths| Step::SetWeight(Share::tenths(tenths).unwrap());
    /// let pause = Step::Pause(Some(minute));
    /// assert_eq!(steps, [at(400), pause.clone(), at(800), pause]);
    /// ```
    pub fn linear(share: Share, interval: Duration) -> Self {
        let weights = (1..).map(|step| share.0.saturating_mul(step));
        let steps = weights
            .take_while(|tenths| (1..Share::ALL.0).contains(tenths))
            .flat_map(|tenths| [Step::SetWeight(Share(tenths)), Step::Pause(Some(interval))])
            .collect();
        Self::of(steps)
    }

    /// A small share for a while, then everything.
    pub fn canary(share: Share, interval: Duration) -> Self {
        Self::of(vec![Step::SetWeight(share), Step::Pause(Some(interval))])
    }

    /// The share that green has while step `index` runs: the last one set up to it; everything after the last step.
    pub fn share_at(&self, index: usize) -> Share {
        if index >= self.steps.len() {
            return Share::ALL;
        }
        let so_far = self.steps.iter().take(index + 1).rev();
        so_far
            .filter_map(|step| match step {
                Step::SetWeight(share) => Some(*share),
                Step::SetScale(_) | Step::Pause(_) | Step::Gate(_) | Step::Analysis(_) => None,
            })
            .next()
            .unwrap_or_default()
    }

    /// The share of blue's tasks that green has while step `index` runs: the last one set up to it; all of them where
    /// none was, and after the last step.
    pub fn scale_at(&self, index: usize) -> Share {
        if index >= self.steps.len() {
            return Share::ALL;
        }
        let so_far = self.steps.iter().take(index + 1).rev();
        so_far
            .filter_map(|step| match step {
                Step::SetScale(share) => Some(*share),
                Step::SetWeight(_) | Step::Pause(_) | Step::Gate(_) | Step::Analysis(_) => None,
            })
            .next()
            .unwrap_or(Share::ALL)
    }

    /// The latest step that begins with at most this share, for one whose place was lost.
    pub fn step_at(&self, live: Share) -> usize {
        if live >= Share::ALL {
            return self.steps.len();
        }
        let reached = |step: &Step| match step {
            Step::SetWeight(share) => *share <= live,
            Step::SetScale(_) | Step::Pause(_) | Step::Gate(_) | Step::Analysis(_) => false,
        };
        self.steps.iter().rposition(reached).unwrap_or(0)
    }
}

impl Share {
    /// Everything.
    pub const ALL: Self = Self(1000);

    /// `tenths` of a percent; `None` above 1000.
    pub fn tenths(tenths: u16) -> Option<Self> {
        (tenths <= Self::ALL.0).then_some(Self(tenths))
    }

    /// This many percent, 0 to 100, to a tenth; `None` for anything else.
    ///
    /// ```
    /// use crd_schema::strategy::Share;
    ///
    /// assert_eq!(Share::percent(0.1), Share::tenths(1));
    /// assert_eq!(Share::percent(0.15), None);
    /// assert_eq!(Share::percent(-1.0), None);
    /// ```
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "0 to 1000 is all that is let through"
    )]
    pub fn percent(percent: f64) -> Option<Self> {
        let tenths = (percent * 10.0).round();
        let exact = (percent * 10.0 - tenths).abs() < 1e-6;
        (exact && (0.0..=1000.0).contains(&tenths)).then_some(Self(tenths as u16))
    }

    /// The part that `weight` is of `sum`, rounded down; nothing of nothing.
    pub fn of(weight: u32, sum: u32) -> Self {
        let tenths = u64::from(weight) * 1000 / u64::from(sum.max(1));
        Self(
            u16::try_from(tenths)
                .unwrap_or(Self::ALL.0)
                .min(Self::ALL.0),
        )
    }

    /// What is left of everything.
    #[must_use]
    pub fn rest(self) -> Self {
        Self(Self::ALL.0 - self.0)
    }

    /// In tenths of a percent, 0 to 1000.
    pub fn get(self) -> u32 {
        u32::from(self.0)
    }

    /// Of `tasks`, those that this share needs, rounded up; at least 1.
    pub fn needs(self, tasks: u32) -> u32 {
        let tasks = (u64::from(tasks) * u64::from(self.0)).div_ceil(1000);
        u32::try_from(tasks).unwrap_or(u32::MAX).max(1)
    }
}

impl TryFrom<f64> for Share {
    type Error = &'static str;

    fn try_from(percent: f64) -> Result<Self, Self::Error> {
        Self::percent(percent).ok_or("write a percentage from 0 to 100, to a tenth")
    }
}

impl From<Share> for Number {
    fn from(share: Share) -> Self {
        let tenths = f64::from(share.0) / 10.0;
        let whole = Self::from(share.0 / 10);
        if share.0.is_multiple_of(10) {
            whole
        } else {
            Self::from_f64(tenths).unwrap_or(whole)
        }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0 / 10, self.0 % 10) {
            (percent, 0) => write!(f, "{percent} %"),
            (percent, tenth) => write!(f, "{percent}.{tenth} %"),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SetWeight(share) => write!(f, "setWeight {share}"),
            Self::SetScale(share) => write!(f, "setScale {share}"),
            Self::Pause(Some(time)) => {
                let time =
                    jiff::fmt::friendly::SpanPrinter::new().unsigned_duration_to_string(time);
                write!(f, "pause {time}")
            }
            Self::Pause(None) => f.write_str("pause until promoted"),
            Self::Gate(name) => write!(f, "gate {name}"),
            Self::Analysis(name) => write!(f, "analysis {name}"),
        }
    }
}
