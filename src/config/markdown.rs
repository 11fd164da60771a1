//! The option tables of docs/configuration.md, from the option table.

use std::fmt::Write;

use super::options::{BGP_SECTION, Named, SECTIONS, SESSION};
use super::table::Described;

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
        let rows = section.options.iter().map(|row| row as &dyn Described);
        table(&mut out, rows);
    }
    for named in Named::ALL {
        let own = named.own();
        if !own.is_empty() {
            heading(&mut out, &format!("`[{} NAME]`", named.word()));
            table(&mut out, own);
        }
    }
    let with_session = Named::ALL.into_iter().filter(|named| named.has_session());
    let names: Vec<_> = with_session
        .map(|n| format!("`[{} NAME]`", n.word()))
        .collect();
    heading(
        &mut out,
        &format!("`[{BGP_SECTION}]`, {}", names.join(", ")),
    );
    table(&mut out, SESSION.iter().map(|row| row as &dyn Described));
    out
}

fn heading(out: &mut String, names: &str) {
    let _ = write!(
        out,
        "\n### {names}\n\n| option | type | default | allowed | meaning |\n|---|---|---|---|---|\n"
    );
}

fn table<'a>(out: &mut String, rows: impl IntoIterator<Item = &'a dyn Described>) {
    for row in rows {
        let _ = writeln!(out, "{}", row.line());
    }
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
