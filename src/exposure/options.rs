//! The options that decide what is exposed.

use std::sync::Arc;

use super::Policy;
use crate::config::{Agent, TenantAdvertisement};

/// What an operator has chosen to expose of tenant networks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
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
