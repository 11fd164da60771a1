//! What a row of the option table is.

use super::kind::Kind;

/// A section of the file and its options, which fill a `T`.
pub(super) struct Section<T: 'static> {
    /// Names between the brackets, lower case but `DEFAULT`.
    pub(super) names: &'static [&'static str],
    pub(super) options: &'static [Row<T>],
}

/// One option.
pub(super) struct Row<T: 'static> {
    pub(super) name: &'static str,
    /// Text of the default, as it would be written; `None` is unset.
    pub(super) default: Option<&'static str>,
    pub(super) field: &'static dyn Field<T>,
    pub(super) effect: Effect,
    pub(super) meaning: &'static str,
}

/// What setting an option does in this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// What its meaning says.
    Full,
    /// Part of what a later version brings; `lint` says when that is an error.
    Later,
    /// Accepted from the Python agent's files, and never needed; the reason.
    Unneeded(&'static str),
}

/// Where an option's value goes, and how it gets there.
pub(super) trait Field<T>: Sync {
    /// Stores the value that `text` stands for; false when it is not accepted.
    fn store(&self, target: &mut T, text: &str) -> bool;
    fn kind(&self) -> &'static str;
    fn allowed(&self) -> String;
    fn is_secret(&self) -> bool;
    fn is_verbatim(&self) -> bool;
}

/// What is known of an option whatever it fills.
pub(super) trait Described: Sync {
    fn name(&self) -> &'static str;
    fn default(&self) -> Option<&'static str>;
    fn is_secret(&self) -> bool;
    fn is_verbatim(&self) -> bool;
    /// Its line in the tables of docs/configuration.md.
    fn line(&self) -> String;
}

/// A field `at` a place in `T`, read as a `K`.
pub(super) struct At<K, V, T>(pub(super) K, pub(super) fn(&mut T) -> &mut V);

impl<K: Kind<V>, V, T> Field<T> for At<K, V, T> {
    fn store(&self, target: &mut T, text: &str) -> bool {
        match self.0.parse(text) {
            Some(value) => {
                *(self.1)(target) = value;
                true
            }
            None => false,
        }
    }

    fn kind(&self) -> &'static str {
        self.0.name()
    }

    fn allowed(&self) -> String {
        self.0.allowed()
    }

    fn is_secret(&self) -> bool {
        self.0.is_secret()
    }

    fn is_verbatim(&self) -> bool {
        self.0.is_verbatim()
    }
}

impl<T> Described for Row<T> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn default(&self) -> Option<&'static str> {
        self.default
    }

    fn is_secret(&self) -> bool {
        self.field.is_secret()
    }

    fn is_verbatim(&self) -> bool {
        self.field.is_verbatim()
    }

    fn line(&self) -> String {
        let default = match self.default {
            Some("") => "(empty)".into(),
            Some(text) => format!("`{text}`"),
            None => "unset".into(),
        };
        let meaning = match self.effect {
            Effect::Full => self.meaning.to_owned(),
            Effect::Later => format!("*later version:* {}", self.meaning),
            Effect::Unneeded(why) => format!("{}: {why}", self.meaning),
        };
        let (name, kind, allowed) = (self.name, self.field.kind(), self.field.allowed());
        format!("| `{name}` | {kind} | {default} | {allowed} | {meaning} |")
    }
}

/// A row with full effect.
pub(super) const fn row<T>(
    name: &'static str,
    default: Option<&'static str>,
    field: &'static dyn Field<T>,
    meaning: &'static str,
) -> Row<T> {
    Row {
        name,
        default,
        field,
        effect: Effect::Full,
        meaning,
    }
}

impl<T> Row<T> {
    /// The same row, for what a later version brings.
    pub(super) const fn later(self) -> Self {
        Self {
            effect: Effect::Later,
            ..self
        }
    }
}
