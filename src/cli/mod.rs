//! The command line: one file per subcommand, each with its arguments and its renderings.

pub mod check;
pub mod convert;
pub mod explain;
pub mod log;
pub mod options;
pub mod orders;
pub mod originate;
pub mod plan;
pub mod show;
pub mod speaker;
mod table;
pub mod watch;

use std::ffi::OsString;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::config::{Files, Input, Loaded, Problem, Source, read_file};
pub use options::Options;

/// Exposes OVN virtual machines and floating IPs over BGP.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "ovn-bgp-agent",
    version,
    args_conflicts_with_subcommands = false
)]
pub struct Cli {
    #[command(flatten)]
    pub options: Options,
    #[command(subcommand)]
    pub command: Option<Command>,
    /// `--config-file` and `--config-dir` in the order they were typed.
    #[arg(skip)]
    pub sources: Vec<Source>,
}

/// What to do; without one, [`Command::Run`].
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Run the agent (the default)
    Run,
    /// Run the BGP speaker alone, without OVN
    Speaker,
    /// Report every problem of the configuration and of this node
    Check(check::Args),
    /// Print an FRR configuration in the words of bgp-agent.conf
    Convert(convert::Args),
    /// Print what would be exposed and changed; write nothing
    Plan(plan::Args),
    /// Tell every step of the way for one address
    Explain(explain::Args),
    /// Print the state of the running agent
    Show(show::Args),
    /// Originate routes by hand, at the running agent or speaker; a restart forgets them
    Originate(originate::Args),
    /// Withdraw routes that were originated by hand
    Withdraw(originate::WithdrawArgs),
    /// Ask neighbours to prefer other paths, then withdraw the routes; sessions stay
    Drain(orders::DrainArgs),
    /// Take a drain back
    Undrain,
    /// Reset a neighbour's session, or refresh its routes
    Reset(orders::ResetArgs),
    /// Read the configuration again, and say what that changes
    Reload(orders::ReloadArgs),
    /// Print what happens, as it happens
    Watch(watch::Args),
}

impl Cli {
    /// Parses the arguments, the first of which is the program's name. The error prints itself,
    /// `--help` and `--version` included.
    pub fn from_arguments<I, T>(arguments: I) -> Result<Self, clap::Error>
    where
        I: IntoIterator<Item = T>,
        T: Into<OsString> + Clone,
    {
        let matches = Self::command().try_get_matches_from(arguments)?;
        let mut cli = Self::from_arg_matches(&matches)?;
        cli.sources = options::sources(&matches);
        Ok(cli)
    }

    /// The subcommand.
    pub fn chosen(&self) -> &Command {
        self.command.as_ref().unwrap_or(&Command::Run)
    }

    /// Reads the configuration that the arguments, the environment and the file system give.
    pub fn configuration(&self) -> Loaded {
        let home = std::env::var_os("HOME").map(std::path::PathBuf::from);
        let Files { files, problems } = Files::find(&self.sources, home.as_deref());
        let utf8 = |(name, value): (OsString, OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        let input = Input {
            files,
            environment: std::env::vars_os().filter_map(utf8).collect(),
            flags: self.options.overrides(),
        };
        let mut loaded = Loaded::read_with(&input, &read_file);
        loaded.problems.splice(0..0, problems);
        loaded
    }
}

/// Problems that stop the start, one per line.
pub fn rejected(problems: &[Problem]) -> String {
    let lines: Vec<_> = problems
        .iter()
        .filter(|p| p.severity == crate::config::Severity::Error)
        .map(|p| format!("  {p}"))
        .collect();
    format!("the configuration is not valid:\n{}", lines.join("\n"))
}

#[cfg(test)]
mod tests;
