//! Which VNI the switch's end of a router port is of, for `ovn_evpn_driver`: `neutron_bgpvpn:vni` and
//! `neutron_bgpvpn:as` of `external_ids`.

use std::sync::Arc;

use bgp::evpn::Vni;
use uuid::Uuid;

use crate::ovn::row::{ColumnError, LeftOut, Reader, RowProblem};

const COLUMN: &str = "external_ids";
const VNI: &str = "neutron_bgpvpn:vni";
const AS: &str = "neutron_bgpvpn:as";

/// The largest VNI: 24 bits (RFC 7348 §5).
const LAST_VNI: u32 = (1 << 24) - 1;

/// What the two keys say. Most rows have neither, which takes one pointer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bgpvpn(Option<Arc<Keys>>);

/// Each is what the key says, or what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Keys {
    vni: Option<Result<Vni, String>>,
    asn: Option<Result<u32, String>>,
}

/// A router port's tenant: two ports of one router are the same tenant's if both numbers agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Membership {
    /// 1–16777215.
    pub vni: Vni,
    /// 1–4294967295.
    pub asn: u32,
}

impl Bgpvpn {
    /// What `external_ids` says, pair by pair.
    pub fn of_external_ids<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let (mut vni, mut asn) = (None, None);
        for (key, value) in pairs {
            match key {
                VNI => vni = Some(number(VNI, value, LAST_VNI)),
                AS => asn = Some(number(AS, value, u32::MAX)),
                _ => {}
            }
        }
        let given = vni.is_some() || asn.is_some();
        Self(given.then(|| Arc::new(Keys { vni, asn })))
    }

    pub(super) fn read(row: &Reader<'_>) -> Result<Self, ColumnError> {
        Ok(Self::of_external_ids(row.pairs(COLUMN)?))
    }

    /// Whether one of the keys is there, right or wrong.
    pub fn is_given(&self) -> bool {
        self.0.is_some()
    }

    /// The VNI, if one is given, and the AS, if that is: for whoever needs no AS.
    ///
    /// # Errors
    ///
    /// Which key is wrong, or that there is an AS without VNI, in words for operators.
    pub fn vni(&self) -> Result<Option<(Vni, Option<u32>)>, String> {
        let Some(keys) = self.0.as_deref() else {
            return Ok(None);
        };
        let vni = keys.vni.clone();
        let vni = vni.unwrap_or_else(|| Err(format!("{COLUMN}:{VNI} is not set")))?;
        Ok(Some((vni, keys.asn.clone().transpose()?)))
    }

    /// The tenant.
    ///
    /// # Errors
    ///
    /// Which key is missing or wrong, in words for operators.
    pub fn membership(&self) -> Result<Membership, String> {
        let missing = |key: &str| Err(format!("{COLUMN}:{key} is not set"));
        let keys = self.0.as_deref();
        let vni = keys.and_then(|keys| keys.vni.clone());
        let asn = keys.and_then(|keys| keys.asn.clone());
        Ok(Membership {
            vni: vni.unwrap_or_else(|| missing(VNI))?,
            asn: asn.unwrap_or_else(|| missing(AS))?,
        })
    }

    /// What of it cannot be read.
    pub(super) fn problems(&self, table: &'static str, uuid: Uuid) -> Vec<RowProblem> {
        let Some(keys) = self.0.as_deref() else {
            return Vec::new();
        };
        let vni = keys.vni.iter().filter_map(|vni| vni.as_ref().err());
        let asn = keys.asn.iter().filter_map(|asn| asn.as_ref().err());
        let problem = |why: &String| RowProblem {
            table,
            uuid,
            column: COLUMN,
            why: why.clone(),
            left_out: LeftOut::Value,
        };
        vni.chain(asn).map(problem).collect()
    }
}

fn number(key: &str, value: &str, last: u32) -> Result<u32, String> {
    let number = value.trim().parse().ok();
    let number = number.filter(|number| (1..=last).contains(number));
    // A tenant's table has the number of its VNI, and these are `default`, `main` and `local`.
    let number = number.filter(|number| key != VNI || !(253..=255).contains(number));
    number.ok_or_else(|| {
        let shown: String = value.escape_debug().take(60).collect();
        format!("key {key}: '{shown}' is no number from 1 to {last}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(vni: Option<&str>, asn: Option<&str>) -> Bgpvpn {
        let vni = vni.map(|value| (VNI, value));
        let asn = asn.map(|value| (AS, value));
        Bgpvpn::of_external_ids(vni.into_iter().chain(asn).chain([("name", "x")]))
    }

    #[test]
    fn b153_both_keys_make_a_tenant() {
        let membership = Membership {
            vni: 77,
            asn: 65000,
        };
        let said = keys(Some("77"), Some("65000"));
        assert_eq!(said.membership(), Ok(membership));
        assert!(said.is_given());
        assert_eq!(said.problems("Port_Binding", Uuid::nil()), []);
        assert_eq!(keys(None, None), Bgpvpn::default());
    }

    #[test]
    fn b154_a_missing_key_is_named() {
        for (said, missing) in [
            (keys(None, None), VNI),
            (keys(None, Some("65000")), VNI),
            (keys(Some("77"), None), AS),
        ] {
            let why = said.membership().unwrap_err();
            assert_eq!(why, format!("external_ids:{missing} is not set"));
        }
    }

    #[test]
    fn a_key_that_is_no_number_in_range_is_told() {
        for (vni, asn) in [
            ("0", "65000"),
            ("16777216", "65000"),
            ("seven", "65000"),
            ("77", ""),
            ("77", "4294967296"),
            ("77", "-1"),
        ] {
            let said = keys(Some(vni), Some(asn));
            let [problem] = &said.problems("Port_Binding", Uuid::nil())[..] else {
                panic!("{said:?}");
            };
            assert!(problem.to_string().contains("neutron_bgpvpn:"), "{problem}");
            assert_eq!(said.membership(), Err(problem.why.clone()));
        }
        let largest = keys(Some("16777215"), Some("4294967295"));
        assert!(largest.membership().is_ok());
    }
}
