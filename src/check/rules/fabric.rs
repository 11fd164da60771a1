//! What BGP and BFD need of the node: a router-id, devices, ports that nobody else has.

use std::net::{IpAddr, SocketAddr};

use super::{Findings, uplinks};
use crate::check::Code;
use crate::check::facts::{NodeFacts, Program};
use crate::config::{Backend, Config};

/// RFC 5881 §4, RFC 5883 §5: single hop, and over several.
const BFD: [u16; 2] = [3784, 4784];

pub(super) fn judge(facts: &NodeFacts, config: &Config, found: &mut Findings) {
    router_id(facts, config, found);
    interfaces(facts, config, found);
    beside(facts, config, found);
    bfd(facts, config, found);
}

fn router_id(facts: &NodeFacts, config: &Config, found: &mut Findings) {
    let speaks = !config.neighbours.is_empty() || !config.listen_ranges.is_empty();
    if config.agent.bgp_backend != Backend::Embedded || !speaks {
        return;
    }
    if config.bgp.router_id_from(facts.machine.ipv4()).is_none() {
        found.error(
            Code::RouterIdMissing,
            "[DEFAULT] bgp_router_id",
            "is not set, and no device has an IPv4 address to take: nothing is advertised",
            "set bgp_router_id, or give lo an address",
        );
    }
}

fn interfaces(facts: &NodeFacts, config: &Config, found: &mut Findings) {
    // Where no device was seen at all, none is missing.
    if facts.machine.devices.is_empty() {
        return;
    }
    for name in uplinks(config) {
        let problem = match facts.machine.devices.get(name) {
            None => "does not exist",
            Some(device) if !device.is_up => "is down",
            Some(_) => continue,
        };
        found.warning(
            Code::NeighborInterfaceMissing,
            &format!("device {name}"),
            format!("a neighbour is behind it, and it {problem}"),
            format!("ip link set {name} up, or correct the neighbour's interface; the session comes with it"),
        );
    }
}

/// Who has the BGP port, and FRR that nobody asked for.
fn beside(facts: &NodeFacts, config: &Config, found: &mut Findings) {
    if facts.agent_runs || config.agent.bgp_backend != Backend::Embedded {
        return;
    }
    let bgpd = facts.machine.programs.get(&Program::Bgpd);
    let port = config.bgp.port;
    let remedy = "stop FRR (its configuration can be taken over: frr_config in [bgp]), or set bgp_backend = frr or frr-peer";
    if is_taken(facts, config) {
        let who = bgpd.map(|pid| format!(": FRR's bgpd runs (process {pid})"));
        let problem = format!("somebody listens there already{}", who.unwrap_or_default());
        found.error(
            Code::BgpPortTaken,
            &format!("TCP port {port}"),
            problem,
            remedy,
        );
    } else if let Some(pid) = bgpd {
        let problem =
            "FRR's bgpd runs beside bgp_backend = embedded: both may talk to the same neighbours";
        found.warning(Code::FrrBeside, &format!("process {pid}"), problem, remedy);
    }
}

/// Whether somebody listens where the speaker would: at the same address, or either at every one.
fn is_taken(facts: &NodeFacts, config: &Config) -> bool {
    let at_port = facts
        .machine
        .tcp
        .iter()
        .filter(|socket| socket.port() == config.bgp.port);
    let taken: Vec<_> = at_port.map(SocketAddr::ip).collect();
    let meets = |ours: &IpAddr| {
        let same =
            |theirs: &IpAddr| theirs == ours || theirs.is_unspecified() || ours.is_unspecified();
        taken.iter().any(same)
    };
    config.bgp.listen.iter().any(meets)
}

fn bfd(facts: &NodeFacts, config: &Config, found: &mut Findings) {
    let asked = config
        .neighbours
        .iter()
        .any(|neighbour| neighbour.session.bfd.is_some());
    if !asked || facts.agent_runs {
        return;
    }
    for port in BFD.iter().filter(|port| facts.machine.udp.contains(port)) {
        found.error(
            Code::BfdPortTaken,
            &format!("UDP port {port}"),
            "somebody has it already, probably FRR's bfdd: BFD cannot receive there",
            "set bfdd=no in /etc/frr/daemons and restart FRR, or leave bfd out here",
        );
    }
}
