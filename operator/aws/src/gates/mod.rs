//! Gates as requests: an HTTP request to wherever the spec says, an ECS task in the application's network, a Lambda
//! function.

mod http;
mod lambda;
mod task;

use aws_smithy_runtime_api::client::http::SharedHttpConnector;
use crd_schema::Application;
use crd_schema::gate::Check;
use planner::gate::Run;
use runtime::cloud::Tried;

use crate::clients::Clients;

pub(crate) use http::beginning;

/// Sends a request, or asks for a task: one try, or one look at it.
pub(crate) async fn attempt(
    clients: &Clients,
    web: &SharedHttpConnector,
    application: &Application,
    run: &Run,
    failed: u32,
    so_far: Option<&str>,
) -> Tried {
    let looked = match &run.gate.check {
        Check::Http(http) => Ok(http::request(web, http, run).await),
        Check::EcsTask(wanted) => match so_far {
            Some(arn) => task::look(clients, application, wanted, arn).await,
            None => task::start(clients, application, wanted, run, failed).await,
        },
        Check::Lambda(function) => {
            lambda::invoke(clients, application, run, function, failed, so_far).await
        }
        Check::Approval => Ok(Tried::Unclear {
            reason: "a person approves it".to_owned(),
        }),
    };
    looked.unwrap_or_else(|error| Tried::Unclear {
        reason: error.to_string(),
    })
}
