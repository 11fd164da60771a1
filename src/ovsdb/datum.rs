//! Values of OVSDB columns (RFC 7047 §5.1): atoms, sets and maps, in one canonical form.
//!
//! Every column holds a set or a map. A set of exactly one atom is written as the bare atom, here as
//! on the wire, so two equal values always compare equal. Sets and maps are sorted and without
//! duplicates.

mod decode;
mod diff;
mod encode;

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use uuid::Uuid;

pub(super) use decode::Text;
pub use decode::{AtomKind, DatumSeed};

/// One `<atom>` of RFC 7047 §5.1.
#[derive(Clone, Debug)]
pub enum Atom {
    /// Signed 64-bit integer.
    Integer(i64),
    /// Finite real number, read to within one unit of its last place.
    Real(f64),
    /// Truth value.
    Boolean(bool),
    /// UTF-8 text.
    String(Arc<str>),
    /// Reference to a row.
    Uuid(Uuid),
    /// Reference to a row inserted by the same transaction (`<named-uuid>`); only ever sent.
    NamedUuid(Arc<str>),
}

impl Atom {
    /// The text, if this is a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The number, if this is an integer.
    pub fn as_integer(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            _ => None,
        }
    }

    /// The truth value, if this is a boolean.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Boolean(truth) => Some(*truth),
            _ => None,
        }
    }

    /// The number, if this is a real.
    pub fn as_real(&self) -> Option<f64> {
        match self {
            Self::Real(number) => Some(*number),
            _ => None,
        }
    }

    /// The row referred to, if this is a UUID.
    pub fn as_uuid(&self) -> Option<Uuid> {
        match self {
            Self::Uuid(uuid) => Some(*uuid),
            _ => None,
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Integer(_) => 0,
            Self::Real(_) => 1,
            Self::Boolean(_) => 2,
            Self::String(_) => 3,
            Self::Uuid(_) => 4,
            Self::NamedUuid(_) => 5,
        }
    }
}

