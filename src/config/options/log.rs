//! The oslo.log and oslo.service options of `[DEFAULT]`.

use super::{Draft, unneeded};
use crate::config::kind::*;
use crate::config::table::{At, Row, row};

const FORMAT: &str = "the log's format is fixed";
const ROTATE: &str = "rotate with logrotate and watch_log_file";
const RATE: &str = "the log is not rate-limited";

pub(super) const LOG: &[Row<Draft>] = &[
    row(
        "debug",
        Some("false"),
        &At(Flag, |d: &mut Draft| &mut d.config.logging.debug),
        "log at DEBUG instead of INFO",
    ),
    row(
        "log_file",
        None,
        &At(FilePath, |d: &mut Draft| &mut d.config.logging.log_file),
        "log to this file, relative to log_dir",
    ),
    row(
        "log_dir",
        None,
        &At(FilePath, |d: &mut Draft| &mut d.config.logging.log_dir),
        "directory of log_file; alone, of ovn-bgp-agent.log",
    ),
    row(
        "watch_log_file",
        Some("false"),
        &At(Flag, |d: &mut Draft| &mut d.config.logging.watch_log_file),
        "open the log file anew when it was moved away",
    ),
    row(
        "use_stderr",
        Some("false"),
        &At(Flag, |d: &mut Draft| &mut d.config.logging.use_stderr),
        "log to stderr as well when the log goes elsewhere",
    ),
    row(
        "use_json",
        Some("false"),
        &At(Flag, |d: &mut Draft| &mut d.config.logging.use_json),
        "one JSON object per log line",
    ),
    row(
        "use_journal",
        Some("false"),
        &At(Flag, |d: &mut Draft| &mut d.config.logging.use_journal),
        "log to systemd-journald",
    ),
    row(
        "use_syslog",
        Some("false"),
        &At(Flag, |d: &mut Draft| &mut d.config.logging.use_syslog),
        "log to /dev/log",
    ),
    row(
        "syslog_log_facility",
        Some("LOG_USER"),
        &At(Text, |d: &mut Draft| {
            &mut d.config.logging.syslog_log_facility
        }),
        "facility of use_syslog",
    ),
    row(
        "default_log_levels",
        None,
        &At(List(Text), |d: &mut Draft| {
            &mut d.config.logging.default_log_levels
        }),
        "levels by module, as module=DEBUG; names of Python modules match nothing",
    ),
    unneeded(
        "graceful_shutdown_timeout",
        Some("60"),
        "the agent stops at once and leaves what it wired",
    ),
    unneeded(
        "log_options",
        Some("true"),
        "'check' prints the configuration's problems",
    ),
    unneeded(
        "backdoor_port",
        None,
        "there is no Python interpreter to open",
    ),
    unneeded(
        "backdoor_socket",
        None,
        "there is no Python interpreter to open",
    ),
    unneeded(
        "log_config_append",
        None,
        "Python's logging configuration means nothing here",
    ),
    unneeded("log_date_format", Some("%Y-%m-%d %H:%M:%S"), FORMAT),
    unneeded("log_color", Some("false"), FORMAT),
    unneeded("logging_context_format_string", None, FORMAT),
    unneeded("logging_default_format_string", None, FORMAT),
    unneeded("logging_debug_format_suffix", None, FORMAT),
    unneeded("logging_exception_prefix", None, FORMAT),
    unneeded("logging_user_identity_format", None, FORMAT),
    unneeded("instance_format", None, FORMAT),
    unneeded("instance_uuid_format", None, FORMAT),
    unneeded("publish_errors", Some("false"), "there is no message bus"),
    unneeded("fatal_deprecations", Some("false"), "nothing is deprecated"),
    unneeded("log_rotate_interval", Some("1"), ROTATE),
    unneeded("log_rotate_interval_type", Some("days"), ROTATE),
    unneeded("log_rotation_type", Some("none"), ROTATE),
    unneeded("max_logfile_count", Some("30"), ROTATE),
    unneeded("max_logfile_size_mb", Some("200"), ROTATE),
    unneeded("rate_limit_interval", Some("0"), RATE),
    unneeded("rate_limit_burst", Some("0"), RATE),
    unneeded("rate_limit_except_level", Some("CRITICAL"), RATE),
];
