//! A person with the command line, by their own rights: over the wire into the emulator.

use aws::names::Names;
use aws::{AwsCloud, CallMetrics, Connection, MoveIn, Survey};
use crd_schema::{Application, Desired};
use emulator::Emulator;
use jiff::Timestamp;
use planner::adoption::{Adoption, Obstacle, adoption};
use prometheus::Registry;
use runtime::clock::Clock;
use runtime::cloud::{Cloud, Focus};

use crate::wire::Wire;

/// A person.
#[derive(Debug)]
pub struct Person {
    connection: Connection,
    names: Names,
    clock: Clock,
}

impl Person {
    /// Somebody whose calls go over `wire`.
    pub fn new(wire: &Wire, emulator: &Emulator) -> Self {
        let wall = emulator.with(|world| world.epoch_unix_ms + world.now);
        let wall = Timestamp::from_millisecond(i64::try_from(wall).expect("a date of today"));
        let clock = Clock::starting_at(wall.expect("in range"));
        let wire = wire.clone();
        let http = aws::in_process::http_client(move |request| {
            let wire = wire.clone();
            async move { wire.carry(request).await }
        });
        let calls = CallMetrics::new(&Registry::new()).expect("a fresh registry");
        let connection = Connection::in_process(http, clock, &aws::Settings::default(), calls);
        Self {
            connection,
            names: Names::new(&["/teal/apps".to_owned()]),
            clock,
        }
    }

    /// Looks at what there is.
    pub fn survey(&self) -> Survey {
        Survey::new(&self.connection)
    }

    /// Changes what there is.
    pub fn moves(&self) -> MoveIn {
        MoveIn::new(&self.connection, self.names.clone())
    }

    /// What `teal adopt --service SERVICE` finds.
    pub async fn finds(
        &self,
        application: &Application,
        service: &str,
        version: Option<&str>,
    ) -> Result<Adoption, Vec<Obstacle>> {
        let cloud = AwsCloud::new(&self.connection, self.names.clone(), self.clock);
        let focus = Focus {
            spec_present: true,
            ..Focus::default()
        };
        let world = cloud.observe(application, &focus).await;
        let candidate = self.survey().candidate(&application.cluster, service).await;
        let candidate = candidate.expect("it can be read").expect("it is there");
        let asked = version.map(|version| Desired::parse(version).expect("a version"));
        adoption(
            application,
            &world,
            &candidate,
            asked.as_ref(),
            self.clock.now(),
        )
    }

    /// What `teal adopt --service SERVICE` does.
    pub async fn adopts(
        &self,
        application: &Application,
        service: &str,
        version: Option<&str>,
    ) -> Result<Adoption, Vec<Obstacle>> {
        let found = self.finds(application, service, version).await?;
        let candidate = self.survey().candidate(&application.cluster, service).await;
        let arn = candidate.expect("it can be read").expect("it is there").arn;
        let tagged = self.moves().tag(&arn, &found.tags).await;
        tagged.expect("it takes tags");
        Ok(found)
    }
}
