//! A switch with our speaker and routers on it. FRR has one tenant of each kind: VNI 77 is routed (its VRF is a namespace),
//! VNI 1001 is bridged.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use bgp::evpn::{Import, Instance, Kind, LocalHost, RemoteHost};
use bgp::wire::evpn::{Mac, RouteDistinguisher, RouteTarget};
use bgp::wire::{Asn, Family};
use bgp::{PeerConfig, RemoteAs, Route};
use interop::frr::Frr;
use interop::matrix::{Cell, Feature, Kind as RouterKind, Record, declared};
use interop::netns::{Namespace, connect};
use interop::requirement;
use interop::rootfs::Generation;
use interop::{Need, PATIENCE, Place, eventually, wait_until};
use ovn_bgp_agent::peering::{
    Handle, LearnedTenants, NeighborSnapshot, Neighbour, Peering, Settings, Start, TenantChanges,
    TenantNews,
};

pub(crate) const ROUTED: u32 = 77;
pub(crate) const BRIDGED: u32 = 1001;
pub(crate) const OURS: &str = "10.9.0.1";
pub(crate) const LEAF: &str = "10.9.0.2";
pub(crate) const THIRD: &str = "10.9.0.3";
/// Not an address of the session.
pub(crate) const OUR_VTEP: &str = "192.0.2.1";
pub(crate) const OUR_ROUTER_MAC: Mac = Mac([2, 0, 0x5e, 0, 0, 1]);
/// Networks of FRR's tenant.
pub(crate) const LEAF_V4: &str = "10.77.0.0/24";
pub(crate) const LEAF_V6: &str = "2001:db8:77::/64";
/// Of ours.
pub(crate) const OUR_V4: &str = "10.78.0.0/24";
pub(crate) const OUR_HOST: &str = "10.78.0.9/32";
pub(crate) const OUR_V6: &str = "2001:db8:78::9/128";

/// Plays a scene that proves these cells of the interop matrix, and notes their outcome for docs/interop.md.
pub(crate) fn prove<const N: usize>(
    kind: RouterKind,
    features: [Feature; N],
    scene: impl FnOnce(Generation),
) {
    if !requirement::is_met(&[Need::Root, kind.need()]) {
        return;
    }
    let records = features.map(|feature| {
        assert_eq!(declared(kind, feature), Cell::Works, "{feature:?}");
        Record::begin(kind, feature).unwrap()
    });
    scene(kind.generation());
    for record in records {
        record.passed().unwrap();
    }
}

pub(crate) struct Lab {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) ours: Namespace,
    pub(crate) leaf: Namespace,
    pub(crate) third: Namespace,
    /// The VRF of FRR's tenant.
    pub(crate) red: Namespace,
    _switch: Namespace,
}

impl Lab {
    pub(crate) fn new() -> Self {
        let namespace = |label| Namespace::new(label).unwrap();
        let switch = namespace("ev-switch");
        switch.ip("link add br0 type bridge").unwrap();
        switch.ip("link set br0 up").unwrap();
        let node = |label, port: &str, address: &str| {
            let node = namespace(label);
            connect((&node, "eth0"), (&switch, port)).unwrap();
            switch.ip(&format!("link set {port} master br0")).unwrap();
            node.address("eth0", &format!("{address}/24")).unwrap();
            node
        };
        let lab = Self {
            ours: node("ev-us", "p1", OURS),
            leaf: node("ev-leaf", "p2", LEAF),
            third: node("ev-third", "p3", THIRD),
            red: namespace("ev-red"),
            dir: interop::scratch().unwrap(),
            _switch: switch,
        };
        lab.ours.address("lo", &format!("{OUR_VTEP}/32")).unwrap();
        for node in [&lab.leaf, &lab.third] {
            node.ip(&format!("route add {OUR_VTEP}/32 via {OURS}"))
                .unwrap();
        }
        lab.devices_of_tenants();
        lab
    }

    /// What FRR needs of the kernel for both tenants; a host with a MAC address is in the bridged one.
    fn devices_of_tenants(&self) {
        let (leaf, red) = (&self.leaf, &self.red);
        let vxlan = |vni: u32| {
            format!("link add vxlan{vni} type vxlan id {vni} local {LEAF} dstport 4789 nolearning")
        };
        let on_leaf = [
            vxlan(ROUTED),
            format!("link set vxlan{ROUTED} netns {}", red.name()),
            vxlan(BRIDGED),
            "link add br1001 type bridge".to_owned(),
            "link set br1001 up".to_owned(),
            "link set vxlan1001 master br1001 up".to_owned(),
            "link add port0 type veth peer name port1".to_owned(),
            "link set port0 master br1001 up".to_owned(),
            "link set port1 up".to_owned(),
        ];
        let in_red = [
            "link add br77 type bridge",
            "link set br77 up",
            "link set vxlan77 master br77 up",
            "addr add 10.77.0.1/24 dev br77",
            "addr add 2001:db8:77::1/64 dev br77 nodad",
        ];
        for line in on_leaf {
            leaf.ip(&line).unwrap();
        }
        for line in in_red {
            red.ip(line).unwrap();
        }
    }

