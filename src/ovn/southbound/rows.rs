//! Typed rows of OVN_Southbound: only the columns a driver uses.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use ipnet::IpNet;
use uuid::Uuid;

use super::{Bgpvpn, DynamicRouting};
use crate::mac::MacAddr;
use crate::ovn::row::{ColumnError, Reader};
use crate::ovn::{AddressScopes, Annotations, Mtu, Vip};

/// `Port_Binding`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortBinding {
    pub uuid: Uuid,
    pub logical_port: Arc<str>,
    pub kind: BindingKind,
    /// `chassis`.
    pub chassis: Option<Uuid>,
    /// `virtual_parent`: the port that has claimed a virtual one. Only the monitor for [`super::Scope::Bindings`] asks.
    pub virtual_parent: Option<Arc<str>>,
    /// `up`; true where OVN does not tell (before 20.12): bound was up.
    pub up: bool,
    /// `datapath`. Only the monitor for [`super::Scope::Bindings`] leaves it out.
    pub datapath: Option<Uuid>,
    /// Entries of `mac` that carry a MAC; `unknown` and `router` are left out.
    pub addresses: Vec<BindingAddress>,
    /// Whether `unknown` is in `mac`: frames of every MAC and address pass.
    pub unknown: bool,
    /// `external_ids:neutron:cidrs`.
    pub cidrs: Vec<IpNet>,
    /// The load balancer whose VIP the port reserves, by `external_ids:neutron:port_name`.
    pub vip_of: Option<Arc<str>>,
    /// `external_ids:neutron:project_id`.
    pub project: Option<Arc<str>>,
    /// What `external_ids` and `options` say of its routes: northd copies those of ports and router ports.
    pub annotations: Annotations,
    /// Of the switch's end of a router port.
    pub bgpvpn: Bgpvpn,
    /// Of a router's port.
    pub routing: DynamicRouting,
}

/// `Port_Binding.type`, with what only that type has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BindingKind {
    /// Empty: a VM or a container.
    Vif,
    Virtual,
    Localnet(Localnet),
    Patch(Patch),
    ChassisRedirect {
        /// `options:distributed-port`: the router port it is the chassis-redirect half of.
        distributed_port: Option<Arc<str>>,
    },
    /// Either end of a link of a gateway router, which is bound to a chassis as a whole.
    L3Gateway {
        /// `options:peer`: the other end.
        peer: Option<Arc<str>>,
    },
    /// `external`, `localport`, `l2gateway`, `vtep`, `remote`, …
    Other(Arc<str>),
}

/// What a localnet port has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Localnet {
    /// `options:network_name`.
    pub physical_network: Option<Arc<str>>,
    /// `tag`: its VLAN, 1–4094.
    pub vlan: Option<u16>,
    /// `external_ids:neutron:mtu`.
    pub mtu: Mtu,
}

/// What either end of a link between a switch and a router has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Patch {
    /// `options:peer`: the other end.
    pub peer: Option<Arc<str>>,
    /// `options:chassis-redirect-port`: the router's end is a gateway port, and this is its chassis-redirect half.
    pub redirect: Option<Arc<str>>,
    /// `nat_addresses`, of the switch's end.
    pub nat_addresses: Vec<NatAddress>,
    /// Of the switch's end.
    pub scopes: AddressScopes,
}

impl Patch {
    /// Whether it is the router's end of a gateway port.
    pub fn is_gateway(&self) -> bool {
        self.redirect.is_some()
    }
}

/// One entry of `Port_Binding.mac`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BindingAddress {
    pub mac: MacAddr,
    /// A router's port has prefix lengths of its networks, a switch's port those of hosts.
    pub nets: Vec<IpNet>,
}

/// One entry of `Port_Binding.nat_addresses`: addresses that a router answers for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NatAddress {
    pub ips: Vec<IpAddr>,
    /// The logical port of `is_chassis_resident("…")`: they are answered for where it is bound.
    pub resident: Option<Arc<str>>,
}

impl PortBinding {
    /// The columns read; old servers lack `up`.
    pub const COLUMNS: &[&str] = &[
        "logical_port",
        "type",
        "chassis",
        "up",
        "datapath",
        "mac",
        "nat_addresses",
        "tag",
        "options",
        "external_ids",
    ];

    /// The columns read to know who binds a port.
    pub const BINDING_COLUMNS: &[&str] = &["logical_port", "type", "chassis", "virtual_parent"];

    /// A VM's port without addresses that no chassis binds.
    pub fn unbound(uuid: Uuid, logical_port: &str) -> Self {
        Self {
            uuid,
            logical_port: logical_port.into(),
            kind: BindingKind::Vif,
            chassis: None,
            virtual_parent: None,
            up: false,
            datapath: None,
            addresses: Vec::new(),
            unknown: false,
            cidrs: Vec::new(),
            vip_of: None,
            project: None,
            annotations: Annotations::default(),
            bgpvpn: Bgpvpn::default(),
            routing: DynamicRouting::default(),
        }
    }

