//! The CloudWatch alarms that a deployment watched.

use super::draft::Draft;

/// Says which alarms there were.
pub(super) fn watched(draft: &mut Draft, names: &[&str]) {
    if !names.is_empty() {
        draft.remark(format!(
            "Its deployments watch the alarms {}.",
            names.join(", ")
        ));
    }
}
