//! FRR's configuration, in the words of bgp-agent.conf.
//!
//! [`read`] follows FRR's command language line by line, with its contexts; [`words::of`] says the same in
//! options of this agent, each with the line it comes from. `frr_config` and `convert` share both, so that
//! what `convert` prints means what `frr_config` does. What cannot be said is a [`Note`] with its line;
//! where that is part of a filter, less passes than with FRR, never more.

mod line;
mod model;
mod parse;
mod words;

/// An option of bgp-agent.conf.
// No Debug: the text may be a password.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) section: String,
    pub(super) option: String,
    /// Lines of a list of rules or terms are separated by newlines.
    pub(super) text: String,
    /// For each line of the text, the line of FRR's file that asks for it.
    pub(super) lines: Vec<usize>,
}

/// A line that has no equivalent.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Note {
    pub(super) line: usize,
    pub(super) what: String,
}

/// What an FRR configuration comes to.
#[derive(Clone, Default)]
pub(super) struct Translation {
    /// Sections with a NAME, in order, with the line each comes from.
    pub(super) sections: Vec<(String, usize)>,
    /// In the order of the sections; those of one section follow each other.
    pub(super) words: Vec<Word>,
    pub(super) notes: Vec<Note>,
}

/// Reads and translates a whole file. Total: every text gives a result.
pub(super) fn translate(text: &str) -> Translation {
    let (model, notes) = parse::read(text);
    words::of(&model, notes)
}
