//! What a test needs from the machine. A test that cannot run says why and counts as skipped; in CI it fails.

use std::io::Write;
use std::path::Path;

/// One thing a test cannot do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// User id 0.
    Root,
    /// A program in PATH (or the sbin directories, or an absolute path).
    Program(&'static str),
    /// The Debian 13 tree of [`crate::rootfs`] (made on first use, which needs `mmdebstrap`).
    Trixie,
    /// The agent's binary where [`crate::agent_binary`] looks.
    Agent,
    /// QEMU and what its initial RAM disk is made of.
    Vm,
}

impl Need {
    /// Why it is not met, or `None` if it is.
    pub fn missing(self) -> Option<String> {
        match self {
            Self::Root => (!nix::unistd::geteuid().is_root()).then(|| "needs root".to_owned()),
            Self::Program(name) => program(name)
                .is_none()
                .then(|| format!("needs the program {name}")),
            Self::Trixie => crate::Generation::Trixie
                .root()
                .err()
                .map(|e| format!("{e:#}")),
            Self::Agent => {
                let file = crate::agent_binary();
                (!file.exists()).then(|| {
                    let file = file.display();
                    format!("needs {file}: cargo build --bin ovn-bgp-agent")
                })
            }
            Self::Vm => crate::vm::missing(),
        }
    }
}

/// Returns from the test with a word if one of the needs is not met; fails it where `CI` is `true`.
///
/// `require!(Need::Root, Need::Program("ovs-vswitchd"));`
#[macro_export]
macro_rules! require {
    ($($need:expr),+ $(,)?) => {
        if !$crate::requirement::is_met(&[$($need),+]) {
            return;
        }
    };
}

/// Whether all are met. If not: prints `SKIPPED <test>: <reason>`, and appends that line to the file named by
/// `LAB_SKIPPED`, by which `make test` counts.
///
/// # Panics
/// Where the environment has `CI=true`: there everything is installed, and nothing may be skipped.
pub fn is_met(needs: &[Need]) -> bool {
    let Some(reason) = needs.iter().find_map(|need| need.missing()) else {
        return true;
    };
    skip(&reason);
    false
}

/// Notes that the running test is skipped, and why.
///
/// # Panics
/// Where the environment has `CI=true`.
pub fn skip(reason: &str) {
    let thread = std::thread::current();
    let test = std::env::var("NEXTEST_TEST_NAME").ok();
    let test = test.as_deref().or_else(|| thread.name()).unwrap_or("test");
    // one line each: they are counted
    let line = format!("SKIPPED {test}: {}", reason.replace('\n', " "));
    assert!(
        std::env::var("CI").as_deref() != Ok("true"),
        "in CI nothing is skipped: {line}"
    );
    println!("{line}");
    if let Some(path) = std::env::var_os("LAB_SKIPPED")
        && let Ok(mut file) = std::fs::File::options()
            .create(true)
            .append(true)
            .open(path)
    {
        let _ = writeln!(file, "{line}");
    }
}

/// Finds a program as a shell would, in the sbin directories too.
pub fn program(name: &str) -> Option<std::path::PathBuf> {
    if name.contains('/') {
        return Path::new(name).exists().then(|| name.into());
    }
    let path = std::env::var("PATH").unwrap_or_default();
    path.split(':')
        .chain(["/usr/sbin", "/sbin", "/usr/bin", "/bin"])
        .map(|dir| Path::new(dir).join(name))
        .find(|candidate| candidate.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_is_named() {
        assert_eq!(Need::Program("sh").missing(), None);
        let reason = Need::Program("no-such-program").missing().unwrap();
        assert!(reason.contains("no-such-program"));
    }
}
