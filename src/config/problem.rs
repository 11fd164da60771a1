//! What is wrong with a configuration, where, and what to do.

use std::fmt;
use std::path::PathBuf;

use thiserror::Error;

/// Whether the agent starts nevertheless.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// The agent does not start.
    Error,
    /// The agent starts; something is not as it was written.
    Warning,
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A line (1-based) of a file.
    Line(PathBuf, usize),
    /// A file or directory as a whole.
    Path(PathBuf),
    /// An environment variable.
    Environment(String),
    /// An option of the command line, as typed.
    CommandLine(String),
    /// Nobody set it.
    Default,
}

/// One problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub severity: Severity,
    pub place: Place,
    /// `[section] option`, where the problem concerns one.
    pub option: Option<String>,
    pub fault: Fault,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Fault {
    #[error("cannot be read: {0}")]
    Unreadable(String),
    #[error("the line that begins '[{0}' is not '[section]'")]
    BadSection(String),
    #[error("neither '=' nor ':' in the line that begins '{0}', ignored")]
    NoSeparator(String),
    #[error("no option name before '='")]
    NoKey,
    #[error("an option before the first section is read as one of [DEFAULT]")]
    NoSection,
    #[error("an indented line that continues no value is read as a line of its own")]
    Indented,
    #[error("unknown section, ignored")]
    UnknownSection,
    #[error("unknown option, ignored{}", like.map(|l| format!(" (did you mean '{l}'?)")).unwrap_or_default())]
    UnknownOption { like: Option<&'static str> },
    #[error("set before at line {first}; the last one counts")]
    Repeated { first: usize },
    #[error("{} is not accepted", shown(value.as_deref()))]
    Value {
        /// `None` for a secret.
        value: Option<String>,
        /// What is allowed.
        allowed: String,
    },
    #[error("'${0}' names no option")]
    UnknownReference(String),
    #[error("'${0}' refers to itself, or to a secret")]
    BadReference(String),
    #[error("{0} is not implemented in this version")]
    NotImplemented(String, String),
    /// Of a line of FRR's configuration.
    #[error("{0}")]
    Unsaid(String),
    #[error("has no effect: {0}")]
    NoEffect(String),
    #[error("{0}")]
    Conflict(String, String),
}

impl Fault {
    /// What the operator can do.
    pub fn remedy(&self) -> String {
        match self {
            Self::Unreadable(_) => "check the path and its permissions".into(),
            Self::BadSection(_) => "write [section]".into(),
            Self::NoSeparator(_) | Self::NoKey => "write 'option = value'".into(),
            Self::NoSection => "write [DEFAULT] above it".into(),
            Self::Indented => "remove the white space before it".into(),
            Self::UnknownSection | Self::UnknownOption { .. } => {
                "remove it, or correct its name (docs/configuration.md lists all)".into()
            }
            Self::Repeated { .. } => "remove one of the two".into(),
            Self::Value { allowed, .. } => format!("allowed: {allowed}"),
            Self::UnknownReference(_) | Self::BadReference(_) => {
                "write '$$' for a dollar sign".into()
            }
            Self::Unsaid(_) => "see docs/configuration.md, From FRR".into(),
            Self::NoEffect(_) => "remove it".into(),
            Self::NotImplemented(_, remedy) | Self::Conflict(_, remedy) => remedy.clone(),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Path(path) => write!(f, "{}", path.display()),
            Self::Environment(name) => write!(f, "environment variable {name}"),
            Self::CommandLine(flag) => write!(f, "command line {flag}"),
            Self::Default => f.write_str("default"),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        if let Some(option) = &self.option {
            write!(f, "{option}: ")?;
        }
        write!(f, "{}; {}", self.fault, self.fault.remedy())
    }
}

fn shown(value: Option<&str>) -> String {
    match value {
        Some(value) => format!("'{}'", value.escape_debug()),
        None => "the value".into(),
    }
}
