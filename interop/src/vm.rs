//! A virtual machine with Debian 13's kernel: VRF, dummy, 802.1Q and the OVS kernel datapath, without KVM.
//!
//! QEMU emulates in software (6 to 15 times slower than the machine, 15 s to boot). The root filesystem is read-only under a
//! RAM overlay, so nothing a command does changes it. `share` is read-write at `/share`.

use std::collections::BTreeSet;
use std::fs::{File, read_dir};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::ovsdb::text;
use crate::process::{Daemon, output, run, wait_until};
use crate::requirement::program;
use crate::rootfs::IN_VM;

/// Programs a boot needs, and the packages that bring them.
const PROGRAMS: &[(&str, &str)] = &[
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("busybox", "busybox-static"),
    ("cpio", "cpio"),
    ("modprobe", "kmod"),
    ("xz", "xz-utils"),
];

/// Modules that mount the root.
const MODULES: &[&str] = &["virtio_pci", "9pnet_virtio", "9p", "overlay", "virtio_rng"];

/// What a command in the machine left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Its exit status.
    pub status: i32,
    /// Both its outputs.
    pub output: String,
}

/// What is missing to boot a machine, with the command that brings it; `None` if nothing is.
pub fn missing() -> Option<String> {
    let packages: Vec<&str> = PROGRAMS
        .iter()
        .filter(|(p, _)| program(p).is_none())
        .map(|(_, package)| *package)
        .collect();
    if packages.is_empty() {
        return None;
    }
    Some(format!(
        "a VM needs: apt-get install {}",
        packages.join(" ")
    ))
}

/// Boots `root`, runs `command` with sh, and powers off. An error if it has not ended after `limit`.
///
/// A machine whose kernel panics is booted once more: emulation with two processors now and then gets code wrong that
/// the kernel patches while it runs (static keys), which says nothing about what is tested.
pub fn boot(root: &Path, share: &Path, command: &str, limit: Duration) -> Result<Outcome> {
    if let Some(reason) = missing() {
        anyhow::bail!(reason);
    }
    match boot_once(root, share, command, limit) {
        Err(error) if format!("{error:#}").contains("Kernel panic") => {
            eprintln!("the machine's kernel panicked; once more\n{error:#}");
            boot_once(root, share, command, limit)
        }
        ended => ended,
    }
}

/// Whether this is the machine: a test that plays itself there ([`play_test`]) asks.
pub fn is_here() -> bool {
    std::env::var_os(IN_VM).is_some()
}

/// Plays the test of this name (its path, as `--exact` takes it) inside the machine, where it finds [`is_here`]. What it said; an error
/// with that if it failed.
pub fn play_test(name: &str, limit: Duration) -> Result<String> {
    let words = ["--exact", name, "--nocapture", "--test-threads=1"];
    let outcome = play(&crate::agent_binary(), &words, limit)?;
    let output = outcome.output;
    ensure!(
        outcome.status == 0 && output.contains("1 passed"),
        "{name} in the machine: status {}\n{output}",
        outcome.status
    );
    Ok(output)
}

/// Where the agent is that [`play`] brought in.
pub const AGENT_INSIDE: &str = "/run/play/ovn-bgp-agent";

/// Runs the program that runs here inside the machine, with other words: it goes in, and this agent beside it, as [`AGENT_INSIDE`].
/// Where it fails, daemons' logs are in `logs` of the shared directory then.
pub fn play(agent: &Path, words: &[&str], limit: Duration) -> Result<Outcome> {
    let share = crate::scratch()?;
    let program = share.path().join("program");
    std::fs::copy(std::env::current_exe()?, &program)?;
    if agent.exists() {
        std::fs::copy(agent, share.path().join("ovn-bgp-agent"))?;
    }
    let quoted = words.iter().map(|word| format!("'{word}'"));
    let words = quoted.collect::<Vec<_>>().join(" ");
    // not run from the shared directory, which is slow at pages; LAB_KEEP, so that logs are there at the end
    let command = format!(
        "modprobe -a {MACHINE_MODULES}\nmkdir /run/play; cp /share/program /share/ovn-bgp-agent /run/play\n\
         LAB_KEEP=1 {IN_VM}=1 CI=true RUST_BACKTRACE=0 /run/play/program {words}\nstatus=$?\n\
         [ $status = 0 ] || for f in /tmp/lab-*/*.log /tmp/lab-*/*/*.log; do\n\
           to=/share/logs/$(echo \"${{f#/tmp/}}\" | tr / _); mkdir -p /share/logs; cp \"$f\" \"$to\" 2> /dev/null\ndone\nexit $status"
    );
    let root = crate::Generation::Trixie.root()?;
    boot(&root, share.path(), &command, limit)
}

