//! `check` on a real node: real databases and sockets, Open vSwitch, a kernel of its own (a network namespace),
//! other people's programs; as an operator types it, and without changing anything.
#![allow(
    clippy::disallowed_methods,
    reason = "the agent is a program here, and iproute2 the judge"
)]

mod agent_node;

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

use agent_node::{Node, can_run, lab};
use interop::ovsdb::{OvsdbServer, Schema, free_port};
use interop::pki::Pki;
use interop::{Daemon, Need, Place, require, wait_until};
use serde_json::Value;

/// What `check --json` said, by code.
struct Report {
    status: i32,
    findings: Vec<Value>,
}

impl Report {
    fn of(output: &Output) -> Self {
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        let findings: Value =
            serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}{errors}"));
        Self {
            status: output.status.code().unwrap(),
            findings: findings.as_array().unwrap().clone(),
        }
    }

    fn has(&self, code: &str) -> bool {
        self.findings.iter().any(|finding| finding["code"] == code)
    }

    /// The finding with this code and these words, in any of its fields.
    #[track_caller]
    fn tells(&self, code: &str, words: &[&str]) {
        let has = |finding: &&Value| {
            let text = finding.to_string();
            finding["code"] == code && words.iter().all(|word| text.contains(word))
        };
        let found = self.findings.iter().find(has);
        assert!(
            found.is_some(),
            "no {code} with {words:?}: {:#?}",
            self.findings
        );
    }

    #[track_caller]
    fn is_silent_about(&self, codes: &[&str]) {
        for code in codes {
            assert!(!self.has(code), "{code}: {:#?}", self.findings);
        }
    }
}

fn check(node: &Node) -> Report {
    Report::of(&node.run(&["check", "--json"]))
}

/// `check` on the node, in a mount namespace where these shell commands have run before: `ip netns exec` gives it one of its own.
fn check_behind(node: &Node, commands: &str) -> Report {
    let agent = node.agent_command(&["check", "--json"]);
    let words: Vec<String> = agent
        .get_args()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    // `ip netns exec <namespace> <agent> …`
    let agent = words
        .iter()
        .position(|word| word.ends_with("ovn-bgp-agent"))
        .unwrap();
    let line = format!("{commands} && exec {}", words[agent..].join(" "));
    let mut command = node.namespace.command("sh");
    command.args(["-ec", &line]);
    command.env("RT_TABLES", node.dir.path().join("rt_tables"));
    Report::of(&command.output().unwrap())
}

#[test]
fn a_node_is_judged_by_its_kernel_and_open_vswitch_and_stays_as_it_is() {
    if !can_run() {
        return;
    }
    let (nb, node) = lab();
    node.namespace.forward().unwrap();
    node.ip("link set br-ex down");
    node.ip("link set br-ex mtu 1400");
    let mtu = serde_json::json!(["OVN_Northbound", {"op": "mutate", "table": "Logical_Switch", "where": [],
        "mutations": [["external_ids", "insert", ["map", [["neutron:mtu", "1500"]]]]]}]);
    nb.transact(&mtu).unwrap();
    node.namespace.sysctl("net.ipv4.ip_forward", "0").unwrap();
    node.namespace
        .sysctl("net.ipv4.conf.br-ex.rp_filter", "1")
        .unwrap();
    node.namespace
        .sysctl("net.ipv6.conf.br-ex.disable_ipv6", "1")
        .unwrap();
    let ids = "external-ids:ovn-bridge-mappings=physnet1:br-ex,physnet2:br-lost,nonsense";
    node.switch.vsctl(&["set", "open", ".", ids]).unwrap();
    let before = node.namespace.kernel().unwrap();
    let rows = std::fs::read(nb.database()).unwrap();
    let report = check(&node);
    assert_eq!(report.status, 1);
    report.tells("forwarding-off", &["net.ipv4.ip_forward"]);
    report.tells("rp-filter-strict", &["net.ipv4.conf.br-ex.rp_filter"]);
    report.tells("ipv6-disabled", &["br-ex"]);
    report.tells("bridge-down", &["br-ex"]);
    report.tells("bridge-mtu", &["br-ex", "1400", "mtu_request=1500"]);
    report.tells("bridge-missing", &["br-lost", "ovs-vsctl add-br br-lost"]);
    report.tells("bridge-mapping-malformed", &["'nonsense'"]);
    report.tells("remote-missing", &["ovn-remote"]);
    report.is_silent_about(&[
        "database-away",
        "system-id-missing",
        "hostname-missing",
        "capability-missing",
        "bgp-port-taken",
        "router-id-missing",
    ]);
    assert_eq!(node.namespace.kernel().unwrap(), before);
    assert_eq!(
        std::fs::read(nb.database()).unwrap(),
        rows,
        "check wrote to NB"
    );
    assert!(!node.dir.path().join("rt_tables").exists());
}

