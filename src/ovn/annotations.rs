//! What a row says of the routes to its object: `bgp:…` of `external_ids`, and OVN's own
//! `dynamic-routing-advertise`.

use std::sync::Arc;

use uuid::Uuid;

use super::row::{ColumnError, LeftOut, Reader, RowProblem};
use crate::route_settings::{RouteSettings, Setting};

/// How our keys in `external_ids` begin.
const PREFIX: &str = "bgp:";

/// OVN's own key, true or false: in `options` of ports, router ports, NAT and load balancers of the OVN that
/// has it (after 26.03), for a cloud with an older one also in `external_ids`.
const DYNAMIC_ROUTING: &str = "dynamic-routing-advertise";

/// What a row says of the routes to its object. Most rows say nothing, which takes one pointer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Annotations(Option<Arc<Said>>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Said {
    settings: RouteSettings,
    /// Whose word [`RouteSettings::advertise`] is: OVN's key, in this column, or else ours.
    dynamic_routing: Option<&'static str>,
    faults: Vec<Fault>,
}

/// A value that is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Fault {
    column: &'static str,
    why: String,
}

impl Annotations {
    /// What `external_ids` says, pair by pair, and nothing else.
    pub fn of_external_ids<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut said = Said::default();
        let mut advertise = None;
        for (key, value) in pairs {
            if let Some(name) = key.strip_prefix(PREFIX) {
                said.take(key, name, value);
            } else if key == DYNAMIC_ROUTING {
                advertise = Some(value);
            }
        }
        if let Some(value) = advertise {
            said.take_dynamic_routing("external_ids", value);
        }
        said.into()
    }

    pub(super) fn read(row: &Reader<'_>) -> Result<Self, ColumnError> {
        let said = Self::of_external_ids(row.pairs("external_ids")?);
        let Some(value) = row.entry("options", DYNAMIC_ROUTING)? else {
            return Ok(said);
        };
        let mut said = said.0.as_deref().cloned().unwrap_or_default();
        said.take_dynamic_routing("options", value);
        Ok(said.into())
    }

    /// What it says; `None` for nothing.
    pub fn settings(&self) -> Option<&RouteSettings> {
        self.0.as_deref().map(|said| &said.settings)
    }

    /// Where it says this: column and key.
    pub fn key(&self, setting: Setting) -> String {
        let dynamic_routing = self.0.as_deref().and_then(|said| said.dynamic_routing);
        match (setting, dynamic_routing) {
            (Setting::Advertise, Some(column)) => format!("{column}:{DYNAMIC_ROUTING}"),
            _ => format!("external_ids:{PREFIX}{}", name(setting)),
        }
    }

    /// What of it is left out because it cannot be read.
    pub(super) fn problems(&self, table: &'static str, uuid: Uuid) -> Vec<RowProblem> {
        let faults = self.0.iter().flat_map(|said| &said.faults);
        let problem = |fault: &Fault| RowProblem {
            table,
            uuid,
            column: fault.column,
            why: fault.why.clone(),
            left_out: LeftOut::Value,
        };
        faults.map(problem).collect()
    }
}

impl Said {
    fn take(&mut self, key: &str, name_given: &str, value: &str) {
        let known = Setting::ALL
            .into_iter()
            .find(|setting| name(*setting) == name_given);
        let Some(setting) = known else {
            let names = Setting::ALL.map(|setting| format!("{PREFIX}{}", name(setting)));
            let why = format!("key {key} is none of {}", names.join(", "));
            return self.fault("external_ids", why);
        };
        self.set("external_ids", key, setting, value);
    }

    /// Our own key says more than OVN's of the same object, and `external_ids` than `options`.
    fn take_dynamic_routing(&mut self, column: &'static str, value: &str) {
        let settled = self.settings.advertise.is_some();
        let before = self.settings.advertise;
        self.set(column, DYNAMIC_ROUTING, Setting::Advertise, value);
        if settled {
            self.settings.advertise = before;
        } else if self.settings.advertise.is_some() {
            self.dynamic_routing = Some(column);
        }
    }

