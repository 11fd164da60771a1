//! Asks the databases, FRR and the running agent. The thin shell: it reads, decides nothing, and changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use futures_util::future::join_all;

use super::cloud::Rows;
use super::{Cloud, Database, Denial, File, FrrFacts, Machine, NodeFacts, Reach, Server};
use crate::advertise::frr::{Vtysh, With};
use crate::agent::southbound_scope;
use crate::config::{Backend, Config, Driver, OvnDatabase};
use crate::control::{self, Query};
use crate::kernel::rt_tables;
use crate::ovn::southbound::Scope;
use crate::ovn::{northbound, southbound, vswitch};
use crate::ovsdb::{
    Change, Client, ClientConfig, Condition, ConnectionError, Datum, Method, Monitor, Remote,
    Support, TlsFiles, until_synced,
};

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the rows of a large cloud may take.
const READING: Duration = Duration::from_secs(30);

/// Reads all that `check` judges; `rt_tables` is the file with the table names. Nothing is written.
pub async fn gather(config: &Config, rt_tables: &Path) -> NodeFacts {
    let mut machine = Machine::read();
    machine.add_tunnels().await;
    let switch = Source::vswitch(config);
    let vswitch = switch.look().await;
    let rows = switch
        .read(&vswitch, vswitch::monitor())
        .await
        .unwrap_or_default();
    let seen = switch
        .read(&vswitch, bridge_monitor())
        .await
        .unwrap_or_default();
    let (external_ids, bridges) = digest(&seen);
    let mut facts = NodeFacts {
        machine,
        rt_tables: match rt_tables::read(rt_tables) {
            Ok(text) => File::Text(text),
            Err(error) => File::Unreadable(error.to_string()),
        },
        vswitch,
        external_ids,
        bridges,
        agent_runs: control::ask(&config.agent.control_socket, &Query::Summary).is_ok(),
        ..NodeFacts::default()
    };
    ovn(config, &rows, &mut facts).await;
    if config.agent.bgp_backend != Backend::Embedded {
        facts.frr = Some(frr(config).await);
    }
    facts
}

/// A database, and what reaching it takes.
struct Source {
    name: &'static str,
    option: &'static str,
    /// Comma-separated; `None` where nothing says.
    remotes: Option<String>,
    tls: TlsFiles,
    /// What the agent would monitor there.
    monitor: Monitor,
}

impl Source {
    fn vswitch(config: &Config) -> Self {
        Self {
            name: "Open_vSwitch",
            option: "ovsdb_connection",
            remotes: Some(config.ovn.ovsdb_connection.clone()),
            tls: tls(&config.ovn.northbound),
            monitor: vswitch::monitor(),
        }
    }

    fn northbound(config: &Config, ids: &BTreeMap<String, String>) -> Self {
        let database = &config.ovn.northbound;
        Self {
            name: "OVN_Northbound",
            option: "ovn_nb_connection",
            remotes: database
                .connection
                .clone()
                .or_else(|| ids.get("ovn-nb-remote").cloned()),
            tls: tls(database),
            monitor: northbound::monitor(),
        }
    }

    fn southbound(config: &Config, ids: &BTreeMap<String, String>, scope: Scope) -> Self {
        let database = &config.ovn.southbound;
        Self {
            name: "OVN_Southbound",
            option: "ovn_sb_connection",
            remotes: database
                .connection
                .clone()
                .or_else(|| ids.get("ovn-remote").cloned()),
            tls: tls(database),
            monitor: southbound::monitor(scope),
        }
    }

    fn client(&self, remotes: Vec<Remote>) -> ClientConfig {
        let mut client = ClientConfig::new(self.name, remotes);
        client.tls = Some(self.tls.clone());
        client
    }

    /// Asks every server, all at the same time.
    async fn look(&self) -> Database {
        let list = self.remotes.as_deref().unwrap_or_default();
        let remotes = list
            .split(',')
            .map(str::trim)
            .filter(|remote| !remote.is_empty());
        Database {
            name: self.name.to_owned(),
            option: self.option.to_owned(),
            servers: join_all(remotes.map(|remote| self.server(remote))).await,
        }
    }

