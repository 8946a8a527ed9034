//! `teal adopt APP`: a service that runs becomes the application's first blue, by its tags; its tasks go on.
//!
//! - [`before`]: where there is no spec yet: what is missing for one, and the second target group.
//! - [`moves`]: what the infrastructure code that made the service must do, in its own names.

mod before;
mod moves;
#[cfg(test)]
mod tests;

use aws::names::Leaf;
use aws::{MoveIn, Survey};
use crd_schema::{Application, ApplicationName, Desired};
use planner::World;
use planner::adoption::{self, Adoption, Candidate, Follows, Obstacle};
use planner::world::ServiceStatus;
use runtime::clock::Clock;
use serde_json::{Value, json};

use crate::cli::{self, Global};
use crate::commands::plan;
use crate::commands::second_group::quoted;
use crate::connect::{Aws, name};
use crate::failure::{Exit, Failure};
use crate::output::Style;

/// Looks at everything, and tags the service when nothing stands in the way.
pub(crate) async fn adopt(
    global: &Global,
    arguments: &cli::Adopt,
    style: Style,
) -> Result<(), Failure> {
    let asked = asked(arguments)?;
    let aws = Aws::connect(global).await?;
    let (value, text) = run(&aws, arguments, asked.as_ref()).await?;
    style.say(&value, || text);
    Ok(())
}

/// What a person says that the service runs, checked before anything is read.
fn asked(arguments: &cli::Adopt) -> Result<Option<Desired>, Failure> {
    name(&arguments.application)?;
    let asked = arguments.version.as_deref().map(Desired::parse);
    asked
        .transpose()
        .map_err(|error| Failure::new(Exit::Invalid, "nothing was adopted").because(error))
}

/// What was done, for machines and for people.
async fn run(
    aws: &Aws,
    arguments: &cli::Adopt,
    asked: Option<&Desired>,
) -> Result<(Value, String), Failure> {
    let application = name(&arguments.application)?;
    let spec = aws.parameters().get(&application, Leaf::Spec).await?;
    if spec.is_none() {
        return before::prepare(aws, &application, arguments).await;
    }
    let spec = plan::spec(aws, &application).await?;
    // Said before a service is looked for by the target groups that the spec does not have.
    if spec.is_worker() {
        let application = application.to_string();
        return Err(refused(&spec.name, &[Obstacle::Worker { application }]));
    }
    same_cluster(&spec, arguments)?;
    let clock = Clock::system();
    let (world, _) = plan::look(&aws.cloud(clock), &spec, clock).await;
    let service = which(&spec, &world, arguments.service.as_deref())?;
    let survey = Survey::new(&aws.connection);
    let candidate = survey.candidate(&spec.cluster, &service).await?;
    let candidate = candidate.ok_or_else(|| no_such_service(&spec.cluster, &service))?;
    let found = adoption::adoption(&spec, &world, &candidate, asked, clock.now());
    let adoption = found.map_err(|obstacles| refused(&application, &obstacles))?;
    let writes = !adoption.already && !arguments.dry_run;
    if writes {
        let tagging = MoveIn::new(&aws.connection, aws.names.clone());
        let tagged = tagging.tag(&candidate.arn, &adoption.tags).await;
        tagged.map_err(|error| {
            Failure::from(error)
                .next("It takes your own rights (manifests/iam/adopt-policy.json). A service has all of these tags or none, and running this again is harmless.")
        })?;
    }
    let told = Told {
        application: &application,
        spec: &spec,
        candidate: &candidate,
        adoption: &adoption,
        dry_run: arguments.dry_run,
    };
    Ok((told.value(writes), told.text()))
}

/// A cluster that was named beside a spec must be the spec's.
fn same_cluster(spec: &Application, arguments: &cli::Adopt) -> Result<(), Failure> {
    let last = |name: &str| name.rsplit('/').next().unwrap_or(name).to_owned();
    let of_arn = arguments.service.as_deref().and_then(|service| {
        let path = service.strip_prefix("arn:")?.split_once(":service/")?.1;
        Some(path.split_once('/')?.0)
    });
    let mut named = arguments.cluster.as_deref().into_iter().chain(of_arn);
    let Some(other) = named.find(|cluster| last(cluster) != last(&spec.cluster)) else {
        return match arguments.create_group {
            true => Err(Failure::new(
                Exit::Refused,
                format!("{}: the spec names its target groups already", spec.name),
            )
            .next("Without --create-group the service is adopted.")),
            false => Ok(()),
        };
    };
    let why = format!(
        "{}: its spec is for cluster {}, not {other}",
        spec.name, spec.cluster
    );
    Err(Failure::new(Exit::Refused, why)
        .next("A service of another cluster needs an Application of its own."))
}

