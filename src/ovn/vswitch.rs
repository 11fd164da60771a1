//! The local Open vSwitch: who this node is, its bridges and their ports.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use uuid::Uuid;

use super::BridgeMappings;
use super::row::{ColumnError, Reader, RowProblem};
use crate::mac::MacAddr;
use crate::ovsdb::{self, Change, Condition, Monitor};
use crate::reconcile::ownership::tenants::PORT_MARK;

/// Which device `dynamic-routing-port-name` means.
const PORT_MAPPING: &str = "dynamic-routing-port-mapping";

/// What to follow of Open_vSwitch.
pub fn monitor() -> Monitor {
    Table::ALL
        .into_iter()
        .fold(Monitor::default(), |monitor, table| {
            monitor.with_table(table.name(), table.columns(), Condition::All)
        })
}

/// What `Open_vSwitch.external_ids` says about this node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeIds {
    /// `system-id`: the chassis name.
    pub system_id: Option<Arc<str>>,
    /// `hostname`; the caller falls back to the host's own.
    pub hostname: Option<Arc<str>>,
    /// `ovn-remote`: where the Southbound database is.
    pub southbound: Option<Arc<str>>,
    /// `ovn-nb-remote`: where the Northbound database is.
    pub northbound: Option<Arc<str>>,
    /// `ovn-bridge-mappings`.
    pub mappings: BridgeMappings,
    /// `dynamic-routing-port-mapping`, or that with `-` and the chassis name after it, which goes before.
    pub port_mapping: Option<Arc<str>>,
}

/// `Bridge`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bridge {
    pub name: Arc<str>,
    pub ports: Vec<Uuid>,
}

/// `Port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    pub name: Arc<str>,
    pub interfaces: Vec<Uuid>,
    /// `external_ids:ovn-localnet-port`: ovn-controller's note of the localnet port that a patch
    /// port belongs to.
    pub localnet: Option<Arc<str>>,
    /// `tag`: the VLAN that it is an access port of.
    pub tag: Option<u16>,
    /// `vlan_mode` or `trunks` say something.
    pub trunks: bool,
    /// The agent made it, by its mark in `external_ids`.
    pub marked: bool,
}

/// `Interface`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    pub name: Arc<str>,
    /// `type`: empty, `internal`, `patch`, …
    pub kind: Arc<str>,
    /// `ofport`, 1–65534; `None` while OVS has not made the port, or could not.
    pub ofport: Option<u32>,
    /// `mac_in_use`.
    pub mac: Option<MacAddr>,
}

/// A bridge's end of the patch to OVN's integration bridge, for one localnet port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PatchPort {
    /// Name of the localnet port.
    pub localnet: Arc<str>,
    /// OpenFlow port number on the bridge.
    pub ofport: u32,
}

impl NodeIds {
    /// The columns read.
    pub const COLUMNS: &[&str] = &["external_ids"];

    pub(crate) fn read(row: &Reader<'_>) -> Result<Self, ColumnError> {
        let id = |key: &str| {
            let text = row.entry("external_ids", key)?;
            Ok(text.filter(|text| !text.is_empty()).cloned())
        };
        let mappings = row.entry("external_ids", "ovn-bridge-mappings")?;
        let system_id = id("system-id")?;
        let of_chassis = match &system_id {
            Some(chassis) => id(&format!("{PORT_MAPPING}-{chassis}"))?,
            None => None,
        };
        Ok(Self {
            system_id,
            port_mapping: of_chassis.map_or_else(|| id(PORT_MAPPING), |own| Ok(Some(own)))?,
            hostname: id("hostname")?,
            southbound: id("ovn-remote")?,
            northbound: id("ovn-nb-remote")?,
            mappings: BridgeMappings::parse(mappings.map_or("", |text| text)),
        })
    }
}

impl Bridge {
    /// The columns read.
    pub const COLUMNS: &[&str] = &["name", "ports"];

    pub(crate) fn read(row: &Reader<'_>) -> Result<Self, ColumnError> {
        Ok(Self {
            name: row.string("name")?.clone(),
            ports: row.uuids("ports")?,
        })
    }
}

impl Port {
    /// The columns read.
    pub const COLUMNS: &[&str] = &[
        "name",
        "interfaces",
        "external_ids",
        "tag",
        "vlan_mode",
        "trunks",
    ];

