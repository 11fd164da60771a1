//! docs/codes.md has every code, and no other. `UPDATE_DOCS=1 cargo test docs_codes_md` writes its tables anew.

use std::collections::BTreeSet;

use super::Code;
use crate::exposure;

const WITHHELD: &str = "<!-- withheld: generated from src/exposure/codes.rs -->\n";
const CHECK: &str = "<!-- check: generated from src/check/code.rs -->\n";

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/codes.md");

fn withheld() -> String {
    let head = "| code | means | what to do |\n|---|---|---|\n";
    let lines = exposure::Code::ALL.iter().map(|code| code.line() + "\n");
    std::iter::once(head.to_owned()).chain(lines).collect()
}

fn check() -> String {
    let head = "| code | severity | means | what to do |\n|---|---|---|---|\n";
    let lines = Code::ALL.iter().map(|code| code.line() + "\n");
    std::iter::once(head.to_owned()).chain(lines).collect()
}

/// The page with this table between two marks.
fn with(page: &str, mark: &str, table: &str) -> String {
    let (before, rest) = page.split_once(mark).unwrap();
    let (_, after) = rest.split_once(mark).unwrap();
    format!("{before}{mark}\n{table}\n{mark}{after}")
}

/// The names in the first column of the table between two marks.
fn names(page: &str, mark: &str) -> BTreeSet<String> {
    let table = page.split(mark).nth(1).unwrap();
    let cells = table
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    cells.map(str::to_owned).collect()
}

#[test]
fn docs_codes_md_holds_the_tables_of_codes() {
    let page = std::fs::read_to_string(PATH).unwrap();
    let expected = with(&with(&page, WITHHELD, &withheld()), CHECK, &check());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(PATH, expected).unwrap();
    } else {
        assert!(
            page == expected,
            "docs/codes.md is stale: run with UPDATE_DOCS=1"
        );
    }
}

#[test]
fn docs_codes_md_has_every_code_and_no_other() {
    if std::env::var_os("UPDATE_DOCS").is_some() {
        return;
    }
    let page = std::fs::read_to_string(PATH).unwrap();
    let known: BTreeSet<_> = exposure::Code::ALL
        .iter()
        .map(|code| code.name().to_owned())
        .collect();
    assert_eq!(names(&page, WITHHELD), known);
    let known: BTreeSet<_> = Code::ALL
        .iter()
        .map(|code| code.name().to_owned())
        .collect();
    assert_eq!(names(&page, CHECK), known);
}
