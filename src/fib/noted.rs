//! The note of the routers' tables that have routes of ours, for the next process: a router that goes while no agent
//! runs leaves nothing by which its table could be told, and what is in others' tables is not ours to look through.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use crate::reconcile::object::TableId;

/// Longer than any note of ours.
const LONGEST: u64 = 1 << 20;

/// Where the note is.
#[derive(Debug, Clone)]
pub struct TablesNote {
    path: PathBuf,
    /// What it says.
    said: BTreeSet<TableId>,
}

impl TablesNote {
    /// That of the agent with this control socket; `None` where there is none.
    pub fn beside(control_socket: &Path) -> Option<Self> {
        let named = control_socket.file_name().is_some();
        named.then(|| Self {
            path: control_socket.with_extension("tables"),
            said: BTreeSet::new(),
        })
    }

    /// What an earlier process has noted. What cannot be read is left where it is, and told.
    pub(super) fn read(&mut self) -> BTreeSet<TableId> {
        match read(&self.path) {
            Ok(tables) => self.said = tables,
            Err(error) => tracing::warn!(path = %self.path.display(), %error,
                "cannot read which routers' tables had routes of an earlier start: those of routers that have gone stay"),
        }
        self.said.clone()
    }

    /// Notes these tables, before anything is written to them.
    pub(super) fn keep(&mut self, tables: BTreeSet<TableId>) {
        if tables == self.said {
            return;
        }
        if let Err(error) = write(&self.path, &tables) {
            tracing::warn!(path = %self.path.display(), %error,
                "cannot note the routers' tables that have routes: the next start does not find those of routers that go before it");
        }
        // One complaint for each change is enough.
        self.said = tables;
    }
}

fn read(path: &Path) -> io::Result<BTreeSet<TableId>> {
    let found = match std::fs::metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        Err(error) => return Err(error),
    };
    if !found.is_file() || found.len() > LONGEST {
        return Err(io::Error::other("this is no note of ours"));
    }
    let text = std::fs::read_to_string(path)?;
    let table = |word: &str| word.parse().map_err(io::Error::other);
    text.split_whitespace().map(table).collect()
}

fn write(path: &Path, tables: &BTreeSet<TableId>) -> io::Result<()> {
    let beside = path.with_extension("tables.new");
    let lines = tables.iter().map(|table| format!("{table}\n"));
    std::fs::write(&beside, lines.collect::<String>())?;
    std::fs::rename(&beside, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(dir: &tempfile::TempDir) -> TablesNote {
        TablesNote::beside(&dir.path().join("control.sock")).unwrap()
    }

    #[test]
    fn the_next_process_reads_what_was_noted() {
        let dir = tempfile::tempdir().unwrap();
        assert!(note(&dir).read().is_empty());
        let mut first = note(&dir);
        first.keep(BTreeSet::from([7, 70_000]));
        assert_eq!(note(&dir).read(), BTreeSet::from([7, 70_000]));
        first.keep(BTreeSet::new());
        assert!(note(&dir).read().is_empty());
    }

    #[test]
    fn a_file_of_somebody_elses_is_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("control.tables"), "7 seven").unwrap();
        assert!(note(&dir).read().is_empty());
    }
}
