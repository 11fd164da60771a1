//! The `vni` blocks of the default instance: under which distinguisher and targets FRR tells a stretched network (types 2 and
//! 3), which it finds by the kernel's devices.
//!
//! ```text
//! router bgp AS
//!  address-family l2vpn evpn
//!   vni VNI
//!    rd RD
//!    route-target import|export RT
//!   exit-vni
//! ```

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use bgp::wire::evpn::{RouteDistinguisher, RouteTarget};

use super::vrf::EVPN;
use super::{Tenant, Tenants};
use crate::advertise::frr::leaking::Block;
use crate::advertise::frr::running::{Instance, Running};

impl Tenants {
    /// The commands that are missing, and those that take away blocks of ours that are not wanted. None while FRR advertises
    /// no VNIs: it takes no such block then.
    pub(super) fn bridged_difference(&self, running: &Running) -> Vec<String> {
        let default = running.default_instance();
        let Some(default) = default.filter(|of| of.has(EVPN, "advertise-all-vni")) else {
            return Vec::new();
        };
        let mut block = Block::new(format!("router bgp {}", default.asn));
        for vni in self.unwanted(default) {
            block.in_family(EVPN, format!("no vni {vni}"));
        }
        for (vni, tenant) in &self.bridged {
            for line in tenant.block(*vni, default) {
                block.in_family(EVPN, line);
            }
        }
        block.commands()
    }

    /// Blocks that nobody wishes and that are ours, by the distinguisher that only we derive so: the node's address with the
    /// number of the VNI. FRR has no other mark; one that a network's annotation gave stays.
    fn unwanted(&self, default: &Instance) -> Vec<u32> {
        let Some(node) = self.node else {
            return Vec::new();
        };
        let there = default.vnis.iter();
        let unwanted = there.filter(|(vni, _)| !self.bridged.contains_key(vni));
        let ours = unwanted.filter(|(vni, lines)| is_ours(**vni, lines, node));
        ours.map(|(vni, _)| *vni).collect()
    }
}

impl Tenant {
    /// FRR takes no line for the target that it derives itself (AS:VNI) while it has no other: alone it is left to FRR, and
    /// beside others it comes last.
    fn beside(&self, derived: Option<RouteTarget>) -> Self {
        let others = |targets: &BTreeSet<RouteTarget>| match derived {
            Some(derived) if targets.iter().all(|target| *target == derived) => BTreeSet::new(),
            _ => targets.clone(),
        };
        Self {
            import: others(&self.import),
            export: others(&self.export),
            ..self.clone()
        }
    }

    /// The lines from `vni` to `exit-vni`, if one of them is missing or too many.
    fn block(&self, vni: u32, default: &Instance) -> Vec<String> {
        let there = default.vnis.get(&vni).map_or(&[][..], Vec::as_slice);
        let derived = default
            .as_number()
            .map(|asn| RouteTarget::derived(asn, vni));
        let mut lines = self.beside(derived).identity(there);
        let is_derived = |line: &String| {
            let target = line.strip_prefix("route-target ");
            let target = target.and_then(|rest| rest.split_once(' ')?.1.parse().ok());
            target.is_some() && target == derived
        };
        lines.sort_by_key(is_derived);
        if lines.is_empty() && default.vnis.contains_key(&vni) {
            return Vec::new();
        }
        let around = |line: String| vec![line];
        [
            around(format!("vni {vni}")),
            lines,
            around("exit-vni".to_owned()),
        ]
        .concat()
    }
}

fn is_ours(vni: u32, lines: &[String], node: Ipv4Addr) -> bool {
    let [_, _, high, low] = vni.to_be_bytes();
    let derived = RouteDistinguisher::of_address(node, u16::from_be_bytes([high, low]));
    let is_derived = |line: &String| {
        let rd = line.strip_prefix("rd ").and_then(|rd| rd.parse().ok());
        rd == Some(derived)
    };
    let is_known = |line: &String| line.starts_with("rd ") || line.starts_with("route-target ");
    lines.iter().any(is_derived) && lines.iter().all(is_known)
}
