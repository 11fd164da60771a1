//! Adverts through FRR: steps that are objects of the kernel, and their upkeep.

use std::collections::BTreeMap;
use std::sync::Arc;

use ipnet::IpNet;

use super::Agent;
use super::attributed::Attributes;
use super::steps::{Taken, report, texts};
use crate::advertise::frr::{Settings, Status, Upkeep, Vtysh, Wanted};
use crate::config::Backend;
use crate::reconcile::{Destination, Step};

impl Agent {
    /// Gives FRR prefixes, and takes them back: acknowledged by the kernel when this returns.
    pub(super) async fn leak(&mut self, steps: &[Step]) -> Vec<Result<(), String>> {
        for step in steps {
            match step {
                step if self.waits_for_frr(step) => self.awaits_frr = true,
                Step::Advertise { destination, .. } => {
                    destination
                        .prefix()
                        .into_iter()
                        .for_each(|prefix| self.announce(prefix));
                }
                Step::Withdraw { destination } => {
                    destination
                        .prefix()
                        .into_iter()
                        .for_each(|prefix| self.leak.withdraw(prefix));
                }
                _ => {}
            }
        }
        self.settle_leak(&mut Taken::default()).await;
        let results: Vec<_> = steps.iter().map(|step| self.leaked(step)).collect();
        for (step, result) in steps.iter().zip(&results) {
            if result.is_ok() {
                self.log_advert(step);
            }
        }
        results
    }

    fn leaked(&self, step: &Step) -> Result<(), String> {
        match step {
            step if self.waits_for_frr(step) => {
                Err("FRR is told first what policies say of it".to_owned())
            }
            // A tenant's routes are there for FRR as soon as they are in its VRF.
            Step::Advertise {
                destination: Destination::Prefix(prefix),
                ..
            } if !self.leak.is_out(prefix) => {
                let nic = &self.leak.names().nic;
                let problem = self.leak.problem();
                Err(problem.unwrap_or_else(|| format!("{prefix} is not on {nic}")))
            }
            _ => Ok(()),
        }
    }

    fn announce(&mut self, prefix: IpNet) {
        let exposure = self.core.wiring().chosen(prefix);
        self.leak.announce(prefix, exposure.map(AsRef::as_ref));
    }

    /// Takes the steps of what is leaked until there is nothing to do: repairs, and what a former backend
    /// has left.
    pub(super) async fn settle_leak(&mut self, taken: &mut Taken) {
        loop {
            let plan = self.leak.next_steps();
            for blocked in &plan.blocked {
                report(blocked);
            }
            if plan.steps.is_empty() {
                return;
            }
            let results = texts(self.inputs.kernel.apply(&plan.steps).await);
            for (step, result) in plan.steps.iter().zip(results) {
                match result {
                    Ok(()) => {
                        taken.done += 1;
                        self.leak.succeeded(step);
                    }
                    Err(error) => {
                        taken.failed += 1;
                        if let Some(blocked) = self.leak.failed(step, &error) {
                            report(&blocked);
                        }
                    }
                }
            }
        }
    }

    /// What FRR was given before the first pass counts as advertised, so that the pass takes back what
    /// nobody wants and leaves the rest alone.
    pub(super) fn adopt_leak(&mut self) {
        self.leak.adopt();
        let mut adverts = BTreeMap::new();
        for prefix in self.leak.found() {
            let wish = self.core.wiring().wish(prefix);
            if wish.advert.is_some() {
                self.announce(prefix);
            }
            let announcement = wish.advert.map(|advert| advert.announcement);
            adverts.insert(
                Destination::Prefix(prefix),
                announcement.unwrap_or_default(),
            );
        }
        self.adopt_adverts(&adverts);
    }

    /// The steps that give FRR what is exposed, or take away what a former backend gave it, supposing that
    /// each succeeds. Nothing is done; what is decided is announced here, so ask once.
    pub(super) fn plan_leak(&mut self) -> Vec<Step> {
        if self.leak.is_wanted() {
            let prefixes: Vec<_> = self.core.prefixes().collect();
            prefixes
                .into_iter()
                .for_each(|prefix| self.announce(prefix));
        }
        let mut steps = Vec::new();
        loop {
            let next = self.leak.next_steps().steps;
            if next.is_empty() {
                return steps;
            }
            for step in &next {
                self.leak.succeeded(step);
            }
            steps.extend(next);
        }
    }

    /// Looks after FRR's running configuration from now on.
    pub(super) fn keep_frr(&mut self) {
        if self.frr.is_none() {
            self.frr = Some(Upkeep::spawn(self.frr_settings()));
        }
    }

    /// What a former backend has left goes.
    pub(super) fn sweep_leak(&mut self) {
        self.leak.sweep();
        self.inputs.kernel.tell_again();
        self.change_frr();
        self.keep_frr();
    }

    /// The configuration is another one.
    pub(super) fn change_frr(&self) {
        if let Some(frr) = &self.frr {
            frr.change(self.frr_settings());
        }
    }

    /// How FRR stands, in words; `None` where it has no part.
    pub(super) fn frr_state(&self) -> Option<String> {
        let beside = self.config.agent.bgp_backend != Backend::Embedded;
        let status = self.frr.as_ref().filter(|_| beside)?.status();
        Some(match status {
            Status::Unknown => "not asked yet".to_owned(),
            Status::InPlace | Status::Clean => "configured as it should be".to_owned(),
            Status::Problem(problem) => problem,
        })
    }

    /// What is wrong with FRR, or with what it is to be given.
    pub(super) fn frr_problem(&self) -> Option<String> {
        let status = self.frr.as_ref().map(Upkeep::status);
        match status {
            Some(Status::Problem(problem)) => Some(format!("FRR: {problem}")),
            _ => self.leak.problem(),
        }
    }

    fn frr_settings(&self) -> Settings {
        let agent = &self.config.agent;
        let attributes = self.frr_attributes.as_ref();
        let tenants = self.frr_tenants.as_ref();
        Settings {
            wanted: Wanted::of(&self.config)
                .sparing(self.leak.is_patient())
                .attributing(attributes.map(Attributes::leaked)),
            vtysh: Vtysh {
                program: agent.frr_vtysh.clone(),
                sockets: agent.frr_vty_socket.clone(),
            },
            tenants: tenants
                .map(|of| attributes.map_or_else(|| Arc::clone(of), |a| a.of_tenants(of))),
            router_id: self.config.bgp.router_id,
            interval: agent.frr_reconcile_interval,
        }
    }
}