/// What labs in the machine use, beyond what mounts its root.
const MACHINE_MODULES: &str = "openvswitch vport-geneve vrf 8021q dummy veth vxlan bridge geneve";

fn boot_once(root: &Path, share: &Path, command: &str, limit: Duration) -> Result<Outcome> {
    let work = crate::scratch()?;
    let kernel = kernel_version(root)?;
    initial_ram_disk(root, &kernel, work.path())?;
    std::fs::write(share.join(".init"), INIT)?;
    std::fs::write(share.join(".command"), command)?;
    let (status, said) = (share.join(".status"), share.join(".output"));
    for old in [&status, &said] {
        let _ = std::fs::remove_file(old);
    }
    let mut qemu = qemu(root, share, &kernel, work.path());
    let mut machine = Daemon::spawn("console", work.path(), &mut qemu)?;
    let ended = wait_until(limit, "the virtual machine's end", || !machine.is_running());
    let output = std::fs::read(&said).unwrap_or_default();
    let output = String::from_utf8_lossy(&output).into_owned();
    ended.with_context(|| format!("{output}\nconsole: {}", machine.log_tail()))?;
    let status = std::fs::read_to_string(&status).with_context(|| {
        format!(
            "the machine ended before the command: {output}\nconsole: {}",
            machine.log_tail()
        )
    })?;
    Ok(Outcome {
        status: status.trim().parse()?,
        output,
    })
}

fn kernel_version(root: &Path) -> Result<String> {
    let all: Result<BTreeSet<String>, _> = read_dir(root.join("usr/lib/modules"))
        .context("the root filesystem has no kernel modules")?
        .map(|e| e.map(|e| e.file_name().to_string_lossy().into_owned()))
        .collect();
    let newest = all?.into_iter().rfind(|v| !v.contains("cloud"));
    newest.context("the root filesystem has no kernel")
}

/// busybox, the modules, and a script that puts the overlay together and goes on in it.
fn initial_ram_disk(root: &Path, kernel: &str, work: &Path) -> Result<()> {
    let tree = work.join("tree");
    for dir in ["bin", "mod", "proc", "sys", "dev", "ro", "rw", "new"] {
        std::fs::create_dir_all(tree.join(dir))?;
    }
    std::fs::copy(
        program("busybox").context("no busybox")?,
        tree.join("bin/busybox"),
    )?;
    for (n, module) in modules(root, kernel)?.iter().enumerate() {
        let name = module
            .file_stem()
            .map(|s| s.to_string_lossy().trim_end_matches(".ko").to_owned());
        let to = tree.join(format!("mod/{n:02}-{}.ko", name.unwrap_or_default()));
        if module.extension().is_some_and(|e| e == "xz") {
            let mut unpack = Command::new("xz");
            let done = unpack
                .arg("-dc")
                .arg(module)
                .stdout(File::create(&to)?)
                .status()?;
            ensure!(done.success(), "cannot unpack {}", module.display());
        } else {
            std::fs::copy(module, &to)?;
        }
    }
    let init = tree.join("init");
    std::fs::write(&init, FIRST)?;
    run("chmod", ["755", &text(&init)])?;
    let line = "find . | cpio -o -H newc --quiet | gzip -1 > ../initrd.gz";
    output(Command::new("sh").current_dir(&tree).args(["-ec", line])).map(drop)
}

