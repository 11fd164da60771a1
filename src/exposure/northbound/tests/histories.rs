//! Whatever the history, the standing exposures are those of a fresh decision.

mod edits;

use proptest::prelude::*;

use self::edits::{
    BALANCERS, BalancerEdit, Edit, FIPS, GATEWAY_NETWORKS, GATEWAYS, HOSTS, INTERFACES, IPS,
    InterfaceEdit, MEMBERS, NAT_PORTS, NETWORKS, PORTS, PortEdit, ROUTERS, ROUTES, SAYINGS, SNATS,
    SPEAKERS, SUBNETS, VIPS, edit,
};

use super::cloud::{
    Cloud, address, balancer, cidrs, fip, gateway, hosts, inner_port, interface, localnet_port,
    node, vip_port, vm,
};
use super::{policies, vpn_edits};
use crate::config::TenantAdvertisement;
use crate::exposure::{Attributes, Code, Exposure, Method, Options, Policy, TenantExposure};
use crate::mac::MacAddr;
use crate::ovn::AddressScopes;
use crate::ovn::northbound::{
    Balancer, Fip, FipMode, Octavia, PortKind, Purpose, RouterPort, SwitchPort,
};

fn apply(cloud: &mut Cloud, edit: Edit) {
    match edit {
        Edit::Port(edit) => cloud.port(port(&edit)),
        Edit::DeletePort(port) => cloud.delete_port(PORTS[port]),
        Edit::Network(network, provider, vlan) => {
            cloud.network(NETWORKS[network], provider.then_some(("physnet1", vlan)));
        }
        Edit::DeleteNetwork(network) => cloud.delete_network(NETWORKS[network]),
        Edit::Localnet(mapped) => cloud.port(SwitchPort {
            network: Some("provider".into()),
            ..localnet_port("second", if mapped { "physnet2" } else { "physnet9" }, None)
        }),
        Edit::Bind(port, here) => cloud.bind(PORTS[port], chassis(here)),
        Edit::BindGateway(lrp, here) => {
            cloud.bind(&format!("cr-{}", GATEWAYS[lrp]), chassis(here));
        }
        Edit::Mappings(both) => {
            cloud.node = node(if both {
                "physnet1:br-ex,physnet2:br-vlan"
            } else {
                "physnet1:br-ex"
            });
        }
        Edit::Options(tenants, subnet, snat, scopes) => {
            let policy = std::mem::take(&mut cloud.options.policy);
            cloud.options = Options {
                policy,
                method: cloud.options.method,
                ..options(tenants, subnet, snat, scopes)
            };
        }
        Edit::Vpn(edit) => vpn_edits::apply(cloud, &edit),
        Edit::Say(speaker, saying) => cloud.say(SPEAKERS[speaker], SAYINGS[saying]),
        Edit::Policy(policy) => cloud.options.policy = policies::of(policy),
        Edit::Look => drop(cloud.delta()),
        Edit::FipMode(distributed) => cloud.fip_mode(if distributed {
            FipMode::Distributed
        } else {
            FipMode::Centralised
        }),
        edit => apply_routed(cloud, edit),
    }
}

