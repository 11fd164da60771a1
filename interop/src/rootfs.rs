//! Two Debian generations of every program: this machine's own, and Debian 13's in a root filesystem.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, bail};
use nix::fcntl::{Flock, FlockArg};

use crate::netns::Namespace;
use crate::process::run;

/// A Debian release and with it a set of versions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Generation {
    /// The machine's own programs; on Debian 12 OVN 23.03, OVS 3.1, FRR 8.4, BIRD 2.0.12, GoBGP 3.10.
    #[default]
    Bookworm,
    /// OVN 25.03, OVS 3.5, FRR 10.3, BIRD 3.1, GoBGP 3.36, kernel 6.12.
    Trixie,
}

/// What the Debian 13 tree holds beyond the essential packages.
const PACKAGES: &[&str] = &[
    "ovn-central",
    "ovn-host",
    "openvswitch-switch",
    "frr",
    "bird3",
    "gobgpd",
    "openbgpd",
    "exabgp",
    "linux-image-amd64",
    "busybox-static",
    "kmod",
    "iproute2",
    "procps",
    "iputils-ping",
    "tcpdump",
    "jq",
    "openssl",
    "curl",
    "ca-certificates",
];

/// What the tree for adoption tests holds besides: the Python agent.
const PYTHON_AGENT: &[&str] = &["ovn-bgp-agent", "sudo"];

impl Generation {
    /// Both, oldest first.
    pub const ALL: [Self; 2] = [Self::Bookworm, Self::Trixie];

    /// Its root filesystem; `/` for the machine's own. Debian 13's is made on first use: a minute, 1 GB.
    pub fn root(self) -> Result<PathBuf> {
        static TRIXIE: OnceLock<std::result::Result<PathBuf, String>> = OnceLock::new();
        if std::env::var_os(IN_VM).is_some() {
            return Ok("/".into());
        }
        match self {
            Self::Bookworm => Ok("/".into()),
            Self::Trixie => TRIXIE
                .get_or_init(|| tree("trixie", &[]).map_err(|e| format!("{e:#}")))
                .clone()
                .map_err(anyhow::Error::msg),
        }
    }

    /// The path of a file of this generation as the machine sees it.
    pub fn file(self, path: &str) -> Result<PathBuf> {
        Ok(self.root()?.join(path.trim_start_matches('/')))
    }
}

/// The Debian 13 tree with Debian's Python agent in it, for adoption tests; made on first use.
pub fn python_agent_root() -> Result<PathBuf> {
    tree("trixie-python", PYTHON_AGENT)
}

/// Where a program runs: whose program it is, and in which network namespace.
#[derive(Clone, Debug, Default)]
pub struct Place {
    generation: Generation,
    netns: Option<String>,
    mounts: Vec<(String, String)>,
}

impl Place {
    /// The machine's own programs in its own network.
    pub fn host() -> Self {
        Self::default()
    }

    /// In a namespace; it must outlive what runs in it.
    pub fn inside(namespace: &Namespace) -> Self {
        Self {
            netns: Some(namespace.name().to_owned()),
            ..Self::default()
        }
    }

    /// The same place with another generation's programs.
    #[must_use]
    pub fn with(mut self, generation: Generation) -> Self {
        self.generation = generation;
        self
    }

    /// The same place with `from`, a file or a directory, at `to` (made where missing): programs find things where they expect them.
    #[must_use]
    pub fn mount(mut self, from: &Path, to: &str) -> Self {
        self.mounts
            .push((from.display().to_string(), to.to_owned()));
        self
    }

    /// Whose programs run here.
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// A command that will run here. Every wrapper execs, so a daemon's pid is the program's own.
    ///
    /// A program of another generation runs in its root filesystem, in a mount namespace of its own
    /// where `/proc`, `/dev`, `/sys`, `/run/netns` and `/tmp` are the machine's: paths below `/tmp` mean the same everywhere.
    pub fn command(&self, program: &str) -> Result<Command> {
        let root = self.generation.root()?;
        let mut words: Vec<String> = Vec::new();
        if let Some(netns) = &self.netns {
            words.extend(["ip", "netns", "exec", netns].map(str::to_owned));
        }
        if root != Path::new("/") || !self.mounts.is_empty() {
            if self.netns.is_none() {
                words.extend(["unshare", "-m"].map(str::to_owned));
            }
            words.extend(["sh", "-c", ENTER, "enter"].map(str::to_owned));
            words.push(root.display().to_string());
            words.extend(
                self.mounts
                    .iter()
                    .flat_map(|(from, to)| [from.clone(), to.clone()]),
            );
            words.push("--".to_owned());
        }
        words.push(program.to_owned());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("/usr/sbin:/usr/bin:/sbin:/bin:{path}"));
        Ok(command)
    }

    /// Runs a program here to its end; its standard output.
    pub fn run(&self, program: &str, args: &[&str]) -> Result<String> {
        crate::process::output(self.command(program)?.args(args))
    }
}

