//! Which release a service runs that somebody else made.

use std::collections::BTreeMap;

use crd_schema::Application;
use crd_schema::desired::Desired;
use crd_schema::record::Generation;

use super::{Candidate, Obstacle};
use crate::release::{Wanted, wanted};
use crate::world::{DesiredParameter, Read, World};

/// What it runs, as it would be desired. Its generation is that of the desired value when that says the same; else one
/// that is older than any: no write of a parameter has the version 0.
pub(super) fn of(
    application: &Application,
    candidate: &Candidate,
    world: &World,
    asked: Option<&Desired>,
) -> Result<(Desired, Wanted), Obstacle> {
    let before_any = Generation {
        date: candidate.created.as_millisecond(),
        version: 0,
    };
    let wish = match &world.desired {
        Read::Known {
            value:
                DesiredParameter::Set {
                    generation,
                    desired,
                },
            ..
        } => Some((*generation, desired)),
        Read::Known {
            value: DesiredParameter::Missing | DesiredParameter::Invalid { .. },
            ..
        }
        | Read::Unread { .. } => None,
    };
    let as_desired = |generation, desired: &Desired| {
        let wanted = wanted(application, generation, desired)
            .map_err(|reason| Obstacle::Version { reason })?;
        for (container, would) in &wanted.images {
            let runs = candidate.images.get(container).cloned().unwrap_or_default();
            if runs != *would {
                return Err(Obstacle::OtherImage {
                    name: candidate.name.clone(),
                    container: container.clone(),
                    runs,
                    version: desired.version.clone(),
                    would: would.clone(),
                });
            }
        }
        Ok((desired.clone(), wanted))
    };
    let wished = wish.and_then(|(generation, desired)| as_desired(generation, desired).ok());
    let Some(asked) = asked else {
        return match wished {
            Some(wished) => Ok(wished),
            None => as_desired(before_any, &told_by_images(application, candidate)?),
        };
    };
    let (desired, runs) = as_desired(before_any, asked)?;
    // Only what says the same to the letter is the same release.
    let same = wished.filter(|(_, wished)| wished.digest == runs.digest);
    Ok(same.unwrap_or((desired, runs)))
}

/// The tag that all images have whose version is each release's.
fn told_by_images(application: &Application, candidate: &Candidate) -> Result<Desired, Obstacle> {
    let unknown = || {
        let shown = application.template.images.keys().map(|container| {
            let image = candidate.images.get(container);
            format!("{container}: {}", image.map_or("none", String::as_str))
        });
        Obstacle::VersionUnknown {
            name: candidate.name.clone(),
            images: shown.collect::<Vec<_>>().join(", "),
        }
    };
    let mut versions: Vec<&str> = Vec::new();
    for (container, template) in &application.template.images {
        let image = candidate.images.get(container).ok_or_else(unknown)?;
        let repository = template.strip_suffix("{version}").ok_or_else(unknown)?;
        match image.strip_prefix(repository) {
            Some(version) if !version.contains('@') => versions.push(version),
            Some(_) | None => return Err(unknown()),
        }
    }
    versions.dedup();
    let [version] = versions.as_slice() else {
        return Err(unknown());
    };
    Ok(Desired {
        version: (*version).to_owned(),
        images: BTreeMap::new(),
        id: None,
        override_freeze: false,
    })
}
