//! Proof 1 of the spine with the real binary: `plan`, `check` and a rejected configuration, as an
//! operator types them, against databases that a real Neutron wrote.
#![allow(
    clippy::disallowed_methods,
    reason = "the agent is a program here, and iproute2 the judge"
)]

mod snapshot;

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use interop::ovsdb::{OvsdbServer, Schema};
use interop::{Namespace, Need, Place, require};
use ipnet::IpNet;
use serde_json::Value;

/// Snapshots that are served at the same time.
const WORKERS: usize = 5;

#[test]
fn every_node_plans_what_is_expected_and_writes_nothing() {
    require!(
        Need::Root,
        Need::Program("ip"),
        Need::Program("ovsdb-server")
    );
    let namespace = Namespace::new("plan").unwrap();
    let before = namespace.kernel().unwrap();
    let snapshots = snapshot::all();
    assert_eq!(snapshots.len(), 20);
    std::thread::scope(|scope| {
        for share in snapshots.chunks(snapshots.len().div_ceil(WORKERS)) {
            let namespace = &namespace;
            scope.spawn(move || {
                for dir in share {
                    plans_of(dir, namespace);
                }
            });
        }
    });
    assert_eq!(namespace.kernel().unwrap(), before, "plan changed the node");
}

#[test]
fn an_unreachable_northbound_is_named() {
    require!(Need::Root, Need::Program("ovsdb-server"));
    let scratch = interop::scratch().unwrap();
    let node = Node::with_ids(scratch.path(), "external-ids:system-id=chassis-1");
    let config = node.config("unix:/nowhere/nb.sock");
    let output = run(node.command(&config, &["plan", "--json"]));
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(output.stdout, b"");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(error.contains("cannot reach OVN_Northbound"), "{error}");
    assert!(error.contains("unix:/nowhere/nb.sock"), "{error}");
}

/// The time for reaching a database is not the time that it may take to send a large cloud.
#[test]
fn a_database_that_is_slow_to_send_its_rows_is_waited_for() {
    require!(Need::Root, Need::Program("ovsdb-server"));
    let scratch = interop::scratch().unwrap();
    let node = Node::with_ids(scratch.path(), "external-ids:system-id=chassis-1");
    let nb = OvsdbServer::from_schema(&Place::host(), scratch.path(), Schema::Northbound).unwrap();
    let listener = UnixListener::bind(scratch.path().join("slow.sock")).unwrap();
    let server = nb.unix().trim_start_matches("unix:").to_owned();
    std::thread::spawn(move || slow(&listener, &server));
    let remote = format!("unix:{}", scratch.path().join("slow.sock").display());
    let config = node.config(&remote);
    let text = std::fs::read_to_string(&config).unwrap();
    let short = text.replace("[ovn]", "[ovn]\novsdb_connection_timeout = 1");
    std::fs::write(&config, short).unwrap();
    let began = Instant::now();
    let output = run(node.command(&config, &["plan", "--json"]));
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{error}");
    assert!(began.elapsed() > SLOWNESS, "it was not slow");
}

/// How long a slow server takes to send rows: longer than the time for reaching it.
const SLOWNESS: Duration = Duration::from_millis(2500);

/// Passes everything on, but what follows the question for rows of OVN_Northbound late.
fn slow(listener: &UnixListener, server: &str) {
    for client in listener.incoming() {
        let (client, server) = (client.unwrap(), UnixStream::connect(server).unwrap());
        let asked = Arc::new(AtomicBool::new(false));
        let (to_server, from_client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
        let noted = Arc::clone(&asked);
        std::thread::spawn(move || {
            pass(from_client, to_server, |bytes| {
                let text = String::from_utf8_lossy(bytes);
                let rows = text.contains("\"monitor_cond") && text.contains("Logical_Switch");
                noted.fetch_or(rows, Ordering::SeqCst);
            });
        });
        std::thread::spawn(move || {
            let mut late = false;
            pass(server, client, |_| {
                if asked.load(Ordering::SeqCst) && !std::mem::replace(&mut late, true) {
                    std::thread::sleep(SLOWNESS);
                }
            });
        });
    }
}

fn pass(mut from: UnixStream, mut to: UnixStream, mut before: impl FnMut(&[u8])) {
    let mut buffer = vec![0; 1 << 20];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        before(&buffer[..length]);
        if to.write_all(&buffer[..length]).is_err() {
            return;
        }
    }
}

