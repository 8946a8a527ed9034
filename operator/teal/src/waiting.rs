//! What a status says of one wish: the pure heart of `teal release --wait`.

use std::time::Duration;

use crd_schema::Status;
use crd_schema::record::{Ended, Generation, Outcome};
use crd_schema::status::{Condition, ConditionType, Phase, Truth};

use crate::failure::Exit;

/// A state in which nothing moves is believed after this long: a hold may pass by itself.
const HELD_FOR: Duration = Duration::from_secs(10);

/// One write of `desired`: the version that PutParameter returned, told apart from a deleted and re-created parameter's
/// by what the status had observed before the write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wish {
    /// `Version`, as PutParameter returned it.
    pub(crate) version: i64,
    /// The generation that the status had observed before the write.
    pub(crate) after: Option<Generation>,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing yet.
    Pending,
    /// It serves alone.
    Converged,
    /// It will not.
    Failed {
        /// The exit code.
        exit: Exit,
        /// Why.
        why: String,
    },
}

impl Wish {
    fn is(&self, generation: Generation) -> bool {
        generation.version == self.version && self.is_after(generation)
    }

    fn is_after(&self, generation: Generation) -> bool {
        self.after.is_none_or(|after| generation > after)
    }

    /// The operator has taken this wish, or a later one, into account.
    pub(crate) fn is_observed(&self, status: &Status) -> bool {
        status
            .observed_generation
            .is_some_and(|seen| self.is_after(seen) && seen.version >= self.version)
    }

    /// Judges by one status. `still` is for how long it has said what it says.
    pub(crate) fn judge(&self, status: &Status, still: Duration) -> Verdict {
        if !self.is_observed(status) {
            return Verdict::Pending;
        }
        let newer = status
            .observed_generation
            .is_some_and(|seen| !self.is(seen));
        if let Some(ended) = status
            .history
            .iter()
            .rev()
            .find(|ended| self.is(ended.generation))
        {
            return ended_as(ended, status, newer);
        }
        let going_back = status.phase == Phase::RollingBack;
        if let Some(rejected) = status
            .rejected
            .as_ref()
            .filter(|rejected| self.is(rejected.generation) && !going_back)
        {
            return failed(
                Exit::Rejected,
                format!("{} was rejected: {}", rejected.version, rejected.reason),
            );
        }
        if newer && status.rollout.is_none_or(|rollout| !self.is(rollout)) {
            let by = status
                .desired
                .as_ref()
                .map_or("another version", |desired| &desired.version);
            return failed(
                Exit::Superseded,
                format!("a newer wish took its place: {by}"),
            );
        }
        if newer {
            return Verdict::Pending;
        }
        if let Some(unreadable) = holds(status, ConditionType::DesiredUnreadable, "DesiredInvalid")
        {
            return failed(Exit::Invalid, unreadable.message.clone());
        }
        if self.serves_alone(status) {
            return Verdict::Converged;
        }
        let person = status.waiting_on.as_ref().filter(|waiting| {
            still >= HELD_FOR
                && ["Promotion", "Approval", "Paused", "AllPaused"]
                    .contains(&waiting.reason.as_str())
        });
        if let Some(waiting) = person {
            let why = match waiting.reason.as_str() {
                "Promotion" | "Approval" => format!("it waits for {}", waiting.message),
                _ => waiting.message.clone(),
            };
            return failed(Exit::NeedsPerson, why);
        }
        let stalled = condition(status, ConditionType::Stalled)
            .filter(|stalled| still >= HELD_FOR && !stalled.message.is_empty());
        stalled.map_or(Verdict::Pending, |stalled| {
            failed(
                Exit::NeedsPerson,
                format!("{}: {}", stalled.reason, stalled.message),
            )
        })
    }

    /// Settled on exactly what was asked for.
    fn serves_alone(&self, status: &Status) -> bool {
        let (Some(desired), Some(serving)) = (&status.desired, &status.serving) else {
            return false;
        };
        let ready =
            condition(status, ConditionType::Ready).and_then(|ready| ready.observed_generation);
        status.phase == Phase::Settled
            && self.is(desired.generation)
            && ready.is_some_and(|generation| self.is(generation))
            && desired.digest == serving.digest
    }
}

