//! What has a name: prefix lists, policies, BFD profiles, and the words that stand for some of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use bgp::{Filter, Policy, PrefixList};

use super::fill;
use crate::config::bgp::BfdProfile;
use crate::config::choice::{Bfd, Families, PolicyName, Prefixes};
use crate::config::given::{Given, label};
use crate::config::ini::without_comment;
use crate::config::options::{Named, POLICY, PREFIX_LIST, PROFILE};
use crate::config::policy::{self, Refused};
use crate::config::problem::{Fault, Severity};

/// Everything that other sections refer to by name.
#[derive(Default)]
pub(super) struct Names {
    lists: BTreeMap<String, Arc<PrefixList>>,
    policies: BTreeMap<String, Arc<Policy>>,
    profiles: BTreeMap<String, BfdProfile>,
    /// Offered where nothing else is said.
    pub(super) families: Families,
}

/// Words that mean something themselves where a name may stand.
const RESERVED: [&str; 6] = ["any", "none", "host-only", "default-only", "true", "false"];

impl Names {
    pub(super) fn read(given: &mut Given) -> Self {
        let mut names = Self::default();
        for name in sections(given, Named::PrefixList) {
            let rules = lines(given, Named::PrefixList, &name, policy::rules);
            let list = PrefixList {
                name: name.as_str().into(),
                rules: rules.into_iter().flatten().collect(),
            };
            names.lists.insert(name, Arc::new(list));
        }
        for name in sections(given, Named::Policy) {
            let terms = lines(given, Named::Policy, &name, |line| {
                policy::term(line, &names)
            });
            let policy = Policy {
                name: name.as_str().into(),
                terms,
            };
            names.policies.insert(name, Arc::new(policy));
        }
        for name in sections(given, Named::BfdProfile) {
            let mut profile = BfdProfile {
                name: name.clone(),
                ..BfdProfile::default()
            };
            fill(
                given,
                &Named::BfdProfile.section(&name),
                PROFILE,
                &mut profile,
            );
            names.profiles.insert(name, profile);
        }
        names
    }

    /// The list a word stands for; `None` lets all pass. A name that is none is a problem.
    pub(super) fn prefixes(
        &self,
        given: &mut Given,
        section: &str,
        option: &str,
        word: &Prefixes,
    ) -> Option<Arc<PrefixList>> {
        self.check_prefixes(given, section, option, word);
        self.list_of(word)
    }

    pub(super) fn check_prefixes(
        &self,
        given: &mut Given,
        section: &str,
        option: &str,
        word: &Prefixes,
    ) {
        if let Prefixes::List(name) = word
            && !self.lists.contains_key(name)
        {
            let known: Vec<_> = self.lists.keys().map(String::as_str).collect();
            refuse(
                given,
                section,
                option,
                unknown(name, Named::PrefixList, &known),
            );
        }
    }

    pub(super) fn check_policy(
        &self,
        given: &mut Given,
        section: &str,
        option: &str,
        word: &PolicyName,
    ) {
        if let PolicyName::Policy(name) = word
            && !self.policies.contains_key(name)
        {
            let known: Vec<_> = self.policies.keys().map(String::as_str).collect();
            refuse(given, section, option, unknown(name, Named::Policy, &known));
        }
    }

    pub(super) fn check_bfd(&self, given: &mut Given, section: &str, option: &str, word: &Bfd) {
        if let Bfd::Profile(name) = word
            && !self.profiles.contains_key(name)
        {
            let known: Vec<_> = self.profiles.keys().map(String::as_str).collect();
            refuse(
                given,
                section,
                option,
                unknown(name, Named::BfdProfile, &known),
            );
        }
    }

    /// Both parts of a filter; what is unset lets all pass.
    pub(super) fn filter(
        &self,
        prefixes: Option<&Prefixes>,
        policy: Option<&PolicyName>,
    ) -> Filter {
        Filter {
            prefixes: prefixes.and_then(|word| self.list_of(word)),
            policy: match policy {
                Some(PolicyName::Policy(name)) => self.policies.get(name).cloned(),
                Some(PolicyName::Any) | None => None,
            },
        }
    }

