//! `/etc/iproute2/rt_tables`: which number the table of each bridge has.
//!
//! The name is for people (`ip route show table br-ex`) and for the Python agent, which goes by
//! nothing else. Numbers once given stay: rules and routes of a running node hang on them.
//! Debian 13 ships no such file (its own is in `/usr/share/iproute2`); it is then created.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::reconcile::object::TableId;

/// Where iproute2 looks first.
pub const DEFAULT_PATH: &str = "/etc/iproute2/rt_tables";

/// What the file cannot be: each says what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum RtTablesError {
    #[error("cannot {what} {path}: {source}")]
    Io {
        what: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(
        "no routing table number is free for bridge {bridge}: all of 1-252 are in use; \
         remove unused rows from rt_tables"
    )]
    Exhausted { bridge: Arc<str> },
    #[error("rt_tables already has number {id} for {name}, not {wanted}; correct the file by hand")]
    Conflict {
        name: Arc<str>,
        id: TableId,
        wanted: TableId,
    },
    #[error("'{name}' cannot be written in rt_tables: it is empty, has blanks or begins with '#'")]
    Name { name: Arc<str> },
}

/// The rows of the text: number and first word behind it. Of a name that is there twice the first
/// row counts, as for the Python agent.
pub fn parse(text: &str) -> BTreeMap<Arc<str>, TableId> {
    let mut names = BTreeMap::new();
    for (id, name) in text.lines().filter_map(row) {
        names.entry(Arc::from(name)).or_insert(id);
    }
    names
}

/// `<number> <name> [# comment]`, the number decimal or `0x` hexadecimal.
fn row(line: &str) -> Option<(TableId, &str)> {
    let line = line.split('#').next()?;
    let mut words = line.split_whitespace();
    let (number, name) = (words.next()?, words.next()?);
    let id = match number.strip_prefix("0x") {
        Some(hexadecimal) => TableId::from_str_radix(hexadecimal, 16).ok()?,
        None => number.parse().ok()?,
    };
    Some((id, name))
}

/// A number for each bridge: the one it has, or else the lowest of 1–252 that no row, no other bridge
/// and not `reserved` (the table of the BGP VRF) has. Deterministic (b025); where none is left the
/// bridge gets an error (b027).
pub fn allocate<'a>(
    text: &str,
    bridges: impl IntoIterator<Item = &'a Arc<str>>,
    reserved: &BTreeSet<TableId>,
) -> Vec<(Arc<str>, Result<TableId, RtTablesError>)> {
    let names = parse(text);
    let mut used: BTreeSet<TableId> = text.lines().filter_map(row).map(|(id, _)| id).collect();
    used.extend(reserved);
    let mut number = |bridge: &Arc<str>| {
        if let Some(id) = names.get(bridge) {
            return Ok(*id);
        }
        let free = (1..=252).find(|id| !used.contains(id));
        let id = free.ok_or_else(|| RtTablesError::Exhausted {
            bridge: Arc::clone(bridge),
        })?;
        used.insert(id);
        Ok(id)
    };
    let bridges = bridges.into_iter();
    bridges.map(|b| (Arc::clone(b), number(b))).collect()
}

/// The text with a row for `name`, or `None` when it has one already.
pub fn with_row(text: &str, name: &str, id: TableId) -> Result<Option<String>, RtTablesError> {
    let unfit = name.is_empty() || name.contains('#') || name.contains(char::is_whitespace);
    if unfit {
        return Err(RtTablesError::Name { name: name.into() });
    }
    match parse(text).get(name) {
        Some(found) if *found == id => return Ok(None),
        Some(found) => {
            return Err(RtTablesError::Conflict {
                name: name.into(),
                id: *found,
                wanted: id,
            });
        }
        None => {}
    }
    let newline = if text.is_empty() || text.ends_with('\n') {
        ""
    } else {
        "\n"
    };
    Ok(Some(format!("{text}{newline}{id} {name}\n")))
}

/// The text of the file; empty when there is none.
pub fn read(path: &Path) -> Result<String, RtTablesError> {
    match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        result => result.map_err(failure("read", path)),
    }
}

/// Adds a row for `name`, unless it is there; true when the file was written. The file is replaced
/// in one step and keeps its mode and owner. Writers are kept apart by a lock.
pub fn add(path: &Path, name: &str, id: TableId) -> Result<bool, RtTablesError> {
    let _lock = lock(path)?;
    let Some(text) = with_row(&read(path)?, name, id)? else {
        return Ok(false);
    };
    write(path, &text).map_err(failure("write", path))?;
    Ok(true)
}

/// An exclusive lock on the directory, held until dropped: the file itself is replaced.
fn lock(path: &Path) -> Result<File, RtTablesError> {
    let directory = path.parent().unwrap_or_else(|| Path::new("/"));
    fs::create_dir_all(directory).map_err(failure("create the directory of", path))?;
    let file = File::open(directory).map_err(failure("open the directory of", path))?;
    file.lock()
        .map_err(failure("lock the directory of", path))?;
    Ok(file)
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    match replace(path, text) {
        // A file that a container engine mounted by itself cannot be renamed over.
        Err(error) if matches!(error.raw_os_error(), Some(libc::EBUSY | libc::EXDEV)) => {
            rewrite(path, text)
        }
        result => result,
    }
}

