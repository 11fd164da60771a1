//! Of whom an exposure is, by the Southbound database. northd copies what ports and router ports say to
//! `Port_Binding`; what NAT rows, load balancers, networks and routers say stays in the Northbound database, so that
//! of those only the names are known here, for the policy file.

use std::sync::Arc;

use super::{Subject, apply};
use crate::exposure::{Exposure, Kind, Options, Reason, Withheld};
use crate::ovn::Southbound;

/// Applies the policy to the exposures from the `from`th on.
pub(in crate::exposure) fn rule(
    sb: &Southbound,
    options: &Options,
    exposures: &mut Vec<Arc<Exposure>>,
    from: usize,
    withheld: &mut Option<Vec<Withheld>>,
) {
    apply(&options.policy, exposures, from, withheld, |exposure| {
        subject(sb, exposure)
    });
}

fn subject<'a>(sb: &'a Southbound, exposure: &Exposure) -> Subject<'a> {
    let mut subject = Subject::default();
    let port = sb.binding_named(&exposure.port);
    // What a gateway's port says is said of its own addresses alone.
    let of_port = !matches!(
        exposure.reason,
        Reason::FipOnGatewayHere { .. } | Reason::ForwardedByGateway { .. }
    );
    let mut switch = port.and_then(|port| port.datapath);
    if let Some(port) = port.filter(|_| of_port) {
        subject.port = Some(port.logical_port.clone());
        subject.project.clone_from(&port.project);
        subject.object("Port_Binding", &port.logical_port, &port.annotations);
        if let Some(end) = sb.switch_end(port) {
            switch = end.datapath;
            subject.object("Port_Binding", &end.logical_port, &end.annotations);
        }
    }
    let own = !matches!(
        exposure.kind,
        Kind::Fip | Kind::LbFip | Kind::PortForwarding | Kind::Gateway
    );
    let network = switch.filter(|_| own).map(|switch| sb.network_name(switch));
    subject.network = network.or_else(|| Some(exposure.network.clone()));
    subject.router = router(sb, exposure).map(|router| sb.network_name(router));
    subject
}

fn router(sb: &Southbound, exposure: &Exposure) -> Option<uuid::Uuid> {
    if let Reason::NatAddressOfPortHere { patch, .. } = &exposure.reason {
        return sb.router_end(sb.binding_named(patch)?)?.datapath;
    }
    sb.binding_named(exposure.reason.gateway()?)?.datapath
}
