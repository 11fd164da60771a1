//! What the documentation shows is so: its configurations start without a word about an option that does
//! nothing, and the results that docs/drivers.md predicts are those of the cloud it names.

mod snapshot;

use std::path::Path;

use ovn_bgp_agent::config::{Config, Driver, Fault, Input, Loaded, Severity};
use ovn_bgp_agent::exposure::{Decision, Options, evpn, southbound, stretched_l2};
use ovn_bgp_agent::ovn::southbound::Scope;
use snapshot::rows;

const CLOUD: &str = "tests/fixtures/snap/07_address_scopes";
const CLOUD_OF_TENANTS: &str = "tests/fixtures/snap/14_bgpvpn";
const NODE: &str = "gw-1";

/// The indented or fenced blocks of a page.
fn blocks(page: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(page);
    let text = std::fs::read_to_string(path).unwrap();
    let mut blocks = vec![String::new()];
    let mut fenced = false;
    for line in text.lines() {
        let is_fence = line.trim_start().starts_with("```");
        fenced ^= is_fence;
        let inside = match line.strip_prefix("    ") {
            Some(code) => Some(code),
            None if (fenced || line.is_empty()) && !is_fence => Some(line),
            None => None,
        };
        match (inside, blocks.last_mut()) {
            (Some(code), Some(block)) => *block += &format!("{code}\n"),
            _ => blocks.push(String::new()),
        }
    }
    blocks.retain(|block| !block.trim().is_empty());
    blocks
}

/// The blocks that are whole configurations.
fn configurations(page: &str) -> Vec<String> {
    let mut blocks = blocks(page);
    blocks.retain(|block| block.contains("[DEFAULT]\n") && block.contains("driver = "));
    blocks
}

fn load(text: &str) -> Loaded {
    Loaded::read(&Input {
        files: vec![("docs.conf".into(), text.to_owned())],
        ..Input::default()
    })
}

#[test]
fn the_configurations_of_the_documentation_start_and_every_option_of_them_counts() {
    let mut seen = 0;
    for page in ["README.md", "docs/drivers.md", "docs/configuration.md"] {
        for text in configurations(page) {
            let loaded = load(&text);
            let idle =
                |fault: &Fault| matches!(fault, Fault::NoEffect(_) | Fault::UnknownOption { .. });
            let wrong: Vec<_> = loaded
                .problems
                .iter()
                .filter(|p| p.severity == Severity::Error || idle(&p.fault))
                .map(ToString::to_string)
                .collect();
            assert!(wrong.is_empty(), "{page}: {wrong:#?}\n{text}");
            seen += 1;
        }
    }
    assert!(seen >= 4, "{seen}");
}

fn decide(config: &Config) -> Decision {
    let cloud = match config.agent.driver {
        Driver::Evpn => CLOUD_OF_TENANTS,
        _ => CLOUD,
    };
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join(cloud);
    let sb = rows::southbound(&dir, Scope::Everything);
    let options = &Options::from(&config.agent);
    match config.agent.driver {
        Driver::Southbound => southbound::decide(southbound::Inputs {
            southbound: &sb,
            node: &rows::node(&dir, NODE),
            options,
        }),
        Driver::StretchedL2 => stretched_l2::decide(stretched_l2::Inputs {
            southbound: &sb,
            options,
        }),
        Driver::Evpn => evpn::decide(evpn::Inputs {
            southbound: &sb,
            node: &rows::node(&dir, NODE),
            options,
        }),
        other => panic!("{other} has no example"),
    }
}

/// A line of a prediction: prefix, kind, and `exposed`, `exposed via ADDRESS` or a code.
#[test]
fn what_docs_drivers_md_predicts_comes_true() {
    let blocks = blocks("docs/drivers.md");
    let mut compared = 0;
    for pair in blocks.windows(2) {
        let [text, prediction] = pair else { continue };
        if !text.contains("driver = ") || prediction.contains("driver = ") {
            continue;
        }
        let lines: Vec<_> = prediction.lines().filter(|l| l.contains('/')).collect();
        if lines.is_empty() {
            continue;
        }
        // Some are lines of [DEFAULT] alone.
        let section = if text.contains('[') {
            ""
        } else {
            "[DEFAULT]\n"
        };
        let decision = decide(&load(&format!("{section}{text}")).config);
        for line in lines {
            let words: Vec<_> = line.split_whitespace().collect();
            let told = told(&decision, words[0], words[1]);
            assert!(told.contains(&words[2..].join(" ")), "{line}: {told:?}");
            compared += 1;
        }
    }
    assert!(compared >= 10, "{compared}");
}

/// What is decided about a prefix of a kind, in the words of a prediction.
fn told(decision: &Decision, prefix: &str, kind: &str) -> Vec<String> {
    let kind_of = |kind| {
        serde_json::to_value(kind)
            .unwrap()
            .as_str()
            .unwrap()
            .to_owned()
    };
    let exposed = decision
        .exposures
        .iter()
        .filter(|e| e.prefix.to_string() == prefix && kind_of(e.kind) == kind);
    let exposed = exposed.map(|e| match e.next_hop {
        Some(next_hop) => format!("exposed via {next_hop}"),
        None => "exposed".to_owned(),
    });
    let withheld = decision
        .withheld
        .iter()
        .filter(|w| w.prefix.to_string() == prefix && kind_of(w.kind) == kind);
    exposed
        .chain(withheld.map(|w| w.code.name().to_owned()))
        .collect()
}
