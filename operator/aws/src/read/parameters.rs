//! SSM Parameter Store: ten names a call.

use std::collections::BTreeMap;

use aws_sdk_ssm::types::{Parameter, ParameterType};
use crd_schema::desired::DesiredError;
use crd_schema::intent::Intents;
use crd_schema::record::{Generation, Record};
use crd_schema::{Application, Desired};
use futures_util::future::join_all;
use planner::world::{DesiredParameter, RecordParameter};

use crate::budget::Class;
use crate::clients::Clients;
use crate::error::{Error, Kind, several};
use crate::page;

const GET: &str = "GetParameters";
const BY_PATH: &str = "GetParametersByPath";

/// Parameters by name; `None` where there is no such parameter. An error concerns the names of its call alone.
pub(crate) async fn get(
    clients: &Clients,
    names: Vec<String>,
) -> BTreeMap<String, Result<Option<Parameter>, Error>> {
    let calls = names.chunks(10).map(|chunk| async move {
        let send = clients
            .ssm
            .get_parameters()
            .set_names(Some(chunk.to_vec()))
            .send();
        let answer = clients
            .call(Class::ParameterRead, GET, &several(chunk), send)
            .await;
        let mut found: BTreeMap<String, Result<Option<Parameter>, Error>> = BTreeMap::new();
        match answer {
            Err(error) => found.extend(chunk.iter().map(|name| (name.clone(), Err(error.clone())))),
            Ok(answer) => {
                for name in chunk {
                    let unanswered = Error::own(
                        Kind::Invalid,
                        GET,
                        name,
                        "AWS's answer does not mention the parameter",
                    );
                    found.insert(name.clone(), Err(unanswered));
                }
                found.extend(
                    answer
                        .invalid_parameters
                        .unwrap_or_default()
                        .into_iter()
                        .map(|name| (name, Ok(None))),
                );
                for parameter in answer.parameters.unwrap_or_default() {
                    if let Some(name) = parameter.name.clone() {
                        found.insert(name, Ok(Some(parameter)));
                    }
                }
            }
        }
        found
    });
    join_all(calls).await.into_iter().flatten().collect()
}

/// Every parameter under a path, all pages.
pub(crate) async fn under(clients: &Clients, path: &str) -> Result<Vec<Parameter>, Error> {
    page::all(BY_PATH, path, |token| async move {
        let send = clients
            .ssm
            .get_parameters_by_path()
            .path(path)
            .recursive(true)
            .max_results(10)
            .set_next_token(token);
        let answer = clients
            .call(Class::ParameterRead, BY_PATH, path, send.send())
            .await?;
        Ok((answer.parameters.unwrap_or_default(), answer.next_token))
    })
    .await
}

/// Which write of the parameter this is.
pub(crate) fn generation(parameter: &Parameter) -> Result<Generation, Error> {
    let date = parameter
        .last_modified_date
        .and_then(|date| date.to_millis().ok());
    let name = parameter.name.as_deref().unwrap_or_default();
    let date = date.ok_or_else(|| {
        Error::own(
            Kind::Invalid,
            GET,
            name,
            "AWS's answer has no LastModifiedDate",
        )
    })?;
    Ok(Generation {
        date,
        version: parameter.version,
    })
}

/// The text of a parameter that may be read as text.
///
/// # Errors
/// Why it cannot be used, and what would be right.
pub(crate) fn text(parameter: &Parameter) -> Result<&str, String> {
    if parameter.r#type == Some(ParameterType::SecureString) {
        return Err("the parameter is a SecureString, whose text the operator must not decrypt: delete it and write it again with type String".to_owned());
    }
    Ok(parameter.value.as_deref().unwrap_or_default())
}

/// A wish is one only where the application's spec allows its images: else the last usable one stays in force.
pub(crate) fn desired(
    application: &Application,
    parameter: Option<&Parameter>,
) -> Result<DesiredParameter, Error> {
    let Some(parameter) = parameter else {
        return Ok(DesiredParameter::Missing);
    };
    let generation = generation(parameter)?;
    let usable = |text| {
        let desired = Desired::parse(text)?;
        desired.images_for(application).map(|_| desired)
    };
    let desired = text(parameter)
        .and_then(|text| usable(text).map_err(|error: DesiredError| error.to_string()));
    Ok(match desired {
        Ok(desired) => DesiredParameter::Set {
            generation,
            desired,
        },
        Err(reason) => DesiredParameter::Invalid { generation, reason },
    })
}

