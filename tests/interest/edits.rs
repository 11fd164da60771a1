//! Random changes of OVN's databases, row by row: rows go and come back, ports and gateways move,
//! names change. Not all of it is what Neutron would do.

use std::sync::Arc;

use ovn_bgp_agent::exposure::Node;
use ovn_bgp_agent::ovsdb::{Atom, Datum, Row};
use uuid::Uuid;

use crate::server::Server;

const PORT: &str = "Logical_Switch_Port";
const BINDING: &str = "Port_Binding";
const DATAPATH: &str = "Datapath_Binding";
const GROUP: &str = "Logical_DP_Group";
const ROUTE: &str = "Advertised_Route";

type Key = (Arc<str>, Uuid);

/// A seeded source of changes.
pub(crate) struct Edits {
    random: fastrand::Rng,
    nodes: [Node; 2],
    /// Rows that went together.
    gone: Vec<Vec<(Key, Arc<Row>)>>,
}

impl Edits {
    pub(crate) fn new(other: Node, this: &Node, seed: u64) -> Self {
        Self {
            random: fastrand::Rng::with_seed(seed),
            nodes: [other, this.clone()],
            gone: Vec::new(),
        }
    }

    /// Some changes at once; says which.
    pub(crate) fn apply(&mut self, server: &mut Server) -> Vec<String> {
        let count = self.random.usize(1..4);
        (0..count).map(|_| self.one(server)).collect()
    }

    fn one(&mut self, server: &mut Server) -> String {
        match self.random.u8(0..12) {
            0 | 1 => self.remove(server),
            2 | 3 => self.restore(server),
            4..=7 if server.monitor.tables.contains_key(BINDING) => self.bind(server),
            4 | 5 => self.move_port(server),
            6 | 7 => self.move_gateway(server),
            8 => self.flip_up(server),
            9 | 10 => self.say(server),
            _ => self.swap_column(server),
        }
    }

    fn pick(&mut self, server: &Server, table: Option<&str>) -> Option<Key> {
        let keys = server.rows.keys();
        let keys: Vec<_> = keys
            .filter(|(name, _)| table.is_none_or(|table| **name == *table))
            .collect();
        self.random.choice(keys).cloned()
    }

    fn remove(&mut self, server: &mut Server) -> String {
        let Some(key) = self.pick(server, None) else {
            return "nothing".to_owned();
        };
        if is_topology(server, &key) {
            return "nothing".to_owned();
        }
        let mut keys = ports_of(server, &key);
        keys.push(key.clone());
        let rows = keys.into_iter().filter_map(|key| {
            let row = server.rows.remove(&key)?;
            Some((key, row))
        });
        self.gone.push(rows.collect());
        format!("{key:?} goes")
    }

    fn restore(&mut self, server: &mut Server) -> String {
        if self.gone.is_empty() {
            return "nothing".to_owned();
        }
        let rows = self.gone.swap_remove(self.random.usize(..self.gone.len()));
        if rows.len() == 1 && rows.iter().any(|(key, row)| is_orphan(server, key, row)) {
            self.gone.push(rows);
            return "nothing".to_owned();
        }
        let keys: Vec<_> = rows.iter().map(|(key, _)| key.clone()).collect();
        server.rows.extend(rows);
        format!("{keys:?} come back")
    }

    /// To one node, to the other, from one to the other, or nowhere. While it migrates, the source is its
    /// host: Neutron changes that when the destination takes over.
    fn move_port(&mut self, server: &mut Server) -> String {
        let Some(key) = self.pick(server, Some(PORT)) else {
            return "nothing".to_owned();
        };
        let hosts = [&self.nodes[0].hostname, &self.nodes[1].hostname];
        let (requested, host) = match self.random.u8(0..5) {
            0 => (hosts[0].to_string(), hosts[0].to_string()),
            1 => (hosts[1].to_string(), hosts[1].to_string()),
            2 => (format!("{},{}", hosts[0], hosts[1]), hosts[0].to_string()),
            3 => (format!("{},{}", hosts[1], hosts[0]), hosts[1].to_string()),
            _ => (String::new(), String::new()),
        };
        put(server, &key, "options", "requested-chassis", &requested);
        put(server, &key, "external_ids", "neutron:host_id", &host);
        format!("{key:?} is on {requested:?}")
    }

