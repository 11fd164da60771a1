//! The underlay: one segment, and on it a route reflector for unicast and EVPN.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};

use crate::gobgp::Gobgp;
use crate::netns::connect;
use crate::{Generation, Namespace, PATIENCE, Place, wait_until};

/// Of the underlay: a network of 9000 octets, and VXLAN around it.
const MTU: u32 = 9100;

/// Where the route reflector is.
pub const SPINE: &str = "198.18.0.254";
/// The AS of everybody.
pub const AS: u32 = 64999;
/// Addresses on the segment, and with them VTEPs, end in 1 to this.
const SITES: u8 = 3;

/// The segment with its route reflector.
pub struct Fabric {
    /// GoBGP: unlike FRR it is a graceful-restart helper for EVPN too.
    pub spine: Gobgp,
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
        let spine = Gobgp::start(&place, &dir.join("spine"), &spine_config())?;
        Ok(Self { spine, namespace })
    }

    /// Waits until the spine has a session with a site, and nothing of an earlier one is left that has not been told again: a site that is
    /// killed once more before that loses it (RFC 4724 §4.2).
    pub fn wait_told(&self, site: &Site) -> Result<()> {
        let own = site.underlay();
        self.spine.wait_established(&own)?;
        let mut last = None;
        wait_until(PATIENCE, "no stale route", || {
            last = self.spine.run("-j global rib -a evpn").ok();
            let stale = |table: &String| table.contains("\"stale\":true");
            last.as_ref().is_some_and(|table| !stale(table))
        })
        .with_context(|| format!("of {own} the spine still has {last:?}"))
    }

    /// A place on the segment for number 1 to 3.
    pub fn join(&self, number: u8, label: &str) -> Result<Site> {
        let namespace = Namespace::new(label)?;
        namespace.forward()?;
        let port = format!("site{number}");
        connect((&namespace, "eth0"), (&self.namespace, &port))?;
        self.namespace
            .ip(&format!("link set {port} mtu {MTU} master bridge0"))?;
        let site = Site { number, namespace };
        site.namespace.ip_lines(&[
            format!("link set eth0 mtu {MTU}"),
            format!("address add {}/24 dev eth0", site.underlay()),
            format!("address add {}/32 dev lo", site.vtep()),
            // as every node has: the kernel answers ARP for what it has a route to
            format!("route add default via {SPINE}"),
        ])?;
        Ok(site)
    }
}

/// Where an FRR of `dir` runs: with a `/run/frr` of its own, by which zebra finds its mgmtd.
pub fn place(namespace: &Namespace, dir: &Path) -> Result<Place> {
    let run = dir.join("run");
    std::fs::create_dir_all(&run)?;
    let place = Place::inside(namespace).with(Generation::Trixie);
    Ok(place.mount(&run, "/run/frr"))
}

fn spine_config() -> String {
    let mut config = format!("[global.config]\nas = {AS}\nrouter-id = \"{SPINE}\"\n");
    for site in 1..=SITES {
        let peer = underlay(site);
        let _ = write!(
            config,
            "[[neighbors]]\n[neighbors.config]\nneighbor-address = \"{peer}\"\npeer-as = {AS}\n[neighbors.transport.config]\n\
             passive-mode = true\n[neighbors.graceful-restart.config]\nenabled = true\nrestart-time = 120\n\
             [neighbors.route-reflector.config]\nroute-reflector-client = true\nroute-reflector-cluster-id = \"{SPINE}\"\n"
        );
        for family in ["ipv4-unicast", "l2vpn-evpn"] {
            let _ = write!(
                config,
                "[[neighbors.afi-safis]]\n[neighbors.afi-safis.config]\nafi-safi-name = \"{family}\"\n\
                 [neighbors.afi-safis.mp-graceful-restart.config]\nenabled = true\n"
            );
        }
    }
    config
}