fn apply_routed(cloud: &mut Cloud, edit: Edit) {
    match edit {
        Edit::Nat(ip, port, mac, network) => {
            let nat = fip(FIPS[ip], "");
            cloud.nat(Fip {
                logical_port: NAT_PORTS[port].map(Into::into),
                external_mac: nat.external_mac.filter(|_| mac),
                network: Some(NETWORKS[network].into()),
                ..nat
            });
        }
        Edit::DeleteNat(ip) => cloud.delete_nat(FIPS[ip]),
        Edit::Gateway(lrp, here, network, addresses, enabled) => cloud.router_port(RouterPort {
            hosting_chassis: Some(chassis(here).into()),
            network: Some(NETWORKS[network].into()),
            enabled,
            ..gateway(GATEWAYS[lrp], GATEWAY_NETWORKS[addresses])
        }),
        Edit::DeleteGateway(lrp) => cloud.delete_router_port(GATEWAYS[lrp]),
        Edit::Interface(edit) => attach(cloud, &edit),
        Edit::DeleteInterface(interface, router_port) => {
            let name = INTERFACES[interface];
            if router_port {
                cloud.delete_router_port(&format!("lrp-{name}"));
            } else {
                cloud.delete_port(name);
            }
        }
        Edit::Router(router, enabled, ports, nat) => {
            let names = ["lrp", "lrp-second", "lrp-if", "lrp-if2"];
            let nats: Vec<_> = FIPS.into_iter().chain(SNATS).collect();
            cloud.router_named(
                ROUTERS[router],
                enabled,
                &some(&names, ports),
                &some(&nats, nat),
                &some(&ROUTES, ports >> 4),
            );
        }
        Edit::DeleteRouter(router) => cloud.delete_router(ROUTERS[router]),
        Edit::DefaultRoute(gateway) => cloud.default_route(ROUTES[gateway]),
        Edit::Snat(subnet, true) => cloud.snat(SNATS[subnet]),
        Edit::Snat(subnet, false) => cloud.delete_nat(SNATS[subnet]),
        Edit::Balancer(edit) => cloud.balancer(balance(&edit)),
        Edit::DeleteBalancer(row) => cloud.delete_balancer(BALANCERS[row]),
        Edit::VipPort(Some(network)) => cloud.port(vip_port("vip-port", NETWORKS[network])),
        Edit::VipPort(None) => cloud.delete_port("vip-port"),
        _ => unreachable!("the other edits are applied before"),
    }
}

fn chassis(here: bool) -> &'static str {
    if here { "chassis-1" } else { "chassis-2" }
}

/// Those whose bit is set.
fn some<'a>(names: &[&'a str], bits: u8) -> Vec<&'a str> {
    let names = names.iter().enumerate();
    let chosen = names.filter(|(at, _)| bits >> at & 1 == 1);
    chosen.map(|(_, name)| *name).collect()
}

fn options(tenants: usize, subnet: bool, snat: bool, scopes: bool) -> Options {
    use TenantExposure::{Everything, GlobalIpv6, Nothing};
    Options {
        policy: Policy::default(),
        method: Method::default(),
        tenants: [Everything, GlobalIpv6, Nothing][tenants],
        advertisement: if subnet {
            TenantAdvertisement::Subnet
        } else {
            TenantAdvertisement::Host
        },
        require_snat_disabled: snat,
        address_scopes: scopes.then(|| "scope".into()).into_iter().collect(),
    }
}

fn attach(cloud: &mut Cloud, edit: &InterfaceEdit) {
    let (name, network) = (INTERFACES[edit.interface], NETWORKS[edit.network]);
    cloud.router_port(inner_port(name, network, SUBNETS[edit.subnets]));
    let mut port = interface(name, network);
    port.up = edit.up;
    if let Some(inside) = &mut port.interface {
        let owner = |inner| match inner {
            true => "network:router_interface".into(),
            false => "network:router_gateway".into(),
        };
        inside.owner = edit.owner.map(owner);
        inside.router = edit.router.map(|router| ROUTERS[router].into());
        let scope = edit.scoped.then(|| "scope".into());
        inside.scopes = AddressScopes {
            v4: scope.clone(),
            v6: scope,
        };
    }
    cloud.port(port);
}

fn balance(edit: &BalancerEdit) -> Balancer {
    let vips: Vec<_> = VIPS[edit.vips]
        .iter()
        .map(|vip| (*vip, MEMBERS[edit.members]))
        .collect();
    let router = edit.router.map(|router| ROUTERS[router].into());
    let purpose = match edit.purpose {
        0 => Purpose::PortForwarding { router },
        1 => Purpose::Other,
        _ => Purpose::LoadBalancing(Octavia {
            vip: "172.24.4.50".parse().ok(),
            fip: edit.fip.then(|| "172.24.4.60".parse().unwrap()),
            port: "vip-port".into(),
            router,
        }),
    };
    Balancer {
        purpose,
        ..balancer(BALANCERS[edit.balancer], &vips)
    }
}

