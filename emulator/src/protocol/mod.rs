//! The wire: AWS JSON 1.0/1.1, REST with JSON, Query/XML and Smithy RPC v2 CBOR in and out, driven by the official service models.
//!
//! - [`model`]: the service models (cut down by `models/prune.py`) as types.
//! - [`request`]: an HTTP request becomes a service, an operation and a decoded, validated input.
//! - [`cbor`]: CBOR becomes JSON and JSON the CBOR that the model describes.
//! - [`query`]: a Query form becomes the JSON object that the model describes.
//! - `rest`: members in paths, headers and bodies.
//! - [`validate`]: values against the model, in both directions.
//! - [`response`]: an output or an error becomes an HTTP response.
//! - [`xml`]: a JSON object becomes XML in model order.
//!
//! Signatures are not verified: any access key will do, an expired one too. A request without credentials
//! is refused as AWS refuses it, so that a client that forgot to sign is noticed here.

pub mod cbor;
pub mod model;
pub mod query;
pub mod request;
pub mod response;
mod rest;
pub mod validate;
pub mod xml;
