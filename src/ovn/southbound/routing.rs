//! OVN's own dynamic routing (25.03 and later): which routes northd wants advertised, and by which ports.

use std::sync::Arc;

use ipnet::IpNet;
use uuid::Uuid;

use super::topology::Gateway;
use super::{BindingKind, PortBinding, Southbound};
use crate::ovn::row::{ColumnError, Reader};

/// The longest name of a device, in octets: IFNAMSIZ without its end.
const LONGEST_NAME: usize = 15;

/// `Advertised_Route`: a prefix that a router forwards, and wants to be advertised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdvertisedRoute {
    pub uuid: Uuid,
    /// `datapath`: the router.
    pub router: Uuid,
    /// `logical_port`: the router's port that packets for the prefix leave by.
    pub port: Uuid,
    /// `ip_prefix`, masked; northd writes hosts without a length.
    pub prefix: IpNet,
    /// `tracked_port`: where a host is. Its chassis is the better way to it.
    pub tracked: Option<Uuid>,
}

impl AdvertisedRoute {
    /// The columns read.
    pub const COLUMNS: &[&str] = &["datapath", "logical_port", "ip_prefix", "tracked_port"];

    pub(super) fn read(uuid: Uuid, row: &Reader<'_>) -> Result<Self, ColumnError> {
        Ok(Self {
            uuid,
            router: row.uuid("datapath")?,
            port: row.uuid("logical_port")?,
            prefix: row.address_or_subnet("ip_prefix")?.trunc(),
            tracked: row.uuids("tracked_port")?.first().copied(),
        })
    }
}

/// What `Port_Binding.options` of a router's port says of dynamic routing. Most ports say nothing, which takes one
/// pointer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DynamicRouting(Option<Arc<Said>>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Said {
    enabled: bool,
    local_only: bool,
    no_learning: bool,
    port_name: Option<Arc<str>>,
    vrf_name: Option<Arc<str>>,
}

impl DynamicRouting {
    /// What `options` says, pair by pair.
    pub fn of_options<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut said = Said::default();
        let non_empty = |value: &str| (!value.is_empty()).then(|| Arc::from(value));
        for (key, value) in pairs {
            match key.strip_prefix("dynamic-routing") {
                Some("") => said.enabled = is_true(value),
                Some("-redistribute-local-only") => said.local_only = is_true(value),
                Some("-no-learning") => said.no_learning = is_true(value),
                Some("-port-name") => said.port_name = non_empty(value),
                Some("-vrf-name") => said.vrf_name = non_empty(value),
                _ => {}
            }
        }
        Self((said != Said::default()).then(|| Arc::new(said)))
    }

    pub(super) fn read(row: &Reader<'_>) -> Result<Self, ColumnError> {
        Ok(Self::of_options(row.pairs("options")?))
    }

    fn said(&self) -> Option<&Said> {
        self.0.as_deref()
    }

    /// `dynamic-routing`: the chassis that the port is bound to exchanges routes for its router.
    pub fn is_enabled(&self) -> bool {
        self.said().is_some_and(|said| said.enabled)
    }

    /// `dynamic-routing-redistribute-local-only`: a host is advertised where it is, and nowhere else.
    pub fn is_local_only(&self) -> bool {
        self.said().is_some_and(|said| said.local_only)
    }

    /// Whether the router wants to be told what its chassis learns: `dynamic-routing-no-learning` is not set.
    pub fn learns(&self) -> bool {
        self.said().is_some_and(|said| !said.no_learning)
    }

    /// `dynamic-routing-port-name`: the router learns by one device alone, which goes by this name.
    pub fn port_name(&self) -> Option<&Arc<str>> {
        self.said()?.port_name.as_ref()
    }

    /// `dynamic-routing-vrf-name`; OVN leaves out what is too long for the name of a device.
    pub fn vrf_name(&self) -> Option<&Arc<str>> {
        let name = self.said()?.vrf_name.as_ref();
        name.filter(|name| name.len() <= LONGEST_NAME)
    }
}