    async fn server(&self, text: &str) -> Server {
        let mut server = Server {
            remote: text.to_owned(),
            ..Server::default()
        };
        let remote: Remote = match text.parse() {
            Ok(remote) => remote,
            Err(error) => {
                server.reach = Reach::Refused(error.to_string());
                return server;
            }
        };
        // A table that there always is, with one row.
        let little =
            Monitor::default().with_table(global(self.name), &["external_ids"], Condition::All);
        let (handle, mut events) = Client::spawn(self.client(vec![remote.clone()]), little);
        server.reach = match until_synced(self.name, &mut events, 0, PATIENCE).await {
            Ok(_) => Reach::Answers,
            Err(error) => reach(&remote, error.last.map(|(_, error)| error)),
        };
        let status = handle.status().connected;
        server.has_conditions = status.is_none_or(|facts| facts.method != Method::Plain);
        if server.reach == Reach::Answers {
            server.missing = missing(&self.monitor, |table, column| {
                handle.server_has(table, column)
            });
        }
        server
    }

    /// The rows of a monitor, from the servers that answer; `None` if there is none.
    async fn read(&self, database: &Database, monitor: Monitor) -> Option<Vec<Change>> {
        let answering = database
            .servers
            .iter()
            .filter(|server| server.reach == Reach::Answers);
        let remotes: Vec<Remote> = answering
            .filter_map(|server| server.remote.parse().ok())
            .collect();
        if remotes.is_empty() {
            return None;
        }
        let (_handle, mut events) = Client::spawn(self.client(remotes), monitor);
        until_synced(self.name, &mut events, 0, READING).await.ok()
    }
}

fn tls(database: &OvnDatabase) -> TlsFiles {
    TlsFiles {
        certificate: database.tls.certificate.clone(),
        private_key: database.tls.private_key.clone(),
        ca_certificate: database.tls.ca_cert.clone(),
    }
}

fn global(database: &str) -> &'static str {
    match database {
        "OVN_Northbound" => "NB_Global",
        "OVN_Southbound" => "SB_Global",
        _ => "Open_vSwitch",
    }
}

/// What of a monitor a server lacks.
fn missing(monitor: &Monitor, has: impl Fn(&str, &str) -> Support) -> BTreeSet<String> {
    let mut missing = BTreeSet::new();
    for (table, monitored) in &monitor.tables {
        for column in &monitored.columns {
            match has(table, column) {
                Support::NoSuchTable => drop(missing.insert(table.clone())),
                Support::NoSuchColumn => drop(missing.insert(format!("{table}.{column}"))),
                Support::Yes | Support::Unknown => {}
            }
        }
    }
    missing
}

/// What an error says of a server. For a unix socket its own error says more than the client's.
fn reach(remote: &Remote, error: Option<ConnectionError>) -> Reach {
    if let Remote::Unix(path) = remote
        && let Some(reach) = socket(path)
    {
        return reach;
    }
    match error {
        None => Reach::Away(format!("no answer within {PATIENCE:?}")),
        Some(ConnectionError::Tls(why)) => Reach::Tls(why),
        Some(
            error @ (ConnectionError::NoDatabase(_)
            | ConnectionError::Refused { .. }
            | ConnectionError::Malformed(_)),
        ) => Reach::Refused(error.to_string()),
        Some(error) => Reach::Away(error.to_string()),
    }
}

/// Why a unix socket cannot be connected to; `None` if it can.
fn socket(path: &Path) -> Option<Reach> {
    let error = UnixStream::connect(path).err()?;
    let denial = || Denial::on_the_way_to(path).map(Reach::Denied);
    let away = match error.kind() {
        ErrorKind::PermissionDenied => {
            return denial().or_else(|| Some(Reach::Away(error.to_string())));
        }
        ErrorKind::NotFound => "nothing listens there: there is no such socket".to_owned(),
        ErrorKind::ConnectionRefused => "nothing listens there".to_owned(),
        _ => error.to_string(),
    };
    Some(Reach::Away(away))
}

fn bridge_monitor() -> Monitor {
    Monitor::default()
        .with_table("Open_vSwitch", &["external_ids"], Condition::All)
        .with_table("Bridge", &["name"], Condition::All)
}

