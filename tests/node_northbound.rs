//! A Northbound database that goes and comes back, and one that is reached by TLS.

mod agent_node;

use std::path::{Path, PathBuf};

use agent_node::cloud::{self, Vm};
use agent_node::*;
use interop::collector::Event;
use interop::ovsdb::OvsdbServer;
use interop::pki::{Identity, Pki};
use interop::{Need, Place, require};

const NEEDS: [Need; 5] = [
    Need::Root,
    Need::Program("ip"),
    Need::Program("ovs-vswitchd"),
    Need::Program("ovsdb-server"),
    Need::Program("openssl"),
];

#[test]
fn b016_a_port_deleted_while_the_database_is_down_is_the_one_difference() {
    require!(NEEDS[0], NEEDS[1], NEEDS[2], NEEDS[3]);
    let (mut nb, mut node) = lab();
    for vm in 10..20 {
        nb.transact(&cloud::boot(Vm(vm))).unwrap();
    }
    node.start_agent();
    let all: Vec<String> = (10..20).map(|vm| Vm(vm).address()).collect();
    let mut wanted: Vec<&str> = all.iter().map(String::as_str).collect();
    node.expect(&wanted);
    let before = node.wiring();
    node.peer().forget();
    nb.stop();
    node.wait_for_log("OVN_Northbound is not connected");
    let file = nb.database().display().to_string();
    let deletion = cloud::delete(Vm(13)).to_string();
    Place::host()
        .run("ovsdb-tool", &["transact", &file, &deletion])
        .unwrap();
    let mut kernel = node.monitor();
    nb.start().unwrap();
    wanted.retain(|address| *address != "172.24.4.13");
    node.expect(&wanted);
    node.expect_wired("172.24.4.13", false);
    assert_eq!(node.history(), [Event::Withdrawn(host("172.24.4.13"))]);
    // Rule, route and neighbour go, each once; nothing else is touched. (The kernel announces that a
    // neighbour changes its state before it goes.)
    let heard = kernel.heard();
    let mut texts: Vec<&str> = heard.iter().map(|(_, line)| line.as_str()).collect();
    let of_it = |line: &&str| line.contains("172.24.4.13");
    assert!(texts.iter().all(of_it), "{texts:#?}");
    texts.retain(|line| line.starts_with("Deleted"));
    assert_eq!(texts.len(), 3, "{texts:#?}");
    let kept = before.iter().filter(|line| !line.contains("172.24.4.13"));
    assert_eq!(node.wiring(), kept.cloned().collect::<Vec<_>>());
}

/// Certificates of one place, in files that keep their names when they are renewed.
struct Files(PathBuf);

impl Files {
    fn new(dir: PathBuf) -> Self {
        std::fs::create_dir(&dir).unwrap();
        Self(dir)
    }

    fn put(&self, identity: &Identity) {
        let ours = self.identity();
        for (from, to) in [
            (&identity.key, &ours.key),
            (&identity.certificate, &ours.certificate),
            (&identity.ca, &ours.ca),
        ] {
            std::fs::copy(from, to).unwrap();
        }
    }

    fn identity(&self) -> Identity {
        Identity {
            key: self.0.join("key.pem"),
            certificate: self.0.join("cert.pem"),
            ca: self.0.join("ca.pem"),
        }
    }

    /// What `[ovn]` says of them.
    fn options(&self) -> String {
        let Identity {
            key,
            certificate,
            ca,
        } = self.identity();
        format!(
            "ovn_nb_private_key = {}\novn_nb_certificate = {}\novn_nb_ca_cert = {}\n",
            key.display(),
            certificate.display(),
            ca.display()
        )
    }
}

fn authority(dir: &Path, name: &str) -> Pki {
    let dir = dir.join(name);
    std::fs::create_dir(&dir).unwrap();
    Pki::new(&dir).unwrap()
}

