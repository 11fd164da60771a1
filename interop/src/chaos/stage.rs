//! A cloud on which changes are made, and the world that it should be.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use fastrand::Rng;

use super::Tenants;
use super::audit;
use super::change::Change;
use super::hands::{EXPOSED_SCOPES, Hands};
use super::world::{Placed, Rules, World};
use crate::cloud::objects::{Balancer, Fip, Gateway, Network, Port, Router};
use crate::cloud::{Cloud, Driver, HOSTS, Plan};
use crate::{Generation, PATIENCE, wait_until};

const NODES: usize = 3;

/// Chassis that get too little of the processor for BFD quarrel over gateways, some four times a second: a moment is quiet once they
/// have stopped. So many times [`PATIENCE`] is enough for that.
const QUARRELS: u32 = 5;

/// Where gateways and virtual ports were, and since when.
type Places = Vec<(Instant, Placed)>;

/// Three nodes with their agents, two leaves, and a provider network.
pub struct Stage {
    hands: Hands,
    pub(super) world: World,
    /// The footprints of the nodes when there was nothing.
    empty: Vec<String>,
    /// Since the last quiet moment.
    recent: Vec<String>,
    pub(super) quiet: usize,
    /// Quiet moments in which northd's copy of a gateway's place was not the place.
    pub(super) outdated: usize,
}

impl Stage {
    /// Brings all of it up.
    pub fn set(agent: &Path, driver: Driver, tenants: Tenants) -> Result<Self> {
        let plan = Plan {
            agent: agent.to_owned(),
            leaves: Generation::ALL.into(),
            nodes: NODES,
            driver,
            options: options(driver, tenants),
        };
        let public = Network::provider(1, "physnet1");
        let rules = Rules {
            driver,
            tenants,
            nodes: NODES,
        };
        let mut stage = Self {
            hands: Hands::new(Cloud::build(&plan)?),
            world: World::new(public.clone(), rules),
            empty: Vec::new(),
            recent: Vec::new(),
            quiet: 0,
            outdated: 0,
        };
        stage.settle()?;
        stage.empty = audit::footprints(stage.cloud())?;
        stage.cloud().neutron.create_network(&public)?;
        Ok(stage)
    }

    /// The cloud, to be looked at and harmed.
    pub fn cloud(&self) -> &Cloud {
        &self.hands.cloud
    }

    /// One of everything: a VM outside and one inside with a floating IP, behind a gateway on the first node, load balancers outside and
    /// inside, and a virtual port.
    pub fn furnish(&mut self) -> Result<()> {
        let (public, tenant) = (self.world.public.clone(), Network::tenant(8));
        let router = Router::new(1);
        let outside = Port::new(&public, 10);
        let inside = Port::new(&tenant, 10);
        let gateway = Gateway {
            network: public.clone(),
            host: 41,
            chassis: vec![HOSTS[0].1.to_owned(), HOSTS[1].1.to_owned()],
            snat: false,
        };
        let shared = Port::new(&public, 210);
        for change in [
            Change::CreateNetwork(tenant.clone()),
            Change::CreateRouter(router.clone()),
            Change::Attach(router.clone(), tenant.clone()),
            Change::SetGateway(router.clone(), gateway),
            Change::Boot(outside.clone(), 1),
            Change::Boot(inside.clone(), 2),
            Change::Associate(Fip::new(&public, 150), inside.clone()),
            Change::CreateBalancer(Balancer::new(&tenant, 200, &[&inside]), Some(router)),
            Change::CreateBalancer(Balancer::new(&public, 205, &[&outside]), None),
            Change::CreateVirtual(shared.clone(), vec![outside.clone()]),
            Change::Take(shared, outside),
        ] {
            self.make(change)?;
        }
        self.settle()
    }

    /// Fails with the first thing that does not agree now.
    pub fn audit(&mut self) -> Result<()> {
        self.audit_noting(&mut Places::new())
    }

