//! A reader of client events that holds every change against what it has seen before, and a proxy
//! whose connections can be cut.
#![allow(dead_code, unreachable_pub, reason = "every test file uses its part")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ovn_bgp_agent::ovsdb::{
    Client, ClientConfig, Condition, ConnectionError, Event, Handle, Monitor, Remote, Row,
    ServerFacts,
};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::mpsc::Receiver;
use tokio::sync::watch;
use uuid::Uuid;

pub const NB: &str = "OVN_Northbound";
pub const PATIENCE: Duration = Duration::from_secs(60);

pub struct View {
    pub handle: Handle,
    pub events: Receiver<Event>,
    pub rows: BTreeMap<(String, Uuid), Arc<Row>>,
    pub facts: Option<ServerFacts>,
    pub errors: Vec<(Remote, ConnectionError)>,
    /// Rows changed since the last look, by event.
    pub changes: Vec<usize>,
    /// (conditions, resumed) of every `Synced`.
    pub synced: Vec<(u64, bool)>,
}

/// Follows the names and external ids of logical switches.
pub fn switches() -> Monitor {
    Monitor::default().with_table("Logical_Switch", &["name", "external_ids"], Condition::All)
}

pub fn config(remotes: &str) -> ClientConfig {
    ClientConfig {
        max_backoff: Duration::from_millis(300),
        ..ClientConfig::new(NB, Remote::parse_list(remotes).unwrap())
    }
}

impl View {
    pub fn open(config: ClientConfig, monitor: Monitor) -> Self {
        let (handle, events) = Client::spawn(config, monitor);
        Self {
            handle,
            events,
            rows: BTreeMap::new(),
            facts: None,
            errors: Vec::new(),
            changes: Vec::new(),
            synced: Vec::new(),
        }
    }

    /// Reads events until `done`.
    pub async fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while !done(self) {
            match tokio::time::timeout_at(deadline, self.events.recv()).await {
                Ok(Some(event)) => self.take(event),
                Ok(None) => panic!("the client has ended while waiting for {what}"),
                Err(_) => panic!("no {what} in time; {}", self.summary()),
            }
        }
    }

    /// Waits for the `count`th `Synced`; was it resumed?
    pub async fn synced(&mut self, count: usize) -> bool {
        self.until("sync", |view| view.synced.len() >= count).await;
        self.synced[count - 1].1
    }

    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self
            .rows
            .values()
            .filter_map(|row| row.get(0)?.as_str())
            .collect();
        names.sort_unstable();
        names
    }

    /// What is there in place of what was waited for, in a line.
    fn summary(&self) -> String {
        let mut tables = BTreeMap::<&str, usize>::new();
        for (table, _) in self.rows.keys() {
            *tables.entry(table).or_default() += 1;
        }
        let failed = self.errors.len();
        let last = self.errors.last();
        let last = last.map(|(remote, error)| format!("; the last: {remote}: {error}"));
        format!(
            "rows {tables:?}, synced {:?}, {failed} connections failed{}",
            self.synced,
            last.unwrap_or_default()
        )
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Connected(facts) => self.facts = Some(facts),
            Event::Synced {
                conditions,
                resumed,
            } => self.synced.push((conditions, resumed)),
            Event::Disconnected { remote, error, .. } => self.errors.push((remote, error)),
            Event::Changes(changes) => {
                assert!(!changes.is_empty());
                self.changes.push(changes.len());
                for change in changes {
                    let key = (change.table.to_string(), change.uuid);
                    let (held, old) = (self.rows.get(&key), change.old.as_ref());
                    assert!(held == old, "{key:?}: {}", difference(held, old));
                    assert!(change.old != change.new, "{key:?}: a change of nothing");
                    match change.new {
                        Some(new) => self.rows.insert(key, new),
                        None => self.rows.remove(&key),
                    };
                }
            }
        }
    }
}

/// What of a row that was told differs from what a change supposes.
fn difference(held: Option<&Arc<Row>>, supposed: Option<&Arc<Row>>) -> String {
    let (Some(held), Some(supposed)) = (held, supposed) else {
        let there = |row: Option<_>| if row.is_some() { "there" } else { "not there" };
        return format!("is {}, supposed {}", there(held), there(supposed));
    };
    let columns =
        (0..held.len().max(supposed.len())).map(|at| (at, held.get(at), supposed.get(at)));
    let differing = columns.filter(|(_, held, supposed)| held != supposed);
    let words =
        differing.map(|(at, held, supposed)| format!("column {at}: {held:?}, not {supposed:?}"));
    words.collect::<Vec<_>>().join("; ")
}

/// Passes connections on to a unix socket until they are cut.
pub struct Proxy {
    pub remote: String,
    cut: watch::Sender<u32>,
}

impl Proxy {
    pub async fn to(socket: std::path::PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let remote = format!("tcp:{}", listener.local_addr().unwrap());
        let (cut, watch) = watch::channel(0);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let mut watch = watch.clone();
                watch.mark_unchanged();
                let socket = socket.clone();
                tokio::spawn(async move {
                    tokio::select! {
                        () = relay(client, socket) => {}
                        _ = watch.changed() => {}
                    }
                });
            }
        });
        Self { remote, cut }
    }

    /// Cuts every connection; new ones are accepted.
    pub fn cut(&self) {
        self.cut.send_modify(|count| *count += 1);
    }
}

async fn relay(mut client: TcpStream, socket: std::path::PathBuf) {
    if let Ok(mut server) = UnixStream::connect(socket).await {
        let _ = copy_bidirectional(&mut client, &mut server).await;
    }
}
