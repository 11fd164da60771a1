//! The difference of two values as `update2` carries it (ovsdb-server(7) §4.1.14).

use std::cmp::Ordering;

use super::{Atom, Datum};

impl Datum {
    /// The difference that turns `self` into `new`, for a column of more than one value.
    ///
    /// Of sets: the members of only one of them. Of maps: the pairs whose key only one of them has,
    /// and for keys of both with different values, the pair of `new`.
    #[must_use]
    pub fn diff(&self, new: &Self) -> Self {
        match (self, new) {
            (Self::Map(old), Self::Map(new)) => Self::Map(merge_pairs(old, new)),
            (Self::Map(_), _) | (_, Self::Map(_)) => new.clone(),
            (old, new) => xor(old.atoms(), new.atoms()),
        }
    }

    /// The value after `diff`, which [`Datum::diff`] or a server has computed against `self`, for
    /// a column of more than one value. Columns of at most one value are replaced instead.
    #[must_use]
    pub fn apply(&self, diff: &Self) -> Self {
        match (self, diff) {
            (Self::Map(held), Self::Map(diff)) => {
                // A pair equal to the one held says "gone"; another value for a held key, "now this".
                Self::Map(merge_pairs(held, diff))
            }
            (Self::Map(_), _) | (_, Self::Map(_)) => diff.clone(),
            (held, diff) => xor(held.atoms(), diff.atoms()),
        }
    }
}

fn xor(a: &[Atom], b: &[Atom]) -> Datum {
    let mut out = Vec::with_capacity(a.len() + b.len());
    merge(a, b, Atom::cmp, |entry| match entry {
        Side::Left(atom) | Side::Right(atom) => out.push(atom.clone()),
        Side::Both(..) => {}
    });
    Datum::set(out)
}

/// Pairs of one side are kept; of keys on both sides, equal pairs vanish, else that of `b` counts.
fn merge_pairs(a: &[(Atom, Atom)], b: &[(Atom, Atom)]) -> Box<[(Atom, Atom)]> {
    let mut out = Vec::with_capacity(a.len() + b.len());
    merge(
        a,
        b,
        |a, b| a.0.cmp(&b.0),
        |entry| match entry {
            Side::Left(pair) | Side::Right(pair) => out.push(pair.clone()),
            Side::Both(a, b) if a.1 == b.1 => {}
            Side::Both(_, b) => out.push(b.clone()),
        },
    );
    out.into()
}

enum Side<'a, T> {
    Left(&'a T),
    Right(&'a T),
    Both(&'a T, &'a T),
}

/// Walks two sorted slices in step.
fn merge<'a, T>(
    a: &'a [T],
    b: &'a [T],
    cmp: impl Fn(&T, &T) -> Ordering,
    mut visit: impl FnMut(Side<'a, T>),
) {
    let (mut a, mut b) = (a.iter().peekable(), b.iter().peekable());
    loop {
        let order = match (a.peek(), b.peek()) {
            (Some(x), Some(y)) => cmp(x, y),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return,
        };
        let left = if order.is_le() { a.next() } else { None };
        let right = if order.is_ge() { b.next() } else { None };
        match (left, right) {
            (Some(x), Some(y)) => visit(Side::Both(x, y)),
            (Some(x), None) => visit(Side::Left(x)),
            (None, Some(y)) => visit(Side::Right(y)),
            (None, None) => return,
        }
    }
}
