//! Options of every subcommand: where the configuration is, and upstream's oslo.log flags.

use std::path::PathBuf;

use clap::{ArgAction, ArgMatches, Args};

use crate::config::Source;

/// Options of every subcommand.
#[derive(Clone, Debug, Default, Args)]
pub struct Options {
    /// Read this file; may be repeated, later ones win
    #[arg(long, value_name = "PATH", global = true, action = ArgAction::Append)]
    pub config_file: Vec<PathBuf>,
    /// Read *.conf of this directory in order of name; may be repeated
    #[arg(long, value_name = "DIR", global = true, action = ArgAction::Append)]
    pub config_dir: Vec<PathBuf>,
    /// Log at DEBUG
    #[arg(short, long, global = true, overrides_with = "nodebug")]
    pub debug: bool,
    #[arg(long, global = true, hide = true, overrides_with = "debug")]
    pub nodebug: bool,
    /// Log to this file
    #[arg(long, visible_alias = "logfile", value_name = "PATH", global = true)]
    pub log_file: Option<String>,
    /// Directory of the log file
    #[arg(long, visible_alias = "logdir", value_name = "DIR", global = true)]
    pub log_dir: Option<String>,
    /// Open the log file anew when it was moved away
    #[arg(long, global = true, overrides_with = "nowatch_log_file")]
    pub watch_log_file: bool,
    #[arg(long, global = true, hide = true, overrides_with = "watch_log_file")]
    pub nowatch_log_file: bool,
    /// Log to systemd-journald
    #[arg(long, global = true, overrides_with = "nouse_journal")]
    pub use_journal: bool,
    #[arg(long, global = true, hide = true, overrides_with = "use_journal")]
    pub nouse_journal: bool,
    /// Log one JSON object per line
    #[arg(long, global = true, overrides_with = "nouse_json")]
    pub use_json: bool,
    #[arg(long, global = true, hide = true, overrides_with = "use_json")]
    pub nouse_json: bool,
    /// Log to syslog
    #[arg(long, global = true, overrides_with = "nouse_syslog")]
    pub use_syslog: bool,
    #[arg(long, global = true, hide = true, overrides_with = "use_syslog")]
    pub nouse_syslog: bool,
    /// Facility of --use-syslog
    #[arg(long, value_name = "FACILITY", global = true)]
    pub syslog_log_facility: Option<String>,
    /// Accepted, without effect
    #[arg(long, value_name = "PATH", global = true, hide = true)]
    pub log_config_append: Option<String>,
    /// Accepted, without effect
    #[arg(long, value_name = "FORMAT", global = true, hide = true)]
    pub log_date_format: Option<String>,
}

impl Options {
    /// What the flags set: option of `[DEFAULT]`, value, flag.
    pub(super) fn overrides(&self) -> Vec<(String, String, String)> {
        let mut set = Vec::new();
        for (option, on, off) in [
            ("debug", self.debug, self.nodebug),
            ("watch_log_file", self.watch_log_file, self.nowatch_log_file),
            ("use_journal", self.use_journal, self.nouse_journal),
            ("use_json", self.use_json, self.nouse_json),
            ("use_syslog", self.use_syslog, self.nouse_syslog),
        ] {
            let flag = option.replace('_', "-");
            if on {
                set.push((option.to_owned(), "true".to_owned(), format!("--{flag}")));
            } else if off {
                set.push((option.to_owned(), "false".to_owned(), format!("--no{flag}")));
            }
        }
        for (option, value) in [
            ("log_file", &self.log_file),
            ("log_dir", &self.log_dir),
            ("syslog_log_facility", &self.syslog_log_facility),
            ("log_config_append", &self.log_config_append),
            ("log_date_format", &self.log_date_format),
        ] {
            if let Some(value) = value {
                let flag = format!("--{}", option.replace('_', "-"));
                set.push((option.to_owned(), value.clone(), flag));
            }
        }
        set
    }
}

/// `--config-file` and `--config-dir` in the order they were typed: later ones win, whichever of
/// the two they are.
pub(super) fn sources(matches: &ArgMatches) -> Vec<Source> {
    let leaf = matches.subcommand().map_or(matches, |(_, m)| m);
    let each = |id: &str, source: fn(PathBuf) -> Source| -> Vec<(usize, Source)> {
        let values = leaf.get_many::<PathBuf>(id).unwrap_or_default();
        let indices = leaf.indices_of(id).into_iter().flatten();
        indices.zip(values.cloned().map(source)).collect()
    };
    let mut all = each("config_file", Source::File);
    all.extend(each("config_dir", Source::Dir));
    all.sort_by_key(|(index, _)| *index);
    all.into_iter().map(|(_, source)| source).collect()
}
