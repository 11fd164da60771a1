//! Who would have to let us in: the directory or socket that refuses, and whose it is.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// What refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// The socket, or the directory on the way to it.
    pub path: PathBuf,
    pub is_socket: bool,
    pub user: Owner,
    pub group: Owner,
    /// Permission bits.
    pub mode: u32,
}

/// A user or a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    pub id: u32,
    /// As /etc/passwd or /etc/group have it.
    pub name: Option<String>,
}

impl Owner {
    /// Its name, else its number.
    pub fn label(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.id.to_string())
    }
}

impl Denial {
    /// What keeps this process from a path that it may not use: the last place on the way there that it can still
    /// see. `None` if there is none, which is a race.
    pub(super) fn on_the_way_to(path: &Path) -> Option<Self> {
        let ways: Vec<_> = path
            .ancestors()
            .filter(|p| !p.as_os_str().is_empty())
            .collect();
        let seen = ways
            .into_iter()
            .find_map(|p| Some((p, fs::metadata(p).ok()?)));
        let (path, found) = seen?;
        Some(Self {
            path: path.to_owned(),
            is_socket: found.file_type().is_socket(),
            user: owner("/etc/passwd", found.uid()),
            group: owner("/etc/group", found.gid()),
            mode: found.mode() & 0o7777,
        })
    }

    /// Whether a member of the group would be let in: connecting writes to a socket, and searches a directory.
    pub fn group_may(&self) -> bool {
        let needed = if self.is_socket { 0o020 } else { 0o010 };
        self.mode & needed != 0
    }
}

fn owner(file: &str, id: u32) -> Owner {
    let text = fs::read_to_string(file).unwrap_or_default();
    Owner {
        id,
        name: name_of(&text, id),
    }
}

/// passwd(5), group(5): name, password, number.
fn name_of(text: &str, id: u32) -> Option<String> {
    let mut rows = text.lines().map(|line| line.split(':'));
    rows.find_map(|mut row| {
        let name = row.next()?;
        let number: u32 = row.nth(1)?.parse().ok()?;
        (number == id).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_files() {
        let text = "root:x:0:\nopenvswitch:x:978:frr\n";
        assert_eq!(name_of(text, 978).as_deref(), Some("openvswitch"));
        assert_eq!(name_of(text, 5), None);
    }

    #[test]
    fn the_last_place_that_is_seen_is_what_refuses() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db.sock");
        let _listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let denial = Denial::on_the_way_to(&path).unwrap();
        assert!(denial.is_socket && denial.path == path);
        let denial = Denial::on_the_way_to(&dir.path().join("gone/db.sock")).unwrap();
        assert_eq!(
            (denial.path.as_path(), denial.is_socket),
            (dir.path(), false)
        );
    }

    #[test]
    fn a_group_writes_to_sockets_and_searches_directories() {
        let denial = |is_socket, mode| Denial {
            path: "/run/x".into(),
            is_socket,
            user: Owner { id: 0, name: None },
            group: Owner { id: 0, name: None },
            mode,
        };
        assert!(denial(true, 0o770).group_may() && !denial(true, 0o750).group_may());
        assert!(denial(false, 0o750).group_may() && !denial(false, 0o700).group_may());
    }
}
