//! What `check` wants to know of the node that only a database tells.

use std::collections::BTreeMap;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::advertise::frr::Vtysh;
use crate::cli::check::{FrrFacts, NodeFacts, SocketFact};
use crate::config::{Backend, Config};
use crate::ovsdb::{
    Change, Client, ClientConfig, Condition, Datum, Monitor, Remote, Unreachable, until_synced,
};

const PATIENCE: Duration = Duration::from_secs(5);

/// Reads the facts that `check` judges. Nothing is written.
pub async fn node_facts(config: &Config) -> NodeFacts {
    let mut facts = NodeFacts::read();
    match read_vswitch(&config.ovn.ovsdb_connection).await {
        Ok(changes) => {
            facts.ovsdb = SocketFact::Reachable;
            for change in &changes {
                take(&mut facts, change);
            }
        }
        Err(error) => facts.ovsdb = reach(&config.ovn.ovsdb_connection, &error),
    }
    if config.agent.bgp_backend != Backend::Embedded {
        facts.frr = Some(frr_facts(config).await);
    }
    facts
}

async fn frr_facts(config: &Config) -> FrrFacts {
    let agent = &config.agent;
    let bgpd = UnixStream::connect(agent.frr_vty_socket.join("bgpd.vty"));
    let vtysh = Vtysh {
        program: agent.frr_vtysh.clone(),
        sockets: agent.frr_vty_socket.clone(),
    };
    let running = vtysh.show("show running-config").await;
    FrrFacts {
        bgpd: bgpd.map(drop).into(),
        running: running.map_err(|error| error.to_string()),
    }
}

async fn read_vswitch(connection: &str) -> Result<Vec<Change>, String> {
    let remotes = Remote::parse_list(connection).map_err(|error| error.to_string())?;
    let monitor = Monitor::default()
        .with_table("Open_vSwitch", &["external_ids"], Condition::All)
        .with_table("Bridge", &["name"], Condition::All);
    let (_handle, mut events) = Client::spawn(ClientConfig::new("Open_vSwitch", remotes), monitor);
    let rows: Result<_, Unreachable> = until_synced("Open_vSwitch", &mut events, 0, PATIENCE).await;
    rows.map_err(|error| error.to_string())
}

/// For a unix socket its own error says more than the client's.
fn reach(connection: &str, error: &str) -> SocketFact {
    let path = connection.strip_prefix("unix:");
    match path.map(|path| UnixStream::connect(path).map(drop).into()) {
        None | Some(SocketFact::Reachable) => SocketFact::Failed(error.to_owned()),
        Some(fact) => fact,
    }
}

fn take(facts: &mut NodeFacts, change: &Change) {
    let Some(datum) = change.new.as_ref().and_then(|row| row.get(0)) else {
        return;
    };
    match &*change.table {
        "Bridge" => {
            if let Some(name) = datum.as_str() {
                facts.bridge(name);
            }
        }
        _ => facts.external_ids = strings(datum),
    }
}

fn strings(map: &Datum) -> BTreeMap<String, String> {
    let pairs = map.pairs().iter();
    pairs
        .filter_map(|(key, value)| Some((key.as_str()?.to_owned(), value.as_str()?.to_owned())))
        .collect()
}
