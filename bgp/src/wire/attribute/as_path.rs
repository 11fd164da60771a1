//! AS_PATH (RFC 4271 §4.3 b, §5.1.2).

use std::fmt;

use smallvec::{SmallVec, smallvec};

use super::super::Asn;

/// The ASes a route has gone through, nearest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AsPath {
    /// The segments, nearest first. Empty for a route of the peer's own AS.
    pub segments: Segments,
}

/// The segments of a path. One is the rule, and takes no allocation.
pub type Segments = SmallVec<[AsPathSegment; 1]>;

/// The ASes of a segment. As few as a data centre's paths have take no allocation.
pub type Asns = SmallVec<[Asn; 4]>;

/// One segment. Any number of ASes: the encoder splits at 255.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AsPathSegment {
    /// Ordered or not, inside a confederation or not.
    pub kind: SegmentKind,
    /// At least one AS.
    pub asns: Asns,
}

/// Path segment type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum SegmentKind {
    /// AS_SET: without order.
    Set = 1,
    /// AS_SEQUENCE: in order.
    Sequence = 2,
    /// AS_CONFED_SEQUENCE (RFC 5065 §3).
    ConfedSequence = 3,
    /// AS_CONFED_SET (RFC 5065 §3).
    ConfedSet = 4,
}

impl AsPath {
    /// A path of one sequence; the empty path for no AS.
    #[must_use]
    pub fn sequence(asns: impl IntoIterator<Item = Asn>) -> Self {
        let asns: Asns = asns.into_iter().collect();
        if asns.is_empty() {
            return Self::default();
        }
        Self {
            segments: smallvec![AsPathSegment {
                kind: SegmentKind::Sequence,
                asns,
            }],
        }
    }

    /// Length for route selection: a set counts as one, confederation segments as none
    /// (RFC 4271 §9.1.2.2 a, RFC 5065 §5.3).
    #[must_use]
    pub fn len(&self) -> usize {
        self.segments.iter().map(AsPathSegment::len).sum()
    }

    /// True when nothing counts.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The AS that the route was received from, when the path starts with a sequence.
    #[must_use]
    pub fn first(&self) -> Option<Asn> {
        let first = self.segments.first()?;
        (first.kind == SegmentKind::Sequence).then(|| first.asns.first().copied())?
    }

    /// The AS that originated the route, when the path ends with a sequence.
    #[must_use]
    pub fn origin(&self) -> Option<Asn> {
        let last = self.segments.last()?;
        (last.kind == SegmentKind::Sequence).then(|| last.asns.last().copied())?
    }

    /// True when a segment has no order, which nobody may send any more (RFC 9774 §3).
    #[must_use]
    pub fn has_sets(&self) -> bool {
        let unordered = |kind| matches!(kind, SegmentKind::Set | SegmentKind::ConfedSet);
        self.segments.iter().any(|segment| unordered(segment.kind))
    }

    /// Every AS, in order of appearance.
    pub fn asns(&self) -> impl Iterator<Item = Asn> + '_ {
        self.segments
            .iter()
            .flat_map(|segment| segment.asns.iter().copied())
    }

    /// How often the AS appears, for loop detection.
    #[must_use]
    pub fn count(&self, asn: Asn) -> usize {
        self.asns().filter(|&hop| hop == asn).count()
    }

    /// Puts our AS in front, as towards an external peer (RFC 4271 §5.1.2 b).
    pub fn prepend(&mut self, asn: Asn) {
        match self.segments.first_mut() {
            Some(AsPathSegment {
                kind: SegmentKind::Sequence,
                asns,
            }) => asns.insert(0, asn),
            _ => self.segments.insert(
                0,
                AsPathSegment {
                    kind: SegmentKind::Sequence,
                    asns: smallvec![asn],
                },
            ),
        }
    }
}

impl AsPathSegment {
    pub(super) fn len(&self) -> usize {
        match self.kind {
            SegmentKind::Sequence => self.asns.len(),
            SegmentKind::Set => usize::from(!self.asns.is_empty()),
            SegmentKind::ConfedSequence | SegmentKind::ConfedSet => 0,
        }
    }

    pub(super) const fn is_confederation(&self) -> bool {
        matches!(
            self.kind,
            SegmentKind::ConfedSequence | SegmentKind::ConfedSet
        )
    }
}

/// As operators write it: `65001 65002 {65003,65004} (65005)`.
impl fmt::Display for AsPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, segment) in self.segments.iter().enumerate() {
            if position > 0 {
                f.write_str(" ")?;
            }
            segment.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for AsPathSegment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (open, between, close) = match self.kind {
            SegmentKind::Set => ("{", ",", "}"),
            SegmentKind::Sequence => ("", " ", ""),
            SegmentKind::ConfedSequence => ("(", " ", ")"),
            SegmentKind::ConfedSet => ("[", ",", "]"),
        };
        f.write_str(open)?;
        for (position, asn) in self.asns.iter().enumerate() {
            if position > 0 {
                f.write_str(between)?;
            }
            asn.fmt(f)?;
        }
        f.write_str(close)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(segments: &[(SegmentKind, &[u32])]) -> AsPath {
        let segments = segments
            .iter()
            .map(|(kind, asns)| AsPathSegment {
                kind: *kind,
                asns: asns.iter().copied().map(Asn).collect(),
            })
            .collect();
        AsPath { segments }
    }

    #[test]
    fn a_set_counts_as_one_and_a_confederation_as_none() {
        let path = path(&[
            (SegmentKind::ConfedSequence, &[7, 8]),
            (SegmentKind::Sequence, &[1, 2, 3]),
            (SegmentKind::Set, &[4, 5]),
        ]);
        assert_eq!(path.len(), 4);
        assert_eq!(path.to_string(), "(7 8) 1 2 3 {4,5}");
    }

    #[test]
    fn prepending_extends_the_leading_sequence_or_starts_one() {
        let mut path = path(&[(SegmentKind::Set, &[4, 5])]);
        path.prepend(Asn(2));
        path.prepend(Asn(1));
        assert_eq!(path.to_string(), "1 2 {4,5}");
        assert_eq!(path.first(), Some(Asn(1)));
        assert_eq!(path.origin(), None);
        assert_eq!(path.count(Asn(5)), 1);
    }
}
