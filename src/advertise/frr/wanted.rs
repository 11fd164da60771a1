//! Pure: what FRR's running configuration should have of ours, per backend.

use std::net::Ipv4Addr;
use std::sync::Arc;

use super::attributed::{self, Attributed};
use super::leaking::{self, CannotLeak, Leaking, Redistribute, default_instance};
use super::peering::{self, Peering};
use super::running::Running;
use crate::config::frr_peer::OUR_ADDRESS;
use crate::config::{Agent, Backend, Config, Driver, ExposingMethod, TenantAdvertisement};

/// What FRR should have of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// `bgp_backend = frr`
    Leak(Leaking),
    /// `bgp_backend = frr-peer`
    Peer {
        peering: Peering,
        /// What leaked from it goes; `None` as long as traffic still comes by it.
        vrf: Option<String>,
    },
    /// Nothing: what leaked from this VRF for another backend, or for the Python agent, goes.
    Nothing { vrf: String },
}

impl Wanted {
    /// What the configuration asks for.
    pub fn of(config: &Config) -> Self {
        let agent = &config.agent;
        let vrf = agent.bgp_vrf.clone();
        match agent.bgp_backend {
            Backend::Frr if !leaks(agent) => Self::Nothing { vrf },
            Backend::Frr => Self::Leak(Leaking {
                asn: config.bgp.asn,
                vrf,
                redistribute: redistribute(agent),
                attributes: None,
            }),
            Backend::FrrPeer => Self::Peer {
                peering: Peering {
                    asn: config.bgp.asn,
                    peer_asn: agent.frr_peer_as,
                },
                vrf: Some(vrf),
            },
            Backend::Embedded => Self::Nothing { vrf },
        }
    }

    /// The same with what policies say of routes, once that is known.
    #[must_use]
    pub fn attributing(self, attributes: Option<Arc<Attributed>>) -> Self {
        match self {
            Self::Leak(leaking) => Self::Leak(Leaking {
                attributes,
                ..leaking
            }),
            other => other,
        }
    }

    /// The same without taking away what a former backend needed, if so asked.
    #[must_use]
    pub fn sparing(self, spare: bool) -> Self {
        match self {
            Self::Peer { peering, .. } if spare => Self::Peer { peering, vrf: None },
            other => other,
        }
    }

    /// The commands that are missing, as typed after `configure terminal`, and those that take away what
    /// another backend needed.
    ///
    /// # Errors
    /// What they would build on is not there.
    pub fn commands(
        &self,
        running: &Running,
        router_id: Option<Ipv4Addr>,
    ) -> Result<Vec<String>, CannotLeak> {
        Ok(match self {
            Self::Leak(leaking) => {
                default_instance(running, leaking.asn)?;
                let vrf = leaking.vrf.clone();
                let router_id = router_id.ok_or(CannotLeak::NoRouterId { vrf })?;
                let missing = leaking.missing(running, router_id)?;
                [missing, peering::removal(running)].concat()
            }
            Self::Peer { peering, vrf } => {
                let leaking = vrf.as_ref().map(|vrf| leaking::removal(running, vrf));
                [peering.missing(running)?, leaking.unwrap_or_default()].concat()
            }
            Self::Nothing { vrf } => {
                [leaking::removal(running, vrf), peering::removal(running)].concat()
            }
        })
    }

    /// What keeps FRR from announcing as it should although it has all [`Self::commands`].
    ///
    /// # Errors
    /// The operator's part of FRR's configuration.
    pub fn complete(&self, running: &Running) -> Result<(), CannotLeak> {
        let peering = match self {
            Self::Leak(leaking) => return leaking.complete(running),
            Self::Peer { peering, .. } => peering,
            Self::Nothing { .. } => return Ok(()),
        };
        match peering.without_next_hop_self(running) {
            lacking if lacking.is_empty() => Ok(()),
            lacking => Err(CannotLeak::NoNextHopSelf(lacking)),
        }
    }

    /// Whether [`Self::commands`] needs one.
    pub fn needs_router_id(&self) -> bool {
        matches!(self, Self::Leak(_))
    }

    /// What the log says before commands are sent: the Python agent's line, where it has one.
    pub fn headline(&self, commands: &[String]) -> String {
        match self {
            Self::Leak(_) if attributed::is_about(commands) => {
                "FRR is told what policies say of routes".to_owned()
            }
            Self::Leak(Leaking { asn, vrf, .. }) => {
                format!("Add VRF leak for VRF {vrf} on router bgp {asn}")
            }
            Self::Peer { peering, .. } => format!(
                "Add neighbor {OUR_ADDRESS} (AS {}) to router bgp {}",
                peering.peer_asn, peering.asn
            ),
            Self::Nothing { vrf } => format!("Remove VRF leak for VRF {vrf} from FRR"),
        }
    }
}

