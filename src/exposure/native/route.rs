//! The routes of one router.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use uuid::Uuid;

use super::port::{self, Port, Tenancy};
use super::{Inputs, Why};
use crate::exposure::members::{Elected, Member, admit};
use crate::exposure::southbound::proxied;
use crate::exposure::verdict::Verdict;
use crate::exposure::{
    Attributes, Code, Exposure, Kind, Layer, ProviderNetwork, Reason, TenantGateway, Withheld,
    is_routable,
};
use crate::mac::MacAddr;
use crate::ovn::southbound::{AdvertisedRoute, PortBinding};

/// MULTI_EXIT_DISC of a host that is on this chassis: the metric that ovn-controller gives such routes, for a speaker
/// beside it to redistribute.
const MED_HERE: u32 = 100;

/// MULTI_EXIT_DISC of everything else; likewise.
const MED: u32 = 1000;

/// The way to a prefix.
struct Way<'p, 'a> {
    port: &'p Port<'a>,
    /// The router's address there, of the prefix's family.
    via: IpAddr,
    mac: MacAddr,
    /// Whether the host that the prefix is can be found on this chassis.
    is_host_here: bool,
}

/// The rows for each prefix: northd writes one for each port by which it leaves.
fn prefixes(inputs: Inputs<'_>, router: Uuid) -> BTreeMap<IpNet, Vec<&AdvertisedRoute>> {
    let mut prefixes: BTreeMap<_, Vec<_>> = BTreeMap::new();
    let routes = inputs.southbound.advertised_by(router);
    for route in routes.filter(|route| is_advertised(route.prefix)) {
        prefixes.entry(route.prefix).or_default().push(route);
    }
    prefixes
}

/// Link-local networks end at their link; a default route is one, although its address is none.
fn is_advertised(prefix: IpNet) -> bool {
    prefix.prefix_len() == 0 || is_routable(prefix.addr())
}

/// Decides about the routes of a router. What policies say comes last.
pub(super) fn decide(inputs: Inputs<'_>, elected: &Elected, router: Uuid, verdict: &mut Verdict) {
    let from = verdict.exposed();
    let ports = port::hosted(inputs, router);
    let own = Own::of(inputs, router);
    let mut here = BTreeSet::new();
    for (prefix, routes) in prefixes(inputs, router) {
        let kind = own.kind(prefix);
        let way = ports.as_deref().map_err(Clone::clone);
        let way = way.and_then(|ports| way_to(inputs, ports, prefix, &routes));
        let way = way.and_then(|way| admitted(elected, &way).map(|()| way));
        match way {
            Ok(way) => {
                if way.is_host_here {
                    here.insert(prefix);
                }
                verdict.expose(exposure(inputs, router, prefix, kind, &way));
            }
            Err((code, reason)) => verdict.withhold(|| Withheld {
                prefix,
                kind,
                port: leaving_by(inputs, &routes),
                code,
                reason,
            }),
        }
    }
    verdict.rule(inputs.southbound, inputs.options, from);
    verdict.complete(from, |exposure| {
        let med = if here.contains(&exposure.prefix) {
            MED_HERE
        } else {
            MED
        };
        exposure.attributes.med.get_or_insert(med);
    });
}

/// The tenants' gateways on a router, with the prefixes that they lead to; none of a router that wants nothing
/// advertised.
pub(super) fn members(inputs: Inputs<'_>, router: Uuid) -> Vec<Member> {
    let Ok(ports) = port::hosted(inputs, router) else {
        return Vec::new();
    };
    let prefixes = prefixes(inputs, router);
    if prefixes.is_empty() {
        return Vec::new();
    }
    let member = |port: &Port<'_>| {
        let tenancy = port.tenant.as_ref()?;
        let mut subnets = BTreeMap::new();
        for (prefix, routes) in &prefixes {
            // Of what leaves OVN, all would be the tenant's.
            let is_default = prefix.prefix_len() == 0;
            if let Ok(way) = way_to(inputs, &ports, *prefix, routes)
                && way.port.gateway.lrp == port.gateway.lrp
                && !is_default
            {
                subnets.insert(*prefix, way.via);
            }
        }
        member_of(inputs, port, tenancy, subnets)
    };
    ports.iter().filter_map(member).collect()
}