    pub(crate) fn read(row: &Reader<'_>) -> Result<Self, ColumnError> {
        let localnet = row.entry("external_ids", "ovn-localnet-port")?;
        Ok(Self {
            name: row.string("name")?.clone(),
            interfaces: row.uuids("interfaces")?,
            localnet: localnet.cloned(),
            tag: row.optional_integer("tag")?,
            trunks: row.has_members("vlan_mode") || row.has_members("trunks"),
            marked: row.entry("external_ids", PORT_MARK)?.is_some(),
        })
    }

    /// The localnet port this is the patch port of: by ovn-controller's note, else by the name that it
    /// gives those of Neutron's localnet ports, `patch-provnet-<uuid>-to-<integration bridge>`.
    /// Other patch ports are somebody else's.
    fn localnet(&self) -> Option<Arc<str>> {
        let rest = self.name.strip_prefix("patch-")?;
        match &self.localnet {
            // The integration bridge's end carries the same note; its name starts otherwise.
            Some(localnet) => rest.starts_with(&**localnet).then(|| localnet.clone()),
            None if rest.starts_with("provnet-") => {
                let (localnet, _) = rest.rsplit_once("-to-")?;
                Some(localnet.into())
            }
            None => None,
        }
    }
}

impl Interface {
    /// The columns read.
    pub const COLUMNS: &[&str] = &["name", "type", "ofport", "mac_in_use"];

    pub(crate) fn read(row: &Reader<'_>) -> Result<Self, ColumnError> {
        Ok(Self {
            name: row.string("name")?.clone(),
            kind: row.string("type")?.clone(),
            // -1 says that OVS could not add the port.
            ofport: row.optional_integer("ofport").unwrap_or(None),
            mac: row.optional_parse("mac_in_use")?,
        })
    }
}

/// A replica of the Open_vSwitch rows the agent uses.
#[derive(Clone, Debug, Default)]
pub struct Vswitch {
    roots: FxHashMap<Uuid, NodeIds>,
    bridges: FxHashMap<Uuid, Bridge>,
    ports: FxHashMap<Uuid, Port>,
    interfaces: FxHashMap<Uuid, Interface>,
}

/// A row of one of the tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Row {
    Root(NodeIds),
    Bridge(Bridge),
    Port(Port),
    Interface(Interface),
}

/// The tables the agent uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Table {
    Root,
    Bridge,
    Port,
    Interface,
}

impl Table {
    /// Every table.
    pub const ALL: [Self; 4] = [Self::Root, Self::Bridge, Self::Port, Self::Interface];

    /// The table's name in the schema.
    pub fn name(self) -> &'static str {
        match self {
            Self::Root => "Open_vSwitch",
            Self::Bridge => "Bridge",
            Self::Port => "Port",
            Self::Interface => "Interface",
        }
    }

    /// The table of that name, if it is one of these.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|table| table.name() == name)
    }

    /// The columns read.
    pub fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Root => NodeIds::COLUMNS,
            Self::Bridge => Bridge::COLUMNS,
            Self::Port => Port::COLUMNS,
            Self::Interface => Interface::COLUMNS,
        }
    }
}