/// The service that is meant: the one that was named, or the only one that is bound to the pair.
fn which(spec: &Application, world: &World, named: Option<&str>) -> Result<String, Failure> {
    if let Some(named) = named {
        return Ok(named.rsplit('/').next().unwrap_or(named).to_owned());
    }
    let services = world.services.value().map(Vec::as_slice);
    let bound = services
        .unwrap_or_default()
        .iter()
        .filter(|service| service.status == ServiceStatus::Active && service.side.is_some());
    let bound: Vec<&str> = bound.map(|service| service.name.as_str()).collect();
    match bound.as_slice() {
        [only] => Ok((*only).to_owned()),
        [] => {
            let unread = match &world.services {
                planner::Read::Unread { reason } => format!(": {reason}"),
                planner::Read::Known { .. } => String::new(),
            };
            let why = format!(
                "{}: no service of cluster {} is bound to one of the spec's target groups{unread}",
                spec.name, spec.cluster
            );
            Err(Failure::new(Exit::NotFound, why)
                .next("Name it with --service, and the reason is told."))
        }
        several => {
            let why = format!(
                "{}: {} services are bound to the spec's target groups: {}",
                spec.name,
                several.len(),
                several.join(", ")
            );
            Err(Failure::new(Exit::Refused, why).next("Name the one that serves with --service."))
        }
    }
}

fn no_such_service(cluster: &str, service: &str) -> Failure {
    let why = format!("cluster {cluster} has no service {service}");
    Failure::new(Exit::NotFound, why).next(format!(
        "`aws ecs list-services --cluster {cluster}` shows all."
    ))
}

/// Everything that stands in the way, at once.
fn refused(application: &ApplicationName, obstacles: &[Obstacle]) -> Failure {
    let list: Vec<String> = obstacles.iter().map(|one| format!("- {one}")).collect();
    let why = format!(
        "{application}: nothing was adopted, and nothing was changed:\n{}",
        list.join("\n")
    );
    Failure::new(Exit::Refused, why)
}

/// What there is to tell of an adoption.
struct Told<'a> {
    application: &'a ApplicationName,
    spec: &'a Application,
    candidate: &'a Candidate,
    adoption: &'a Adoption,
    dry_run: bool,
}

impl Told<'_> {
    fn value(&self, written: bool) -> Value {
        let Adoption {
            side: _,
            release,
            tags,
            already,
            follows: _,
        } = self.adoption;
        json!({
            "application": self.application,
            "service": self.candidate.name,
            "runs": release.version,
            "tags": tags,
            "written": written,
            "adoptedBefore": already,
            "dryRun": self.dry_run,
            "next": self.next(),
        })
    }

    fn text(&self) -> String {
        let (name, adoption) = (&self.candidate.name, self.adoption);
        let did = match (adoption.already, self.dry_run) {
            (true, _) => "is blue already",
            (false, true) => "would become blue (nothing was changed)",
            (false, false) => "is blue now",
        };
        let tags: Vec<String> = adoption
            .tags
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        let mut text = format!(
            "{}: service {name} {did}\n  runs  {}, {} of {} tasks, which go on as they are\n  tags  {}\n  next  {}",
            self.application,
            adoption.release.version,
            self.candidate.running,
            self.candidate.desired,
            tags.join("\n        "),
            self.next(),
        );
        if !adoption.already {
            text.push_str("\n\n");
            text.push_str(&moves::out_of_code(self.candidate, self.spec));
        }
        text
    }

    fn next(&self) -> String {
        let (application, name) = (self.application, &self.candidate.name);
        match &self.adoption.follows {
            Follows::Serves => format!(
                "nothing: {} is what is desired",
                self.adoption.release.version
            ),
            Follows::NeedsWish => {
                let release = &self.adoption.release;
                let wish = if release.images.is_empty() && release.id.is_none() {
                    release.version.clone()
                } else {
                    quoted(&crate::output::line(release))
                };
                format!(
                    "`teal release {application} {wish} --wait` says that this is what is desired, and nothing restarts; or release another version"
                )
            }
            Follows::Releases {
                version,
                held: None,
            } => format!(
                "{version} is desired: its release begins as soon as an operator looks, with {name} as blue"
            ),
            Follows::Releases {
                version,
                held: Some(held),
            } => format!("{version} is desired: its release begins after {held}"),
            Follows::WishUnusable { reason } => {
                format!("the desired value cannot be used, and nothing begins: {reason}")
            }
        }
    }
}
