//! From files, environment and command line to a [`Config`], with every problem on the way.

use std::path::{Path, PathBuf};

use super::given::{Given, label};
use super::options::BGP_SECTION;
use super::problem::{Fault, Place, Problem, Severity};
use super::{Config, expose, frr, ini, lint, resolve};

/// What there is to read, in the order in which later wins.
// No Debug: the text holds passwords.
#[derive(Clone, Default)]
pub struct Input {
    /// Files with their text.
    pub files: Vec<(PathBuf, String)>,
    /// Environment variables; only `OS_<GROUP>__<OPTION>` are looked at.
    pub environment: Vec<(String, String)>,
    /// Options of `[DEFAULT]` set on the command line: name, value, the flag as typed.
    pub flags: Vec<(String, String, String)>,
}

/// The configuration and all that is wrong with it. With a problem of severity error the
/// configuration must not be used.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub config: Config,
    /// In the order of files and lines; what has no line comes last.
    pub problems: Vec<Problem>,
}

impl Loaded {
    /// Reads everything; there is no file that an option could name. Pure and total.
    pub fn read(input: &Input) -> Self {
        Self::read_with(input, &|_| Err("not given".into()))
    }

    /// Reads everything, and with `open` the files that `frr_config` and `exposure_policy_file` name.
    pub fn read_with(input: &Input, open: &dyn Fn(&Path) -> Result<String, String>) -> Self {
        let mut given = Given::default();
        for (path, text) in &input.files {
            given.file(path, ini::read(text));
        }
        for (name, value) in &input.environment {
            given.environment(name, value);
        }
        for (option, value, flag) in &input.flags {
            let place = Place::CommandLine(flag.clone());
            given.value("DEFAULT", option, value.clone(), place);
        }
        read_frr(&mut given, open);
        let policy = read_policy(&mut given, open);
        let mut config = resolve::resolve(&mut given);
        config.agent.exposure_rules = policy.into();
        let mut loaded = Self {
            problems: with_lint(&config, given),
            config,
        };
        let position = |path: &PathBuf| input.files.iter().position(|(file, _)| file == path);
        loaded.problems.sort_by_key(|p| match &p.place {
            Place::Line(path, line) => (position(path).unwrap_or(usize::MAX), *line),
            _ => (usize::MAX, usize::MAX),
        });
        loaded
    }

    /// Whether the agent may start.
    pub fn is_valid(&self) -> bool {
        self.problems.iter().all(|p| p.severity != Severity::Error)
    }
}

/// Adds what `frr_config` names.
fn read_frr(given: &mut Given, open: &dyn Fn(&Path) -> Result<String, String>) {
    if let Some((path, text)) = named_file(given, BGP_SECTION, "frr_config", open) {
        given.frr(&path, frr::translate(&text));
    }
}

/// The sections of what `exposure_policy_file` names.
fn read_policy(
    given: &mut Given,
    open: &dyn Fn(&Path) -> Result<String, String>,
) -> Vec<expose::ExposeRule> {
    let file = named_file(given, "DEFAULT", "exposure_policy_file", open);
    let Some((path, text)) = file else {
        return Vec::new();
    };
    let (rules, problems) = expose::read(&path, &text);
    given.problems.extend(problems);
    rules
}

/// The file that an option names, with its text. One that cannot be read is an error.
fn named_file(
    given: &mut Given,
    section: &str,
    option: &str,
    open: &dyn Fn(&Path) -> Result<String, String>,
) -> Option<(PathBuf, String)> {
    let set = given.get(section, option).cloned()?;
    // What cannot be expanded is reported when the option is stored.
    let path = match given.expanded(section, &set) {
        Ok(text) if !text.is_empty() => PathBuf::from(text),
        _ => return None,
    };
    match open(&path) {
        Ok(text) => Some((path, text)),
        Err(error) => {
            let fault = Fault::Unreadable(format!("{}: {error}", path.display()));
            let option = Some(label(section, option));
            given.problem(Severity::Error, set.place, option, fault);
            None
        }
    }
}

/// The problems so far, and those that show only now. Where a value was not accepted, the default is
/// not the operator's choice, and nothing is said about it.
fn with_lint(config: &Config, given: Given) -> Vec<Problem> {
    let mut more = lint::lint(config, &given);
    let mut problems = given.problems;
    let errors = problems.iter().filter(|p| p.severity == Severity::Error);
    let refused: Vec<_> = errors.filter_map(|p| p.option.clone()).collect();
    more.retain(|p| p.option.as_ref().is_none_or(|o| !refused.contains(o)));
    problems.extend(more);
    problems
}
