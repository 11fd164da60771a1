//! Reads what the machine itself tells, from files alone. `root` is `/`, or a directory of a test.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use super::{Device, Machine, Modules, Program, Tunnel, listening};
use crate::agent::own_addresses;
use crate::kernel;

impl Machine {
    /// Reads everything. Nothing is written, and no privilege is needed: what cannot be seen is noted.
    pub fn read() -> Self {
        let root = Path::new("/");
        let mut machine = Self::of(root);
        machine.capabilities = capabilities();
        for (device, net) in own_addresses() {
            if let Some(device) = machine.devices.get_mut(&device) {
                device.addresses.push(net.addr());
                device.networks.push(net.trunc());
            }
        }
        machine
    }

    /// Adds what no file tells.
    pub(super) async fn add_tunnels(&mut self) {
        let links = match kernel::links().await {
            Ok(links) => links,
            Err(error) => {
                let unseen = ("VXLAN devices".to_owned(), error.to_string());
                self.unseen.push(unseen);
                return;
            }
        };
        for link in links {
            if let (Some(vxlan), Some(device)) = (link.vxlan(), self.devices.get_mut(&*link.name)) {
                device.tunnel = Some(Tunnel {
                    vni: vxlan.vni,
                    port: vxlan.port,
                    external: vxlan.external,
                });
            }
        }
    }

    fn of(root: &Path) -> Self {
        let net = root.join("proc/net");
        let mut unseen = Vec::new();
        let text = |path: &str| fs::read_to_string(root.join(path)).ok();
        Self {
            hostname: text("proc/sys/kernel/hostname").map(|name| name.trim().to_owned()),
            sysctls: sysctls(&root.join("proc/sys")),
            sysctls_read_only: text("proc/self/mountinfo").is_some_and(|text| is_read_only(&text)),
            devices: devices(root),
            modules: modules(root),
            tcp: listening::tcp(&net),
            udp: listening::udp(&net),
            programs: programs(root, &mut unseen),
            unseen,
            capabilities: BTreeSet::new(),
        }
    }
}

fn sysctls(root: &Path) -> BTreeMap<String, String> {
    let mut paths = vec![
        "net/ipv4/ip_forward".to_owned(),
        "net/ipv6/conf/all/forwarding".to_owned(),
        "net/ipv6/conf/all/disable_ipv6".to_owned(),
    ];
    for device in names(&root.join("net/ipv4/conf")) {
        for (family, name) in [
            ("ipv4", "rp_filter"),
            ("ipv4", "proxy_arp"),
            ("ipv6", "proxy_ndp"),
            ("ipv6", "disable_ipv6"),
        ] {
            paths.push(format!("net/{family}/conf/{device}/{name}"));
        }
    }
    let value = |path: &String| {
        let text = fs::read_to_string(root.join(path)).ok()?;
        Some((dotted(path), text.trim().to_owned()))
    };
    paths.iter().filter_map(value).collect()
}

/// sysctl(8): `/` and `.` change places.
pub(crate) fn dotted(path: &str) -> String {
    let swapped = |c| match c {
        '/' => '.',
        '.' => '/',
        c => c,
    };
    path.chars().map(swapped).collect()
}

/// proc(5), mountinfo: the fifth field is where, the sixth the mount's options. The last mount over a place is
/// the one that is seen.
fn is_read_only(mountinfo: &str) -> bool {
    let mounts = mountinfo.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(4);
        Some((fields.next()?, fields.next()?))
    });
    let mut over = mounts.filter(|(place, _)| ["/proc", "/proc/sys"].contains(place));
    let last = over.next_back().map(|(_, options)| options);
    last.is_some_and(|options| options.split(',').any(|option| option == "ro"))
}

fn capabilities() -> BTreeSet<String> {
    let effective = caps::read(None, caps::CapSet::Effective).unwrap_or_default();
    effective.iter().map(ToString::to_string).collect()
}