    /// A host is at the leaf, in the bridged tenant.
    pub(crate) fn host_at_leaf(&self, mac: Mac) {
        let line = format!("bridge fdb replace {mac} dev port0 master static");
        self.leaf.sh(&line).unwrap();
    }

    pub(crate) fn no_host_at_leaf(&self, mac: Mac) {
        let line = format!("bridge fdb del {mac} dev port0 master");
        self.leaf.sh(&line).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// FRR with both tenants.
    pub(crate) fn start_leaf(&self, generation: Generation, config: &str) -> Frr {
        let place = Place::inside(&self.leaf).with(generation);
        let vrfs = [("red", &self.red)];
        Frr::start_with_namespaces(&place, &self.path("leaf"), config, &vrfs).unwrap()
    }
}

/// A MAC address of a host.
pub(crate) fn host(last: u8) -> Mac {
    Mac([2, 0, 0, 0, 0x42, last])
}

/// FRR's configuration: AS, the neighbour (`more` about it), and in `vni` what is said of the tables.
pub(crate) struct LeafConfig {
    pub(crate) asn: u32,
    pub(crate) neighbour: &'static str,
    pub(crate) remote_as: u32,
    pub(crate) session: &'static str,
    /// In the neighbour's EVPN family.
    pub(crate) evpn: &'static str,
    /// Of the routed tenant's EVPN family.
    pub(crate) routed: &'static str,
}

impl Default for LeafConfig {
    fn default() -> Self {
        Self {
            asn: 65002,
            neighbour: OURS,
            remote_as: 65001,
            session: "",
            evpn: "",
            routed: "",
        }
    }
}

impl LeafConfig {
    pub(crate) fn text(&self) -> String {
        let Self {
            asn,
            neighbour,
            remote_as,
            session,
            evpn,
            routed,
        } = self;
        format!(
            "vrf red\n vni 77\nexit-vrf\nrouter bgp {asn}\n bgp router-id {LEAF}\n no bgp ebgp-requires-policy\n \
             no bgp default ipv4-unicast\n timers bgp 3 9\n bgp graceful-restart\n neighbor {neighbour} remote-as {remote_as}\n \
             neighbor {neighbour} timers connect 1\n{session} address-family l2vpn evpn\n  neighbor {neighbour} activate\n  \
             advertise-all-vni\n{evpn} exit-address-family\nexit\nrouter bgp {asn} vrf red\n \
             address-family ipv4 unicast\n  redistribute connected\n exit-address-family\n \
             address-family ipv6 unicast\n  redistribute connected\n exit-address-family\n \
             address-family l2vpn evpn\n  advertise ipv4 unicast\n  advertise ipv6 unicast\n{routed} exit-address-family\nexit\n"
        )
    }
}

/// A table of ours, with derived targets.
pub(crate) fn table(asn: u32, vni: u32) -> Instance {
    let vtep: Ipv4Addr = OUR_VTEP.parse().unwrap();
    let kind = if vni == BRIDGED {
        Kind::Bridged
    } else {
        let router_mac = OUR_ROUTER_MAC;
        Kind::Routed { router_mac }
    };
    Instance {
        rd: RouteDistinguisher::of_address(vtep, u16::try_from(vni).unwrap()),
        vtep: vtep.into(),
        export: [RouteTarget::derived(asn, vni)].into(),
        import: [Import::Derived(vni)].into(),
        kind,
    }
}

pub(crate) fn tables(asn: u32) -> BTreeMap<u32, Instance> {
    [ROUTED, BRIDGED].map(|vni| (vni, table(asn, vni))).into()
}

/// Our speaker, which speaks EVPN alone with one neighbour.
pub(crate) struct Us {
    pub(crate) peering: Peering,
    pub(crate) handle: Handle,
    pub(crate) learned: LearnedTenants,
    runtime: tokio::runtime::Runtime,
}

impl Us {
    /// In this AS, with both tables, and prefixes and a host of ours in them from the start.
    pub(crate) fn start(lab: &Lab, asn: u32, neighbour: &str, remote_as: u32) -> Self {
        Self::start_with(lab, asn, neighbour, remote_as, tables(asn), |_| {})
    }

    pub(crate) fn start_with(
        lab: &Lab,
        asn: u32,
        neighbour: &str,
        remote_as: u32,
        tables: BTreeMap<u32, Instance>,
        configure: impl FnOnce(&mut Neighbour),
    ) -> Self {
        let address: IpAddr = neighbour.parse().unwrap();
        let remote_as = RemoteAs::Number(Asn(remote_as));
        let mut peer = PeerConfig::new("leaf", address, remote_as);
        peer.connect_retry = Duration::from_secs(1);
        peer.families = vec![Family::L2VPN_EVPN];
        let mut neighbour = Neighbour::new(peer);
        configure(&mut neighbour);
        let learned = LearnedTenants::default();
        let mut tenants = TenantChanges::default();
        tenants.set_instances(tables);
        let ours = [OUR_V4, OUR_HOST, OUR_V6];
        tenants.originate(
            ROUTED,
            ours.map(|prefix| Route::new(prefix.parse().unwrap())),
        );
        let addresses = ["10.101.0.1".parse().unwrap()].into();
        tenants.originate_hosts(
            BRIDGED,
            [(
                host(1),
                LocalHost {
                    addresses,
                    ..LocalHost::default()
                },
            )],
        );
        let start = Start {
            tenants,
            learned_tenants: Some(learned.clone()),
            ..Start::default()
        };
        let settings = Settings::new(asn, OURS.parse().unwrap());
        let spawn = || Peering::spawn_from(settings, vec![neighbour], start);
        let peering = lab.ours.inside(spawn).unwrap().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        Self {
            handle: peering.handle().unwrap(),
            peering,
            learned,
            runtime,
        }
    }

