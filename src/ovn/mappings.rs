//! `Open_vSwitch.external_ids:ovn-bridge-mappings`.

use std::fmt;
use std::sync::Arc;

/// Which bridge carries which physical network on this node, in the order of the setting.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BridgeMappings {
    entries: Vec<BridgeMapping>,
    invalid: Vec<InvalidMapping>,
}

/// One valid entry of the setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BridgeMapping {
    pub physical_network: Arc<str>,
    pub bridge: Arc<str>,
    /// 1-based place in the setting, invalid entries counted: the Python agent derives the helper
    /// addresses from it.
    pub position: u16,
}

/// An entry that is not `physical network:bridge`. It is ignored; the others count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidMapping {
    pub entry: String,
}

impl fmt::Display for InvalidMapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "entry '{}' of Open_vSwitch.external_ids:ovn-bridge-mappings is ignored: write it as \
             <physical network>:<bridge>",
            self.entry
        )
    }
}

impl BridgeMappings {
    /// Reads the setting, for example `physnet1:br-ex,physnet2:br-vlan`. Never fails: what is no
    /// entry is kept in [`Self::invalid`].
    pub fn parse(text: &str) -> Self {
        let mut mappings = Self::default();
        if text.trim().is_empty() {
            return mappings;
        }
        for (position, entry) in (1..=u16::MAX).zip(text.split(',')) {
            match entry.trim().split_once(':') {
                Some((network, bridge))
                    if !network.is_empty() && !bridge.is_empty() && !bridge.contains(':') =>
                {
                    mappings.entries.push(BridgeMapping {
                        physical_network: network.trim().into(),
                        bridge: bridge.trim().into(),
                        position,
                    });
                }
                _ => mappings.invalid.push(InvalidMapping {
                    entry: entry.to_owned(),
                }),
            }
        }
        mappings
    }

    /// The valid entries, in the order of the setting.
    pub fn entries(&self) -> &[BridgeMapping] {
        &self.entries
    }

    /// What was ignored.
    pub fn invalid(&self) -> &[InvalidMapping] {
        &self.invalid
    }

    /// The entry of a physical network; the first, if it is there twice.
    pub fn find(&self, physical_network: &str) -> Option<&BridgeMapping> {
        self.entries
            .iter()
            .find(|m| &*m.physical_network == physical_network)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bridges(text: &str) -> Vec<(String, u16)> {
        BridgeMappings::parse(text)
            .entries()
            .iter()
            .map(|m| (m.bridge.to_string(), m.position))
            .collect()
    }

    #[test]
    fn b007_a_malformed_entry_is_ignored_with_a_warning_and_still_counted() {
        let text = "physnet0,physnet1:br-ex,a:b:c,physnet2:br-vlan";
        assert_eq!(bridges(text), [("br-ex".into(), 2), ("br-vlan".into(), 4)]);
        let mappings = BridgeMappings::parse(text);
        let warnings: Vec<_> = mappings.invalid().iter().map(ToString::to_string).collect();
        assert!(warnings[0].contains("'physnet0'"), "{warnings:?}");
        assert!(warnings[1].contains("'a:b:c'"), "{warnings:?}");
    }

    #[test]
    fn b008_no_mappings_map_nothing() {
        assert_eq!(BridgeMappings::parse(""), BridgeMappings::default());
        assert!(BridgeMappings::parse(" ").find("physnet1").is_none());
    }
}