    fn move_gateway(&mut self, server: &mut Server) -> String {
        let Some(key) = self.pick(server, Some("Logical_Router_Port")) else {
            return "nothing".to_owned();
        };
        let chassis = match self.random.u8(0..3) {
            0 => self.nodes[0].chassis.to_string(),
            1 => self.nodes[1].chassis.to_string(),
            _ => String::new(),
        };
        put(server, &key, "status", "hosting-chassis", &chassis);
        format!("{key:?} is hosted by {chassis:?}")
    }

    /// To some chassis, or to none.
    fn bind(&mut self, server: &mut Server) -> String {
        let (Some(key), Some((_, chassis))) = (
            self.pick(server, Some(BINDING)),
            self.pick(server, Some("Chassis")),
        ) else {
            return "nothing".to_owned();
        };
        let chassis = match self.random.u8(0..4) {
            0 => Datum::empty(),
            _ => Datum::from(chassis),
        };
        set(server, &key, "chassis", chassis.clone());
        format!("{key:?} is bound to {chassis}")
    }

    /// Of its route: not to be advertised, to be advertised, or nothing; and a MED.
    fn say(&mut self, server: &mut Server) -> String {
        let Some(key) = self.pick(server, None) else {
            return "nothing".to_owned();
        };
        let advertise = ["false", "true", ""][self.random.usize(0..3)];
        let med = ["7", "8", ""][self.random.usize(0..3)];
        put(server, &key, "external_ids", "bgp:advertise", advertise);
        put(server, &key, "external_ids", "bgp:med", med);
        format!("{key:?} says advertise {advertise:?}, MED {med:?}")
    }

    /// A network says something of its VPN.
    pub(crate) fn annotate(&mut self, server: &mut Server) -> String {
        let Some(key) = self.pick(server, Some("Logical_Switch")) else {
            return "nothing".to_owned();
        };
        let kind = ["l3", "l2", "l3", ""][self.random.usize(0..4)];
        let vni = ["1001", "1002", "1003", ""][self.random.usize(0..4)];
        let targets = ["['65000:1']", "", "nonsense"][self.random.usize(0..3)];
        put(server, &key, "external_ids", "neutron_bgpvpn:type", kind);
        put(server, &key, "external_ids", "neutron_bgpvpn:vni", vni);
        put(server, &key, "external_ids", "neutron_bgpvpn:rt", targets);
        format!("{key:?} is {kind:?} of VNI {vni:?} with targets {targets:?}")
    }

    fn flip_up(&mut self, server: &mut Server) -> String {
        let table = match server.monitor.tables.contains_key(BINDING) {
            true => BINDING,
            false => PORT,
        };
        let Some(key) = self.pick(server, Some(table)) else {
            return "nothing".to_owned();
        };
        let up = Datum::from(self.random.bool());
        set(server, &key, "up", up.clone());
        format!("{key:?} up is {up}")
    }

