//! How long each stage took, as far as somebody looked.

use crd_schema::Status;
use crd_schema::record::Stage;
use tokio::time::Instant;

use crate::commands::status::text::length;

/// When each stage was first seen. A status tells only which one it is.
#[derive(Debug, Default)]
pub(super) struct Stages {
    entered: Vec<(Stage, Instant)>,
    ended: Option<Instant>,
}

impl Stages {
    /// Takes in a status that tells of the release in question.
    pub(super) fn see(&mut self, status: &Status, at: Instant) {
        let stage = status.stage;
        if stage == Stage::Settled {
            self.ended.get_or_insert(at);
            return;
        }
        if self.ended.take().is_some() {
            self.entered.clear();
        }
        if !self.entered.iter().any(|(entered, _)| *entered == stage) {
            self.entered.push((stage, at));
        }
    }

    /// Each stage so far, with how long it took or has taken.
    pub(super) fn took(&self, now: Instant) -> Vec<(&'static str, String)> {
        let end = self.ended.unwrap_or(now);
        let until = self.entered.iter().skip(1).map(|(_, at)| *at).chain([end]);
        let took = self
            .entered
            .iter()
            .zip(until)
            .map(|((stage, from), until)| {
                (
                    stage.as_str(),
                    length(until.saturating_duration_since(*from)),
                )
            });
        took.collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    fn status() -> Status {
        serde_json::from_value(json!({"name": "blog", "phase": "Progressing", "stage": "ScaleUp"}))
            .unwrap()
    }

    #[test]
    fn stages_are_timed_from_when_they_were_seen() {
        let (mut stages, start) = (Stages::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut status = status();
        for (stage, seconds) in [
            (Stage::ScaleUp, 0),
            (Stage::ScaleUp, 5),
            (Stage::Shift, 12),
            (Stage::Settled, 75),
        ] {
            status.stage = stage;
            stages.see(&status, at(seconds));
        }
        let took = |stages: &Stages, seconds| stages.took(at(seconds));
        let all = [
            ("ScaleUp", "12 s".to_owned()),
            ("Shift", "1 min 3 s".to_owned()),
        ];
        assert_eq!(took(&stages, 500), all);
        status.stage = Stage::ScaleUp;
        stages.see(&status, at(600));
        assert_eq!(
            took(&stages, 601),
            [("ScaleUp", "1 s".to_owned())],
            "another release begins anew"
        );
    }
}
