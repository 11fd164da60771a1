//! `bgp_backend = frr`: at the first node FRR 10.3 has the sessions and the agent drives it; at the second the agent speaks itself. One network is
//! routed in VNI 1001, one stretched over VNI 2001, and nobody can tell who speaks.

use anyhow::{Context, Result, ensure};
use interop::cloud::objects::{Network, Port};
use interop::evpn::fabric::{self, AS, SPINE};
use interop::evpn::probe::reaches;
use interop::evpn::{Guest, Host, Scene};
use interop::frr::Frr;
use interop::{PATIENCE, wait_until};

use crate::stage::{Steps, play};

const ROUTED: u32 = 1001;
const STRETCHED: u32 = 2001;
/// Of the stretched network, which the annotation gives.
const RD: &str = "64999:2001";
const OPTIONS: &str = "driver = nb_ovn_bgp_driver\nexposing_method = dynamic";

#[test]
fn vm_frr_tells_of_routed_and_stretched_networks_as_our_speaker_does() {
    play(
        "frr::vm_frr_tells_of_routed_and_stretched_networks_as_our_speaker_does",
        scene,
    );
}

struct Beside {
    // Dropped before the namespaces that it is in.
    frr: Frr,
    scene: Scene,
    networks: [Network; 2],
    guests: Vec<Guest>,
    far: Host,
    neighbour: Host,
}

fn scene(steps: &mut Steps) -> Result<()> {
    let beside = steps.step("an FRR beside the first agent", build)?;
    steps.step("FRR has what both networks need", || in_frr(&beside, true))?;
    steps.step("each reaches its own", || each_reaches_its_own(&beside))?;
    steps.step("what FRR tells is what our speaker would", || told(&beside))?;
    steps.step("the networks go, and FRR has nothing of them", || {
        goes(&beside)
    })
}

fn build() -> Result<Beside> {
    let mut scene = Scene::build()?;
    let networks = [
        Network::provider(1, "physnet1"),
        Network::provider(3, "physnet1").tagged(200),
    ];
    let rd = format!("['{RD}']");
    let says = [
        vec![("type", "l3"), ("vni", "1001")],
        vec![("type", "l2"), ("vni", "2001"), ("rd", rd.as_str())],
    ];
    for (network, pairs) in networks.iter().zip(&says) {
        scene.neutron.create_network(network)?;
        scene.neutron.annotate(network, pairs)?;
    }
    let [routed, stretched] = &networks;
    let outside = ["198.51.100.", "2001:db8:ffff::"];
    let far = scene.vtep.add_routed(ROUTED, "far", outside)?;
    let addresses = [stretched.v4(20), stretched.v6(20)];
    let neighbour = scene.vtep.add_bridged(STRETCHED, "neighbour", addresses)?;
    let mut guests = Vec::new();
    for (network, host, node, name) in [
        (routed, 10, 0, "routed-1"),
        (routed, 11, 1, "routed-2"),
        (stretched, 10, 0, "stretched-1"),
        (stretched, 11, 1, "stretched-2"),
    ] {
        guests.push(scene.boot(&Port::new(network, host), node, name)?);
    }
    // The node is the router that DHCP names.
    let ports = [&guests[0].port, &guests[1].port];
    scene.neutron.serve_dhcp(routed, &ports)?;
    let frr = start_frr(&scene)?;
    let sockets = frr_dir(&scene);
    let through_frr = format!(
        "{OPTIONS}\nbgp_backend = frr\nfrr_vty_socket = {sockets}\nfrr_reconcile_interval = 5"
    );
    for (node, options) in scene.nodes.iter_mut().zip([&*through_frr, OPTIONS]) {
        node.configure(options)?;
        node.start_agent()?;
    }
    scene.fabric.wait_told(&scene.nodes[1].site)?;
    Ok(Beside {
        frr,
        scene,
        networks,
        guests,
        far,
        neighbour,
    })
}

fn frr_dir(scene: &Scene) -> String {
    let dir = scene.nodes[0].chassis.switch.run_dir().join("frr");
    dir.display().to_string()
}