fn member_of(
    inputs: Inputs<'_>,
    port: &Port<'_>,
    tenancy: &Tenancy,
    subnets: BTreeMap<IpNet, IpAddr>,
) -> Option<Member> {
    let nets = port
        .gateway
        .nets()
        .filter(|(net, _)| is_routable(net.addr()));
    let own: Vec<_> = nets.collect();
    let (_, mac) = *own.first()?;
    let described = TenantGateway {
        mac,
        addresses: own.iter().map(|(net, _)| net.addr()).collect(),
        subnets,
        proxied: proxied::of(inputs, port.switch, own.iter().map(|(net, _)| *net)),
        learning: match port.gateway.redirect.routing.learns() {
            true => own.iter().map(|(net, _)| *net).collect(),
            false => BTreeSet::new(),
        },
    };
    let localnet = inputs
        .southbound
        .binding_named(&tenancy.attachment.localnet)?;
    Some(Member {
        lrp: port.gateway.lrp.clone(),
        vni: tenancy.vni,
        asn: tenancy.asn,
        network: port.network.clone(),
        provider: ProviderNetwork {
            localnet: localnet.uuid,
            attachment: tenancy.attachment.clone(),
            mtu: inputs.southbound.mtu_at(localnet),
            routers: BTreeSet::new(),
            advertisements: BTreeSet::new(),
            stations: BTreeSet::new(),
            gateways: BTreeMap::from([(port.gateway.lrp.clone(), described)]),
        },
    })
}

fn admitted(elected: &Elected, way: &Way<'_, '_>) -> Result<(), Why> {
    let Some(Tenancy { vni, asn, .. }) = way.port.tenant else {
        return Ok(());
    };
    admit(elected, vni, asn, &way.port.network)
        .map_err(|(code, why)| (code, format!("port {}: {why}", way.port.gateway.lrp)))
}

/// The way to a prefix: through the port that a row says it leaves by, if that is one of those here, else through the
/// first, by name, that has an address of the family; else why there is none.
fn way_to<'p, 'a>(
    inputs: Inputs<'_>,
    ports: &'p [Port<'a>],
    prefix: IpNet,
    routes: &[&AdvertisedRoute],
) -> Result<Way<'p, 'a>, Why> {
    let mut refusal = None;
    let mut counting = Vec::new();
    for route in routes {
        match counts(inputs, route) {
            Ok(is_host_here) => counting.push((route, is_host_here)),
            Err(why) => refusal = refusal.or(Some(why)),
        }
    }
    if counting.is_empty() {
        return Err(refusal.unwrap_or_else(|| (Code::NotSupported, "no row".to_owned())));
    }
    let named: Vec<_> = counting
        .iter()
        .filter_map(|(route, _)| Some(&inputs.southbound.binding(route.port)?.logical_port))
        .collect();
    let leading = ports
        .iter()
        .filter_map(|port| Some((port, port.leading_to(prefix)?)));
    // The first of the named ones, else the first of all.
    let found = leading.min_by_key(|(port, _)| !named.contains(&port.gateway.lrp));
    let (port, (via, mac)) = found.ok_or_else(|| {
        let names: Vec<_> = ports.iter().map(|port| &**port.gateway.lrp).collect();
        let why = format!(
            "router port {} has no address of its family",
            names.join(", ")
        );
        (Code::NoNextHop, why)
    })?;
    Ok(Way {
        port,
        via,
        mac,
        is_host_here: counting.iter().any(|(_, is_host_here)| *is_host_here),
    })
}

