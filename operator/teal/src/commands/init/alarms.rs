//! The CloudWatch alarms that a deployment watched.

use serde_json::json;

use super::draft::Draft;

/// They are watched here, too. `already`: what happens to one that is in ALARM before, where it is not refused.
pub(super) fn watched(draft: &mut Draft, names: &[&str], already: Option<&str>) {
    if names.is_empty() {
        return;
    }
    let mut alarms = json!({"names": names});
    if let Some(already) = already {
        alarms["onAlreadyInAlarm"] = json!(already);
    }
    draft.set("alarms", alarms);
}
