//! What can be typed.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use jiff::SignedDuration;

/// Blue/green releases on Amazon ECS, by a reconciling operator.
#[derive(Debug, Parser)]
#[command(
    name = "teal",
    version,
    disable_help_subcommand = true,
    max_term_width = 100,
    after_help = "Exit codes: 0 done, 1 bug in Teal, 2 usage or invalid input, 3 rolled back or rejected, 4 superseded,\n\
                  5 waiting for a person, 6 timed out, 7 not found, 8 refused or denied."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct Global {
    /// Where applications live in Parameter Store; `run` may serve several
    #[arg(long, global = true, env = "TEAL_PREFIX", hide_env_values = true, value_delimiter = ',', default_value = aws::names::DEFAULT_PREFIX)]
    pub(crate) prefix: Vec<String>,
    /// AWS Region; else AWS_REGION or the profile says it
    #[arg(long, global = true)]
    pub(crate) region: Option<String>,
    /// How results are printed; else text on a terminal, JSON lines elsewhere
    #[arg(long, short, global = true, value_enum)]
    pub(crate) output: Option<Output>,
    /// How the log is written (to stderr); else text on a terminal, JSON lines elsewhere
    #[arg(
        long,
        global = true,
        value_enum,
        env = "TEAL_LOG_FORMAT",
        hide_env_values = true
    )]
    pub(crate) log_format: Option<LogFormat>,
    /// What is logged, as `info` or `runtime=debug,warn`; RUST_LOG is read too
    #[arg(long, global = true, env = "TEAL_LOG", hide_env_values = true)]
    pub(crate) log: Option<String>,
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people.
    Text,
    /// For people, with more columns.
    Wide,
    /// One JSON object a line.
    Json,
    /// YAML documents, each after `---`.
    Yaml,
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the operator
    Run(Run),
    /// See a whole release on this machine, against an emulated AWS, with users at work
    #[cfg(feature = "emulator")]
    Demo(Demo),
    /// Run a local AWS: ECS, load balancers and Parameter Store on one port
    #[cfg(feature = "emulator")]
    Emulator(Emulator),
    /// Write down an Application for an ECS service that exists, or for what CodeDeploy releases
    Init(Init),
    /// Check an Application and write it to its spec parameter
    Apply(Apply),
    /// Take over a service that runs: it becomes the first blue by its tags, and nothing restarts
    Adopt(Adopt),
    /// Ask for a version, and wait for what becomes of it
    Release(Release),
    /// End the step that a release waits in
    Promote(Promote),
    /// Let a gate pass that waits for a person
    Approve(Approve),
    /// End a release and go back
    Abort(OfOne),
    /// Let no release make progress
    Pause(OneOrAll),
    /// Let releases go on
    Resume(OneOrAll),
    /// Try a rejected version again
    Retry(OfOne),
    /// Release again what succeeded before
    Rollback(OfOne),
    /// Show how applications are
    Status(Status),
    /// Show the next step and why, without taking it
    Plan(Plan),
    /// Check Applications without AWS
    Validate(Validate),
    /// Print the JSON Schema of an Application
    Schema,
    /// Ask a running operator whether it makes progress (for a container's health check)
    Health(Health),
    /// Print completions for a shell
    Completions(Completions),
    /// Print the manual page, or write a page for each command
    Man(Man),
}

