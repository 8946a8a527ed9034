//! The SDK's clients: one HTTP client, one configuration, readers that retry a little and writers that never do.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_ecs::config::{
    Credentials, ProvideCredentials, SharedCredentialsProvider, SharedHttpClient,
};
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_async::time::TimeSource;
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::{HttpConnectorSettings, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use runtime::clock::Clock;

use crate::budget::{Budget, Class, Priority};
use crate::error::Error;
use crate::in_process::InProcess;
use crate::metrics::CallMetrics;
use crate::signed::{Answer, Ask, Signer};

/// Longest time until there is a connection.
const CONNECT: Duration = Duration::from_secs(3);

/// What can be set about the connection.
#[derive(Debug, Clone)]
pub struct Settings {
    /// AWS Region; none: the environment, the profile or the task's metadata say it.
    pub region: Option<String>,
    /// How long a write may take, waiting for an answer included. Default 10 s. The planner's Q must be longer.
    pub write_timeout: Duration,
    /// How long a minute of CloudWatch's metrics is: a minute (less for an emulator that is faster).
    pub minute: Duration,
    /// Our share of AWS's request limits, above 0, at most 1 (times the pace of an emulator that is faster). Default 0.5.
    pub share: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            region: None,
            write_timeout: Duration::from_secs(10),
            minute: Duration::from_secs(60),
            share: 0.5,
        }
    }
}

/// The secret access key towards a local AWS. A test looks for it where no secret may be.
pub const MADE_UP_SECRET: &str = "made-up-secret-access-key";

/// Log directives that come after whatever a person asks to log: these rooms of the SDK show whole requests and answers
/// below `info`, and with them the environment of task definitions.
pub const LOG_CAPS: [&str; 5] = [
    "aws_runtime=info",
    "aws_sigv4=info",
    "aws_smithy_http_client=info",
    "aws_smithy_runtime=info",
    "aws_smithy_runtime_api=info",
];

/// Why there is no connection to AWS.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Nobody said which Region.
    #[error(
        "no AWS Region is known: set AWS_REGION (or AWS_DEFAULT_REGION), or `region` in the profile that AWS_PROFILE names"
    )]
    NoRegion,
    /// No provider gave credentials.
    #[error(
        "no AWS credentials were found: on ECS give the task a task role; elsewhere set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    )]
    NoCredentials {
        /// What the providers said.
        #[source]
        source: aws_credential_types::provider::error::CredentialsError,
    },
}

/// The way to one account and Region. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Connection {
    config: SdkConfig,
    web: SharedHttpConnector,
    write_timeout: Duration,
    minute: Duration,
    metrics: CallMetrics,
    budget: Arc<Budget>,
}

impl Connection {
    /// Connects with what the environment gives: Region, credentials, `AWS_ENDPOINT_URL`.
    ///
    /// # Errors
    /// When no Region or no credentials are found; nothing has been called then.
    pub async fn from_environment(
        settings: &Settings,
        metrics: CallMetrics,
    ) -> Result<Self, ConnectError> {
        let mut loader = aws_config::defaults(behavior_version()).http_client(http_client());
        if let Some(region) = &settings.region {
            loader = loader.region(Region::new(region.clone()));
        }
        let config = loader.load().await;
        if config.region().is_none() {
            return Err(ConnectError::NoRegion);
        }
        if let Some(provider) = config.credentials_provider() {
            provider
                .provide_credentials()
                .await
                .map_err(|source| ConnectError::NoCredentials { source })?;
        }
        Ok(Self::new(config, web(), settings, metrics))
    }

    /// Connects to a local AWS at `endpoint` (`http://127.0.0.1:4566`), with made-up credentials and nothing from the
    /// environment.
    pub fn local(endpoint: &str, settings: &Settings, metrics: CallMetrics) -> Self {
        let clock = Clock::system();
        Self::with_endpoint(endpoint, http_client(), web(), clock, settings, metrics)
    }

    /// Connects to an AWS in this process through `http`, with made-up credentials: no environment, no sockets.
    /// Sleeps are tokio's and signatures take their time from `clock`, so that a paused clock drives everything.
    pub fn in_process(
        http: InProcess,
        clock: Clock,
        settings: &Settings,
        metrics: CallMetrics,
    ) -> Self {
        let web = SharedHttpConnector::new(http.clone());
        let http = SharedHttpClient::new(http);
        Self::with_endpoint("http://aws.invalid", http, web, clock, settings, metrics)
    }

