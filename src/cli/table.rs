//! Tables for people.

use comfy_table::{ContentArrangement, Table, presets};

/// A table with a header and no lines; columns are as wide as they need.
pub(super) fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled);
    if !header.is_empty() {
        table.set_header(header.iter().map(|h| h.to_uppercase()));
    }
    table
}

/// The table's text, without trailing white space.
pub(super) fn text(table: &Table) -> String {
    table
        .trim_fmt()
        .lines()
        .fold(String::new(), |mut out, line| {
            out.push_str(line.strip_prefix(' ').unwrap_or(line).trim_end());
            out.push('\n');
            out
        })
}

/// A text, or `-` for none.
pub(super) fn or_dash(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "-".to_owned(), |v| v.to_string())
}

/// `1d02:03:04`, without the days when there is none.
pub(super) fn duration(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000;
    let (days, hours) = (seconds / 86_400, seconds / 3600 % 24);
    let clock = format!("{hours:02}:{:02}:{:02}", seconds / 60 % 60, seconds % 60);
    if days == 0 {
        clock
    } else {
        format!("{days}d{clock}")
    }
}
