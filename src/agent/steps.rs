//! Taking steps: the only code that acts.

use std::collections::{BTreeMap, BTreeSet};

use bgp::evpn::Vni;
use ipnet::IpNet;

use super::{Agent, announce};
use crate::advertise::Embedded;
use crate::reconcile::object::LinkKind;
use crate::reconcile::{Advert, Announcement, Blocked, Destination, Found, Key, Step, Value};
use crate::wiring::tenants::names;

/// Who takes a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Executor {
    Kernel,
    /// The bridges, over OpenFlow.
    Switch,
    /// Open vSwitch's database.
    Ports,
    Speaker,
}

impl Executor {
    fn of(step: &Step) -> Self {
        match step.key() {
            None => Self::Speaker,
            Some(key) if key.is_flow() => Self::Switch,
            Some(key) if key.is_port() => Self::Ports,
            Some(_) => Self::Kernel,
        }
    }
}

/// What the steps of one pass came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Taken {
    pub done: u64,
    /// Of these, what the speaker was told.
    pub adverts: u64,
    pub failed: u64,
}

impl Agent {
    /// Takes steps until there is nothing to do.
    pub(super) async fn act(&mut self, speaker: &mut Embedded) -> Taken {
        let mut taken = Taken::default();
        loop {
            let plan = self.core.reconciler_mut().next_steps();
            for blocked in &plan.blocked {
                report(blocked);
            }
            if plan.steps.is_empty() {
                self.settle_leak(&mut taken).await;
                self.retire();
                return taken;
            }
            for steps in plan
                .steps
                .chunk_by(|a, b| Executor::of(a) == Executor::of(b))
            {
                self.take_steps(steps, speaker, &mut taken).await;
            }
        }
    }

    async fn take_steps(&mut self, steps: &[Step], speaker: &mut Embedded, taken: &mut Taken) {
        let results: Vec<Result<(), String>> = match steps.first().map(Executor::of) {
            Some(Executor::Kernel) => texts(self.inputs.kernel.apply(steps).await),
            Some(Executor::Switch) => texts(self.inputs.switch.apply(steps).await),
            Some(Executor::Ports) => {
                let handle = self.inputs.vswitch.handle();
                let ports = &mut self.inputs.ports;
                texts(ports.apply(&handle, self.core.vswitch(), steps).await)
            }
            Some(Executor::Speaker) if self.leak.is_wanted() => self.leak(steps).await,
            Some(Executor::Speaker) => {
                self.advertise(steps, speaker).await;
                vec![Ok(()); steps.len()]
            }
            None => return,
        };
        for (step, result) in steps.iter().zip(results) {
            match result {
                Ok(()) => {
                    taken.done += 1;
                    taken.adverts += u64::from(Executor::of(step) == Executor::Speaker);
                    self.core.reconciler_mut().succeeded(step);
                }
                Err(error) => {
                    taken.failed += u64::from(!self.waits_for_frr(step));
                    if let Some(blocked) = self.core.reconciler_mut().failed(step, &error) {
                        report(&blocked);
                    }
                }
            }
        }
    }

    /// Tells the speaker, with all of one phase at once. Withdrawals are out when this returns: what
    /// steers their traffic may go.
    async fn advertise(&self, steps: &[Step], speaker: &mut Embedded) {
        let (mut originate, mut withdraw) = (Vec::new(), Vec::new());
        for step in steps {
            match step {
                Step::Advertise {
                    destination,
                    announcement,
                } => originate.push((*destination, announcement)),
                Step::Withdraw { destination } => withdraw.push(*destination),
                _ => {}
            }
        }
        // Speak first: writing the log must not delay the UPDATE.
        speaker.advertise(&originate, &withdraw);
        if !withdraw.is_empty() {
            speaker.flushed().await;
        }
        for step in steps {
            self.log_advert(step);
        }
    }

    /// The Python agent's line for an advert that has come or gone.
    pub(super) fn log_advert(&self, step: &Step) {
        match step {
            Step::Advertise { destination, .. } => {
                let exposure = self.core.wiring().behind(destination);
                let line = announce::added(destination, exposure.map(AsRef::as_ref));
                tracing::info!("{line}");
            }
            Step::Withdraw { destination } => {
                tracing::info!("{}", announce::removed(destination));
            }
            _ => {}
        }
    }

