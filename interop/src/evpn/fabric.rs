//! The underlay: one segment, and on it a route reflector for unicast and EVPN.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;

use crate::frr::Frr;
use crate::netns::connect;
use crate::{Generation, Namespace, Place};

/// Where the route reflector is.
pub const SPINE: &str = "198.18.0.254";
/// The AS of everybody.
pub const AS: u32 = 64999;
/// Addresses on the segment, and with them VTEPs, end in 1 to this.
const SITES: u8 = 3;

/// The segment with its route reflector: FRR.
pub struct Fabric {
    /// FRR.
    pub spine: Frr,
    /// Every frame of the underlay passes here.
    pub namespace: Namespace,
}

/// A place on the segment.
#[derive(Debug)]
pub struct Site {
    /// 1 to 3.
    pub number: u8,
    /// Its network: `eth0` on the segment, its VTEP address on `lo`.
    pub namespace: Namespace,
}

impl Site {
    /// Its address on the segment.
    pub fn underlay(&self) -> String {
        underlay(self.number)
    }

    /// Its VTEP's address, which BGP tells the others.
    pub fn vtep(&self) -> String {
        format!("10.255.0.{}", self.number)
    }
}

fn underlay(number: u8) -> String {
    format!("198.18.0.{number}")
}

impl Fabric {
    /// The segment and the route reflector, which waits for all sites.
    pub fn start(dir: &Path) -> Result<Self> {
        let namespace = Namespace::new("fabric")?;
        namespace.forward()?;
        namespace.ip_lines(&[
            "link add bridge0 mtu 1600 type bridge".to_owned(),
            "link set bridge0 up".to_owned(),
            format!("address add {SPINE}/24 dev bridge0"),
        ])?;
        let place = Place::inside(&namespace).with(Generation::Trixie);
        let spine = Frr::start_daemons(
            &place,
            &dir.join("spine"),
            &spine_config(),
            &["zebra", "bgpd"],
        )?;
        Ok(Self { spine, namespace })
    }

    /// A place on the segment for number 1 to 3.
    pub fn join(&self, number: u8, label: &str) -> Result<Site> {
        let namespace = Namespace::new(label)?;
        namespace.forward()?;
        let port = format!("site{number}");
        connect((&namespace, "eth0"), (&self.namespace, &port))?;
        self.namespace
            .ip(&format!("link set {port} mtu 1600 master bridge0"))?;
        let site = Site { number, namespace };
        site.namespace.ip_lines(&[
            "link set eth0 mtu 1600".to_owned(),
            format!("address add {}/24 dev eth0", site.underlay()),
            format!("address add {}/32 dev lo", site.vtep()),
        ])?;
        Ok(site)
    }
}

fn spine_config() -> String {
    let mut config = format!(
        "hostname spine\nrouter bgp {AS}\n bgp router-id {SPINE}\n no bgp default ipv4-unicast\n bgp graceful-restart\n"
    );
    let families = ["ipv4 unicast", "l2vpn evpn"];
    for site in 1..=SITES {
        let peer = underlay(site);
        let _ = writeln!(
            config,
            " neighbor {peer} remote-as internal\n neighbor {peer} timers connect 1"
        );
    }
    for family in families {
        let _ = writeln!(config, " address-family {family}");
        for site in 1..=SITES {
            let peer = underlay(site);
            let _ = writeln!(
                config,
                "  neighbor {peer} activate\n  neighbor {peer} route-reflector-client"
            );
        }
        config += " exit-address-family\n";
    }
    config
}
