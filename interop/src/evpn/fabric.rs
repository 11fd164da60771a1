//! The underlay: one segment, and on it a route reflector for unicast and EVPN.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};

use crate::frr::Frr;
use crate::netns::connect;
use crate::{Generation, Namespace, PATIENCE, Place, wait_until};

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
        let place = place(&namespace, &dir.join("spine"))?;
        let spine = Frr::start_daemons(
            &place,
            &dir.join("spine"),
            &spine_config(),
            &["zebra", "bgpd"],
        )?;
        Ok(Self { spine, namespace })
    }

    /// Waits until the spine has a session with a site, and nothing of an earlier one is left that has not been told again: a site that is
    /// killed once more before that loses it (RFC 4724 §4.2).
    pub fn wait_told(&self, site: &Site) -> Result<()> {
        let own = site.underlay();
        self.spine.wait_established(&own)?;
        let mut last = String::new();
        wait_until(PATIENCE, "no stale route", || {
            let shown = self.spine.vtysh("show bgp l2vpn evpn");
            last = shown.unwrap_or_default();
            // a route's line begins with its status, S for stale
            let stale = |line: &str| line.starts_with('S') && !line.starts_with("Status");
            !last.is_empty() && !last.lines().any(stale)
        })
        .with_context(|| format!("of {own} the spine still has\n{last}"))
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

/// Where an FRR of `dir` runs: with a `/run/frr` of its own, by which zebra finds its mgmtd.
pub(super) fn place(namespace: &Namespace, dir: &Path) -> Result<Place> {
    let run = dir.join("run");
    std::fs::create_dir_all(&run)?;
    let place = Place::inside(namespace).with(Generation::Trixie);
    Ok(place.mount(&run, "/run/frr"))
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