#[derive(Debug, Args)]
pub(crate) struct Run {
    /// Only look and tell: nothing is ever written to AWS, not even the status
    #[arg(long)]
    pub(crate) observe_only: bool,
    /// Where /metrics, /healthz, /readyz and /api/v1/applications are served
    #[arg(
        long,
        env = "TEAL_LISTEN",
        hide_env_values = true,
        default_value = "127.0.0.1:9180",
        value_name = "ADDRESS:PORT"
    )]
    pub(crate) listen: SocketAddr,
    /// A DynamoDB table by which one of several operators leads and the others stand by; without it, run one at a time
    #[arg(
        long,
        env = "TEAL_LEASE_TABLE",
        hide_env_values = true,
        value_name = "NAME",
        conflicts_with = "observe_only"
    )]
    pub(crate) lease_table: Option<String>,
    /// With --lease-table: how long a leader that is not heard of still leads, at least 24s
    #[arg(long, env = "TEAL_LEASE_TERM", hide_env_values = true, default_value = "40s", value_parser = duration, value_name = "DURATION")]
    pub(crate) lease_term: Duration,
    /// Part of AWS's request limits that the operator may use, above 0, at most 1
    #[arg(long, default_value_t = 0.5, value_parser = share)]
    pub(crate) aws_share: f64,
    /// Bounds and polls pass so many times as fast, for an emulator that does (never for AWS)
    #[arg(long, hide = true, default_value_t = 1.0, value_parser = positive)]
    pub(crate) time_scale: f64,
}

#[cfg(feature = "emulator")]
#[derive(Debug, Clone, Args)]
pub(crate) struct Demo {
    /// Print only the summary, as one JSON object on the last line
    #[arg(long)]
    pub(crate) json: bool,
    /// So many times as fast; the proportions between the waits stay as they are
    #[arg(long, default_value_t = 1.0, value_parser = positive)]
    pub(crate) speed: f64,
    /// How traffic moves; blue-green where nothing is said, canary for a bad release
    #[arg(long, value_enum)]
    pub(crate) strategy: Option<crate::stage::Strategy>,
    /// Release a version that answers a tenth of all requests with 500: an analysis finds it
    #[arg(long)]
    pub(crate) bad_release: bool,
    /// Run the operator as a process of its own, and kill it (SIGKILL) in every stage
    #[arg(long)]
    pub(crate) kill_operator: bool,
    /// Port of the production listener
    #[arg(long, default_value_t = 8080, value_name = "PORT")]
    pub(crate) production_port: u16,
    /// Port of the test listener
    #[arg(long, default_value_t = 9080, value_name = "PORT")]
    pub(crate) test_port: u16,
    /// Users who send requests without pause
    #[arg(long, default_value_t = 20)]
    pub(crate) users: usize,
    /// Give up after this long
    #[arg(long, default_value = "5m", value_parser = duration, value_name = "DURATION")]
    pub(crate) timeout: Duration,
}

#[cfg(feature = "emulator")]
impl Demo {
    /// What is played.
    pub(crate) fn story(&self) -> crate::stage::Story {
        if self.bad_release {
            crate::stage::Story::Bad
        } else {
            crate::stage::Story::Good
        }
    }

    /// How traffic moves.
    pub(crate) fn strategy(&self) -> crate::stage::Strategy {
        use crate::stage::Strategy;
        let usual = if self.bad_release {
            Strategy::Canary
        } else {
            Strategy::BlueGreen
        };
        self.strategy.unwrap_or(usual)
    }
}

#[cfg(feature = "emulator")]
#[derive(Debug, Args)]
pub(crate) struct Emulator {
    /// Where the AWS API is served
    #[arg(long, default_value = "127.0.0.1:4566", value_name = "ADDRESS:PORT")]
    pub(crate) listen: SocketAddr,
    /// The stage: `blog`, or a seed file
    #[arg(long, value_name = "FILE|blog")]
    pub(crate) seed: Option<String>,
    /// Every duration passes so many times as fast
    #[arg(long, default_value_t = 1.0, value_parser = positive)]
    pub(crate) time_scale: f64,
    /// Whether tasks are real HTTP servers on addresses of their own, or only modelled
    #[arg(long, value_enum, default_value = "real")]
    pub(crate) tasks: Tasks,
}

