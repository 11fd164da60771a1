//! bgp-agent.conf in the style of those who deploy it, and every quirk of the dialect.

mod problems;
mod values;

use std::path::{Path, PathBuf};

use ovn_bgp_agent::config::{Config, Files, Input, Loaded, Severity, Source};

/// The least that starts.
const VALID: &str = "[DEFAULT]\ndriver = nb_ovn_bgp_driver\n[bgp_neighbor 192.0.2.1]\n";

fn read(text: &str) -> Loaded {
    read_with(text, &[])
}

fn read_with(text: &str, environment: &[(&str, &str)]) -> Loaded {
    let pair = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
    Loaded::read(&Input {
        files: vec![(PathBuf::from("a.conf"), text.to_owned())],
        environment: environment.iter().map(pair).collect(),
        flags: Vec::new(),
    })
}

/// The configuration of VALID and `more`, which must be accepted.
fn accepted(more: &str) -> Config {
    let loaded = read(&format!("{VALID}{more}"));
    assert!(loaded.is_valid(), "{:#?}", loaded.problems);
    loaded.config
}

fn lines(loaded: &Loaded, severity: Severity) -> Vec<String> {
    let wanted = loaded.problems.iter().filter(|p| p.severity == severity);
    wanted.map(ToString::to_string).collect()
}

/// The errors of VALID and `more`.
fn errors(more: &str) -> Vec<String> {
    lines(&read(&format!("{VALID}{more}")), Severity::Error)
}

fn fixture(source: Source) -> Loaded {
    let Files { files, problems } = Files::find(&[Source::File("/dev/null".into()), source], None);
    assert_eq!(problems, []);
    Loaded::read(&Input {
        files,
        ..Input::default()
    })
}

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/config")
        .join(name)
}
