//! EVPN through FRR 10.3 where the kernel has VRFs: what a neighbour hears of type 5, what hosts hear, and that nothing
//! is left. The inner test runs in the virtual machine (VM tier).

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv6Addr, SocketAddrV6};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use interop::frr::Frr;
use interop::{Generation, Need, Place, eventually, eventually_within, require};
use ovn_bgp_agent::advertise::frr::{Redistributed, Status, Tenants};
use ovn_bgp_agent::router_advertisement::{Assignment, RouterAdvertisements};
use socket2::{Domain, Protocol, Socket, Type};

use crate::lab::Lab;
use crate::tenants::{DEVICE, FRR_CONFIG, none, said, settings, tenant};
use crate::wait_for;

const LEAF_CONFIG: &str = "\
router bgp 64999
 bgp router-id 192.0.2.254
 no bgp default ipv4-unicast
 neighbor 100.65.1.2 remote-as internal
 address-family l2vpn evpn
  neighbor 100.65.1.2 activate
 exit-address-family
";

const OFTEN: Duration = Duration::from_millis(300);

/// All is emulated there.
const PATIENCE: Duration = Duration::from_secs(120);

/// As wiring makes them (upstream.md 5.2.2, 5.2.3), and a host on the other end.
const DEVICES: &[&str] = &[
    "address add 172.30.1.1/32 dev lo",
    "link add vrf-1001 type vrf table 1001",
    "link set vrf-1001 up",
    "link add br-1001 type bridge",
    "link set br-1001 master vrf-1001 addrgenmode none up",
    "link add vxlan-1001 type vxlan id 1001 local 172.30.1.1 dstport 4789 nolearning",
    "link set vxlan-1001 master br-1001 up",
    "link set vrf1a2b3c4d-5e master vrf-1001",
];

#[test]
fn vm_tenants_through_frr_where_the_kernel_has_vrfs() {
    require!(Need::Root, Need::Vm, Need::Trixie);
    let share = interop::scratch().unwrap();
    let this = std::env::current_exe().unwrap();
    std::fs::copy(this, share.path().join("tests")).unwrap();
    let command = format!(
        "modprobe -a vrf vxlan bridge veth && CI=true {}=1 /share/tests --ignored --nocapture tenants_of_a_vrf",
        interop::rootfs::IN_VM
    );
    let root = Generation::Trixie.root().unwrap();
    let limit = Duration::from_secs(600);
    let outcome = interop::vm::boot(&root, share.path(), &command, limit).unwrap();
    println!("{}", outcome.output);
    assert_eq!(outcome.status, 0);
    assert!(outcome.output.contains("1 passed"));
}

/// What the leaf's table has: route distinguisher, prefix, route targets.
fn heard(leaf: &Frr) -> BTreeSet<(String, String, String)> {
    let text = leaf.vtysh("show bgp l2vpn evpn").unwrap();
    let mut found = BTreeSet::new();
    let (mut rd, mut prefix) = (String::new(), String::new());
    for line in text.lines() {
        if let Some(text) = line.strip_prefix("Route Distinguisher: ") {
            rd = text.trim().to_owned();
        } else if let Some((_, rest)) = line.split_once(" [5]:[0]:") {
            let mut parts = rest.split([':', '[', ']']).filter(|part| !part.is_empty());
            let length = parts.next().unwrap_or_default().to_owned();
            let address = rest.split_once(":[").map_or("", |(_, rest)| rest);
            let address = address.split(']').next().unwrap_or_default();
            prefix = format!("{address}/{length}");
        } else if line.contains(" [") {
            // Another type: without its L3 VNI FRR takes the device for one of layer 2, until it goes.
            prefix.clear();
        } else if let Some((_, communities)) = line.split_once("RT:") {
            let targets = format!("RT:{communities}");
            let targets = targets
                .split_whitespace()
                .filter_map(|word| word.strip_prefix("RT:"));
            let targets: Vec<&str> = targets.collect();
            if !prefix.is_empty() {
                found.insert((rd.clone(), prefix.clone(), targets.join(" ")));
            }
        }
    }
    found
}

