//! Which options count where: with which driver, exposing method and backend. `lint` tells of an option that was
//! set and does nothing (B13: never in silence), and the table of docs/drivers.md is made of the same rules.

use super::Config;
use super::choice::{Backend, Driver, ExposingMethod};

/// When an option counts.
pub(super) struct Rule {
    pub(super) section: &'static str,
    /// Empty: every option of the section but those of `except`.
    pub(super) option: &'static str,
    pub(super) except: &'static [&'static str],
    pub(super) counts: fn(&Config) -> bool,
    /// What to say where it does not; `{driver}` stands for the driver.
    pub(super) otherwise: &'static str,
}

const fn rule(
    section: &'static str,
    option: &'static str,
    counts: fn(&Config) -> bool,
    otherwise: &'static str,
) -> Rule {
    Rule {
        section,
        option,
        except: &[],
        counts,
        otherwise,
    }
}

const STRETCHED: &str = "ovn_stretched_l2_bgp_driver always advertises whole tenant networks";
const BY_VNI: &str = "ovn_evpn_driver always advertises the hosts of the networks that have a VNI";
const BY_NORTHD: &str =
    "ovn_native advertises what northd says: options:dynamic-routing-redistribute of the routers";
const NO_TENANTS: &str = "tenant networks are not exposed";
const NO_EVPN: &str =
    "only EVPN (ovn_evpn_driver, exposing_method = vrf, l2vni or dynamic) uses it";
const FRRS: &str = "with bgp_backend = frr the sessions are FRR's: its own configuration counts";
const LOCAL_FRR: &str =
    "with bgp_backend = frr-peer FRR has the port, the routes and the router-id";

/// The rules. Of several for an option all must hold.
pub(super) const RULES: &[Rule] = &[
    rule(
        "DEFAULT",
        "expose_tenant_networks",
        is_not_stretched,
        STRETCHED,
    ),
    rule(
        "DEFAULT",
        "expose_ipv6_gua_tenant_networks",
        is_not_stretched,
        STRETCHED,
    ),
    rule("DEFAULT", "expose_tenant_networks", is_not_evpn, BY_VNI),
    rule(
        "DEFAULT",
        "expose_ipv6_gua_tenant_networks",
        is_not_evpn,
        BY_VNI,
    ),
    rule(
        "DEFAULT",
        "advertisement_method_tenant_networks",
        is_not_evpn,
        BY_VNI,
    ),
    rule("DEFAULT", "address_scopes", is_not_evpn, BY_VNI),
    rule(
        "DEFAULT",
        "expose_tenant_networks",
        is_not_native,
        BY_NORTHD,
    ),
    rule(
        "DEFAULT",
        "expose_ipv6_gua_tenant_networks",
        is_not_native,
        BY_NORTHD,
    ),
    rule(
        "DEFAULT",
        "advertisement_method_tenant_networks",
        is_not_native,
        BY_NORTHD,
    ),
    rule("DEFAULT", "address_scopes", is_not_native, BY_NORTHD),
    rule(
        "DEFAULT",
        "expose_ipv6_gua_tenant_networks",
        |c| !c.agent.expose_tenant_networks,
        "expose_tenant_networks exposes these addresses and all others",
    ),
    rule(
        "DEFAULT",
        "advertisement_method_tenant_networks",
        is_not_stretched,
        STRETCHED,
    ),
    rule(
        "DEFAULT",
        "advertisement_method_tenant_networks",
        has_tenants,
        NO_TENANTS,
    ),
    rule(
        "DEFAULT",
        "require_snat_disabled_for_tenant_networks",
        |c| c.agent.driver == Driver::Northbound,
        "{driver} cannot see whether a router has SNAT, only nb_ovn_bgp_driver can",
    ),
    rule(
        "DEFAULT",
        "require_snat_disabled_for_tenant_networks",
        has_tenants,
        NO_TENANTS,
    ),
    rule("DEFAULT", "address_scopes", has_tenants, NO_TENANTS),
    rule(
        "DEFAULT",
        "delete_vrf_on_disconnect",
        has_vrfs,
        "only networks that are routed in a VNI (ovn_evpn_driver, exposing_method = vrf or dynamic) have VRFs",
    ),
    rule("DEFAULT", "evpn_local_ip", has_evpn, NO_EVPN),
    rule(
        "DEFAULT",
        "evpn_nic",
        |c| matches!(c.agent.driver, Driver::Evpn | Driver::Native),
        "only ovn_evpn_driver and ovn_native take their address from a device",
    ),
    rule("DEFAULT", "evpn_udp_dstport", has_evpn, NO_EVPN),
    rule(
        "DEFAULT",
        "frr_peer_as",
        |c| c.agent.bgp_backend == Backend::FrrPeer,
        "only bgp_backend = frr-peer has a session with FRR",
    ),
    rule("DEFAULT", "bgp_router_id", is_not_frr_peer, LOCAL_FRR),
    rule(
        "ovn",
        "ovn_nb_connection",
        |c| c.agent.driver == Driver::Northbound,
        "only nb_ovn_bgp_driver reads OVN_Northbound",
    ),
    rule(
        "local_ovn_cluster",
        "",
        |c| c.agent.exposing_method == ExposingMethod::Ovn,
        "only exposing_method = ovn has a second OVN cluster",
    ),
    Rule {
        section: "bgp",
        option: "",
        except: &["as", "router_id", "metrics_listen"],
        counts: |c| c.agent.bgp_backend != Backend::Frr,
        otherwise: FRRS,
    },
    rule("bgp", "listen", is_not_frr_peer, LOCAL_FRR),
    rule("bgp", "router_id", is_not_frr_peer, LOCAL_FRR),
    rule("bgp", "fib_import", is_not_frr_peer, LOCAL_FRR),
    rule("bgp", "router_import", is_not_frr_peer, LOCAL_FRR),
    rule(
        "bgp",
        "router_import",
        is_native,
        "only with ovn_native do OVN's routers learn",
    ),
];