impl Ord for Atom {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Integer(a), Self::Integer(b)) => a.cmp(b),
            // Adding zero makes -0.0 and 0.0 the same value, as ovsdb-server compares them.
            (Self::Real(a), Self::Real(b)) => (a + 0.0).total_cmp(&(b + 0.0)),
            (Self::Boolean(a), Self::Boolean(b)) => a.cmp(b),
            (Self::String(a), Self::String(b)) | (Self::NamedUuid(a), Self::NamedUuid(b)) => {
                a.cmp(b)
            }
            (Self::Uuid(a), Self::Uuid(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for Atom {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Atom {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Atom {}

impl fmt::Display for Atom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(number) => write!(f, "{number}"),
            Self::Real(number) => write!(f, "{number}"),
            Self::Boolean(truth) => write!(f, "{truth}"),
            Self::String(text) | Self::NamedUuid(text) => write!(f, "{text:?}"),
            Self::Uuid(uuid) => write!(f, "{uuid}"),
        }
    }
}

impl From<&str> for Atom {
    fn from(text: &str) -> Self {
        Self::String(text.into())
    }
}

impl From<String> for Atom {
    fn from(text: String) -> Self {
        Self::String(text.into())
    }
}

impl From<i64> for Atom {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<bool> for Atom {
    fn from(truth: bool) -> Self {
        Self::Boolean(truth)
    }
}

impl From<Uuid> for Atom {
    fn from(uuid: Uuid) -> Self {
        Self::Uuid(uuid)
    }
}

/// The value of a column: a `<set>` or a `<map>` of RFC 7047 §5.1.
///
/// Build sets and maps with [`Datum::set`] and [`Datum::map`], which bring them into canonical
/// form; the variants are public for matching.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Datum {
    /// A set of exactly one atom.
    Atom(Atom),
    /// A set of none, or of two and more atoms; sorted.
    Set(Box<[Atom]>),
    /// A map, sorted by key.
    Map(Box<[(Atom, Atom)]>),
}

impl Datum {
    /// A set of the given atoms, in any order; duplicates count once.
    pub fn set<A: Into<Atom>>(atoms: impl IntoIterator<Item = A>) -> Self {
        let mut atoms: Vec<Atom> = atoms.into_iter().map(Into::into).collect();
        atoms.sort_unstable();
        atoms.dedup();
        match <[Atom; 1]>::try_from(atoms) {
            Ok([atom]) => Self::Atom(atom),
            Err(atoms) => Self::Set(atoms.into()),
        }
    }

    /// A map of the given pairs, in any order; of equal keys the last wins.
    pub fn map<K: Into<Atom>, V: Into<Atom>>(pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        let mut pairs: Vec<(Atom, Atom)> = pairs
            .into_iter()
            .map(|(key, value)| (key.into(), value.into()))
            .collect();
        pairs.sort_by(|a, b| a.0.cmp(&b.0));
        pairs.dedup_by(|later, kept| {
            let same = later.0 == kept.0;
            if same {
                std::mem::swap(&mut later.1, &mut kept.1);
            }
            same
        });
        Self::Map(pairs.into())
    }

    /// The empty set: an optional column without a value.
    pub fn empty() -> Self {
        Self::Set(Box::default())
    }

    /// The empty map.
    pub fn empty_map() -> Self {
        Self::Map(Box::default())
    }

    /// The row that an earlier `insert` of the same transaction calls `name`.
    pub fn named_uuid(name: &str) -> Self {
        Self::Atom(Atom::NamedUuid(name.into()))
    }

    /// True for the empty set and the empty map.
    pub fn is_empty(&self) -> bool {
        self.atoms().is_empty() && self.pairs().is_empty()
    }

    /// The members of a set, sorted; nothing for a map.
    pub fn atoms(&self) -> &[Atom] {
        match self {
            Self::Atom(atom) => std::slice::from_ref(atom),
            Self::Set(atoms) => atoms,
            Self::Map(_) => &[],
        }
    }

    /// The pairs of a map, sorted by key; nothing for a set.
    pub fn pairs(&self) -> &[(Atom, Atom)] {
        match self {
            Self::Map(pairs) => pairs,
            Self::Atom(_) | Self::Set(_) => &[],
        }
    }

    /// The only member of a set of one.
    pub fn single(&self) -> Option<&Atom> {
        match self {
            Self::Atom(atom) => Some(atom),
            Self::Set(_) | Self::Map(_) => None,
        }
    }

    /// The text of a set of one string.
    pub fn as_str(&self) -> Option<&str> {
        self.single()?.as_str()
    }

    /// The number of a set of one integer.
    pub fn as_integer(&self) -> Option<i64> {
        self.single()?.as_integer()
    }

    /// The truth value of a set of one boolean.
    pub fn as_bool(&self) -> Option<bool> {
        self.single()?.as_bool()
    }

    /// The row referred to by a set of one UUID.
    pub fn as_uuid(&self) -> Option<Uuid> {
        self.single()?.as_uuid()
    }

    /// The strings of a set, sorted; atoms of another type are left out.
    pub fn strings(&self) -> impl Iterator<Item = &str> {
        self.atoms().iter().filter_map(Atom::as_str)
    }

    /// The rows a set refers to; atoms of another type are left out.
    pub fn uuids(&self) -> impl Iterator<Item = Uuid> {
        self.atoms().iter().filter_map(Atom::as_uuid)
    }

    /// The value that a map holds for `key`.
    pub fn value(&self, key: &Atom) -> Option<&Atom> {
        let pairs = self.pairs();
        let at = pairs.binary_search_by(|(held, _)| held.cmp(key)).ok()?;
        pairs.get(at).map(|(_, value)| value)
    }

    /// The string that a map of strings holds for `key`.
    pub fn value_str(&self, key: &str) -> Option<&str> {
        let pairs = self.pairs();
        let at = pairs
            .binary_search_by(|(held, _)| {
                held.as_str().map_or(Ordering::Less, |held| held.cmp(key))
            })
            .ok()?;
        pairs.get(at).and_then(|(_, value)| value.as_str())
    }
}

impl<A: Into<Atom>> From<A> for Datum {
    fn from(atom: A) -> Self {
        Self::Atom(atom.into())
    }
}

impl fmt::Display for Datum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Atom(atom) => write!(f, "{atom}"),
            Self::Set(atoms) => f.debug_set().entries(atoms.iter().map(Shown)).finish(),
            Self::Map(pairs) => f
                .debug_map()
                .entries(pairs.iter().map(|(key, value)| (Shown(key), Shown(value))))
                .finish(),
        }
    }
}

struct Shown<'a>(&'a Atom);

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.0, f)
    }
}

#[cfg(test)]
mod tests;
