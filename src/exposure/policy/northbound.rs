//! Of whom an exposure is, by the Northbound database.

use std::sync::Arc;

use uuid::Uuid;

use super::{Subject, apply};
use crate::exposure::northbound::Inputs;
use crate::exposure::{Exposure, Withheld};
use crate::ovn::northbound::{Balancer, Fip, RouterPort, SwitchPort};

/// The row that an exposure was decided for.
#[derive(Clone, Copy, Debug)]
pub(in crate::exposure) enum Decided {
    Port(Uuid),
    RouterPort(Uuid),
    Fip(Uuid),
    Balancer(Uuid),
    /// A network as a whole.
    Network,
}

/// Applies the policy to what was decided for one row: the exposures from the `from`th on.
pub(in crate::exposure) fn rule(
    inputs: Inputs<'_>,
    decided: Decided,
    exposures: &mut Vec<Arc<Exposure>>,
    from: usize,
    withheld: &mut Option<Vec<Withheld>>,
) {
    let policy = &inputs.options.policy;
    apply(policy, exposures, from, withheld, |exposure| {
        subject(inputs, decided, exposure)
    });
}

/// Whether the policy has something advertised that is decided for one row and is no exposure, told by what it would
/// be as one.
pub(in crate::exposure) fn advertises(
    inputs: Inputs<'_>,
    decided: Decided,
    exposure: &Exposure,
) -> bool {
    let subject = subject(inputs, decided, exposure);
    inputs.options.policy.judge(exposure, &subject).is_ok()
}

fn subject<'a>(inputs: Inputs<'a>, decided: Decided, exposure: &Exposure) -> Subject<'a> {
    let nb = inputs.northbound;
    let mut of = Of {
        inputs,
        subject: Subject::default(),
    };
    let network = match decided {
        Decided::Port(uuid) => nb.port(uuid).and_then(|port| of.port(port)),
        Decided::RouterPort(uuid) => {
            if let Some(port) = nb.router_port(uuid) {
                of.router_port(port);
            }
            None
        }
        Decided::Fip(uuid) => {
            if let Some(fip) = nb.fip(uuid) {
                of.fip(fip);
            }
            // A floating IP is of its own network, not of the one behind it.
            None
        }
        Decided::Balancer(uuid) => nb.balancer(uuid).and_then(|row| of.balancer(row)),
        Decided::Network => None,
    };
    of.network(network.unwrap_or(&exposure.network));
    of.router(decided, exposure);
    of.subject
}

struct Of<'a> {
    inputs: Inputs<'a>,
    subject: Subject<'a>,
}

impl<'a> Of<'a> {
    /// A switch port, and the router port it peers with. Answers its network.
    fn port(&mut self, port: &'a SwitchPort) -> Option<&'a Arc<str>> {
        let nb = self.inputs.northbound;
        let subject = &mut self.subject;
        subject.port.get_or_insert_with(|| port.name.clone());
        subject.project.clone_from(&port.project);
        subject.object("Logical_Switch_Port", &port.name, &port.annotations);
        if let Some(peer) = nb.peer_of(port) {
            subject.object("Logical_Router_Port", &peer.name, &peer.annotations);
        }
        nb.network_of(port)
    }

    fn router_port(&mut self, port: &'a RouterPort) {
        let subject = &mut self.subject;
        subject.port = Some(port.name.clone());
        subject.object("Logical_Router_Port", &port.name, &port.annotations);
    }

    /// A floating IP, the load balancer or the VM behind it.
    fn fip(&mut self, fip: &'a Fip) {
        let nb = self.inputs.northbound;
        self.subject.object("NAT", fip.uuid, &fip.annotations);
        let Some(name) = &fip.logical_port else {
            return;
        };
        self.subject.port = Some(name.clone());
        self.balancers(name);
        if let Some(port) = nb.port_named(name) {
            self.port(port);
        }
    }

    /// A load balancer and the port of its VIP. Answers the network of that.
    fn balancer(&mut self, row: &'a Balancer) -> Option<&'a Arc<str>> {
        let nb = self.inputs.northbound;
        let Some(octavia) = row.octavia() else {
            let subject = &mut self.subject;
            subject.object("Load_Balancer", &row.name, &row.annotations);
            return None;
        };
        self.subject.port = Some(octavia.port.clone());
        self.balancers(&octavia.port);
        nb.port_named(&octavia.port)
            .and_then(|port| self.port(port))
    }

    /// All rows of a load balancer, one for each protocol: what one says holds for the VIP.
    fn balancers(&mut self, vip_port: &str) {
        for row in self.inputs.northbound.balancers_of_port(vip_port) {
            let subject = &mut self.subject;
            subject.object("Load_Balancer", row.uuid, &row.annotations);
        }
    }

    fn network(&mut self, name: &Arc<str>) {
        self.subject.network = Some(name.clone());
        if let Some(switch) = self.inputs.northbound.switch_named(name) {
            let subject = &mut self.subject;
            subject.object("Logical_Switch", &switch.name, &switch.annotations);
        }
    }

    fn router(&mut self, decided: Decided, exposure: &Exposure) {
        let nb = self.inputs.northbound;
        let of_nat = match decided {
            Decided::Fip(uuid) => nb.router_of_nat(uuid),
            _ => None,
        };
        let of_gateway = || {
            let gateway = nb.router_port_named(exposure.reason.gateway()?)?;
            nb.router_of_port(gateway.uuid)
        };
        if let Some(router) = of_nat.or_else(of_gateway) {
            let subject = &mut self.subject;
            subject.router = Some(router.name.clone());
            subject.object("Logical_Router", &router.name, &router.annotations);
        }
    }
}
