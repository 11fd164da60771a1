//! The OVSDB client when servers go away, hang, step down or renew their certificates.
#![allow(
    clippy::disallowed_methods,
    reason = "tests signal the servers they started"
)]

mod ovsdb_view;

use std::path::Path;
use std::time::Duration;

use interop::ovsdb::{OvsdbCluster, OvsdbServer, Schema};
use interop::pki::{Identity, Pki};
use interop::{Generation, Need, Place, require, scratch};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use ovn_bgp_agent::ovsdb::{ClientConfig, Columns, ConnectionError, Model, Operation, TlsFiles};
use ovsdb_view::{View, config, switches};

fn add(name: &str) -> Vec<Operation> {
    let row = Columns::from([("name".to_owned(), name.into())]);
    vec![Operation::Insert {
        table: "Logical_Switch".to_owned(),
        row,
        uuid_name: None,
    }]
}

#[tokio::test]
async fn follows_the_leader_of_a_cluster_when_it_is_killed() {
    require!(Need::Root, Need::Program("ovsdb-server"), Need::Trixie);
    for place in Generation::ALL.map(|generation| Place::host().with(generation)) {
        let dir = scratch().unwrap();
        let mut cluster = OvsdbCluster::new(&place, dir.path(), Schema::Northbound).unwrap();
        let config = ClientConfig {
            leader_only: true,
            ..config(&cluster.remotes())
        };
        let mut view = View::open(config, switches());
        view.synced(1).await;
        let leader = cluster.leader().unwrap();
        let facts = view.facts.clone().unwrap();
        assert_eq!((facts.model, facts.leader), (Some(Model::Clustered), true));
        assert_eq!(facts.remote.to_string(), cluster.remote(leader));
        view.handle.transact(add("a")).await.unwrap();
        cluster.server(leader).kill();
        let syncs = view.synced.len();
        assert!(
            view.synced(syncs + 1).await,
            "history is replicated, so no dump is due"
        );
        let next = cluster.leader().unwrap();
        assert_ne!(next, leader);
        assert_eq!(
            view.facts.as_ref().unwrap().remote.to_string(),
            cluster.remote(next)
        );
        view.handle.transact(add("b")).await.unwrap();
        view.until("both switches", |view| view.names() == ["a", "b"])
            .await;
        assert_eq!(view.changes, [1, 1]);
    }
}

#[tokio::test]
async fn leaves_a_server_that_hangs() {
    require!(Need::Program("ovsdb-server"));
    let (one, two) = (scratch().unwrap(), scratch().unwrap());
    let open =
        |dir: &Path| OvsdbServer::from_schema(&Place::host(), dir, Schema::Northbound).unwrap();
    let (one, two) = (open(one.path()), open(two.path()));
    let config = ClientConfig {
        probe_interval: Some(Duration::from_millis(200)),
        ..config(&format!("{},{}", one.unix(), two.unix()))
    };
    let mut view = View::open(config, switches());
    view.synced(1).await;
    let first = view.facts.as_ref().unwrap().remote.to_string();
    let hung = if first == one.unix() { &one } else { &two };
    let pid = Pid::from_raw(hung.pid().unwrap().cast_signed());
    kill(pid, Signal::SIGSTOP).unwrap();
    view.until("fail-over", |view| {
        view.facts.as_ref().unwrap().remote.to_string() != first
    })
    .await;
    assert!(matches!(view.errors[0].1, ConnectionError::Inactive(_)));
    kill(pid, Signal::SIGCONT).unwrap();
}

#[tokio::test]
async fn an_idle_server_that_answers_probes_keeps_its_client() {
    require!(Need::Program("ovsdb-server"));
    let dir = scratch().unwrap();
    let nb = OvsdbServer::from_schema(&Place::host(), dir.path(), Schema::Northbound).unwrap();
    let interval = Duration::from_millis(500);
    let config = ClientConfig {
        probe_interval: Some(interval),
        ..config(&nb.unix())
    };
    let mut view = View::open(config, switches());
    view.synced(1).await;
    let before = view.handle.status().messages;
    let deadline = tokio::time::Instant::now() + ovsdb_view::PATIENCE;
    while view.handle.status().messages < before + 3 {
        assert!(
            tokio::time::Instant::now() < deadline,
            "no probe was answered"
        );
        let event = tokio::time::timeout(interval / 10, view.events.recv()).await;
        assert!(event.is_err(), "{event:?}");
    }
}

fn files(identity: &Identity) -> TlsFiles {
    TlsFiles {
        certificate: identity.certificate.clone(),
        private_key: identity.key.clone(),
        ca_certificate: identity.ca.clone(),
    }
}

#[tokio::test]
async fn speaks_tls_and_takes_up_renewed_certificates() {
    require!(
        Need::Root,
        Need::Program("ovsdb-server"),
        Need::Program("openssl"),
        Need::Trixie
    );
    for place in Generation::ALL.map(|generation| Place::host().with(generation)) {
        let (dir, other) = (scratch().unwrap(), scratch().unwrap());
        let pki = Pki::new(dir.path()).unwrap();
        let (server, client) = (pki.issue("server").unwrap(), pki.issue("client").unwrap());
        let mut nb = OvsdbServer::from_schema(&place, dir.path(), Schema::Northbound).unwrap();
        let remote = nb.listen_ssl(&server).unwrap();
        // At first the client's files are of another CA: neither side trusts the other.
        let stranger = Pki::new(other.path()).unwrap().issue("client").unwrap();
        let mut view = View::open(
            ClientConfig {
                tls: Some(files(&stranger)),
                ..config(&remote)
            },
            switches(),
        );
        view.until("refusal", |view| !view.errors.is_empty()).await;
        assert!(
            matches!(&view.errors[0].1, ConnectionError::Tls(text) if text.contains("does not vouch for the server's certificate")),
            "{:?}",
            view.errors
        );
        for (from, to) in [
            (&client.key, &stranger.key),
            (&client.certificate, &stranger.certificate),
            (&client.ca, &stranger.ca),
        ] {
            std::fs::copy(from, to).unwrap();
        }
        view.synced(1).await;
        view.handle.transact(add("a")).await.unwrap();
        view.until("row", |view| view.names() == ["a"]).await;
    }
}

#[tokio::test]
async fn checks_the_chain_of_ovs_pki_certificates_and_not_their_names() {
    require!(Need::Program("ovsdb-server"), Need::Program("ovs-pki"));
    let dir = scratch().unwrap();
    let pki = |words: &[&str]| {
        let mut command = std::process::Command::new("ovs-pki");
        command
            .current_dir(dir.path())
            .arg(format!("--dir={}/pki", dir.path().display()));
        interop::output(
            command
                .arg(format!("--log={}/log", dir.path().display()))
                .args(words),
        )
        .unwrap();
    };
    pki(&["init"]);
    pki(&["req+sign", "sc", "switch"]);
    let identity = Identity {
        key: dir.path().join("sc-privkey.pem"),
        certificate: dir.path().join("sc-cert.pem"),
        ca: dir.path().join("pki/switchca/cacert.pem"),
    };
    let mut nb = OvsdbServer::from_schema(&Place::host(), dir.path(), Schema::Northbound).unwrap();
    let remote = nb.listen_ssl(&identity).unwrap();
    let mut view = View::open(
        ClientConfig {
            tls: Some(files(&identity)),
            ..config(&remote)
        },
        switches(),
    );
    view.synced(1).await;
    assert_eq!(view.errors.len(), 0);
}