    pub(crate) fn with_endpoint(
        endpoint: &str,
        http: SharedHttpClient,
        web: SharedHttpConnector,
        clock: Clock,
        settings: &Settings,
        metrics: CallMetrics,
    ) -> Self {
        let region = settings
            .region
            .clone()
            .unwrap_or_else(|| "eu-west-1".to_owned());
        let credentials = Credentials::new("AKIDEXAMPLE", MADE_UP_SECRET, None, None, "in-process");
        let config = SdkConfig::builder()
            .behavior_version(behavior_version())
            .region(Region::new(region))
            .endpoint_url(endpoint)
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .http_client(http)
            .time_source(WallClock(clock))
            .build();
        Self::new(config, web, settings, metrics)
    }

    fn new(
        config: SdkConfig,
        web: SharedHttpConnector,
        settings: &Settings,
        metrics: CallMetrics,
    ) -> Self {
        let budget = Arc::new(Budget::new(settings.share, metrics.budget_wait()));
        Self {
            config,
            web,
            write_timeout: settings.write_timeout,
            minute: settings.minute,
            metrics,
            budget,
        }
    }

    /// Clients for observation.
    pub(crate) fn reader(&self) -> Clients {
        let retries = RetryConfig::standard()
            .with_max_attempts(3)
            .with_initial_backoff(Duration::from_millis(200))
            .with_max_backoff(Duration::from_secs(2));
        self.clients(
            retries,
            timeouts(Duration::from_secs(10), Duration::from_secs(20)),
            Priority::Read,
        )
    }

    /// Clients for writes and for the reads that go with them: nothing is tried twice.
    pub(crate) fn writer(&self) -> Clients {
        let timeouts = timeouts(self.write_timeout, self.write_timeout);
        self.clients(RetryConfig::disabled(), timeouts, Priority::Write)
    }

    /// The way to anything that speaks HTTP and is not AWS: what gates ask.
    pub(crate) fn web(&self) -> SharedHttpConnector {
        self.web.clone()
    }

    /// How long a minute of CloudWatch's metrics is.
    pub(crate) fn minute(&self) -> Duration {
        self.minute
    }

    /// A client for the lease, past the budget: nothing is tried twice, nothing takes longer than `limit`.
    pub(crate) fn lease(&self, limit: Duration) -> aws_sdk_dynamodb::Client {
        let config = self
            .config
            .to_builder()
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts(limit, limit))
            .build();
        aws_sdk_dynamodb::Client::from_conf(
            aws_sdk_dynamodb::config::Builder::from(&config)
                .interceptor(self.metrics.clone())
                .build(),
        )
    }

    fn clients(
        &self,
        retries: RetryConfig,
        timeouts: TimeoutConfig,
        priority: Priority,
    ) -> Clients {
        let config = self
            .config
            .to_builder()
            .retry_config(retries)
            .timeout_config(timeouts)
            .build();
        let metrics = &self.metrics;
        Clients {
            ecs: aws_sdk_ecs::Client::from_conf(
                aws_sdk_ecs::config::Builder::from(&config)
                    .interceptor(metrics.clone())
                    .build(),
            ),
            elb: aws_sdk_elasticloadbalancingv2::Client::from_conf(
                aws_sdk_elasticloadbalancingv2::config::Builder::from(&config)
                    .interceptor(metrics.clone())
                    .build(),
            ),
            ssm: aws_sdk_ssm::Client::from_conf(
                aws_sdk_ssm::config::Builder::from(&config)
                    .interceptor(metrics.clone())
                    .build(),
            ),
            scaling: aws_sdk_applicationautoscaling::Client::from_conf(
                aws_sdk_applicationautoscaling::config::Builder::from(&config)
                    .interceptor(metrics.clone())
                    .build(),
            ),
            watch: aws_sdk_cloudwatch::Client::from_conf(
                aws_sdk_cloudwatch::config::Builder::from(&config)
                    .interceptor(metrics.clone())
                    .build(),
            ),
            signer: Signer::new(&self.config, self.web.clone(), metrics.clone()),
            budget: Arc::clone(&self.budget),
            priority,
        }
    }
}