/// Enters a root filesystem `$1` with pairs of mounts up to `--`, then execs the program.
const ENTER: &str = r#"root=${1%/}; shift
if [ -n "$root" ]; then for d in proc sys dev tmp; do mount --rbind /$d "$root/$d" || exit 126; done; fi
while [ "$1" != -- ]; do
  if [ -d "$1" ]; then mkdir -p "$root$2"; else mkdir -p "$(dirname "$root$2")"; [ -e "$root$2" ] || : > "$root$2"; fi
  mount --bind "$1" "$root$2" || exit 126
  shift 2
done
shift
if [ -n "$root" ]; then exec chroot "$root" "$@"; else exec "$@"; fi"#;

/// Set where the machine itself is the Debian 13 one (inside [`crate::vm`]): every generation is then its own.
pub const IN_VM: &str = "LAB_IN_VM";

/// Where made things are kept: `$LAB_DIR`, or `target/lab` of the project.
pub fn lab_dir() -> Result<PathBuf> {
    let dir = std::env::var_os("LAB_DIR").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/lab"),
        PathBuf::from,
    );
    std::fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    Ok(dir.canonicalize()?)
}

/// The tree of that name, made if it is not there; concurrent tests wait for the one that makes it.
fn tree(name: &str, extra: &[&str]) -> Result<PathBuf> {
    let dir = lab_dir()?;
    let made = dir.join(name);
    if made.exists() {
        return Ok(made);
    }
    if crate::requirement::program("mmdebstrap").is_none() {
        bail!(
            "{} is not there and mmdebstrap is missing: apt-get install mmdebstrap",
            made.display()
        );
    }
    let lock = File::create(dir.join(format!("{name}.lock")))?;
    let _held = Flock::lock(lock, FlockArg::LockExclusive).map_err(|(_, e)| e)?;
    if !made.exists() {
        let part = dir.join(format!("{name}.part"));
        make(&part, extra)?;
        std::fs::rename(&part, &made)?;
    }
    Ok(made)
}

fn make(dir: &Path, extra: &[&str]) -> Result<()> {
    if dir.exists() {
        std::fs::remove_dir_all(dir).context("cannot remove a half-made tree")?;
    }
    let source = format!("deb {} trixie main", mirror()?);
    let packages: Vec<&str> = PACKAGES.iter().chain(extra).copied().collect();
    run("mmdebstrap", [
        "--variant=minbase",
        "--mode=root",
        "--keyring=/usr/share/keyrings",
        // scripts of packages must not start daemons in there
        "--setup-hook=mkdir -p \"$1/usr/sbin\"; printf '#!/bin/sh\\nexit 101\\n' > \"$1/usr/sbin/policy-rc.d\"; chmod 755 \"$1/usr/sbin/policy-rc.d\"",
        &format!("--include={}", packages.join(",")),
        "trixie",
        &dir.display().to_string(),
        &source,
    ])
    .context("cannot make the Debian 13 tree")?;
    Ok(())
}

/// The Debian mirror apt uses on this machine.
fn mirror() -> Result<String> {
    let listed = run("apt-get", ["indextargets", "--format", "$(REPO_URI)"])?;
    let found = listed
        .lines()
        .find(|uri| uri.trim_end_matches('/').ends_with("/debian"));
    Ok(found.context("apt knows no Debian mirror")?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Need, require};

    #[test]
    fn each_generation_runs_its_own_programs() {
        require!(Need::Root, Need::Trixie);
        for (generation, wanted) in [
            (Generation::Bookworm, "VERSION_ID=\"12\""),
            (Generation::Trixie, "VERSION_ID=\"13\""),
        ] {
            let text = Place::host()
                .with(generation)
                .run("cat", &["/etc/os-release"])
                .unwrap();
            assert!(text.contains(wanted), "{text}");
        }
    }

    #[test]
    fn a_scratch_directory_is_the_same_inside() {
        require!(Need::Root, Need::Trixie, Need::Program("ip"));
        let dir = crate::scratch().unwrap();
        let ns = Namespace::new("chroot").unwrap();
        let file = dir.path().join("x");
        let place = Place::inside(&ns).with(Generation::Trixie);
        place
            .run(
                "sh",
                &["-c", &format!("ip -o link | wc -l > {}", file.display())],
            )
            .unwrap();
        assert_eq!(std::fs::read_to_string(file).unwrap().trim(), "1");
    }
}
