//! OVN: its central databases with northd, and chassis with VMs.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::ovs::{Vswitch, datapath};
use crate::ovsdb::{OvsdbServer, Schema, text};
use crate::process::{Daemon, wait_until};
use crate::rootfs::Place;
use crate::{Namespace, PATIENCE};

/// Northbound, Southbound and ovn-northd. `Logical_Router_Port.status`, which the NB driver reads, needs a northd of OVN 23.09 or later:
/// [`crate::Generation::Trixie`].
#[derive(Debug)]
pub struct Central {
    dir: PathBuf,
    place: Place,
    northd: Option<Daemon>,
    /// `OVN_Northbound`, at `<dir>/nb.sock`.
    pub northbound: OvsdbServer,
    /// `OVN_Southbound`, at `<dir>/sb.sock`.
    pub southbound: OvsdbServer,
}

impl Central {
    /// Starts all three on empty databases.
    pub fn start(place: &Place, dir: &Path) -> Result<Self> {
        let northbound = OvsdbServer::from_schema(place, dir, Schema::Northbound)?;
        let southbound = OvsdbServer::from_schema(place, dir, Schema::Southbound)?;
        Self::with(place, dir, northbound, southbound)
    }

    /// Starts northd between databases that already have content.
    pub fn with(
        place: &Place,
        dir: &Path,
        northbound: OvsdbServer,
        southbound: OvsdbServer,
    ) -> Result<Self> {
        northbound.nbctl(&["init"])?;
        southbound.sbctl(&["init"])?;
        let mut this = Self {
            dir: dir.to_owned(),
            place: place.clone(),
            northd: None,
            northbound,
            southbound,
        };
        this.start_northd()?;
        Ok(this)
    }

    /// Starts northd (after [`Self::stop_northd`]).
    pub fn start_northd(&mut self) -> Result<()> {
        let mut command = self.place.command("ovn-northd")?;
        command.arg(format!("--ovnnb-db={}", self.northbound.unix()));
        command.arg(format!("--ovnsb-db={}", self.southbound.unix()));
        command.arg(format!("--unixctl={}", text(&self.dir.join("northd.ctl"))));
        command
            .args(["--no-chdir", "-vconsole:warn", "-vsyslog:off"])
            .env("OVN_RUNDIR", &self.dir);
        self.northd = Some(Daemon::spawn("ovn-northd", &self.dir, &mut command)?);
        Ok(())
    }

    /// Ends northd: rows stay as they are.
    pub fn stop_northd(&mut self) {
        self.northd = None;
    }

    /// `ovn-nbctl`.
    pub fn nbctl(&self, args: &[&str]) -> Result<String> {
        self.northbound.nbctl(args)
    }

    /// `ovn-nbctl` with a line split at blanks; several commands are separated by `--`.
    pub fn nbctl_line(&self, line: &str) -> Result<String> {
        self.northbound
            .nbctl(&line.split_whitespace().collect::<Vec<_>>())
    }

    /// `ovn-sbctl`.
    pub fn sbctl(&self, args: &[&str]) -> Result<String> {
        self.southbound.sbctl(args)
    }

    /// Waits until northd and every chassis have taken all changes so far.
    pub fn sync(&self) -> Result<()> {
        self.nbctl(&["--wait=hv", "--timeout=60", "sync"]).map(drop)
    }
}

/// What distinguishes a chassis.
#[derive(Clone, Debug)]
pub struct Identity<'a> {
    /// Host name; the NB driver matches it.
    pub hostname: &'a str,
    /// System id; the SB driver matches it.
    pub system_id: &'a str,
    /// Address of its tunnels; need not exist where nothing is tunnelled.
    pub encap_ip: &'a str,
    /// `ovn-bridge-mappings`, e.g. `physnet1:br-ex`. The bridges are made.
    pub mappings: &'a str,
    /// Whether it hosts gateways (`ovn-cms-options=enable-chassis-as-gw`).
    pub gateway: bool,
}

/// A chassis: a switch and ovn-controller in one namespace.
#[derive(Debug)]
pub struct Chassis {
    place: Place,
    dir: PathBuf,
    controller: Option<Daemon>,
    /// The switch.
    pub switch: Vswitch,
}