/// Pinned: a new default of the SDK is our decision, not a side effect of an update.
fn behavior_version() -> BehaviorVersion {
    BehaviorVersion::v2026_01_12()
}

/// HTTP over sockets, with TLS by rustls and ring.
pub(crate) fn http_client() -> SharedHttpClient {
    aws_smithy_http_client::Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .build_https()
}

/// HTTP over sockets to anywhere, without the SDK's retries.
pub(crate) fn web() -> SharedHttpConnector {
    // No connection tells nothing about what is tested, and is told apart from an answer that takes long.
    let settings = HttpConnectorSettings::builder()
        .connect_timeout(CONNECT)
        .build();
    let connector = Connector::builder()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .sleep_impl(TokioSleep::new())
        .connector_settings(settings)
        .build();
    SharedHttpConnector::new(connector)
}

fn timeouts(attempt: Duration, operation: Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT.min(attempt))
        .read_timeout(Duration::from_secs(8).min(attempt))
        .operation_attempt_timeout(attempt)
        .operation_timeout(operation)
        .build()
}

/// The loop's wall clock as the SDK's, for signatures.
#[derive(Debug)]
struct WallClock(Clock);

impl TimeSource for WallClock {
    fn now(&self) -> SystemTime {
        SystemTime::from(self.0.now().wall)
    }
}

/// Clients of one account and Region, with one way to behave.
#[derive(Debug, Clone)]
pub(crate) struct Clients {
    pub(crate) ecs: aws_sdk_ecs::Client,
    pub(crate) elb: aws_sdk_elasticloadbalancingv2::Client,
    pub(crate) ssm: aws_sdk_ssm::Client,
    pub(crate) scaling: aws_sdk_applicationautoscaling::Client,
    pub(crate) watch: aws_sdk_cloudwatch::Client,
    signer: Signer,
    budget: Arc<Budget>,
    priority: Priority,
}

impl Clients {
    /// What time it is, as signatures have it.
    pub(crate) fn now(&self) -> SystemTime {
        self.signer.now()
    }

    /// Waits for the budget, then sends a request that no SDK of ours knows. The caller bounds the time.
    pub(crate) async fn ask(&self, class: Class, ask: &Ask<'_>) -> Result<Answer, Error> {
        self.budget.acquire(class, self.priority).await;
        self.signer.send(ask).await
    }

    /// Waits for the budget, then sends.
    pub(crate) async fn call<T, E>(
        &self,
        class: Class,
        operation: &'static str,
        resource: &str,
        send: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) -> Result<T, Error>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        self.budget.acquire(class, self.priority).await;
        send.await
            .map_err(|error| Error::from_sdk(operation, resource, &error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_credential_types::provider::{error::CredentialsError, future};
    use planner::memory::WriteOutcome;
    use prometheus::Registry;
    use runtime::cloud::CloudWriter;

    use crate::in_process::http_client;
    use crate::{AwsWriter, Names};

    #[derive(Debug)]
    struct Nobody;

    impl ProvideCredentials for Nobody {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            future::ProvideCredentials::ready(Err(CredentialsError::not_loaded("nobody is here")))
        }
    }

    #[tokio::test]
    async fn without_credentials_nothing_is_sent() {
        let http = http_client(|_| async { panic!("this must not be sent") });
        let metrics = CallMetrics::new(&Registry::new()).unwrap();
        let settings = Settings::default();
        let mut connection =
            Connection::in_process(http, Clock::system(), &settings, metrics.clone());
        connection.config = connection
            .config
            .to_builder()
            .credentials_provider(SharedCredentialsProvider::new(Nobody))
            .build();
        let names = Names::default();
        let outcome = AwsWriter::new(&connection, names)
            .put_status(&crd_schema::ApplicationName::new("blog"), "{}")
            .await;
        let error = outcome.unwrap_err();
        assert_eq!(error.category, "credentials", "{error}");
        assert!(error.message.contains("AWS_PROFILE"), "{error}");
        let write = planner::Write::DeleteService {
            name: "blog-1".to_owned(),
        };
        let outcome = AwsWriter::new(&connection, Names::default())
            .write(&crate::tests::blog(), &write)
            .await;
        assert!(
            matches!(&outcome, WriteOutcome::NotSent { .. }),
            "{outcome:?}"
        );
        assert_eq!(metrics.tally()["PutParameter"].failed, 1);
    }
}
