//! Programs: run to the end, or kept as daemons until dropped.

use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Once;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;

/// Names the owner (`pid:start time`) in the environment of everything a lab starts, so that the next run can
/// sweep what a killed one left.
const OWNER: &str = "LAB_OWNER";

/// Calls `cond` until it holds; an error that names `what` after `deadline`.
///
/// Polls every few milliseconds: for conditions in other processes that cannot notify us.
pub fn wait_until(deadline: Duration, what: &str, mut cond: impl FnMut() -> bool) -> Result<()> {
    let start = Instant::now();
    let mut pause = Duration::from_millis(2);
    while !cond() {
        if start.elapsed() > deadline {
            bail!("{what}: not within {deadline:?}");
        }
        std::thread::sleep(pause);
        pause = (pause * 3 / 2).min(Duration::from_millis(100));
    }
    Ok(())
}

/// Like [`wait_until`], for a question that answers with a value.
pub fn wait_for<T>(
    deadline: Duration,
    what: &str,
    mut ask: impl FnMut() -> Option<T>,
) -> Result<T> {
    let mut answer = None;
    wait_until(deadline, what, || {
        answer = ask();
        answer.is_some()
    })?;
    answer.with_context(|| format!("{what}: no answer"))
}

/// Waits until `ask` answers `wanted`, within [`crate::PATIENCE`].
///
/// # Panics
/// If it does not; with its last answer.
#[track_caller]
pub fn eventually<T: PartialEq + fmt::Debug>(wanted: T, ask: impl FnMut() -> T) {
    eventually_within(crate::PATIENCE, wanted, ask);
}

/// [`eventually`], with another deadline.
///
/// # Panics
/// If `ask` does not answer `wanted` by then; with its last answer.
#[track_caller]
pub fn eventually_within<T: PartialEq + fmt::Debug>(
    deadline: Duration,
    wanted: T,
    mut ask: impl FnMut() -> T,
) {
    let mut last = None;
    let waited = wait_until(deadline, "answer", || {
        let answer = ask();
        let right = answer == wanted;
        last = Some(answer);
        right
    });
    assert!(waited.is_ok(), "wanted {wanted:?}, got {last:?}");
}

/// Runs a command to its end and returns its standard output; an error with both outputs if it fails.
pub fn output(command: &mut Command) -> Result<String> {
    let out = owned(command)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {command:?}"))?;
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    if !out.status.success() {
        let errors = String::from_utf8_lossy(&out.stderr);
        bail!("{command:?}: {}: {text}{errors}", out.status);
    }
    Ok(text)
}

/// Whether a command ends with success; its output is dropped.
pub fn succeeds(command: &mut Command) -> bool {
    owned(command)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|s| s.success())
}

/// A command of the machine itself, e.g. `run("ip", ["link"])`.
pub fn run<I, S>(program: &str, args: I) -> Result<String>
where
    I: IntoIterator<Item = S>,
    S: AsRef<OsStr>,
{
    output(Command::new(program).args(args))
}

/// A process that runs until it is stopped or dropped; what it says goes to `log`.
#[derive(Debug)]
pub struct Daemon {
    name: String,
    log: PathBuf,
    child: Child,
}

impl Daemon {
    /// Starts `command` in the foreground with both outputs appended to `<dir>/<name>.log`.
    pub fn spawn(name: &str, dir: &Path, command: &mut Command) -> Result<Self> {
        sweep_once();
        let log = dir.join(format!("{name}.log"));
        let out = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .with_context(|| format!("cannot write {}", log.display()))?;
        let child = owned(command)
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out)
            .spawn()
            .with_context(|| format!("cannot start {command:?}"))?;
        Ok(Self {
            name: name.to_owned(),
            log,
            child,
        })
    }

    /// Waits until `ready` holds; an early exit or the deadline is an error that quotes the log's end.
    pub fn wait_ready(
        &mut self,
        deadline: Duration,
        mut ready: impl FnMut() -> bool,
    ) -> Result<()> {
        let mut exit = None;
        let child = &mut self.child;
        let waited = wait_until(deadline, "ready", || {
            exit = child.try_wait().ok().flatten();
            exit.is_some() || ready()
        });
        match (exit, waited) {
            (Some(status), _) => bail!("{} ended with {status}: {}", self.name, self.log_tail()),
            (None, Err(e)) => bail!("{}: {e}: {}", self.name, self.log_tail()),
            (None, Ok(())) => Ok(()),
        }
    }

    /// The process id; wrappers exec, so this is the program itself.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// How it ended; `None` while it runs.
    pub fn exit_status(&mut self) -> Option<std::process::ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// An error that says how it ended and what it said last, if it has ended.
    pub fn check(&self) -> Result<()> {
        let ended = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        let how = match waitid(Id::Pid(self.unix_pid()), ended) {
            Ok(WaitStatus::Exited(_, code)) => format!("exit status {code}"),
            Ok(WaitStatus::Signaled(_, signal, core)) => {
                format!("{signal}{}", if core { ", core dumped" } else { "" })
            }
            // it runs, or its end has been taken note of before
            _ => return Ok(()),
        };
        let (name, pid) = (&self.name, self.pid());
        bail!(
            "{name} (pid {pid}) has ended with {how}: {}",
            self.log_tail()
        )
    }

    /// Where its output goes.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Everything it said so far.
    pub fn log_text(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The last lines it said.
    pub fn log_tail(&self) -> String {
        let text = self.log_text();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        kill(self.unix_pid(), signal).with_context(|| format!("cannot signal {}", self.name))
    }

    /// SIGTERM, then SIGKILL if it does not end within ten seconds.
    pub fn stop(mut self) {
        self.terminate(Duration::from_secs(10));
    }

    /// SIGKILL, at once.
    pub fn kill(mut self) {
        self.terminate(Duration::ZERO);
    }

    fn unix_pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }

    fn terminate(&mut self, patience: Duration) {
        if !self.is_running() {
            return;
        }
        if !patience.is_zero() {
            let _ = kill(self.unix_pid(), Signal::SIGTERM);
            // one that stands still would not notice
            let _ = kill(self.unix_pid(), Signal::SIGCONT);
            let child = &mut self.child;
            let _ = wait_until(patience, "end", || !matches!(child.try_wait(), Ok(None)));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.terminate(Duration::from_secs(2));
    }
}