/// The files of [`MODULES`] and of what they depend on, in the order to load them.
fn modules(root: &Path, kernel: &str) -> Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> = Vec::new();
    let modprobe = program("modprobe").context("no modprobe")?;
    for module in MODULES {
        let shown = output(Command::new(&modprobe).args([
            "-d",
            &text(root),
            "-S",
            kernel,
            "--show-depends",
            module,
        ]))?;
        for file in shown.lines().filter_map(|l| l.strip_prefix("insmod ")) {
            let inner = Path::new(file.trim())
                .strip_prefix(root)
                .unwrap_or_else(|_| Path::new(file.trim()));
            let path = root.join(inner.strip_prefix("/").unwrap_or(inner));
            if !files.contains(&path) {
                files.push(path);
            }
        }
    }
    Ok(files)
}

fn qemu(root: &Path, share: &Path, kernel: &str, work: &Path) -> Command {
    let mut qemu = Command::new("qemu-system-x86_64");
    // an old processor: what emulation is slow at (AVX, five levels of pages) makes a quarter of the time of "max"
    qemu.args([
        "-accel",
        "tcg,thread=multi,tb-size=512",
        "-cpu",
        "Nehalem",
        "-smp",
        "2",
        "-m",
        "4096",
    ]);
    qemu.args([
        "-nographic",
        "-no-reboot",
        "-nic",
        "none",
        "-device",
        "virtio-rng-pci",
    ]);
    qemu.arg("-kernel")
        .arg(root.join(format!("boot/vmlinuz-{kernel}")));
    qemu.arg("-initrd").arg(work.join("initrd.gz"));
    qemu.args(["-append", "console=ttyS0 quiet panic=-1 mitigations=off"]);
    for (tag, dir, more) in [
        ("root", root, ",readonly=on,multidevs=remap"),
        ("share", share, ""),
    ] {
        qemu.arg("-fsdev").arg(format!(
            "local,id={tag},path={},security_model=none{more}",
            text(dir)
        ));
        qemu.arg("-device")
            .arg(format!("virtio-9p-pci,fsdev={tag},mount_tag={tag}"));
    }
    qemu
}

/// `/init` of the RAM disk.
const FIRST: &str = r"#!/bin/busybox sh
b=/bin/busybox
$b mount -t proc proc /proc; $b mount -t sysfs sys /sys; $b mount -t devtmpfs dev /dev
for m in /mod/*; do $b insmod $m 2>/dev/null; done
o=trans=virtio,version=9p2000.L,msize=512000
$b mount -t 9p -o $o,cache=loose,ro root /ro
$b mount -t tmpfs -o size=2g tmpfs /rw; $b mkdir /rw/upper /rw/work
$b mount -t overlay -o lowerdir=/ro,upperdir=/rw/upper,workdir=/rw/work overlay /new
$b mkdir -p /new/share
$b mount -t 9p -o $o,cache=none share /new/share
for d in proc sys dev; do $b mount --move /$d /new/$d; done
exec $b switch_root /new /bin/sh /share/.init
";

/// The machine's only process: what a lab needs of a boot, then the command, then the end.
const INIT: &str = r"export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
for d in /run /tmp; do mount -t tmpfs tmpfs $d; done
mkdir -p /dev/pts /run/lock; mount -t devpts devpts /dev/pts
ip link set lo up; hostname vm
sh /share/.command > /share/.output 2>&1; echo $? > /share/.status
sync; echo o > /proc/sysrq-trigger; sleep 60
";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Generation, Need, require, scratch};

    #[test]
    fn the_machine_has_what_this_kernel_lacks() {
        require!(Need::Root, Need::Vm, Need::Trixie);
        let (root, share) = (Generation::Trixie.root().unwrap(), scratch().unwrap());
        let command = "set -e; modprobe openvswitch; ip link add v type vrf table 10; ip link add dum0 type dummy; \
                       ip link add link dum0 name dum0.5 type vlan id 5; ip -br link > /share/links; echo done; exit 3";
        let outcome = boot(&root, share.path(), command, Duration::from_secs(240)).unwrap();
        assert_eq!((outcome.status, outcome.output.trim()), (3, "done"));
        assert!(
            std::fs::read_to_string(share.path().join("links"))
                .unwrap()
                .contains("dum0.5@dum0")
        );
    }
}