fn ended_as(ended: &Ended, status: &Status, newer: bool) -> Verdict {
    let version = &ended.version;
    match ended.outcome {
        Outcome::Succeeded => Verdict::Converged,
        Outcome::RolledBack => {
            let rejected = status
                .rejected
                .as_ref()
                .filter(|rejected| rejected.generation == ended.generation);
            let why = rejected.map_or("see the operator's log", |rejected| &rejected.reason);
            failed(Exit::Rejected, format!("{version} was rolled back: {why}"))
        }
        Outcome::Aborted if newer => failed(
            Exit::Superseded,
            format!("the rollout of {version} was ended by a newer wish"),
        ),
        Outcome::Aborted => failed(
            Exit::Rejected,
            format!("the rollout of {version} was ended"),
        ),
        Outcome::Superseded => failed(
            Exit::Superseded,
            format!("a newer release took the place of {version}"),
        ),
    }
}

fn failed(exit: Exit, why: String) -> Verdict {
    Verdict::Failed { exit, why }
}

/// The condition, if it is True.
pub(crate) fn condition(status: &Status, kind: ConditionType) -> Option<&Condition> {
    status
        .conditions
        .iter()
        .find(|condition| condition.kind == kind && condition.status == Truth::True)
}

fn holds<'a>(status: &'a Status, kind: ConditionType, reason: &str) -> Option<&'a Condition> {
    condition(status, kind).filter(|condition| condition.reason == reason)
}

#[cfg(test)]
mod tests {
    use crd_schema::record::Stage;
    use serde_json::{Value, json};

    use super::*;

    const LONG: Duration = Duration::from_secs(60);
    const OLD: Generation = Generation {
        date: 1_000,
        version: 4,
    };
    const OURS: Generation = Generation {
        date: 2_000,
        version: 5,
    };
    const NEWER: Generation = Generation {
        date: 3_000,
        version: 6,
    };
    const WISH: Wish = Wish {
        version: 5,
        after: Some(OLD),
    };

    /// Settled on the release of `generation`.
    fn settled(generation: Generation) -> Status {
        let ready = json!({"type": "Ready", "status": "True", "reason": "Settled", "message": "", "lastTransitionTime": "2026-11-21T10:00:00Z", "observedGeneration": generation});
        status(json!({
            "phase": "Settled", "stage": "Settled", "observedGeneration": generation,
            "desired": {"version": "1.4.0", "generation": generation, "digest": "d"},
            "serving": {"version": "1.4.0", "digest": "d", "service": "s"},
            "conditions": [ready],
        }))
    }

    fn moving(observed: Generation, rollout: Generation) -> Status {
        status(
            json!({"phase": "Progressing", "stage": "Shift", "observedGeneration": observed, "rollout": rollout}),
        )
    }

    fn status(mut members: Value) -> Status {
        members["name"] = json!("blog");
        serde_json::from_value(members).unwrap()
    }

    fn ended(generation: Generation, outcome: Outcome) -> Ended {
        let at = jiff::Timestamp::UNIX_EPOCH;
        Ended {
            generation,
            version: "1.4.0".into(),
            outcome,
            began: at,
            ended: at,
        }
    }

    fn with_history(mut status: Status, generation: Generation, outcome: Outcome) -> Status {
        status.history.push(ended(generation, outcome));
        status
    }

    fn exit(verdict: &Verdict) -> Option<Exit> {
        match verdict {
            Verdict::Failed { exit, .. } => Some(*exit),
            Verdict::Pending | Verdict::Converged => None,
        }
    }

    #[test]
    fn the_success_of_an_earlier_release_is_not_this_ones() {
        assert_eq!(WISH.judge(&settled(OLD), LONG), Verdict::Pending);
        assert_eq!(
            WISH.judge(&with_history(settled(OLD), OLD, Outcome::Succeeded), LONG),
            Verdict::Pending
        );
        assert_eq!(WISH.judge(&settled(OURS), LONG), Verdict::Converged);
    }

    #[test]
    fn a_deleted_parameters_versions_do_not_count() {
        // It was deleted and written again: our write is version 1 with a later date.
        let wish = Wish {
            version: 1,
            after: Some(OLD),
        };
        assert_eq!(wish.judge(&settled(OLD), LONG), Verdict::Pending);
        let earlier = Generation {
            date: 10,
            version: 1,
        };
        assert_eq!(
            wish.judge(
                &with_history(settled(OLD), earlier, Outcome::RolledBack),
                LONG
            ),
            Verdict::Pending
        );
        assert_eq!(
            wish.judge(
                &settled(Generation {
                    date: 2_000,
                    version: 1
                }),
                LONG
            ),
            Verdict::Converged
        );
    }

