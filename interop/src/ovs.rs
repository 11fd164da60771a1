//! Open vSwitch, with the userspace datapath wherever the kernel has no module for it.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::PATIENCE;
use crate::ovsdb::{OvsdbServer, Schema, text};
use crate::process::Daemon;
use crate::rootfs::{IN_VM, Place};

/// A switch: its database, ovs-vswitchd, and a run directory of its own, so that several share a machine.
///
/// The database socket is `<dir>/db.sock`, the bridges' management sockets are `<dir>/<bridge>.mgmt`, where a
/// client that finds its run directory through `OVS_RUNDIR` expects them.
#[derive(Debug)]
pub struct Vswitch {
    place: Place,
    dir: PathBuf,
    // dropped in this order: the daemon before its database
    daemon: Option<Daemon>,
    database: OvsdbServer,
}

/// The `datapath_type` of bridges: userspace, but in the virtual machine, whose kernel has the module, the kernel's.
pub fn datapath() -> &'static str {
    if std::env::var_os(IN_VM).is_some() {
        "system"
    } else {
        "netdev"
    }
}

impl Vswitch {
    /// Starts a switch with an empty database.
    pub fn start(place: &Place, dir: &Path) -> Result<Self> {
        Self::with(
            place,
            dir,
            OvsdbServer::from_schema(place, dir, Schema::OpenVSwitch)?,
        )
    }

    /// Starts a switch on a database that already has content.
    pub fn with(place: &Place, dir: &Path, database: OvsdbServer) -> Result<Self> {
        let socket = dir.join("db.sock");
        let _ = std::fs::remove_file(&socket);
        std::os::unix::fs::symlink(database.socket(), socket)?;
        database.vsctl(&["init"])?;
        let mut this = Self {
            place: place.clone(),
            dir: dir.to_owned(),
            daemon: None,
            database,
        };
        this.start_daemon()?;
        Ok(this)
    }

    /// Starts ovs-vswitchd (after [`Self::stop_daemon`]) and waits until it has taken the configuration.
    pub fn start_daemon(&mut self) -> Result<()> {
        let mut command = self.place.command("ovs-vswitchd")?;
        command.arg(self.database.unix());
        command.args(["--no-chdir", "-vconsole:warn", "-vsyslog:off"]);
        if datapath() == "netdev" {
            command.arg("--disable-system");
        }
        command.arg(format!(
            "--unixctl={}",
            text(&self.dir.join("vswitchd.ctl"))
        ));
        self.environment(&mut command);
        let mut daemon = Daemon::spawn("ovs-vswitchd", &self.dir, &mut command)?;
        let next = |column: &str| self.database.vsctl(&["get", "open", ".", column]).ok();
        daemon.wait_ready(PATIENCE, || {
            next("cur_cfg").is_some_and(|c| Some(c) == next("next_cfg"))
        })?;
        self.daemon = Some(daemon);
        Ok(())
    }

    /// Ends ovs-vswitchd; the database stays up.
    pub fn stop_daemon(&mut self) {
        self.daemon = None;
    }

    /// Its database.
    pub fn database(&mut self) -> &mut OvsdbServer {
        &mut self.database
    }

    /// The remote of its database, `unix:<dir>/db.sock`.
    pub fn remote(&self) -> String {
        format!("unix:{}", text(&self.dir.join("db.sock")))
    }

    /// Its run directory.
    pub fn run_dir(&self) -> &Path {
        &self.dir
    }

    /// `ovs-vsctl`; waits until the switch has acted on it.
    pub fn vsctl(&self, args: &[&str]) -> Result<String> {
        let db = format!("--db={}", self.database.unix());
        let mut all = vec![db.as_str(), "--timeout=30"];
        all.extend(args);
        self.place.run("ovs-vsctl", &all)
    }

    /// `ovs-vsctl` with a line split at blanks.
    pub fn vsctl_line(&self, line: &str) -> Result<String> {
        self.vsctl(&line.split_whitespace().collect::<Vec<_>>())
    }

