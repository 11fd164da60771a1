//! Which files are read: oslo.config's search, `--config-file` and `--config-dir`.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::problem::{Fault, Place, Problem, Severity};

/// One `--config-file` or `--config-dir`, in the order of the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    File(PathBuf),
    /// A directory whose `*.conf` are read in the order of their names, or a single file.
    Dir(PathBuf),
}

/// Largest file that is read.
const LARGEST: u64 = 1 << 20;

/// The files with their text, and what could not be read.
// No Debug: the text holds passwords.
#[derive(Default)]
pub struct Files {
    pub files: Vec<(PathBuf, String)>,
    pub problems: Vec<Problem>,
}

impl Files {
    /// Reads what `sources` name, after what oslo.config reads unasked: the default files unless
    /// a `--config-file` is given, the default directories unless a `--config-dir` is. When that
    /// is nothing at all, `/etc/ovn-bgp-agent`, where the packages put it.
    pub fn find(sources: &[Source], home: Option<&Path>) -> Self {
        Self::find_in(sources, &search_path(home), Path::new("/etc/ovn-bgp-agent"))
    }

    fn find_in(sources: &[Source], search: &[PathBuf], packaged: &Path) -> Self {
        let mut found = Self::default();
        if !sources.iter().any(|s| matches!(s, Source::File(_))) {
            for path in first_of_each(search, "conf", Path::is_file) {
                found.file(&path);
            }
        }
        if !sources.iter().any(|s| matches!(s, Source::Dir(_))) {
            for path in first_of_each(search, "conf.d", Path::is_dir) {
                found.dir(&path);
            }
        }
        for source in sources {
            match source {
                Source::File(path) => found.file(path),
                Source::Dir(path) if path.is_file() => found.file(path),
                Source::Dir(path) => found.dir(path),
            }
        }
        if sources.is_empty() && found.files.is_empty() && packaged.is_dir() {
            found.dir(packaged);
        }
        found
    }

    fn dir(&mut self, path: &Path) {
        let entries = match fs::read_dir(path) {
            Ok(entries) => entries,
            Err(error) => return self.unreadable(path, &error.to_string()),
        };
        let hidden = |p: &PathBuf| {
            p.file_name()
                .is_some_and(|n| n.to_string_lossy().starts_with('.'))
        };
        let mut files: Vec<_> = entries
            .filter_map(|entry| entry.ok().map(|e| e.path()))
            .filter(|p| p.extension().is_some_and(|e| e == "conf") && !hidden(p) && !p.is_dir())
            .collect();
        files.sort();
        for file in files {
            self.file(&file);
        }
    }

    fn file(&mut self, path: &Path) {
        match read_file(path) {
            Ok(text) => self.files.push((path.to_owned(), text)),
            Err(error) => self.unreadable(path, &error),
        }
    }

    fn unreadable(&mut self, path: &Path, error: &str) {
        self.problems.push(Problem {
            severity: Severity::Error,
            place: Place::Path(path.to_owned()),
            option: None,
            fault: Fault::Unreadable(error.to_owned()),
        });
    }
}

/// oslo.config's directories for the project `bgp-agent`.
fn search_path(home: Option<&Path>) -> Vec<PathBuf> {
    let home = home
        .into_iter()
        .flat_map(|home| [home.join(".bgp-agent"), home.to_owned()]);
    home.chain(["/etc/bgp-agent".into(), "/etc".into()])
        .collect()
}

/// For each of the two names, the first directory that has it.
fn first_of_each(search: &[PathBuf], extension: &str, is: fn(&Path) -> bool) -> Vec<PathBuf> {
    ["bgp-agent", "ovn-bgp-agent"]
        .iter()
        .filter_map(|name| {
            let candidates = search.iter().map(|d| d.join(format!("{name}.{extension}")));
            candidates.into_iter().find(|path| is(path))
        })
        .collect()
}

/// The text of a configuration file, of a bounded size.
///
/// # Errors
/// Words for the operator, without the path.
pub fn read_file(path: &Path) -> Result<String, String> {
    let file = fs::File::open(path).map_err(|e| e.to_string())?;
    let mut bytes = Vec::new();
    file.take(LARGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| e.to_string())?;
    if bytes.len() as u64 > LARGEST {
        return Err(format!("larger than {LARGEST} bytes"));
    }
    String::from_utf8(bytes).map_err(|e| {
        let valid = &e.as_bytes()[..e.utf8_error().valid_up_to()];
        let line = 1 + valid.iter().filter(|b| **b == b'\n').count();
        format!("line {line} is not UTF-8")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(found: &Files) -> Vec<String> {
        let name = |p: &PathBuf| p.file_name().map(|n| n.to_string_lossy().into_owned());
        found.files.iter().filter_map(|(p, _)| name(p)).collect()
    }

    fn write(dir: &Path, names: &[&str]) {
        for name in names {
            fs::write(dir.join(name), "[DEFAULT]\n").unwrap();
        }
    }

    #[test]
    fn a_directory_is_read_in_the_order_of_names() {
        let dir = tempfile::tempdir().unwrap();
        write(
            dir.path(),
            &[
                "bgp-agent.conf",
                "10-neutron-ovn.conf",
                "x.conf.bak",
                ".y.conf",
            ],
        );
        let found = Files::find_in(&[Source::Dir(dir.path().into())], &[], Path::new("/none"));
        assert_eq!(names(&found), ["10-neutron-ovn.conf", "bgp-agent.conf"]);
    }

    #[test]
    fn config_dir_may_name_a_file() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), &["bgp-agent.conf"]);
        let file = Source::Dir(dir.path().join("bgp-agent.conf"));
        assert_eq!(
            names(&Files::find_in(&[file], &[], Path::new("/none"))),
            ["bgp-agent.conf"]
        );
    }

    #[test]
    fn default_files_are_read_before_a_given_directory_as_oslo_does() {
        let (etc, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        write(etc.path(), &["bgp-agent.conf", "ovn-bgp-agent.conf"]);
        write(dir.path(), &["x.conf"]);
        let search = [etc.path().to_owned()];
        let given = [Source::Dir(dir.path().into())];
        let found = Files::find_in(&given, &search, Path::new("/none"));
        assert_eq!(
            names(&found),
            ["bgp-agent.conf", "ovn-bgp-agent.conf", "x.conf"]
        );
        let given = [Source::File(dir.path().join("x.conf"))];
        assert_eq!(
            names(&Files::find_in(&given, &search, Path::new("/none"))),
            ["x.conf"]
        );
    }

    #[test]
    fn the_packaged_directory_is_the_last_resort() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), &["a.conf"]);
        assert_eq!(names(&Files::find_in(&[], &[], dir.path())), ["a.conf"]);
    }

    #[test]
    fn what_cannot_be_read_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a.conf"), b"\n\xff").unwrap();
        let given = [
            Source::File("/none/x".into()),
            Source::Dir("/none/d".into()),
            Source::Dir(dir.path().into()),
        ];
        let found = Files::find_in(&given, &[], Path::new("/none"));
        assert_eq!(found.problems.len(), 3);
        assert_eq!(
            found.problems[2].fault,
            Fault::Unreadable("line 2 is not UTF-8".into())
        );
    }
}