fn is_not_stretched(config: &Config) -> bool {
    config.agent.driver != Driver::StretchedL2
}

fn is_not_evpn(config: &Config) -> bool {
    config.agent.driver != Driver::Evpn
}

fn is_not_native(config: &Config) -> bool {
    !is_native(config)
}

fn is_native(config: &Config) -> bool {
    config.agent.driver == Driver::Native
}

fn has_tenants(config: &Config) -> bool {
    let agent = &config.agent;
    let asked = agent.expose_tenant_networks || agent.expose_ipv6_gua_tenant_networks;
    asked || agent.driver == Driver::StretchedL2
}

fn has_vrfs(config: &Config) -> bool {
    has_evpn(config) && config.agent.exposing_method != ExposingMethod::L2Vni
}

fn has_evpn(config: &Config) -> bool {
    config.agent.has_tenant_tables()
}

fn is_not_frr_peer(config: &Config) -> bool {
    config.agent.bgp_backend != Backend::FrrPeer
}

impl Rule {
    /// Whether the rule is about this option.
    pub(super) fn concerns(&self, section: &str, option: &str) -> bool {
        let whole = self.option.is_empty() && !self.except.contains(&option);
        self.section == section && (self.option == option || whole)
    }
}

/// Why an option does nothing with this configuration, if so.
pub(super) fn idle(config: &Config, section: &str, option: &str) -> Option<String> {
    let mut rules = RULES.iter().filter(|rule| rule.concerns(section, option));
    let rule = rules.find(|rule| !(rule.counts)(config))?;
    let driver = config.agent.driver.to_string();
    Some(rule.otherwise.replace("{driver}", &driver))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::options::{option, options};

    #[test]
    fn every_rule_is_about_an_option_there_is() {
        for rule in RULES {
            let known = match rule.option {
                "" => !options(rule.section).is_empty(),
                name => option(rule.section, name).is_some(),
            };
            assert!(known, "[{}] {}", rule.section, rule.option);
            assert!(
                rule.except
                    .iter()
                    .all(|name| option(rule.section, name).is_some())
            );
        }
    }

    const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/drivers.md");
    const MARK: &str = "<!-- generated from src/config/uses.rs -->\n";

    /// The set-ups of this version, as the columns of the table.
    fn columns() -> Vec<(&'static str, Config)> {
        let by_method = |exposing_method| {
            let mut config = Config::default();
            config.agent.driver = Driver::Northbound;
            config.agent.exposing_method = exposing_method;
            config.agent.expose_ipv6_gua_tenant_networks = true;
            config
        };
        let setup = |driver, bgp_backend| {
            let mut config = Config::default();
            config.agent.driver = driver;
            config.agent.bgp_backend = bgp_backend;
            // The options of tenant networks count once these are exposed.
            config.agent.expose_ipv6_gua_tenant_networks = true;
            config
        };
        vec![
            (
                "`nb_ovn_bgp_driver`",
                setup(Driver::Northbound, Backend::Embedded),
            ),
            (
                "`ovn_bgp_driver`",
                setup(Driver::Southbound, Backend::Embedded),
            ),
            (
                "`ovn_stretched_l2_bgp_driver`",
                setup(Driver::StretchedL2, Backend::Embedded),
            ),
            ("`ovn_evpn_driver`", setup(Driver::Evpn, Backend::Embedded)),
            ("`ovn_native`", setup(Driver::Native, Backend::Embedded)),
            ("`exposing_method = vrf`", by_method(ExposingMethod::Vrf)),
            (
                "`exposing_method = l2vni`",
                by_method(ExposingMethod::L2Vni),
            ),
            (
                "`bgp_backend = frr`",
                setup(Driver::Northbound, Backend::Frr),
            ),
            (
                "`bgp_backend = frr-peer`",
                setup(Driver::Northbound, Backend::FrrPeer),
            ),
        ]
    }

    fn table() -> String {
        let columns = columns();
        let heads: Vec<_> = columns.iter().map(|(name, _)| *name).collect();
        let mut out = format!("| option | {} | where not, because |\n", heads.join(" | "));
        out += &format!("|---|{}---|\n", "---|".repeat(columns.len()));
        let mut seen = Vec::new();
        for rule in RULES {
            let name = match rule.option {
                "" => format!("`[{}]`, all but {}", rule.section, rule.except.join(", ")),
                name => format!("`[{}] {name}`", rule.section),
            };
            let name = name.trim_end_matches(" but ").to_owned();
            if seen.contains(&name) {
                continue;
            }
            let option = match rule.option {
                "" => options(rule.section)[0].name(),
                name => name,
            };
            let idle = |config| idle(config, rule.section, option);
            let cells = columns.iter().map(|(_, config)| match idle(config) {
                None => "yes",
                Some(_) => "–",
            });
            let cells: Vec<_> = cells.collect();
            let mut reasons: Vec<_> = columns
                .iter()
                .filter_map(|(_, config)| idle(config))
                .collect();
            reasons.sort();
            reasons.dedup();
            out += &format!(
                "| {name} | {} | {} |\n",
                cells.join(" | "),
                reasons.join("; ")
            );
            seen.push(name);
        }
        out
    }

    /// `UPDATE_DOCS=1 cargo test docs_drivers_md` writes the table anew.
    #[test]
    fn docs_drivers_md_says_which_option_counts_where() {
        let page = std::fs::read_to_string(PATH).unwrap();
        let (before, rest) = page.split_once(MARK).unwrap();
        let (_, after) = rest.split_once(MARK).unwrap();
        let expected = format!("{before}{MARK}\n{}\n{MARK}{after}", table());
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(PATH, expected).unwrap();
        } else {
            assert!(
                page == expected,
                "docs/drivers.md is stale: run with UPDATE_DOCS=1"
            );
        }
    }

    #[test]
    fn an_option_without_a_rule_always_counts() {
        assert_eq!(
            idle(&Config::default(), "DEFAULT", "reconcile_interval"),
            None
        );
    }
}