fn devices(root: &Path) -> BTreeMap<String, Device> {
    let all = root.join("sys/class/net");
    let managed = root.join("run/NetworkManager/devices");
    let device = |name: String| {
        let dir = all.join(&name);
        let number = |file: &str| fs::read_to_string(dir.join(file)).ok()?.trim().parse().ok();
        let flags = fs::read_to_string(dir.join("flags")).unwrap_or_default();
        let flags = u32::from_str_radix(flags.trim().trim_start_matches("0x"), 16);
        let uevent = fs::read_to_string(dir.join("uevent")).unwrap_or_default();
        let kind = uevent
            .lines()
            .find_map(|line| line.strip_prefix("DEVTYPE="));
        let index: Option<u32> = number("ifindex");
        // NetworkManager keeps a file for each device, named by its index.
        let note = index.and_then(|index| fs::read_to_string(managed.join(index.to_string())).ok());
        let device = Device {
            // IFF_UP is bit 0 of the flags (linux/if.h).
            is_up: flags.is_ok_and(|flags| flags & 1 == 1),
            kind: kind.map(str::to_owned),
            mtu: number("mtu").unwrap_or_default(),
            addresses: Vec::new(),
            networks: Vec::new(),
            managed: note.is_some_and(|text| is_managed(&text)),
            tunnel: None,
        };
        (name, device)
    };
    // Beside devices there may be files, as bonding_masters.
    let names = names(&all).filter(|name| all.join(name).join("flags").exists());
    names.map(device).collect()
}

fn is_managed(note: &str) -> bool {
    let mut lines = note.lines().filter_map(|line| line.split_once('='));
    lines.any(|(key, value)| (key.trim(), value.trim()) == ("managed", "true"))
}

fn modules(root: &Path) -> Modules {
    let read = |path: &Path| fs::read_to_string(path).ok();
    let loaded = read(&root.join("proc/modules")).unwrap_or_default();
    let loaded = loaded.lines().filter_map(|line| line.split(' ').next());
    let release = read(&root.join("proc/sys/kernel/osrelease")).unwrap_or_default();
    let dir = root.join("lib/modules").join(release.trim());
    let listed = ["modules.builtin", "modules.dep"].map(|file| read(&dir.join(file)));
    Modules {
        loaded: loaded.map(|name| name.replace('-', "_")).collect(),
        available: listed.iter().any(Option::is_some).then(|| {
            let lines: String = listed.into_iter().flatten().collect();
            lines.lines().filter_map(module_of).collect()
        }),
    }
}

/// `kernel/net/8021q/8021q.ko.zst: kernel/…` is `8021q`.
fn module_of(line: &str) -> Option<String> {
    let path = line.split(':').next()?;
    let file = path.rsplit('/').next()?;
    let (name, _) = file.split_once(".ko")?;
    Some(name.replace('-', "_"))
}

fn programs(root: &Path, unseen: &mut Vec<(String, String)>) -> BTreeMap<Program, u32> {
    let proc = root.join("proc");
    let own = fs::read_link(proc.join("self/ns/net")).ok();
    let mut found = BTreeMap::new();
    for pid in names(&proc).filter_map(|name| name.parse::<u32>().ok()) {
        let dir = proc.join(pid.to_string());
        let line = fs::read(dir.join("cmdline")).unwrap_or_default();
        let Some(program) = program(&line) else {
            continue;
        };
        match fs::read_link(dir.join("ns/net")) {
            Ok(namespace) if Some(&namespace) == own.as_ref() => {
                found.entry(program).or_insert(pid);
            }
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                let what = format!("process {pid} ({})", program.name());
                unseen.push((what, format!("which network it is in: {error}")));
            }
            _ => {}
        }
    }
    found
}

/// Which of the programs a command line is; `cmdline` of proc(5) ends each word with a NUL.
fn program(cmdline: &[u8]) -> Option<Program> {
    let mut words = cmdline.split(|byte| *byte == 0).map(|word| {
        let text = String::from_utf8_lossy(word);
        text.rsplit('/').next().unwrap_or_default().to_owned()
    });
    match words.next()?.as_str() {
        "bgpd" => Some(Program::Bgpd),
        "bfdd" => Some(Program::Bfdd),
        name if name.starts_with("python") => {
            let script = words.find(|word| !word.starts_with('-'))?;
            ["ovn-bgp-agent", "bgp-agent"]
                .contains(&script.as_str())
                .then_some(Program::PythonAgent)
        }
        _ => None,
    }
}

impl Program {
    /// As operators call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bgpd => "bgpd of FRR",
            Self::Bfdd => "bfdd of FRR",
            Self::PythonAgent => "the Python ovn-bgp-agent",
        }
    }
}

