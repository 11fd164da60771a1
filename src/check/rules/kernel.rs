//! The machine: capabilities, forwarding, filters, modules, and who else works on our devices.

use std::collections::BTreeSet;

use super::{Findings, is_wired, uplinks};
use crate::check::Code;
use crate::check::facts::{Machine, NodeFacts, Program};
use crate::config::{Backend, Config};

pub(super) fn judge(facts: &NodeFacts, config: &Config, found: &mut Findings) {
    capabilities(&facts.machine, config, found);
    if is_wired(config) {
        forwarding(&facts.machine, found);
        reverse_path(facts, config, found);
        bridges(facts, found);
    }
    modules(facts, config, found);
    kinds(facts, config, found);
    network_manager(facts, config, found);
    python(facts, config, found);
    for (what, why) in &facts.machine.unseen {
        found.info(
            Code::NotSeen,
            what,
            why.clone(),
            "run check as root to see it",
        );
    }
}

fn capabilities(machine: &Machine, config: &Config, found: &mut Findings) {
    let privileged = config.bgp.port < 1024 && !config.bgp.listen.is_empty();
    for (name, needed, what) in [
        (
            "CAP_NET_ADMIN",
            true,
            "routes, rules and flows cannot be written",
        ),
        ("CAP_NET_RAW", true, "sockets cannot be bound to a device"),
        (
            "CAP_NET_BIND_SERVICE",
            privileged,
            "the BGP port cannot be listened on",
        ),
    ] {
        if needed && !machine.capabilities.contains(name) {
            found.error(
                Code::CapabilityMissing,
                "process",
                format!("{name} is missing: {what}"),
                format!("run as root, or add {name} (AmbientCapabilities= of systemd)"),
            );
        }
    }
}

fn forwarding(machine: &Machine, found: &mut Findings) {
    for (path, family) in [
        ("net.ipv4.ip_forward", "IPv4"),
        ("net.ipv6.conf.all.forwarding", "IPv6"),
    ] {
        if machine.is(path, "0") {
            found.error(
                Code::ForwardingOff,
                path,
                format!("{family} forwarding is off: traffic from the fabric stops here"),
                format!("sysctl -w {path}=1, and keep it in /etc/sysctl.d"),
            );
        }
    }
}

/// The kernel uses the higher of `all` and the device's own value (ip-sysctl); strict is 1.
fn reverse_path(facts: &NodeFacts, config: &Config, found: &mut Findings) {
    let machine = &facts.machine;
    let path = |device: &str| format!("net.ipv4.conf.{}.rp_filter", device.replace('.', "/"));
    let all = path("all");
    if machine.sysctls.get(&all).is_some_and(|value| value == "2") {
        return;
    }
    let mut strict: Vec<String> = Vec::new();
    if machine.is(&all, "1") {
        strict.push(all);
    }
    let own = facts.own_devices(config);
    let uplinks = uplinks(config).into_iter().map(str::to_owned);
    // Devices of VLANs come later, with the value of `default`.
    let later = (!facts.cloud.vlans.is_empty()).then(|| "default".to_owned());
    let devices: BTreeSet<String> = own.into_iter().chain(uplinks).chain(later).collect();
    strict.extend(
        devices
            .iter()
            .map(|device| path(device))
            .filter(|path| machine.is(path, "1")),
    );
    for path in strict {
        found.warning(
            Code::RpFilterStrict,
            &path,
            "strict reverse-path filter drops what returns by another way",
            format!("sysctl -w {path}=2 (loose) or 0, and keep it in /etc/sysctl.d"),
        );
    }
}

/// What the agent sets on bridges, and whether it can.
fn bridges(facts: &NodeFacts, found: &mut Findings) {
    let machine = &facts.machine;
    let mut unset = Vec::new();
    for bridge in facts.mapped() {
        if !machine.devices.contains_key(&bridge) {
            continue;
        }
        let device = bridge.replace('.', "/");
        let disabled = format!("net.ipv6.conf.{device}.disable_ipv6");
        if machine.is(&disabled, "1") {
            found.warning(
                Code::Ipv6Disabled,
                &disabled,
                format!("IPv6 is off on {bridge}: IPv6 addresses cannot be wired there"),
                format!("sysctl -w {disabled}=0, and keep it in /etc/sysctl.d"),
            );
        }
        let answers = [
            format!("net.ipv4.conf.{device}.proxy_arp"),
            format!("net.ipv6.conf.{device}.proxy_ndp"),
        ];
        unset.extend(answers.into_iter().filter(|path| machine.is(path, "0")));
    }
    if machine.sysctls_read_only && !unset.is_empty() {
        let words: Vec<_> = unset.iter().map(|path| format!("{path}=1")).collect();
        found.error(
            Code::SysctlsReadOnly,
            "/proc/sys",
            format!("is mounted read-only, and {} are to be set", unset.join(", ")),
            format!(
                "leave it writable (systemd: ProtectKernelTunables=no; a container: privileged), or sysctl -w {} at boot",
                words.join(" ")
            ),
        );
    }
}

