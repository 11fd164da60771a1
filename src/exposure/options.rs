//! The options that decide what is exposed.

use std::sync::Arc;

use super::{Layer, Policy};
use crate::config::{Agent, ExposingMethod, TenantAdvertisement};

/// What an operator has chosen to expose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// `exposing_method`. Only the Northbound database says which networks belong to a VNI.
    pub method: Method,
    pub tenants: TenantExposure,
    /// `advertisement_method_tenant_networks`.
    pub advertisement: TenantAdvertisement,
    /// `require_snat_disabled_for_tenant_networks`. Only the Northbound database can tell.
    pub require_snat_disabled: bool,
    /// `address_scopes`; empty is no filter. Compared as text, as Neutron writes them.
    pub address_scopes: Arc<[Arc<str>]>,
    /// `exposure_policy_file`, as it was read.
    pub policy: Policy,
}

/// Which provider networks are exposed, and in whose table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    /// All, in the default table.
    #[default]
    Underlay,
    /// Those that are annotated `l3`, in the table of their VNI.
    Vrf,
    /// Those that are annotated `l2`: they are stretched over their VNI.
    L2Vni,
    /// Each as it is annotated, the others in the default table.
    Dynamic,
}

impl Method {
    /// Whether networks may belong to a VNI.
    pub fn has_tenants(self) -> bool {
        self != Self::Underlay
    }

    /// Whether networks of such a VNI are exposed.
    pub fn exposes(self, layer: Layer) -> bool {
        match self {
            Self::Underlay => false,
            Self::Vrf => layer == Layer::Routed,
            Self::L2Vni => layer == Layer::Bridged,
            Self::Dynamic => true,
        }
    }
}

impl From<ExposingMethod> for Method {
    fn from(method: ExposingMethod) -> Self {
        match method {
            // A second OVN cluster is another wiring of the same exposures.
            ExposingMethod::Underlay | ExposingMethod::Ovn => Self::Underlay,
            ExposingMethod::Vrf => Self::Vrf,
            ExposingMethod::L2Vni => Self::L2Vni,
            ExposingMethod::Dynamic => Self::Dynamic,
        }
    }
}

/// Which addresses of tenant networks may be exposed at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TenantExposure {
    /// Both options are off.
    #[default]
    Nothing,
    /// `expose_ipv6_gua_tenant_networks` alone.
    GlobalIpv6,
    /// `expose_tenant_networks`, which overrides the other.
    Everything,
}

impl From<&Agent> for Options {
    fn from(agent: &Agent) -> Self {
        let tenants = if agent.expose_tenant_networks {
            TenantExposure::Everything
        } else if agent.expose_ipv6_gua_tenant_networks {
            TenantExposure::GlobalIpv6
        } else {
            TenantExposure::Nothing
        };
        Self {
            method: agent.exposing_method.into(),
            tenants,
            advertisement: agent.advertisement_method_tenant_networks,
            require_snat_disabled: agent.require_snat_disabled_for_tenant_networks,
            address_scopes: agent
                .address_scopes
                .iter()
                .map(|s| s.as_str().into())
                .collect(),
            policy: Policy::from(agent),
        }
    }
}
