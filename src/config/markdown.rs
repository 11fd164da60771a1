//! The option tables of docs/configuration.md, from the option table.

use std::fmt::Write;

use super::options::{NEIGHBOUR, NEIGHBOUR_SECTION, SECTIONS};
use super::table::{Effect, Row};

/// Every section with a table of its options.
pub fn option_tables() -> String {
    let mut out = String::new();
    let mut last: &[&str] = &[];
    for section in SECTIONS {
        if section.names != last {
            let names: Vec<_> = section.names.iter().map(|n| format!("`[{n}]`")).collect();
            heading(&mut out, &names.join(", "));
            last = section.names;
        }
        section.options.iter().for_each(|row| line(&mut out, row));
    }
    heading(&mut out, &format!("`[{NEIGHBOUR_SECTION} NAME]`"));
    NEIGHBOUR.iter().for_each(|row| line(&mut out, row));
    out
}

fn heading(out: &mut String, names: &str) {
    let _ = write!(
        out,
        "\n### {names}\n\n| option | type | default | allowed | meaning |\n|---|---|---|---|---|\n"
    );
}

fn line<T>(out: &mut String, row: &Row<T>) {
    let default = match row.default {
        Some("") => "(empty)".into(),
        Some(text) => format!("`{text}`"),
        None => "unset".into(),
    };
    let meaning = match row.effect {
        Effect::Full => row.meaning.to_owned(),
        Effect::Later => format!("*later version:* {}", row.meaning),
        Effect::Unneeded(why) => format!("{}: {why}", row.meaning),
    };
    let (name, kind, allowed) = (row.name, row.field.kind(), row.field.allowed());
    let _ = writeln!(
        out,
        "| `{name}` | {kind} | {default} | {allowed} | {meaning} |"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARK: &str = "<!-- generated from src/config/options.rs -->\n";

    /// `UPDATE_DOCS=1 cargo test option_tables` writes the page's tables anew.
    #[test]
    fn docs_configuration_md_holds_the_option_tables() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/configuration.md");
        let page = std::fs::read_to_string(path).unwrap();
        let (before, rest) = page.split_once(MARK).unwrap();
        let (_, after) = rest.split_once(MARK).unwrap();
        let expected = format!("{before}{MARK}{}\n{MARK}{after}", option_tables());
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, expected).unwrap();
        } else {
            assert!(
                page == expected,
                "docs/configuration.md is stale: run with UPDATE_DOCS=1"
            );
        }
    }
}