fn port(edit: &PortEdit) -> SwitchPort {
    let mac = MacAddr([2, 0, 0, 0, 0, 7]);
    SwitchPort {
        addresses: vec![address(mac, IPS[edit.ips])],
        cidrs: cidrs(&["172.24.4.9/24", "2001:db8::9/64"]),
        requested_chassis: hosts(HOSTS[edit.hosts]),
        host_id: (edit.hosts == 3).then(|| "host-1".into()),
        up: edit.up,
        enabled: edit.enabled,
        kind: if edit.kind {
            PortKind::Vif
        } else {
            PortKind::Virtual
        },
        parent: edit.parent.map(|parent| PORTS[parent].into()),
        ..vm(PORTS[edit.port], NETWORKS[edit.network], &[])
    }
}

/// A cloud in which much is exposed already, or an empty one.
fn start(routed: bool) -> Cloud {
    let mut cloud = Cloud::new();
    if routed {
        cloud.options.tenants = TenantExposure::Everything;
        cloud.router_port(gateway("lrp", GATEWAY_NETWORKS[0]));
        cloud.interface("if", "tenant", SUBNETS[0]);
        cloud.router(true, &["lrp", "lrp-if"], &FIPS);
        cloud.port(vip_port("vip-port", "tenant"));
        cloud.port(vm("p0", "tenant", IPS[3]));
    }
    cloud
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn standing_exposures_equal_a_fresh_decision(
        routed in any::<bool>(),
        edits in proptest::collection::vec(edit(), 1..80),
    ) {
        let mut cloud = start(routed);
        for edit in edits {
            apply(&mut cloud, edit);
        }
        // Compares.
        cloud.delta();
        prop_assert!(cloud.delta().is_empty());
    }

    #[test]
    fn deltas_add_up(
        routed in any::<bool>(),
        edits in proptest::collection::vec(edit(), 1..80),
    ) {
        let mut cloud = start(routed);
        let mut sum: std::collections::BTreeSet<_> = cloud.delta().added.into_iter().collect();
        // Looking is what each step ends with.
        for edit in edits.into_iter().filter(|edit| !matches!(edit, Edit::Look)) {
            apply(&mut cloud, edit);
            let delta = cloud.delta();
            for exposure in &delta.removed {
                prop_assert!(sum.remove(exposure), "{exposure:?} was not there");
            }
            for exposure in delta.added {
                prop_assert!(sum.insert(exposure.clone()), "{exposure:?} was there");
            }
        }
        prop_assert_eq!(sum.into_iter().collect::<Vec<_>>(), cloud.decide().exposures);
    }

    #[test]
    fn policies_take_away_and_tell_and_add_nothing(
        routed in any::<bool>(),
        edits in proptest::collection::vec(edit(), 1..60),
    ) {
        let (mut cloud, mut plain) = (start(routed), start(routed));
        for edit in edits {
            if !matches!(edit, Edit::Say(..) | Edit::Policy(_)) {
                apply(&mut plain, edit.clone());
            }
            apply(&mut cloud, edit);
        }
        let (decided, without) = (cloud.decide(), plain.decide());
        let mut all: Vec<_> = decided.exposures.iter().map(|exposure| Exposure {
            attributes: Attributes::default(),
            ..(**exposure).clone()
        }).collect();
        for exposure in &all {
            prop_assert!(without.exposures.iter().any(|e| **e == *exposure), "{exposure:?} is new");
        }
        let (taken, others): (Vec<_>, Vec<_>) = decided.withheld.into_iter().partition(|w| w.code == Code::Policy);
        prop_assert_eq!(others, without.withheld);
        for exposure in &without.exposures {
            let kept = all.iter().position(|e| *e == **exposure);
            if let Some(at) = kept {
                all.swap_remove(at);
            } else if !exposure.reason.is_own_address() {
                let told = taken.iter().any(|w| {
                    (w.prefix, w.kind, &w.port) == (exposure.prefix, exposure.kind, &exposure.port)
                });
                prop_assert!(told, "{exposure:?} is gone without a word");
            }
        }
    }
}