    fn set(&mut self, column: &'static str, key: &str, setting: Setting, value: &str) {
        if let Err(refused) = self.settings.set(setting, value) {
            let refused = refused.iter().map(|word| format!("'{}'", shown(word)));
            let refused = refused.collect::<Vec<_>>().join(", ");
            let allowed = setting.allowed();
            self.fault(
                column,
                format!("key {key}: {refused} is not accepted; allowed: {allowed}"),
            );
        }
    }

    fn fault(&mut self, column: &'static str, why: String) {
        self.faults.push(Fault { column, why });
    }
}

impl From<Said> for Annotations {
    fn from(said: Said) -> Self {
        let nothing = said.settings.is_empty() && said.faults.is_empty();
        Self((!nothing).then(|| Arc::new(said)))
    }
}

/// A setting's name behind our prefix.
fn name(setting: Setting) -> &'static str {
    match setting {
        Setting::LocalPref => "local-pref",
        Setting::Advertise | Setting::Communities | Setting::Med => setting.name(),
    }
}

/// Somebody else's text, fit for a line of the log.
fn shown(text: &str) -> String {
    text.escape_debug().take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ovsdb::{Datum, Row};

    const COLUMNS: &[&str] = &["external_ids", "options"];

    fn read(external_ids: &[(&str, &str)], options: &[(&str, &str)]) -> Annotations {
        let map = |pairs: &[(&str, &str)]| Datum::map(pairs.iter().copied());
        let row = Row::new([Some(map(external_ids)), Some(map(options))]);
        Annotations::read(&Reader::new(COLUMNS, &row)).unwrap()
    }

    fn problems(annotations: &Annotations) -> Vec<String> {
        let problems = annotations.problems("NAT", Uuid::nil());
        problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_row_without_our_keys_says_nothing() {
        let said = read(
            &[("neutron:fip_id", "x"), ("bgpvpn", "y")],
            &[("stateless", "true")],
        );
        assert_eq!(said, Annotations::default());
    }

    #[test]
    fn a_bad_value_is_told_and_the_others_hold() {
        let said = read(&[("bgp:med", "many"), ("bgp:local-pref", "200")], &[]);
        let settings = said.settings().unwrap();
        assert_eq!((settings.med, settings.local_pref), (None, Some(200)));
        assert_eq!(
            problems(&said),
            [
                "NAT 00000000-0000-0000-0000-000000000000: column external_ids: key bgp:med: 'many' is not \
              accepted; allowed: a number, 0 to 4294967295; that is ignored, the rest of the row counts"
            ]
        );
    }

    #[test]
    fn a_key_of_ours_that_does_not_exist_is_told() {
        let said = read(&[("bgp:community", "65000:1")], &[]);
        assert_eq!(said.settings(), Some(&RouteSettings::default()));
        let [problem] = &problems(&said)[..] else {
            panic!("{said:?}");
        };
        assert!(
            problem.contains("key bgp:community is none of bgp:advertise, bgp:communities, "),
            "{problem}"
        );
    }

    #[test]
    fn ovns_own_key_counts_where_ours_says_nothing() {
        let said = read(&[], &[("dynamic-routing-advertise", "false")]);
        assert_eq!(said.settings().unwrap().advertise, Some(false));
        let key = said.key(Setting::Advertise);
        assert_eq!(key, "options:dynamic-routing-advertise");
        let said = read(
            &[("bgp:advertise", "true")],
            &[("dynamic-routing-advertise", "false")],
        );
        assert_eq!(said.settings().unwrap().advertise, Some(true));
        let key = said.key(Setting::Advertise);
        assert_eq!(key, "external_ids:bgp:advertise");
        let said = read(
            &[("dynamic-routing-advertise", "true")],
            &[("dynamic-routing-advertise", "false")],
        );
        assert_eq!(said.settings().unwrap().advertise, Some(true));
    }

    #[test]
    fn what_a_bad_key_of_ours_leaves_open_ovns_own_decides() {
        let said = read(
            &[("bgp:advertise", "never")],
            &[("dynamic-routing-advertise", "false")],
        );
        assert_eq!(said.settings().unwrap().advertise, Some(false));
        assert_eq!(problems(&said).len(), 1);
    }
}
