//! The databases in `tests/fixtures`, and what is expected of them.
#![allow(dead_code, reason = "each test takes what it needs")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use ovn_bgp_agent::config::ExposingMethod;
use ovn_bgp_agent::exposure::{Decision, Method, Options};
use serde_json::Value;

pub(crate) mod recording;
pub(crate) mod rows;

/// Prefixes by VRF: `bgp-vrf` is the default table.
pub(crate) type ByVrf = BTreeMap<String, BTreeSet<String>>;

/// What each node exposes, by driver and options.
pub(crate) struct Combo {
    /// As in `expected.json`: `nb/tenant+subnet`.
    pub(crate) name: String,
    pub(crate) options: Options,
    /// The same by VRF (`vrf-<vni>`) and node.
    pub(crate) by_vrf: BTreeMap<String, ByVrf>,
    /// By node, with a name for which there is an `ovs-<node>.db.gz`.
    pub(crate) advertised: BTreeMap<String, BTreeSet<String>>,
}

/// The directory of each snapshot.
pub(crate) fn all() -> Vec<PathBuf> {
    directories("tests/fixtures/snap")
}

/// The directory of each timeline: snapshots `start` and `end`, and all changes between.
pub(crate) fn timelines() -> Vec<PathBuf> {
    directories("tests/fixtures/timeline")
}

fn directories(path: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let mut dirs: Vec<_> = std::fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    dirs.sort();
    dirs
}

/// What is expected with a driver (`nb`, `sb`, `stretched`, `evpn`), for each set of options.
pub(crate) fn combos(dir: &Path, driver: &str) -> Vec<Combo> {
    let text = std::fs::read_to_string(dir.join("expected.json")).unwrap();
    let json: BTreeMap<String, Value> = serde_json::from_str(&text).unwrap();
    let ours = json.into_iter().filter(|(name, _)| {
        let words = name.split_once('/');
        words.is_some_and(|(word, _)| word == driver)
    });
    ours.map(|(name, combo)| Combo {
        options: options(&combo["options"]),
        by_vrf: serde_json::from_value(combo["advertised"].clone()).unwrap(),
        advertised: advertised(&combo["advertised"]),
        name,
    })
    .collect()
}

/// The combinations of the NB driver, each with another exposing method: nothing is known to be expected.
pub(crate) fn combos_with(dir: &Path, method: Method) -> Vec<Combo> {
    let combos = combos(dir, "nb").into_iter();
    combos
        .map(|mut combo| {
            combo.options.method = method;
            combo.name = combo.name.replacen("nb", &format!("{method:?}"), 1);
            combo
        })
        .collect()
}

/// What each node exposes with the NB driver and no options.
pub(crate) fn expected(dir: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let mut combos = combos(dir, "nb").into_iter();
    combos.find(|c| c.name == "nb/default").unwrap().advertised
}

/// What a node exposes with one combination, by VRF.
pub(crate) fn by_vrf(dir: &Path, combo: &str, node: &str) -> BTreeMap<String, BTreeSet<String>> {
    let text = std::fs::read_to_string(dir.join("expected.json")).unwrap();
    let json: Value = serde_json::from_str(&text).unwrap();
    serde_json::from_value(json[combo]["advertised"][node].clone()).unwrap()
}

fn advertised(nodes: &Value) -> BTreeMap<String, BTreeSet<String>> {
    let nodes: BTreeMap<String, ByVrf> = serde_json::from_value(nodes.clone()).unwrap();
    let flat = |vrfs: ByVrf| vrfs.into_values().flatten().collect();
    nodes.into_iter().map(|(n, vrfs)| (n, flat(vrfs))).collect()
}

fn options(words: &Value) -> Options {
    let mut agent = ovn_bgp_agent::config::Agent::default();
    for (word, value) in words.as_object().unwrap() {
        match &**word {
            "expose_tenant_networks" => agent.expose_tenant_networks = value.as_bool().unwrap(),
            "expose_ipv6_gua_tenant_networks" => {
                agent.expose_ipv6_gua_tenant_networks = value.as_bool().unwrap();
            }
            "require_snat_disabled_for_tenant_networks" => {
                agent.require_snat_disabled_for_tenant_networks = value.as_bool().unwrap();
            }
            "advertisement_method_tenant_networks" => {
                let word = value.as_str().unwrap();
                assert_eq!(word, "subnet");
                agent.advertisement_method_tenant_networks =
                    ovn_bgp_agent::config::TenantAdvertisement::Subnet;
            }
            "exposing_method" => {
                let words = [
                    ("vrf", ExposingMethod::Vrf),
                    ("underlay", ExposingMethod::Underlay),
                ];
                let method = words.into_iter().find(|(word, _)| value == word);
                agent.exposing_method = method.unwrap().1;
            }
            "address_scopes" => {
                agent.address_scopes = serde_json::from_value(value.clone()).unwrap();
            }
            other => panic!("option {other}"),
        }
    }
    Options::from(&agent)
}

/// The exposed prefixes as `expected.json` writes them.
pub(crate) fn prefixes(decision: &Decision) -> BTreeSet<String> {
    decision
        .exposures
        .iter()
        .map(|e| e.prefix.to_string())
        .collect()
}

/// The same by VRF.
pub(crate) fn prefixes_by_vrf(decision: &Decision) -> ByVrf {
    let mut by_vrf = ByVrf::new();
    for exposure in &decision.exposures {
        let vrf = exposure
            .vni
            .map_or_else(|| "bgp-vrf".to_owned(), |vni| format!("vrf-{vni}"));
        let prefixes = by_vrf.entry(vrf).or_default();
        prefixes.insert(exposure.prefix.to_string());
    }
    by_vrf
}
