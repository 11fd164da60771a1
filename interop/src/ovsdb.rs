//! ovsdb-server: from a schema, from a snapshot of a real deployment, or as a RAFT cluster.

use std::io::Read;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use flate2::read::GzDecoder;
use serde_json::Value;

use crate::PATIENCE;
use crate::pki::Identity;
use crate::process::{Daemon, output, succeeds, wait_for, wait_until};
use crate::rootfs::Place;

/// The schemas that OVN and OVS bring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schema {
    /// `OVN_Northbound`.
    Northbound,
    /// `OVN_Southbound`.
    Southbound,
    /// `Open_vSwitch`.
    OpenVSwitch,
}

impl Schema {
    /// The name of the database.
    pub fn database(self) -> &'static str {
        match self {
            Self::Northbound => "OVN_Northbound",
            Self::Southbound => "OVN_Southbound",
            Self::OpenVSwitch => "Open_vSwitch",
        }
    }

    /// Where the packages put the schema, within a root filesystem.
    pub fn path(self) -> &'static str {
        match self {
            Self::Northbound => "/usr/share/ovn/ovn-nb.ovsschema",
            Self::Southbound => "/usr/share/ovn/ovn-sb.ovsschema",
            Self::OpenVSwitch => "/usr/share/openvswitch/vswitch.ovsschema",
        }
    }

    fn short(self) -> &'static str {
        match self {
            Self::Northbound => "nb",
            Self::Southbound => "sb",
            Self::OpenVSwitch => "ovs",
        }
    }
}

/// A running ovsdb-server with one database. Listens on `<dir>/<name>.sock` besides what was asked for.
#[derive(Debug)]
pub struct OvsdbServer {
    place: Place,
    dir: PathBuf,
    name: String,
    database: PathBuf,
    remotes: Vec<String>,
    identity: Option<Identity>,
    daemon: Option<Daemon>,
}

impl OvsdbServer {
    /// An empty database of that schema, as `place`'s generation has it.
    pub fn from_schema(place: &Place, dir: &Path, schema: Schema) -> Result<Self> {
        let this = Self::new(place, dir, schema.short());
        place.run(
            "ovsdb-tool",
            &["create", &text(&this.database), schema.path()],
        )?;
        this.started()
    }

    /// A standalone database file, gzipped or not, copied: the original stays as it is.
    pub fn from_file(place: &Place, dir: &Path, name: &str, file: &Path) -> Result<Self> {
        let this = Self::new(place, dir, name);
        let mut content =
            std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        if file.extension().is_some_and(|e| e == "gz") {
            let mut plain = Vec::new();
            GzDecoder::new(content.as_slice()).read_to_end(&mut plain)?;
            content = plain;
        }
        std::fs::write(&this.database, content)?;
        this.started()
    }

    fn new(place: &Place, dir: &Path, name: &str) -> Self {
        Self {
            place: place.clone(),
            dir: dir.to_owned(),
            name: name.to_owned(),
            database: dir.join(format!("{name}.db")),
            remotes: Vec::new(),
            identity: None,
            daemon: None,
        }
    }

    fn started(mut self) -> Result<Self> {
        self.start()?;
        Ok(self)
    }

    /// Listens on a free TCP port of 127.0.0.1 as well, from now on; the remote for a client (`tcp:127.0.0.1:<port>`).
    pub fn listen_tcp(&mut self) -> Result<String> {
        let port = free_port()?;
        self.remotes.push(format!("ptcp:{port}:127.0.0.1"));
        self.restart()?;
        self.wait_listening(port)?;
        Ok(format!("tcp:127.0.0.1:{port}"))
    }

    /// Listens on that remote as well, e.g. `ptcp:6641:0.0.0.0`, from now on.
    pub fn listen(&mut self, passive: &str) -> Result<()> {
        self.remotes.push(passive.to_owned());
        self.restart()
    }

    /// Listens with TLS on a free port of 127.0.0.1 as well, and asks clients for a certificate of the same CA.
    pub fn listen_ssl(&mut self, identity: &Identity) -> Result<String> {
        let port = free_port()?;
        self.remotes.push(format!("pssl:{port}:127.0.0.1"));
        self.identity = Some(identity.clone());
        self.restart()?;
        self.wait_listening(port)?;
        Ok(format!("ssl:127.0.0.1:{port}"))
    }