fn routes(rd: &str, prefixes: &[&str], targets: &str) -> BTreeSet<(String, String, String)> {
    let route = |prefix: &&str| (rd.to_owned(), (*prefix).to_owned(), targets.to_owned());
    prefixes.iter().map(route).collect()
}

fn with(change: impl FnOnce(&mut Tenants)) -> Tenants {
    let mut tenants = none();
    tenants
        .tenants
        .insert(1001, tenant("172.30.1.1:1001", &[], &[]));
    change(&mut tenants);
    tenants
}

#[test]
#[ignore = "needs a kernel with VRFs: vm_tenants_through_frr_where_the_kernel_has_vrfs runs it"]
fn tenants_of_a_vrf_are_heard_by_a_neighbour_and_go_without_a_trace() {
    let lab = Lab::new(Generation::Trixie).unwrap();
    make_devices(&lab);
    let frr = lab.start_evpn(FRR_CONFIG);
    // FRR 10 shows a VRF as long as the kernel has it.
    let before = frr.vtysh("show running-config").unwrap();
    let before = before.replace("vrf vrf-1001\nexit-vrf\n!\n", "");
    let leaf = leaf(&lab);
    leaf.wait_established("100.65.1.2").unwrap();
    for prefix in ["172.24.4.10/32", "2001:db8:4::10/128"] {
        lab.node
            .ip(&format!("route add {prefix} dev {DEVICE} table 1001"))
            .unwrap();
    }

    // b112: coming, with FRR's own targets.
    let upkeep = lab.spawn(settings(&lab, with(|_| ()), OFTEN));
    let hosts = ["172.24.4.10/32", "2001:db8:4::10/128"];
    let expected = routes("172.30.1.1:1001", &hosts, "64999:1001");
    eventually_within(PATIENCE, true, || heard(&leaf).is_superset(&expected));

    // b114: another RD, other targets.
    let other = tenant("65000:5", &["64999:9"], &["64999:9", "64999:10"]);
    let changed = with(|tenants| drop(tenants.tenants.insert(1001, other.clone())));
    upkeep.change(settings(&lab, changed, OFTEN));
    let changed = routes("65000:5", &hosts, "64999:9 64999:10");
    eventually_within(PATIENCE, true, || heard(&leaf).is_superset(&changed));
    eventually_within(PATIENCE, true, || heard(&leaf).is_disjoint(&expected));

    // b153: gateways and subnets are in the table, hosts are advertised.
    add_hosts_behind_a_gateway(&lab);
    let shared = with(|tenants| {
        for tenant in tenants.tenants.values_mut() {
            tenant.redistributed = Redistributed::Hosts;
        }
    });
    upkeep.change(settings(&lab, shared, OFTEN));
    let hosts = ["10.1.0.5/32", "2001:db8:1::5/128"];
    let expected = routes("172.30.1.1:1001", &hosts, "64999:1001");
    eventually_within(PATIENCE, expected, || heard(&leaf));
    wait_for(&upkeep, &Status::InPlace);

    // b120: zebra advertises itself on a device of the VRF.
    let advertisement = said(&[("2001:db8:4::/64", Assignment::Dhcp)], &["2001:db8::53"]);
    let advertised = with(|tenants| {
        tenants.advertisements = BTreeMap::from([(DEVICE.into(), advertisement.clone())]);
    });
    upkeep.change(settings(&lab, advertised, OFTEN));
    let router = || lab.leaf.ip("-6 route show default dev host0").unwrap();
    eventually_within(PATIENCE, true, || router().contains("via fe80::"));

    // Withdrawn while the VRF is there, and its last line gone with it.
    upkeep.change(settings(&lab, none(), OFTEN));
    eventually_within(PATIENCE, BTreeSet::new(), || heard(&leaf));
    wait_for(&upkeep, &Status::InPlace);
    b120_the_agent_itself_advertises_on_a_device_of_a_vrf(&lab);
    for device in ["vxlan-1001", "br-1001", "vrf-1001", DEVICE] {
        lab.node.ip(&format!("link del {device}")).unwrap();
    }
    let gone = || {
        let text = frr.vtysh("show running-config").unwrap();
        !["1001", "ovn-bgp-agent", "ipv6 nd"]
            .iter()
            .any(|words| text.contains(words))
    };
    eventually_within(PATIENCE, true, gone);
    let after = frr.vtysh("show running-config").unwrap();
    assert_eq!(after, before);
    wait_for(&upkeep, &Status::InPlace);
}