    /// `ovs-ofctl -O OpenFlow14 <command> <bridge> [args…]`.
    pub fn ofctl(&self, command: &str, bridge: &str, args: &[&str]) -> Result<String> {
        let target = text(&self.dir.join(format!("{bridge}.mgmt")));
        let mut all = vec!["-O", "OpenFlow14", command, &target];
        all.extend(args);
        self.place.run("ovs-ofctl", &all)
    }

    /// The flows of a bridge, one a line, without statistics, sorted.
    pub fn flows(&self, bridge: &str) -> Result<Vec<String>> {
        let dump = self.ofctl("dump-flows", bridge, &["--no-stats"])?;
        let mut flows: Vec<String> = dump
            .lines()
            .map(|l| l.trim().to_owned())
            .filter(|l| !l.is_empty())
            .collect();
        flows.sort();
        Ok(flows)
    }

    /// `ovs-appctl` to the switch daemon.
    pub fn appctl(&self, args: &[&str]) -> Result<String> {
        let target = text(&self.dir.join("vswitchd.ctl"));
        let mut all = vec!["-t", target.as_str()];
        all.extend(args);
        self.place.run("ovs-appctl", &all)
    }

    /// A bridge on [`datapath`]; its internal port is set up.
    pub fn add_bridge(&self, bridge: &str) -> Result<()> {
        self.vsctl_line(&format!(
            "--may-exist add-br {bridge} -- set bridge {bridge} datapath_type={}",
            datapath()
        ))?;
        self.place
            .run("ip", &["link", "set", bridge, "up"])
            .map(drop)
    }

    /// The pair of patch ports ovn-controller makes for a localnet port: `patch-<localnet>-to-br-int` in
    /// `bridge` and its peer in `br-int`.
    pub fn add_localnet_patch(&self, bridge: &str, localnet: &str) -> Result<()> {
        let outer = format!("patch-{localnet}-to-br-int");
        let inner = format!("patch-br-int-to-{localnet}");
        for (at, port, peer) in [(bridge, &outer, &inner), ("br-int", &inner, &outer)] {
            self.vsctl(&[
                "--may-exist",
                "add-port",
                at,
                port,
                "--",
                "set",
                "interface",
                port,
                "type=patch",
                &format!("options:peer={peer}"),
                "--",
                "set",
                "port",
                port,
                &format!("external-ids:ovn-localnet-port={localnet}"),
            ])?;
        }
        Ok(())
    }

    /// Sets the run, log and database directories of OVS' programs.
    pub(crate) fn environment(&self, command: &mut std::process::Command) {
        for name in [
            "OVS_RUNDIR",
            "OVS_LOGDIR",
            "OVS_DBDIR",
            "OVN_RUNDIR",
            "OVN_LOGDIR",
        ] {
            command.env(name, &self.dir);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rootfs::Generation;
    use crate::{Namespace, Need, require, scratch};

    #[test]
    fn a_bridge_is_a_device_and_takes_flows() {
        require!(Need::Root, Need::Program("ovs-vswitchd"), Need::Trixie);
        for generation in Generation::ALL {
            let (dir, ns) = (scratch().unwrap(), Namespace::new("ovs").unwrap());
            let switch = Vswitch::start(&Place::inside(&ns).with(generation), dir.path()).unwrap();
            switch.add_bridge("br-ex").unwrap();
            switch.add_bridge("br-int").unwrap();
            switch.add_localnet_patch("br-ex", "provnet-1").unwrap();
            switch
                .ofctl(
                    "add-flow",
                    "br-ex",
                    &["cookie=0x3e7,priority=900,ip,in_port=1,actions=NORMAL"],
                )
                .unwrap();
            assert!(
                switch
                    .flows("br-ex")
                    .unwrap()
                    .iter()
                    .any(|f| f.contains("cookie=0x3e7"))
            );
            assert!(ns.mac("br-ex").unwrap().contains(':'));
        }
    }
}
