//! What a policy says of a route, besides whether it is advertised.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::route_settings::Communities;

/// Path attributes of an exposure's route. The default leaves all to the speaker.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attributes {
    /// `None` for none.
    pub communities: Option<Arc<Communities>>,
    /// LOCAL_PREF, told to internal peers only.
    pub local_pref: Option<u32>,
    /// MULTI_EXIT_DISC.
    pub med: Option<u32>,
    /// Which rules said so, for `explain`. Nobody else is told.
    pub rule: Option<Arc<str>>,
}

impl Attributes {
    /// What neighbours are told: everything but who decided it.
    #[must_use]
    pub fn announced(&self) -> Self {
        Self {
            rule: None,
            ..self.clone()
        }
    }

    /// Whether neighbours are told something special.
    pub fn are_special(&self) -> bool {
        let Self {
            communities,
            local_pref,
            med,
            rule: _,
        } = self;
        communities.is_some() || local_pref.is_some() || med.is_some()
    }

    /// What neighbours are told, for operators and their programs; `None` where nothing is special.
    pub fn shown(&self) -> Option<Shown> {
        if !self.are_special() {
            return None;
        }
        let communities = self.communities.as_deref();
        Some(Shown {
            communities: communities.map(Communities::words).unwrap_or_default(),
            local_pref: self.local_pref,
            med: self.med,
        })
    }

    /// What the policies say and which of them, for people; `None` where none says anything.
    pub fn policy(&self) -> Option<String> {
        let rule = self.rule.as_deref()?;
        Some(match self.shown() {
            Some(shown) => format!("{shown}, by {rule}"),
            None => rule.to_owned(),
        })
    }
}

/// Path attributes as `plan --json` and `show exposures --json` have them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// Of every kind, as operators write them; extended ones as sixteen hexadecimal digits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub communities: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local_pref: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub med: Option<u32>,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let communities = (!self.communities.is_empty())
            .then(|| format!("communities {}", self.communities.join(" ")));
        let local_pref = self.local_pref.map(|n| format!("local preference {n}"));
        let med = self.med.map(|n| format!("MED {n}"));
        let said: Vec<_> = [communities, local_pref, med]
            .into_iter()
            .flatten()
            .collect();
        f.write_str(&said.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use bgp::wire::Community;

    use super::*;

    #[test]
    fn operators_are_shown_what_is_said_and_by_whom() {
        let mut attributes = Attributes::default();
        assert_eq!((attributes.shown(), attributes.policy()), (None, None));
        attributes.rule = Some("[expose x] advertise of /f".into());
        assert_eq!(attributes.shown(), None);
        assert_eq!(
            attributes.policy().as_deref(),
            Some("[expose x] advertise of /f")
        );
        attributes.communities = Some(Arc::new(Communities {
            standard: vec![Community::NO_EXPORT],
            large: vec!["65000:1:2".parse().unwrap()],
            ..Communities::default()
        }));
        attributes.med = Some(5);
        assert_eq!(
            attributes.policy().as_deref(),
            Some("communities no-export 65000:1:2, MED 5, by [expose x] advertise of /f")
        );
        let json = serde_json::to_value(attributes.shown()).unwrap();
        let expected = serde_json::json!({"communities": ["no-export", "65000:1:2"], "med": 5});
        assert_eq!(json, expected);
    }
}
