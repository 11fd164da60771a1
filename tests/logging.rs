//! The process's log, as `run` starts it.

use ovn_bgp_agent::cli::log;
use ovn_bgp_agent::config::Logging;

#[test]
fn the_log_has_our_events_from_info_on_and_others_from_warning_on() {
    let dir = tempfile::tempdir().unwrap();
    let logging = Logging {
        log_dir: Some(dir.path().to_owned()),
        ..Logging::default()
    };
    log::start(&logging).unwrap();
    tracing::info!(target: "ovn_bgp_agent::agent", "BGP Agent Started...");
    tracing::debug!(target: "ovn_bgp_agent::agent", "hidden");
    tracing::info!(target: "rtnetlink", "hidden");
    tracing::warn!(target: "rtnetlink", "shown");
    let text = std::fs::read_to_string(dir.path().join("ovn-bgp-agent.log")).unwrap();
    let ends: Vec<_> = text
        .lines()
        .filter_map(|l| l.rsplit(" INFO ").next())
        .collect();
    assert_eq!(ends.len(), 2, "{text}");
    assert_eq!(ends[0], "ovn_bgp_agent::agent BGP Agent Started...");
    assert!(ends[1].ends_with("WARNING rtnetlink shown"), "{text}");
    assert!(matches!(log::start(&logging), Err(log::LogError::Twice)));
}
