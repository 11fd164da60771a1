//! From the configuration's words to what the speaker's shell is told.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use bgp::wire::{Asn, Family};
use bgp::{GracefulRestart, PeerConfig};

use crate::bfd::SessionConfig;
use crate::config::{
    self, BfdProfile, Config, Endpoint, Families, RemoteAs, Session, Ttl, UpdateSource,
};
use crate::peering::{Neighbour, Password, Range, Settings};

/// The speaker as a whole, under this BGP identifier; `restarted`: what an earlier one forwarded is forwarded still.
pub fn settings(config: &Config, router_id: Ipv4Addr, restarted: bool) -> Settings {
    let bgp = &config.bgp;
    let restart = GracefulRestart {
        forwarding_preserved: restarted,
        ..GracefulRestart::new(bgp.graceful_restart_time)
    };
    Settings {
        graceful_shutdown: bgp.graceful_shutdown,
        asn: bgp.asn,
        router_id,
        graceful_restart: bgp.graceful_restart.then_some(restart),
        multipath: bgp.multipath,
        listen: bgp
            .listen
            .iter()
            .map(|ip| SocketAddr::new(*ip, bgp.port))
            .collect(),
        ranges: config
            .listen_ranges
            .iter()
            .map(|range| self::range(range, bgp))
            .collect(),
    }
}

fn range(range: &config::ListenRange, bgp: &config::Bgp) -> Range {
    let template = config::Neighbour {
        name: range.name.clone(),
        endpoint: Endpoint::Address(range.prefix.addr()),
        port: bgp.port,
        description: String::new(),
        group: range.group.clone(),
        shutdown: None,
        session: range.session.clone(),
    };
    Range {
        prefix: range.prefix,
        limit: usize::try_from(range.limit).unwrap_or(usize::MAX),
        template: neighbour(&template),
    }
}

/// Every configured neighbour.
pub fn neighbours(config: &Config) -> Vec<Neighbour> {
    config.neighbours.iter().map(neighbour).collect()
}

fn neighbour(config: &config::Neighbour) -> Neighbour {
    let session = &config.session;
    let (local_address, source_interface) = match &session.update_source {
        Some(UpdateSource::Address(address)) => (Some(*address), None),
        Some(UpdateSource::Device(device)) => (None, Some(device.clone())),
        None => (None, None),
    };
    let (multihop, ttl_security) = match session.ttl {
        Ttl::Standard => (None, None),
        Ttl::Multihop(hops) => (Some(hops), None),
        Ttl::Security(hops) => (None, Some(hops)),
    };
    let password = session.password.as_ref();
    Neighbour {
        peer: PeerConfig {
            shutdown: config.shutdown.clone(),
            ..peer(&config.name, &config.endpoint, session)
        },
        port: config.port,
        local_address,
        source_interface,
        interface: session.bind_device.clone(),
        password: password.and_then(|secret| Password::new(secret.reveal())),
        multihop,
        ttl_security,
        router_lifetime: 0,
        bfd: session.bfd.as_ref().map(bfd),
    }
}

fn bfd(profile: &BfdProfile) -> SessionConfig {
    SessionConfig {
        transmit_interval: profile.transmit_interval,
        receive_interval: profile.receive_interval,
        detect_multiplier: profile.detect_multiplier,
        passive: profile.passive,
        minimum_ttl: profile.minimum_ttl,
    }
}

fn peer(name: &str, endpoint: &Endpoint, session: &Session) -> PeerConfig {
    let remote_as = remote_as(session.remote_as);
    let defaults = match endpoint {
        Endpoint::Address(address) => PeerConfig::new(name, *address, remote_as),
        Endpoint::LinkLocal(address, link) => PeerConfig {
            remote_address: Some(IpAddr::V6(*address)),
            ..PeerConfig::unnumbered(name, link, remote_as)
        },
        Endpoint::Interface(link) => PeerConfig::unnumbered(name, link, remote_as),
    };
    PeerConfig {
        local_as: session.local_as,
        passive: session.passive,
        hold_time: session.hold_time,
        keepalive: session.keepalive_time.unwrap_or(session.hold_time / 3),
        connect_retry: session.connect_retry_time,
        idle_hold: session.idle_hold_time,
        send_hold: session.send_hold_time,
        families: families(session.families),
        next_hop_v4: session.next_hop_ipv4,
        next_hop_v6: session.next_hop_ipv6,
        extended_messages: session.extended_messages,
        add_path_receive: session.add_path,
        // Link-local neighbours cannot do without (see `PeerConfig::unnumbered`).
        extended_next_hop: session.extended_next_hop || defaults.extended_next_hop,
        graceful_restart_helper: session.graceful_restart_helper,
        long_lived_stale: session.long_lived_stale_time,
        import: session.import.clone(),
        export: session.export.clone(),
        allowas_in: session.allowas_in,
        accept_as_sets: session.accept_as_sets,
        max_prefixes: session.max_prefixes,
        ..defaults
    }
}

fn remote_as(remote: RemoteAs) -> bgp::RemoteAs {
    match remote {
        RemoteAs::Number(asn) => bgp::RemoteAs::Number(Asn(asn)),
        RemoteAs::Internal => bgp::RemoteAs::Internal,
        RemoteAs::External => bgp::RemoteAs::External,
        RemoteAs::Auto => bgp::RemoteAs::Auto,
    }
}

fn families(wanted: Families) -> Vec<Family> {
    let families = [
        (wanted.ipv4_unicast, Family::IPV4_UNICAST),
        (wanted.ipv6_unicast, Family::IPV6_UNICAST),
        (wanted.l2vpn_evpn, Family::L2VPN_EVPN),
    ];
    let wanted = families.into_iter().filter(|(wanted, _)| *wanted);
    wanted.map(|(_, family)| family).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bgp::Filters;

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
        let leaf = &neighbours(&config)[0];
        assert_eq!((leaf.port, leaf.multihop), (1179, Some(3)));
        assert_eq!(leaf.password, Password::new("s3cret"));
        assert_eq!(leaf.peer.remote_as, bgp::RemoteAs::Number(Asn(65000)));
        assert_eq!(leaf.peer.hold_time, Duration::from_secs(9));
        assert_eq!(leaf.peer.keepalive, Duration::from_secs(3));
        assert_eq!(leaf.peer.families, [Family::IPV4_UNICAST]);
        assert_eq!(leaf.peer.export, Filters::host_prefixes());
        assert_eq!(leaf.peer.import, Filters::default_routes());
    }

    #[test]
    fn a_listen_range_becomes_a_template() {
        let config = loaded(
            "[DEFAULT]\ndriver = nb_ovn_bgp_driver\nbgp_AS = 64999\n\
             [bgp_listen racks]\nprefix = 10.1.0.0/16\nlimit = 7\nremote_as = external\nhold_time = 9\n",
        );
        let settings = settings(&config, Ipv4Addr::new(192, 0, 2, 1), true);
        let [range] = settings.ranges.as_slice() else {
            panic!("{:?}", settings.ranges);
        };
        assert_eq!(
            (range.prefix.to_string().as_str(), range.limit),
            ("10.1.0.0/16", 7)
        );
        assert_eq!(range.template.peer.name, "racks");
        assert_eq!(range.template.peer.hold_time, Duration::from_secs(9));
        assert_eq!(range.template.peer.remote_as, bgp::RemoteAs::External);
    }
}
