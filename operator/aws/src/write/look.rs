//! The look before a write: is what it touches still what the plan saw?

use std::collections::BTreeSet;

use aws_sdk_ecs::types::Service;
use crd_schema::{Application, TargetGroupArn};
use planner::Write;
use planner::scaling::Change;
use planner::world::Action;

use crate::error::Error;
use crate::read::{balancers, groups, services};
use crate::write::AwsWriter;

impl AwsWriter {
    /// What differs from what the plan saw; `None` when nothing does.
    pub(super) async fn look(
        &self,
        application: &Application,
        write: &Write,
    ) -> Result<Option<String>, Error> {
        match write {
            Write::PutRecord(_)
            | Write::RegisterTaskDefinition { .. }
            | Write::DeregisterTaskDefinition { .. } => Ok(None),
            Write::CreateTargetGroup { name, .. } => {
                let exists = groups::exists(&self.clients, name).await?;
                Ok(exists.then(|| format!("target group {name} (none before, now there)")))
            }
            Write::SetGroupAttributes { group, .. } | Write::DeleteTargetGroup { group } => {
                // A group that a rule names belongs to a load balancer.
                Ok(match groups::load_balancer(&self.clients, group).await? {
                    Some(None) => None,
                    Some(Some(_)) => Some(format!(
                        "target group {group} (in no rule before, now in one)"
                    )),
                    None => Some(format!("target group {group} (now gone)")),
                })
            }
            Write::CreateService { name, .. } => {
                let service = self.service(application, name).await?;
                let status = service
                    .as_ref()
                    .and_then(|service| service.status())
                    .filter(|status| *status != "INACTIVE");
                Ok(status.map(|status| format!("service {name} (none before, now {status})")))
            }
            Write::ScaleService { name, from, to } => {
                let service = self.service(application, name).await?;
                match active(name, service.as_ref(), Some(*from)) {
                    Ok(service) if to < from && application.is_worker() => {
                        self.nobody_beside(application, service).await
                    }
                    Ok(service) if to < from => self.weight_on(application, service).await,
                    Ok(_) => Ok(None),
                    Err(what) => Ok(Some(what)),
                }
            }
            Write::UpdateService { name, from, .. } => {
                let service = self.service(application, name).await?;
                Ok(match active(name, service.as_ref(), None) {
                    Ok(service) if services::runs(service) == from => None,
                    Ok(service) => Some(format!(
                        "service {name} ({from} before, now {})",
                        services::runs(service)
                    )),
                    Err(what) => Some(what),
                })
            }
            Write::DeleteService { name } => {
                let service = self.service(application, name).await?;
                match active(name, service.as_ref(), Some(0)) {
                    Ok(service) if service.running_count > 0 => Ok(Some(format!(
                        "service {name} (no tasks before, now {} running)",
                        service.running_count
                    ))),
                    // An empty service beside one that serves may go, whatever the weights.
                    Ok(service) if self.has_company(application, service).await? => Ok(None),
                    Ok(service) => self.weight_on(application, service).await,
                    Err(what) => Ok(Some(what)),
                }
            }
            // What is gone serves nobody.
            Write::SetScaling {
                name,
                change: Change::Deregister,
            } => {
                let service = self.service(application, name).await?;
                match active(name, service.as_ref(), None) {
                    Ok(service) => self.weight_on(application, service).await,
                    Err(_) => Ok(None),
                }
            }
            Write::TagService { name, .. } | Write::SetScaling { name, .. } => {
                let service = self.service(application, name).await?;
                Ok(active(name, service.as_ref(), None).err())
            }
            Write::SetWeights {
                rule, groups, seen, ..
            } => {
                let actions = balancers::read_one(&self.clients, rule).await?;
                let now = actions.map_or(Action::Missing, |actions| {
                    balancers::action(&actions, groups)
                });
                Ok(match &now {
                    Action::Forward { weights, .. } if weights == seen => None,
                    Action::Forward { weights, .. } => Some(format!(
                        "{} (weights {seen:?} before, now {weights:?})",
                        balancers::arn(rule)
                    )),
                    Action::Other { kinds } => Some(format!(
                        "{} (one forward before, now {kinds})",
                        balancers::arn(rule)
                    )),
                    Action::Missing => Some(format!("{} (now gone)", balancers::arn(rule))),
                })
            }
        }
    }

    async fn service(
        &self,
        application: &Application,
        name: &str,
    ) -> Result<Option<Service>, Error> {
        services::describe(&self.clients, &application.cluster, name).await
    }

    /// Another ACTIVE service with tasks is bound to the same group.
    async fn has_company(
        &self,
        application: &Application,
        service: &Service,
    ) -> Result<bool, Error> {
        let all =
            services::of_cluster(&self.clients, &application.cluster, &BTreeSet::new()).await?;
        let shares = |other: &Service| {
            services::bound(other).any(|arn| services::bound(service).any(|own| own == arn))
        };
        let mut seen = all.iter().filter_map(|(_, other)| other.as_ref().ok());
        Ok(seen.any(|other| {
            other.service_name != service.service_name
                && other.status() == Some("ACTIVE")
                && other.running_count > 0
                && shares(other)
        }))
    }

    /// No other worker of the application that may work in its place is there.
    async fn nobody_beside(
        &self,
        application: &Application,
        service: &Service,
    ) -> Result<Option<String>, Error> {
        let all =
            services::of_cluster(&self.clients, &application.cluster, &BTreeSet::new()).await?;
        let works = |other: &Service| {
            other.service_name != service.service_name
                && services::is_active(other, application)
                && other.desired_count > 0
        };
        let mut seen = all.iter().filter_map(|(_, other)| other.as_ref().ok());
        let name = service.service_name().unwrap_or_default();
        Ok((!seen.any(works))
            .then(|| format!("service {name} (another one beside it before, now none)")))
    }

    /// A rule that gives weight to a group that the service is bound to, on any load balancer that is concerned. A group
    /// that is gone has none.
    async fn weight_on(
        &self,
        application: &Application,
        service: &Service,
    ) -> Result<Option<String>, Error> {
        for arn in services::bound(service) {
            let group = TargetGroupArn::new(arn);
            let Some(own) = groups::load_balancer(&self.clients, &group).await? else {
                continue;
            };
            let listed = application.production().chain(application.test());
            let mut load_balancers: BTreeSet<String> =
                listed.filter_map(balancers::load_balancer_of).collect();
            load_balancers.extend(own);
            for load_balancer in &load_balancers {
                let places = balancers::places(&self.clients, load_balancer).await?;
                let weighted = places
                    .iter()
                    .find(|place| balancers::gives_weight(&place.actions, &group));
                if let Some(place) = weighted {
                    return Ok(Some(format!(
                        "{} (no weight for {group} before, now some)",
                        balancers::arn(&place.target)
                    )));
                }
            }
        }
        Ok(None)
    }
}

/// The service if it is ACTIVE with this count, or what differs.
fn active<'a>(
    name: &str,
    service: Option<&'a Service>,
    count: Option<u32>,
) -> Result<&'a Service, String> {
    let service = service.ok_or_else(|| format!("service {name} (now gone)"))?;
    let status = service.status().unwrap_or("without status");
    if status != "ACTIVE" {
        return Err(format!("service {name} (ACTIVE before, now {status})"));
    }
    let desired = services::count(service.desired_count);
    match count {
        Some(count) if Some(count) != desired => Err(format!(
            "service {name} (count {count} before, now {})",
            service.desired_count
        )),
        Some(_) | None => Ok(service),
    }
}