#[test]
fn b001_a_node_without_a_system_id_has_no_plan() {
    require!(Need::Root, Need::Program("ovsdb-server"));
    let scratch = interop::scratch().unwrap();
    let node = Node::with_ids(scratch.path(), "external-ids:hostname=host-1");
    let nb = OvsdbServer::from_schema(&Place::host(), scratch.path(), Schema::Northbound).unwrap();
    let config = node.config(&nb.unix());
    for words in [&["plan"][..], &["plan", "--json"], &["run"]] {
        let output = run(node.command(&config, words));
        assert_eq!(output.status.code(), Some(1), "{words:?}");
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(error.contains("system-id"), "{words:?}: {error}");
    }
}

#[test]
fn check_names_every_problem_and_exits_with_1() {
    require!(Need::Root, Need::Program("ovsdb-server"));
    let scratch = interop::scratch().unwrap();
    let node = Node::with_ids(
        scratch.path(),
        "external-ids:ovn-bridge-mappings=physnet1:br-lost",
    );
    let config = node.config("unix:/nowhere/nb.sock");
    let output = run(node.command(&config, &["check"]));
    assert_eq!(output.status.code(), Some(1));
    let report = String::from_utf8_lossy(&output.stdout).into_owned();
    for problem in ["system-id", "br-lost"] {
        assert!(report.contains(problem), "{problem}: {report}");
    }
}

#[test]
fn a_bad_value_stops_every_command_with_its_place_and_what_is_allowed() {
    let scratch = interop::scratch().unwrap();
    let config = scratch.path().join("bgp-agent.conf");
    let text = "[DEFAULT]\ndriver = nb_ovn_bgp_driver\nexposing_method = overlay\n";
    std::fs::write(&config, text).unwrap();
    for word in ["run", "plan"] {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_ovn-bgp-agent"));
        command.arg("--config-file").arg(&config).arg(word);
        let output = run(command);
        assert_eq!(output.status.code(), Some(1), "{word}");
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        let place = format!("{}:3", config.display());
        for part in [&place, "exposing_method", "overlay", "underlay"] {
            assert!(error.contains(part), "{word}: no {part}: {error}");
        }
    }
}

/// Plans for every node of one snapshot, all at the same time.
fn plans_of(dir: &Path, namespace: &Namespace) {
    let scratch = interop::scratch().unwrap();
    let nb = serve(dir, "nb", scratch.path());
    let expected = snapshot::expected(dir);
    let nodes: Vec<_> = expected
        .iter()
        .map(|(host, prefixes)| {
            let database = serve(dir, &format!("ovs-{host}"), scratch.path());
            let place = Place::inside(namespace);
            let node = Node::new(place, &scratch.path().join(host), database);
            let config = node.config(&nb.unix());
            let mut command = node.command(&config, &["plan", "--json"]);
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
            (host, prefixes, node, command.spawn().unwrap())
        })
        .collect();
    for (host, prefixes, node, child) in nodes {
        let output = child.wait_with_output().unwrap();
        let context = format!("{} on {host}", dir.display());
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{context}: {errors}");
        let plan: Value = serde_json::from_slice(&output.stdout).unwrap();
        has_the_contracts_fields(&plan, &context);
        assert_eq!(plan["chassis"]["name"], **host, "{context}");
        assert_eq!(plan["chassis"]["id"], node.system_id(), "{context}");
        let planned: BTreeSet<String> = texts(&plan["exposures"], "prefix").collect();
        assert_eq!(planned, *prefixes, "{context}");
        // Nothing is wired yet: each exposure needs a rule.
        let rules: BTreeSet<String> = items(&plan["changes"])
            .filter(|change| change["object"] == "rule" && change["op"] == "add")
            .map(|change| text(&change["spec"]["to"]))
            .collect();
        assert_eq!(rules, *prefixes, "{context}");
        node.is_unwritten(&context);
    }
    let file = std::fs::read(nb.database()).unwrap();
    assert_eq!(file, unpacked(&dir.join("nb.db.gz")), "plan wrote to NB");
}