    /// A row takes a column from another one of its table. Names stay: they are indexes, and Neutron never
    /// changes them. So do lists of ports, because each port is in one, and addresses, which no two ports of a
    /// network share.
    fn swap_column(&mut self, server: &mut Server) -> String {
        let Some(key) = self.pick(server, None) else {
            return "nothing".to_owned();
        };
        let Some(other) = self.pick(server, Some(&key.0)) else {
            return "nothing".to_owned();
        };
        if *key.0 == *DATAPATH || is_topology(server, &key) || is_topology(server, &other) {
            return "nothing".to_owned();
        }
        let columns = server.monitor.tables[&*key.0].columns.clone();
        let Some(column) = self.random.choice(&columns) else {
            return "nothing".to_owned();
        };
        let kept = [
            "name",
            "ports",
            "nat",
            "type",
            "addresses",
            "logical_port",
            "datapath",
            "mac",
        ];
        if kept.contains(&column.as_str()) {
            return "nothing".to_owned();
        }
        let value = server.value(&key.0, &server.rows[&other], column).cloned();
        if let Some(value) = value {
            set(server, &key, column, value);
        }
        source_is_host(server, &key);
        format!("{key:?} takes {column} of {}", other.1)
    }
}

/// While a port migrates, Neutron has the source in its `neutron:host_id`.
fn source_is_host(server: &mut Server, key: &Key) {
    let options = server.value(&key.0, &server.rows[key], "options");
    let list = options.and_then(|options| options.value_str("requested-chassis"));
    let source = list.and_then(|list| Some(list.split_once(',')?.0.to_owned()));
    if let Some(source) = source.filter(|_| *key.0 == *PORT) {
        put(server, key, "external_ids", "neutron:host_id", &source);
    }
}

/// Has every row of a table say something of its own.
pub(crate) fn say_all(server: &mut Server, table: &str, setting: &str) {
    let keys = server.rows.keys().filter(|(name, _)| **name == *table);
    let keys: Vec<_> = keys.cloned().collect();
    for key in keys {
        let own = key.1.as_u128() as u32;
        let value = match setting {
            "bgp:communities" => format!("{}:{}", own >> 16, own & 0xffff),
            _ => own.to_string(),
        };
        put(server, &key, "external_ids", setting, &value);
    }
}

/// Has every switch's end of a router port be of some tenant: most of one, some of another.
pub(crate) fn join_all(server: &mut Server) {
    let is_patch = |key: &&Key| {
        let kind = |row| server.value(BINDING, row, "type").and_then(Datum::as_str);
        *key.0 == *BINDING && kind(&server.rows[*key]) == Some("patch")
    };
    let keys: Vec<_> = server.rows.keys().filter(is_patch).cloned().collect();
    for key in keys {
        let vni = if key.1.as_u128() % 8 == 0 { "78" } else { "77" };
        put(server, &key, "external_ids", "neutron_bgpvpn:vni", vni);
        put(server, &key, "external_ids", "neutron_bgpvpn:as", "65000");
    }
}

/// Turns dynamic routing on for every router, which wants its networks and the hosts on its switches advertised; every
/// fourth is a tenant's.
pub(crate) fn advertise_all(server: &mut Server) {
    let value = |server: &Server, key: &Key, column: &str| {
        server.value(&key.0, &server.rows[key], column).cloned()
    };
    let keys: Vec<_> = server
        .rows
        .keys()
        .filter(|k| *k.0 == *BINDING)
        .cloned()
        .collect();
    let mut routes = Vec::new();
    for key in &keys {
        let kind = value(server, key, "type");
        let kind = kind.as_ref().and_then(Datum::as_str).unwrap_or_default();
        let macs = value(server, key, "mac").unwrap_or_else(Datum::empty);
        let nets: Vec<_> = macs
            .strings()
            .flat_map(|mac| mac.split_whitespace().skip(1).map(str::to_owned))
            .collect();
        let datapath = value(server, key, "datapath").and_then(|dp| dp.as_uuid());
        match kind {
            "chassisredirect" => {
                put(server, key, "options", "dynamic-routing", "true");
                if key.1.as_u128() % 4 == 0 {
                    put(server, key, "external_ids", "neutron_bgpvpn:vni", "77");
                }
            }
            "patch" => routes.extend(nets.into_iter().map(|net| (datapath, key.1, net, None))),
            // Behind whatever router: northd would know better, the driver need not.
            "" => {
                let router = keys.iter().find(|k| k.1 != key.1 && k.1.as_u128() % 3 == 0);
                let router = router.and_then(|router| value(server, router, "datapath")?.as_uuid());
                let tracked = Some(key.1);
                routes.extend(nets.into_iter().map(|net| (router, key.1, net, tracked)));
            }
            _ => {}
        }
    }
    for (number, (router, port, prefix, tracked)) in (1..).zip(routes) {
        let Some(router) = router else { continue };
        let cell = |column: &String| {
            Some(match column.as_str() {
                "datapath" => Datum::from(router),
                "logical_port" => Datum::from(port),
                "ip_prefix" => Datum::from(prefix.as_str()),
                _ => Datum::set(tracked),
            })
        };
        let row = Row::new(server.monitor.tables[ROUTE].columns.iter().map(cell));
        let key = (ROUTE.into(), Uuid::from_u128(number));
        server.rows.insert(key, Arc::new(row));
    }
}