/// What stands behind a task.
#[cfg(feature = "emulator")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Tasks {
    /// The sample application on 127.x.y.z; listeners open their ports.
    Real,
    /// Nothing runs; the world says how they fare. No ports but the API's.
    Modelled,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Nothing is changed in AWS. What a person must decide is marked TODO in the Application, and the exit code is 5."
)]
pub(crate) struct Init {
    /// The application's name
    #[arg(value_name = "APP")]
    pub(crate) application: String,
    /// ECS cluster of the service, name or ARN
    #[arg(long, requires = "service", required_unless_present = "from_appspec")]
    pub(crate) cluster: Option<String>,
    /// The ECS service
    #[arg(long, requires = "cluster", required_unless_present = "from_appspec")]
    pub(crate) service: Option<String>,
    /// Instead or beside: CodeDeploy's appspec for Amazon ECS, YAML or JSON, `-` for standard input; alone it asks no AWS
    #[arg(long, value_name = "FILE")]
    pub(crate) from_appspec: Option<PathBuf>,
    /// With --from-appspec: what `aws deploy get-deployment-group` printed
    #[arg(long, value_name = "JSON", requires = "from_appspec")]
    pub(crate) deployment_group: Option<PathBuf>,
    /// How it releases: `rolling` for updates in place; else as Amazon ECS or CodeDeploy was told, or all at once
    #[arg(long, value_enum, conflicts_with = "from_appspec")]
    pub(crate) strategy: Option<Strategy>,
    /// Where the Application is written, if not to standard output; a file that exists is left as it is
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

/// What a person wants, whatever the service says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Strategy {
    /// One service for life, which ECS's own rolling update brings from release to release.
    Rolling,
}

#[derive(Debug, Args)]
pub(crate) struct Apply {
    /// The Application, YAML or JSON; `-` for standard input
    #[arg(long, short, value_name = "FILE")]
    pub(crate) file: PathBuf,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Everything is looked at before anything is written. What is there already is left, so it can be run again at any time.\n\
                  Before there is a spec, name --cluster and --service: then it says what is missing for one."
)]
pub(crate) struct Adopt {
    /// The application
    #[arg(value_name = "APP")]
    pub(crate) application: String,
    /// The ECS service, name or ARN; the one that is bound to the spec's pair if left out
    #[arg(long, value_name = "NAME|ARN")]
    pub(crate) service: Option<String>,
    /// Its cluster, where there is no spec yet
    #[arg(long, requires = "service")]
    pub(crate) cluster: Option<String>,
    /// What it runs, as `teal release` takes it; its image tags say it if left out
    #[arg(long, value_name = "VERSION")]
    pub(crate) version: Option<String>,
    /// Where there is no spec yet: create the second target group of each route, like the first, and name it in the rules at weight 0
    #[arg(long, requires = "cluster")]
    pub(crate) create_group: bool,
    /// Say everything and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Release {
    /// The application
    #[arg(value_name = "APP")]
    pub(crate) application: String,
    /// What shall serve: `1.4.0`, or `{"version": …, "images": {…}, "id": …}`
    pub(crate) version: String,
    /// Tells wishes for the same content apart, so that it is deployed again
    #[arg(long)]
    pub(crate) id: Option<String>,
    /// Begin in a freeze of the spec's schedule all the same
    #[arg(long)]
    pub(crate) override_freeze: bool,
    /// Wait until it serves alone, or will not; a freeze is waited out
    #[arg(long, short)]
    pub(crate) wait: bool,
    /// With --wait: give up waiting after this long; the release itself goes on
    #[arg(long, default_value = "30m", value_parser = duration, value_name = "DURATION", requires = "wait")]
    pub(crate) timeout: Duration,
}

