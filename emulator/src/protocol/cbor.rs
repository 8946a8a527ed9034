//! CBOR as Smithy RPC v2 has it (<https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html>): an input
//! becomes the JSON object that the services take, an output becomes CBOR.

use ciborium::Value as Cbor;
use serde_json::{Map, Number, Value};

use super::model::{Model, Shape};

/// The tag of a number of seconds since 1970 (RFC 8949, 3.4.2).
const EPOCH_SECONDS: u64 = 1;

/// Why bytes are no input.
#[derive(Debug, thiserror::Error)]
pub enum CborError {
    /// Not CBOR.
    #[error("the body is not CBOR")]
    Malformed(#[source] ciborium::de::Error<std::io::Error>),
    /// CBOR that no input is made of: byte strings, tags but that of a time, keys that are no texts.
    #[error("the body holds CBOR that no input is made of")]
    Foreign,
}

/// Reads an input. Numbers that JSON does not have (NaN, infinities) become texts, so that [`super::validate`]
/// reports them.
///
/// # Errors
/// The bytes are not CBOR, or not of the kinds that inputs are made of.
pub fn decode(bytes: &[u8]) -> Result<Value, CborError> {
    json(ciborium::from_reader(bytes).map_err(CborError::Malformed)?)
}

fn json(value: Cbor) -> Result<Value, CborError> {
    Ok(match value {
        Cbor::Null => Value::Null,
        Cbor::Bool(value) => Value::Bool(value),
        Cbor::Text(text) => Value::String(text),
        Cbor::Float(number) => Number::from_f64(number)
            .map_or_else(|| Value::String(number.to_string()), Value::Number),
        Cbor::Integer(number) => match (i64::try_from(number), u64::try_from(number)) {
            (Ok(number), _) => number.into(),
            (Err(_), Ok(number)) => number.into(),
            (Err(_), Err(_)) => Value::String(i128::from(number).to_string()),
        },
        Cbor::Array(items) => Value::Array(items.into_iter().map(json).collect::<Result<_, _>>()?),
        Cbor::Map(entries) => {
            let mut members = Map::new();
            for (key, value) in entries {
                let Cbor::Text(key) = key else {
                    return Err(CborError::Foreign);
                };
                members.insert(key, json(value)?);
            }
            Value::Object(members)
        }
        Cbor::Tag(EPOCH_SECONDS, seconds) if seconds.is_integer() || seconds.is_float() => {
            json(*seconds)?
        }
        Cbor::Tag(..) | Cbor::Bytes(_) | _ => return Err(CborError::Foreign),
    })
}

/// Writes an output, which is the shape called `shape`: times are tagged, and numbers are as wide as the model says.
#[must_use]
pub fn encode(model: &Model, shape: &str, value: &Value) -> Vec<u8> {
    write(&cbor(model, shape, value))
}

/// Writes an error: its type and its text.
#[must_use]
pub fn error(code: &str, message: &str) -> Vec<u8> {
    let member = |name: &str, text: &str| (Cbor::from(name), Cbor::from(text));
    write(&Cbor::Map(vec![
        member("__type", code),
        member("message", message),
    ]))
}

#[expect(clippy::expect_used, reason = "a vector takes everything")]
fn write(value: &Cbor) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).expect("CBOR is written to memory");
    bytes
}

fn cbor(model: &Model, shape: &str, value: &Value) -> Cbor {
    match (model.shape(shape), value) {
        (Shape::Structure(structure), Value::Object(given)) => {
            let present = structure.members.iter().filter_map(|(name, reference)| {
                let member = given.get(name).filter(|member| !member.is_null())?;
                Some((
                    Cbor::from(name.as_str()),
                    cbor(model, &reference.shape, member),
                ))
            });
            Cbor::Map(present.collect())
        }
        (Shape::Map(map), Value::Object(entries)) => {
            let entries = entries.iter().map(|(key, entry)| {
                (
                    Cbor::from(key.as_str()),
                    cbor(model, &map.value.shape, entry),
                )
            });
            Cbor::Map(entries.collect())
        }
        (Shape::List(list), Value::Array(items)) => {
            let items = items
                .iter()
                .map(|item| cbor(model, &list.member.shape, item));
            Cbor::Array(items.collect())
        }
        (Shape::Timestamp, Value::Number(seconds)) => {
            let seconds = Cbor::Float(seconds.as_f64().unwrap_or_default());
            Cbor::Tag(EPOCH_SECONDS, Box::new(seconds))
        }
        (Shape::Float(_) | Shape::Double(_), Value::Number(number)) => {
            Cbor::Float(number.as_f64().unwrap_or_default())
        }
        (_, Value::Number(number)) => number.as_i64().map_or_else(
            || Cbor::Float(number.as_f64().unwrap_or_default()),
            Cbor::from,
        ),
        (_, Value::Bool(value)) => Cbor::Bool(*value),
        (_, Value::String(text)) => Cbor::from(text.as_str()),
        (_, Value::Null | Value::Array(_) | Value::Object(_)) => Cbor::Null,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::Service;
    use crate::protocol::model;

    #[test]
    fn an_output_is_read_back_as_it_was() {
        let output = json!({
            "MetricAlarms": [{"AlarmName": "a", "Threshold": 1.0, "Period": 60, "ActionsEnabled": true, "Dimensions": []}],
            "CompositeAlarms": [],
            "NextToken": "é",
        });
        let model = model::of(Service::CloudWatch);
        let read = decode(&encode(model, "DescribeAlarmsOutput", &output)).unwrap();
        assert_eq!(read, output);
    }

    #[test]
    fn a_time_is_tagged_and_a_whole_double_is_a_float() {
        let output =
            json!({"MetricDataResults": [{"Timestamps": [1.5], "Values": [2], "Colour": 1}]});
        let bytes = encode(
            model::of(Service::CloudWatch),
            "GetMetricDataOutput",
            &output,
        );
        let Cbor::Map(members) = ciborium::from_reader(bytes.as_slice()).unwrap() else {
            unreachable!("a structure is a map")
        };
        let time = Cbor::Tag(1, Box::new(Cbor::Float(1.5)));
        let result = Cbor::Map(vec![
            ("Timestamps".into(), Cbor::Array(vec![time])),
            ("Values".into(), Cbor::Array(vec![Cbor::Float(2.0)])),
        ]);
        assert_eq!(
            members,
            [("MetricDataResults".into(), Cbor::Array(vec![result]))]
        );
    }

    #[test]
    fn what_an_sdk_writes_is_read() {
        // A map without a length, as the Rust SDK writes it: {_ "Time": 1(0), "Value": 1.5, "N": -1, "Nothing": null}.
        let bytes = b"\xbf\x64Time\xc1\x00\x65Value\xf9\x3e\x00\x61N\x20\x67Nothing\xf6\xff";
        assert_eq!(
            decode(bytes).unwrap(),
            json!({"Time": 0, "Value": 1.5, "N": -1, "Nothing": null})
        );
        assert_eq!(decode(b"\xf9\x7e\x00").unwrap(), json!("NaN"));
    }

    #[test]
    fn other_bytes_are_refused() {
        for bytes in [
            b"".as_slice(),
            b"\xbf\x61a",
            b"\xa1\x01\x02",
            b"\x41a",
            b"\xc0\x61a",
            b"\xc1\x61a",
            &[0x81; 100_000],
        ] {
            assert!(decode(bytes).is_err(), "{bytes:?}");
        }
    }
}
