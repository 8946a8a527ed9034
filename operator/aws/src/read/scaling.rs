//! Application Auto Scaling: which services somebody else scales.

use std::collections::BTreeSet;

use aws_sdk_applicationautoscaling::types::{ScalableDimension, ServiceNamespace};
use futures_util::future::try_join_all;

use crate::budget::Class;
use crate::clients::Clients;
use crate::error::Error;
use crate::page;
use crate::read::services::last_segment;

const DESCRIBE: &str = "DescribeScalableTargets";

/// Of these services of the cluster, the names of those with a registered scalable target.
pub(crate) async fn autoscaled(
    clients: &Clients,
    cluster: &str,
    services: &BTreeSet<String>,
) -> Result<BTreeSet<String>, Error> {
    let cluster = last_segment(cluster);
    let ids: Vec<String> = services
        .iter()
        .map(|service| format!("service/{cluster}/{service}"))
        .collect();
    let calls = ids.chunks(50).map(|chunk| {
        page::all(DESCRIBE, cluster, move |token| async move {
            let send = clients
                .scaling
                .describe_scalable_targets()
                .service_namespace(ServiceNamespace::Ecs)
                .scalable_dimension(ScalableDimension::EcsServiceDesiredCount)
                .set_resource_ids(Some(chunk.to_vec()))
                .set_next_token(token)
                .send();
            let answer = clients
                .call(Class::ScalingRead, DESCRIBE, cluster, send)
                .await?;
            Ok((
                answer.scalable_targets.unwrap_or_default(),
                answer.next_token,
            ))
        })
    });
    let targets = try_join_all(calls).await?;
    Ok(targets
        .into_iter()
        .flatten()
        .map(|target| last_segment(target.resource_id()).to_owned())
        .collect())
}
