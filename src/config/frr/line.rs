//! One line of FRR's configuration.

/// A statement.
#[derive(Clone, Debug)]
pub(super) struct Line<'a> {
    /// 1-based.
    pub(super) number: usize,
    pub(super) indented: bool,
    /// Begins with `no`, which is not among the words.
    pub(super) negated: bool,
    pub(super) words: Vec<&'a str>,
}

impl<'a> Line<'a> {
    /// `None` for a blank line and for a comment.
    pub(super) fn read(number: usize, text: &'a str) -> Option<Self> {
        let mut words: Vec<_> = text.split_whitespace().collect();
        let first = *words.first()?;
        if first.starts_with(['!', '#']) {
            return None;
        }
        let negated = first == "no" && words.len() > 1;
        if negated {
            words.remove(0);
        }
        Some(Self {
            number,
            indented: text.starts_with([' ', '\t']),
            negated,
            words,
        })
    }

    pub(super) fn word(&self, index: usize) -> &'a str {
        self.words.get(index).copied().unwrap_or_default()
    }

    /// The words from `index` on.
    pub(super) fn from(&self, index: usize) -> &[&'a str] {
        self.words.get(index..).unwrap_or_default()
    }

    /// The text from word `index` on: white space inside counts as one space, as FRR joins it.
    pub(super) fn text_from(&self, index: usize) -> String {
        self.from(index).join(" ")
    }

    /// The beginning of the statement, for a note: never as far as a secret.
    pub(super) fn beginning(&self) -> String {
        let secret = |word: &&str| {
            ["password", "key", "secret", "key-string"]
                .iter()
                .any(|s| s == word)
        };
        let end = self
            .words
            .iter()
            .position(secret)
            .map_or(4, |at| (at + 1).min(4));
        let shown: Vec<_> = self.words.iter().take(end).copied().collect();
        let no = if self.negated { "no " } else { "" };
        let more = if self.words.len() > shown.len() {
            " …"
        } else {
            ""
        };
        format!("{no}{}{more}", shown.join(" "))
    }
}