/// Whether a row counts here, and if so, whether the host that it leads to is here.
fn counts(inputs: Inputs<'_>, route: &AdvertisedRoute) -> Result<bool, Why> {
    let sb = inputs.southbound;
    let is_here = |port: &PortBinding| sb.pinned_to(port) == Some(&inputs.node.chassis);
    // northd names a port of the router.
    let leaving = sb.binding(route.port);
    let leaving = leaving.filter(|port| port.datapath == Some(route.router));
    if let Some(port) = leaving
        && let Some(chassis) = sb.pinned_to(port)
        && *chassis != inputs.node.chassis
    {
        let why = format!("it leaves by port {}, on {chassis}", port.logical_port);
        return Err((Code::GatewayElsewhere, why));
    }
    let Some(tracked) = route.tracked else {
        return Ok(false);
    };
    let tracked = sb.binding(tracked);
    if tracked.is_some_and(|tracked| is_here(tracked)) {
        return Ok(true);
    }
    if leaving.is_some_and(|port| port.routing.is_local_only()) {
        let why = "dynamic-routing-redistribute-local-only is set, and tracked_port is not on this chassis";
        return Err((Code::ElsewhereBound, why.to_owned()));
    }
    Ok(false)
}

/// A router's own addresses and networks, which tell what a prefix is.
struct Own {
    addresses: BTreeSet<IpAddr>,
    /// Of ports that no chassis is the place of.
    inside: Vec<IpNet>,
}

impl Own {
    fn of(inputs: Inputs<'_>, router: Uuid) -> Self {
        let sb = inputs.southbound;
        let all = sb.all_on(router).flat_map(|port| port.nets());
        let facing: BTreeSet<_> = sb
            .pinned(router)
            .flat_map(|gateway| gateway.nets())
            .map(|(net, _)| net)
            .collect();
        let nets: BTreeSet<_> = all.map(|(net, _)| net).collect();
        Self {
            addresses: nets.iter().map(IpNet::addr).collect(),
            inside: nets.difference(&facing).copied().collect(),
        }
    }

    /// What northd does not say: a network, a router's own address, a host behind it, or an address that it translates.
    fn kind(&self, prefix: IpNet) -> Kind {
        let ip = prefix.addr();
        if prefix.prefix_len() != prefix.max_prefix_len() {
            Kind::Subnet
        } else if self.addresses.contains(&ip) {
            Kind::Gateway
        } else if self.inside.iter().any(|net| net.contains(&ip)) {
            Kind::Tenant
        } else {
            Kind::Fip
        }
    }
}

/// The name of the port that the first row says it leaves by.
fn leaving_by(inputs: Inputs<'_>, routes: &[&AdvertisedRoute]) -> Arc<str> {
    let ports = routes.iter().filter_map(|route| {
        let port = inputs.southbound.binding(route.port)?;
        Some(port.logical_port.clone())
    });
    ports.min().unwrap_or_else(|| Arc::from(""))
}

fn exposure(
    inputs: Inputs<'_>,
    router: Uuid,
    prefix: IpNet,
    kind: Kind,
    way: &Way<'_, '_>,
) -> Exposure {
    let port = way.port;
    let lrp = port.gateway.lrp.clone();
    let tenant = port.tenant.as_ref();
    let entering = |what| tenant.is_some().then_some(what);
    // What leads everywhere takes nothing in: by its flow all that leaves OVN would be the tenant's (see `members`).
    let takes_in = tenant.is_some() && prefix.prefix_len() > 0;
    Exposure {
        prefix,
        kind,
        port: lrp.clone(),
        network: port.network.clone(),
        attachment: tenant.map(|tenant| tenant.attachment.clone()),
        vni: tenant.map(|tenant| tenant.vni),
        layer: Layer::Routed,
        via: entering(way.via),
        subnet: tenant.map(|_| prefix),
        next_hop: tenant.is_none().then_some(way.via),
        mac: takes_in.then_some(way.mac),
        proxied: proxied::none(),
        attributes: Attributes::default(),
        reason: Reason::AdvertisedByOvn {
            router: inputs.southbound.network_name(router),
            lrp,
        },
    }
}
