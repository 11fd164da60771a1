//! Conditional monitoring: a node that asks only for the rows it needs exposes what it would with all rows.

#[path = "interest/edits.rs"]
mod edits;
#[path = "interest/node.rs"]
mod node;
#[path = "interest/server.rs"]
mod server;
mod snapshot;
#[path = "interest/south.rs"]
mod south;
#[path = "interest/vpns.rs"]
mod vpns;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use edits::Edits;
use interop::ovsdb::OvsdbServer;
use interop::{Need, Place, require};
use node::{Cloud, Filtered};
use ovn_bgp_agent::config::ExposeRule;
use ovn_bgp_agent::exposure::{Decision, Exposure, Node, Options, Policy};
use ovn_bgp_agent::ovsdb::{Client, ClientConfig, Remote, until_synced};
use ovn_bgp_agent::route_settings::RouteSettings;
use south::Driver;

/// How often something changes in each history.
const STEPS: usize = 15;

/// Calls `run` for every node of every snapshot, with the options of every combination of a driver.
fn everywhere(driver: &str, run: impl Fn(&Path, &Node, &[(String, Options)], &str)) {
    let mut count = 0;
    for dir in snapshot::all() {
        let combos = snapshot::combos(&dir, driver).into_iter();
        let options: Vec<_> = combos.map(|combo| (combo.name, combo.options)).collect();
        for host in hosts(&dir) {
            let node = snapshot::rows::node(&dir, &host);
            let name = dir.file_name().unwrap().to_string_lossy();
            run(&dir, &node, &options, &format!("{name} on {host}"));
            count += 1;
        }
    }
    assert_eq!(count, 20 * 3, "snapshots and nodes");
}

fn hosts(dir: &Path) -> Vec<String> {
    snapshot::expected(dir).into_keys().collect()
}

/// A rule for each name in the database, each of which gives a MED of its own.
fn by_names(server: &server::Server) -> Policy {
    let mut rules = Vec::new();
    for (key, row) in &server.rows {
        let name = server.value(&key.0, row, "name");
        let Some(name) = name.and_then(|name| name.as_str()) else {
            continue;
        };
        let name = Some(vec![name.to_owned()]);
        let mut rule = ExposeRule {
            settings: RouteSettings {
                med: Some(key.1.as_u128() as u32),
                ..RouteSettings::default()
            },
            ..ExposeRule::default()
        };
        match &*key.0 {
            "Logical_Switch" => rule.networks = name,
            "Logical_Router" => rule.routers = name,
            "Logical_Switch_Port" => rule.ports = name,
            _ => continue,
        }
        rules.push(rule);
    }
    policy(rules)
}

fn policy(rules: Vec<ExposeRule>) -> Policy {
    Policy {
        file: "policy.conf".into(),
        rules: rules.into(),
    }
}

/// A rule for each router that OVN_Southbound names, each of which gives a MED of its own.
fn by_routers(server: &server::Server) -> Policy {
    let mut rules = Vec::new();
    for ((table, uuid), row) in &server.rows {
        let ids = server.value(table, row, "external_ids");
        let name = ids.filter(|ids| ids.value_str("logical-router").is_some());
        let Some(name) = name.and_then(|ids| ids.value_str("name")) else {
            continue;
        };
        rules.push(ExposeRule {
            routers: Some(vec![name.to_owned()]),
            settings: RouteSettings {
                med: Some(uuid.as_u128() as u32),
                ..RouteSettings::default()
            },
            ..ExposeRule::default()
        });
    }
    policy(rules)
}

