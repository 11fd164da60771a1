//! `speaker`: which problems of the configuration concern a speaker without OVN.

use crate::config::{Backend, Loaded, Problem};

/// Options of `[DEFAULT]` that a speaker reads.
const READ: &[&str] = &["bgp_AS", "bgp_router_id", "control_socket"];

/// Leaves out what is wrong with the driver, OVN and the wiring: nothing of that is read.
pub fn configuration(mut loaded: Loaded) -> Loaded {
    loaded.problems.retain(concerns_speaker);
    // Whoever runs the speaker alone has no other that would tell the fabric.
    loaded.config.agent.bgp_backend = Backend::Embedded;
    loaded
}

fn concerns_speaker(problem: &Problem) -> bool {
    let Some(option) = &problem.option else {
        return true;
    };
    match option.split_once("] ") {
        Some(("[DEFAULT", name)) => READ.contains(&name) || name.contains("log"),
        Some(("[ovn" | "[local_ovn_cluster" | "[agent", _)) => false,
        Some((section, _)) => !section.starts_with("[privsep"),
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Input;

    #[test]
    fn what_only_the_agent_reads_does_not_stop_a_speaker() {
        let load = |text: &str| {
            configuration(Loaded::read(&Input {
                files: vec![("bgp-agent.conf".into(), text.into())],
                ..Input::default()
            }))
        };
        let speaker = load("[DEFAULT]\nexpose_tenant_networks = true\n[bgp]\nas = 65001\n");
        assert!(speaker.is_valid(), "{:?}", speaker.problems);
        let broken = load("[bgp]\nas = none\n");
        assert!(!broken.is_valid());
    }
}
