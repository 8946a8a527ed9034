//! The program `teal`: a command line over the rooms; it decides nothing about releases.
//!
//! - [`cli`]: what can be typed. [`failure`]: how a command fails, and its exit code. [`output`], [`logging`].
//! - [`connect`]: AWS by the environment. [`waiting`]: what a status says of one wish. [`live`]: how it looks meanwhile.
//! - [`commands`]: one file a command. [`operator`]: `teal run`.
//! - `emulate`, `demo`: the emulated AWS, and a whole release in it.

mod cli;
mod commands;
mod connect;
#[cfg(feature = "emulator")]
mod demo;
#[cfg(feature = "emulator")]
mod emulate;
mod failure;
mod live;
mod logging;
mod operator;
mod output;
mod probe;
mod signals;
#[cfg(feature = "emulator")]
mod stage;
mod waiting;

use std::panic::AssertUnwindSafe;
use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command};
use failure::{Exit, Failure};
use output::Style;

fn main() -> ExitCode {
    let cli = Cli::parse();
    // A panic in a command is a bug: it was printed, and has its exit code.
    let ended = std::panic::catch_unwind(AssertUnwindSafe(|| run(cli)));
    match ended {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(failure)) => {
            let red = anstyle::Style::new()
                .bold()
                .fg_color(Some(anstyle::AnsiColor::Red.into()));
            anstream::eprintln!("{red}teal:{red:#} {failure}");
            failure.exit.into()
        }
        Err(_) => Exit::Bug.into(),
    }
}

fn run(cli: Cli) -> Result<(), Failure> {
    logging::start(&cli.global, default_log(&cli.command))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let runtime = runtime
        .map_err(|error| Failure::new(Exit::Refused, "no threads can be started").because(error))?;
    let result = runtime.block_on(dispatch(cli));
    // Tasks that still run (a second of somebody's keep-alive) do not hold up the end.
    runtime.shutdown_background();
    result
}

async fn dispatch(cli: Cli) -> Result<(), Failure> {
    let Cli { global, command } = cli;
    let style = Style::choose(global.output);
    match command {
        Command::Run(arguments) => operator::run::run(&global, &arguments).await,
        #[cfg(feature = "emulator")]
        Command::Demo(arguments) => demo::run(&global, &arguments).await,
        #[cfg(feature = "emulator")]
        Command::Emulator(arguments) => emulate::run(&arguments, style).await,
        Command::Init(arguments) => commands::init::init(&global, &arguments, style).await,
        Command::Adopt(arguments) => commands::adopt::adopt(&global, &arguments, style).await,
        Command::Apply(arguments) => commands::apply::apply(&global, &arguments, style).await,
        Command::Release(arguments) => commands::release::release(&global, &arguments, style).await,
        Command::Approve(arguments) => commands::verbs::approve(&global, &arguments, style).await,
        Command::Promote(arguments) => commands::verbs::promote(&global, &arguments, style).await,
        Command::Abort(arguments) => commands::verbs::abort(&global, &arguments, style).await,
        Command::Pause(arguments) => commands::verbs::pause(&global, &arguments, style).await,
        Command::Resume(arguments) => commands::verbs::resume(&global, &arguments, style).await,
        Command::Retry(arguments) => commands::verbs::retry(&global, &arguments, style).await,
        Command::Rollback(arguments) => commands::verbs::rollback(&global, &arguments, style).await,
        Command::Status(arguments) => commands::status::status(&global, &arguments, style).await,
        Command::Plan(arguments) => commands::plan::plan(&global, &arguments, style).await,
        Command::Validate(arguments) => commands::validate::validate(&arguments, style),
        Command::Schema => {
            let schema = crd_schema::spec::schema();
            match style {
                Style::Yaml => style.say(&schema, String::new),
                Style::Text { .. } | Style::Json => anstream::println!("{schema:#}"),
            }
            Ok(())
        }
        Command::Health(arguments) => commands::health::health(&arguments, style).await,
        Command::Completions(arguments) => commands::shell::completions(&arguments),
        Command::Man(arguments) => commands::shell::man(&arguments),
    }
}

/// What is logged when nobody says: an operator tells what it does, a command only what is wrong, and the demo's
/// screen shows it already.
/// The SDK's search for a Region and credentials warns with raw answers; what it comes to is told by our own error.
fn default_log(command: &Command) -> &'static str {
    match command {
        Command::Run(_) => "info,aws_config=error",
        #[cfg(feature = "emulator")]
        Command::Emulator(_) => "info",
        #[cfg(feature = "emulator")]
        Command::Demo(_) => "off",
        Command::Init(_)
        | Command::Adopt(_)
        | Command::Apply(_)
        | Command::Release(_)
        | Command::Promote(_)
        | Command::Approve(_)
        | Command::Abort(_)
        | Command::Pause(_)
        | Command::Resume(_)
        | Command::Retry(_)
        | Command::Rollback(_)
        | Command::Status(_)
        | Command::Plan(_)
        | Command::Validate(_)
        | Command::Schema
        | Command::Health(_)
        | Command::Completions(_)
        | Command::Man(_) => "warn,aws_config=error",
    }
}
