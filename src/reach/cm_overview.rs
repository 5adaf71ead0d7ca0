//! Reads the lists of Cloudera Manager that a set of questions needs, each once.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;

use indexmap::IndexMap;
use serde_json::Value;

use super::cm::{Cm, futures_join, items};
use super::cm_gate;
use super::cm_order;
use super::cm_parcel;
use super::cm_replication;
use super::cm_scope::{Overview, Service, Session, service_path, text};
use super::cm_staleness::{self, Impact};
use super::cm_wants::Wants;
use super::http::Trouble;
use crate::model::manager::{Look, MANAGEMENT_SERVICE};
use crate::model::quote::percent;

/// A list that was read, if it was wanted.
type Listed = Option<Result<Vec<Value>, Trouble>>;

impl Cm {
    /// Reads the lists that are wanted.
    pub(super) async fn overview(&self, session: &Session, wants: &Wants<'_>) -> Overview {
        let services = async {
            match wants.services.is_empty() {
                true => None,
                false => Some(self.services(session, &wants.services).await),
            }
        };
        let hosts = if wants.hosts_in_full { "/hosts?view=full" } else { "/hosts" };
        let (mut services, hosts, mut settings, mut servers, users, peers) = tokio::join!(
            services,
            self.list_if(wants.hosts, session, hosts),
            // In full, because what is not set has a default.
            self.list_if(wants.settings, session, "/cm/config?view=full"),
            self.list_if(wants.servers, session, "/cm/instances"),
            self.list_if(wants.users, session, "/users"),
            self.list_if(wants.peers, session, "/cm/peers"),
        );
        let parcels = wants.parcels_in_use || !wants.parcels.is_empty();
        let (parcels, templates, staleness, impact, documents) = tokio::join!(
            self.list_of_cluster(parcels, session, "parcels"),
            self.list_of_cluster(wants.templates, session, "hostTemplates"),
            self.staleness(wants.staleness, session),
            self.impact(wants.impact, session),
            self.documents(session, &wants.looks),
        );
        // Why a parcel is not known depends on the servers, and on the repositories.
        if cm_parcel::lacks(parcels.as_ref(), &wants.parcels) {
            let (more, told) = tokio::join!(
                self.list_if(servers.is_none(), session, "/cm/instances"),
                self.list_if(settings.is_none(), session, "/cm/config?view=full"),
            );
            (servers, settings) = (servers.or(more), settings.or(told));
        }
        if let Some(Ok(services)) = &mut services {
            let groups = self.members(session, services, &wants.groups, "roleConfigGroups");
            let roles = self.members(session, services, &wants.roles, "roles");
            let replications = self.members(session, services, &wants.replications, "replications");
            let (groups, roles, replications) = tokio::join!(groups, roles, replications);
            for (name, list) in replications {
                services.entry(name).or_default().replications = Some(list);
            }
            self.runs(session, services, wants).await;
            for (name, list) in groups {
                services.entry(name).or_default().groups = Some(list);
            }
            for (name, list) in roles {
                services.entry(name).or_default().roles = Some(list);
            }
        }
        let earlier = self.seen.get().cloned().unwrap_or_default();
        if let Some(Ok(servers)) = &servers {
            self.seen.get_or_init(|| cm_gate::seen(servers));
        }
        let is_idle = self.is_idle.load(Ordering::Relaxed);
        Overview {
            services,
            hosts,
            parcels,
            settings,
            staleness,
            templates,
            users,
            peers,
            documents,
            servers,
            declared_servers: self.declared_servers,
            is_idle,
            is_unrefreshed: self.is_unrefreshed.load(Ordering::Relaxed),
            seen: earlier,
            impact,
        }
    }

    /// Reads the documents that are looked into, each once.
    async fn documents(
        &self,
        session: &Session,
        looks: &HashSet<&Look>,
    ) -> HashMap<String, Result<Value, Trouble>> {
        let mut first: HashMap<&str, &Look> = HashMap::new();
        looks.iter().for_each(|look| _ = first.entry(&look.path).or_insert(look));
        let read = futures_join(first.into_iter().map(|(name, look)| async move {
            let read = match cm_order::document(session, look) {
                Ok(path) => self.http.get_json_at(&session.api, &path).await,
                Err(trouble) => Err(trouble),
            };
            (name.to_string(), read)
        }));
        read.await.into_iter().collect()
    }

