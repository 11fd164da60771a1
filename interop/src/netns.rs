//! Network namespaces: nodes of a lab.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use anyhow::{Context, Result, anyhow};
use nix::sched::{CloneFlags, setns};

use crate::process::{output, run};

/// A network namespace with a name no other lab has, loopback up, IPv6 duplicate address detection off.
/// Dropping it removes it, with every interface in it.
#[derive(Debug)]
pub struct Namespace {
    name: String,
}

impl Namespace {
    /// Creates `lab-<pid>-<n>-<label>`.
    pub fn new(label: &str) -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        sweep_once();
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("lab-{}-{n}-{label}", std::process::id());
        run("ip", ["netns", "add", &name])?;
        let this = Self { name };
        this.ip("link set lo up")?;
        for scope in ["all", "default"] {
            // addresses are usable at once: a lab knows that they are unique
            this.sysctl(&format!("net.ipv6.conf.{scope}.accept_dad"), "0")?;
        }
        Ok(this)
    }

    /// The name `ip netns` knows it by.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file that stands for it, for setns(2).
    pub fn path(&self) -> String {
        format!("/run/netns/{}", self.name)
    }

    /// A command that will run inside (through `ip netns exec`, which execs: the pid is the program's).
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, program]);
        command
    }

    /// Runs `ip <args>` inside; `args` is split at blanks.
    pub fn ip(&self, args: &str) -> Result<String> {
        output(
            Command::new("ip")
                .args(["-n", &self.name])
                .args(args.split_whitespace()),
        )
    }

    /// Everything that an agent could change in the kernel, as ip(8) lists it.
    pub fn kernel(&self) -> Result<BTreeMap<&'static str, String>> {
        let listings = [
            "link show",
            "address show",
            "-4 rule show",
            "-6 rule show",
            "-4 route show table all",
            "-6 route show table all",
            "neigh show",
            "-6 neigh show proxy",
        ];
        let listed = listings.map(|what| Ok((what, self.ip(what)?)));
        listed.into_iter().collect()
    }

    /// Runs these lines as `ip <line>` inside, in one process; the first that fails ends it.
    pub fn ip_lines<S: AsRef<str>>(&self, lines: &[S]) -> Result<()> {
        let text: String = lines
            .iter()
            .map(|line| format!("{}\n", line.as_ref()))
            .collect();
        let mut file = tempfile::NamedTempFile::new()?;
        file.write_all(text.as_bytes())?;
        let mut command = Command::new("ip");
        command.args(["-n", &self.name, "-batch"]).arg(file.path());
        output(&mut command).with_context(|| text).map(drop)
    }

    /// Runs a shell line inside and returns its output.
    pub fn sh(&self, line: &str) -> Result<String> {
        output(self.command("sh").args(["-c", line]))
    }

    /// Sets a `net.*` sysctl inside; dots separate, as in sysctl(8), slashes for names with dots.
    pub fn sysctl(&self, key: &str, value: &str) -> Result<()> {
        let path = sysctl_path(key);
        let written = self.inside(|| std::fs::write(&path, value))?;
        written.with_context(|| format!("cannot set {key} to {value} in {}", self.name))
    }

    /// Reads a `net.*` sysctl inside.
    pub fn sysctl_value(&self, key: &str) -> Result<String> {
        let path = sysctl_path(key);
        let value = self.inside(|| std::fs::read_to_string(&path))??;
        Ok(value.trim_end().to_owned())
    }

    /// Forwards packets, IPv4 and IPv6, and accepts what comes in by another way than it goes out.
    pub fn forward(&self) -> Result<()> {
        self.sysctl("net.ipv4.ip_forward", "1")?;
        self.sysctl("net.ipv6.conf.all.forwarding", "1")?;
        self.sysctl("net.ipv4.conf.all.rp_filter", "0")?;
        self.sysctl("net.ipv4.conf.default.rp_filter", "0")
    }

    /// Adds an address, e.g. `("eth0", "10.0.0.1/24")`.
    pub fn address(&self, interface: &str, prefix: &str) -> Result<()> {
        self.ip(&format!("address add {prefix} dev {interface}"))
            .map(drop)
    }

    /// The MAC address of an interface.
    pub fn mac(&self, interface: &str) -> Result<String> {
        let json = self.ip(&format!("-json link show dev {interface}"))?;
        let links: serde_json::Value = serde_json::from_str(&json)?;
        let mac = links[0]["address"].as_str();
        Ok(mac
            .with_context(|| format!("{interface} has no MAC"))?
            .to_owned())
    }

    /// Gives programs started here through `ip netns exec` their own copy of `/etc/<entry>`: what they write there stays
    /// in the lab (`iproute2`, where an agent names its routing table).
    pub fn private_etc(&self, entry: &str) -> Result<PathBuf> {
        let copy = self.etc().join(entry);
        std::fs::create_dir_all(self.etc())?;
        let from = Path::new("/etc").join(entry);
        std::fs::create_dir_all(&from)?;
        run("cp", ["-aT".as_ref(), from.as_os_str(), copy.as_os_str()])?;
        Ok(copy)
    }

    fn etc(&self) -> PathBuf {
        Path::new("/etc/netns").join(&self.name)
    }

    /// Whether one echo request is answered within a second; `from` names the source address.
    pub fn pings(&self, to: IpAddr, from: Option<IpAddr>) -> bool {
        let mut command = self.command("ping");
        command.args(["-n", "-c1", "-W1"]);
        if let Some(from) = from {
            command.args(["-I", &from.to_string()]);
        }
        crate::process::succeeds(command.arg(to.to_string()))
    }

    /// Runs `work` on a thread of its own inside this namespace and returns what it returns.
    pub fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        let file = File::open(self.path())?;
        thread::scope(|scope| {
            scope
                .spawn(move || {
                    setns(file, CloneFlags::CLONE_NEWNET)?;
                    Ok(work())
                })
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
        .map_err(|e: nix::Error| anyhow!("cannot enter {}: {e}", self.name))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if std::env::var_os("LAB_KEEP").is_none() {
            let _ = run("ip", ["netns", "delete", &self.name]);
            let _ = std::fs::remove_dir_all(self.etc());
        }
    }
}

