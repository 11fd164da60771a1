//! OVN 25.03 with its own dynamic routing: what northd wants advertised is what `ovn_native` exposes, and ovn-controller
//! learns from the table that it names.

use std::collections::BTreeSet;
use std::time::Duration;

use interop::ovn::Central;
use interop::process::wait_until;
use interop::{Namespace, Need, require, scratch};
use ipnet::IpNet;
use ovn_bgp_agent::exposure::native::{Devices, Inputs, Standing, decide, learning};
use ovn_bgp_agent::exposure::{Exposure, Node, Options};
use ovn_bgp_agent::ovn::southbound::{Scope, monitor};
use ovn_bgp_agent::ovn::{BridgeMappings, Southbound};
use ovn_bgp_agent::ovsdb::{Client, ClientConfig, Event, Handle, Remote};
use tokio::sync::mpsc;

use super::cloud;

const PATIENCE: Duration = Duration::from_secs(60);

struct Follower {
    southbound: Southbound,
    node: Node,
    options: Options,
    standing: Standing,
    events: mpsc::Receiver<Event>,
    _handle: Handle,
}

impl Follower {
    fn new(remote: &str) -> Self {
        let config = ClientConfig::new("OVN_Southbound", Remote::parse_list(remote).unwrap());
        let (handle, events) = Client::spawn(config, monitor(Scope::Routing));
        Self {
            southbound: Southbound::new(Scope::Routing),
            node: Node {
                hostname: "host-1".into(),
                chassis: "chassis-1".into(),
                mappings: BridgeMappings::parse("physnet1:br-ex"),
            },
            options: Options::default(),
            standing: Standing::default(),
            events,
            _handle: handle,
        }
    }

    fn inputs(&self) -> Inputs<'_> {
        Inputs {
            southbound: &self.southbound,
            node: &self.node,
            options: &self.options,
        }
    }

    /// Follows the database until the exposures are as `done` says.
    async fn until(&mut self, what: &str, done: impl Fn(&[Exposure]) -> bool) -> Vec<Exposure> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let exposures = self.exposures();
            if done(&exposures) {
                return exposures;
            }
            match tokio::time::timeout_at(deadline, self.events.recv()).await {
                Ok(Some(Event::Changes(changes))) => self.take(&changes),
                Ok(Some(_)) => {}
                Ok(None) => panic!("the client has ended while waiting for {what}"),
                Err(_) => panic!("not in time: {what}; {:#?}", decide(self.inputs())),
            }
        }
    }

    fn take(&mut self, changes: &[ovn_bgp_agent::ovsdb::Change]) {
        assert_eq!(self.southbound.apply(changes), []);
        let affected = self.southbound.take_affected();
        let inputs = Inputs {
            southbound: &self.southbound,
            node: &self.node,
            options: &self.options,
        };
        self.standing.update(inputs, affected);
    }

    fn exposures(&self) -> Vec<Exposure> {
        let exposures = self.standing.exposures();
        exposures.map(|exposure| (**exposure).clone()).collect()
    }
}

fn prefixes(exposures: &[Exposure]) -> BTreeSet<IpNet> {
    exposures.iter().map(|exposure| exposure.prefix).collect()
}

/// What northd has written, hosts without a length.
fn advertised(central: &Central) -> BTreeSet<IpNet> {
    let column = ["--bare", "--columns=ip_prefix", "list", "Advertised_Route"];
    let text = central.sbctl(&column).unwrap();
    let net = |word: &str| match word.parse::<std::net::IpAddr>() {
        Ok(host) => host.into(),
        Err(_) => word.parse().unwrap(),
    };
    text.split_whitespace().map(net).collect()
}

#[tokio::test]
async fn what_northd_wants_advertised_is_exposed_and_what_is_learned_reaches_ovn() {
    require!(Need::Root, Need::Program("ip"), Need::Trixie);
    let dir = scratch().unwrap();
    let namespace = Namespace::new("ovn").unwrap();
    let (central, _chassis) = cloud(dir.path(), &namespace);
    let remote = central.southbound.unix();
    for line in [
        "lr-nat-add router dnat_and_snat 172.24.4.50 10.0.0.5",
        "set Logical_Router router options:dynamic-routing-redistribute=\"connected,nat\"",
    ] {
        central.nbctl_line(line).unwrap();
    }
    central.sync().unwrap();

    let mut follower = Follower::new(&remote);
    let wanted = advertised(&central);
    let is_exposed = |exposures: &[Exposure]| prefixes(exposures) == wanted;
    let exposures = follower.until("every route of northd", is_exposed).await;
    for prefix in ["10.0.0.0/24", "fd00::/64", "172.24.4.50/32"] {
        assert!(wanted.contains(&prefix.parse().unwrap()), "{wanted:?}");
    }
    for exposure in &exposures {
        let own = match exposure.prefix {
            IpNet::V4(_) => "172.24.4.10",
            IpNet::V6(_) => "2001:db8:4::10",
        };
        assert_eq!(
            exposure.next_hop,
            Some(own.parse().unwrap()),
            "{exposure:?}"
        );
    }

    // A network more, and one kind of route less.
    central
        .nbctl_line("lrp-add router lrp-2 02:00:00:00:00:03 10.2.0.1/24")
        .unwrap();
    let redistribute = "set Logical_Router router options:dynamic-routing-redistribute=connected";
    central.nbctl_line(redistribute).unwrap();
    let changed = |exposures: &[Exposure]| {
        let prefixes = prefixes(exposures);
        prefixes.contains(&"10.2.0.0/24".parse().unwrap())
            && !prefixes.contains(&"172.24.4.50/32".parse().unwrap())
    };
    follower.until("the change", changed).await;
    learns(&central, &namespace, &follower);

    central
        .nbctl_line("set Logical_Router router options:dynamic-routing=false")
        .unwrap();
    follower.until("nothing", <[Exposure]>::is_empty).await;
    assert!(learning(follower.inputs(), &Devices::default()).is_empty());
}

/// A route as a speaker installs it, in the table that is named, is a `Learned_Route` of the router.
fn learns(central: &Central, namespace: &Namespace, follower: &Follower) {
    let tables = learning(follower.inputs(), &Devices::default());
    let (table, learning) = tables.first_key_value().unwrap();
    assert_eq!((&*learning.router, &learning.devices), ("router", &None));
    assert_eq!(*learning.vrf, *format!("ovnvrf{table}"));
    namespace.ip("link set br-ex up").unwrap();
    namespace.ip("address add 172.24.4.2/24 dev br-ex").unwrap();
    let way = format!("203.0.113.0/24 via 172.24.4.1 dev br-ex table {table} metric 20");
    namespace.ip(&format!("route add {way} proto 186")).unwrap();
    wait_until(PATIENCE, "Learned_Route", || {
        let columns = [
            "--bare",
            "--columns=ip_prefix,nexthop",
            "list",
            "Learned_Route",
        ];
        let rows = central.sbctl(&columns).unwrap_or_default();
        rows.contains("203.0.113.0/24") && rows.contains("172.24.4.1")
    })
    .unwrap();
}