/// A node whose agent is to reach the database by TLS, with files in `ours`; the server's in `theirs`.
fn lab_with_tls(pki: &Pki, scratch: &Path) -> (OvsdbServer, Node, Files, Files) {
    let ours = Files::new(scratch.join("ours"));
    let theirs = Files::new(scratch.join("theirs"));
    ours.put(&pki.issue("agent").unwrap());
    theirs.put(&pki.issue("server").unwrap());
    let node = Node::new(interop::scratch().unwrap(), "unix:/nowhere");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/snap/00_empty/nb.db.gz");
    let place = Place::inside(&node.namespace);
    let mut nb = OvsdbServer::from_file(&place, scratch, "nb", &file).unwrap();
    nb.transact(&cloud::provider_network()).unwrap();
    nb.transact(&cloud::boot(Vm(10))).unwrap();
    let remote = nb.listen_ssl(&theirs.identity()).unwrap();
    let conf = node.dir.path().join("bgp-agent.conf");
    let text = std::fs::read_to_string(&conf).unwrap();
    let text = text
        .replace(
            "ovn_nb_connection = unix:/nowhere\n",
            &format!("ovn_nb_connection = {remote}\n{}", ours.options()),
        )
        .replace("[DEFAULT]\n", "[DEFAULT]\novsdb_connection_timeout = 3\n");
    std::fs::write(&conf, text).unwrap();
    (nb, node, ours, theirs)
}

/// What `plan` says on its way to exit status 1.
fn refused_plan(node: &Node) -> String {
    let output = node.run(&["plan"]);
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn b017_tls_with_the_configured_files_and_a_ca_that_changes() {
    require!(NEEDS[0], NEEDS[1], NEEDS[2], NEEDS[3], NEEDS[4]);
    let scratch = interop::scratch().unwrap();
    let old = authority(scratch.path(), "old");
    let new = authority(scratch.path(), "new");
    let (mut nb, mut node, ours, theirs) = lab_with_tls(&old, scratch.path());
    assert!(node.says(&["plan"]).contains("172.24.4.10/32"));
    node.start_agent();
    node.expect(&["172.24.4.10"]);
    let wiring = node.wiring();
    node.peer().forget();

    theirs.put(&new.issue("server").unwrap());
    nb.restart().unwrap();
    let ca = ours.identity().ca.display().to_string();
    node.wait_for_log(&format!("CA certificate {ca} does not vouch for"));
    nb.transact(&cloud::boot(Vm(11))).unwrap();
    let said = refused_plan(&node);
    assert!(
        said.contains("OVN_Northbound") && said.contains(&ca),
        "{said}"
    );
    assert!(said.contains("does not vouch for"), "{said}");
    assert_eq!(node.history(), [], "nothing is withdrawn");
    assert_eq!(node.wiring(), wiring, "nothing is unwired");

    ours.put(&new.issue("agent").unwrap());
    node.expect(&["172.24.4.10", "172.24.4.11"]);
    assert_eq!(node.history(), [Event::Announced(host("172.24.4.11"))]);
}

#[test]
fn b017_an_agent_started_with_bad_files_waits_for_good_ones() {
    require!(NEEDS[0], NEEDS[1], NEEDS[2], NEEDS[3], NEEDS[4]);
    let scratch = interop::scratch().unwrap();
    let right = authority(scratch.path(), "right");
    let wrong = authority(scratch.path(), "wrong");
    let (_nb, mut node, ours, _theirs) = lab_with_tls(&right, scratch.path());
    let files = ours.identity();

    // a file that is not there
    std::fs::remove_file(&files.key).unwrap();
    let said = refused_plan(&node);
    let key = files.key.display().to_string();
    assert!(said.contains(&format!("private key {key}")), "{said}");
    node.launch_agent();
    node.wait_for_log(&format!("private key {key}"));

    // the right CA, and a certificate that another one has signed: the server refuses it
    let mut mixed = wrong.issue("agent").unwrap();
    mixed.ca = right.issue("agent").unwrap().ca;
    ours.put(&mixed);
    node.wait_for_log("does its CA vouch for");

    ours.put(&right.issue("agent").unwrap());
    node.expect(&["172.24.4.10"]);
    node.wait_for_log("BGP Agent Started...");
}
