//! What operators and tenants say of single routes: whether they are advertised, and with which path
//! attributes. A step after the driver's own rules: it takes exposures away or says more of them, and never adds
//! one.
//!
//! Who says the most, setting by setting: sections of the policy file that override, in the order of the file;
//! then rows of OVN, the most specific first (NAT or load balancer, port, network, router); then the other sections
//! of the file, in its order.

pub(super) mod northbound;
pub(super) mod southbound;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::{Attributes, Code, Exposure, Kind, Withheld};
use crate::config::{Agent, ExposeRule};
use crate::ovn::Annotations;
use crate::route_settings::{RouteSettings, Setting};

/// The policy file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Its path, for those who ask who said so.
    pub file: Arc<str>,
    /// Its sections, in its order.
    pub rules: Arc<[ExposeRule]>,
}

/// Of whom an exposure is.
#[derive(Debug, Default)]
struct Subject<'a> {
    /// Rows that say something, the most specific first.
    objects: Vec<Object<'a>>,
    port: Option<Arc<str>>,
    network: Option<Arc<str>>,
    router: Option<Arc<str>>,
    project: Option<Arc<str>>,
}

/// A row that says something.
#[derive(Debug)]
struct Object<'a> {
    table: &'static str,
    name: String,
    annotations: &'a Annotations,
}

impl<'a> Subject<'a> {
    /// The next less specific row. Most say nothing.
    fn object(&mut self, table: &'static str, name: impl ToString, annotations: &'a Annotations) {
        if annotations.settings().is_some() {
            self.objects.push(Object {
                table,
                name: name.to_string(),
                annotations,
            });
        }
    }
}

/// Who says something of a setting.
enum Source<'a> {
    Rule(&'a ExposeRule),
    Object(&'a Object<'a>),
}

impl Source<'_> {
    fn settings(&self) -> Option<&RouteSettings> {
        match self {
            Self::Rule(rule) => Some(&rule.settings),
            Self::Object(object) => object.annotations.settings(),
        }
    }

    fn says(&self, setting: Setting) -> bool {
        self.settings()
            .is_some_and(|settings| settings.has(setting))
    }

    /// For operators: where to look, and what to look for.
    fn words(&self, setting: Setting, file: &str) -> String {
        match self {
            Self::Rule(rule) => format!("[expose {}] {} of {file}", rule.name, setting.name()),
            Self::Object(object) => {
                let key = object.annotations.key(setting);
                format!("{} {} {key}", object.table, object.name)
            }
        }
    }
}

impl From<&Agent> for Policy {
    fn from(agent: &Agent) -> Self {
        let file = agent.exposure_policy_file.as_ref();
        let file = file.map(|path| path.display().to_string());
        Self {
            file: file.unwrap_or_default().into(),
            rules: Arc::clone(&agent.exposure_rules),
        }
    }
}

impl Policy {
    /// Whether a section goes by the name of the router.
    pub fn names_routers(&self) -> bool {
        self.rules.iter().any(|rule| rule.routers.is_some())
    }

    /// What is said of an exposure: the attributes of its route, or why it is not advertised.
    fn judge(&self, exposure: &Exposure, subject: &Subject<'_>) -> Result<Attributes, String> {
        if self.rules.is_empty() && subject.objects.is_empty() {
            return Ok(Attributes::default());
        }
        let matching = |overrides: bool| {
            let rules = self.rules.iter().filter(move |r| r.overrides == overrides);
            let rules = rules.filter(|rule| covers(rule, exposure, subject));
            rules.map(Source::Rule)
        };
        let objects = subject.objects.iter().map(Source::Object);
        let sources: Vec<_> = matching(true)
            .chain(objects)
            .chain(matching(false))
            .collect();
        let said = |setting| sources.iter().find(|source| source.says(setting));
        let settings = |setting| said(setting)?.settings();
        if let Some(source) = said(Setting::Advertise)
            && source
                .settings()
                .is_some_and(|s| s.advertise == Some(false))
        {
            let words = source.words(Setting::Advertise, &self.file);
            return Err(format!("{words} is false"));
        }
        let who = Setting::ALL.into_iter().filter_map(|setting| {
            let words = said(setting)?.words(setting, &self.file);
            Some(words)
        });
        let who: Vec<_> = who.collect();
        let communities = settings(Setting::Communities).and_then(|s| s.communities.clone());
        Ok(Attributes {
            communities: communities.filter(|communities| !communities.is_empty()),
            local_pref: settings(Setting::LocalPref).and_then(|s| s.local_pref),
            med: settings(Setting::Med).and_then(|s| s.med),
            rule: (!who.is_empty()).then(|| who.join("; ").into()),
        })
    }
}

/// Whether all conditions of a section hold. One that asks for what nobody knows does not.
fn covers(rule: &ExposeRule, exposure: &Exposure, subject: &Subject<'_>) -> bool {
    let named = |names: &Option<Vec<String>>, name: &Option<Arc<str>>| {
        let among = |names: &[String]| match name {
            Some(name) => names.iter().any(|n| same(n, name)),
            None => false,
        };
        names.as_deref().is_none_or(among)
    };
    let within = |cidrs: &Vec<ipnet::IpNet>| cidrs.iter().any(|c| c.contains(&exposure.prefix));
    let of_kind = |kinds: &Vec<Kind>| kinds.contains(&exposure.kind);
    named(&rule.networks, &subject.network)
        && named(&rule.routers, &subject.router)
        && named(&rule.projects, &subject.project)
        && named(&rule.ports, &subject.port)
        && rule.cidrs.as_ref().is_none_or(within)
        && rule.kinds.as_ref().is_none_or(of_kind)
}

/// Names as OVN has them, or as Neutron has them: `neutron-<uuid>` is `<uuid>`.
fn same(one: &str, other: &str) -> bool {
    let bare = |name| str::strip_prefix(name, "neutron-").unwrap_or(name);
    bare(one) == bare(other)
}

/// Applies what is said to the exposures from the `from`th on: each gets its attributes, or is withheld.
fn apply<'a>(
    policy: &Policy,
    exposures: &mut Vec<Arc<Exposure>>,
    from: usize,
    withheld: &mut Option<Vec<Withheld>>,
    subject: impl Fn(&Exposure) -> Subject<'a>,
) {
    let mut index = 0;
    exposures.retain_mut(|exposure| {
        index += 1;
        if index <= from {
            return true;
        }
        match policy.judge(exposure, &subject(exposure)) {
            Ok(attributes) => {
                if attributes != Attributes::default() {
                    Arc::make_mut(exposure).attributes = attributes;
                }
                true
            }
            Err(reason) => {
                if let Some(withheld) = withheld {
                    withheld.push(Withheld {
                        prefix: exposure.prefix,
                        kind: exposure.kind,
                        port: exposure.port.clone(),
                        code: Code::Policy,
                        reason,
                    });
                }
                false
            }
        }
    });
}