/// As OVS reads a boolean of a map.
fn is_true(value: &str) -> bool {
    value.eq_ignore_ascii_case("true")
}

impl Southbound {
    /// The routes that a router wants to be advertised, sorted by row id.
    pub fn advertised_by(&self, router: Uuid) -> impl Iterator<Item = &AdvertisedRoute> {
        let rows = self.routes_by_router.get(&router).iter();
        rows.filter_map(|uuid| self.routes.get(uuid))
    }

    /// The routers that want routes to be advertised, each once.
    pub fn advertising_routers(&self) -> impl Iterator<Item = Uuid> {
        self.routes_by_router.keys().copied()
    }

    /// The routers that have a port on a switch.
    pub fn routers_on(&self, switch: Uuid) -> impl Iterator<Item = Uuid> {
        self.all_on(switch).filter_map(|end| {
            let peer = match &end.kind {
                BindingKind::Patch(patch) => patch.peer.as_ref()?,
                BindingKind::L3Gateway { peer } => peer.as_ref()?,
                _ => return None,
            };
            let router = self.binding_named(peer)?.datapath?;
            self.is_router(router).then_some(router)
        })
    }

    /// The ports of a router that one chassis each is the place of: gateway ports, and every port of a gateway router.
    pub fn pinned(&self, router: Uuid) -> impl Iterator<Item = Gateway<'_>> {
        let is_router = self.is_router(router);
        let ports = self.rows(router, |on| &on.redirects);
        ports
            .filter(move |_| is_router)
            .filter_map(|port| match &port.kind {
                BindingKind::L3Gateway { .. } => Some(Gateway {
                    redirect: port,
                    lrp: &port.logical_port,
                    switch_port: self.other_end(port),
                }),
                _ => self.gateway(port),
            })
    }

    /// The other end of a link, if that is on a switch.
    fn other_end(&self, port: &PortBinding) -> Option<&PortBinding> {
        let BindingKind::L3Gateway { peer: Some(peer) } = &port.kind else {
            return None;
        };
        let end = self.binding_named(peer)?;
        let is_mutual = match &end.kind {
            BindingKind::L3Gateway { peer } => peer.as_ref() == Some(&port.logical_port),
            _ => false,
        };
        (is_mutual && !self.is_router(end.datapath?)).then_some(end)
    }

    /// The chassis that a router's port is bound to: its own, or that of its chassis-redirect half.
    pub fn pinned_to(&self, port: &PortBinding) -> Option<&Arc<str>> {
        self.chassis_name(port).or_else(|| {
            let redirect = self.binding_named(port.patch()?.redirect.as_ref()?)?;
            self.chassis_name(redirect)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_options_say_of_dynamic_routing_is_read() {
        let routing = DynamicRouting::of_options([
            ("peer", "pub-to-r1"),
            ("dynamic-routing", "true"),
            ("dynamic-routing-port-name", "fabric1"),
            ("dynamic-routing-vrf-name", "v1"),
        ]);
        assert!(routing.is_enabled() && routing.learns() && !routing.is_local_only());
        assert_eq!(routing.port_name().map(|name| &**name), Some("fabric1"));
        assert_eq!(routing.vrf_name().map(|name| &**name), Some("v1"));
        let routing = DynamicRouting::of_options([
            ("dynamic-routing", "false"),
            ("dynamic-routing-redistribute-local-only", "true"),
            ("dynamic-routing-no-learning", "true"),
        ]);
        assert!(!routing.is_enabled() && !routing.learns() && routing.is_local_only());
    }

    #[test]
    fn other_ports_say_nothing() {
        let routing = DynamicRouting::of_options([("peer", "pub-to-r1")]);
        assert_eq!(routing, DynamicRouting::default());
        assert!(!routing.is_enabled() && !routing.learns());
    }

    #[test]
    fn a_vrf_name_that_is_too_long_does_not_count() {
        let name = |name| DynamicRouting::of_options([("dynamic-routing-vrf-name", name)]);
        assert!(name("fifteen-letters").vrf_name().is_some());
        assert!(name("sixteen-letters-").vrf_name().is_none());
    }
}