/// Whether a Southbound row is a part of how routers hang together with switches, which northd changes in one
/// transaction with all that depends on it.
fn is_topology(server: &Server, key: &Key) -> bool {
    let value = |column| server.value(&key.0, &server.rows[key], column);
    match &*key.0 {
        BINDING => value("type").and_then(Datum::as_str) == Some("patch"),
        // Load balancers refer to it.
        GROUP => true,
        DATAPATH => {
            value("external_ids").is_some_and(|ids| ids.value_str("logical-router").is_some())
        }
        _ => false,
    }
}

/// A port whose switch or datapath is not there.
fn is_orphan(server: &Server, key: &Key, row: &Row) -> bool {
    match &*key.0 {
        PORT => server.switch_of(key.1).is_none(),
        BINDING => {
            let datapath = server.value(BINDING, row, "datapath");
            let datapath = datapath.and_then(Datum::as_uuid);
            datapath.is_some_and(|uuid| !server.rows.contains_key(&(DATAPATH.into(), uuid)))
        }
        _ => false,
    }
}

/// The ports of a switch, which go with it.
fn ports_of(server: &Server, key: &Key) -> Vec<Key> {
    if *key.0 == *DATAPATH {
        let on = |(other, row): &(&Key, &Arc<Row>)| {
            let datapath = server.value(&other.0, row, "datapath");
            *other.0 == *BINDING && datapath.and_then(Datum::as_uuid) == Some(key.1)
        };
        return server
            .rows
            .iter()
            .filter(on)
            .map(|(key, _)| key.clone())
            .collect();
    }
    let ports = match &*key.0 {
        "Logical_Switch" => server.value(&key.0, &server.rows[key], "ports"),
        _ => None,
    };
    let ports = ports.into_iter().flat_map(Datum::uuids);
    ports.map(|uuid| (PORT.into(), uuid)).collect()
}

/// Puts a pair into a map, or takes it out if the text is empty.
fn put(server: &mut Server, key: &Key, column: &str, name: &str, text: &str) {
    let held = server.value(&key.0, &server.rows[key], column);
    let pairs = held.into_iter().flat_map(|held| held.pairs().to_vec());
    let mut pairs: Vec<_> = pairs
        .filter(|(held, _)| held.as_str() != Some(name))
        .collect();
    if !text.is_empty() {
        pairs.push((Atom::from(name), Atom::from(text)));
    }
    set(server, key, column, Datum::map(pairs));
}

fn set(server: &mut Server, key: &Key, column: &str, value: Datum) {
    let columns = &server.monitor.tables[&*key.0].columns;
    let at = columns.iter().position(|name| name == column);
    let row = &server.rows[key];
    let cells = (0..row.len()).map(|index| match Some(index) == at {
        true => Some(value.clone()),
        false => row.get(index).cloned(),
    });
    let row = Arc::new(Row::new(cells));
    server.rows.insert(key.clone(), row);
}