    pub(super) fn bfd(&self, word: &Bfd) -> Option<BfdProfile> {
        match word {
            Bfd::Off => None,
            Bfd::Default => Some(BfdProfile::default()),
            Bfd::Profile(name) => self.profiles.get(name).cloned(),
        }
    }

    /// A list that does not exist permits nothing: the configuration is refused anyway.
    fn list_of(&self, word: &Prefixes) -> Option<Arc<PrefixList>> {
        match word {
            Prefixes::Any => None,
            Prefixes::None => Some(Arc::new(PrefixList::nothing())),
            Prefixes::HostOnly => Some(Arc::new(PrefixList::host_prefixes())),
            Prefixes::DefaultOnly => Some(Arc::new(PrefixList::default_routes())),
            Prefixes::List(name) => Some(self.lists.get(name).cloned().unwrap_or_default()),
        }
    }
}

impl policy::Lists for Names {
    fn list(&self, name: &str) -> Option<Arc<PrefixList>> {
        match name {
            "host-only" => self.list_of(&Prefixes::HostOnly),
            "default-only" => self.list_of(&Prefixes::DefaultOnly),
            name => self.lists.get(name).cloned(),
        }
    }

    fn names(&self) -> String {
        let known: Vec<_> = self.lists.keys().map(String::as_str).collect();
        remedy(Named::PrefixList, &known)
    }
}

/// The fault of a name that no section has.
pub(super) fn unknown(name: &str, kind: Named, known: &[&str]) -> Fault {
    Fault::Conflict(
        format!("there is no [{}]", kind.section(name)),
        remedy(kind, known),
    )
}

fn remedy(kind: Named, known: &[&str]) -> String {
    match known {
        [] => format!("add a section [{} NAME]; there is none yet", kind.word()),
        known => format!("known names: {}", known.join(", ")),
    }
}

/// The names of a kind's sections, without those that would mean something else.
fn sections(given: &mut Given, kind: Named) -> Vec<String> {
    let all: Vec<_> = given.names(kind).map(str::to_owned).collect();
    let (good, bad): (Vec<_>, Vec<_>) = all
        .into_iter()
        .partition(|name| !RESERVED.contains(&name.as_str()) && !name.contains([' ', ',']));
    for name in bad {
        let place = given.section_place(kind, &name);
        let section = Some(format!("[{}]", kind.section(&name)));
        let fault = Fault::Conflict(
            format!("'{name}' cannot be a name"),
            format!("use one word other than {}", RESERVED.join(", ")),
        );
        given.problem(Severity::Error, place, section, fault);
    }
    good
}

/// Every line of a section's one option, read; one that is not accepted is a problem with its own place.
fn lines<T>(
    given: &mut Given,
    kind: Named,
    name: &str,
    read: impl Fn(&str) -> Result<T, Refused>,
) -> Vec<T> {
    let rows = if kind == Named::PrefixList {
        PREFIX_LIST
    } else {
        POLICY
    };
    let section = kind.section(name);
    let Some(row) = rows.first() else {
        return Vec::new();
    };
    let Some(set) = given.get(&section, row.name).cloned() else {
        return Vec::new();
    };
    let mut read_lines = Vec::new();
    for (number, line) in set.text.lines().enumerate() {
        let line = without_comment(line.trim());
        if line.is_empty() {
            continue;
        }
        match read(line) {
            Ok(read_line) => read_lines.push(read_line),
            Err(Refused { what, remedy }) => {
                let fault = Fault::Conflict(what, remedy);
                let option = Some(label(&section, row.name));
                given.problem(Severity::Error, set.place_of(number), option, fault);
            }
        }
    }
    read_lines
}

fn refuse(given: &mut Given, section: &str, option: &str, fault: Fault) {
    let place = given.place(section, option);
    let option = Some(label(section, option));
    given.problem(Severity::Error, place, option, fault);
}
