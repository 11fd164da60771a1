//! What `check` says of clouds that a real Neutron wrote, where all is well: nothing. And what it says once a name
//! is spelled otherwise. Pure: the database files are read here, no server runs.

mod snapshot;

use std::collections::BTreeMap;
use std::path::Path;

use ovn_bgp_agent::check::facts::{Cloud, Database, Reach, Rows, Server};
use ovn_bgp_agent::check::{Code, Finding, NodeFacts, node_findings};
use ovn_bgp_agent::config::{Config, Input, Loaded};
use ovn_bgp_agent::ovn::southbound::Scope;
use ovn_bgp_agent::ovn::{northbound, southbound, vswitch};
use ovn_bgp_agent::ovsdb::{Change, Datum};
use snapshot::rows::insertions;

const IDS: &[&str] = &["external_ids"];
const NAMES: &[&str] = &["name", "hostname"];
const SWITCHES: &[&str] = &["name", "external_ids"];

/// A node of a snapshot, whose kernel is as it should be.
struct Node {
    facts: NodeFacts,
    config: Config,
}

/// The rows of a snapshot that all its nodes share.
struct Databases {
    northbound: Vec<Change>,
    southbound: Vec<Change>,
    chassis: Vec<Change>,
    switches: Vec<Change>,
}

/// The rows of one table.
fn table(file: &Path, wanted: &str, columns: &'static [&'static str]) -> Vec<Change> {
    insertions(file, |table| (table == wanted).then_some(columns))
}

impl Databases {
    fn of(dir: &Path) -> Self {
        let (nb, sb) = (dir.join("nb.db.gz"), dir.join("sb.db.gz"));
        let southbound = |t: &str| southbound::Table::named(t)?.columns(Scope::Everything);
        Self {
            northbound: insertions(&nb, |t| Some(northbound::Table::named(t)?.columns())),
            southbound: insertions(&sb, southbound),
            chassis: table(&sb, "Chassis", NAMES),
            switches: table(&nb, "Logical_Switch", SWITCHES),
        }
    }
}

impl Node {
    fn of(dir: &Path, host: &str, driver: &str, options: &str) -> Self {
        Self::within(&Databases::of(dir), dir, host, driver, options)
    }

    fn within(cloud: &Databases, dir: &Path, host: &str, driver: &str, options: &str) -> Self {
        let config = Loaded::read(&Input {
            files: vec![(
                "a.conf".into(),
                format!("[DEFAULT]\ndriver = {driver}\n{options}"),
            )],
            ..Input::default()
        })
        .config;
        let switch = dir.join(format!("ovs-{host}.db.gz"));
        let rows = match driver {
            "nb_ovn_bgp_driver" => &cloud.northbound,
            _ => &cloud.southbound,
        };
        let cloud = Cloud::of(&Rows {
            agent: &config.agent,
            host,
            vswitch: &insertions(&switch, |t| Some(vswitch::Table::named(t)?.columns())),
            driver: Some(rows),
            chassis: Some(&cloud.chassis),
            switches: &cloud.switches,
        });
        let answering = |name: &str| Database {
            name: name.to_owned(),
            option: "an_option".to_owned(),
            servers: vec![Server {
                reach: Reach::Answers,
                has_conditions: true,
                ..Server::default()
            }],
        };
        let facts = NodeFacts {
            vswitch: answering("Open_vSwitch"),
            ovn: vec![answering("OVN_Northbound"), answering("OVN_Southbound")],
            external_ids: strings(&table(&switch, "Open_vSwitch", IDS)),
            cloud,
            ..NodeFacts::default()
        };
        Self { facts, config }
    }

    /// What is found of OVN; the machine of these tests is none of it.
    fn findings(&self) -> Vec<Finding> {
        let mut findings = node_findings(&self.facts, &self.config);
        let of_ovn = [
            Code::RowUnreadable,
            Code::HostnameDiffers,
            Code::HostnameSpelling,
            Code::ChassisMissing,
            Code::AddressScopeUnknown,
            Code::OverlappingSubnets,
            Code::ExposedTwice,
            Code::BridgeMappingMalformed,
            Code::FipModeUnset,
        ];
        findings.retain(|finding| of_ovn.contains(&finding.code));
        findings
    }
}

fn strings(changes: &[Change]) -> BTreeMap<String, String> {
    let ids = changes
        .iter()
        .find_map(|change| change.new.as_ref()?.get(0));
    let pairs = ids.map(Datum::pairs).unwrap_or_default().iter();
    let text = |pair: &(_, _)| -> Option<(String, String)> {
        let (key, value): &(ovn_bgp_agent::ovsdb::Atom, ovn_bgp_agent::ovsdb::Atom) = pair;
        Some((key.as_str()?.to_owned(), value.as_str()?.to_owned()))
    };
    pairs.filter_map(text).collect()
}

const DRIVERS: [&str; 3] = [
    "nb_ovn_bgp_driver",
    "ovn_bgp_driver",
    "ovn_stretched_l2_bgp_driver",
];
const TENANTS: &str = "expose_tenant_networks = true\n";

#[test]
fn a_cloud_where_all_is_well_has_no_finding() {
    let mut told = Vec::new();
    for dir in snapshot::all() {
        let cloud = Databases::of(&dir);
        for driver in DRIVERS {
            for host in ["compute-1", "compute-2", "gw-1"] {
                for finding in Node::within(&cloud, &dir, host, driver, TENANTS).findings() {
                    let name = dir.file_name().unwrap().to_string_lossy().into_owned();
                    told.push(format!(
                        "{name} {driver} {host}: {} {}",
                        finding.code.name(),
                        finding.problem
                    ));
                }
            }
        }
    }
    assert!(told.is_empty(), "{}", told.join("\n"));
}

fn cloud(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/snap")
        .join(name)
}

#[test]
fn a_hostname_that_neutron_spells_otherwise_is_told() {
    let mut node = Node::of(&cloud("01_flat_provider_vms"), "compute-1", DRIVERS[0], "");
    let own = node.facts.external_ids["hostname"].clone();
    node.facts
        .external_ids
        .insert("hostname".into(), format!("{own}.example.org"));
    let codes: Vec<_> = node.findings().into_iter().map(|f| f.code).collect();
    assert_eq!(codes, [Code::HostnameDiffers, Code::HostnameSpelling]);
}

#[test]
fn an_address_scope_must_be_written_as_in_ovn() {
    let dir = cloud("07_address_scopes");
    let scope = "6e32f9f4-d68c-4dab-9cc5-94715eb3d243";
    for driver in DRIVERS {
        let with = |scope: &str| {
            let options = format!("{TENANTS}address_scopes = {scope}\n");
            Node::of(&dir, "gw-1", driver, &options).findings()
        };
        assert_eq!(with(scope), [], "{driver}");
        let undashed = with(&scope.replace('-', ""));
        assert_eq!(undashed.len(), 1, "{driver}: {undashed:?}");
        assert!(undashed[0].remedy.contains(scope), "{undashed:?}");
    }
}
