//! One route of a tenant's, from a peer's UPDATE into the kernel's table, as the kernel itself tells of it.
//!
//! Ours is the whole agent, beside Open vSwitch and OVN_Northbound, with one network in the VNI. Where the kernel has no VRFs
//! the table is there without its device, and the route in it all the same. FRR's VRF is a namespace.

use std::fs::File;
use std::io::Read;
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, setsockopt, socket,
    sockopt::RcvBufForce,
};

use super::super::dut::Kind;
use super::super::evpn_wire;
use super::super::stage::{Stage, on_dut_core};
use super::super::table::{Table, quantile};
use super::super::tester::{ASN, DUT, DUT_ASN, address};
use super::super::{Options, PATIENCE};
use super::peer::Peer;
use super::{EACH, FIRST, SAMPLES, dut, milliseconds};
use crate::ovs::Vswitch;
use crate::ovsdb::{OvsdbServer, Schema};
use crate::{Daemon, Namespace, Place};

/// linux/rtnetlink.h: RTMGRP_IPV4_ROUTE.
const ROUTES: u32 = 0x40;
/// RTM_NEWROUTE, and its attribute RTA_DST.
const NEW_ROUTE: u16 = 24;
const DESTINATION: u16 = 1;
/// Of the listener.
const BUFFER: usize = 32 * 1024 * 1024;
/// nlmsghdr and rtmsg.
const HEADERS: usize = 16 + 12;

/// What the kernel of a namespace tells of its IPv4 routes.
struct Routes(File);

impl Routes {
    fn of(namespace: &Namespace) -> Result<Self> {
        let opened = namespace.inside(|| -> Result<_> {
            let (kind, flags) = (SockType::Raw, SockFlag::SOCK_CLOEXEC);
            let socket = socket(
                AddressFamily::Netlink,
                kind,
                flags,
                SockProtocol::NetlinkRoute,
            )?;
            // What is told of a thousand routes must fit.
            setsockopt(&socket, RcvBufForce, &BUFFER)?;
            let told = NetlinkAddr::new(0, ROUTES);
            bind(std::os::fd::AsRawFd::as_raw_fd(&socket), &told)?;
            Ok(socket)
        })??;
        Ok(Self(File::from(opened)))
    }

    /// Waits until all of these have come.
    fn wait(&mut self, mut wanted: Vec<Ipv4Addr>) -> Result<Instant> {
        let deadline = Instant::now() + PATIENCE;
        let mut datagram = vec![0; 64 * 1024];
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            ensure!(
                !left.is_zero(),
                "{} routes are not in the kernel",
                wanted.len()
            );
            let mut fds = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
            poll(&mut fds, PollTimeout::from(100u8))?;
            if fds.iter().all(|fd| fd.any() != Some(true)) {
                continue;
            }
            let length = self.0.read(&mut datagram)?;
            let at = Instant::now();
            let come = destinations(datagram.get(..length).unwrap_or_default());
            wanted.retain(|route| !come.contains(route));
            if wanted.is_empty() {
                return Ok(at);
            }
        }
    }
}

/// The destinations of new routes in a datagram of netlink's.
fn destinations(mut datagram: &[u8]) -> Vec<Ipv4Addr> {
    let mut found = Vec::new();
    while let Some([l0, l1, l2, l3, k0, k1]) = datagram.first_chunk() {
        let length = u32::from_ne_bytes([*l0, *l1, *l2, *l3]) as usize;
        let Some(mut attributes) = datagram.get(HEADERS.min(length)..length) else {
            break;
        };
        let is_new = u16::from_ne_bytes([*k0, *k1]) == NEW_ROUTE;
        while let Some([l0, l1, k0, k1]) = attributes.first_chunk().filter(|_| is_new) {
            let length = usize::from(u16::from_ne_bytes([*l0, *l1]));
            let value = attributes.get(4..length).unwrap_or_default();
            if let (DESTINATION, Ok(octets)) =
                (u16::from_ne_bytes([*k0, *k1]), <[u8; 4]>::try_from(value))
            {
                found.push(octets.into());
            }
            let next = length.next_multiple_of(4).clamp(4, attributes.len());
            attributes = attributes.get(next..).unwrap_or_default();
        }
        let next = length.next_multiple_of(4).clamp(16, datagram.len().max(16));
        datagram = datagram.get(next..).unwrap_or_default();
    }
    found
}

/// A thousand routes into the kernel, and one more, again and again.
pub(in crate::bench) fn latency(options: &Options, kind: Kind, table: &mut Table) -> Result<()> {
    let stage = Stage::new()?;
    match kind {
        Kind::Ours => {
            let ours = Ours::start(&stage, &options.agent)?;
            let taken = measure(&stage, &stage.dut, kind, table);
            taken.with_context(|| ours.agent.log_tail())
        }
        Kind::Frr(_) => {
            let Some(frr) = dut::start(kind, &stage, &options.agent)? else {
                return Ok(());
            };
            let vrf = frr.kernel().context("no namespace for its VRF")?;
            measure(&stage, vrf, kind, table)
        }
        _ => Ok(()),
    }
}

