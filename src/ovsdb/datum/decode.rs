//! JSON to data, in one pass and without an intermediate tree.
//!
//! The nesting is bounded by the type: a set holds atoms, an atom is a scalar or a tagged pair. A
//! hostile value therefore cannot make the decoder recurse.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, SeqAccess, Visitor};
use uuid::Uuid;

use super::{Atom, Datum};

/// The type of an atom (RFC 7047 §3.2 `<atomic-type>`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtomKind {
    /// `integer`
    Integer,
    /// `real`
    Real,
    /// `boolean`
    Boolean,
    /// `string`
    String,
    /// `uuid`
    Uuid,
}

impl AtomKind {
    /// The name that schemas give the type.
    pub fn name(self) -> &'static str {
        match self {
            Self::Integer => "integer",
            Self::Real => "real",
            Self::Boolean => "boolean",
            Self::String => "string",
            Self::Uuid => "uuid",
        }
    }

    /// True if `atom` is of this type.
    pub fn admits(self, atom: &Atom) -> bool {
        matches!(
            (self, atom),
            (Self::Integer, Atom::Integer(_))
                | (Self::Real, Atom::Real(_))
                | (Self::Boolean, Atom::Boolean(_))
                | (Self::String, Atom::String(_))
                | (Self::Uuid, Atom::Uuid(_) | Atom::NamedUuid(_))
        )
    }

    /// Makes sure of the type. A whole real travels as a JSON integer, so it is widened here.
    fn check<E: Error>(self, atom: Atom) -> Result<Atom, E> {
        match (self, atom) {
            #[allow(clippy::cast_precision_loss)]
            (Self::Real, Atom::Integer(number)) => Ok(Atom::Real(number as f64)),
            (kind, atom) if kind.admits(&atom) => Ok(atom),
            (kind, atom) => Err(E::custom(format_args!(
                "expected {}, got {atom}",
                kind.name()
            ))),
        }
    }
}

/// Decodes a datum of a known type: sets of `key`, or maps from `key` to `value`.
#[derive(Clone, Copy, Debug)]
pub struct DatumSeed {
    /// Type of the members, or of the keys of a map.
    pub key: AtomKind,
    /// Type of the values of a map; `None` for sets.
    pub value: Option<AtomKind>,
}

impl<'de> DeserializeSeed<'de> for DatumSeed {
    type Value = Datum;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Datum, D::Error> {
        deserializer.deserialize_any(DatumVisitor {
            expected: Some(self),
        })
    }
}

impl<'de> Deserialize<'de> for Datum {
    /// Decodes a datum of unknown type, such as a column of a `select` result. A whole real is
    /// then taken for an integer.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DatumVisitor { expected: None })
    }
}

impl<'de> Deserialize<'de> for Atom {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AtomVisitor { expected: None })
    }
}

#[derive(Clone, Copy)]
struct AtomSeed {
    expected: Option<AtomKind>,
}

impl<'de> DeserializeSeed<'de> for AtomSeed {
    type Value = Atom;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Atom, D::Error> {
        deserializer.deserialize_any(AtomVisitor {
            expected: self.expected,
        })
    }
}

struct AtomVisitor {
    expected: Option<AtomKind>,
}

impl AtomVisitor {
    fn admit<E: Error>(&self, atom: Atom) -> Result<Atom, E> {
        match self.expected {
            Some(kind) => kind.check(atom),
            None => Ok(atom),
        }
    }
}

macro_rules! visit_scalars {
    ($value:ty) => {
        fn visit_bool<E: Error>(self, truth: bool) -> Result<$value, E> {
            self.admit(Atom::Boolean(truth)).map(<$value>::from)
        }

        fn visit_i64<E: Error>(self, number: i64) -> Result<$value, E> {
            self.admit(Atom::Integer(number)).map(<$value>::from)
        }

        fn visit_u64<E: Error>(self, number: u64) -> Result<$value, E> {
            let atom = i64::try_from(number).map(Atom::Integer);
            let atom = atom.map_err(|_| E::custom("integer outside the range of 64 bits"))?;
            self.admit(atom).map(<$value>::from)
        }

        fn visit_f64<E: Error>(self, number: f64) -> Result<$value, E> {
            self.admit(Atom::Real(number)).map(<$value>::from)
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<$value, E> {
            self.admit(Atom::String(text.into())).map(<$value>::from)
        }
    };
}

impl<'de> Visitor<'de> for AtomVisitor {
    type Value = Atom;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected.map_or("an atom", AtomKind::name))
    }

    visit_scalars!(Atom);

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Atom, A::Error> {
        let tag: Text<'de> = seq
            .next_element()?
            .ok_or_else(|| A::Error::custom("empty array"))?;
        let atom = tagged_atom(&tag.0, &mut seq)?;
        end_of_pair(&mut seq)?;
        self.admit(atom)
    }
}