    fn audit_noting(&mut self, places: &mut Places) -> Result<()> {
        self.hands.follow_virtuals(&self.world)?;
        let placed = self.hands.placed(&self.world)?;
        if places.last().is_none_or(|(_, last)| *last != placed) {
            places.push((Instant::now(), placed.clone()));
        }
        audit::audit(&self.hands.cloud, &self.world, &placed)
    }

    /// Waits until all agree.
    pub fn settle(&mut self) -> Result<()> {
        self.hands.give_back(&self.world)?;
        let (start, mut places) = (Instant::now(), Places::new());
        let mut last = Ok(());
        let ended = wait_until(QUARRELS * PATIENCE, "all agree", || {
            last = self.audit_noting(&mut places);
            let moved = places.last().map_or(start, |(at, _)| *at);
            last.is_ok() || moved.elapsed() > PATIENCE
        });
        self.quiet += 1;
        let is_old = |(_, placed): &(_, Placed)| placed.copied != placed.gateways;
        self.outdated += usize::from(places.last().is_some_and(is_old));
        last.and(ended).with_context(|| moves(&places))
    }

    /// Leaves everything where it was, and says where: logs of daemons, databases, routes of nodes.
    pub(super) fn preserve(&mut self) -> String {
        let cloud = &mut self.hands.cloud;
        let dir = cloud.keep();
        let facts = cloud.nodes.iter().map(|node| {
            let summary = node.say(&["show", "summary"]);
            let summary = summary.unwrap_or_else(|error| format!("{error:#}\n"));
            format!("{}:\n{summary}", node.host())
        });
        let facts: String = facts.collect();
        format!("everything is kept in {}\n{facts}", dir.display())
    }

    /// Takes everything down, and fails if something is left.
    pub fn clear(&mut self) -> Result<()> {
        self.recent.clear();
        for change in Change::teardown(&self.world.clone()) {
            self.make(change)?;
        }
        let public = self.world.public.clone();
        self.cloud().neutron.delete_network(&public)?;
        self.settle().context("after everything was deleted")?;
        let mut last = Ok(());
        let left = wait_until(PATIENCE, "nothing left", || {
            last = self.check_nothing_is_left();
            last.is_ok()
        });
        left.or(last)
    }

    /// Fails if the nodes have anything now that they had not when there was nothing.
    pub fn check_nothing_is_left(&self) -> Result<()> {
        let after = audit::footprints(self.cloud())?;
        ensure!(
            after == self.empty,
            "something is left: before\n{}\nafter\n{}",
            self.empty.join("\n"),
            after.join("\n")
        );
        Ok(())
    }

    pub(super) fn burst(&mut self, rng: &mut Rng, changes: usize) -> Result<()> {
        self.recent.clear();
        for _ in 0..changes {
            let change = Change::random(&self.world, rng, NODES);
            self.make(change)?;
        }
        self.settle()
            .with_context(|| format!("after {:#?}", self.recent))
    }

    fn make(&mut self, change: Change) -> Result<()> {
        self.recent.push(change.to_string());
        self.hands
            .make(&change, &self.world)
            .with_context(|| change.to_string())?;
        change.apply(&mut self.world);
        Ok(())
    }
}

/// What OVN did while all were to agree: one place for each, or a quarrel of chassis.
fn moves(places: &Places) -> String {
    let first = places.first().map(|(at, _)| *at);
    let line = |(at, placed): &(Instant, Placed)| {
        let after = first.map(|first| at.duration_since(first).as_secs_f64());
        format!("after {:.1} s: {placed:?}", after.unwrap_or_default())
    };
    let lines: Vec<String> = places.iter().map(line).collect();
    format!("placed by OVN: {}", lines.join("; "))
}

/// Lines for the agents' `[DEFAULT]`.
fn options(driver: Driver, tenants: Tenants) -> String {
    let mut lines = Vec::new();
    if driver != Driver::StretchedL2 {
        lines.push("expose_tenant_networks = True".to_owned());
    }
    match tenants {
        Tenants::Hosts => {}
        Tenants::Subnets => lines.push("advertisement_method_tenant_networks = subnet".to_owned()),
        Tenants::Scopes => lines.push(format!("address_scopes = {}", EXPOSED_SCOPES.join(","))),
    }
    lines.join("\n")
}