/// True if something is exposed in the default table, so that FRR has to leak it. Where every network is a tenant's,
/// FRR has it of the tenants' tables.
pub fn leaks(agent: &Agent) -> bool {
    let tenants_alone = match agent.driver {
        Driver::Evpn => true,
        Driver::Northbound => matches!(
            agent.exposing_method,
            ExposingMethod::Vrf | ExposingMethod::L2Vni
        ),
        _ => false,
    };
    agent.bgp_backend == Backend::Frr && !tenants_alone
}

/// Hosts are addresses of the device, subnets and stretched networks routes of it.
fn redistribute(agent: &Agent) -> Redistribute {
    let stretched = agent.driver == Driver::StretchedL2;
    let subnets = agent.advertisement_method_tenant_networks == TenantAdvertisement::Subnet;
    Redistribute {
        connected: !stretched,
        kernel: stretched || subnets,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(change: impl FnOnce(&mut Agent)) -> Config {
        let mut config = Config::default();
        config.bgp.asn = 64999;
        config.agent.bgp_vrf = "bgp-vrf".into();
        config.agent.bgp_backend = Backend::Frr;
        config.agent.driver = Driver::Northbound;
        change(&mut config.agent);
        config
    }

    fn redistributed(change: impl FnOnce(&mut Agent)) -> (bool, bool) {
        match Wanted::of(&config(change)) {
            Wanted::Leak(Leaking { redistribute, .. }) => {
                (redistribute.connected, redistribute.kernel)
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn hosts_are_connected_subnets_are_kernel_routes() {
        let subnet = TenantAdvertisement::Subnet;
        assert_eq!(redistributed(|_| ()), (true, false));
        let subnets = |a: &mut Agent| a.advertisement_method_tenant_networks = subnet;
        assert_eq!(redistributed(subnets), (true, true));
        let stretched = |a: &mut Agent| a.driver = Driver::StretchedL2;
        assert_eq!(redistributed(stretched), (false, true));
    }

    #[test]
    fn where_all_is_in_tenants_tables_nothing_is_leaked_and_what_was_goes() {
        let nothing = Wanted::Nothing {
            vrf: "bgp-vrf".into(),
        };
        let evpn = |a: &mut Agent| a.driver = Driver::Evpn;
        assert_eq!(Wanted::of(&config(evpn)), nothing);
        for method in [ExposingMethod::Vrf, ExposingMethod::L2Vni] {
            let config = config(|a| a.exposing_method = method);
            assert_eq!(Wanted::of(&config), nothing);
            assert!(!leaks(&config.agent));
        }
        let dynamic = config(|a| a.exposing_method = ExposingMethod::Dynamic);
        assert!(
            leaks(&dynamic.agent),
            "networks without a VNI are as in the underlay"
        );
        assert!(matches!(Wanted::of(&dynamic), Wanted::Leak(_)));
    }

    #[test]
    fn b019_without_a_router_id_nothing_is_sent_and_the_reason_said() {
        let wanted = Wanted::of(&config(|_| ()));
        let running = Running::parse("router bgp 64999\nexit\n");
        let error = wanted.commands(&running, None).unwrap_err();
        assert!(error.to_string().contains("set bgp_router_id"), "{error}");
        let other = Running::parse("");
        let error = wanted.commands(&other, None).unwrap_err();
        assert_eq!(error, CannotLeak::NoInstance { asn: 64999 });
    }

    #[test]
    fn each_backend_takes_away_what_the_others_needed() {
        let python = include_str!("../../../tests/fixtures/golden/frr_leak/vtysh-run.txt");
        let running = Running::parse(python);
        for backend in [Backend::Embedded, Backend::FrrPeer] {
            let wanted = Wanted::of(&config(|a| a.bgp_backend = backend));
            assert!(!wanted.needs_router_id());
            let commands = wanted.commands(&running, None).unwrap();
            assert!(commands.contains(&"no router bgp 64999 vrf bgp-vrf".to_owned()));
        }
    }

    #[test]
    fn a_fabric_of_one_as_needs_next_hop_self_of_the_operator() {
        let wanted = Wanted::of(&config(|a| a.bgp_backend = Backend::FrrPeer));
        let uplink = "router bgp 64999\n neighbor up remote-as internal\n address-family ipv4 unicast\n  neighbor up activate\n exit-address-family\n";
        let error = wanted.complete(&Running::parse(uplink)).unwrap_err();
        assert!(error.to_string().contains("up (ipv4 unicast)"), "{error}");
        let other = uplink.replace("internal", "external");
        assert_eq!(wanted.complete(&Running::parse(&other)), Ok(()));
    }
}
