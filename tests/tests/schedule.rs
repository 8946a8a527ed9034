//! Freezes, through the real SDK, under load: nothing begins in one, and what is on its way goes on.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says so by failing"
)]

use std::time::Duration;

use emulator::world::Settings;
use jiff::{Timestamp, ToSpan};
use runtime::controller::Settings as Loop;
use serde_json::json;
use tests::wire::Wire;
use tests::{Operator, Stage};

const HOUR: Duration = Duration::from_secs(3_600);

/// The blog at 1.3.0 with users, and a freeze of two hours that begins soon.
struct Scene {
    stage: Stage,
    _operator: Operator,
    freeze: [Timestamp; 2],
}

impl Scene {
    async fn new() -> Self {
        let now = wall(&Stage::new());
        // Windows are written to the minute.
        let begins = now.as_second() / 60 * 60 + 1_800;
        let freeze = [begins, begins + 7_200].map(|at| Timestamp::from_second(at).unwrap());
        let local = freeze.map(|at| {
            let berlin = at.in_tz("Europe/Berlin").unwrap();
            berlin.strftime("%Y-%m-%dT%H:%M").to_string()
        });
        let window = json!({"from": local[0], "to": local[1]});
        let schedule = json!({"timeZone": "Europe/Berlin", "freeze": [window]});
        let mut stage = Stage::with(Settings::default(), |mut application| {
            application["spec"]["schedule"] = schedule.clone();
            application
        });
        stage.wish("1.3.0");
        let wire = Wire::new(&stage.emulator);
        let operator = Operator::start_over(&wire, &stage.emulator, Loop::default(), true);
        stage.settled_on("1.3.0").await;
        stage.open(10.0);
        Self {
            stage,
            _operator: operator,
            freeze,
        }
    }

    async fn comes(&self, at: Timestamp) {
        let there = |stage: &Stage| wall(stage) >= at;
        self.stage.until("the time", 3 * HOUR, there).await;
    }

    /// When the last release that ended began, and when it ended.
    fn last(&self) -> [Timestamp; 2] {
        let history = &self.stage.get("status")["history"];
        let last = history.as_array().unwrap().last().unwrap();
        ["began", "ended"].map(|when| last[when].as_str().unwrap().parse().unwrap())
    }

    fn nobody_lost_a_request(&self) {
        let users = self.stage.users();
        assert!(users.requests > 100, "users were there: {users:?}");
        assert_eq!(users.failed, 0, "{users:?}");
    }
}

fn wall(stage: &Stage) -> Timestamp {
    let ms = stage.emulator.with(|world| world.epoch_unix_ms + world.now);
    Timestamp::from_millisecond(i64::try_from(ms).unwrap()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_release_begins_when_the_freeze_has_ended() {
    let scene = Scene::new().await;
    let [begins, ends] = scene.freeze;
    scene.comes(begins).await;
    scene.stage.wish("1.4.0");
    let frozen = |stage: &Stage| stage.get("status")["waitingOn"]["reason"] == "Frozen";
    scene.stage.until("frozen", HOUR, frozen).await;
    let status = scene.stage.get("status");
    assert_eq!(status["phase"], "Holding");
    assert_eq!(status["waitingOn"]["deadline"], ends.to_string());
    let writes = scene.stage.writes();
    let soon = ends.checked_sub(5.seconds()).unwrap();
    scene.comes(soon).await;
    assert_eq!(scene.stage.live(), [("1.3.0".to_owned(), 0)]);
    assert_eq!(scene.stage.writes(), writes, "nothing at all was written");
    scene.stage.settled_on("1.4.0").await;
    let [began, ended] = scene.last();
    assert!(
        began >= ends && began < ends.checked_add(10.seconds()).unwrap(),
        "{began}"
    );
    assert!(ended > began);
    scene.nobody_lost_a_request();
}

#[tokio::test(start_paused = true)]
async fn what_is_on_its_way_and_what_a_person_insists_on_does_not_wait() {
    let scene = Scene::new().await;
    let [begins, ends] = scene.freeze;
    scene.comes(begins.checked_sub(20.seconds()).unwrap()).await;
    scene.stage.wish("1.4.0");
    scene.comes(begins).await;
    scene.stage.settled_on("1.4.0").await;
    let [began, ended] = scene.last();
    assert!(began < begins && begins < ended && ended < ends);
    let insists = json!({"version": "1.5.0", "overrideFreeze": true});
    scene.stage.wish(&insists.to_string());
    scene.stage.settled_on("1.5.0").await;
    let [began, ended] = scene.last();
    assert!(begins < began && ended < ends);
    scene.nobody_lost_a_request();
}
