//! A chassis with its agent, and VMs that answer with their names.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::fabric::{AS, Fabric, SPINE, Site};
use super::probe::Answerer;
use crate::agent;
use crate::cloud::HOSTS;
use crate::cloud::objects::Port;
use crate::ovn::{Central, Chassis, Identity};
use crate::{Daemon, Generation, Namespace, PATIENCE, Place, output, wait_until};

/// A chassis; its agent runs or not.
pub struct Node {
    agent: Option<Daemon>,
    command: agent::Command,
    starts: u32,
    /// OVS and ovn-controller.
    pub chassis: Chassis,
    /// Where it is.
    pub site: Site,
    databases: String,
}

/// A VM of a port: it answers with its name at the port's addresses.
#[derive(Debug)]
pub struct Guest {
    _answerer: Answerer,
    vm: crate::ovn::Vm,
    /// Its port.
    pub port: Port,
    /// What it answers.
    pub name: String,
}

impl Guest {
    /// Where its network is; its interface is `eth0`.
    pub fn namespace(&self) -> &Namespace {
        &self.vm.namespace
    }
}

impl Node {
    /// OVS and ovn-controller of chassis `number` (0 or 1); no agent yet.
    pub fn start(fabric: &Fabric, dir: &Path, number: usize, central: &Central) -> Result<Self> {
        let (hostname, system_id) = HOSTS[number];
        let site = fabric.join(u8::try_from(number + 1)?, hostname)?;
        let dir = dir.join(hostname);
        let identity = Identity {
            hostname,
            system_id,
            encap_ip: &site.underlay(),
            mappings: "physnet1:br-ex",
            gateway: true,
        };
        let place = Place::inside(&site.namespace).with(Generation::Trixie);
        let chassis = Chassis::start(&place, &dir, &central.southbound.unix(), &identity)?;
        let place = Place::inside(&site.namespace);
        let command = agent::Command::new(place, crate::agent_binary(), &dir)?;
        let databases = format!(
            "ovn_nb_connection = {}\novn_sb_connection = {}",
            central.northbound.unix(),
            central.southbound.unix()
        );
        Ok(Self {
            agent: None,
            command,
            starts: 0,
            chassis,
            site,
            databases,
        })
    }

    /// What the agent shall do: lines for `[DEFAULT]`, `driver` among them. It counts from the next start on.
    pub fn configure(&self, options: &str) -> Result<()> {
        // a connection may take long here, and when one is given up GoBGP gives up the routes that it keeps for a restart
        let text = format!(
            "[DEFAULT]\n{options}\novsdb_connection = {vswitch}\nbgp_AS = {AS}\nbgp_router_id = {vtep}\nevpn_local_ip = {vtep}\n\
             control_socket = {control}\n\n[ovn]\n{databases}\n\n[bgp]\nredistribute_connected = lo\nfib_import = any\n\n\
             [bgp_neighbor spine]\naddress = {SPINE}\nremote_as = internal\nimport_prefixes = any\nconnect_retry_time = 30\n",
            vswitch = self.chassis.switch.remote(),
            vtep = self.site.vtep(),
            control = self.dir().join("control.sock").display(),
            databases = self.databases,
        );
        Ok(std::fs::write(&self.command.config, text)?)
    }

    fn dir(&self) -> PathBuf {
        self.chassis.switch.run_dir().to_owned()
    }

    /// Starts the agent, and waits until it has made what it should: its first pass is over.
    pub fn start_agent(&mut self) -> Result<()> {
        self.starts += 1;
        let name = format!("agent-{}", self.starts);
        let mut agent = Daemon::spawn(&name, &self.dir(), &mut self.command.words(&[])?)?;
        let log = agent.log().to_owned();
        let started =
            || std::fs::read_to_string(&log).is_ok_and(|text| text.contains("BGP Agent Started"));
        agent.wait_ready(PATIENCE, started)?;
        self.agent = Some(agent);
        Ok(())
    }

