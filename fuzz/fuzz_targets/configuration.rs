//! bgp-agent.conf and FRR's configuration: any text is read, and what `convert` prints means what
//! `frr_config` does.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ovn_bgp_agent::config::{Config, Input, Loaded, convert};
use ovn_bgp_agent::reload::plan;

fn load(text: String, frr: &str) -> Loaded {
    let input = Input {
        files: vec![("a.conf".into(), text)],
        ..Input::default()
    };
    Loaded::read_with(&input, &|_| Ok(frr.to_owned()))
}

fuzz_target!(|text: &str| {
    let loaded = load(text.to_owned(), text);
    if loaded.is_valid() {
        assert!(plan(&loaded.config, &loaded.config).is_empty());
    }
    let mut taken = load("[bgp]\nfrr_config = /x\n".into(), text).config;
    taken.bgp.frr_config = None;
    let converted: Config = load(convert(text).text, "").config;
    // Control characters are no part of FRR's language, and end a line here.
    if !text.contains(|c: char| c.is_control() && c != '\n') {
        assert!(taken == converted);
    }
});
