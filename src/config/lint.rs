//! What only shows when all options are known: what this version lacks, and what contradicts.

use std::collections::BTreeMap;
use std::fmt::Display;

use super::Config;
use super::choice::{Backend, Driver, ExposingMethod, TenantAdvertisement};
use super::load::{Given, section_of};
use super::problem::{Fault, Place, Problem, Severity};

/// Every such problem.
pub(super) fn lint(config: &Config, given: &Given) -> Vec<Problem> {
    let mut lint = Lint {
        given,
        problems: Vec::new(),
    };
    lint.choices(config);
    lint.tenants(config);
    lint.bgp(config);
    lint.problems
}

struct Lint<'a> {
    given: &'a Given,
    problems: Vec<Problem>,
}

impl Lint<'_> {
    fn choices(&mut self, config: &Config) {
        let agent = &config.agent;
        if agent.driver != Driver::Northbound {
            self.missing("driver", agent.driver, "set driver = nb_ovn_bgp_driver");
        }
        if agent.exposing_method != ExposingMethod::Underlay {
            self.missing(
                "exposing_method",
                agent.exposing_method,
                "set exposing_method = underlay",
            );
        }
        if agent.bgp_backend != Backend::Embedded {
            self.missing(
                "bgp_backend",
                agent.bgp_backend,
                "set bgp_backend = embedded",
            );
        }
        for (option, set) in [
            ("evpn_local_ip", agent.evpn_local_ip.is_some()),
            ("evpn_nic", agent.evpn_nic.is_some()),
        ] {
            if set {
                self.no_effect(option, "this version has no EVPN");
            }
        }
    }

    fn tenants(&mut self, config: &Config) {
        let agent = &config.agent;
        for (option, on) in [
            ("expose_tenant_networks", agent.expose_tenant_networks),
            (
                "expose_ipv6_gua_tenant_networks",
                agent.expose_ipv6_gua_tenant_networks,
            ),
        ] {
            if on {
                self.missing(
                    option,
                    "true",
                    "set it to false: tenant networks are not exposed yet",
                );
            }
        }
        let subnet = agent.advertisement_method_tenant_networks == TenantAdvertisement::Subnet;
        for (option, set) in [
            ("advertisement_method_tenant_networks", subnet),
            (
                "require_snat_disabled_for_tenant_networks",
                agent.require_snat_disabled_for_tenant_networks,
            ),
            ("address_scopes", !agent.address_scopes.is_empty()),
        ] {
            if set {
                self.no_effect(option, "tenant networks are not exposed");
            }
        }
    }

    fn bgp(&mut self, config: &Config) {
        if config.neighbours.is_empty() {
            let fault = Fault::Conflict(
                "no [bgp_neighbor NAME]: addresses are wired but advertised to nobody".into(),
                "add one section per neighbour".into(),
            );
            self.push(Severity::Warning, Place::Default, None, fault);
        }
        let mut seen = BTreeMap::new();
        for neighbour in &config.neighbours {
            let section = section_of(&neighbour.name);
            if let Some(other) = seen.insert(neighbour.address, &neighbour.name) {
                let fault = Fault::Conflict(
                    format!(
                        "{} is the address of neighbour '{other}' too",
                        neighbour.address
                    ),
                    "remove one of the two".into(),
                );
                let place = self.place(&section, "address");
                self.push(
                    Severity::Error,
                    place,
                    Some(format!("[{section}] address")),
                    fault,
                );
            }
            if neighbour
                .keepalive_time
                .is_some_and(|k| !neighbour.hold_time.is_zero() && k >= neighbour.hold_time)
            {
                let fault = Fault::Conflict(
                    "keepalive_time is not below hold_time".into(),
                    "use a third of hold_time, or leave it out".into(),
                );
                let place = self.place(&section, "keepalive_time");
                self.push(
                    Severity::Error,
                    place,
                    Some(format!("[{section}] keepalive_time")),
                    fault,
                );
            }
        }
    }

    fn missing(&mut self, option: &str, value: impl Display, remedy: &str) {
        let fault = Fault::NotImplemented(format!("'{value}'"), remedy.to_owned());
        self.default(Severity::Error, option, fault);
    }

    fn no_effect(&mut self, option: &str, why: &str) {
        self.default(Severity::Warning, option, Fault::NoEffect(why.to_owned()));
    }

    fn default(&mut self, severity: Severity, option: &str, fault: Fault) {
        let place = self.place("DEFAULT", option);
        self.push(severity, place, Some(format!("[DEFAULT] {option}")), fault);
    }

    fn place(&self, section: &str, option: &str) -> Place {
        let set = self.given.get(&(section.to_owned(), option.to_owned()));
        set.map_or(Place::Default, |set| set.place.clone())
    }

    fn push(&mut self, severity: Severity, place: Place, option: Option<String>, fault: Fault) {
        self.problems.push(Problem {
            severity,
            place,
            option,
            fault,
        });
    }
}
