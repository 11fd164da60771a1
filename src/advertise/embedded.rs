//! `bgp_backend = embedded`: prefixes become routes of the speaker in this process.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use tokio::sync::watch;

use super::boot::BootNote;
use super::kernel_side::{fib_settings, originate_in_tenant_tables, originated, tenant_tables};
use super::sessions::{neighbours, settings};
use super::told::Told;
use super::{Live, Origination, Source, TenantOrigination};
use crate::config::Config;
use crate::fib::{self, Fib, Routers, TablesNote};
use crate::peering::{Ended, LearnedRoutes, Peering, Snapshot, Start};
use crate::reconcile::{Announcement, Destination};

/// Why the speaker cannot start.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    #[error(
        "no BGP router-id: no interface of this node has an IPv4 address to take; set bgp_router_id"
    )]
    NoRouterId,
    #[error("the speaker cannot start: {0}")]
    Spawn(#[from] std::io::Error),
}

/// Another configuration cannot be taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReloadError {
    #[error(transparent)]
    Speaker(#[from] Ended),
    #[error(transparent)]
    Fib(#[from] fib::Ended),
}

/// The speaker, before and after its start.
///
/// It starts late on purpose: what it originates must be complete when the first session comes up,
/// because the End-of-RIB marker that follows tells the neighbour's graceful-restart helper to drop
/// everything else (RFC 4724 §4.1).
pub struct Embedded {
    config: Arc<Config>,
    /// Once started.
    peering: Option<Peering>,
    /// The kernel's side, started with it.
    fib: Option<Fib>,
    router_id: Option<Ipv4Addr>,
    problem: Option<String>,
    /// What was forwarded before this start is forwarded still, as far as is known.
    restarted: bool,
    /// Until the first attempt to start.
    boot_note: Option<BootNote>,
    /// OVN's.
    adverts: BTreeMap<Destination, Announcement>,
    origination: Origination,
    /// For those who follow the speaker.
    live: watch::Sender<Live>,
    /// What OVN's routers want to learn, once that is known.
    routers: watch::Sender<Option<Arc<Routers>>>,
}

impl Embedded {
    /// A speaker that is not started.
    pub fn new(config: Arc<Config>) -> Self {
        let live = Live {
            config: Arc::clone(&config),
            router_id: None,
            speaker: None,
            fib: None,
        };
        let boot_note = BootNote::beside(&config.agent.control_socket);
        Self {
            config,
            boot_note,
            live: watch::Sender::new(live),
            routers: watch::Sender::new(None),
            peering: None,
            fib: None,
            router_id: None,
            problem: None,
            adverts: BTreeMap::new(),
            restarted: false,
            origination: Origination::default(),
        }
    }

    /// What is originated, for those who originate beside OVN.
    pub fn origination(&self) -> &Origination {
        &self.origination
    }

    /// Tenants' tables (EVPN): what is originated in them, and what peers teach of them.
    pub fn tenants(&self) -> &TenantOrigination {
        self.origination.tenants()
    }

    /// The speaker as others find it, now and when that changes.
    pub fn live(&self) -> watch::Receiver<Live> {
        self.live.subscribe()
    }

    /// Whoever wired this node before has left it wired: neighbours are told at the start that traffic went on
    /// (F, RFC 4724 §3). An earlier start of this program tells it by itself.
    pub fn took_over(&mut self) {
        self.restarted = true;
    }

    /// Starts the sessions, with what was handed over so far. Answers the BGP identifier in use.
    ///
    /// # Errors
    /// Nothing has been started, and starting may be tried again.
    pub fn start(&mut self) -> Result<Ipv4Addr, EmbeddedError> {
        let started = self.try_start();
        self.problem = started.as_ref().err().map(ToString::to_string);
        started
    }

    fn try_start(&mut self) -> Result<Ipv4Addr, EmbeddedError> {
        let addresses = addresses()?;
        let pairs = addresses.iter().map(|(device, ip)| (device.as_str(), *ip));
        let router_id = self
            .config
            .bgp
            .router_id_from(pairs)
            .ok_or(EmbeddedError::NoRouterId)?;
        let neighbours = neighbours(&self.config);
        // Once: a second attempt of this process is no second start.
        let note = self.boot_note.take();
        self.restarted |= note.is_some_and(|note| note.leave());
        let settings = settings(&self.config, router_id, self.restarted);
        let learned = LearnedRoutes::default();
        let origination = &self.origination;
        origination.replace(Source::Configuration, originated(&self.config.bgp));
        // First: the node's own addresses belong before the End-of-RIB of the first session.
        let fib = fib_settings(&self.config.bgp);
        let start = fib::Start {
            learned: learned.clone(),
            origination: origination.clone(),
            routers: self.routers.subscribe(),
            note: TablesNote::beside(&self.config.agent.control_socket),
        };
        let fib = Fib::spawn(fib, start)?;
        self.configure_tenants(router_id);
        let learned_tenants = origination.tenants().to_fill();
        let spawn = |routes, tenants| {
            let start = Start {
                routes,
                learned: Some(learned),
                tenants,
                learned_tenants,
            };
            Peering::spawn_from(settings, neighbours, start)
        };
        let peering = self.origination.start(spawn, Peering::handle)?;
        self.router_id = Some(router_id);
        self.live.send_modify(|live| {
            live.router_id = Some(router_id);
            live.speaker = peering.handle();
            live.fib = fib.handle();
        });
        self.peering = Some(peering);
        self.fib = Some(fib);
        Ok(router_id)
    }

    /// Becomes what another configuration asks for; what is the same is not touched. Before the start,
    /// the start follows it.
    ///
    /// # Errors
    /// A thread of the speaker has ended.
    pub async fn reload(&mut self, config: Arc<Config>) -> Result<(), ReloadError> {
        self.live
            .send_modify(|live| live.config = Arc::clone(&config));
        self.config = config;
        let bgp = &self.config.bgp;
        // One that nobody has chosen stays: the node's addresses may come and go.
        let router_id = bgp.router_id.or(self.router_id);
        let (Some(peering), Some(fib), Some(router_id)) = (&self.peering, &self.fib, router_id)
        else {
            return Ok(());
        };
        self.origination
            .replace(Source::Configuration, originated(bgp));
        self.configure_tenants(router_id);
        peering
            .reconfigure(
                settings(&self.config, router_id, self.restarted),
                neighbours(&self.config),
            )
            .await?;
        fib.reconfigure(fib_settings(bgp)).await?;
        self.router_id = Some(router_id);
        self.live
            .send_modify(|live| live.router_id = Some(router_id));
        Ok(())
    }

    /// Tenants' tables of the configuration.
    fn configure_tenants(&self, router_id: Ipv4Addr) {
        let tenants = self.origination.tenants();
        tenants.set_instances(
            Source::Configuration,
            tenant_tables(&self.config, router_id),
        );
        originate_in_tenant_tables(&self.config, tenants);
    }

    /// Why the last attempt to start has failed.
    pub fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    /// True once the sessions have been started.
    pub fn is_started(&self) -> bool {
        self.peering.is_some()
    }

    /// The BGP identifier in use, once started.
    pub fn router_id(&self) -> Option<Ipv4Addr> {
        self.router_id
    }

    /// Originates and withdraws. Returns at once.
    pub fn advertise(
        &mut self,
        originate: &[(Destination, &Announcement)],
        withdraw: &[Destination],
    ) {
        for (destination, announcement) in originate {
            self.adverts.insert(*destination, (*announcement).clone());
        }
        for destination in withdraw {
            self.adverts.remove(destination);
        }
        let told = Told::of(&self.adverts, originate, withdraw);
        self.origination.withdraw(Source::Ovn, told.withdrawn);
        self.origination.originate(Source::Ovn, told.routes);
        for (vni, prefixes) in told.tenants_withdrawn {
            self.tenants().withdraw(Source::Ovn, vni, prefixes);
        }
        for (vni, routes) in told.tenants {
            self.tenants().originate(Source::Ovn, vni, routes);
        }
        for (vni, macs) in told.hosts_gone {
            self.tenants().withdraw_hosts(Source::Ovn, vni, macs);
        }
        for (vni, hosts) in told.hosts {
            self.tenants().originate_hosts(Source::Ovn, vni, hosts);
        }
    }

    /// These routers of OVN learn what peers teach, from now on.
    pub fn teach(&self, routers: Arc<Routers>) {
        self.routers.send_replace(Some(routers));
    }

    /// Returns once neighbours have been sent all of it, those apart that are slow to take it.
    pub async fn flushed(&self) {
        if let Some(peering) = &self.peering {
            // A speaker that has ended has no neighbours that could be told.
            let _ = peering.flushed().await;
        }
    }

    /// What OVN has us originate, or will once started.
    pub fn adverts(&self) -> &BTreeMap<Destination, Announcement> {
        &self.adverts
    }

    /// The speaker at this moment; empty before it was started.
    pub async fn status(&self) -> Result<Snapshot, Ended> {
        match &self.peering {
            Some(peering) => peering.status().await,
            None => Ok(Snapshot::default()),
        }
    }

    /// The kernel's side at this moment; empty before it was started.
    ///
    /// # Errors
    /// Its thread has ended.
    pub async fn fib_status(&self) -> Result<fib::Snapshot, fib::Ended> {
        match &self.fib {
            Some(fib) => fib.status().await,
            None => Ok(fib::Snapshot::default()),
        }
    }

    /// Waits until the speaker has ended, which it does not do by itself. May be dropped at any await.
    pub async fn ended(&self) -> Ended {
        match &self.peering {
            Some(peering) => peering.ended().await,
            None => std::future::pending().await,
        }
    }
}

/// The node's IPv4 addresses by device, for want of a configured router-id.
fn addresses() -> std::io::Result<Vec<(String, Ipv4Addr)>> {
    let all = nix::ifaddrs::getifaddrs()?;
    let four = |address: nix::ifaddrs::InterfaceAddress| {
        let ip = address.address?.as_sockaddr_in()?.ip();
        Some((address.interface_name, ip))
    };
    Ok(all.filter_map(four).collect())
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    #[test]
    fn loopback_has_an_address_to_find() {
        let found = addresses().unwrap();
        assert!(
            found.iter().any(|(_, ip)| IpAddr::V4(*ip).is_loopback()),
            "{found:?}"
        );
    }
}
