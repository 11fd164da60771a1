//! `convert`: an FRR configuration in the words of bgp-agent.conf.

use std::path::PathBuf;

use crate::config::{Converted, convert};

/// Exit status when not every line could be expressed.
pub const INCOMPLETE: u8 = 3;

/// Arguments of `convert`.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct Args {
    /// FRR's configuration, as /etc/frr/frr.conf
    pub file: PathBuf,
}

/// What is printed, to stdout and to stderr, and the exit status: 0 when every line could be expressed,
/// else [`INCOMPLETE`]. Passwords are part of the configuration, so they are printed.
pub fn run(args: &Args, text: &str) -> (String, String, u8) {
    let Converted { text, notes } = convert(text);
    let warning =
        |(line, what): &(usize, String)| format!("{}:{line}: {what}\n", args.file.display());
    let warnings: String = notes.iter().map(warning).collect();
    let status = if notes.is_empty() { 0 } else { INCOMPLETE };
    (text, warnings, status)
}