    /// All that is learned.
    pub(crate) fn whole(&self) -> TenantNews {
        self.runtime
            .block_on(self.handle.learned_tenants())
            .unwrap()
    }

    /// Prefixes of the routed table with the VTEPs they are behind, sorted.
    pub(crate) fn prefixes(&self) -> Vec<String> {
        let of = |vni: u32| vni == ROUTED;
        let prefixes = self.whole().prefixes.into_iter();
        let prefixes = prefixes.filter(|((vni, _), _)| of(*vni));
        let mut all: Vec<_> = prefixes
            .flat_map(|((_, prefix), ways)| {
                ways.into_iter()
                    .map(move |way| format!("{prefix} via {}", way.vtep))
            })
            .collect();
        all.sort_unstable();
        all
    }

    /// Where a host of the bridged table is.
    pub(crate) fn remote_host(&self, mac: Mac) -> Option<RemoteHost> {
        self.whole().hosts.remove(&(BRIDGED, mac)).flatten()
    }

    pub(crate) fn flood(&self) -> Vec<String> {
        let vteps = self.whole().floods.remove(&BRIDGED).unwrap_or_default();
        vteps.iter().map(ToString::to_string).collect()
    }

    pub(crate) fn neighbor(&self) -> NeighborSnapshot {
        let mut snapshot = self.runtime.block_on(self.peering.status()).unwrap();
        snapshot.neighbors.remove(0)
    }

    /// The neighbour is asked for everything again, and answers.
    pub(crate) fn refreshes(&self) {
        let before = self.neighbor();
        let asked = self.handle.act(|speaker, now| {
            let peers: Vec<_> = speaker.peers().map(|peer| peer.id).collect();
            peers.into_iter().all(|peer| speaker.refresh(peer, now))
        });
        assert!(self.runtime.block_on(asked).unwrap());
        eventually(true, || {
            let now = self.neighbor();
            now.sent.route_refreshes > before.sent.route_refreshes
                && now.received.updates > before.received.updates
        });
    }

    pub(crate) fn wait_established(&self) {
        let up = || self.neighbor().state == "Established";
        let waited = wait_until(PATIENCE, "established", up);
        assert!(waited.is_ok(), "{:#?}", self.neighbor());
    }
}

/// What FRR knows of the tenants' tables.
pub(crate) trait Tenants {
    /// Next hops that FRR's tenant has for a prefix.
    fn tenant_hops(&self, prefix: &str) -> Vec<String>;
    /// Behind which VTEP the MAC address is; empty where it is not known or here.
    fn mac_behind(&self, mac: Mac) -> String;
    /// Who gets what is flooded.
    fn floods_to(&self) -> Vec<String>;
}

impl Tenants for Frr {
    fn tenant_hops(&self, prefix: &str) -> Vec<String> {
        let family = if prefix.contains(':') { "ipv6" } else { "ipv4" };
        let line = format!("show bgp vrf red {family} unicast {prefix}");
        let Ok(route) = self.json(&line) else {
            return Vec::new();
        };
        let paths = route["paths"].as_array().into_iter().flatten();
        let valid = paths.filter(|path| path["valid"] == true);
        // Of an IPv6 prefix it is IPv4-mapped.
        let hop = |path: &serde_json::Value| {
            let hop: IpAddr = path["nexthops"][0]["ip"].as_str()?.parse().ok()?;
            Some(hop.to_canonical().to_string())
        };
        valid.filter_map(hop).collect()
    }

    fn mac_behind(&self, mac: Mac) -> String {
        let line = format!("show evpn mac vni {BRIDGED} mac {mac}");
        let Ok(answer) = self.json(&line) else {
            return String::new();
        };
        let of_mac = &answer[mac.to_string()];
        let vtep = of_mac["remoteVtep"].as_str().unwrap_or_default();
        vtep.to_owned()
    }

    fn floods_to(&self) -> Vec<String> {
        let answer = self.json(&format!("show evpn vni {BRIDGED}"));
        let Ok(answer) = answer else {
            return Vec::new();
        };
        // FRR 8 calls them by their number.
        let lists = [&answer["remoteVteps"], &answer["numRemoteVteps"]];
        let vteps = lists
            .into_iter()
            .filter_map(|list| list.as_array())
            .flatten();
        let name = |vtep: &serde_json::Value| {
            let ip = vtep["ip"].as_str().or(vtep.as_str());
            ip.unwrap_or_default().to_owned()
        };
        vteps.map(name).collect()
    }
}
