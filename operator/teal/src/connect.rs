//! What commands need of AWS: a connection by the environment, and applications by name.

use aws::names::{Leaf, Names};
use aws::{AwsCloud, CallMetrics, Connection, Parameters, Settings};
use crd_schema::ApplicationName;
use prometheus::Registry;
use runtime::clock::Clock;
use runtime::cloud::Cloud;

use crate::cli::Global;
use crate::failure::{Exit, Failure};

/// The way of one command to AWS.
#[derive(Debug)]
pub(crate) struct Aws {
    pub(crate) connection: Connection,
    pub(crate) names: Names,
}

impl Aws {
    /// Connects by the environment.
    pub(crate) async fn connect(global: &Global) -> Result<Self, Failure> {
        let metrics = CallMetrics::new(&Registry::new()).map_err(bug)?;
        let settings = Settings {
            region: global.region.clone(),
            ..Settings::default()
        };
        let connection = Connection::from_environment(&settings, metrics).await?;
        Ok(Self {
            connection,
            names: Names::new(&global.prefix),
        })
    }

    /// Single parameters.
    pub(crate) fn parameters(&self) -> Parameters {
        Parameters::new(&self.connection, self.names.clone())
    }

    /// Rounds of reads.
    pub(crate) fn cloud(&self, clock: Clock) -> AwsCloud {
        AwsCloud::new(&self.connection, self.names.clone(), clock)
    }

    /// Names of all applications that have a spec.
    pub(crate) async fn applications(&self) -> Result<Vec<ApplicationName>, Failure> {
        let specs = self.cloud(Clock::system()).specs().await?;
        Ok(specs.into_iter().map(|spec| spec.name).collect())
    }

    /// "There is no such application", with where it was looked for.
    pub(crate) fn unknown(&self, application: &ApplicationName) -> Failure {
        let parameter = self.names.parameter(application, Leaf::Spec);
        Failure::new(Exit::NotFound, format!("there is no application {application}: {parameter} does not exist"))
            .next("Write it with `teal apply -f FILE`, see all with `teal status`, or name its --prefix and --region.")
    }
}

/// An application's name, as typed.
pub(crate) fn name(typed: &str) -> Result<ApplicationName, Failure> {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let ends = typed.starts_with('-') || typed.ends_with('-');
    if (1..=40).contains(&typed.len()) && typed.chars().all(inner) && !ends {
        return Ok(ApplicationName::new(typed));
    }
    Err(Failure::new(
        Exit::Invalid,
        format!("{typed:?} cannot be the name of an application"),
    )
    .next("A name has 1 to 40 small letters, digits and `-`, with a letter or digit at both ends."))
}

/// Something that cannot fail unless Teal is wrong.
pub(crate) fn bug(error: impl std::error::Error + Send + Sync + 'static) -> Failure {
    Failure::new(Exit::Bug, "this is a bug in Teal").because(error)
}