pub(crate) fn record(parameter: Option<&Parameter>) -> Result<RecordParameter, Error> {
    let Some(parameter) = parameter else {
        return Ok(RecordParameter::Missing);
    };
    let generation = generation(parameter)?;
    let record = text(parameter)
        .ok()
        .and_then(|text| Record::from_json(text).ok());
    Ok(match record {
        Some(record) => RecordParameter::Set {
            generation,
            record: Box::new(record),
        },
        None => RecordParameter::Garbled { generation },
    })
}

/// What people ask for. A secret asks for nothing that the operator may read; as a pause, it holds.
pub(crate) fn intents(
    promote: Result<Option<Parameter>, Error>,
    abort: Result<Option<Parameter>, Error>,
    approve: Result<Option<Parameter>, Error>,
    pause: Result<Option<Parameter>, Error>,
    pause_all: Result<Option<Parameter>, Error>,
) -> Result<Intents, Error> {
    let words = |parameter: &Option<Parameter>| {
        let read = parameter.as_ref().map(text);
        read.map(|text| text.map_or_else(|why| why, str::to_owned))
    };
    let all = [promote?, abort?, approve?, pause?, pause_all?];
    let [promote, abort, approve, pause, pause_all] = all.map(|one| words(&one));
    Ok(Intents::parse(
        promote.as_deref(),
        abort.as_deref(),
        approve.as_deref(),
        pause.as_deref(),
        pause_all.as_deref(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::blog;
    use aws_sdk_ssm::primitives::DateTime;

    fn parameter(value: &str) -> Parameter {
        Parameter::builder()
            .name("/teal/apps/blog/desired")
            .r#type(ParameterType::String)
            .value(value)
            .version(7)
            .last_modified_date(DateTime::from_millis(1_700_000_000_123))
            .build()
    }

    const GENERATION: Generation = Generation {
        date: 1_700_000_000_123,
        version: 7,
    };

    #[test]
    fn a_wish_is_missing_invalid_or_set() {
        assert_eq!(desired(&blog(), None), Ok(DesiredParameter::Missing));
        let expected = Desired::parse("1.4.0").unwrap();
        assert_eq!(
            desired(&blog(), Some(&parameter("1.4.0"))),
            Ok(DesiredParameter::Set {
                generation: GENERATION,
                desired: expected
            })
        );
        let Ok(DesiredParameter::Invalid { generation, reason }) =
            desired(&blog(), Some(&parameter("{")))
        else {
            panic!()
        };
        assert_eq!(generation, GENERATION);
        assert!(!reason.is_empty());
    }

    #[test]
    fn secrets_are_refused_with_the_reason() {
        let mut secret = parameter("AQICAHh=");
        secret.r#type = Some(ParameterType::SecureString);
        let Ok(DesiredParameter::Invalid { reason, .. }) = desired(&blog(), Some(&secret)) else {
            panic!()
        };
        assert!(reason.contains("SecureString"));
        assert!(!reason.contains("AQICAHh"));
        assert_eq!(
            record(Some(&secret)),
            Ok(RecordParameter::Garbled {
                generation: GENERATION
            })
        );
    }

    #[test]
    fn a_wish_that_the_spec_does_not_allow_is_none() {
        let value = r#"{"version": "1.4.0", "images": {"web": "docker.io/evil/blog:1.4.0"}}"#;
        let Ok(DesiredParameter::Invalid { reason, .. }) =
            desired(&blog(), Some(&parameter(value)))
        else {
            panic!()
        };
        assert!(reason.contains("outside the spec's repository"), "{reason}");
    }

    #[test]
    fn a_record_is_missing_garbled_or_set() {
        assert_eq!(record(None), Ok(RecordParameter::Missing));
        for garbage in [
            "",
            "null",
            "[]",
            "{\"clean\":3}",
            "\u{0}",
            "{\"clean\":true",
        ] {
            assert_eq!(
                record(Some(&parameter(garbage))),
                Ok(RecordParameter::Garbled {
                    generation: GENERATION
                }),
                "{garbage:?}"
            );
        }
        let written = serde_json::to_string(&Record {
            clean: true,
            ..Record::default()
        })
        .unwrap();
        assert!(
            matches!(record(Some(&parameter(&written))), Ok(RecordParameter::Set { record, .. }) if record.clean)
        );
    }

    #[test]
    fn a_parameter_without_a_date_is_an_error_not_an_old_one() {
        let mut undated = parameter("1.4.0");
        undated.last_modified_date = None;
        assert_eq!(
            desired(&blog(), Some(&undated)).unwrap_err().kind,
            Kind::Invalid
        );
    }
}