fn measure(stage: &Stage, kernel: &Namespace, kind: Kind, table: &mut Table) -> Result<()> {
    let mut routes = Routes::of(kernel)?;
    let (all, mut samples) = stage.test(|| {
        let mut peer = Peer::establish(PATIENCE)?;
        let mut teach = |peer: &mut Peer, which: std::ops::Range<u32>| -> Result<Duration> {
            let update = evpn_wire::some_prefixes(ASN, address(0), FIRST, which.clone());
            let start = Instant::now();
            peer.send(&update)?;
            let there = routes.wait(which.map(evpn_wire::address).collect())?;
            // The session is kept up, and the daemon comes to rest.
            peer.pump(Duration::from_millis(20))?;
            Ok(there.saturating_duration_since(start))
        };
        let all = teach(&mut peer, 0..EACH)?;
        let samples: Result<Vec<f64>> = (EACH..EACH + SAMPLES)
            .map(|i| teach(&mut peer, i..i + 1).map(milliseconds))
            .collect();
        Ok((all, samples?))
    })?;
    table.put(kind, "1,000 taught, in the kernel, ms", milliseconds(all));
    for (share, name) in [(0.5, "p50"), (0.99, "p99")] {
        let label = format!("one more, in the kernel, {name} ms");
        table.put(kind, label, quantile(&mut samples, share));
    }
    Ok(())
}

/// The whole agent, with a network in VNI [`FIRST`]. Fields are dropped in order.
struct Ours {
    agent: Daemon,
    _northbound: OvsdbServer,
    _switch: Vswitch,
}

impl Ours {
    fn start(stage: &Stage, program: &Path) -> Result<Self> {
        let dir = stage.dir.path();
        let place = Place::inside(&stage.dut);
        stage.dut.private_etc("iproute2")?;
        let run = dir.join("ovs");
        std::fs::create_dir(&run)?;
        let switch = Vswitch::start(&place, &run)?;
        switch.vsctl_line(
            "set open . external_ids:system-id=chassis-1 external_ids:hostname=host-1 external_ids:ovn-bridge-mappings=physnet1:br-ex",
        )?;
        switch.add_bridge("br-ex")?;
        switch.add_bridge("br-int")?;
        switch.add_localnet_patch("br-ex", "provnet")?;
        let northbound = OvsdbServer::from_schema(&place, dir, Schema::Northbound)?;
        network(&northbound)?;
        let config = dir.join("bgp-agent.conf");
        std::fs::write(
            &config,
            format!(
                "[DEFAULT]\ndriver = nb_ovn_bgp_driver\nexposing_method = vrf\novsdb_connection = {}\nbgp_AS = {DUT_ASN}\n\
                 bgp_router_id = {DUT}\nevpn_local_ip = {DUT}\ncontrol_socket = {}\n[ovn]\novn_nb_connection = {}\n\
                 [bgp]\nlisten = {DUT}\nhold_time = 180\nfib_import = none\n\
                 [bgp_neighbor {}]\nremote_as = {ASN}\npassive = true\nfamilies = l2vpn-evpn\n",
                switch.remote(),
                dir.join("control.sock").display(),
                northbound.unix(),
                address(0),
            ),
        )?;
        let mut command = place.command(&program.display().to_string())?;
        command.arg("--config-file").arg(&config);
        let agent = on_dut_core(|| Daemon::spawn("agent", dir, &mut command))?;
        Ok(Self {
            agent,
            _northbound: northbound,
            _switch: switch,
        })
    }
}

/// A provider network in the VNI, with a VM of this host.
fn network(northbound: &OvsdbServer) -> Result<()> {
    let vni = format!("external_ids:neutron_bgpvpn\\:vni={FIRST}");
    let lines: [&[&str]; 3] = [
        &[
            "ls-add",
            "neutron-n",
            "--",
            "set",
            "Logical_Switch",
            "neutron-n",
            "external_ids:neutron_bgpvpn\\:type=l3",
            &vni,
        ],
        &[
            "lsp-add",
            "neutron-n",
            "provnet",
            "--",
            "lsp-set-type",
            "provnet",
            "localnet",
            "--",
            "lsp-set-addresses",
            "provnet",
            "unknown",
            "--",
            "lsp-set-options",
            "provnet",
            "network_name=physnet1",
        ],
        &[
            "lsp-add",
            "neutron-n",
            "vm",
            "--",
            "lsp-set-addresses",
            "vm",
            "fa:16:3e:00:00:01 172.24.4.10",
            "--",
            "lsp-set-options",
            "vm",
            "requested-chassis=host-1",
            "--",
            "set",
            "Logical_Switch_Port",
            "vm",
            "up=true",
            "external_ids:neutron\\:network_name=neutron-n",
            "external_ids:neutron\\:host_id=host-1",
            "external_ids:neutron\\:cidrs=172.24.4.10/24",
        ],
    ];
    lines
        .iter()
        .try_for_each(|words| northbound.nbctl(words).map(drop))
}