    pub(super) fn read(uuid: Uuid, row: &Reader<'_>) -> Result<Self, ColumnError> {
        let unknown = row.parsed("mac", |text| Ok((text.trim() == "unknown").then_some(())))?;
        Ok(Self {
            uuid,
            logical_port: row.string("logical_port")?.clone(),
            kind: BindingKind::read(row)?,
            chassis: row.uuids("chassis")?.first().copied(),
            virtual_parent: non_empty(row.optional_string("virtual_parent")?),
            up: row.optional_bool("up")?.unwrap_or(true),
            datapath: row.uuids("datapath")?.first().copied(),
            addresses: row.parsed("mac", binding_address)?,
            unknown: !unknown.is_empty(),
            cidrs: row.words("external_ids", "neutron:cidrs")?,
            vip_of: row
                .entry("external_ids", "neutron:port_name")?
                .and_then(|name| vip_of(name)),
            project: non_empty(row.entry("external_ids", "neutron:project_id")?),
            annotations: Annotations::read(row)?,
            bgpvpn: Bgpvpn::read(row)?,
            routing: DynamicRouting::read(row)?,
        })
    }

    /// The router's or the switch's end of a link.
    pub fn patch(&self) -> Option<&Patch> {
        match &self.kind {
            BindingKind::Patch(patch) => Some(patch),
            _ => None,
        }
    }

    /// Every network of `mac`, each with the MAC of its entry.
    pub fn nets(&self) -> impl Iterator<Item = (IpNet, MacAddr)> + '_ {
        let entries = self.addresses.iter();
        entries.flat_map(|entry| entry.nets.iter().map(|net| (*net, entry.mac)))
    }

    /// Its IPv6 addresses that others could use as their gateway by convention: the first two of a
    /// subnet.
    pub(super) fn gateway_like(&self) -> impl Iterator<Item = Ipv6Addr> + '_ {
        self.cidrs.iter().filter_map(|cidr| match cidr {
            IpNet::V6(net) => {
                let place = u128::from(net.addr()) - u128::from(net.network());
                (place <= 1 && net.prefix_len() <= 126).then(|| net.addr())
            }
            IpNet::V4(_) => None,
        })
    }
}

impl BindingKind {
    fn read(row: &Reader<'_>) -> Result<Self, ColumnError> {
        // `type` is a plain string: empty is not missing.
        let kind = row.optional_string("type")?.map_or("", |text| text);
        Ok(match kind {
            "" => Self::Vif,
            "virtual" => Self::Virtual,
            "localnet" => Self::Localnet(Localnet {
                physical_network: non_empty(row.entry("options", "network_name")?),
                vlan: row.optional_integer("tag")?.filter(|tag| *tag != 0),
                mtu: Mtu::read(row)?,
            }),
            "patch" => Self::Patch(Patch {
                peer: non_empty(row.entry("options", "peer")?),
                redirect: non_empty(row.entry("options", "chassis-redirect-port")?),
                nat_addresses: row.parsed("nat_addresses", nat_address)?,
                scopes: AddressScopes::read(row)?,
            }),
            "chassisredirect" => Self::ChassisRedirect {
                distributed_port: non_empty(row.entry("options", "distributed-port")?),
            },
            "l3gateway" => Self::L3Gateway {
                peer: non_empty(row.entry("options", "peer")?),
            },
            other => Self::Other(other.into()),
        })
    }
}

/// `Datapath_Binding`: a logical switch or router.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datapath {
    pub uuid: Uuid,
    /// Whether it is a router: `type` says so, or `external_ids:logical-router` is set.
    pub is_router: bool,
    /// `external_ids:name`: that of the Northbound row, `neutron-<uuid>`.
    pub name: Arc<str>,
    /// The routing table in which OVN's dynamic routing exchanges a router's routes:
    /// `external_ids:dynamic-routing-vrf-id`, else `tunnel_key`. Zero unless that is read.
    pub table: u32,
    /// `external_ids:neutron:mtu` of a network.
    pub mtu: Mtu,
}

impl Datapath {
    /// The columns read; `type` is missing before OVN 25.09.
    pub const COLUMNS: &[&str] = &["type", "external_ids"];

    /// The columns read for dynamic routing.
    pub const ROUTING_COLUMNS: &[&str] = &["type", "external_ids", "tunnel_key"];

    pub(super) fn read(uuid: Uuid, row: &Reader<'_>) -> Result<Self, ColumnError> {
        let name = non_empty(row.entry("external_ids", "name")?);
        Ok(Self {
            uuid,
            is_router: match row.optional_string("type")? {
                Some(kind) => **kind == *"logical-router",
                None => row.entry("external_ids", "logical-router")?.is_some(),
            },
            name: name.unwrap_or_else(|| uuid.to_string().into()),
            table: table(row)?,
            mtu: Mtu::read(row)?,
        })
    }
}

fn table(row: &Reader<'_>) -> Result<u32, ColumnError> {
    let given = row.entry("external_ids", "dynamic-routing-vrf-id")?;
    // OVN goes by the key where the number is none.
    let given = given.and_then(|id| id.parse().ok()).filter(|id| *id != 0);
    let key = row.optional_integer("tunnel_key")?;
    Ok(given.or(key).unwrap_or_default())
}

