//! An application's parameters for the command line: written and read one at a time.

use aws_sdk_ssm::types::{Parameter, ParameterTier, ParameterType};
use crd_schema::ApplicationName;

use crate::budget::Class;
use crate::clients::{Clients, Connection};
use crate::error::{Error, Kind};
use crate::names::{Leaf, Names};
use crate::read::parameters;

const GET: &str = "GetParameter";
const PUT: &str = "PutParameter";

/// Reads and writes parameters of applications.
#[derive(Debug, Clone)]
pub struct Parameters {
    clients: Clients,
    names: Names,
}

/// A parameter's text and which write of it this is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// `Version`, from 1.
    pub version: i64,
    /// The value.
    pub text: String,
}

impl Parameters {
    /// Uses the writer's clients: nothing is tried twice, so that a version is never written twice either.
    pub fn new(connection: &Connection, names: Names) -> Self {
        Self {
            clients: connection.writer(),
            names,
        }
    }

    /// The parameter's text; `None` when there is none.
    ///
    /// # Errors
    /// When it could not be read, or is a SecureString.
    pub async fn get(
        &self,
        application: &ApplicationName,
        leaf: Leaf,
    ) -> Result<Option<Text>, Error> {
        self.read(self.names.parameter(application, leaf)).await
    }

    /// One of the parameter's earlier texts, of which Parameter Store keeps a hundred
    /// (<https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-versions.html>); `None` when it
    /// keeps this one no longer.
    ///
    /// # Errors
    /// When it could not be read, or is a SecureString.
    pub async fn get_version(
        &self,
        application: &ApplicationName,
        leaf: Leaf,
        version: i64,
    ) -> Result<Option<Text>, Error> {
        let name = self.names.parameter(application, leaf);
        self.read(format!("{name}:{version}")).await
    }

    async fn read(&self, name: String) -> Result<Option<Text>, Error> {
        let send = self.clients.ssm.get_parameter().name(&name).send();
        match self
            .clients
            .call(Class::ParameterRead, GET, &name, send)
            .await
        {
            Ok(answer) => answer
                .parameter
                .map(|parameter| text(&name, &parameter))
                .transpose(),
            Err(error) if error.kind == Kind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes the parameter (type String) and returns its version. A spec may need tier Advanced and gets it then;
    /// everything else fits tier Standard, which costs nothing.
    ///
    /// # Errors
    /// When it was not written, or nobody knows whether it was ([`crate::error::Effect`] says which).
    pub async fn put(
        &self,
        application: &ApplicationName,
        leaf: Leaf,
        text: &str,
    ) -> Result<i64, Error> {
        let tier = match leaf {
            Leaf::Spec => ParameterTier::IntelligentTiering,
            Leaf::Desired | Leaf::Record | Leaf::Status | Leaf::Intent(_) => {
                ParameterTier::Standard
            }
        };
        let name = self.names.parameter(application, leaf);
        self.write(&name, text, tier).await
    }

    /// Writes what pauses every application of a prefix ([`Names::pauses`]).
    ///
    /// # Errors
    /// As [`Parameters::put`].
    pub async fn put_pause(&self, pause: &str, text: &str) -> Result<i64, Error> {
        self.write(pause, text, ParameterTier::Standard).await
    }

    async fn write(&self, name: &str, text: &str, tier: ParameterTier) -> Result<i64, Error> {
        let put = self
            .clients
            .ssm
            .put_parameter()
            .name(name)
            .value(text)
            .r#type(ParameterType::String);
        let send = put.tier(tier).overwrite(true).send();
        Ok(self
            .clients
            .call(Class::ParameterWrite, PUT, name, send)
            .await?
            .version)
    }
}

fn text(name: &str, parameter: &Parameter) -> Result<Text, Error> {
    let text = parameters::text(parameter)
        .map_err(|reason| Error::own(Kind::Invalid, GET, name, reason))?;
    Ok(Text {
        version: parameter.version,
        text: text.to_owned(),
    })
}
