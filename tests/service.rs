//! The systemd unit: what it leaves the agent is what the agent needs.

mod agent_node;

use std::os::unix::net::UnixDatagram;
use std::path::Path;

use agent_node::cloud::{self, Vm};
use agent_node::*;
use interop::{Daemon, Need, require};

fn unit() -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/systemd/ovn-bgp-agent.service");
    std::fs::read_to_string(file).unwrap()
}

/// The value of a setting of the unit.
fn setting<'a>(unit: &'a str, name: &str) -> &'a str {
    let start = format!("{name}=");
    let mut values = unit.lines().filter_map(|l| l.strip_prefix(&start));
    let value = values.next().unwrap_or_else(|| panic!("no {name}"));
    assert_eq!(values.next(), None, "{name} twice");
    value
}

/// As systemd runs it: root with the unit's capabilities and no other, and a socket to say READY=1 to.
#[test]
fn with_the_units_capabilities_it_wires_advertises_and_tells_systemd() {
    require!(
        Need::Root,
        Need::Program("ip"),
        Need::Program("ovs-vswitchd"),
        Need::Program("setpriv")
    );
    let dir = interop::scratch().unwrap();
    let nb = northbound(dir.path());
    let mut node = Node::new(dir, &nb.unix());
    nb.transact(&cloud::boot(Vm(10))).unwrap();

    let unit = unit();
    assert_eq!(setting(&unit, "User"), "root");
    assert_eq!(setting(&unit, "Type"), "notify");
    let capabilities = setting(&unit, "CapabilityBoundingSet").to_lowercase();
    let bounding: String = capabilities
        .split(' ')
        .map(|name| format!(",+{}", name.trim_start_matches("cap_")))
        .collect();
    let path = node.dir.path().join("notify");
    let notify = UnixDatagram::bind(&path).unwrap();
    notify.set_read_timeout(Some(DEADLINE)).unwrap();

    let mut command = node.place.command("setpriv").unwrap();
    command.args(["--no-new-privs", "--inh-caps=-all"]);
    command.arg(format!("--bounding-set=-all{bounding}"));
    let of_agent = node.agent_command(&[]);
    let program = env!("CARGO_BIN_EXE_ovn-bgp-agent");
    let words = of_agent.get_args().skip_while(|word| *word != program);
    command.args(words);
    command.envs(of_agent.get_envs().filter_map(|(k, v)| Some((k, v?))));
    command.env("NOTIFY_SOCKET", &path);
    node.agent = Some(Daemon::spawn("service", node.dir.path(), &mut command).unwrap());

    let mut said = [0; 64];
    let length = notify
        .recv(&mut said)
        .unwrap_or_else(|e| panic!("{e}: {}", node.log()));
    let said = String::from_utf8_lossy(&said[..length]).into_owned();
    assert!(said.lines().any(|l| l == "READY=1"), "{said}");
    node.expect(&["172.24.4.10"]);
    node.expect_wired("to 172.24.4.10 lookup", true);
    let log = node.log();
    assert!(!log.contains("ERROR"), "{log}");
}

#[test]
fn the_units_runtime_directory_is_that_of_the_control_socket() {
    let unit = unit();
    let directory = format!("/run/{}/", setting(&unit, "RuntimeDirectory"));
    let options = include_str!("../docs/configuration.md");
    let mut rows = options.lines().filter(|l| l.contains("`control_socket`"));
    let row = rows.next().unwrap();
    assert!(row.contains(&directory), "{row}");
}