/// `Chassis`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chassis {
    pub uuid: Uuid,
    /// `name`: the `system-id` of its Open vSwitch.
    pub name: Arc<str>,
}

impl Chassis {
    /// The columns read.
    pub const COLUMNS: &[&str] = &["name"];

    pub(super) fn read(uuid: Uuid, row: &Reader<'_>) -> Result<Self, ColumnError> {
        Ok(Self {
            uuid,
            name: row.string("name")?.clone(),
        })
    }
}

/// `Load_Balancer`. One of Octavia has a row per protocol, all of one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadBalancer {
    pub uuid: Uuid,
    pub name: Arc<str>,
    pub vips: Vec<Vip>,
    /// `datapaths`, sorted: all that old servers have.
    pub datapaths: Vec<Uuid>,
    /// `datapath_group`, `ls_datapath_group` and `lr_datapath_group`, sorted.
    pub groups: Vec<Uuid>,
}

impl LoadBalancer {
    /// The columns read; a server has but some of the groups, old ones none.
    pub const COLUMNS: &[&str] = &[
        "name",
        "vips",
        "datapaths",
        "datapath_group",
        "ls_datapath_group",
        "lr_datapath_group",
    ];

    pub(super) fn read(uuid: Uuid, row: &Reader<'_>) -> Result<Self, ColumnError> {
        let mut groups = row.uuids("datapath_group")?;
        groups.extend(row.uuids("ls_datapath_group")?);
        groups.extend(row.uuids("lr_datapath_group")?);
        groups.sort_unstable();
        groups.dedup();
        Ok(Self {
            uuid,
            name: row.string("name")?.clone(),
            vips: Vip::read(row)?,
            datapaths: row.uuids("datapaths")?,
            groups,
        })
    }
}

/// `Logical_DP_Group`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatapathGroup {
    pub uuid: Uuid,
    /// `datapaths`, sorted.
    pub datapaths: Vec<Uuid>,
}

impl DatapathGroup {
    /// The columns read.
    pub const COLUMNS: &[&str] = &["datapaths"];

    pub(super) fn read(uuid: Uuid, row: &Reader<'_>) -> Result<Self, ColumnError> {
        Ok(Self {
            uuid,
            datapaths: row.uuids("datapaths")?,
        })
    }
}

fn non_empty(text: Option<&Arc<str>>) -> Option<Arc<str>> {
    text.filter(|t| !t.is_empty()).cloned()
}

fn parse<T: std::str::FromStr<Err: std::fmt::Display>>(
    word: &str,
    whole: &str,
) -> Result<T, String> {
    word.parse()
        .map_err(|e| format!("'{whole}': '{word}': {e}"))
}

/// `MAC IP[/LENGTH]…`, as ovn-sb(5) describes `mac`. `unknown`, `router` and `dynamic` carry no
/// address of their own.
fn binding_address(text: &str) -> Result<Option<BindingAddress>, String> {
    let mut words = text.split_whitespace();
    let mac = match words.next() {
        None | Some("unknown" | "router" | "dynamic") => return Ok(None),
        Some(word) => parse(word, text)?,
    };
    let nets = words.filter(|word| *word != "dynamic").map(|word| {
        if word.contains('/') {
            parse(word, text)
        } else {
            parse::<IpAddr>(word, text).map(IpNet::from)
        }
    });
    let nets = nets.collect::<Result<_, _>>()?;
    Ok(Some(BindingAddress { mac, nets }))
}

/// `MAC IP… [is_chassis_resident("PORT")]`, as ovn-sb(5) describes `nat_addresses`.
fn nat_address(text: &str) -> Result<Option<NatAddress>, String> {
    let addresses = text.split("is_chassis_resident(").next();
    let words = addresses.unwrap_or(text).split_whitespace().skip(1);
    Ok(Some(NatAddress {
        ips: words
            .map(|word| parse(word, text))
            .collect::<Result<_, _>>()?,
        resident: resident(text).map(Arc::from),
    }))
}

/// The port that an entry of `nat_addresses` names.
pub(in crate::ovn) fn resident(entry: &str) -> Option<&str> {
    let (_, rest) = entry.split_once("is_chassis_resident(")?;
    rest.split('"').nth(1).filter(|port| !port.is_empty())
}

/// The load balancer of a VIP's port: Octavia names it `ovn-lb-vip-<id>`, and those of further VIPs
/// `ovn-lb-vip-additional-<number>-<id>`.
fn vip_of(port_name: &str) -> Option<Arc<str>> {
    const UUID_LENGTH: usize = 36;
    let name = port_name.strip_prefix("ovn-lb-vip-")?;
    let name = match name.strip_prefix("additional-") {
        Some(rest) => rest.get(rest.len().checked_sub(UUID_LENGTH)?..)?,
        None => name,
    };
    (!name.is_empty()).then(|| name.into())
}
