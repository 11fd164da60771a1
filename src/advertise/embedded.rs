//! `bgp_backend = embedded`: prefixes become routes of the speaker in this process.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use bgp::wire::{Asn, Family};
use bgp::{Filters, GracefulRestart, LocalAs, Multipath, PeerConfig, Route};
use ipnet::IpNet;
use tokio::sync::watch;

use super::{Live, Origination, Source};
use crate::config::{self, Config, RemoteAs, Ttl, UpdateSource};
use crate::peering::{Ended, Neighbour, Password, Peering, Settings, Snapshot};

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
    /// For those who follow the speaker.
    live: watch::Sender<Live>,
}

impl Embedded {
    /// A speaker that is not started.
    pub fn new(config: Arc<Config>) -> Self {
        let live = Live {
            config: Arc::clone(&config),
            router_id: None,
            speaker: None,
        };
        Self {
            config,
            live: watch::Sender::new(live),
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

    /// The speaker as others find it, now and when that changes.
    pub fn live(&self) -> watch::Receiver<Live> {
        self.live.subscribe()
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
        let neighbours = self.config.neighbours.iter().map(neighbour).collect();
        let settings = settings(&self.config.bgp, router_id);
        let spawn = |routes| Peering::spawn_with(settings, neighbours, routes);
        let peering = self.origination.start(spawn, Peering::handle)?;
        self.router_id = Some(router_id);
        self.live.send_modify(|live| {
            live.router_id = Some(router_id);
            live.speaker = peering.handle();
        });
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

fn settings(bgp: &config::Bgp, router_id: Ipv4Addr) -> Settings {
    let restart = GracefulRestart::new(bgp.graceful_restart_time);
    Settings {
        asn: bgp.asn,
        router_id,
        graceful_restart: bgp.graceful_restart.then_some(restart),
        multipath: Multipath::default(),
        listen: bgp
            .listen
            .iter()
            .map(|ip| SocketAddr::new(*ip, bgp.port))
            .collect(),
    }
}

fn neighbour(config: &config::Neighbour) -> Neighbour {
    let (local_address, interface) = match &config.update_source {
        Some(UpdateSource::Address(address)) => (Some(*address), None),
        Some(UpdateSource::Device(device)) => (None, Some(device.clone())),
        None => (None, None),
    };
    let (multihop, ttl_security) = match config.ttl {
        Ttl::Standard => (None, None),
        Ttl::Multihop(hops) => (Some(hops), None),
        Ttl::Security(hops) => (None, Some(hops)),
    };
    let password = config.password.as_ref();
    Neighbour {
        peer: peer(config),
        port: config.port,
        local_address,
        interface,
        password: password.and_then(|secret| Password::new(secret.reveal())),
        multihop,
        ttl_security,
    }
}

fn peer(config: &config::Neighbour) -> PeerConfig {
    let remote_as = match config.remote_as {
        RemoteAs::Number(asn) => bgp::RemoteAs::Number(Asn(asn)),
        RemoteAs::Internal => bgp::RemoteAs::Internal,
        RemoteAs::External => bgp::RemoteAs::External,
        RemoteAs::Auto => bgp::RemoteAs::Auto,
    };
    let families = [
        (config.families.ipv4_unicast, Family::IPV4_UNICAST),
        (config.families.ipv6_unicast, Family::IPV6_UNICAST),
    ];
    let families = families.into_iter().filter(|(wanted, _)| *wanted);
    let defaults = PeerConfig::new(config.name.clone(), config.address, remote_as);
    PeerConfig {
        local_as: Some(LocalAs {
            asn: Asn(config.local_as),
            prepend_received: true,
            replace: true,
        }),
        passive: config.passive,
        hold_time: config.hold_time,
        keepalive: config.keepalive_time.unwrap_or(config.hold_time / 3),
        connect_retry: config.connect_retry_time,
        families: families.map(|(_, family)| family).collect(),
        next_hop_v4: config.next_hop_ipv4,
        next_hop_v6: config.next_hop_ipv6,
        export: if config.only_host_prefixes {
            Filters::host_prefixes()
        } else {
            Filters::default()
        },
        ..defaults
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
    use std::time::Duration;

    use super::*;
    use crate::config::{Input, Loaded};

    fn loaded(text: &str) -> Config {
        let files = vec![("bgp-agent.conf".into(), text.to_owned())];
        let loaded = Loaded::read(&Input {
            files,
            ..Input::default()
        });
        assert!(loaded.is_valid(), "{:?}", loaded.problems);
        loaded.config
    }

    #[test]
    fn a_neighbour_keeps_what_was_configured() {
        let config = loaded(
            "[DEFAULT]\ndriver = nb_ovn_bgp_driver\nbgp_AS = 64999\n[bgp]\nhold_time = 9\n\
             [bgp_neighbor leaf]\naddress = 192.0.2.254\nremote_as = 65000\npassword = s3cret\nport = 1179\n\
             multihop = 3\nfamilies = ipv4-unicast\n",
        );
        let leaf = neighbour(&config.neighbours[0]);
        assert_eq!((leaf.port, leaf.multihop), (1179, Some(3)));
        assert_eq!(leaf.password, Password::new("s3cret"));
        assert_eq!(leaf.peer.remote_as, bgp::RemoteAs::Number(Asn(65000)));
        assert_eq!(leaf.peer.hold_time, Duration::from_secs(9));
        assert_eq!(leaf.peer.keepalive, Duration::from_secs(3));
        assert_eq!(leaf.peer.families, [Family::IPV4_UNICAST]);
        assert_eq!(leaf.peer.export, Filters::host_prefixes());
    }

    #[test]
    fn loopback_has_an_address_to_find() {
        let found = addresses().unwrap();
        assert!(
            found.iter().any(|(_, ip)| IpAddr::V4(*ip).is_loopback()),
            "{found:?}"
        );
    }
}
