//! The runtime's trait `CloudWriter` over AWS.

use aws_smithy_runtime_api::client::http::SharedHttpConnector;
use crd_schema::webhook::Webhook;
use crd_schema::{Application, ApplicationName};
use planner::Write;
use planner::gate::Run;
use planner::memory::WriteOutcome;
use runtime::cloud::{Changed, CloudWriter, ReadError, Tried};
use runtime::events::Event;

use crate::clients::{Clients, Connection};
use crate::gates;
use crate::names::{Leaf, Names};
use crate::params::Parameters;
use crate::webhook;

/// Writes to AWS. An operator that only observes never makes one.
#[derive(Debug, Clone)]
pub struct AwsWriter {
    pub(crate) clients: Clients,
    pub(super) parameters: Parameters,
    web: SharedHttpConnector,
}

impl AwsWriter {
    /// Writes through `connection`, with the same `names` that the reader has.
    pub fn new(connection: &Connection, names: Names) -> Self {
        Self {
            clients: connection.writer(),
            parameters: Parameters::new(connection, names),
            web: connection.web(),
        }
    }
}

impl CloudWriter for AwsWriter {
    async fn still_holds(&self, application: &Application, write: &Write) -> Result<(), Changed> {
        match self.look(application, write).await {
            Ok(None) => Ok(()),
            Ok(Some(what)) => Err(Changed::Differs { what }),
            Err(error) => Err(Changed::Unread {
                reason: error.to_string(),
            }),
        }
    }

    async fn write(&self, application: &Application, write: &Write) -> WriteOutcome {
        match self.send(application, write).await {
            Ok(()) => WriteOutcome::Applied,
            Err(error) => error.outcome(),
        }
    }

    async fn try_gate(
        &self,
        application: &Application,
        run: &Run,
        failed: u32,
        so_far: Option<&str>,
    ) -> Tried {
        gates::attempt(&self.clients, &self.web, application, run, failed, so_far).await
    }

    async fn stop_gate(
        &self,
        application: &Application,
        run: &Run,
        so_far: Option<&str>,
        why: &str,
    ) -> Result<(), ReadError> {
        Ok(gates::stop(&self.clients, application, run, so_far, why).await?)
    }

    async fn notify(&self, to: &Webhook, event: &Event) -> Result<(), ReadError> {
        Ok(webhook::tell(&self.clients, &self.web, to, event).await?)
    }

    async fn put_status(&self, name: &ApplicationName, status: &str) -> Result<(), ReadError> {
        Ok(self
            .parameters
            .put(name, Leaf::Status, status)
            .await
            .map(drop)?)
    }
}