/// Writes a new file beside the old one and renames it over the old one.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    // Through a symbolic link, so that the link stays.
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let temporary = path.with_extension(format!("ovn-bgp-agent.{}", std::process::id()));
    let old = fs::metadata(path).ok();
    let result = write_new(&temporary, text, old.as_ref())
        .and_then(|()| fs::rename(&temporary, path))
        .and_then(|()| File::open(path.parent().unwrap_or_else(|| Path::new("/")))?.sync_all());
    if result.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    result
}

fn write_new(path: &Path, text: &str, old: Option<&fs::Metadata>) -> io::Result<()> {
    let _ = fs::remove_file(path);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o644)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    let mode = old.map_or(0o644, fs::Metadata::mode);
    file.set_permissions(fs::Permissions::from_mode(mode & 0o7777))?;
    if let Some(old) = old {
        std::os::unix::fs::fchown(&file, Some(old.uid()), Some(old.gid()))?;
    }
    file.sync_all()
}

/// Overwrites in place, longer text over shorter, so that no moment shows an empty file.
fn rewrite(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(path)?;
    file.write_all(text.as_bytes())?;
    file.set_len(text.len() as u64)?;
    file.sync_all()
}

fn failure(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> RtTablesError {
    move |source| RtTablesError::Io {
        what,
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GOLDEN: &str = "#\n# reserved values\n#\n255\tlocal\n254\tmain\n253\tdefault\n0\tunspec\n#\n# local\n#\n#1\tinr.ruhep\n189 br-ex\n";

    fn allocate_one(text: &str, reserved: &[TableId]) -> Result<TableId, RtTablesError> {
        let reserved = reserved.iter().copied().collect();
        allocate(text, [&Arc::from("br-ex")], &reserved)
            .pop()
            .unwrap()
            .1
    }

    #[test]
    fn b025_the_table_a_bridge_has_is_used() {
        assert_eq!(allocate_one("201 br-ex\n", &[10]).unwrap(), 201);
        assert_eq!(allocate_one(GOLDEN, &[10]).unwrap(), 189);
    }

    #[test]
    fn b025_a_free_number_that_is_not_the_vrfs_is_given() {
        assert_eq!(allocate_one("1 one\n2 two # local\n", &[3]).unwrap(), 4);
    }

    #[test]
    fn b025_a_row_is_appended_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("iproute2/rt_tables");
        assert!(add(&path, "br-ex", 201).unwrap(), "created where absent");
        assert!(!add(&path, "br-ex", 201).unwrap());
        assert_eq!(read(&path).unwrap(), "201 br-ex\n");
        let left: Vec<_> = fs::read_dir(path.parent().unwrap()).unwrap().collect();
        assert_eq!(left.len(), 1, "{left:?}");
    }

    #[test]
    fn b027_exhaustion_is_a_clear_failure_of_that_bridge_only() {
        let full: String = (1..=252).map(|id| format!("{id} t{id}\n")).collect();
        let bridges = [Arc::from("br-ex"), Arc::from("t7")];
        let numbers = allocate(&full, &bridges, &BTreeSet::new());
        let error = numbers[0].1.as_ref().unwrap_err().to_string();
        assert!(
            error.contains("br-ex") && error.contains("1-252"),
            "{error}"
        );
        assert_eq!(*numbers[1].1.as_ref().unwrap(), 7);
    }

    #[test]
    fn comments_and_mode_survive_an_edit() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("rt_tables");
        fs::write(&path, GOLDEN.trim_end()).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o664)).unwrap();
        add(&path, "br-two", 7).unwrap();
        assert_eq!(read(&path).unwrap(), format!("{GOLDEN}7 br-two\n"));
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o664);
    }

    #[test]
    fn a_symbolic_link_stays_one() {
        let directory = tempfile::tempdir().unwrap();
        let (real, link) = (directory.path().join("real"), directory.path().join("link"));
        fs::write(&real, "1 one\n").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        add(&link, "br-ex", 2).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(read(&real).unwrap(), "1 one\n2 br-ex\n");
    }

    #[test]
    fn rewriting_in_place_leaves_the_new_text() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("rt_tables");
        fs::write(&path, "1 one, which is longer\n").unwrap();
        rewrite(&path, "2 two\n").unwrap();
        assert_eq!(read(&path).unwrap(), "2 two\n");
    }

    #[test]
    fn concurrent_writers_lose_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("rt_tables");
        std::thread::scope(|scope| {
            for id in 1..9 {
                let path = &path;
                scope.spawn(move || add(path, &format!("br{id}"), id).unwrap());
            }
        });
        assert_eq!(parse(&read(&path).unwrap()).len(), 8);
    }

    #[test]
    fn a_name_with_another_number_is_left_alone() {
        assert!(matches!(
            with_row(GOLDEN, "br-ex", 5),
            Err(RtTablesError::Conflict { id: 189, .. })
        ));
        assert!(with_row(GOLDEN, "two words", 5).is_err());
    }

    proptest! {
        #[test]
        fn an_added_row_is_found_and_nothing_else_changes(
            text in "([ \t0-9a-fx#.-]{0,12}\n?){0,8}",
            id in 1u32..253,
        ) {
            let before = parse(&text);
            prop_assume!(!before.contains_key("br-ex"));
            let after = parse(&with_row(&text, "br-ex", id).unwrap().unwrap());
            prop_assert_eq!(after.get("br-ex"), Some(&id));
            for (name, id) in &before {
                prop_assert_eq!(after.get(name), Some(id));
            }
        }
    }
}