    /// Its unix socket answers before its ports do.
    fn wait_listening(&self, port: u16) -> Result<()> {
        const LISTEN: &str = "0A";
        let sockets = format!("/proc/{}/net/tcp", self.pid().unwrap_or_default());
        let address = format!("0100007F:{port:04X}");
        wait_until(PATIENCE, "the port to listen on", || {
            let text = std::fs::read_to_string(&sockets).unwrap_or_default();
            text.lines().any(|line| {
                let mut words = line.split_whitespace().skip(1);
                let (local, _, state) = (words.next(), words.next(), words.next());
                local == Some(address.as_str()) && state == Some(LISTEN)
            })
        })
    }

    /// The remote of its unix socket, `unix:<path>`.
    pub fn unix(&self) -> String {
        format!("unix:{}", text(&self.socket()))
    }

    /// The path of its unix socket.
    pub fn socket(&self) -> PathBuf {
        self.dir.join(format!("{}.sock", self.name))
    }

    /// The database file.
    pub fn database(&self) -> &Path {
        &self.database
    }

    /// The process id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.daemon.as_ref().map(Daemon::pid)
    }

    /// Starts the server on its database; nothing if it runs.
    pub fn start(&mut self) -> Result<()> {
        if self.daemon.is_some() {
            return Ok(());
        }
        let mut command = self.place.command("ovsdb-server")?;
        command
            .arg(text(&self.database))
            .args(["--no-chdir", "-vconsole:warn", "-vsyslog:off"]);
        command.arg(format!("--unixctl={}", text(&self.control())));
        command.arg(format!("--remote=p{}", self.unix()));
        command.args(self.remotes.iter().map(|r| format!("--remote={r}")));
        if let Some(id) = &self.identity {
            command.args([
                "-p",
                &text(&id.key),
                "-c",
                &text(&id.certificate),
                "-C",
                &text(&id.ca),
            ]);
        }
        command.env("OVS_RUNDIR", &self.dir);
        let _ = std::fs::remove_file(self.socket());
        let mut daemon = Daemon::spawn(&format!("ovsdb-{}", self.name), &self.dir, &mut command)?;
        daemon.wait_ready(PATIENCE, || {
            std::os::unix::net::UnixStream::connect(self.socket()).is_ok()
        })?;
        self.daemon = Some(daemon);
        Ok(())
    }

    /// Ends the server (SIGTERM); the database file stays.
    pub fn stop(&mut self) {
        if let Some(daemon) = self.daemon.take() {
            daemon.stop();
        }
    }

    /// Ends the server at once (SIGKILL); the database file stays.
    pub fn kill(&mut self) {
        if let Some(daemon) = self.daemon.take() {
            daemon.kill();
        }
    }

    /// Stops and starts.
    pub fn restart(&mut self) -> Result<()> {
        self.stop();
        self.start()
    }

    /// An OVSDB transaction (RFC 7047 §4.1.3: `["<database>", <operation>…]`); its results. An error if any operation failed.
    pub fn transact(&self, transaction: &Value) -> Result<Value> {
        self.answered(transact(&self.place, &self.unix(), transaction))
    }

    /// `ovn-nbctl`, words split as given.
    pub fn nbctl(&self, args: &[&str]) -> Result<String> {
        self.control_program("ovn-nbctl", args)
    }

    /// `ovn-sbctl`.
    pub fn sbctl(&self, args: &[&str]) -> Result<String> {
        self.control_program("ovn-sbctl", args)
    }

    /// `ovs-vsctl --no-wait`: without a switch behind the database, nothing would answer.
    pub fn vsctl(&self, args: &[&str]) -> Result<String> {
        let mut all = vec!["--no-wait"];
        all.extend(args);
        self.control_program("ovs-vsctl", &all)
    }

    fn control_program(&self, program: &str, args: &[&str]) -> Result<String> {
        let db = format!("--db={}", self.unix());
        let mut all = vec![db.as_str(), "--timeout=30"];
        all.extend(args);
        self.answered(self.place.run(program, &all))
    }

    /// An answer; a failure names the end of the server, if it has died.
    fn answered<T>(&self, answer: Result<T>) -> Result<T> {
        match (answer, &self.daemon) {
            (Err(error), Some(daemon)) => match daemon.check() {
                Err(death) => Err(error.context(death)),
                Ok(()) => Err(error),
            },
            (answer, _) => answer,
        }
    }

    fn control(&self) -> PathBuf {
        self.dir.join(format!("{}.ctl", self.name))
    }
}

