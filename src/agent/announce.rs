//! What the log says when a prefix comes or goes: the lines the Python agent's documentation shows.

use crate::exposure::{Exposure, Kind};
use crate::reconcile::Destination;

/// The object of the log line, in the Python agent's words.
fn object(exposure: &Exposure) -> &'static str {
    if exposure.reason.is_own_address() {
        return "router address of ports";
    }
    match exposure.kind {
        Kind::Fip | Kind::LbFip => "FIP",
        Kind::Gateway => "CR-LRP Port",
        Kind::Provider => "logical port",
        Kind::Tenant => "tenant port",
        Kind::Subnet | Kind::L2Subnet => "subnet",
        Kind::LbVip => "load balancer",
        Kind::PortForwarding => "port forwarding",
    }
}

/// The line for a prefix that is now advertised.
pub(super) fn added(destination: &Destination, exposure: Option<&Exposure>) -> String {
    let address = address(destination);
    match exposure {
        Some(exposure) => {
            let Exposure { port, reason, .. } = exposure;
            let object = object(exposure);
            format!("Add BGP route for {object} with {address} ({port}: {reason})")
        }
        None => format!("Add BGP route for {address}"),
    }
}

/// The line for a prefix that is not advertised any more.
pub(super) fn removed(destination: &Destination) -> String {
    format!("Delete BGP route for {}", address(destination))
}

fn address(destination: &Destination) -> String {
    let address = match destination.addresses() {
        Some(prefix) => format!("ip {}", prefix.addr()),
        None => "no ip".to_owned(),
    };
    match destination {
        Destination::Prefix(_) => address,
        Destination::Tenant { vni, .. } => format!("{address} in VNI {vni}"),
        Destination::Host { vni, mac, .. } => format!("{address} at {mac} in VNI {vni}"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::exposure::{Attachment, Attributes, Reason};

    fn line(kind: Kind, reason: Reason) -> String {
        let exposure = Exposure {
            prefix: "172.24.4.10/32".parse().unwrap(),
            kind,
            port: "p".into(),
            network: "neutron-n".into(),
            attachment: Some(Attachment {
                bridge: "br-ex".into(),
                vlan: None,
                localnet: "provnet".into(),
            }),
            vni: None,
            layer: crate::exposure::Layer::default(),
            via: None,
            subnet: None,
            next_hop: None,
            mac: None,
            proxied: Arc::from([]),
            attributes: Attributes::default(),
            reason,
        };
        added(&exposure.prefix.into(), Some(&exposure))
    }

    #[test]
    fn lines_are_those_of_the_python_agents_documentation() {
        let here = || Reason::PortHere {
            port: "p".into(),
            host: "host-1".into(),
        };
        let provider = line(Kind::Provider, here());
        assert!(
            provider.starts_with("Add BGP route for logical port with ip 172.24.4.10 "),
            "{provider}"
        );
        let fip = line(Kind::Fip, here());
        assert!(
            fip.starts_with("Add BGP route for FIP with ip 172.24.4.10 "),
            "{fip}"
        );
        let gateway = line(Kind::Gateway, here());
        assert!(
            gateway.starts_with("Add BGP route for CR-LRP Port with ip 172.24.4.10 "),
            "{gateway}"
        );
    }
}