/// Marks a command as started by this process.
pub(crate) fn owned(command: &mut Command) -> &mut Command {
    command.env(OWNER, owner_mark(std::process::id()).unwrap_or_default())
}

/// `pid:start time`, unlike the bare pid never reused; `None` if there is no such process.
pub(crate) fn owner_mark(pid: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // the name in parentheses may contain blanks; the start time is the 20th field after it (proc_pid_stat(5))
    let start = stat.rsplit_once(')')?.1.split_whitespace().nth(19)?;
    Some(format!("{pid}:{start}"))
}

/// Ends processes whose owner is gone: once per process, before its first daemon.
fn sweep_once() {
    static SWEPT: Once = Once::new();
    SWEPT.call_once(|| {
        let Ok(entries) = std::fs::read_dir("/proc") else {
            return;
        };
        for entry in entries.flatten() {
            let Some(pid) = entry
                .file_name()
                .to_str()
                .and_then(|n| n.parse::<i32>().ok())
            else {
                continue;
            };
            let Ok(environment) = std::fs::read(entry.path().join("environ")) else {
                continue;
            };
            if environment
                .split(|b| *b == 0)
                .filter_map(|v| std::str::from_utf8(v).ok())
                .filter_map(|v| v.strip_prefix(OWNER)?.strip_prefix('='))
                .any(|mark| !mark.is_empty() && !is_alive(mark))
            {
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
        }
    });
}

fn is_alive(mark: &str) -> bool {
    mark.split_once(':')
        .and_then(|(pid, _)| owner_mark(pid.parse().ok()?))
        .is_some_and(|now| now == mark)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daemon_ends_when_dropped() {
        let dir = crate::scratch().unwrap();
        let daemon =
            Daemon::spawn("sleeper", dir.path(), Command::new("sleep").arg("600")).unwrap();
        let proc = format!("/proc/{}", daemon.pid());
        assert!(Path::new(&proc).exists());
        drop(daemon);
        assert!(!Path::new(&proc).exists());
    }

    #[test]
    fn an_early_exit_is_reported_with_the_log() {
        let dir = crate::scratch().unwrap();
        let mut shell = Command::new("sh");
        let mut daemon =
            Daemon::spawn("x", dir.path(), shell.args(["-c", "echo broken; exit 3"])).unwrap();
        let error = daemon
            .wait_ready(crate::PATIENCE, || false)
            .unwrap_err()
            .to_string();
        assert!(error.contains("broken") && error.contains('3'), "{error}");
    }

    #[test]
    fn a_daemon_that_dies_is_found_dead_with_its_signal_and_its_log() {
        let dir = crate::scratch().unwrap();
        let mut shell = Command::new("sh");
        let script = "echo last words; kill -SEGV $$";
        let daemon = Daemon::spawn("x", dir.path(), shell.args(["-c", script])).unwrap();
        let dead = wait_for(crate::PATIENCE, "death", || daemon.check().err()).unwrap();
        // it is found dead as often as one looks
        let again = daemon.check().unwrap_err();
        for error in [dead, again].map(|error| error.to_string()) {
            assert!(
                error.contains("SIGSEGV") && error.contains("last words"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_daemon_that_runs_is_well() {
        let dir = crate::scratch().unwrap();
        let daemon =
            Daemon::spawn("sleeper", dir.path(), Command::new("sleep").arg("600")).unwrap();
        daemon.check().unwrap();
    }

    #[test]
    fn output_carries_the_errors_of_a_failed_command() {
        let error = run("sh", ["-c", "echo no >&2; false"])
            .unwrap_err()
            .to_string();
        assert!(error.contains("no"), "{error}");
    }

    #[test]
    fn a_wait_ends_with_what_was_waited_for() {
        let error = wait_until(Duration::from_millis(20), "rain", || false).unwrap_err();
        assert!(error.to_string().contains("rain"));
    }

    #[test]
    fn owner_marks_tell_a_reused_pid() {
        let mine = owner_mark(std::process::id()).unwrap();
        assert!(is_alive(&mine));
        assert!(!is_alive(&format!("{}:1", std::process::id())));
    }
}