/// The JSON document has the fields that `plan --json` is documented with, no more and no fewer.
fn has_the_contracts_fields(plan: &Value, context: &str) {
    let fields = |value: &Value, names: &[&str]| {
        let found: BTreeSet<_> = value.as_object().unwrap().keys().map(|k| &**k).collect();
        let names: BTreeSet<_> = names.iter().copied().collect();
        assert_eq!(found, names, "{context}: {value}");
    };
    let top = "chassis driver exposing_method exposures withheld changes";
    fields(plan, &words(top));
    fields(&plan["chassis"], &["name", "id"]);
    assert_eq!(plan["driver"], "nb_ovn_bgp_driver");
    assert_eq!(plan["exposing_method"], "underlay");
    for exposure in items(&plan["exposures"]) {
        let names = "prefix kind port network bridge vlan vni via reason";
        fields(exposure, &words(names));
        let kinds = words("provider fip tenant subnet gateway lb-vip lb-fip port-forwarding");
        assert!(kinds.contains(&&*text(&exposure["kind"])), "{exposure}");
        assert!(!text(&exposure["reason"]).is_empty(), "{exposure}");
    }
    for withheld in items(&plan["withheld"]) {
        fields(withheld, &words("prefix kind port code reason"));
        assert!(!text(&withheld["reason"]).is_empty(), "{withheld}");
    }
    for change in items(&plan["changes"]) {
        fields(change, &["op", "object", "spec"]);
        let ops = ["add", "replace", "remove"];
        assert!(ops.contains(&&*text(&change["op"])), "{change}");
        assert!(change["spec"].is_object(), "{change}");
    }
    for list in ["exposures", "withheld"] {
        let prefixes: Vec<IpNet> = texts(&plan[list], "prefix")
            .map(|prefix| prefix.parse().unwrap())
            .collect();
        assert!(prefixes.is_sorted(), "{context}: {list} {prefixes:?}");
    }
}

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().unwrap().iter()
}

fn texts<'a>(list: &'a Value, field: &'a str) -> impl Iterator<Item = String> + 'a {
    items(list).map(move |item| text(&item[field]))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// One node as far as `plan` sees it: an Open_vSwitch database, without a switch behind it.
struct Node {
    place: Place,
    dir: PathBuf,
    database: OvsdbServer,
    content: Vec<u8>,
}

impl Node {
    fn new(place: Place, dir: &Path, database: OvsdbServer) -> Self {
        std::fs::create_dir_all(dir).unwrap();
        Self {
            place,
            dir: dir.to_owned(),
            content: std::fs::read(database.database()).unwrap(),
            database,
        }
    }

    /// A fresh database with these words about the node.
    fn with_ids(dir: &Path, ids: &str) -> Self {
        let place = Place::host();
        let database = OvsdbServer::from_schema(&place, dir, Schema::OpenVSwitch).unwrap();
        database.vsctl(&["init"]).unwrap();
        database.vsctl(&["set", "open", ".", ids]).unwrap();
        Self::new(place, &dir.join("node"), database)
    }

    fn config(&self, northbound: &str) -> PathBuf {
        let path = self.dir.join("bgp-agent.conf");
        let text = format!(
            "[DEFAULT]\ndriver = nb_ovn_bgp_driver\novsdb_connection = {}\ncontrol_socket =\n\
             [ovn]\novn_nb_connection = {northbound}\n",
            self.database.unix()
        );
        std::fs::write(&path, text).unwrap();
        path
    }

    fn command(&self, config: &Path, words: &[&str]) -> std::process::Command {
        let program = env!("CARGO_BIN_EXE_ovn-bgp-agent");
        let mut command = self.place.command(program).unwrap();
        command.arg("--config-file").arg(config).args(words);
        command.env("RT_TABLES", self.dir.join("rt_tables"));
        command
    }

    fn system_id(&self) -> String {
        let words = ["get", "open", ".", "external_ids:system-id"];
        let id = self.database.vsctl(&words).unwrap();
        id.trim().trim_matches('"').to_owned()
    }

    fn is_unwritten(&self, context: &str) {
        let now = std::fs::read(self.database.database()).unwrap();
        assert!(now == self.content, "{context}: plan wrote to Open_vSwitch");
        assert!(!self.dir.join("rt_tables").exists(), "{context}");
    }
}

fn serve(dir: &Path, name: &str, scratch: &Path) -> OvsdbServer {
    let file = dir.join(format!("{name}.db.gz"));
    OvsdbServer::from_file(&Place::host(), scratch, name, &file).unwrap()
}

fn unpacked(file: &Path) -> Vec<u8> {
    let mut content = Vec::new();
    let file = std::fs::File::open(file).unwrap();
    Read::read_to_end(&mut flate2::read::GzDecoder::new(file), &mut content).unwrap();
    content
}

fn run(mut command: std::process::Command) -> Output {
    command.stdin(Stdio::null()).output().unwrap()
}
