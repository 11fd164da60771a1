//! Which VNI a network belongs to, as far as the exposing method goes by that.

use bgp::evpn::Vni;

use super::{Inputs, Refusal};
use crate::exposure::{Code, Layer, Method};
use crate::ovn::VpnKind;

impl From<VpnKind> for Layer {
    fn from(kind: VpnKind) -> Self {
        match kind {
            VpnKind::L3 => Self::Routed,
            VpnKind::L2 => Self::Bridged,
        }
    }
}

/// In whose table the prefixes of a provider network are: a VNI's, or with `None` the default one; else why they
/// are in none.
pub(super) fn table_of(inputs: Inputs<'_>, network: &str) -> Result<Option<(Vni, Layer)>, Refusal> {
    let method = inputs.options.method;
    if method == Method::Underlay {
        return Ok(None);
    }
    let vpn = inputs.northbound.vpn_of(network);
    let Some(membership) = vpn.and_then(|vpn| vpn.membership()) else {
        if method == Method::Dynamic {
            return Ok(None);
        }
        let why = "external_ids:neutron_bgpvpn:type and neutron_bgpvpn:vni are not set";
        return Err(refused(Code::NoVni, network, why));
    };
    let membership = membership.map_err(|not| {
        let code = match not {
            crate::ovn::NotAMember::Unreadable(_) => Code::VniUnusable,
            _ => Code::NoVni,
        };
        refused(code, network, &not.to_string())
    })?;
    let (vni, layer) = (membership.vni, Layer::from(membership.kind));
    if !method.exposes(layer) {
        let why = format!(
            "external_ids:neutron_bgpvpn:type is {}, which exposing_method = {} does not expose",
            membership.kind.name(),
            name(method)
        );
        return Err(refused(Code::NoVni, network, &why));
    }
    match first_of(inputs, vni) {
        Some((_, first)) if first == layer => Ok(Some((vni, layer))),
        Some((other, _)) => {
            let why = format!(
                "external_ids:neutron_bgpvpn:type is {}, and network {other} has VNI {vni} with the other type: give one \
                 of them another VNI",
                membership.kind.name()
            );
            Err(refused(Code::VniUnusable, network, &why))
        }
        None => Ok(Some((vni, layer))),
    }
}

fn refused(code: Code, network: &str, why: &str) -> Refusal {
    (code, format!("Logical_Switch {network}: {why}"))
}

fn name(method: Method) -> &'static str {
    match method {
        Method::Underlay => "underlay",
        Method::Vrf => "vrf",
        Method::L2Vni => "l2vni",
        Method::Dynamic => "dynamic",
    }
}

/// A VNI is of one layer: that of the first of its networks by name.
fn first_of(inputs: Inputs<'_>, vni: Vni) -> Option<(&str, Layer)> {
    let method = inputs.options.method;
    let networks = inputs.northbound.networks_of_vni(vni);
    let networks = networks.map(|(name, member)| (&**name, Layer::from(member.kind)));
    networks
        .filter(|(_, layer)| method.exposes(*layer))
        .min_by_key(|(name, _)| *name)
}