#[test]
fn a_dead_database_keeps_nothing_else_from_being_told() {
    if !can_run() {
        return;
    }
    let (mut nb, node) = lab();
    nb.stop();
    node.namespace
        .sysctl("net.ipv6.conf.all.forwarding", "0")
        .unwrap();
    let report = check(&node);
    report.tells(
        "database-away",
        &["OVN_Northbound", "nb.sock", "ovn_nb_connection"],
    );
    report.tells("forwarding-off", &["IPv6"]);
    let text = String::from_utf8(node.run(&["check"]).stdout).unwrap();
    assert!(text.contains("[database-away]\n    start it"), "{text}");
}

#[test]
fn one_dead_member_of_a_list_is_a_warning() {
    if !can_run() {
        return;
    }
    let (nb, node) = lab();
    let line = format!(
        "ovn_nb_connection = tcp:127.0.0.1:{},{}",
        free_port().unwrap(),
        nb.unix()
    );
    node.replace_line("ovn_nb_connection", &line);
    let report = check(&node);
    report.tells("database-member-away", &["tcp:127.0.0.1:"]);
    report.is_silent_about(&["database-away"]);
}

#[test]
fn a_stranger_behind_a_socket_and_an_old_schema_are_named() {
    if !can_run() {
        return;
    }
    let (nb, node) = lab();
    // The Southbound's address given for the Northbound's.
    let sb = OvsdbServer::from_schema(&Place::host(), node.dir.path(), Schema::Southbound).unwrap();
    node.replace_line(
        "ovn_nb_connection",
        &format!("ovn_nb_connection = {}", sb.unix()),
    );
    check(&node).tells("database-refused", &["OVN_Northbound", "6642"]);
    drop(nb);
    // Debian 12 has OVN 23.03.
    let dir = node.dir.path().join("old");
    std::fs::create_dir(&dir).unwrap();
    let old = OvsdbServer::from_schema(&Place::host(), &dir, Schema::Northbound).unwrap();
    node.replace_line(
        "ovn_nb_connection",
        &format!("ovn_nb_connection = {}", old.unix()),
    );
    let schema = std::fs::read_to_string(Schema::Northbound.path()).unwrap();
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let columns = &schema["tables"]["Logical_Router_Port"]["columns"];
    let report = check(&node);
    assert_eq!(report.has("ovn-too-old"), columns["status"].is_null());
    if report.has("ovn-too-old") {
        report.tells("ovn-too-old", &["Logical_Router_Port.status", "23.09"]);
    }
    report.tells("fip-mode-unset", &["neutron:fip-distributed"]);
}

#[test]
fn tls_trouble_is_named() {
    if !can_run() {
        return;
    }
    require!(Need::Program("openssl"));
    let (mut nb, node) = lab();
    let (ours, theirs) = (node.dir.path().join("ours"), node.dir.path().join("theirs"));
    let [ours, theirs] = [ours, theirs].map(|dir| {
        std::fs::create_dir(&dir).unwrap();
        Pki::new(&dir).unwrap()
    });
    let client = ours.issue("client").unwrap();
    let remote = nb.listen_ssl(&theirs.issue("server").unwrap()).unwrap();
    // Loopback is another one inside the node's network namespace.
    let config = node.dir.path().join("tls.conf");
    let text = format!(
        "[DEFAULT]\ndriver = nb_ovn_bgp_driver\novsdb_connection = {}\ncontrol_socket =\n[ovn]\novn_nb_connection = {remote}\n\
         ovn_nb_private_key = {}\novn_nb_certificate = {}\novn_nb_ca_cert = {}\n",
        node.switch.remote(),
        client.key.display(),
        client.certificate.display(),
        client.ca.display()
    );
    std::fs::write(&config, text).unwrap();
    let report = Report::of(&on_the_host(&config, &[]));
    report.tells(
        "database-tls",
        &["OVN_Northbound", "ca.crt", "does not vouch for"],
    );
    let gone = std::fs::read_to_string(&config)
        .unwrap()
        .replace("client.key", "no.key");
    std::fs::write(&config, gone).unwrap();
    Report::of(&on_the_host(&config, &[])).tells("database-tls", &["no.key"]);
}

