//! The driver that the configuration chose, over replicas of the databases it decides by. Pure.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::config::Driver;
use crate::exposure::native::Devices;
use crate::exposure::{Decision, Delta, Exposure, Node, Options};
use crate::exposure::{evpn, native, northbound, southbound, stretched_l2};
use crate::fib::Routers;
use crate::ovn::southbound::Scope;
use crate::ovn::{Northbound, RowProblem, Southbound};
use crate::ovsdb::Change;
use crate::wiring::{self, Localnet};

/// What OVN says, as far as the driver asks, and what the driver has made of it.
#[derive(Debug)]
pub(super) struct Ovn {
    driver: Driver,
    northbound: Northbound,
    southbound: Southbound,
    /// Whether the Northbound driver goes by the Southbound database: it is connected, or was lately.
    southbound_counts: bool,
    standing: Standing,
    /// Every decision is to be taken again.
    stale: bool,
    complaints: Complaints,
}

/// What is wrong with networks' VNIs, as far as it was told.
#[derive(Debug, Default)]
struct Complaints {
    told: BTreeSet<String>,
    /// How often all networks were looked at for it.
    #[cfg(test)]
    looks: u32,
}

/// The exposures in force.
#[derive(Debug)]
enum Standing {
    Northbound(northbound::Standing),
    Southbound(southbound::Standing),
    StretchedL2(stretched_l2::Standing),
    Evpn(evpn::Standing),
    Native(native::Standing),
}

/// What followed from the rows that changed.
#[derive(Debug, Default)]
pub(super) struct Consequences {
    pub(super) delta: Delta,
    /// [`Ovn::localnets`] may have changed.
    pub(super) localnets: bool,
    /// What is wrong with networks' VNIs (b113, b123), each told once until it has been mended.
    pub(super) complaints: Vec<String>,
}

impl Default for Ovn {
    fn default() -> Self {
        Self::new(Driver::default())
    }
}

impl Ovn {
    /// Empty, for this driver.
    pub(super) fn new(driver: Driver) -> Self {
        Self {
            driver,
            northbound: Northbound::default(),
            southbound: Southbound::new(scope(driver)),
            southbound_counts: false,
            standing: Standing::of(driver),
            stale: false,
            complaints: Complaints::default(),
        }
    }

    /// What the Northbound database says.
    pub(super) fn northbound(&self) -> &Northbound {
        &self.northbound
    }

    pub(super) fn take_northbound(&mut self, changes: &[Change]) -> Vec<RowProblem> {
        self.northbound.apply(changes)
    }

    pub(super) fn take_southbound(&mut self, changes: &[Change]) -> Vec<RowProblem> {
        self.southbound.apply(changes)
    }

    pub(super) fn forget_northbound(&mut self) {
        self.northbound = Northbound::default();
        self.stale = true;
    }

    pub(super) fn forget_southbound(&mut self) {
        self.southbound = Southbound::new(scope(self.driver));
        self.stale = true;
    }

    /// Whether the Northbound driver goes by the Southbound database from now on.
    pub(super) fn heed_southbound(&mut self, counts: bool) {
        self.stale |= self.southbound_counts != counts;
        self.southbound_counts = counts;
    }

    /// Whether it does.
    pub(super) fn heeds_southbound(&self) -> bool {
        self.southbound_counts
    }

    /// The node or the policy has changed, which every decision is about.
    pub(super) fn decide_again(&mut self) {
        self.stale = true;
    }

    /// Takes again the decisions that what changed since the last call may concern.
    pub(super) fn update(&mut self, node: &Node, options: &Options) -> Consequences {
        let mut from_south = self.southbound.take_affected();
        if matches!(self.standing, Standing::Northbound(_)) {
            for port in &from_south.rebound {
                self.northbound.affect_port_named(port);
            }
        }
        let mut from_north = self.northbound.take_affected();
        let stale = std::mem::take(&mut self.stale);
        from_north.everything |= stale;
        from_south.everything |= stale;
        let localnets = stale || from_north.localnets || from_south.localnets;
        let southbound = &self.southbound;
        let from_sb = southbound::Inputs {
            southbound,
            node,
            options,
        };
        let mut complaints = Vec::new();
        let delta = match &mut self.standing {
            Standing::Northbound(standing) => {
                let inputs = northbound::Inputs {
                    northbound: &self.northbound,
                    southbound: self.southbound_counts.then_some(southbound),
                    node,
                    options,
                };
                // Nothing else is in what is complained of.
                if from_north.everything || from_north.memberships || from_north.localnets {
                    complaints = self.complaints.look(inputs);
                }
                standing.update(inputs, from_north)
            }
            Standing::Southbound(standing) => standing.update(from_sb, from_south),
            Standing::StretchedL2(standing) => {
                let inputs = stretched_l2::Inputs {
                    southbound,
                    options,
                };
                standing.update(inputs, from_south)
            }
            Standing::Evpn(standing) => standing.update(from_sb, from_south),
            Standing::Native(standing) => standing.update(from_sb, from_south),
        };
        Consequences {
            delta,
            localnets,
            complaints,
        }
    }

