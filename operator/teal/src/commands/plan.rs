//! `teal plan APP`: the next step and why, from one look at the world. Nothing is written.

use aws::names::Leaf;
use crd_schema::{Application, ApplicationName};
use planner::world::Role;
use planner::{Memory, Mono, Plan, Tuning, World};
use runtime::clock::Clock;
use runtime::cloud::{Cloud, Focus};
use serde_json::json;

use crate::cli::{self, Global};
use crate::connect::{Aws, name};
use crate::failure::{Exit, Failure};
use crate::output::Style;

/// Looks once, and prints what an operator would do next.
pub(crate) async fn plan(
    global: &Global,
    arguments: &cli::Plan,
    style: Style,
) -> Result<(), Failure> {
    let name = name(&arguments.application)?;
    let aws = Aws::connect(global).await?;
    let clock = Clock::system();
    let cloud = aws.cloud(clock);
    let application = spec(&aws, &name).await?;
    let (world, memory) = look(&cloud, &application, clock).await;
    let plan = planner::plan(
        &application,
        &world,
        &memory,
        &Tuning::long_awake(),
        clock.now(),
    );
    tell(&name.to_string(), &plan, style);
    if let planner::WaitingOn::Observation { what } = &plan.report.waiting_on {
        return Err(Failure::new(
            Exit::Refused,
            format!("without this no step is planned: {what}"),
        ));
    }
    Ok(())
}

/// The spec in force of an application.
pub(super) async fn spec(aws: &Aws, name: &ApplicationName) -> Result<Application, Failure> {
    let parameter = aws.names.parameter(name, Leaf::Spec);
    let found = aws.parameters().get(name, Leaf::Spec).await?;
    let text = found.ok_or_else(|| aws.unknown(name))?.text;
    let application = crd_schema::spec::load(&text, &parameter).map_err(|invalid| {
        Failure::new(
            Exit::Invalid,
            format!("the spec is not valid\n{}", invalid.to_string().trim_end()),
        )
    })?;
    if application.name != *name {
        let why = format!(
            "{parameter} holds the Application {}: its metadata.name must be {name}",
            application.name
        );
        return Err(Failure::new(Exit::Invalid, why));
    }
    Ok(application)
}

/// One round of reads; a second one that looks at what the record names, when there is such a thing.
pub(super) async fn look(
    cloud: &impl Cloud,
    application: &Application,
    clock: Clock,
) -> (World, Memory) {
    let mut memory = Memory::new(Mono::default());
    let mut focus = Focus {
        spec_present: true,
        ..Focus::default()
    };
    let mut world = cloud.observe(application, &focus).await;
    memory.absorb(&world, &Tuning::long_awake(), clock.now());
    let (base, services) = memory.focus(application);
    if (&base, &services) != (&focus.base, &focus.services) {
        focus = Focus {
            base,
            services,
            ..focus
        };
        world = cloud.observe(application, &focus).await;
        memory.absorb(&world, &Tuning::long_awake(), clock.now());
    }
    (world, memory)
}

fn tell(application: &str, plan: &Plan, style: Style) {
    let report = &plan.report;
    let step = plan.step.as_ref();
    let value = json!({
        "application": application,
        "stage": report.stage,
        "step": step.map(|step| json!({"operation": step.operation(), "does": step.describe()})),
        "waitingOn": {"reason": report.waiting_on.label(), "message": report.waiting_on.message()},
        "converged": report.converged,
        "notes": report.notes,
    });
    style.say(&value, || {
        let mut text = format!("{application}  {}", report.stage.as_str());
        match step {
            Some(step) => text.push_str(&format!(
                "\n  next step  {} ({})",
                step.describe(),
                step.operation()
            )),
            None => text.push_str(&format!(
                "\n  next step  none: waiting for {}",
                report.waiting_on.message()
            )),
        }
        for rule in &report.rules {
            let wanted = match (rule.role, rule.asked) {
                (Role::Production, Some(asked)) => format!(", wanted {}", weights(asked)),
                (Role::Production | Role::Test | Role::Unlisted, _) => String::new(),
            };
            text.push_str(&format!(
                "\n  weights    read {}{wanted} on {}",
                weights(rule.read),
                rule.rule
            ));
        }
        for service in report.services.iter().filter(|service| service.active) {
            let role = if service.serving {
                "serves"
            } else {
                "does not serve"
            };
            let version = service.version.as_deref().unwrap_or("-");
            text.push_str(&format!(
                "\n  service    {} ({version}) {role}: {} of {} tasks run, {} healthy",
                service.name, service.running, service.desired, service.healthy
            ));
        }
        for note in &report.notes {
            text.push_str(&format!("\n  note       {note}"));
        }
        text
    });
}

fn weights([a, b]: [Option<u32>; 2]) -> String {
    let show =
        |weight: Option<u32>| weight.map_or_else(|| "-".to_owned(), |weight| weight.to_string());
    format!("A={} B={}", show(a), show(b))
}
