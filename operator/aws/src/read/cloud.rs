//! The runtime's trait `Cloud` over AWS.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_ssm::types::Parameter;
use crd_schema::record::Generation;
use crd_schema::{Application, ApplicationName};
use jiff::Timestamp;
use planner::World;
use planner::watch::{Measured, Watch};
use planner::world::Read;
use runtime::clock::Clock;
use runtime::cloud::{Cloud, Focus, FoundSpec, ReadError};

use crate::clients::Connection;
use crate::coalesce::Coalescer;
use crate::names::{Leaf, Names};
use crate::read::parameters;
use crate::read::round::{Reader, Request};
use crate::watches::Watches;

/// Observations that begin within this time are read together.
const WINDOW: Duration = Duration::from_millis(5);

/// Reads of AWS, batched.
#[derive(Debug)]
pub struct AwsCloud {
    reader: Arc<Reader>,
    rounds: Coalescer<Request, World>,
    watches: Watches,
}

impl AwsCloud {
    /// Reads through `connection`; `clock` is the one that the loop has too. Must be called in a tokio runtime.
    pub fn new(connection: &Connection, names: Names, clock: Clock) -> Self {
        let reader = Arc::new(Reader::new(connection.reader(), names, clock));
        let rounds = {
            let reader = Arc::clone(&reader);
            Coalescer::new(WINDOW, move |requests| {
                let reader = Arc::clone(&reader);
                async move { reader.round(&requests).await }
            })
        };
        let watches = Watches::new(connection, connection.reader(), clock);
        Self {
            reader,
            rounds,
            watches,
        }
    }
}

impl Cloud for AwsCloud {
    async fn observe(&self, application: &Application, focus: &Focus) -> World {
        let request = Request {
            application: application.clone(),
            focus: focus.clone(),
        };
        match self.rounds.ask(request).await {
            Some(world) => world,
            None => unread(focus, "the round of reads broke off: this is a bug"),
        }
    }

    async fn measure(
        &self,
        application: &Application,
        watch: &Watch,
        from: Timestamp,
    ) -> (Measured, Timestamp) {
        self.watches.measure(application, watch, from).await
    }

    async fn specs(&self) -> Result<Vec<FoundSpec>, ReadError> {
        let mut specs: BTreeMap<ApplicationName, FoundSpec> = BTreeMap::new();
        for prefix in self.reader.names.prefixes() {
            for parameter in parameters::under(&self.reader.clients, prefix).await? {
                let Some(name) =
                    Names::parse(prefix, parameter.name().unwrap_or_default(), Leaf::Spec)
                else {
                    continue;
                };
                let found = found(name.clone(), &parameter)?;
                match specs.get_mut(&name) {
                    None => {
                        self.reader.names.found(&name, prefix);
                        specs.insert(name, found);
                    }
                    Some(first) => {
                        first.text = Err(format!(
                            "two prefixes have an application {name}: remove one of them"
                        ));
                    }
                }
            }
        }
        Ok(specs.into_values().collect())
    }

    async fn wishes(
        &self,
        names: &[ApplicationName],
    ) -> Result<BTreeMap<ApplicationName, Generation>, ReadError> {
        let unique: BTreeSet<&ApplicationName> = names.iter().collect();
        let wanted = unique
            .iter()
            .map(|name| self.reader.names.parameter(name, Leaf::Desired))
            .collect();
        let mut found = parameters::get(&self.reader.clients, wanted).await;
        let mut wishes = BTreeMap::new();
        for name in unique {
            if let Some(parameter) = found
                .remove(&self.reader.names.parameter(name, Leaf::Desired))
                .transpose()?
                .flatten()
            {
                wishes.insert(name.clone(), parameters::generation(&parameter)?);
            }
        }
        Ok(wishes)
    }
}

fn found(name: ApplicationName, parameter: &Parameter) -> Result<FoundSpec, ReadError> {
    let generation = parameters::generation(parameter)?;
    Ok(FoundSpec {
        name,
        generation,
        text: parameters::text(parameter).map(str::to_owned),
    })
}

/// A world of which nothing is known.
fn unread(focus: &Focus, reason: &str) -> World {
    fn no<T>(reason: &str) -> Read<T> {
        Read::Unread {
            reason: reason.to_owned(),
        }
    }
    World {
        spec_present: focus.spec_present,
        desired: no(reason),
        record: no(reason),
        intents: no(reason),
        services: no(reason),
        rules: no(reason),
        groups: [no(reason), no(reason)],
        own: no(reason),
        base: no(reason),
        revisions: no(reason),
        scaling: no(reason),
        verdicts: Default::default(),
        conflicts: focus.conflicts.clone(),
    }
}