    /// Everything, with what is withheld and why.
    pub(super) fn decide(&self, node: &Node, options: &Options) -> Decision {
        let southbound = &self.southbound;
        let from_sb = southbound::Inputs {
            southbound,
            node,
            options,
        };
        match &self.standing {
            Standing::Northbound(_) => northbound::decide(northbound::Inputs {
                northbound: &self.northbound,
                southbound: self.southbound_counts.then_some(southbound),
                node,
                options,
            }),
            Standing::Southbound(_) => southbound::decide(from_sb),
            Standing::StretchedL2(_) => stretched_l2::decide(stretched_l2::Inputs {
                southbound,
                options,
            }),
            Standing::Evpn(_) => evpn::decide(from_sb),
            Standing::Native(_) => native::decide(from_sb),
        }
    }

    /// The exposures in force, in no particular order.
    pub(super) fn exposures(&self) -> Box<dyn Iterator<Item = &Arc<Exposure>> + '_> {
        match &self.standing {
            Standing::Northbound(standing) => Box::new(standing.exposures()),
            Standing::Southbound(standing) => Box::new(standing.exposures()),
            Standing::StretchedL2(standing) => Box::new(standing.exposures()),
            Standing::Evpn(standing) => Box::new(standing.exposures()),
            Standing::Native(standing) => Box::new(standing.exposures()),
        }
    }

    /// The routers that learn what peers teach.
    pub(super) fn learning(&self, node: &Node, options: &Options, devices: &Devices) -> Routers {
        let southbound = &self.southbound;
        let inputs = southbound::Inputs {
            southbound,
            node,
            options,
        };
        match &self.standing {
            Standing::Native(_) => native::learning(inputs, devices),
            _ => Routers::default(),
        }
    }

    /// True when traffic enters or leaves OVN through this node in ways that its bridges are wired for.
    pub(super) fn is_wired(&self) -> bool {
        match &self.standing {
            Standing::StretchedL2(_) => false,
            Standing::Northbound(_)
            | Standing::Southbound(_)
            | Standing::Evpn(_)
            | Standing::Native(_) => true,
        }
    }

    /// The localnet ports of all provider networks.
    pub(super) fn localnets(&self) -> Vec<Localnet> {
        match &self.standing {
            Standing::Northbound(_) => wiring::localnets(&self.northbound),
            Standing::Southbound(_)
            | Standing::StretchedL2(_)
            | Standing::Evpn(_)
            | Standing::Native(_) => wiring::southbound_localnets(&self.southbound),
        }
    }
}

impl Complaints {
    /// Looks at all networks. Answers what was not told before.
    fn look(&mut self, inputs: northbound::Inputs<'_>) -> Vec<String> {
        if !inputs.options.method.has_tenants() {
            return Vec::new();
        }
        #[cfg(test)]
        {
            self.looks += 1;
        }
        let conflicts = northbound::conflicts(inputs).into_iter();
        let conflicts = conflicts.map(|conflict| conflict.to_string());
        let found = conflicts.chain(northbound::left_out(inputs)).collect();
        let before = std::mem::replace(&mut self.told, found);
        self.told.difference(&before).cloned().collect()
    }
}

impl Standing {
    /// Nothing exposed.
    fn of(driver: Driver) -> Self {
        match driver {
            Driver::Northbound => Self::Northbound(northbound::Standing::default()),
            Driver::Southbound => Self::Southbound(southbound::Standing::default()),
            Driver::Evpn => Self::Evpn(evpn::Standing::default()),
            Driver::Native => Self::Native(native::Standing::default()),
            Driver::StretchedL2 => Self::StretchedL2(stretched_l2::Standing::default()),
        }
    }
}

/// How much of OVN_Southbound a driver follows.
pub(crate) fn scope(driver: Driver) -> Scope {
    match driver {
        Driver::Northbound => Scope::Bindings,
        Driver::Southbound | Driver::StretchedL2 | Driver::Evpn => Scope::Everything,
        Driver::Native => Scope::Routing,
    }
}

/// True for the driver that decides by OVN_Northbound; the others need OVN_Southbound alone.
pub(super) fn needs_northbound(driver: Driver) -> bool {
    driver == Driver::Northbound
}

#[cfg(test)]
impl Ovn {
    /// How often all networks were looked at for what is wrong with their VNIs.
    pub(super) fn looks_for_complaints(&self) -> u32 {
        self.complaints.looks
    }
}