/// `check --json` with this configuration, outside of any namespace, behind a program such as setpriv.
fn on_the_host(config: &Path, before: &[&str]) -> Output {
    let agent = env!("CARGO_BIN_EXE_ovn-bgp-agent");
    let words = [before, &[agent]].concat();
    let mut command = Command::new(words[0]);
    command
        .args(&words[1..])
        .arg("--config-file")
        .arg(config)
        .args(["check", "--json"]);
    command.output().unwrap()
}

#[test]
fn a_user_without_permission_is_told_which_group_to_join() {
    if !can_run() {
        return;
    }
    require!(Need::Program("setpriv"));
    let (_nb, node) = lab();
    let socket = node.switch.remote().trim_start_matches("unix:").to_owned();
    let nobody = [
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
    ];
    let copy = node.dir.path().join("ovn-bgp-agent");
    std::fs::copy(env!("CARGO_BIN_EXE_ovn-bgp-agent"), &copy).unwrap();
    let run = |before: &[&str]| {
        let mut command = Command::new(before[0]);
        command.args(&before[1..]).arg(&copy);
        command
            .arg("--config-file")
            .arg(node.dir.path().join("bgp-agent.conf"));
        Report::of(&command.args(["check", "--json"]).output().unwrap())
    };
    let sh = |line: &str| {
        assert!(
            Command::new("sh")
                .args(["-ec", line])
                .status()
                .unwrap()
                .success()
        )
    };
    sh(&format!("chgrp daemon {socket} && chmod 0770 {socket}"));
    let report = run(&nobody);
    assert_eq!(report.status, 1);
    report.tells(
        "database-denied",
        &[
            "Open_vSwitch",
            "socket",
            "root:daemon with mode 0770",
            "usermod -aG daemon",
        ],
    );
    report.tells("capability-missing", &["CAP_NET_ADMIN"]);
    let member = [
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--groups=daemon",
    ];
    let allowed = run(&member);
    assert!(
        !allowed
            .findings
            .iter()
            .any(|f| f["place"].to_string().contains("Open_vSwitch unix:")),
        "{:#?}",
        allowed.findings
    );
    // A directory on the way, closed to all but its owner.
    let dir = Path::new(&socket).parent().unwrap().display().to_string();
    sh(&format!("chmod 0700 {dir}"));
    run(&member).tells("database-denied", &["directory", &dir, "run as root"]);
}

#[test]
fn network_manager_and_read_only_sysctls_are_seen_where_they_are() {
    if !can_run() {
        return;
    }
    let (_nb, node) = lab();
    let managed = "mount -t tmpfs none /run && mkdir -p /run/NetworkManager/devices && \
        printf '[device]\\nmanaged=true\\n' > /run/NetworkManager/devices/$(cat /sys/class/net/br-ex/ifindex)";
    check_behind(&node, managed).tells(
        "network-manager",
        &["br-ex", "unmanaged-devices=interface-name:br-ex"],
    );
    let read_only = "mount --bind /proc/sys /proc/sys && mount -o remount,ro,bind /proc/sys";
    check_behind(&node, read_only).tells("sysctls-read-only", &["net.ipv4.conf.br-ex.proxy_arp=1"]);
    check(&node).is_silent_about(&["network-manager", "sysctls-read-only"]);
}

