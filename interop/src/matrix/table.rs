//! The matrix as docs/interop.md has it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Context, Result};

use super::{Cell, Feature, Kind};

const BEGIN: &str = "<!-- matrix: written by `lab matrix` from the outcomes of the tests -->";
const END: &str = "<!-- matrix: end -->";

/// Every cell, by rows, as `look` sees it.
pub fn cells(
    mut look: impl FnMut(Kind, Feature) -> Result<Cell>,
) -> Result<BTreeMap<(Feature, Kind), Cell>> {
    let mut cells = BTreeMap::new();
    for feature in Feature::ALL {
        for kind in Kind::ALL {
            cells.insert((feature, kind), look(kind, feature)?);
        }
    }
    Ok(cells)
}

/// The table, with the reasons of what does not work below it.
pub fn section(cells: &BTreeMap<(Feature, Kind), Cell>) -> String {
    let mut text = String::from("|  |");
    for kind in Kind::ALL {
        let _ = write!(text, " {kind} |");
    }
    text.push_str("\n| --- |");
    text.push_str(&" --- |".repeat(Kind::ALL.len()));
    let mut notes = Notes::default();
    for feature in Feature::ALL {
        let _ = write!(text, "\n| {} |", feature.name());
        for kind in Kind::ALL {
            let cell = cells.get(&(feature, kind));
            let mark = match cell.copied().unwrap_or(Cell::Fails("no such cell")) {
                Cell::Works => "✓".to_owned(),
                Cell::Cannot(why) => format!("– [{}]", notes.number(why, "cannot")),
                Cell::Fails(why) => format!("✗ [{}]", notes.number(why, "fails")),
            };
            let _ = write!(text, " {mark} |");
        }
    }
    text.push_str("\n\n✓ a test proves it; – the router cannot; ✗ a test fails.\n");
    notes.write(&mut text);
    text
}

/// Reasons, numbered in the order of their first mention.
#[derive(Default)]
struct Notes(Vec<String>);

impl Notes {
    fn number(&mut self, why: &str, verdict: &str) -> usize {
        let note = format!("{verdict}: {why}");
        let known = self.0.iter().position(|seen| *seen == note);
        let at = known.unwrap_or_else(|| {
            self.0.push(note);
            self.0.len() - 1
        });
        at + 1
    }

    fn write(&self, text: &mut String) {
        for (at, note) in self.0.iter().enumerate() {
            let _ = write!(text, "\n{}. {note}", at + 1);
        }
        if !self.0.is_empty() {
            text.push('\n');
        }
    }
}

/// The page with this section in place of the one that it has.
pub fn document(page: &str, section: &str) -> Result<String> {
    let (before, rest) = page.split_once(BEGIN).context("the page has no matrix")?;
    let (_, after) = rest
        .split_once(END)
        .context("the page's matrix has no end")?;
    Ok(format!("{before}{BEGIN}\n\n{section}\n{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::declared;

    #[test]
    fn docs_interop_md_holds_the_declared_matrix() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/interop.md");
        let page = std::fs::read_to_string(path).unwrap();
        let cells = cells(|kind, feature| Ok(declared(kind, feature))).unwrap();
        let wanted = document(&page, &section(&cells)).unwrap();
        assert!(
            page == wanted,
            "docs/interop.md is stale: run the matrix, then `make lab ARGS=matrix`"
        );
    }

    #[test]
    fn reasons_are_numbered_once() {
        let all = cells(|kind, _| {
            Ok(match kind {
                Kind::Exabgp => Cell::Cannot("no table"),
                Kind::Frr8 => Cell::Fails("broken"),
                _ => Cell::Works,
            })
        });
        let text = section(&all.unwrap());
        assert!(text.contains("✗ [1]") && text.contains("– [2]"), "{text}");
        assert!(
            text.ends_with("1. fails: broken\n2. cannot: no table\n"),
            "{text}"
        );
    }

    #[test]
    fn only_the_section_of_a_page_changes() {
        let page = format!("a\n{BEGIN}\nold\n{END}\nb\n");
        let new = document(&page, "new").unwrap();
        assert!(new.starts_with("a\n") && new.ends_with("\nb\n") && new.contains("new"));
        assert!(!new.contains("old"));
        assert!(document("nothing", "new").is_err());
    }
}