/// The operator's part: sessions, and that VNIs are advertised.
fn start_frr(scene: &Scene) -> Result<Frr> {
    let site = &scene.nodes[0].site;
    let dir = std::path::PathBuf::from(frr_dir(scene));
    let place = fabric::place(&site.namespace, &dir)?;
    let vtep = site.vtep();
    let config = format!(
        "hostname compute-1\nrouter bgp {AS}\n bgp router-id {vtep}\n no bgp default ipv4-unicast\n neighbor {SPINE} remote-as internal\n \
         neighbor {SPINE} timers connect 1\n address-family ipv4 unicast\n  network {vtep}/32\n  neighbor {SPINE} activate\n \
         exit-address-family\n address-family ipv6 unicast\n  neighbor {SPINE} activate\n exit-address-family\n \
         address-family l2vpn evpn\n  neighbor {SPINE} activate\n  advertise-all-vni\n exit-address-family\n"
    );
    let frr = Frr::start_daemons(&place, &dir, &config, &["mgmtd", "zebra", "bgpd"])?;
    wait_until(PATIENCE, "FRR's session", || frr.is_established(SPINE))?;
    Ok(frr)
}

/// The lines of both networks, or none.
fn in_frr(beside: &Beside, there: bool) -> Result<()> {
    let lines = [
        "vrf vrf-1001",
        " vni 1001",
        "router bgp 64999 vrf vrf-1001",
        "  advertise ipv4 unicast",
        "  rd 10.255.0.1:1001",
        "  vni 2001",
        "   rd 64999:2001",
    ];
    let mut text = String::new();
    wait_until(PATIENCE, "FRR's configuration", || {
        text = beside.frr.vtysh("show running-config").unwrap_or_default();
        let has = |line: &&str| text.lines().any(|own| own == *line);
        // The distinguisher that an annotation gave is no mark of ours: that block stays.
        let ours = lines.iter().filter(|line| there || !line.contains("2001"));
        ours.clone().all(|line| has(line) == there)
    })
    .with_context(|| format!("should be there: {there}:\n{text}"))
}

fn each_reaches_its_own(beside: &Beside) -> Result<()> {
    for pair in beside.guests.chunks(2) {
        for (from, to) in [(&pair[0], &pair[1]), (&pair[1], &pair[0])] {
            for address in [to.port.v4(), to.port.v6()] {
                reaches(from.namespace(), &address, &to.name)?;
            }
        }
    }
    for (host, guests) in [
        (&beside.far, &beside.guests[..2]),
        (&beside.neighbour, &beside.guests[2..]),
    ] {
        for guest in guests {
            for to in [guest.port.v4(), guest.port.v6()] {
                reaches(&host.namespace, &to, &guest.name)?;
            }
            for to in &host.addresses {
                reaches(guest.namespace(), to, &host.name)?;
            }
        }
    }
    Ok(())
}

/// Type 5 of the routed guest, types 2 and 3 of the stretched network, under the distinguishers that were asked for.
fn told(beside: &Beside) -> Result<()> {
    let Beside { scene, guests, .. } = beside;
    let (routed, stretched) = (&guests[0].port, &guests[2].port);
    let expected = [
        format!("[rd:10.255.0.1:1001][etag:0][prefix:{}/32]", routed.v4()),
        format!("[rd:10.255.0.1:1001][etag:0][prefix:{}/128]", routed.v6()),
        format!("[rd:{RD}][etag:0][mac:{}]", stretched.mac()),
        format!("[rd:{RD}][etag:0][ip:10.255.0.1]"),
    ];
    let mut table = String::new();
    wait_until(PATIENCE, "FRR's routes at the spine", || {
        table = scene
            .fabric
            .spine
            .run("global rib -a evpn")
            .unwrap_or_default();
        expected.iter().all(|route| table.contains(route))
    })
    .with_context(|| format!("{expected:#?} in\n{table}"))?;
    ensure!(!table.contains("10.255.0.1:2001"), "{table}");
    Ok(())
}

fn goes(beside: &Beside) -> Result<()> {
    let Beside {
        scene, networks, ..
    } = beside;
    for network in networks {
        scene.neutron.unannotate(network, &["type", "vni"])?;
    }
    let names = ["vrf-1001", "br-1001", "vxlan-1001", "br-2001", "vxlan-2001"];
    for node in &scene.nodes {
        node.wait_devices(&names, false)?;
    }
    in_frr(beside, false)?;
    let mut table = String::new();
    wait_until(PATIENCE, "nothing of the networks at the spine", || {
        table = scene
            .fabric
            .spine
            .run("global rib -a evpn")
            .unwrap_or_default();
        !table.contains("[rd:10.255.0.1:1001]") && !table.contains(&format!("[rd:{RD}]"))
    })
    .with_context(|| table.clone())
}