/// Kinds of devices that the configuration needs: module, the kind, and what for.
fn needed(facts: &NodeFacts, config: &Config) -> Vec<(&'static str, &'static str, String)> {
    let mut needed = Vec::new();
    let mapped = facts.mappings();
    let vlan = facts
        .cloud
        .vlans
        .iter()
        .find(|network| mapped.find(network).is_some());
    if let Some(network) = vlan {
        needed.push(("8021q", "vlan", format!("a network on a VLAN of {network}")));
    }
    if config.agent.bgp_backend == Backend::Frr {
        let backend = "bgp_backend = frr";
        needed.push(("vrf", "vrf", backend.to_owned()));
        needed.push(("dummy", "dummy", backend.to_owned()));
    }
    if config.agent.has_tenant_tables() {
        needed.push(("vrf", "vrf", "EVPN".to_owned()));
        needed.push(("vxlan", "vxlan", "EVPN".to_owned()));
    }
    needed.dedup_by_key(|(module, ..)| *module);
    needed
}

fn modules(facts: &NodeFacts, config: &Config, found: &mut Findings) {
    let machine = &facts.machine;
    for (module, kind, reason) in needed(facts, config) {
        let has_one = machine
            .devices
            .values()
            .any(|device| device.kind.as_deref() == Some(kind));
        if has_one || machine.modules.loaded.contains(module) {
            continue;
        }
        let place = format!("kernel module {module}");
        match &machine.modules.available {
            Some(available) if available.contains(module) => {}
            Some(_) => found.error(
                Code::KernelModuleMissing,
                &place,
                format!("this kernel has no {kind} devices, which {reason} needs"),
                format!("install the module {module} (Ubuntu: linux-modules-extra-$(uname -r); RHEL: kernel-modules-extra)"),
            ),
            None => found.info(
                Code::NotSeen,
                &place,
                format!("/lib/modules has nothing of this kernel, so whether it has {kind} devices is unknown; {reason} needs them"),
                format!("modprobe {module} on the host, or mount /lib/modules into the container"),
            ),
        }
    }
}

/// Devices that the agent would take for its own by their names.
fn kinds(facts: &NodeFacts, config: &Config, found: &mut Findings) {
    let agent = &config.agent;
    let mapped = facts.mapped();
    let wanted = |name: &str| match name {
        name if mapped.contains(name) => None,
        name if name == agent.bgp_vrf && agent.bgp_backend == Backend::Frr => Some(("vrf", "VRF")),
        name if name == agent.bgp_nic || name == agent.bgp_vrf => None,
        name if name.contains('.') => Some(("vlan", "VLAN device")),
        _ => None,
    };
    for name in facts.own_devices(config) {
        let device = facts.machine.devices.get(&name);
        let (Some((kind, label)), Some(device)) = (wanted(&name), device) else {
            continue;
        };
        let is = match device.kind.as_deref() {
            Some(other) if other == kind => continue,
            Some(other) => format!("a {other}"),
            None => "another kind of device".to_owned(),
        };
        let place = format!("device {name}");
        let problem = format!("is {is}, and no {label}");
        let remedy =
            format!("ip link delete {name}, if nobody needs it; else give it another name");
        found.error(Code::DeviceKind, &place, problem, remedy);
    }
}

fn network_manager(facts: &NodeFacts, config: &Config, found: &mut Findings) {
    for name in facts.own_devices(config) {
        if facts
            .machine
            .devices
            .get(&name)
            .is_some_and(|device| device.managed)
        {
            found.warning(
                Code::NetworkManager,
                &format!("device {name}"),
                "NetworkManager manages it, and takes addresses and routes away from it",
                format!(
                    "in /etc/NetworkManager/conf.d/ovn-bgp-agent.conf: [keyfile] unmanaged-devices=interface-name:{name}, \
                     then nmcli general reload"
                ),
            );
        }
    }
}

fn python(facts: &NodeFacts, config: &Config, found: &mut Findings) {
    if let Some(pid) = facts.machine.programs.get(&Program::PythonAgent) {
        found.warning(
            Code::PythonAgent,
            &format!("process {pid}"),
            "the Python agent runs on this node: two agents undo each other's work",
            "stop and disable it before this one starts; check and plan may look meanwhile",
        );
    }
    if config.agent.bgp_backend == Backend::Frr {
        return;
    }
    for name in [&config.agent.bgp_nic, &config.agent.bgp_vrf] {
        if facts.machine.devices.contains_key(name) {
            let code = Code::PythonLeftover;
            let place = format!("device {name}");
            let problem = "the Python agent has left it, or bgp_backend was frr";
            found.info(
                code,
                &place,
                problem,
                "nothing: the agent removes it once a neighbour is Established",
            );
        }
    }
}

impl Machine {
    fn is(&self, path: &str, value: &str) -> bool {
        self.sysctls.get(path).is_some_and(|found| found == value)
    }
}