impl Chassis {
    /// Starts a chassis in `namespace`, against the Southbound database at `remote`.
    pub fn start(place: &Place, dir: &Path, remote: &str, identity: &Identity<'_>) -> Result<Self> {
        std::fs::create_dir_all(dir)?;
        let switch = Vswitch::start(place, dir)?;
        let options = if identity.gateway {
            "enable-chassis-as-gw"
        } else {
            ""
        };
        let ids = [
            ("system-id", identity.system_id),
            ("hostname", identity.hostname),
            ("ovn-remote", remote),
            ("ovn-encap-type", "geneve"),
            ("ovn-encap-ip", identity.encap_ip),
            ("ovn-bridge-mappings", identity.mappings),
            ("ovn-bridge-datapath-type", datapath()),
            ("ovn-cms-options", options),
        ];
        let set: Vec<String> = ids
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(key, value)| format!("external-ids:{key}=\"{value}\""))
            .collect();
        let mut args = vec!["set", "open", "."];
        args.extend(set.iter().map(String::as_str));
        switch.vsctl(&args)?;
        for bridge in identity
            .mappings
            .split(',')
            .filter_map(|m| m.split_once(':'))
            .map(|(_, bridge)| bridge)
        {
            switch.add_bridge(bridge)?;
        }
        let mut this = Self {
            place: place.clone(),
            dir: dir.to_owned(),
            controller: None,
            switch,
        };
        this.start_controller()?;
        Ok(this)
    }

    /// Starts ovn-controller (after [`Self::stop_controller`]) and waits for br-int.
    pub fn start_controller(&mut self) -> Result<()> {
        let mut command = self.place.command("ovn-controller")?;
        command.arg(self.switch.remote());
        command.arg(format!(
            "--unixctl={}",
            text(&self.dir.join("controller.ctl"))
        ));
        command.args(["--no-chdir", "-vconsole:warn", "-vsyslog:off"]);
        self.switch.environment(&mut command);
        let mut daemon = Daemon::spawn("ovn-controller", &self.dir, &mut command)?;
        daemon.wait_ready(PATIENCE, || {
            self.switch.vsctl(&["br-exists", "br-int"]).is_ok()
        })?;
        self.controller = Some(daemon);
        Ok(())
    }

    /// Ends ovn-controller; graceful, so it removes its chassis row.
    pub fn stop_controller(&mut self) {
        let Some(mut daemon) = self.controller.take() else {
            return;
        };
        // SIGTERM would end it at once and leave the row
        let target = text(&self.dir.join("controller.ctl"));
        let asked = self.place.run("ovs-appctl", &["-t", &target, "exit"]);
        if asked.is_ok() {
            let _ = wait_until(PATIENCE, "ovn-controller ended", || !daemon.is_running());
        }
        daemon.stop();
    }

    /// SIGKILL for ovn-controller: its chassis row stays, and what it bound.
    pub fn kill_controller(&mut self) {
        if let Some(daemon) = self.controller.take() {
            daemon.kill();
        }
    }

    /// Plugs a VM: a port of br-int, bound to the logical switch port `lsp`, in a namespace of its own.
    pub fn plug(&self, chassis: &Namespace, lsp: &str, mac: &str) -> Result<Vm> {
        let vm = Namespace::new("vm")?;
        let short: String = lsp
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .take(11)
            .collect();
        let port = format!("tap{short}");
        let iface = format!("external-ids:iface-id={lsp}");
        let mut add = vec!["--may-exist", "add-port", "br-int", &port];
        add.extend(["--", "set", "interface", &port, &iface]);
        if datapath() == "system" {
            // a port of its own kind, moved and renamed, is missing to the kernel's datapath
            chassis.ip(&format!(
                "link add {port} type veth peer name eth0 address {mac} netns {}",
                vm.name()
            ))?;
            chassis.ip(&format!("link set {port} up"))?;
            vm.ip("link set eth0 up")?;
            self.switch.vsctl(&add)?;
        } else {
            let own = format!("mac=\"{mac}\"");
            add.extend(["type=internal", &own]);
            self.switch.vsctl(&add)?;
            wait_until(PATIENCE, "the tap device", || {
                chassis.ip(&format!("link show {port}")).is_ok()
            })?;
            chassis.ip(&format!("link set {port} address {mac}"))?;
            chassis.ip(&format!("link set {port} netns {}", vm.name()))?;
            vm.ip(&format!("link set {port} name eth0"))?;
            vm.ip("link set eth0 up")?;
        }
        Ok(Vm {
            namespace: vm,
            port,
        })
    }

    /// Makes a VM and its port larger or smaller. Where the kernel has the datapath alone: elsewhere Open vSwitch insists.
    pub fn set_mtu(&self, chassis: &Namespace, vm: &Vm, mtu: u32) -> Result<()> {
        chassis.ip(&format!("link set {} mtu {mtu}", vm.port))?;
        vm.namespace.ip(&format!("link set eth0 mtu {mtu}"))?;
        Ok(())
    }

    /// Unplugs a VM.
    pub fn unplug(&self, vm: Vm) -> Result<()> {
        self.switch
            .vsctl(&["--if-exists", "del-port", "br-int", &vm.port])?;
        drop(vm);
        Ok(())
    }
}