impl Vswitch {
    /// Takes over what the client reports. Rows that do not parse are left out, and what is wrong
    /// with each returned.
    pub fn apply<'a>(&mut self, changes: impl IntoIterator<Item = &'a Change>) -> Vec<RowProblem> {
        let changes = changes.into_iter();
        changes
            .filter_map(|change| self.apply_one(change))
            .collect()
    }

    fn apply_one(&mut self, change: &Change) -> Option<RowProblem> {
        let table = Table::named(&change.table)?;
        let row = change.new.as_deref();
        let (row, problem) = match row.map(|row| read(table, row)) {
            Some(Ok(row)) => (Some(row), None),
            Some(Err(error)) => (None, Some(error.of(table.name(), change.uuid))),
            None => (None, None),
        };
        self.replace(table, change.uuid, row);
        problem
    }

    /// Puts a row in place of what `table` has under `uuid`; `None` removes that.
    pub fn replace(&mut self, table: Table, uuid: Uuid, row: Option<Row>) {
        match table {
            Table::Root => self.roots.remove(&uuid).map(drop),
            Table::Bridge => self.bridges.remove(&uuid).map(drop),
            Table::Port => self.ports.remove(&uuid).map(drop),
            Table::Interface => self.interfaces.remove(&uuid).map(drop),
        };
        match row {
            Some(Row::Root(row)) => drop(self.roots.insert(uuid, row)),
            Some(Row::Bridge(row)) => drop(self.bridges.insert(uuid, row)),
            Some(Row::Port(row)) => drop(self.ports.insert(uuid, row)),
            Some(Row::Interface(row)) => drop(self.interfaces.insert(uuid, row)),
            None => {}
        }
    }

    /// What `external_ids` says about this node; `None` before the row has arrived.
    pub fn node_ids(&self) -> Option<&NodeIds> {
        let first = self.roots.iter().min_by_key(|(uuid, _)| **uuid);
        first.map(|(_, ids)| ids)
    }

    /// Whether OVS has a bridge of this name.
    pub fn has_bridge(&self, name: &str) -> bool {
        self.bridges.values().any(|bridge| &*bridge.name == name)
    }

    /// The row of the bridge with this name.
    pub fn bridge(&self, name: &str) -> Option<(Uuid, &Bridge)> {
        let mut bridges = self.bridges.iter();
        let found = bridges.find(|(_, bridge)| &*bridge.name == name);
        found.map(|(uuid, bridge)| (*uuid, bridge))
    }

    /// All bridges.
    pub fn bridges(&self) -> impl Iterator<Item = (Uuid, &Bridge)> {
        self.bridges.iter().map(|(uuid, bridge)| (*uuid, bridge))
    }

    /// The row of a port.
    pub fn port(&self, uuid: Uuid) -> Option<&Port> {
        self.ports.get(&uuid)
    }

    /// The row of the port with this name, which no two have.
    pub fn port_named(&self, name: &str) -> Option<(Uuid, &Port)> {
        let mut ports = self.ports.iter();
        let found = ports.find(|(_, port)| &*port.name == name);
        found.map(|(uuid, port)| (*uuid, port))
    }

    /// The row of an interface.
    pub fn interface(&self, uuid: Uuid) -> Option<&Interface> {
        self.interfaces.get(&uuid)
    }

    /// The OpenFlow number of a bridge's port, 1–65534; `None` until OVS has made it.
    pub fn ofport(&self, bridge: &str, port: &str) -> Option<u32> {
        let (uuid, port) = self.port_named(port)?;
        let (_, bridge) = self.bridge(bridge)?;
        bridge.ports.contains(&uuid).then_some(())?;
        let interface = self.interfaces.get(port.interfaces.first()?)?;
        interface.ofport.filter(|n| (1..=65_534).contains(n))
    }

    /// The patch ports to OVN on a bridge, sorted; those OVS has not made yet are left out.
    pub fn patch_ports(&self, bridge: &str) -> Vec<PatchPort> {
        let bridges = self.bridges.values().filter(|b| &*b.name == bridge);
        let ports = bridges
            .flat_map(|b| &b.ports)
            .filter_map(|uuid| self.ports.get(uuid));
        let mut patches: Vec<_> = ports.filter_map(|port| self.patch_port(port)).collect();
        patches.sort();
        patches.dedup();
        patches
    }

    /// The OpenFlow numbers of the ports, on whatever bridge, whose name is wanted; those OVS has not made yet are left
    /// out.
    pub fn ofports(&self, wanted: impl Fn(&str) -> bool) -> BTreeMap<Arc<str>, u32> {
        let ports = self.ports.values().filter(|port| wanted(&port.name));
        let number = |port: &Port| {
            let mut interfaces = port.interfaces.iter();
            let interface = interfaces.find_map(|uuid| self.interfaces.get(uuid))?;
            let ofport = interface.ofport.filter(|n| (1..=65_534).contains(n))?;
            Some((Arc::clone(&port.name), ofport))
        };
        ports.filter_map(number).collect()
    }

    fn patch_port(&self, port: &Port) -> Option<PatchPort> {
        let mut interfaces = port.interfaces.iter();
        let interface = interfaces.find_map(|uuid| self.interfaces.get(uuid))?;
        (&*interface.kind == "patch").then_some(())?;
        Some(PatchPort {
            localnet: port.localnet()?,
            ofport: interface.ofport.filter(|n| (1..=65_534).contains(n))?,
        })
    }
}

fn read(table: Table, row: &ovsdb::Row) -> Result<Row, ColumnError> {
    let row = Reader::new(table.columns(), row);
    Ok(match table {
        Table::Root => Row::Root(NodeIds::read(&row)?),
        Table::Bridge => Row::Bridge(Bridge::read(&row)?),
        Table::Port => Row::Port(Port::read(&row)?),
        Table::Interface => Row::Interface(Interface::read(&row)?),
    })
}

#[cfg(test)]
mod tests;