#[derive(Debug, Args)]
pub(crate) struct Promote {
    /// The application
    #[arg(value_name = "APP")]
    pub(crate) application: String,
    /// End all the steps that are left: green gets all traffic
    #[arg(long)]
    pub(crate) full: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Approve {
    /// The application
    #[arg(value_name = "APP")]
    pub(crate) application: String,
    /// The gate that is meant; the one that is waited for if left out
    #[arg(value_name = "GATE")]
    pub(crate) gate: Option<String>,
}

/// A verb that needs no more than its application.
#[derive(Debug, Args)]
pub(crate) struct OfOne {
    /// The application
    #[arg(value_name = "APP")]
    pub(crate) application: String,
}

/// A verb about one application, or about every one of the prefix.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct OneOrAll {
    /// The application
    #[arg(value_name = "APP")]
    pub(crate) application: Option<String>,
    /// Every application of the prefix
    #[arg(long)]
    pub(crate) all: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Status {
    /// One application; all of them if left out
    #[arg(value_name = "APP")]
    pub(crate) application: Option<String>,
    /// Show it again when it changes, until Ctrl-C
    #[arg(long, short)]
    pub(crate) watch: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Plan {
    /// The application
    #[arg(value_name = "APP")]
    pub(crate) application: String,
}

#[derive(Debug, Args)]
pub(crate) struct Validate {
    /// Applications, YAML or JSON; `-` for standard input
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Health {
    /// Where the operator listens
    #[arg(
        long,
        env = "TEAL_LISTEN",
        hide_env_values = true,
        default_value = "127.0.0.1:9180",
        value_name = "ADDRESS:PORT"
    )]
    pub(crate) listen: SocketAddr,
}

#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_enum)]
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub(crate) struct Man {
    /// Write `teal.1`, `teal-release.1` and so on to this folder, which is made if need be
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}

fn duration(text: &str) -> Result<Duration, String> {
    let wrong = "write a duration such as 90s, 10m or 1h30m";
    let duration: SignedDuration = text.parse().map_err(|_| wrong.to_owned())?;
    Duration::try_from(duration).map_err(|_| wrong.to_owned())
}

fn positive(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "write a number".to_owned())?;
    if (0.01..=1000.0).contains(&number) {
        Ok(number)
    } else {
        Err("write a number from 0.01 to 1000".to_owned())
    }
}

fn share(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "write a number".to_owned())?;
    if number > 0.0 && number <= 1.0 {
        Ok(number)
    } else {
        Err("write a number above 0, at most 1".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split_whitespace())
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[cfg(feature = "emulator")]
    #[test]
    fn help_says_what_there_is() {
        insta::assert_snapshot!("help", Cli::command().render_help());
        for command in ["run", "init", "release", "status", "demo", "emulator"] {
            let mut whole = Cli::command();
            whole.build();
            let command = whole.find_subcommand_mut(command).unwrap();
            insta::assert_snapshot!(
                format!("help_{}", command.get_name()),
                command.render_help()
            );
        }
    }

    #[test]
    fn durations_are_written_as_people_do() {
        for (text, seconds) in [("90s", 90), ("10m", 600), ("1h30m", 5400), ("2h", 7200)] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "10", "-5m", "soon", "1d2x"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_timeout_belongs_to_a_wait() {
        assert!(parse("teal release blog 1.4.0 --timeout 5m").is_err());
        let cli = parse("teal release blog 1.4.0 --wait --timeout 5m").unwrap();
        assert!(
            matches!(cli.command, Command::Release(release) if release.wait && release.timeout.as_secs() == 300)
        );
    }

    #[test]
    fn several_prefixes_may_be_served() {
        let cli = parse("teal run --prefix /a --prefix /b,/c").unwrap();
        assert_eq!(cli.global.prefix, ["/a", "/b", "/c"]);
    }

    #[test]
    fn nonsense_is_a_usage_error() {
        for line in [
            "teal",
            "teal relaese blog 1",
            "teal release blog",
            "teal demo --speed 0",
            "teal run --aws-share 2",
            "teal validate",
            "teal init blog --cluster c --service s --strategy canary",
            "teal init blog --from-appspec appspec.yaml --strategy rolling",
            "teal pause",
            "teal pause blog --all",
            "teal resume",
        ] {
            assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line}");
        }
    }
}