/// Runs a transaction against any server; an error if an operation failed.
pub fn transact(place: &Place, remote: &str, transaction: &Value) -> Result<Value> {
    let answer = place.run(
        "ovsdb-client",
        &["transact", remote, &transaction.to_string()],
    )?;
    let results: Value = serde_json::from_str(&answer)?;
    let failed = results
        .as_array()
        .into_iter()
        .flatten()
        .any(|r| r.get("error").is_some());
    ensure!(!failed, "transaction failed: {results}");
    Ok(results)
}

/// Three servers that replicate one database by RAFT.
#[derive(Debug)]
pub struct OvsdbCluster {
    servers: Vec<OvsdbServer>,
    schema: Schema,
}

impl OvsdbCluster {
    /// Makes the cluster and waits until all three have joined and one leads. Clients come in over TCP.
    pub fn new(place: &Place, dir: &Path, schema: Schema) -> Result<Self> {
        let mut servers: Vec<OvsdbServer> = Vec::new();
        let first = format!("tcp:127.0.0.1:{}", free_port()?);
        for n in 0..3 {
            let mut server = OvsdbServer::new(place, dir, &format!("{}{n}", schema.short()));
            let file = text(&server.database);
            if n == 0 {
                place.run(
                    "ovsdb-tool",
                    &["create-cluster", &file, schema.path(), &first],
                )?;
            } else {
                let local = format!("tcp:127.0.0.1:{}", free_port()?);
                place.run(
                    "ovsdb-tool",
                    &["join-cluster", &file, schema.database(), &local, &first],
                )?;
            }
            let port = free_port()?;
            server.remotes.push(format!("ptcp:{port}:127.0.0.1"));
            server.start()?;
            servers.push(server);
        }
        let this = Self { servers, schema };
        for server in &this.servers {
            let mut wait = place.command("ovsdb-client")?;
            wait.args([
                "-t",
                "60",
                "wait",
                &server.unix(),
                schema.database(),
                "connected",
            ]);
            output(&mut wait)?;
        }
        this.leader()?;
        Ok(this)
    }

    /// Every member's TCP remote, comma-separated, as OVN's daemons take it.
    pub fn remotes(&self) -> String {
        let each: Vec<String> = (0..self.servers.len()).map(|n| self.remote(n)).collect();
        each.join(",")
    }

    /// The TCP remote of one member.
    pub fn remote(&self, n: usize) -> String {
        let passive = &self.servers[n].remotes[0];
        let port = passive.split(':').nth(1).unwrap_or_default();
        format!("tcp:127.0.0.1:{port}")
    }

    /// A member.
    pub fn server(&mut self, n: usize) -> &mut OvsdbServer {
        &mut self.servers[n]
    }

    /// The number of the member that leads now; waits for an election.
    pub fn leader(&self) -> Result<usize> {
        wait_for(PATIENCE, "a RAFT leader", || {
            (0..self.servers.len()).find(|n| self.is_leader(*n))
        })
    }

    /// Runs a transaction at the leader.
    pub fn transact(&self, transaction: &Value) -> Result<Value> {
        self.servers[self.leader()?].transact(transaction)
    }

    fn is_leader(&self, n: usize) -> bool {
        let server = &self.servers[n];
        server.daemon.is_some()
            && server
                .place
                .run(
                    "ovs-appctl",
                    &[
                        "-t",
                        &text(&server.control()),
                        "cluster/status",
                        self.schema.database(),
                    ],
                )
                .is_ok_and(|status| status.lines().any(|l| l.trim() == "Role: leader"))
    }
}

/// A TCP port of 127.0.0.1 that nobody listens on.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Whether the server at `remote` answers.
pub fn answers(place: &Place, remote: &str) -> bool {
    place
        .command("ovsdb-client")
        .is_ok_and(|mut c| succeeds(c.args(["-t", "2", "list-dbs", remote])))
}