fn digest(changes: &[Change]) -> (BTreeMap<String, String>, BTreeSet<String>) {
    let (mut ids, mut bridges) = (BTreeMap::new(), BTreeSet::new());
    for change in changes {
        let Some(datum) = change.new.as_ref().and_then(|row| row.get(0)) else {
            continue;
        };
        match &*change.table {
            "Bridge" => bridges.extend(datum.as_str().map(str::to_owned)),
            _ => ids = strings(datum),
        }
    }
    (ids, bridges)
}

fn strings(map: &Datum) -> BTreeMap<String, String> {
    let pairs = map.pairs().iter();
    pairs
        .filter_map(|(key, value)| Some((key.as_str()?.to_owned(), value.as_str()?.to_owned())))
        .collect()
}

/// Adds what the OVN databases say.
async fn ovn(config: &Config, vswitch: &[Change], facts: &mut NodeFacts) {
    let by_northbound = config.agent.driver == Driver::Northbound;
    let scope = southbound_scope(config.agent.driver);
    let south = Source::southbound(config, &facts.external_ids, scope);
    let southbound = south.look().await;
    let chassis = south.read(&southbound, Cloud::chassis_monitor()).await;
    let (driver, switches) = if by_northbound {
        let north = Source::northbound(config, &facts.external_ids);
        let northbound = north.look().await;
        let rows = north.read(&northbound, north.monitor.clone()).await;
        let switches = north.read(&northbound, Cloud::switch_monitor()).await;
        facts.ovn.push(northbound);
        (rows, switches)
    } else {
        (south.read(&southbound, south.monitor.clone()).await, None)
    };
    facts.ovn.push(southbound);
    facts.cloud = Cloud::of(&Rows {
        agent: &config.agent,
        host: facts.machine.hostname.as_deref().unwrap_or_default(),
        vswitch,
        driver: driver.as_deref(),
        chassis: chassis.as_deref(),
        switches: switches.as_deref().unwrap_or_default(),
    });
}

async fn frr(config: &Config) -> FrrFacts {
    let agent = &config.agent;
    let vtysh = Vtysh {
        program: agent.frr_vtysh.clone(),
        sockets: agent.frr_vty_socket.clone(),
    };
    let running = vtysh.show(With::Bgpd, "show running-config").await;
    FrrFacts {
        bgpd: socket(&agent.frr_vty_socket.join("bgpd.vty")).unwrap_or(Reach::Answers),
        running: running.map_err(|error| error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_told_by_its_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db.sock");
        let away = |text: &str| Some(Reach::Away(text.to_owned()));
        assert_eq!(
            socket(&path),
            away("nothing listens there: there is no such socket")
        );
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        assert_eq!(socket(&path), None);
        drop(listener);
        assert_eq!(socket(&path), away("nothing listens there"));
    }

    #[test]
    fn tls_a_stranger_and_silence_are_told_apart() {
        let remote = "tcp:192.0.2.1:6641".parse().unwrap();
        let of = |error| reach(&remote, Some(error));
        assert_eq!(of(ConnectionError::Tls("x".into())), Reach::Tls("x".into()));
        assert!(matches!(
            of(ConnectionError::NoDatabase("x".into())),
            Reach::Refused(_)
        ));
        assert!(matches!(of(ConnectionError::Closed), Reach::Away(_)));
        assert!(matches!(reach(&remote, None), Reach::Away(_)));
    }

    #[test]
    fn what_is_missing_is_a_column_or_a_whole_table() {
        let monitor = Monitor::default()
            .with_table("NAT", &["type", "gateway_port"], Condition::All)
            .with_table("Meter", &["name", "unit"], Condition::All);
        let has = |table: &str, column: &str| match (table, column) {
            ("Meter", _) => Support::NoSuchTable,
            ("NAT", "gateway_port") => Support::NoSuchColumn,
            _ => Support::Yes,
        };
        assert_eq!(
            missing(&monitor, has),
            ["Meter", "NAT.gateway_port"].map(str::to_owned).into()
        );
    }
}
