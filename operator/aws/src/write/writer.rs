//! The runtime's trait `CloudWriter` over AWS.

use crd_schema::{Application, ApplicationName};
use planner::Write;
use planner::memory::WriteOutcome;
use runtime::cloud::{Changed, CloudWriter, ReadError};

use crate::clients::{Clients, Connection};
use crate::names::{Leaf, Names};
use crate::params::Parameters;

/// Writes to AWS. An operator that only observes never makes one.
#[derive(Debug, Clone)]
pub struct AwsWriter {
    pub(super) clients: Clients,
    pub(super) parameters: Parameters,
}

impl AwsWriter {
    /// Writes through `connection`, with the same `names` that the reader has.
    pub fn new(connection: &Connection, names: Names) -> Self {
        Self {
            clients: connection.writer(),
            parameters: Parameters::new(connection, names),
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

    async fn put_status(&self, name: &ApplicationName, status: &str) -> Result<(), ReadError> {
        Ok(self
            .parameters
            .put(name, Leaf::Status, status)
            .await
            .map(drop)?)
    }
}