/// What the kernel has is told, or that nobody can tell: never that all is well.
#[test]
fn the_modules_of_the_backend_frr_are_there_or_missed_or_unknown() {
    if !can_run() {
        return;
    }
    let (_nb, node) = lab();
    node.configure("bgp_backend = frr");
    let report = check(&node);
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let files = Path::new("/lib/modules").join(release.trim());
    let loaded = std::fs::read_to_string("/proc/modules").unwrap_or_default();
    let listed = ["modules.dep", "modules.builtin"]
        .map(|file| std::fs::read_to_string(files.join(file)).unwrap_or_default())
        .concat();
    for module in ["vrf", "dummy"] {
        let place = format!("kernel module {module}");
        let is_loaded = loaded
            .lines()
            .any(|line| line.starts_with(&format!("{module} ")));
        if is_loaded || listed.contains(&format!("/{module}.ko")) {
            assert!(
                !report.findings.iter().any(|f| f["place"] == *place),
                "{:#?}",
                report.findings
            );
        } else if listed.is_empty() {
            report.tells("not-seen", &[&place]);
        } else {
            report.tells("kernel-module-missing", &[&place]);
        }
    }
}

#[test]
fn whoever_has_our_port_or_works_beside_us_is_named() {
    if !can_run() {
        return;
    }
    require!(Need::Program("python3"));
    let (_nb, node) = lab();
    check(&node).is_silent_about(&["bgp-port-taken", "frr-beside", "python-agent"]);
    let dir = node.dir.path();
    let bgpd = dir.join("bgpd");
    std::fs::copy("/usr/bin/sleep", &bgpd).unwrap();
    let script = dir.join("ovn-bgp-agent");
    std::fs::write(&script, "import time\ntime.sleep(600)\n").unwrap();
    let mut sleep = node.namespace.command(bgpd.to_str().unwrap());
    let _bgpd = Daemon::spawn("bgpd", dir, sleep.arg("600")).unwrap();
    let mut python = node.namespace.command("python3");
    let _python = Daemon::spawn("python", dir, python.arg(&script)).unwrap();
    let both = || {
        let report = check(&node);
        report.has("frr-beside") && report.has("python-agent")
    };
    wait_until(agent_node::DEADLINE, "both programs", both).unwrap();
    let listener = node
        .namespace
        .inside(|| TcpListener::bind(("0.0.0.0", 179)).unwrap())
        .unwrap();
    check(&node).tells("bgp-port-taken", &["179", "FRR's bgpd runs"]);
    drop(listener);
}

#[test]
fn the_running_agents_own_ports_are_nobody_elses() {
    if !can_run() {
        return;
    }
    let (_nb, mut node) = lab();
    node.start_agent();
    node.expect_end_of_rib(1);
    check(&node).is_silent_about(&["bgp-port-taken", "frr-beside", "python-agent"]);
}

#[test]
fn names_that_ovn_spells_otherwise_are_told() {
    if !can_run() {
        return;
    }
    let (nb, node) = lab();
    nb.transact(&agent_node::cloud::boot(agent_node::cloud::Vm(10)))
        .unwrap();
    let snapshot =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/snap/00_empty/sb.db.gz");
    let sb = OvsdbServer::from_file(&Place::host(), node.dir.path(), "sb", &snapshot).unwrap();
    node.configure_section("ovn", &format!("ovn_sb_connection = {}", sb.unix()));
    check(&node).tells("chassis-missing", &["chassis-1"]);
    let insert = "[\"OVN_Southbound\", {\"op\": \"update\", \"table\": \"Chassis\", \"where\": [[\"hostname\", \"==\", \"compute-1\"]], \
        \"row\": {\"name\": \"chassis-1\", \"hostname\": \"host-1\"}}]";
    sb.transact(&serde_json::from_str(insert).unwrap()).unwrap();
    check(&node).is_silent_about(&["chassis-missing", "hostname-differs", "hostname-spelling"]);
    let renamed = "external-ids:hostname=host-1.example.org";
    node.switch.vsctl(&["set", "open", ".", renamed]).unwrap();
    let report = check(&node);
    report.tells(
        "hostname-spelling",
        &["host-1.example.org", "bound to host-1"],
    );
    report.tells("hostname-differs", &["its hostname is host-1"]);
}
