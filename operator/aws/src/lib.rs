//! The wall to AWS: the only room that knows the SDK.
//!
//! It implements the runtime's traits and nothing else: [`AwsCloud`] observes, [`AwsWriter`] writes one write at a
//! time, [`DynamoDbLease`] keeps the lease. It decides nothing.
//!
//! - [`clients`]: one HTTP client and configuration; readers retry a little, writers never.
//! - [`error`]: one error for every call, and what a failed write leaves behind.
//! - [`budget`]: our share of AWS's request limits. [`metrics`]: every request, counted.
//! - [`in_process`]: an AWS without sockets, for tests.
//! - [`move_in`]: what a person changes so that a service can be adopted, and adopts it.
//! - `gates`: what a release is tested with: requests, tasks and functions.
//! - `signed`: requests to services of which one operation is needed.
//! - `webhook`: signed POSTs to somebody else.
//! - `watches`: alarms and metrics.
//! - `group_settings`: a target group's settings, from a template to a request.
//! - [`names`]: where an application's parameters are. [`params`]: the same for the command line.
//! - [`lease`]: one item of a DynamoDB table.
//! - [`survey`]: a service that somebody else made, for `teal init`.
//! - [`read`]: batched observation. [`write`](mod@write): one AWS call a write, and the look before it.
//!
//! # Promises
//!
//! No answer makes it panic; half a list is no list; what could not be read says so; a write is sent once.

pub mod budget;
pub mod clients;
mod coalesce;
pub mod error;
mod gates;
mod group_settings;
pub mod in_process;
pub mod lease;
pub mod metrics;
pub mod move_in;
pub mod names;
mod page;
pub mod params;
pub mod read;
mod signed;
pub mod survey;
#[cfg(test)]
mod tests;
mod watches;
mod webhook;
pub mod write;

pub use clients::{ConnectError, Connection, Settings};
pub use error::Error;
pub use lease::DynamoDbLease;
pub use metrics::CallMetrics;
pub use move_in::MoveIn;
pub use names::Names;
pub use params::Parameters;
pub use read::AwsCloud;
pub use survey::Survey;
pub use write::AwsWriter;
