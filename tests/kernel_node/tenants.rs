//! What a VNI needs on a node without VRFs, as wiring wishes it.

use std::net::IpAddr;
use std::process::Command;
use std::sync::Arc;

use ovn_bgp_agent::mac::MacAddr;
use ovn_bgp_agent::reconcile::object::{Key, Link, LinkKind, Route, Value};
use ovn_bgp_agent::reconcile::ownership::{Scope, TenantScope};

use super::{Node, ip, scope};

/// The VRF's or bridge's end of the pair that leads to Open vSwitch.
pub const ENTRY: &str = "vrfb4113ba2-78";

pub fn tenant_scope() -> Scope {
    Scope {
        tenants: Some(TenantScope {
            keeps_vrfs: false,
            speaks: true,
            ..TenantScope::default()
        }),
        ..scope()
    }
}

/// The node, with EVPN configured.
pub fn tenants(mut node: Node) -> Node {
    node.kernel.set_scope(tenant_scope());
    node
}

pub fn tenants_node() -> Node {
    tenants(Node::new())
}

fn link(name: &str, kind: LinkKind, mac: Option<[u8; 6]>) -> (Key, Value) {
    let mac = mac.map(MacAddr);
    let link = Link {
        kind,
        up: true,
        mac,
        mtu: None,
    };
    (Key::Link { name: name.into() }, Value::Link(link))
}

pub fn master(dev: &str, master: &str) -> (Key, Value) {
    let master = master.into();
    (Key::Master { dev: dev.into() }, Value::Master { master })
}

/// Bridge, VXLAN device, and the pair to Open vSwitch as a port of the bridge.
pub fn devices(vni: u32) -> Vec<(Key, Value)> {
    let (bridge, vxlan) = (format!("br-{vni}"), format!("vxlan-{vni}"));
    let [_, _, high, low] = vni.to_be_bytes();
    let kind = LinkKind::Vxlan {
        vni,
        port: 4789,
        local: "127.0.0.1".parse().unwrap(),
    };
    let veth = LinkKind::Veth {
        peer: "ovsb4113ba2-78".into(),
    };
    let port = Key::BridgePort {
        dev: vxlan.as_str().into(),
    };
    let flags = Value::BridgePort {
        learning: false,
        neigh_suppress: true,
    };
    vec![
        link(&bridge, LinkKind::Bridge, Some([2, 10, 0, 0, high, low])),
        link(&vxlan, kind, None),
        link(ENTRY, veth, Some([2, 0, high, low, 0, 0])),
        link("ovsb4113ba2-78", LinkKind::Foreign, None),
        master(&vxlan, &bridge),
        master(ENTRY, &bridge),
        (port, flags),
    ]
}

/// The same, all of one MTU.
pub fn devices_of(vni: u32, mtu: u32) -> Vec<(Key, Value)> {
    let sized = |(key, mut value)| {
        if let Value::Link(link) = &mut value {
            link.mtu = Some(mtu);
        }
        (key, value)
    };
    devices(vni).into_iter().map(sized).collect()
}

/// What is taught of these VTEPs: two prefixes of each family, their routers, and where to flood.
pub fn taught(vni: u32, vteps: &[&str]) -> Vec<(Key, Value)> {
    let mut objects = taught_but_routes(vni, vteps);
    let dev: Arc<str> = format!("br-{vni}").into();
    let all: Vec<IpAddr> = vteps.iter().map(|v| v.parse().unwrap()).collect();
    let mapped: Vec<IpAddr> = all.iter().map(mapped).collect();
    let first = |vteps: &[IpAddr]| vteps.iter().take(1).copied().collect::<Vec<_>>();
    for (prefix, via) in [
        ("198.51.100.0/24", all.clone()),
        ("198.51.101.0/24", first(&all)),
        ("2001:db8:1::/64", mapped.clone()),
        ("2001:db8:2::/64", first(&mapped)),
    ] {
        let key = Key::Route {
            table: vni,
            prefix: prefix.parse().unwrap(),
        };
        let dev = Arc::clone(&dev);
        let route = Route {
            dev,
            via: via.into(),
        };
        objects.push((key, Value::Route(route)));
    }
    for prefix in ["0.0.0.0/0", "::/0"] {
        let key = Key::Unreachable {
            table: vni,
            prefix: prefix.parse().unwrap(),
        };
        objects.push((key, Value::Unreachable {}));
    }
    objects
}

/// The same without what is in the table, which is seen only where there is a VRF.
pub fn taught_but_routes(vni: u32, vteps: &[&str]) -> Vec<(Key, Value)> {
    let (bridge, vxlan): (Arc<str>, Arc<str>) =
        (format!("br-{vni}").into(), format!("vxlan-{vni}").into());
    let local = Key::Fdb {
        dev: ENTRY.into(),
        mac: MacAddr([2, 0, 0, 0, 0x77, 1]),
    };
    let mut objects = vec![(local, Value::Fdb { vtep: None })];
    for vtep in vteps {
        let vtep: IpAddr = vtep.parse().unwrap();
        let IpAddr::V4(v4) = vtep else { continue };
        let mac = MacAddr([2, 0, 0, 0, 0, v4.octets()[3]]);
        for address in [vtep, mapped(&vtep)] {
            let key = Key::Neighbour {
                dev: Arc::clone(&bridge),
                address,
            };
            objects.push((key, Value::Neighbour { mac }));
        }
        let dev = Arc::clone(&vxlan);
        objects.push((Key::Fdb { dev, mac }, Value::Fdb { vtep: Some(vtep) }));
        let dev = Arc::clone(&vxlan);
        objects.push((Key::Flood { dev, vtep }, Value::Flood {}));
    }
    objects
}

/// The IPv4-mapped IPv6 address.
fn mapped(vtep: &IpAddr) -> IpAddr {
    match vtep {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().into(),
        v6 => *v6,
    }
}

/// Runs `bridge`; panics with what it says when it fails.
pub fn bridge(arguments: &str) -> String {
    let (ok, text) = run_bridge(arguments);
    assert!(ok, "bridge {arguments}: {text}");
    text
}

/// Whether `bridge` succeeds.
pub fn try_bridge(arguments: &str) -> bool {
    run_bridge(arguments).0
}

fn run_bridge(arguments: &str) -> (bool, String) {
    let output = Command::new("bridge")
        .args(arguments.split_whitespace())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), text)
}

/// The names of all interfaces, sorted.
pub fn names() -> Vec<String> {
    let listing = ip("-o link show");
    let name = |line: &str| Some(line.split(": ").nth(1)?.split('@').next()?.to_owned());
    let mut names: Vec<String> = listing.lines().filter_map(name).collect();
    names.sort();
    names
}
