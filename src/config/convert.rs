//! FRR's configuration as a file of this agent.

use std::fmt::Write;

use super::frr::{self, Note, Word};
use super::options::{option, options};

/// What an FRR configuration is in the words of bgp-agent.conf.
// No Debug: the text holds passwords.
#[derive(Clone, PartialEq, Eq)]
pub struct Converted {
    /// A file that [`super::Loaded::read`] reads to the same configuration.
    pub text: String,
    /// Lines that could not be expressed, with their number.
    pub notes: Vec<(usize, String)>,
}

/// Converts a whole file. Pure and total.
pub fn convert(text: &str) -> Converted {
    let translation = frr::translate(text);
    let mut sections = vec!["bgp".to_owned()];
    for section in translation.sections.iter().map(|(section, _)| section) {
        if !sections.contains(section) {
            sections.push(section.clone());
        }
    }
    let mut out = String::new();
    for section in &sections {
        let gap = if out.is_empty() { "" } else { "\n" };
        let _ = writeln!(out, "{gap}[{section}]");
        // In the order of the documentation.
        let order: Vec<_> = options(section).iter().map(|o| o.name()).collect();
        let of_section = translation
            .words
            .iter()
            .filter(|word| word.section == *section);
        let mut words: Vec<_> = of_section.collect();
        words.sort_by_key(|word| order.iter().position(|name| *name == word.option));
        words
            .iter()
            .for_each(|word| out.push_str(&assignment(word)));
    }
    let notes = translation.notes.into_iter();
    Converted {
        text: out,
        notes: notes.map(|Note { line, what }| (line, what)).collect(),
    }
}

/// The lines of an assignment.
fn assignment(word: &Word) -> String {
    let known = option(&word.section, &word.option);
    let text = &word.text;
    if known.is_some_and(|o| o.is_verbatim() && !o.is_secret()) {
        let lines = text.lines().map(|line| format!("\n  {line}"));
        return format!("{} ={}\n", word.option, lines.collect::<String>());
    }
    let text = if known.is_some_and(|o| o.is_secret()) {
        // Quotes around a secret would be taken off.
        match text.starts_with(['"', '\'']) {
            true => format!("\"{text}\""),
            false => text.clone(),
        }
    } else {
        quoted(&text.replace('$', "$$"))
    };
    format!("{} = {text}\n", word.option)
}

/// The text in quotes where a comment or quotes in it would be taken for what they are not.
fn quoted(text: &str) -> String {
    let plain = !text.starts_with(['"', '\'', '#']) && !text.contains(" #") && text.trim() == text;
    match (plain, text.contains('"'), text.contains('\'')) {
        (true, ..) => text.to_owned(),
        (false, false, _) => format!("\"{text}\""),
        (false, true, false) => format!("'{text}'"),
        // Both kinds of quotes and a comment's sign: only a description can be like that.
        (false, true, true) => format!("\"{}\"", text.replace('"', "'")),
    }
}