fn names(dir: &Path) -> impl Iterator<Item = String> {
    let entries = fs::read_dir(dir).into_iter().flatten();
    entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    #[test]
    fn sysctls_are_named_as_sysctl_8_names_them() {
        let root = root(&[("proc/sys/net/ipv4/conf/br-ex.100/rp_filter", "1\n")]);
        let expected = [(
            "net.ipv4.conf.br-ex/100.rp_filter".to_owned(),
            "1".to_owned(),
        )];
        assert_eq!(Machine::of(root.path()).sysctls, expected.into());
    }

    #[test]
    fn a_device_is_told_by_its_files_and_network_managers() {
        let root = root(&[
            ("sys/class/net/br-ex/flags", "0x1003\n"),
            ("sys/class/net/br-ex/mtu", "9000\n"),
            ("sys/class/net/br-ex/ifindex", "7\n"),
            (
                "sys/class/net/br-ex/uevent",
                "DEVTYPE=bridge\nINTERFACE=br-ex\n",
            ),
            ("sys/class/net/eth0/flags", "0x1002\n"),
            ("sys/class/net/eth0/ifindex", "2\n"),
            ("sys/class/net/bonding_masters", ""),
            ("run/NetworkManager/devices/7", "[device]\nmanaged=true\n"),
            ("run/NetworkManager/devices/2", "[device]\nmanaged=false\n"),
        ]);
        let devices = Machine::of(root.path()).devices;
        assert_eq!(devices.keys().collect::<Vec<_>>(), ["br-ex", "eth0"]);
        let expected = Device {
            is_up: true,
            kind: Some("bridge".into()),
            mtu: 9000,
            managed: true,
            ..Device::default()
        };
        assert_eq!(devices["br-ex"], expected);
        assert_eq!(devices["eth0"], Device::default());
    }

    #[test]
    fn modules_are_loaded_built_in_or_in_files() {
        let root = root(&[
            ("proc/modules", "openvswitch 167936 12 - Live 0x0\n"),
            ("proc/sys/kernel/osrelease", "6.12.1\n"),
            (
                "lib/modules/6.12.1/modules.builtin",
                "kernel/drivers/net/dummy.ko\n",
            ),
            (
                "lib/modules/6.12.1/modules.dep",
                "kernel/net/8021q/8021q.ko.xz: kernel/net/802/mrp.ko.xz\nkernel/a/nf-nat.ko:\n",
            ),
        ]);
        let modules = Machine::of(root.path()).modules;
        assert_eq!(modules.loaded, ["openvswitch".to_owned()].into());
        let available = ["8021q", "dummy", "nf_nat"].map(str::to_owned);
        assert_eq!(modules.available, Some(available.into()));
    }

    #[test]
    fn without_files_of_this_kernel_nobody_knows_its_modules() {
        let root = root(&[("proc/sys/kernel/osrelease", "6.12.1\n")]);
        assert_eq!(Machine::of(root.path()).modules.available, None);
    }

    #[test]
    fn the_mount_over_proc_sys_says_whether_it_is_read_only() {
        let proc = "20 1 0:19 / /proc rw,nosuid shared:5 - proc proc rw\n";
        let sys = "21 20 0:19 /sys /proc/sys ro,nosuid - proc proc rw\n";
        assert!(!is_read_only(proc));
        assert!(is_read_only(&format!("{proc}{sys}")));
        assert!(!is_read_only("nonsense\n"));
    }

    #[test]
    fn programs_are_told_by_their_command_lines() {
        let told = |words: &[&str]| program((words.join("\0") + "\0").as_bytes());
        assert_eq!(told(&["/usr/lib/frr/bgpd", "-A"]), Some(Program::Bgpd));
        assert_eq!(told(&["/usr/lib/frr/bfdd"]), Some(Program::Bfdd));
        let python = told(&["/usr/bin/python3.12", "-s", "/usr/bin/ovn-bgp-agent"]);
        assert_eq!(python, Some(Program::PythonAgent));
        assert_eq!(told(&["/usr/bin/ovn-bgp-agent", "check"]), None);
        assert_eq!(told(&["python3", "x.py", "bgp-agent"]), None);
        assert_eq!(program(b""), None);
    }

    #[test]
    fn programs_of_other_networks_do_not_count() {
        let root = root(&[
            ("proc/7/cmdline", "/usr/lib/frr/bgpd\0"),
            ("proc/8/cmdline", "/usr/lib/frr/bfdd\0"),
        ]);
        for (pid, namespace) in [("7", "net:[1]"), ("8", "net:[2]"), ("self", "net:[1]")] {
            let dir = root.path().join("proc").join(pid).join("ns");
            fs::create_dir_all(&dir).unwrap();
            std::os::unix::fs::symlink(namespace, dir.join("net")).unwrap();
        }
        let programs = Machine::of(root.path()).programs;
        assert_eq!(programs, [(Program::Bgpd, 7)].into());
    }
}
