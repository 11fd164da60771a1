//! How large a network's packets are: `external_ids:neutron:mtu` of `Logical_Switch`, as Neutron writes it.

use std::sync::Arc;

use uuid::Uuid;

use super::row::{ColumnError, LeftOut, Reader, RowProblem};

/// The key in `external_ids`. Neutron writes it with ports as well, empty.
const KEY: &str = "neutron:mtu";

/// What IPv4 asks of every link (RFC 791 §3.2), and the most that the kernel's devices of tenants take.
const RANGE: std::ops::RangeInclusive<u32> = 68..=65535;

/// What a row says of the size of its network's packets: nothing, in most rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mtu(Option<Result<u32, Arc<str>>>);

impl Mtu {
    /// What `external_ids` says: `value` is that of its key.
    pub fn of(value: Option<&str>) -> Self {
        let value = value.map(str::trim).filter(|value| !value.is_empty());
        let read = |text: &str| {
            let mtu = text.parse().ok().filter(|mtu| RANGE.contains(mtu));
            mtu.ok_or_else(|| Arc::from(text))
        };
        Self(value.map(read))
    }

    pub(super) fn read(row: &Reader<'_>) -> Result<Self, ColumnError> {
        let value = row.entry("external_ids", KEY)?;
        Ok(Self::of(value.map(|text| &**text)))
    }

    /// Octets of the network's largest packet, where the row says so.
    pub fn octets(&self) -> Option<u32> {
        self.0.as_ref()?.as_ref().ok().copied()
    }

    /// What of it cannot be read.
    pub(super) fn problem(&self, table: &'static str, uuid: Uuid) -> Option<RowProblem> {
        let Some(Err(text)) = &self.0 else {
            return None;
        };
        let (least, most) = (RANGE.start(), RANGE.end());
        Some(RowProblem {
            table,
            uuid,
            column: "external_ids",
            why: format!("key {KEY}: '{text}' is not accepted; allowed: {least}–{most}"),
            left_out: LeftOut::Value,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_in_range_counts_and_an_empty_word_says_nothing() {
        for (word, octets) in [
            ("1500", 1500),
            (" 9000 ", 9000),
            ("68", 68),
            ("65535", 65535),
        ] {
            assert_eq!(Mtu::of(Some(word)).octets(), Some(octets), "{word}");
        }
        for nothing in [None, Some(""), Some("  ")] {
            assert_eq!(Mtu::of(nothing), Mtu::default());
        }
    }

    #[test]
    fn what_is_no_size_is_told_once_and_does_not_count() {
        for word in ["jumbo", "0", "67", "65536", "-1", "1500.0"] {
            let mtu = Mtu::of(Some(word));
            assert_eq!(mtu.octets(), None, "{word}");
            let problem = mtu.problem("Logical_Switch", Uuid::nil()).unwrap();
            let said = problem.to_string();
            assert!(
                said.contains(&format!("key neutron:mtu: '{word}'")),
                "{said}"
            );
            assert!(said.ends_with("the rest of the row counts"), "{said}");
        }
        assert_eq!(Mtu::default().problem("Logical_Switch", Uuid::nil()), None);
    }
}
