//! The databases, each in a server of its own.

use std::cell::RefCell;
use std::os::unix::net::UnixStream;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{file_of, missing};
use crate::Place;
use crate::ovsdb::{OvsdbServer, Schema};
use crate::scale::{self, Role, Scale, This};

/// Which database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Database {
    Northbound,
    Southbound,
}

impl Database {
    fn name(self) -> &'static str {
        match self {
            Self::Northbound => Schema::Northbound.database(),
            Self::Southbound => Schema::Southbound.database(),
        }
    }
}

/// A host as OVN_Southbound has it.
#[derive(Clone, Debug)]
pub(super) struct Host {
    pub(super) name: String,
    pub(super) system_id: String,
}

/// A cloud, and which host of it the node is.
pub(super) struct Cloud {
    northbound: OvsdbServer,
    southbound: Option<OvsdbServer>,
    to_northbound: RefCell<UnixStream>,
    to_southbound: Option<RefCell<UnixStream>>,
    /// The node.
    pub(super) host: Host,
    /// All hosts of its role, by name.
    pub(super) hosts: Vec<Host>,
    /// Names of the localnet ports.
    pub(super) localnets: Vec<String>,
    _dir: tempfile::TempDir,
}

impl Cloud {
    /// Rows as Neutron writes them, in OVN_Northbound alone.
    pub(super) fn made(scale: Scale, role: Role) -> Result<Self> {
        let dir = crate::scratch()?;
        // With the schema of a recent OVN, whatever is installed here.
        let empty =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/snap/00_empty/nb.db.gz");
        let northbound = OvsdbServer::from_file(&Place::host(), dir.path(), "nb", &empty)?;
        let this = This {
            hostname: "host-1",
            chassis: "chassis-1",
            role,
        };
        scale::load(&northbound.socket(), scale, this)?;
        let host = Host {
            name: this.hostname.to_owned(),
            system_id: this.chassis.to_owned(),
        };
        Ok(Self {
            to_northbound: UnixStream::connect(northbound.socket())?.into(),
            northbound,
            southbound: None,
            to_southbound: None,
            hosts: vec![host.clone()],
            host,
            localnets: (0..scale.provider_networks).map(scale::localnet).collect(),
            _dir: dir,
        })
    }

    /// The databases in `from`. VLAN tags are taken off: not every kernel that measures has VLANs.
    pub(super) fn of(from: &Path, role: Role) -> Result<Self> {
        let dir = crate::scratch()?;
        let serve = |database| {
            let file = file_of(from, database);
            OvsdbServer::from_file(&Place::host(), dir.path(), database.name(), &file)
                .with_context(|| missing(&file))
        };
        let northbound = serve(Database::Northbound)?;
        let southbound = serve(Database::Southbound)?;
        let mut to_northbound = UnixStream::connect(northbound.socket())?;
        let mut to_southbound = UnixStream::connect(southbound.socket())?;
        let localnets = json!([["type", "==", "localnet"]]);
        let untag = |table: &str| json!({"op": "update", "table": table, "where": localnets, "row": {"tag": ["set", []]}});
        let names = json!({"op": "select", "table": "Logical_Switch_Port", "where": localnets, "columns": ["name"]});
        let answer = scale::transact(
            &mut to_northbound,
            Database::Northbound.name(),
            vec![untag("Logical_Switch_Port"), names],
        )?;
        let prefix = match role {
            Role::Compute => "compute-",
            Role::Gateway => "gw-",
        };
        let chassis = json!({"op": "select", "table": "Chassis", "where": [], "columns": ["name", "hostname"]});
        let hosts = scale::transact(
            &mut to_southbound,
            Database::Southbound.name(),
            vec![untag("Port_Binding"), chassis],
        )?;
        let text = |row: &Value, column: &str| row[column].as_str().unwrap_or_default().to_owned();
        let rows = |answer: &[Value]| {
            let rows = answer.get(1).and_then(|result| result["rows"].as_array());
            rows.cloned().unwrap_or_default()
        };
        let mut hosts: Vec<_> = rows(&hosts)
            .iter()
            .map(|row| Host {
                name: text(row, "hostname"),
                system_id: text(row, "name"),
            })
            .filter(|host| host.name.starts_with(prefix))
            .collect();
        hosts.sort_by(|a, b| a.name.cmp(&b.name));
        let host = hosts.first().cloned();
        Ok(Self {
            localnets: rows(&answer).iter().map(|row| text(row, "name")).collect(),
            to_northbound: to_northbound.into(),
            to_southbound: Some(to_southbound.into()),
            northbound,
            southbound: Some(southbound),
            host: host.with_context(|| format!("no chassis is called {prefix}…"))?,
            hosts,
            _dir: dir,
        })
    }

    pub(super) fn has_southbound(&self) -> bool {
        self.southbound.is_some()
    }

    pub(super) fn northbound(&self) -> &OvsdbServer {
        &self.northbound
    }

    pub(super) fn southbound(&self) -> Option<&OvsdbServer> {
        self.southbound.as_ref()
    }

    /// Has a VM's port up or down in both databases, in `last` at last: that is when the clock starts.
    pub(super) fn set_up(&self, port: &str, up: bool, last: Database) -> Result<()> {
        let order = match last {
            Database::Northbound => [Database::Southbound, Database::Northbound],
            Database::Southbound => [Database::Northbound, Database::Southbound],
        };
        for database in order {
            let (stream, table, name) = match database {
                Database::Northbound => (Some(&self.to_northbound), "Logical_Switch_Port", "name"),
                Database::Southbound => {
                    (self.to_southbound.as_ref(), "Port_Binding", "logical_port")
                }
            };
            let Some(stream) = stream else { continue };
            let of_port = json!([[name, "==", port]]);
            let update =
                json!({"op": "update", "table": table, "where": of_port, "row": {"up": up}});
            let stream = &mut stream.borrow_mut();
            let answer = scale::transact(stream, database.name(), vec![update])?;
            ensure!(
                answer.first().is_some_and(|result| result["count"] == 1),
                "no port {port}"
            );
        }
        Ok(())
    }

    /// A VM's port that is on another host.
    pub(super) fn port_elsewhere(&self) -> Result<String> {
        let select = json!({"op": "select", "table": "Logical_Switch_Port", "where": [["type", "==", ""], ["up", "==", true]],
                            "columns": ["name", "options"]});
        let name = Database::Northbound.name();
        let answer = scale::transact(&mut self.to_northbound.borrow_mut(), name, vec![select])?;
        let rows = answer[0]["rows"].as_array().context("no rows")?;
        let elsewhere = rows.iter().find(|row| {
            let options = row["options"].to_string();
            options.contains("compute-") && !options.contains(&self.host.name)
        });
        let port = elsewhere.and_then(|row| row["name"].as_str());
        Ok(port.context("all ports are here")?.to_owned())
    }
}
