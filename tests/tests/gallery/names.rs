//! Names: asked for twice, or asked for again too soon.

use emulator::api::Service;
use emulator::faults::{Effect, FaultSettings, When};
use emulator::world::Settings;
use planner::ablation::Rule;

use crate::scene::{BLUE, GREEN, Scene, fault, pass, without, world};

/// 1.4.0 is taken back, and asked for again while its service drains. Returns refusals of CreateService.
async fn again_at_once(off: &[Rule]) -> usize {
    let slow = Settings {
        service_inactive_ms: 40_000,
        ..world()
    };
    let scene = Scene::serving_in(slow, |_| ()).await;
    let _operator = scene.operator(off);
    scene.stage.wish(GREEN);
    scene.stage.entered("Bake").await;
    scene.stage.wish(BLUE);
    let draining = scene.reaches(200, |_| {
        let service = scene.service(GREEN);
        service.is_some_and(|service| service["status"] == "DRAINING")
    });
    assert!(draining.await, "{}", scene.stage.picture());
    scene.stage.wish(GREEN);
    let settled = scene.settles_on(GREEN, 600).await;
    assert!(!off.is_empty() || settled, "{}", scene.stage.picture());
    assert_eq!(scene.failed(), 0);
    let calls = scene.calls("CreateService");
    calls
        .iter()
        .filter(|(_, _, outcome)| outcome != "ok")
        .count()
}

#[tokio::test(start_paused = true)]
async fn gallery_g24_the_same_version_again_at_once() {
    assert_eq!(again_at_once(&[]).await, 0);
}

#[tokio::test(start_paused = true)]
async fn gallery_g24_fails_without_a_name_of_its_own() {
    let off = [
        Rule::NewName,
        Rule::NameOfTheWish,
        Rule::EmptyGroupFirst,
        Rule::LookAgain,
        Rule::Guard,
    ];
    assert!(again_at_once(&off).await > 0);
}

/// The connection breaks after CreateService took effect, and reads lag. Returns services of 1.4.0 that were made.
async fn answer_lost(off: &[Rule]) -> usize {
    let scene = Scene::serving().await;
    let mut settings = without(off);
    if !off.is_empty() {
        settings.tuning.quiescence = std::time::Duration::ZERO;
    }
    let _operator = scene.operator_with(settings);
    pass(40).await;
    let lost = fault(
        Service::Ecs,
        "CreateService",
        When::Nth(1),
        Effect::LoseAnswer,
    );
    scene.stage.emulator.faults().set(FaultSettings {
        plan: vec![lost],
        read_lag_ms: [(Service::Ecs, 20_000)].into(),
        ..FaultSettings::default()
    });
    scene.stage.wish(GREEN);
    let begun = scene.reaches(60, |_| scene.service(GREEN).is_some());
    assert!(begun.await, "{}", scene.stage.picture());
    pass(60).await;
    scene.no_faults();
    let made = scene.stage.live();
    let made = made.iter().filter(|(version, _)| version == GREEN).count();
    assert!(!off.is_empty() || scene.settles_on(GREEN, 600).await);
    made
}

#[tokio::test(start_paused = true)]
async fn gallery_g25_created_and_not_told() {
    assert_eq!(answer_lost(&[]).await, 1);
}

#[tokio::test(start_paused = true)]
async fn gallery_g25_fails_without_quiescence_and_names_that_repeat() {
    let off = [Rule::SameName, Rule::LateLanding, Rule::Guard];
    assert!(answer_lost(&off).await > 1);
}
