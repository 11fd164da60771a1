//! What only shows when all options are known: what this version lacks, and what contradicts.

use std::collections::BTreeMap;
use std::fmt::Display;

use super::Config;
use super::bgp::{Endpoint, Session};
use super::choice::{Backend, Driver, ExposingMethod};
use super::given::{Given, label};
use super::options::{Named, options};
use super::problem::{Fault, Place, Problem, Severity};
use super::uses;
use crate::route_settings::Setting;

/// Every such problem.
pub(super) fn lint(config: &Config, given: &Given) -> Vec<Problem> {
    let mut lint = Lint {
        given,
        problems: Vec::new(),
    };
    lint.choices(config);
    lint.idle(config);
    lint.bgp(config);
    lint.policies(config);
    lint.problems
}

struct Lint<'a> {
    given: &'a Given,
    problems: Vec<Problem>,
}

impl Lint<'_> {
    fn choices(&mut self, config: &Config) {
        let agent = &config.agent;
        let method = agent.exposing_method;
        if method == ExposingMethod::Ovn {
            let remedy = "set exposing_method = underlay";
            self.missing("exposing_method", method, remedy);
        } else if method != ExposingMethod::Underlay && agent.driver != Driver::Northbound {
            let what = format!(
                "{} cannot expose by exposing_method = {method}",
                agent.driver
            );
            let remedy = match agent.driver {
                Driver::Evpn => {
                    "leave exposing_method out: the driver's networks are in VNIs anyway"
                }
                _ => "set driver = nb_ovn_bgp_driver, or leave exposing_method out",
            };
            self.conflict("DEFAULT", "exposing_method", what, remedy);
        }
    }

    /// What was set and does nothing (B13). Not of the Python agent's defaults, which its templates write out, and
    /// not of what FRR's file says for a speaker: nobody has asked for that.
    fn idle(&mut self, config: &Config) {
        let frr = config.bgp.frr_config.as_deref();
        for section in ["DEFAULT", "ovn", "bgp", "local_ovn_cluster"] {
            for option in options(section) {
                let name = option.name();
                let Some(set) = self.given.get(section, name) else {
                    continue;
                };
                let by_frr =
                    matches!(&set.place, Place::Line(path, _) if Some(path.as_path()) == frr);
                let default = option.default().unwrap_or_default();
                if by_frr || is_same(default, &set.text) {
                    continue;
                }
                if let Some(why) = uses::idle(config, section, name) {
                    let place = set.place.clone();
                    let fault = Fault::NoEffect(why);
                    let option = Some(label(section, name));
                    self.push(Severity::Warning, place, option, fault);
                }
            }
        }
    }

    fn bgp(&mut self, config: &Config) {
        let nobody = config.neighbours.is_empty() && config.listen_ranges.is_empty();
        if config.agent.bgp_backend == Backend::Frr {
            if !nobody {
                let why = "with bgp_backend = frr the sessions are FRR's: sections [bgp_neighbor] and [bgp_listen] are not used";
                self.no_effect("bgp_backend", why);
            }
        } else if nobody {
            let fault = Fault::Conflict(
                "no [bgp_neighbor NAME]: addresses are wired but advertised to nobody".into(),
                "add one section per neighbour".into(),
            );
            self.push(Severity::Warning, Place::Default, None, fault);
        }
        let mut seen = BTreeMap::new();
        for neighbour in &config.neighbours {
            let section = Named::Neighbour.section(&neighbour.name);
            let (option, end) = match &neighbour.endpoint {
                Endpoint::Address(address) => ("address", address.to_string()),
                Endpoint::LinkLocal(address, device) => ("address", format!("{address}%{device}")),
                Endpoint::Interface(device) => ("interface", device.clone()),
            };
            if let Some(other) = seen.insert(end.clone(), &neighbour.name) {
                let what = format!("{end} is the {option} of neighbour '{other}' too");
                self.conflict(&section, option, what, "remove one of the two");
            }
            self.timers(&section, &neighbour.session);
        }
        for range in &config.listen_ranges {
            self.timers(&Named::Listen.section(&range.name), &range.session);
        }
    }

    /// What the policy file says and the backend does not carry.
    fn policies(&mut self, config: &Config) {
        let backend = config.agent.bgp_backend;
        let lost: &[Setting] = match backend {
            // Of communities FRR does not pass all: the log says so of routes.
            Backend::Embedded | Backend::Frr => &[],
            Backend::FrrPeer => &[Setting::LocalPref],
        };
        for rule in config.agent.exposure_rules.iter() {
            let lost = lost.iter().filter(|setting| rule.settings.has(**setting));
            let lost: Vec<_> = lost.map(|setting| setting.name()).collect();
            if lost.is_empty() {
                continue;
            }
            let fault = Fault::Conflict(
                format!(
                    "[expose {}] sets {}, which bgp_backend = {backend} does not carry",
                    rule.name,
                    lost.join(", ")
                ),
                "use bgp_backend = embedded, or a route-map of FRR's".into(),
            );
            self.default(Severity::Warning, "exposure_policy_file", fault);
        }
    }

    /// The keepalive time may come from further out than the hold time: the section is named that
    /// brings the two together.
    fn timers(&mut self, section: &str, session: &Session) {
        let (hold, keepalive) = (session.hold_time, session.keepalive_time);
        if keepalive.is_some_and(|keepalive| !hold.is_zero() && keepalive >= hold) {
            let what = "keepalive_time is not below hold_time".into();
            self.conflict(
                section,
                "keepalive_time",
                what,
                "use a third of hold_time, or leave it out",
            );
        }
    }

    fn conflict(&mut self, section: &str, option: &str, what: String, remedy: &str) {
        let place = self.given.place(section, option);
        let option = Some(label(section, option));
        self.push(
            Severity::Error,
            place,
            option,
            Fault::Conflict(what, remedy.into()),
        );
    }

    fn missing(&mut self, option: &str, value: impl Display, remedy: &str) {
        let fault = Fault::NotImplemented(format!("'{value}'"), remedy.to_owned());
        self.default(Severity::Error, option, fault);
    }

    fn no_effect(&mut self, option: &str, why: &str) {
        self.default(Severity::Warning, option, Fault::NoEffect(why.to_owned()));
    }

    fn default(&mut self, severity: Severity, option: &str, fault: Fault) {
        let place = self.given.place("DEFAULT", option);
        self.push(severity, place, Some(format!("[DEFAULT] {option}")), fault);
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

/// Whether a text says what the default says.
fn is_same(default: &str, text: &str) -> bool {
    let flag = |text: &str| match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "on" | "yes" => Some(true),
        "false" | "0" | "off" | "no" => Some(false),
        _ => None,
    };
    default == text || (flag(default).is_some() && flag(default) == flag(text))
}