    /// SIGTERM.
    pub fn stop_agent(&mut self) {
        if let Some(agent) = self.agent.take() {
            agent.stop();
        }
    }

    /// SIGKILL.
    pub fn kill_agent(&mut self) {
        if let Some(agent) = self.agent.take() {
            agent.kill();
        }
    }

    /// Everything the running agent said.
    pub fn log(&self) -> String {
        self.agent
            .as_ref()
            .map(Daemon::log_text)
            .unwrap_or_default()
    }

    /// A command of the agent's program, with its configuration.
    pub fn say(&self, words: &[&str]) -> Result<String> {
        output(&mut self.command.words(words)?)
    }

    /// Plugs the VM of a port. `name` is what it answers.
    pub fn plug(&self, port: &Port, name: &str) -> Result<Guest> {
        let vm = self
            .chassis
            .plug(&self.site.namespace, &port.id, &port.mac())?;
        let addresses = port
            .cidrs()
            .map(|cidr| format!("address add {cidr} dev eth0"));
        let gateways = port.network.gateways();
        // In place of what a router advertisement may have said by now.
        let routes =
            gateways.map(|gateway| format!("route replace default via {gateway} dev eth0"));
        vm.namespace.ip_lines(&[addresses, routes].concat())?;
        let answerer = Answerer::start(&vm.namespace, name, &[port.v4(), port.v6()])?;
        Ok(Guest {
            _answerer: answerer,
            vm,
            port: port.clone(),
            name: name.to_owned(),
        })
    }

    /// Unplugs it.
    pub fn unplug(&self, guest: Guest) -> Result<()> {
        let Guest {
            vm,
            _answerer: answerer,
            ..
        } = guest;
        drop(answerer);
        self.chassis.unplug(vm)
    }

    /// Makes a VM and its port larger or smaller.
    pub fn set_mtu(&self, guest: &Guest, mtu: u32) -> Result<()> {
        self.chassis.set_mtu(&self.site.namespace, &guest.vm, mtu)
    }

    /// Waits until these devices have this MTU.
    pub fn wait_mtu(&self, names: &[&str], mtu: u32) -> Result<()> {
        let mut last = String::new();
        let word = format!(" mtu {mtu} ");
        wait_until(PATIENCE, "an MTU", || {
            let show = |name: &&str| self.site.namespace.ip(&format!("-o link show {name}"));
            last = names.iter().filter_map(|name| show(name).ok()).collect();
            let fitting = last.lines().filter(|line| line.contains(&word)).count();
            fitting == names.len()
        })
        .with_context(|| format!("{}: {mtu} for {names:?}: {last}", self.host()))
    }

    /// The names of its devices.
    pub fn devices(&self) -> Result<Vec<String>> {
        let shown = self.site.namespace.ip("-br link")?;
        let names = shown.lines().filter_map(|l| l.split_whitespace().next());
        Ok(names
            .map(|n| n.split('@').next().unwrap_or(n).to_owned())
            .collect())
    }

    /// Waits until these devices are all there, or all gone.
    pub fn wait_devices(&self, names: &[&str], there: bool) -> Result<()> {
        let mut last = Vec::new();
        wait_until(PATIENCE, "devices", || {
            last = self.devices().unwrap_or_default();
            names
                .iter()
                .all(|name| last.iter().any(|own| own == name) == there)
        })
        .with_context(|| {
            format!(
                "{}: {names:?} should be there: {there}: {last:?}",
                self.host()
            )
        })
    }

    /// The ports of a bridge.
    pub fn ports(&self, bridge: &str) -> Result<Vec<String>> {
        let listed = self.chassis.switch.vsctl(&["list-ports", bridge])?;
        Ok(listed.lines().map(str::to_owned).collect())
    }

    /// Its host name.
    pub fn host(&self) -> &'static str {
        HOSTS[usize::from(self.site.number) - 1].0
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        agent::tell_last_words(self.host(), || self.log());
    }
}
