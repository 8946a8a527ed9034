//! The runtime's trait `LeaseStore` over one item of a DynamoDB table.
//!
//! The table's partition key is `lease`, a String. Reads are consistent; a write is conditional on the whole item as it
//! was seen, and is never tried twice by the SDK.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::types::AttributeValue;
use runtime::lease::{LeaseItem, LeaseStore, Phase};

use crate::clients::Connection;
use crate::error::{Error, Kind};

/// The partition key's name.
pub const KEY: &str = "lease";
const HOLDER: &str = "holder";
const EPOCH: &str = "epoch";
const RENEWAL: &str = "renewal";
const PHASE: &str = "phase";
/// Each attribute of the item but its key must be as it was seen.
const UNCHANGED: &str =
    "#holder = :holder AND #epoch = :epoch AND #renewal = :renewal AND #phase = :phase";

/// One lease in one table.
#[derive(Debug, Clone)]
pub struct DynamoDbLease {
    client: Client,
    table: String,
    name: String,
}

impl DynamoDbLease {
    /// The lease called `name` in `table`; a call takes at most `limit`.
    pub fn new(connection: &Connection, table: &str, name: &str, limit: Duration) -> Self {
        Self {
            client: connection.lease(limit),
            table: table.to_owned(),
            name: name.to_owned(),
        }
    }

    fn failed<E>(&self, operation: &'static str, error: &SdkError<E>) -> Error
    where
        E: aws_smithy_types::error::metadata::ProvideErrorMetadata + std::error::Error + 'static,
    {
        let error = Error::from_sdk(operation, &self.resource(), error);
        let next = match error.kind {
            Kind::NotFound => {
                "create the table in this Region (partition key `lease`, a String), or correct --lease-table"
            }
            Kind::Invalid if error.message.contains("key") => {
                "the table's partition key must be `lease`, a String, without a sort key"
            }
            Kind::Invalid
            | Kind::Throttled
            | Kind::Denied
            | Kind::Conflict
            | Kind::Unavailable
            | Kind::Timeout
            | Kind::Network
            | Kind::Credentials => return error,
        };
        Error {
            message: format!("{next} ({})", error.message),
            ..error
        }
    }

    fn resource(&self) -> String {
        format!("table {}", self.table)
    }

    fn garbled(&self, attribute: &str) -> Error {
        Error::own(
            Kind::Invalid,
            "GetItem",
            &self.resource(),
            format!(
                "item {:?} has no usable attribute `{attribute}`: delete the item while no operator runs",
                self.name
            ),
        )
    }

    fn parse(&self, item: &HashMap<String, AttributeValue>) -> Result<LeaseItem, Error> {
        let text = |name: &'static str| {
            let value = item.get(name).and_then(|value| value.as_s().ok());
            value.ok_or_else(|| self.garbled(name))
        };
        let number = |name: &'static str| {
            let value = item.get(name).and_then(|value| value.as_n().ok());
            value
                .and_then(|value| value.parse().ok())
                .ok_or_else(|| self.garbled(name))
        };
        Ok(LeaseItem {
            holder: text(HOLDER)?.clone(),
            epoch: number(EPOCH)?,
            renewal: number(RENEWAL)?,
            phase: text(PHASE)?.parse().map_err(|_| self.garbled(PHASE))?,
        })
    }
}

/// The attributes of an item but its key.
fn attributes(item: &LeaseItem) -> [(&'static str, AttributeValue); 4] {
    let LeaseItem {
        holder,
        epoch,
        renewal,
        phase,
    } = item;
    [
        (HOLDER, AttributeValue::S(holder.clone())),
        (EPOCH, AttributeValue::N(epoch.to_string())),
        (RENEWAL, AttributeValue::N(renewal.to_string())),
        (PHASE, AttributeValue::S(Phase::as_str(*phase).to_owned())),
    ]
}

impl LeaseStore for DynamoDbLease {
    type Error = Error;

    async fn read(&self) -> Result<Option<LeaseItem>, Error> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .key(KEY, AttributeValue::S(self.name.clone()))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| self.failed("GetItem", &error))?;
        answer.item().map(|item| self.parse(item)).transpose()
    }

    async fn replace(&self, seen: Option<&LeaseItem>, next: &LeaseItem) -> Result<bool, Error> {
        let mut call = self
            .client
            .put_item()
            .table_name(&self.table)
            .item(KEY, AttributeValue::S(self.name.clone()));
        for (name, value) in attributes(next) {
            call = call.item(name, value);
        }
        call = match seen {
            None => call
                .condition_expression("attribute_not_exists(#lease)")
                .expression_attribute_names("#lease", KEY),
            Some(seen) => {
                for (name, value) in attributes(seen) {
                    call = call
                        .expression_attribute_names(format!("#{name}"), name)
                        .expression_attribute_values(format!(":{name}"), value);
                }
                call.condition_expression(UNCHANGED)
            }
        };
        match call.send().await {
            Ok(_) => Ok(true),
            Err(SdkError::ServiceError(answer))
                if answer.err().is_conditional_check_failed_exception() =>
            {
                Ok(false)
            }
            Err(error) => Err(self.failed("PutItem", &error)),
        }
    }
}
