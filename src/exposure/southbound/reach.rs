//! How far a change reaches: from switches and routers to the port bindings and load balancers for
//! which something is decided.

use std::sync::Arc;

use rustc_hash::FxHashSet;
use uuid::Uuid;

use crate::ovn::Southbound;
use crate::ovn::southbound::{Affected, BindingKind};

/// What must be decided again.
#[derive(Debug, Default)]
pub(in crate::exposure) struct Reached {
    pub(in crate::exposure) everything: bool,
    pub(in crate::exposure) bindings: FxHashSet<Uuid>,
    pub(in crate::exposure) balancers: FxHashSet<Arc<str>>,
}

/// Follows links from what a change affects.
pub(in crate::exposure) fn of(sb: &Southbound, affected: Affected) -> Reached {
    let mut reached = Reached {
        everything: affected.everything,
        bindings: affected.bindings,
        balancers: affected.balancers,
    };
    if reached.everything {
        return reached;
    }
    let (mut routers, mut switches) = (affected.routers, affected.switches);
    for datapath in affected.datapaths {
        if sb.is_router(datapath) {
            routers.insert(datapath);
        } else {
            switches.insert(datapath);
            routers.extend(reached.attached_by(sb, datapath));
        }
    }
    for router in routers {
        switches.extend(reached.router(sb, router));
    }
    for switch in switches {
        reached.datapath(sb, switch);
    }
    reached
}

impl Reached {
    /// The interfaces on a switch. Answers the routers that have a gateway on it: all that is behind
    /// them is attached by way of the switch.
    fn attached_by(&mut self, sb: &Southbound, switch: Uuid) -> Vec<Uuid> {
        let mut routers = Vec::new();
        for port in sb.all_on(switch) {
            let Some(router_end) = sb.router_end(port) else {
                continue;
            };
            self.bindings.insert(router_end.uuid);
            if router_end.patch().is_some_and(|patch| patch.is_gateway()) {
                routers.extend(router_end.datapath);
            }
        }
        routers
    }

    /// A router's own ports, and the other ends of its links. Answers the switches behind it.
    fn router(&mut self, sb: &Southbound, router: Uuid) -> Vec<Uuid> {
        self.datapath(sb, router);
        for port in sb.all_on(router) {
            self.bindings
                .extend(sb.switch_end(port).map(|end| end.uuid));
        }
        let interfaces = sb.interfaces(router);
        interfaces.map(|interface| interface.switch).collect()
    }

    /// What is on a datapath: ports, what is answered for at its gateways, the load balancers whose VIPs
    /// its ports reserve, and its own.
    fn datapath(&mut self, sb: &Southbound, datapath: Uuid) {
        for binding in sb.all_on(datapath) {
            self.bindings.insert(binding.uuid);
            if let BindingKind::ChassisRedirect { .. } = binding.kind {
                self.bindings
                    .extend(sb.answering_for(&binding.logical_port));
            }
            self.balancers.extend(binding.vip_of.clone());
        }
        let balancers = sb.balancers_on(datapath);
        self.balancers.extend(balancers.map(|b| b.name.clone()));
    }
}