    async fn list_if(&self, is_wanted: bool, session: &Session, path: &str) -> Listed {
        match is_wanted {
            true => Some(self.list(session, path).await),
            false => None,
        }
    }

    async fn list_of_cluster(&self, is_wanted: bool, session: &Session, what: &str) -> Listed {
        match (is_wanted, session.cluster_path()) {
            (false, _) => None,
            (true, Ok(cluster)) => Some(self.list(session, &format!("{cluster}/{what}")).await),
            (true, Err(trouble)) => Some(Err(trouble)),
        }
    }

    /// Reads which services are stale. What was written before is settled by that.
    async fn staleness(&self, is_wanted: bool, session: &Session) -> Listed {
        if !is_wanted {
            return None;
        }
        let unsettled = self.unsettled.lock().ok().and_then(|mut writes| writes.take());
        let line = self.line(session, &self.side);
        let read = match session.cluster_path() {
            Ok(cluster) => cm_staleness::read(line, &cluster, unsettled).await,
            Err(trouble) => Err(trouble),
        };
        if let (Ok(services), Ok(mut stale)) = (&read, self.stale.lock()) {
            *stale = services.iter().filter_map(cm_staleness::stale_name).collect();
        }
        Some(read)
    }

    async fn impact(&self, is_wanted: bool, session: &Session) -> Option<Result<Impact, Trouble>> {
        if !is_wanted {
            return None;
        }
        let known = self.settings.lock().map(|kept| kept.clone()).unwrap_or_default();
        let line = self.line(session, &self.side);
        Some(match session.cluster_path() {
            Ok(cluster) => cm_staleness::impact(line, &cluster, &known).await,
            Err(trouble) => Err(trouble),
        })
    }

    async fn services(
        &self,
        session: &Session,
        names: &HashSet<&str>,
    ) -> Result<IndexMap<String, Service>, Trouble> {
        let mut services = IndexMap::new();
        if names.contains(MANAGEMENT_SERVICE) {
            let service = self.http.get_json_at(&session.api, "/cm/service").await;
            match service {
                Ok(service) => {
                    let sort = text(&service, "type").unwrap_or("MGMT").to_string();
                    services.insert(
                        MANAGEMENT_SERVICE.to_string(),
                        Service { sort, told: service, ..Service::default() },
                    );
                }
                Err(Trouble::NotFound(_)) => {}
                Err(trouble) => return Err(trouble),
            }
        }
        if names.iter().all(|name| *name == MANAGEMENT_SERVICE) {
            return Ok(services);
        }
        let cluster = session.cluster.as_ref().map_err(|said| Trouble::Refused(0, said.clone()))?;
        let path = format!("/clusters/{}/services", percent(cluster));
        for service in self.list(session, &path).await? {
            let name = text(&service, "name").unwrap_or_default().to_string();
            let sort = text(&service, "type").unwrap_or_default().to_string();
            services.insert(name, Service { sort, told: service, ..Service::default() });
        }
        Ok(services)
    }

    async fn members(
        &self,
        session: &Session,
        services: &IndexMap<String, Service>,
        wanted: &HashSet<&str>,
        what: &str,
    ) -> Vec<(String, Result<Vec<Value>, Trouble>)> {
        let names: Vec<String> =
            services.keys().filter(|name| wanted.contains(name.as_str())).cloned().collect();
        let lists = futures_join(names.iter().map(|name| async {
            let path = format!("{}/{what}", service_path(session, name));
            self.list(session, &path).await
        }))
        .await;
        names.into_iter().zip(lists).collect()
    }

    /// Reads the last runs of the replication schedules that are wanted.
    async fn runs(
        &self,
        session: &Session,
        services: &mut IndexMap<String, Service>,
        wants: &Wants<'_>,
    ) {
        let known: Vec<(&str, &str, String)> = wants
            .runs
            .iter()
            .filter_map(|(owner, name)| {
                let path = cm_replication::history(services.get(*owner)?, name)?;
                Some((*owner, *name, format!("{}/{path}", service_path(session, owner))))
            })
            .collect();
        let lists = futures_join(known.iter().map(|(.., path)| self.list(session, path))).await;
        for ((owner, name, _), list) in known.iter().zip(lists) {
            services.entry(owner.to_string()).or_default().runs.insert(name.to_string(), list);
        }
    }

    async fn list(&self, session: &Session, path: &str) -> Result<Vec<Value>, Trouble> {
        items(&self.http.get_json_at(&session.api, path).await?)
    }
}
