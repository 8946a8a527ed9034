//! Gates as requests: an HTTP request to wherever the spec says, an ECS task in the application's network, a Lambda
//! function, somebody else's webhook.

mod http;
mod lambda;
mod task;
mod webhook;

use aws_smithy_runtime_api::client::http::SharedHttpConnector;
use crd_schema::Application;
use crd_schema::gate::Check;
use planner::gate::Run;
use runtime::cloud::Tried;

use crate::clients::Clients;
use crate::error::Error;

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
        Check::Webhook(hook) => {
            Ok(webhook::ask(clients, web, application, run, hook, failed).await)
        }
        Check::Approval => Ok(Tried::Unclear {
            reason: "a person approves it".to_owned(),
        }),
    };
    looked.unwrap_or_else(|error| Tried::Unclear {
        reason: error.to_string(),
    })
}

/// Stops what runs for a gate that nobody waits for any more: an ECS task. All else ends by itself.
pub(crate) async fn stop(
    clients: &Clients,
    application: &Application,
    run: &Run,
    so_far: Option<&str>,
    why: &str,
) -> Result<(), Error> {
    match &run.gate.check {
        Check::EcsTask(_) => task::stop(clients, application, run, so_far, why).await,
        Check::Http(_) | Check::Lambda(_) | Check::Webhook(_) | Check::Approval => Ok(()),
    }
}