pub(crate) fn text(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rootfs::Generation;
    use crate::{Need, require, scratch};
    use serde_json::json;

    #[test]
    fn rows_outlive_a_restart() {
        require!(Need::Root, Need::Program("ovsdb-server"), Need::Trixie);
        for generation in Generation::ALL {
            let dir = scratch().unwrap();
            let mut nb = OvsdbServer::from_schema(
                &Place::host().with(generation),
                dir.path(),
                Schema::Northbound,
            )
            .unwrap();
            nb.nbctl(&["ls-add", "net"]).unwrap();
            nb.kill();
            nb.start().unwrap();
            assert!(nb.nbctl(&["ls-list"]).unwrap().contains("net"));
        }
    }

    #[test]
    fn a_failed_operation_is_an_error() {
        require!(Need::Program("ovsdb-server"));
        let dir = scratch().unwrap();
        let nb = OvsdbServer::from_schema(&Place::host(), dir.path(), Schema::Northbound).unwrap();
        assert!(nb.transact(&json!(["OVN_Northbound", {"op": "insert", "table": "Logical_Switch", "row": {"name": "a"}}])).is_ok());
        assert!(
            nb.transact(
                &json!(["OVN_Northbound", {"op": "insert", "table": "No_Such", "row": {}}])
            )
            .is_err()
        );
    }

    #[test]
    fn a_server_that_died_is_named_with_its_signal_where_it_was_missed() {
        require!(Need::Program("ovsdb-server"));
        let dir = scratch().unwrap();
        let nb = OvsdbServer::from_schema(&Place::host(), dir.path(), Schema::Northbound).unwrap();
        let daemon = nb.daemon.as_ref().unwrap();
        daemon.signal(nix::sys::signal::Signal::SIGSEGV).unwrap();
        wait_for(PATIENCE, "death", || daemon.check().err()).unwrap();
        let errors = [
            nb.nbctl(&["ls-list"]).unwrap_err(),
            nb.transact(&json!(["OVN_Northbound"])).unwrap_err(),
        ];
        for error in errors.map(|error| format!("{error:#}")) {
            assert!(
                error.contains("ovsdb-nb (pid ") && error.contains("SIGSEGV"),
                "{error}"
            );
        }
    }

    #[test]
    fn tcp_and_tls_remotes_answer() {
        require!(Need::Program("ovsdb-server"), Need::Program("openssl"));
        let dir = scratch().unwrap();
        let pki = crate::pki::Pki::new(dir.path()).unwrap();
        let (server, client) = (pki.issue("server").unwrap(), pki.issue("client").unwrap());
        let mut nb =
            OvsdbServer::from_schema(&Place::host(), dir.path(), Schema::Northbound).unwrap();
        assert!(answers(&Place::host(), &nb.listen_tcp().unwrap()));
        let ssl = nb.listen_ssl(&server).unwrap();
        let files = [
            text(&client.key),
            text(&client.certificate),
            text(&client.ca),
        ];
        let args = [
            "-p", &files[0], "-c", &files[1], "-C", &files[2], "-t", "5", "list-dbs", &ssl,
        ];
        assert!(
            Place::host()
                .run("ovsdb-client", &args)
                .unwrap()
                .contains("OVN_Northbound")
        );
        assert!(
            !answers(&Place::host(), &ssl),
            "a client without a certificate must be refused"
        );
    }

    #[test]
    fn a_cluster_elects_another_leader() {
        require!(Need::Program("ovsdb-server"));
        let dir = scratch().unwrap();
        let mut cluster =
            OvsdbCluster::new(&Place::host(), dir.path(), Schema::Northbound).unwrap();
        let insert = |name: &str| json!(["OVN_Northbound", {"op": "insert", "table": "Logical_Switch", "row": {"name": name}}]);
        cluster.transact(&insert("before")).unwrap();
        let old = cluster.leader().unwrap();
        cluster.server(old).kill();
        let new = cluster.leader().unwrap();
        assert_ne!(old, new);
        cluster.transact(&insert("after")).unwrap();
    }
}
