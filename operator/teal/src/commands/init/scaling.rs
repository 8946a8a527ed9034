//! The autoscaling of the service.

use jiff::Timestamp;
use planner::scaling::{Place, Scaling, copied};

use super::draft::Draft;

/// Where the notes stand.
pub(super) const COUNT: &str = "/spec/template/service/desiredCount";

/// It moves with each release, or somebody must change it first.
pub(super) fn moves(draft: &mut Draft, service: &str, groups: Vec<&str>, scaling: &Scaling) {
    let here = Place { service, groups };
    draft.note(
        COUNT,
        format!("{}: that moves with each release", kept(scaling)),
    );
    // Whatever the time: what will never be due again is no reason to change anything.
    if let Err(why) = copied(scaling, &here, &here, Timestamp::UNIX_EPOCH) {
        draft.todo(COUNT, why);
    }
}

/// It scales the one service that is updated in place.
pub(super) fn stays(draft: &mut Draft, scaling: &Scaling) {
    draft.note(COUNT, format!("{}, and goes on doing so", kept(scaling)));
}

/// What it does now.
fn kept(scaling: &Scaling) -> String {
    let Scaling {
        min,
        max,
        policies,
        actions,
        ..
    } = scaling;
    let names: Vec<&str> = policies
        .keys()
        .chain(actions.keys())
        .map(String::as_str)
        .collect();
    let named = if names.is_empty() {
        String::new()
    } else {
        format!(" ({})", names.join(", "))
    };
    format!("Application Auto Scaling keeps it between {min} and {max}{named}")
}

#[cfg(test)]
mod tests {
    use planner::scaling::Policy;
    use serde_json::json;

    use super::*;

    #[test]
    fn it_moves_or_a_person_changes_it_first() {
        let policy = |kind: &str| Policy {
            body: json!({"PolicyType": kind}).as_object().unwrap().clone(),
            alarms: vec!["cpu-high".to_owned()],
        };
        let mut scaling = Scaling {
            min: 2,
            max: 10,
            policies: [("cpu".to_owned(), policy("TargetTrackingScaling"))].into(),
            ..Scaling::default()
        };
        let drafted = |scaling: &Scaling| {
            let mut draft = Draft::new("blog", "Written by a test.");
            draft.set("template", json!({"service": {"desiredCount": 4}}));
            moves(&mut draft, "blog", vec!["targetgroup/a/1"], scaling);
            let open = draft.open().to_vec();
            (draft.finish(), open)
        };
        let (text, open) = drafted(&scaling);
        assert!(
            text.contains("between 2 and 10 (cpu): that moves"),
            "{text}"
        );
        assert!(open.is_empty(), "{open:?}");
        scaling
            .policies
            .insert("more".to_owned(), policy("StepScaling"));
        let (_, open) = drafted(&scaling);
        assert!(open[0].contains("your alarm cpu-high"), "{open:?}");
        let mut draft = Draft::new("blog", "Written by a test.");
        stays(&mut draft, &scaling);
        assert_eq!(draft.open(), [""; 0]);
    }
}