fn make_devices(lab: &Lab) {
    interop::netns::connect((&lab.node, DEVICE), (&lab.leaf, "host0")).unwrap();
    for command in DEVICES {
        lab.node.ip(command).unwrap();
    }
    lab.node
        .ip(&format!(
            "address add fe80::200:3e9:0/64 dev {DEVICE} nodad"
        ))
        .unwrap();
    lab.node.forward().unwrap();
}

fn add_hosts_behind_a_gateway(lab: &Lab) {
    for route in ["10.1.0.0/24 via 172.24.4.10", "10.1.0.5/32 via 172.24.4.10"] {
        lab.node
            .ip(&format!("route add {route} dev {DEVICE} onlink table 1001"))
            .unwrap();
    }
    for route in ["2001:db8:1::/64", "2001:db8:1::5/128"] {
        let line = format!("route add {route} via 2001:db8:4::10 dev {DEVICE} onlink table 1001");
        lab.node.ip(&line).unwrap();
    }
}

fn leaf(lab: &Lab) -> Frr {
    let dir = lab.dir.path().join("leaf");
    std::fs::create_dir_all(&dir).unwrap();
    let place = Place::inside(&lab.leaf).with(Generation::Trixie);
    let place = place.mount(Path::new(&dir), "/run/frr");
    Frr::start_daemons(&place, &dir, LEAF_CONFIG, &["mgmtd", "zebra", "bgpd"]).unwrap()
}

/// Neighbour discovery keeps the device it came by where it is in a VRF.
fn b120_the_agent_itself_advertises_on_a_device_of_a_vrf(lab: &Lab) {
    let router = || lab.leaf.ip("-6 route show default dev host0").unwrap();
    lab.leaf.ip("link set host0 down").unwrap();
    lab.leaf.ip("link set host0 up").unwrap();
    eventually(String::new(), router);
    let mut advertisement = said(&[("2001:db8:4::/64", Assignment::Dhcp)], &[]);
    advertisement.source = Some("fe80::200:3e9:0".parse().unwrap());
    let wanted = BTreeMap::from([(Arc::from(DEVICE), advertisement)]);
    let (told, advertising) = std::sync::mpsc::channel();
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let thread = move || {
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.unwrap().block_on(async {
                let mut advertisements = RouterAdvertisements::default();
                advertisements.set(wanted);
                told.send(Arc::new(Mutex::new(advertisements))).unwrap();
                let _ = ended.await;
            });
        })
    };
    let thread = lab.node.inside(thread).unwrap();
    eventually_within(PATIENCE, true, || router().contains("via fe80::200:3e9:0"));
    let advertisements = advertising.recv().unwrap();
    eventually_within(PATIENCE, true, || {
        lab.leaf.inside(solicit).unwrap();
        let snapshot = advertisements.lock().unwrap().snapshot();
        snapshot[0].solicitations_received > 0
    });
    println!("{:?}", advertisements.lock().unwrap().snapshot());
    end.send(()).unwrap();
    thread.join().unwrap();
}

/// One solicitation of a host on `host0`.
fn solicit() {
    let socket = Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::ICMPV6)).unwrap();
    socket.set_multicast_hops_v6(255).unwrap();
    let index = nix::net::if_::if_nametoindex("host0").unwrap();
    let routers = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);
    let to = SocketAddrV6::new(routers, 0, 0, index);
    socket
        .send_to(&[133, 0, 0, 0, 0, 0, 0, 0], &to.into())
        .unwrap();
}
