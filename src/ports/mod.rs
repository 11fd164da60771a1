//! The ports of Open vSwitch's bridges through which tenants' packets pass: observed in the replica of the local
//! database, applied by transactions on it. No process is started.
//!
//! ```text
//! Open_vSwitch ─► Vswitch ─► objects (pure) ─► reconcile ─► steps ─► transaction (pure) ─► Open_vSwitch
//! ```
//!
//! A step names rows by what the replica says of them, and what is there already is left as it is: taken twice, or late, a
//! step does no harm. ovs-vswitchd makes the port a moment later; its OpenFlow number ([`Vswitch::ofport`]) tells.

mod transaction;

use std::sync::Arc;

use self::transaction::Transaction;
use crate::ovn::Vswitch;
use crate::ovn::vswitch::Port;
use crate::ovsdb::{Handle, TransactError};
use crate::reconcile::object::{Key, Value};
use crate::reconcile::ownership::tenants::PortFacts;
use crate::reconcile::ownership::{TenantDevice, TenantScope};
use crate::reconcile::{Found, Step};

/// A step was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PortError {
    #[error("Open vSwitch has no bridge {0}")]
    NoBridge(Arc<str>),
    #[error("Open_vSwitch did not take the port: {0}")]
    Transact(#[from] TransactError),
    #[error("this is not a port of Open vSwitch")]
    NotOurs,
}

/// The ports with names that tenants' ports have, and those with our mark, as objects: all of
/// [`Domain::Ports`](crate::reconcile::Domain::Ports). `in_our_vrf` tells whether the kernel has the device of this
/// name in the VRF of a tenant of ours ([`Kernel::is_tenant_member`](crate::kernel::Kernel::is_tenant_member)).
pub fn objects(
    vswitch: &Vswitch,
    tenants: &TenantScope,
    in_our_vrf: impl Fn(&str) -> bool,
) -> Vec<(Key, Found)> {
    let mut objects = Vec::new();
    for (_, bridge) in vswitch.bridges() {
        let ports = bridge.ports.iter().filter_map(|uuid| vswitch.port(*uuid));
        for port in ports.filter(|port| concerns_us(port)) {
            let value = value(vswitch, port);
            let facts = PortFacts {
                name: &port.name,
                marked: port.marked,
                internal: matches!(value, Value::SwitchPort { internal: true, .. }),
                in_our_vrf: in_our_vrf(&port.name),
            };
            let key = Key::SwitchPort {
                bridge: Arc::clone(&bridge.name),
                port: Arc::clone(&port.name),
            };
            let owned = tenants.owns_port(&facts);
            objects.push((key, Found { value, owned }));
        }
    }
    objects
}

fn concerns_us(port: &Port) -> bool {
    port.marked
        || matches!(
            TenantDevice::named(&port.name),
            Some(
                TenantDevice::NetworkPort
                    | TenantDevice::GatewayPort(_)
                    | TenantDevice::GatewayVlan(_)
            )
        )
}

fn value(vswitch: &Vswitch, port: &Port) -> Value {
    let stray = |text: &str| Value::Stray { text: text.into() };
    let [interface] = port.interfaces.as_slice() else {
        return stray("a bond of several interfaces");
    };
    let internal = match vswitch.interface(*interface).map(|i| &*i.kind) {
        Some("internal") => true,
        Some("" | "system") => false,
        Some(kind) => return stray(&format!("an interface of type {kind}")),
        None => return stray("an interface that is not known"),
    };
    if port.trunks {
        return stray("a trunk");
    }
    Value::SwitchPort {
        tag: port.tag,
        internal,
    }
}

/// Writes to Open_vSwitch.
#[derive(Debug, Default)]
pub struct Ports {
    writes_total: u64,
}

impl Ports {
    /// Takes the steps that are about ports, all at once; where that is refused, one by one. One answer per step.
    /// `handle` is of the client that `vswitch` follows.
    pub async fn apply(
        &mut self,
        handle: &Handle,
        vswitch: &Vswitch,
        steps: &[Step],
    ) -> Vec<Result<(), PortError>> {
        let built: Vec<_> = steps
            .iter()
            .map(|step| Transaction::of(vswitch, step))
            .collect();
        let good: Vec<&Transaction> = built.iter().flatten().collect();
        if good.len() == built.len() && good.len() > 1 {
            self.writes_total += good.len() as u64;
            let all = Transaction::all(&good);
            if let Ok(answers) = all.commit(handle, steps.len()).await {
                return answers;
            }
        }
        let mut answers = Vec::with_capacity(built.len());
        for transaction in built {
            let answer = match transaction {
                Ok(transaction) => {
                    self.writes_total += 1;
                    transaction.commit(handle, 1).await
                }
                Err(error) => Ok(vec![Err(error)]),
            };
            answers.extend(answer.unwrap_or_else(|error| vec![Err(error.into())]));
        }
        answers
    }

    /// How many changes were asked of the database.
    pub fn writes_total(&self) -> u64 {
        self.writes_total
    }
}

#[cfg(test)]
mod tests;