    #[test]
    fn what_was_asked_for_serves_already() {
        let same = settled(OURS);
        assert!(same.history.is_empty());
        assert_eq!(WISH.judge(&same, Duration::ZERO), Verdict::Converged);
        let mut other = settled(OURS);
        other.serving.as_mut().unwrap().digest = "e".into();
        assert_eq!(WISH.judge(&other, LONG), Verdict::Pending);
    }

    #[test]
    fn an_ended_rollout_is_judged_by_how_it_ended() {
        let outcome =
            |outcome| exit(&WISH.judge(&with_history(moving(OURS, OURS), OURS, outcome), LONG));
        assert_eq!(outcome(Outcome::Succeeded), None);
        assert_eq!(outcome(Outcome::RolledBack), Some(Exit::Rejected));
        assert_eq!(outcome(Outcome::Aborted), Some(Exit::Rejected));
        assert_eq!(outcome(Outcome::Superseded), Some(Exit::Superseded));
        let cancelled = with_history(settled(NEWER), OURS, Outcome::Aborted);
        assert_eq!(exit(&WISH.judge(&cancelled, LONG)), Some(Exit::Superseded));
    }

    #[test]
    fn a_rejection_is_told_when_traffic_is_back() {
        let mut status = moving(OURS, OURS);
        status.rejected = serde_json::from_value(
            json!({"generation": OURS, "version": "1.4.0", "reason": "exit code 1"}),
        )
        .unwrap();
        (status.phase, status.stage) = (Phase::RollingBack, Stage::RollBack);
        assert_eq!(WISH.judge(&status, Duration::ZERO), Verdict::Pending);
        status.phase = Phase::Failed;
        let verdict = WISH.judge(&status, Duration::ZERO);
        assert_eq!(exit(&verdict), Some(Exit::Rejected));
        assert!(matches!(verdict, Verdict::Failed { why, .. } if why.contains("exit code 1")));
    }

    #[test]
    fn a_newer_wish_ends_the_waiting_unless_this_one_is_still_on_its_way() {
        assert_eq!(WISH.judge(&moving(NEWER, OURS), LONG), Verdict::Pending);
        assert_eq!(
            exit(&WISH.judge(&moving(NEWER, NEWER), LONG)),
            Some(Exit::Superseded)
        );
        assert_eq!(
            exit(&WISH.judge(&settled(NEWER), LONG)),
            Some(Exit::Superseded)
        );
    }

    #[test]
    fn a_hold_is_believed_when_it_lasts() {
        let mut status = moving(OURS, OURS);
        status.conditions = serde_json::from_value(json!([
            {"type": "Stalled", "status": "True", "reason": "UnlistedRule", "message": "add the rule", "lastTransitionTime": "2026-11-21T10:00:00Z"}
        ])).unwrap();
        assert_eq!(
            WISH.judge(&status, Duration::from_secs(9)),
            Verdict::Pending
        );
        assert_eq!(
            exit(&WISH.judge(&status, HELD_FOR)),
            Some(Exit::NeedsPerson)
        );
    }

    #[test]
    fn a_freeze_is_waited_out() {
        let mut status = settled(OLD);
        (status.phase, status.observed_generation) = (Phase::Holding, Some(OURS));
        status.waiting_on = serde_json::from_value(
            json!({"reason": "Frozen", "message": "the freeze to end", "since": "2026-11-20T14:00:00Z", "deadline": "2026-11-23T00:00:00Z"}),
        )
        .unwrap();
        assert_eq!(WISH.judge(&status, LONG), Verdict::Pending);
    }

    #[test]
    fn a_wish_that_cannot_be_used_is_invalid_input() {
        let mut status = settled(OLD);
        status.observed_generation = Some(OURS);
        status.conditions = serde_json::from_value(json!([
            {"type": "DesiredUnreadable", "status": "True", "reason": "DesiredInvalid", "message": "write a version", "lastTransitionTime": "2026-11-21T10:00:00Z"}
        ])).unwrap();
        assert_eq!(
            exit(&WISH.judge(&status, Duration::ZERO)),
            Some(Exit::Invalid)
        );
    }
}