/// A virtual machine: a namespace with `eth0` on a logical switch port. Give it addresses and routes.
#[derive(Debug)]
pub struct Vm {
    /// Where its network is.
    pub namespace: Namespace,
    /// The port of br-int.
    pub port: String,
}

impl Vm {
    /// Takes an IPv4 address, and tells the network so (gratuitous ARP).
    pub fn take(&self, address: &str) -> Result<()> {
        let vm = &self.namespace;
        vm.ip(&format!("address replace {address}/32 dev eth0"))?;
        vm.sysctl("net.ipv4.conf.eth0.arp_notify", "1")?;
        // the kernel tells whenever the MAC is set, to the same one too
        let mac = vm.mac("eth0")?;
        vm.ip(&format!("link set eth0 address {mac}")).map(drop)
    }

    /// Gives back an address that it may have taken.
    pub fn leave(&self, address: &str) {
        let vm = &self.namespace;
        let _ = vm.ip(&format!("address delete {address}/32 dev eth0"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rootfs::Generation;
    use crate::{Need, require, scratch};

    #[test]
    fn a_plugged_vm_is_up_and_reached_from_the_provider_bridge() {
        require!(
            Need::Root,
            Need::Program("ovs-vswitchd"),
            Need::Program("ping"),
            Need::Trixie
        );
        let (dir, node) = (scratch().unwrap(), Namespace::new("compute").unwrap());
        let place = Place::inside(&node).with(Generation::Trixie);
        let central = Central::start(&Place::host().with(Generation::Trixie), dir.path()).unwrap();
        let identity = Identity {
            hostname: "compute-1",
            system_id: "c1",
            encap_ip: "192.0.2.1",
            mappings: "physnet1:br-ex",
            gateway: false,
        };
        let chassis = Chassis::start(
            &place,
            &dir.path().join("c1"),
            &central.southbound.unix(),
            &identity,
        )
        .unwrap();
        central
            .nbctl_line(
                "ls-add net -- lsp-add net provnet -- lsp-set-type provnet localnet -- lsp-set-options provnet network_name=physnet1 \
                 -- lsp-set-addresses provnet unknown -- lsp-add net vm1",
            )
            .unwrap();
        central
            .nbctl(&["lsp-set-addresses", "vm1", "0a:00:00:00:00:01 172.24.4.5"])
            .unwrap();
        let vm = chassis.plug(&node, "vm1", "0a:00:00:00:00:01").unwrap();
        vm.namespace.address("eth0", "172.24.4.5/24").unwrap();
        wait_until(PATIENCE, "the port up", || {
            central
                .nbctl(&["lsp-get-up", "vm1"])
                .is_ok_and(|up| up.trim() == "up")
        })
        .unwrap();
        node.address("br-ex", "172.24.4.1/24").unwrap();
        wait_until(PATIENCE, "an answer", || {
            node.pings("172.24.4.5".parse().unwrap(), None)
        })
        .unwrap();
        assert!(
            chassis
                .switch
                .vsctl(&["list-ports", "br-ex"])
                .unwrap()
                .contains("patch-provnet-to-br-int")
        );
        chassis.unplug(vm).unwrap();
        wait_until(PATIENCE, "the port down", || {
            central
                .nbctl(&["lsp-get-up", "vm1"])
                .is_ok_and(|up| up.trim() == "down")
        })
        .unwrap();
    }
}
