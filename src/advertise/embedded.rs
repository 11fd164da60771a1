//! `bgp_backend = embedded`: prefixes become routes of the speaker in this process.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::Arc;

use bgp::Route;
use ipnet::IpNet;

use super::sessions::{neighbours, settings};
use super::{Origination, Source};
use crate::config::Config;
use crate::peering::{Ended, Peering, Snapshot};

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

/// The speaker, before and after its start.
///
/// It starts late on purpose: what it originates must be complete when the first session comes up,
/// because the End-of-RIB marker that follows tells the neighbour's graceful-restart helper to drop
/// everything else (RFC 4724 §4.1).
pub struct Embedded {
    config: Arc<Config>,
    /// Once started.
    peering: Option<Peering>,
    router_id: Option<Ipv4Addr>,
    problem: Option<String>,
    /// OVN's.
    prefixes: BTreeSet<IpNet>,
    origination: Origination,
}

impl Embedded {
    /// A speaker that is not started.
    pub fn new(config: Arc<Config>) -> Self {
        Self {
            config,
            peering: None,
            router_id: None,
            problem: None,
            prefixes: BTreeSet::new(),
            origination: Origination::default(),
        }
    }

    /// What is originated, for those who originate beside OVN.
    pub fn origination(&self) -> &Origination {
        &self.origination
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
        let settings = settings(&self.config.bgp, router_id);
        let spawn = |routes| Peering::spawn_with(settings, neighbours, routes);
        let peering = self.origination.start(spawn, Peering::handle)?;
        self.router_id = Some(router_id);
        self.peering = Some(peering);
        Ok(router_id)
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
    pub fn advertise(&mut self, originate: &[IpNet], withdraw: &[IpNet]) {
        self.prefixes.extend(originate);
        for prefix in withdraw {
            self.prefixes.remove(prefix);
        }
        let routes = originate.iter().copied().map(Route::new);
        self.origination
            .withdraw(Source::Ovn, withdraw.iter().copied());
        self.origination.originate(Source::Ovn, routes);
    }

    /// Returns once neighbours have been sent all of it, those apart that are slow to take it.
    pub async fn flushed(&self) {
        if let Some(peering) = &self.peering {
            // A speaker that has ended has no neighbours that could be told.
            let _ = peering.flushed().await;
        }
    }

    /// What OVN has us originate, or will once started.
    pub fn prefixes(&self) -> &BTreeSet<IpNet> {
        &self.prefixes
    }

    /// The speaker at this moment; empty before it was started.
    pub async fn status(&self) -> Result<Snapshot, Ended> {
        match &self.peering {
            Some(peering) => peering.status().await,
            None => Ok(Snapshot::default()),
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