/// A seed of its own for each place; `INTEREST_SEED` gives others.
fn seed(place: &str) -> u64 {
    let more = std::env::var("INTEREST_SEED").unwrap_or_default();
    let bytes = place.bytes().chain(more.bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

fn assert_same(have: &[Arc<Exposure>], want: &[Arc<Exposure>], place: &str) {
    let missing: Vec<_> = want.iter().filter(|e| !have.contains(e)).collect();
    let extra: Vec<_> = have.iter().filter(|e| !want.contains(e)).collect();
    if missing.is_empty() && extra.is_empty() {
        return;
    }
    let mut told = Vec::new();
    for wanted in &missing {
        let had = extra
            .iter()
            .find(|e| (e.prefix, e.kind) == (wanted.prefix, wanted.kind));
        told.push(match had {
            Some(had) => format!("{}: {}", wanted.prefix, difference(had, wanted)),
            None => format!("{}: missing: {wanted:?}", wanted.prefix),
        });
    }
    for had in extra {
        if !missing
            .iter()
            .any(|e| (e.prefix, e.kind) == (had.prefix, had.kind))
        {
            told.push(format!("{}: too much: {had:?}", had.prefix));
        }
    }
    panic!("{place}\n{}", told.join("\n"));
}

/// The lines in which two exposures differ.
fn difference(have: &Exposure, want: &Exposure) -> String {
    let (have, want) = (format!("{have:#?}"), format!("{want:#?}"));
    let lines = |text: &str, other: &str| {
        let other: Vec<_> = other.lines().collect();
        let own = text.lines().filter(|line| !other.contains(line));
        own.map(str::trim).collect::<Vec<_>>().join(" ")
    };
    format!(
        "{} in place of {}",
        lines(&have, &want),
        lines(&want, &have)
    )
}

/// What is withheld may differ: of a row that is not asked for nothing is said.
fn assert_same_decision(have: &Decision, want: &Decision, place: &str) {
    assert_same(&have.exposures, &want.exposures, place);
    assert_eq!(have.tenants, want.tenants, "{place}");
}

#[test]
fn every_node_of_every_snapshot_exposes_the_same_with_conditions() {
    everywhere("nb", |dir, node, combos, place| {
        for cloud in [Cloud::northbound_only(dir), Cloud::with_southbound(dir)] {
            for (name, options) in combos {
                let mut filtered = Filtered::new(&cloud, node, options);
                filtered.settle(&cloud);
                let all = node::exposures_of_all(&cloud, node, options);
                assert_same(
                    &filtered.exposures(node, options),
                    &all,
                    &format!("{place}, {name}"),
                );
            }
        }
    });
}

/// Routes whose rows are followed have the attributes that those rows give, whichever table they are of.
#[test]
fn what_rows_say_of_routes_is_the_same_with_conditions() {
    // Each table another setting, so that none hides what another says.
    let said = [
        [
            ("Logical_Switch_Port", "bgp:med"),
            ("Logical_Switch", "bgp:local-pref"),
            ("Logical_Router", "bgp:communities"),
        ],
        [
            ("Logical_Router_Port", "bgp:med"),
            ("NAT", "bgp:local-pref"),
            ("Load_Balancer", "bgp:communities"),
        ],
    ];
    everywhere("nb", |dir, node, combos, place| {
        for said in said {
            for mut cloud in [Cloud::northbound_only(dir), Cloud::with_southbound(dir)] {
                for (table, setting) in said {
                    edits::say_all(&mut cloud.northbound, table, setting);
                }
                for (name, options) in combos {
                    let mut filtered = Filtered::new(&cloud, node, options);
                    filtered.settle(&cloud);
                    let all = node::exposures_of_all(&cloud, node, options);
                    let place = format!("{place}, {name}, {said:?}");
                    assert_same(&filtered.exposures(node, options), &all, &place);
                }
            }
        }
    });
    for (driver, word) in Driver::ALL {
        everywhere(word, |dir, node, combos, place| {
            let mut server = south::server(driver, dir);
            edits::say_all(&mut server, "Port_Binding", "bgp:med");
            for (name, options) in combos {
                let mut filtered = south::Filtered::new(driver, &server, node, options);
                filtered.settle(&server);
                let all = south::decision_of_all(driver, &server, node, options);
                let place = format!("{place}, {name}");
                assert_same_decision(&filtered.decision(node, options), &all, &place);
            }
        });
    }
}

/// The policy file goes by names, which other rows than those that are exposed may have.
#[test]
fn what_the_policy_file_says_of_routes_is_the_same_with_conditions() {
    everywhere("nb", |dir, node, combos, place| {
        for cloud in [Cloud::northbound_only(dir), Cloud::with_southbound(dir)] {
            for (name, options) in combos {
                let options = Options {
                    policy: by_names(&cloud.northbound),
                    ..options.clone()
                };
                let mut filtered = Filtered::new(&cloud, node, &options);
                filtered.settle(&cloud);
                let all = node::exposures_of_all(&cloud, node, &options);
                let place = format!("{place}, {name}");
                assert_same(&filtered.exposures(node, &options), &all, &place);
            }
        }
    });
}

#[test]
fn the_southbound_drivers_expose_the_same_with_conditions() {
    let same = |driver, server: &server::Server, node: &Node, options: &Options, place: &str| {
        let mut filtered = south::Filtered::new(driver, server, node, options);
        filtered.settle(server);
        let all = south::decision_of_all(driver, server, node, options);
        assert_same_decision(&filtered.decision(node, options), &all, place);
        all.exposures.len()
    };
    let with_routers = Cell::new(0);
    for (driver, word) in Driver::ALL {
        let compared = Cell::new(0);
        everywhere(word, |dir, node, combos, place| {
            let server = south::server(driver, dir);
            for (name, options) in combos {
                let place = format!("{place}, {name}");
                let exposures = same(driver, &server, node, options, &place);
                compared.set(compared.get() + exposures);
                let policy = by_routers(&server);
                with_routers.set(with_routers.get() + usize::from(policy.names_routers()));
                let options = Options {
                    policy,
                    ..options.clone()
                };
                same(driver, &server, node, &options, &place);
            }
        });
        assert!(compared.get() > 50, "{word}: {compared:?}");
    }
    assert!(with_routers.get() > 0, "no snapshot has a router");
}

#[test]
fn whatever_happens_exposures_and_conditions_follow_the_rows_alone() {
    everywhere("nb", |dir, node, combos, place| {
        let mut clouds = vec![Cloud::northbound_only(dir)];
        // Where OVN_Southbound is followed it says where subports are, here at random, in place of the parent's
        // row: the same once OVN has followed.
        if !dir.ends_with("11_trunk_subport") {
            clouds.push(Cloud::with_southbound(dir));
        }
        for (index, cloud) in clouds.into_iter().enumerate() {
            let seed = seed(place) + index as u64;
            let (name, options) = &combos[seed as usize % combos.len()];
            history(
                dir,
                cloud,
                node,
                options,
                seed,
                &format!("{place}, {name}, seed {seed}"),
            );
        }
    });
}

fn history(dir: &Path, mut cloud: Cloud, node: &Node, options: &Options, seed: u64, place: &str) {
    let edits = || Edits::new(snapshot::rows::node(dir, "compute-2"), node, seed);
    let (mut edits, mut southbound_edits) = (edits(), edits());
    let mut filtered = Filtered::new(&cloud, node, options);
    filtered.settle(&cloud);
    for step in 0..STEPS {
        let mut said = edits.apply(&mut cloud.northbound);
        if let Some(southbound) = &mut cloud.southbound {
            said.extend(southbound_edits.apply(southbound));
        }
        filtered.settle(&cloud);
        let all = node::exposures_of_all(&cloud, node, options);
        let place = format!("{place}, step {step}: {said:?}");
        assert_same(&filtered.exposures(node, options), &all, &place);
    }
    let mut fresh = Filtered::new(&cloud, node, options);
    fresh.settle(&cloud);
    assert_eq!(filtered.conditions(), fresh.conditions(), "{place}");
}

#[test]
fn whatever_happens_the_southbound_drivers_follow_the_rows_alone() {
    for (driver, word) in Driver::ALL {
        everywhere(word, |dir, node, combos, place| {
            let seed = seed(place);
            let (name, options) = &combos[seed as usize % combos.len()];
            let place = format!("{place}, {name}, seed {seed}");
            let mut server = south::server(driver, dir);
            let mut edits = Edits::new(snapshot::rows::node(dir, "compute-2"), node, seed);
            let mut filtered = south::Filtered::new(driver, &server, node, options);
            filtered.settle(&server);
            for step in 0..STEPS {
                let said = edits.apply(&mut server);
                filtered.settle(&server);
                let all = south::decision_of_all(driver, &server, node, options);
                let place = format!("{place}, step {step}: {said:?}");
                assert_same_decision(&filtered.decision(node, options), &all, &place);
            }
            let mut fresh = south::Filtered::new(driver, &server, node, options);
            fresh.settle(&server);
            assert_eq!(filtered.conditions(), fresh.conditions(), "{place}");
        });
    }
}

#[test]
fn a_node_holds_few_of_the_rows() {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/snap/19_kitchen_sink_centralized");
    let cloud = Cloud::northbound_only(&dir);
    let node = snapshot::rows::node(&dir, "compute-1");
    let mut filtered = Filtered::new(&cloud, &node, &Options::default());
    let steps = filtered.settle(&cloud);
    let all = cloud.northbound.rows.len();
    assert!(filtered.rows() < all / 2, "{} of {all}", filtered.rows());
    assert!(steps <= 6, "{steps} steps to the fixpoint");
    assert_eq!(
        filtered.settle(&cloud),
        0,
        "nothing changed, so nothing is asked"
    );
}

/// What the tests above take for a server.
#[tokio::test]
async fn a_real_server_sends_the_rows_that_match() {
    require!(Need::Program("ovsdb-server"));
    let scratch = interop::scratch().unwrap();
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/snap/19_kitchen_sink_centralized");
    let nb = OvsdbServer::from_file(&Place::host(), scratch.path(), "nb", &dir.join("nb.db.gz"));
    let nb = nb.unwrap();
    let cloud = Cloud::northbound_only(&dir);
    for host in hosts(&dir) {
        let node = snapshot::rows::node(&dir, &host);
        let options = snapshot::combos(&dir, "nb").swap_remove(0).options;
        let mut filtered = Filtered::new(&cloud, &node, &options);
        filtered.settle(&cloud);
        let monitor = filtered.monitor();
        let remotes = Remote::parse_list(&nb.unix()).unwrap();
        let config = ClientConfig::new("OVN_Northbound", remotes);
        let (_handle, mut events) = Client::spawn(config, monitor.clone());
        let sent = until_synced("OVN_Northbound", &mut events, 0, Duration::from_secs(30)).await;
        let by_row = |changes: Vec<ovn_bgp_agent::ovsdb::Change>| -> BTreeMap<_, _> {
            let rows = changes.into_iter();
            rows.map(|c| ((c.table.to_string(), c.uuid), c.new))
                .collect()
        };
        let expected = server::Replica::default().follow(&cloud.northbound, &monitor);
        assert_eq!(by_row(sent.unwrap()), by_row(expected), "{host}");
    }
}