    /// Prefixes that an agent before this one has wired: a rule and a route into a bridge's table.
    /// They stay advertised while OVN's database cannot be reached.
    pub(super) fn wired_before(&self) -> Vec<IpNet> {
        let routed = self.routed_before();
        let hosts = routed.filter(bgp::is_host_prefix);
        hosts.collect()
    }

    /// Of what an agent before this one has advertised, as it noted, that whose traffic still has its way: a
    /// rule and a route of the prefix or of its subnet, or a next hop that is not this node.
    pub(super) fn still_led(
        &self,
        mut noted: BTreeMap<Destination, Announcement>,
    ) -> BTreeMap<Destination, Announcement> {
        let routed: Vec<IpNet> = self.routed_before().collect();
        let tables: BTreeSet<Vni> = self.core.reconciler().links().filter_map(table).collect();
        noted.retain(|destination, announcement| {
            let led = match *destination {
                Destination::Prefix(prefix) => routed.iter().any(|to| to.contains(&prefix)),
                // Its table is there, with what leads to it.
                Destination::Tenant { vni, .. } | Destination::Host { vni, .. } => {
                    tables.contains(&vni)
                }
            };
            announcement.next_hop.is_some() || led
        });
        noted
    }

    /// What rules and routes lead into bridges' tables.
    fn routed_before(&self) -> impl Iterator<Item = IpNet> + use<> {
        let observed = self.observed();
        let rules: Vec<_> = observed
            .iter()
            .filter(|(_, found)| found.owned)
            .filter_map(|(key, _)| match key {
                Key::Rule { to, table, .. } => Some((*to, *table)),
                _ => None,
            })
            .collect();
        let routed = move |(prefix, table): &(IpNet, u32)| {
            let route = Key::Route {
                table: *table,
                prefix: *prefix,
            };
            observed.contains_key(&route)
        };
        rules.into_iter().filter(routed).map(|(prefix, _)| prefix)
    }

    /// Counts as advertised what was advertised before the first pass, so that the pass withdraws
    /// what nobody wants.
    pub(super) fn adopt_adverts(&mut self, adverts: &BTreeMap<Destination, Announcement>) {
        for (&destination, announcement) in adverts {
            let wanted = self.core.wiring().wants(&destination);
            let reconciler = self.core.reconciler_mut();
            reconciler.succeeded(&Step::Advertise {
                destination,
                announcement: announcement.clone(),
            });
            if !wanted {
                reconciler.set_advert(destination, Some(Advert::default()));
                reconciler.set_advert(destination, None);
            }
        }
    }
}

/// The VNI of a tenant's table that is here, by its bridge: a VRF that is kept (`delete_vrf_on_disconnect = false`) counts as
/// nobody's, and may be all that is left.
fn table((key, found): (&Key, &Found)) -> Option<Vni> {
    let Key::Link { name } = key else {
        return None;
    };
    let vni = name.strip_prefix("br-")?.parse().ok()?;
    let is_bridge =
        matches!(&found.value, Value::Link(link) if link.kind == LinkKind::Bridge && found.owned);
    (is_bridge && *name == names::bridge(vni)).then_some(vni)
}

pub(super) fn texts<E: std::fmt::Display>(results: Vec<Result<(), E>>) -> Vec<Result<(), String>> {
    let text = |result: Result<(), E>| result.map_err(|error| error.to_string());
    results.into_iter().map(text).collect()
}

pub(super) fn report(blocked: &Blocked) {
    tracing::warn!(object = %blocked.key, "{}", blocked.reason);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::object::Link;

    #[test]
    fn a_tenants_table_is_here_while_its_bridge_is_ours() {
        let found = |name: &str, kind, owned| {
            let value = Value::Link(Link::up(kind));
            table((&Key::Link { name: name.into() }, &Found { value, owned }))
        };
        assert_eq!(found("br-1001", LinkKind::Bridge, true), Some(1001));
        assert_eq!(found("br-1001", LinkKind::Bridge, false), None);
        assert_eq!(found("br-01001", LinkKind::Bridge, true), None);
        assert_eq!(found("br-1001", LinkKind::Foreign, true), None);
        let kept = LinkKind::Vrf { table: 1001 };
        assert_eq!(found("vrf-1001", kept, true), None, "with nothing in it");
    }
}
