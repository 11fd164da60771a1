//! Whether a speaker before this one has run since the node booted: what it forwarded is forwarded still, by the
//! kernel (F and R of graceful restart, RFC 4724 §3).
//!
//! Each start leaves a note beside the control socket, of the boot and the network namespace it was in. A note of
//! another one tells of routes that are gone; `/run` itself is empty after a reboot.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Drawn anew at each boot.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Longer than any note of ours.
const LONGEST: u64 = 256;

/// Where notes are left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BootNote {
    path: PathBuf,
}

impl BootNote {
    /// The note of the agent with this control socket; `None` where there is none.
    pub(super) fn beside(control_socket: &Path) -> Option<Self> {
        let named = control_socket.file_name().is_some();
        named.then(|| Self {
            path: control_socket.with_extension("boot"),
        })
    }

    /// Leaves a note of this start. True when there was one before it since the node booted. An error costs
    /// neighbours the routes they would keep for us, and is told in the log.
    pub(super) fn leave(&self) -> bool {
        let told = |doing: &str, error: &io::Error| {
            tracing::warn!(path = %self.path.display(), %error,
                "cannot {doing} the note of earlier starts: neighbours are told that a restart is a reboot, and drop routes for a moment");
        };
        let here = match here() {
            Ok(here) => here,
            Err(error) => {
                told("compose", &error);
                return false;
            }
        };
        let earlier = match read(&self.path) {
            Ok(note) => note.as_deref() == Some(&here),
            Err(error) => {
                told("read", &error);
                false
            }
        };
        if !earlier && let Err(error) = std::fs::write(&self.path, &here) {
            told("write", &error);
        }
        earlier
    }
}

/// `None` where there is none, or one that is none of ours.
fn read(path: &Path) -> io::Result<Option<String>> {
    match std::fs::metadata(path) {
        Ok(found) if found.is_file() && found.len() <= LONGEST => {
            let note = std::fs::read(path)?;
            Ok(String::from_utf8(note).ok())
        }
        Ok(_) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// What routes of the kernel live and die with.
fn here() -> io::Result<String> {
    let boot = std::fs::read_to_string(BOOT_ID)?;
    let namespace = std::fs::metadata("/proc/thread-self/ns/net")?;
    Ok(format!(
        "boot {} netns {}:{}\n",
        boot.trim(),
        namespace.dev(),
        namespace.ino()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note() -> (tempfile::TempDir, BootNote) {
        let dir = tempfile::tempdir().unwrap();
        let note = BootNote::beside(&dir.path().join("control.sock")).unwrap();
        (dir, note)
    }

    #[test]
    fn a_start_after_another_is_a_restart() {
        let (dir, note) = note();
        assert!(!note.leave(), "the first");
        assert!(note.leave(), "the second");
        std::fs::remove_file(dir.path().join("control.boot")).unwrap();
        assert!(!note.leave(), "/run is empty after a reboot");
    }

    #[test]
    fn a_note_of_another_boot_or_of_somebody_else_does_not_count() {
        let (dir, note) = note();
        let path = dir.path().join("control.boot");
        let mine = here().unwrap();
        let garbage = vec![0xff; 4096];
        let others = [
            mine.replace("boot ", "boot 0"),
            mine.replace("netns ", "netns 1"),
            String::new(),
        ];
        for other in others.iter().map(String::as_bytes).chain([&garbage[..]]) {
            std::fs::write(&path, other).unwrap();
            assert!(!note.leave());
            assert!(note.leave(), "it has been replaced");
        }
    }

    #[test]
    fn where_nothing_can_be_left_every_start_is_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let note = BootNote::beside(&dir.path().join("missing/control.sock")).unwrap();
        assert!(!note.leave());
        assert!(!note.leave());
        assert_eq!(BootNote::beside(Path::new("")), None);
    }
}