struct DatumVisitor {
    expected: Option<DatumSeed>,
}

impl DatumVisitor {
    fn admit<E: Error>(&self, atom: Atom) -> Result<Atom, E> {
        match self.expected {
            Some(DatumSeed { value: Some(_), .. }) => Err(E::custom("expected a map, got an atom")),
            Some(DatumSeed { key, .. }) => key.check(atom),
            None => Ok(atom),
        }
    }
}

impl<'de> Visitor<'de> for DatumVisitor {
    type Value = Datum;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an atom, a set or a map")
    }

    visit_scalars!(Datum);

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Datum, A::Error> {
        let tag: Text<'de> = seq
            .next_element()?
            .ok_or_else(|| A::Error::custom("empty array"))?;
        let is_map = self.expected.is_some_and(|seed| seed.value.is_some());
        let datum = match &*tag.0 {
            "set" if is_map => return Err(A::Error::custom("expected a map, got a set")),
            "map" if self.expected.is_some() && !is_map => {
                return Err(A::Error::custom("expected a set, got a map"));
            }
            "set" => {
                let members = Members {
                    expected: self.expected.map(|seed| seed.key),
                };
                seq.next_element_seed(members)?.map(Datum::set)
            }
            "map" => seq
                .next_element_seed(Pairs {
                    expected: self.expected,
                })?
                .map(Datum::map),
            tag => {
                let atom = tagged_atom(tag, &mut seq)?;
                Some(Datum::Atom(self.admit(atom)?))
            }
        };
        end_of_pair(&mut seq)?;
        datum.ok_or_else(|| A::Error::custom("set or map without its members"))
    }
}

/// `["uuid", "…"]`: the only atom that is an array when it comes from a server.
fn tagged_atom<'de, A: SeqAccess<'de>>(tag: &str, seq: &mut A) -> Result<Atom, A::Error> {
    let text: Text<'de> = seq
        .next_element()?
        .ok_or_else(|| A::Error::custom("array of one element where an atom should be"))?;
    match tag {
        "uuid" => Uuid::try_parse(&text.0)
            .map(Atom::Uuid)
            .map_err(|_| A::Error::custom(format_args!("{:?} is not a uuid", text.0))),
        "named-uuid" => Ok(Atom::NamedUuid((&*text.0).into())),
        other => Err(A::Error::custom(format_args!(
            "unknown tag {other:?}; known are set, map, uuid, named-uuid"
        ))),
    }
}

fn end_of_pair<'de, A: SeqAccess<'de>>(seq: &mut A) -> Result<(), A::Error> {
    match seq.next_element::<serde::de::IgnoredAny>()? {
        None => Ok(()),
        Some(_) => Err(A::Error::custom(
            "array of more than two elements where a value should be",
        )),
    }
}

struct Members {
    expected: Option<AtomKind>,
}

impl<'de> DeserializeSeed<'de> for Members {
    type Value = Vec<Atom>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<Atom>, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Members {
    type Value = Vec<Atom>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the array of a set's members")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<Atom>, A::Error> {
        let mut atoms = Vec::new();
        while let Some(atom) = seq.next_element_seed(AtomSeed {
            expected: self.expected,
        })? {
            atoms.push(atom);
        }
        Ok(atoms)
    }
}

#[derive(Clone, Copy)]
struct Pairs {
    expected: Option<DatumSeed>,
}

impl<'de> DeserializeSeed<'de> for Pairs {
    type Value = Vec<(Atom, Atom)>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Pairs {
    type Value = Vec<(Atom, Atom)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the array of a map's pairs")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = seq.next_element_seed(Pair {
            expected: self.expected,
        })? {
            pairs.push(pair);
        }
        Ok(pairs)
    }
}

struct Pair {
    expected: Option<DatumSeed>,
}

impl<'de> DeserializeSeed<'de> for Pair {
    type Value = (Atom, Atom);

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_tuple(2, self)
    }
}

impl<'de> Visitor<'de> for Pair {
    type Value = (Atom, Atom);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key and its value")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let short = || A::Error::custom("a pair of a map needs a key and a value");
        let key = AtomSeed {
            expected: self.expected.map(|seed| seed.key),
        };
        let key = seq.next_element_seed(key)?.ok_or_else(short)?;
        let value = AtomSeed {
            expected: self.expected.and_then(|seed| seed.value),
        };
        let value = seq.next_element_seed(value)?.ok_or_else(short)?;
        end_of_pair(&mut seq)?;
        Ok((key, value))
    }
}

/// A string that is borrowed from the message when it holds no escape.
pub(in crate::ovsdb) struct Text<'de>(pub(in crate::ovsdb) Cow<'de, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Owned(text.to_owned())))
    }
}