/// A veth pair, both ends up: `connect((&leaf, "eth1"), (&node, "eth0"))`.
pub fn connect(a: (&Namespace, &str), b: (&Namespace, &str)) -> Result<()> {
    output(Command::new("ip").args([
        "link", "add", a.1, "netns", &a.0.name, "type", "veth", "peer", "name", b.1, "netns",
        &b.0.name,
    ]))?;
    a.0.ip(&format!("link set {} up", a.1))?;
    b.0.ip(&format!("link set {} up", b.1))?;
    Ok(())
}

/// A cable with a switch in its middle that can go silent while both ends keep their carrier.
#[derive(Debug)]
pub struct Cable {
    switch: Namespace,
}

impl Cable {
    /// Between two new interfaces, both up.
    pub fn new(a: (&Namespace, &str), b: (&Namespace, &str)) -> Result<Self> {
        let switch = Namespace::new("switch")?;
        switch.ip("link add bridge0 type bridge")?;
        for (end, port) in [(a, "left"), (b, "right")] {
            connect(end, (&switch, port))?;
            switch.ip(&format!("link set {port} master bridge0"))?;
        }
        let this = Self { switch };
        this.mend()?;
        Ok(this)
    }

    /// From now on no frame passes.
    pub fn cut(&self) -> Result<()> {
        self.switch.ip("link set bridge0 down").map(drop)
    }

    /// Frames pass again.
    pub fn mend(&self) -> Result<()> {
        self.switch.ip("link set bridge0 up").map(drop)
    }
}

fn sysctl_path(key: &str) -> String {
    if key.contains('/') {
        format!("/proc/sys/{key}")
    } else {
        format!("/proc/sys/{}", key.replace('.', "/"))
    }
}

/// Removes namespaces of labs that were killed: their name holds the pid of a process that is gone.
fn sweep_once() {
    static SWEPT: Once = Once::new();
    SWEPT.call_once(|| {
        let listed = run("ip", ["netns", "list"]).unwrap_or_default();
        for name in listed.lines().filter_map(|l| l.split_whitespace().next()) {
            let pid = name
                .strip_prefix("lab-")
                .and_then(|rest| rest.split('-').next());
            if let Some(pid) = pid.and_then(|p| p.parse::<u32>().ok())
                && crate::process::owner_mark(pid).is_none()
            {
                let _ = run("ip", ["netns", "delete", name]);
                let _ = std::fs::remove_dir_all(Path::new("/etc/netns").join(name));
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Need, require};

    #[test]
    fn two_namespaces_reach_each_other() {
        require!(Need::Root, Need::Program("ip"), Need::Program("ping"));
        let (a, b) = (Namespace::new("a").unwrap(), Namespace::new("b").unwrap());
        connect((&a, "eth0"), (&b, "eth0")).unwrap();
        for (ns, v4, v6) in [
            (&a, "10.9.0.1/24", "fd00:9::1/64"),
            (&b, "10.9.0.2/24", "fd00:9::2/64"),
        ] {
            ns.address("eth0", v4).unwrap();
            ns.address("eth0", v6).unwrap();
        }
        assert!(a.pings("10.9.0.2".parse().unwrap(), None));
        assert!(a.pings("fd00:9::2".parse().unwrap(), None));
        assert!(!a.pings("10.9.0.3".parse().unwrap(), None));
    }

    #[test]
    fn a_thread_inside_sees_only_its_own_interfaces() {
        require!(Need::Root, Need::Program("ip"));
        let ns = Namespace::new("x").unwrap();
        ns.sysctl("net.ipv4.ip_forward", "1").unwrap();
        assert_eq!(ns.sysctl_value("net.ipv4.ip_forward").unwrap(), "1");
        let text = ns
            .inside(|| std::fs::read_to_string("/proc/thread-self/net/dev"))
            .unwrap()
            .unwrap();
        assert_eq!(
            text.lines().filter(|l| l.contains(':')).count(),
            1,
            "{text}"
        );
    }

    #[test]
    fn a_dropped_namespace_is_gone() {
        require!(Need::Root, Need::Program("ip"));
        let path = Namespace::new("gone").unwrap().path();
        assert!(!Path::new(&path).exists());
    }

    #[test]
    fn what_is_written_to_a_private_etc_stays_inside() {
        require!(Need::Root, Need::Program("ip"));
        let ns = Namespace::new("etc").unwrap();
        let copy = ns.private_etc("iproute2").unwrap();
        ns.sh("echo 77 lab-table > /etc/iproute2/lab-test").unwrap();
        assert!(copy.join("lab-test").exists());
        assert!(!Path::new("/etc/iproute2/lab-test").exists());
        drop(ns);
        assert!(!copy.exists());
    }
}
