//! The policy file: `[expose NAME]` sections in the dialect of bgp-agent.conf. What cannot be read is told
//! with its line and left out; a condition of which nothing is left holds for nothing, so that a slip never makes
//! a section reach further than it was meant to.

use std::collections::BTreeMap;
use std::path::Path;
use std::str::FromStr;

use ipnet::IpNet;

use super::ini::{self, Assignment};
use super::problem::{Fault, Place, Problem, Severity};
use crate::exposure::Kind;
use crate::route_settings::{RouteSettings, Setting};

/// The first word of the section lines.
const SECTION: &str = "expose";

/// One `[expose NAME]` section: what it says of the exposures for which all its conditions hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExposeRule {
    pub name: String,
    /// Networks, as OVN or Neutron names them; `None` is no condition, as in those below.
    pub networks: Option<Vec<String>>,
    pub routers: Option<Vec<String>>,
    /// Neutron's projects.
    pub projects: Option<Vec<String>>,
    /// Logical switch ports and logical router ports.
    pub ports: Option<Vec<String>>,
    /// The prefix is inside one of these.
    pub cidrs: Option<Vec<IpNet>>,
    pub kinds: Option<Vec<Kind>>,
    /// Whether it says more than what OVN's rows say.
    pub overrides: bool,
    pub settings: RouteSettings,
}

/// Reads the file. Total: what is wrong is told, and never an error.
pub(super) fn read(path: &Path, text: &str) -> (Vec<ExposeRule>, Vec<Problem>) {
    let file = ini::read(text);
    let mut reader = Reader {
        path,
        rules: Vec::new(),
        set_at: BTreeMap::new(),
        problems: Vec::new(),
    };
    for (line, fault) in file.faults {
        reader.problem(line, None, fault);
    }
    for (section, line) in &file.sections {
        reader.section(section, *line);
    }
    for assignment in &file.assignments {
        reader.assignment(assignment);
    }
    reader.problems.sort_by(|a, b| a.place.cmp(&b.place));
    (reader.rules, reader.problems)
}

struct Reader<'a> {
    path: &'a Path,
    rules: Vec<ExposeRule>,
    /// Where each section has set what may be set but once.
    set_at: BTreeMap<(String, String), usize>,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn section(&mut self, section: &str, line: usize) {
        let Some(name) = name_of(section) else {
            let option = Some(format!("[{section}]"));
            return self.problem(line, option, Fault::UnknownSection);
        };
        if !self.rules.iter().any(|rule| rule.name == name) {
            self.rules.push(ExposeRule {
                name,
                ..ExposeRule::default()
            });
        }
    }

    fn assignment(&mut self, assignment: &Assignment) {
        let Some(name) = name_of(&assignment.section) else {
            return;
        };
        let Some(index) = self.rules.iter().position(|rule| rule.name == name) else {
            return;
        };
        let mut rule = std::mem::take(&mut self.rules[index]);
        self.store(&mut rule, assignment);
        self.rules[index] = rule;
    }

    fn store(&mut self, rule: &mut ExposeRule, assignment: &Assignment) {
        let (key, line) = (assignment.key.as_str(), assignment.line());
        let text = ini::unquote(&assignment.value, false);
        let option = Some(format!("[{SECTION} {}] {key}", rule.name));
        match key {
            "network" => names(&mut rule.networks, text),
            "router" => names(&mut rule.routers, text),
            "project" => names(&mut rule.projects, text),
            "port" => names(&mut rule.ports, text),
            "cidr" => {
                let (nets, refused) = parsed::<Net>(text);
                let nets = nets.into_iter().map(|net| net.0);
                rule.cidrs.get_or_insert_default().extend(nets);
                self.refuse(line, option, refused, "prefixes such as 172.24.4.0/24");
            }
            "kind" => {
                let (kinds, refused) = parsed::<KindName>(text);
                let kinds = kinds.into_iter().map(|kind| kind.0);
                rule.kinds.get_or_insert_default().extend(kinds);
                let all = Kind::ALL.map(Kind::name).join(", ");
                self.refuse(line, option, refused, &all);
            }
            _ => self.say(rule, key, text, line, option),
        }
    }

    /// What the section says, and whether it overrides.
    fn say(
        &mut self,
        rule: &mut ExposeRule,
        key: &str,
        text: &str,
        line: usize,
        option: Option<String>,
    ) {
        let setting = Setting::ALL
            .into_iter()
            .find(|setting| setting.name() == key);
        if setting.is_none() && key != "override" {
            let fault = Fault::UnknownOption { like: None };
            return self.problem(line, option, fault);
        }
        let first = self
            .set_at
            .insert((rule.name.clone(), key.to_owned()), line);
        if let Some(first) = first {
            self.problem(line, option.clone(), Fault::Repeated { first });
        }
        match setting {
            Some(setting) => {
                let refused = rule.settings.set(setting, text).err().unwrap_or_default();
                self.refuse(line, option, refused, setting.allowed());
            }
            None => {
                let mut read = RouteSettings::default();
                let refused = read.set(Setting::Advertise, text).err().unwrap_or_default();
                rule.overrides = read.advertise.unwrap_or(rule.overrides);
                self.refuse(line, option, refused, "true or false");
            }
        }
    }

    fn refuse(&mut self, line: usize, option: Option<String>, refused: Vec<String>, allowed: &str) {
        for value in refused {
            let fault = Fault::Value {
                value: Some(value),
                allowed: allowed.to_owned(),
            };
            self.problem(line, option.clone(), fault);
        }
    }

    fn problem(&mut self, line: usize, option: Option<String>, fault: Fault) {
        self.problems.push(Problem {
            severity: Severity::Warning,
            place: Place::Line(self.path.to_owned(), line),
            option,
            fault,
        });
    }
}

/// The NAME of an `[expose NAME]` line.
fn name_of(section: &str) -> Option<String> {
    let mut words = section.split_whitespace();
    let rest = (words.next()? == SECTION).then_some(words)?;
    let name = rest.collect::<Vec<_>>().join(" ");
    (!name.is_empty()).then_some(name)
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| c == ',' || c.is_whitespace());
    words.filter(|word| !word.is_empty())
}

/// Adds names to a condition, which exists from now on.
fn names(condition: &mut Option<Vec<String>>, text: &str) {
    let names = words(text).map(str::to_owned);
    condition.get_or_insert_default().extend(names);
}

/// The words that mean something, and those that do not.
fn parsed<T: FromStr>(text: &str) -> (Vec<T>, Vec<String>) {
    let (mut values, mut refused) = (Vec::new(), Vec::new());
    for word in words(text) {
        match word.parse() {
            Ok(value) => values.push(value),
            Err(_) => refused.push(word.to_owned()),
        }
    }
    (values, refused)
}

/// A prefix, or an address that stands for itself.
struct Net(IpNet);

impl FromStr for Net {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let net = text.parse::<IpNet>().map(|net| net.trunc());
        let net = net.or_else(|_| text.parse::<std::net::IpAddr>().map(IpNet::from));
        net.map(Self).map_err(|_| ())
    }
}

struct KindName(Kind);

impl FromStr for KindName {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let kind = Kind::ALL.into_iter().find(|kind| kind.name() == text);
        kind.map(Self).ok_or(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> (Vec<ExposeRule>, Vec<String>) {
        let (rules, problems) = read(Path::new("policy.conf"), text);
        (rules, problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_section_has_conditions_and_says_something() {
        let text = "# the gold network\n[expose gold]\nnetwork = n1, neutron-n2\nproject = p1\n\
                    cidr = 172.24.4.0/24 2001:db8::/32\nkind = fip, lb-fip\nport = a\nrouter = r\n\
                    advertise = true\ncommunities = 65000:1 no-export\nlocal_pref = 200\nmed = 5\noverride = true\n";
        let (rules, told) = problems(text);
        assert!(told.is_empty(), "{told:?}");
        let [rule] = &rules[..] else { panic!() };
        assert_eq!(rule.name, "gold");
        let networks = rule.networks.as_deref().unwrap();
        assert_eq!(networks, ["n1", "neutron-n2"]);
        assert_eq!(rule.cidrs.as_ref().unwrap().len(), 2);
        assert_eq!(rule.kinds, Some(vec![Kind::Fip, Kind::LbFip]));
        assert_eq!((rule.overrides, rule.settings.med), (true, Some(5)));
        assert_eq!(rule.settings.advertise, Some(true));
    }

    #[test]
    fn sections_keep_the_order_of_the_file() {
        let (rules, _) =
            problems("[expose b]\nmed = 1\n[expose a]\nmed = 2\n[expose b]\nport = x\n");
        let names: Vec<_> = rules.iter().map(|rule| rule.name.as_str()).collect();
        assert_eq!(names, ["b", "a"]);
        assert_eq!(rules[0].ports.as_deref(), Some(&["x".to_owned()][..]));
    }

    #[test]
    fn a_broken_line_is_told_with_its_number_and_the_others_count() {
        let text = "[expose x]\nmed = many\nlocal_pref = 7\nnonsense\ncolour = red\n[other]\n";
        let (rules, told) = problems(text);
        assert_eq!(rules[0].settings.local_pref, Some(7));
        assert_eq!(rules[0].settings.med, None);
        let expected = [
            "policy.conf:2: [expose x] med: 'many' is not accepted; allowed: a number, 0 to 4294967295",
            "policy.conf:4: neither '=' nor ':' in the line that begins 'nonsense', ignored; write 'option = value'",
            "policy.conf:5: [expose x] colour: unknown option, ignored; ",
            "policy.conf:6: [other]: unknown section, ignored; ",
        ];
        assert_eq!(told.len(), expected.len(), "{told:?}");
        for (told, expected) in told.iter().zip(expected) {
            assert!(told.starts_with(expected), "{told}");
        }
    }

    #[test]
    fn a_condition_of_which_nothing_is_left_holds_for_nothing() {
        let (rules, told) =
            problems("[expose x]\ncidr = 10.0.0.0/33\nkind = vm\nadvertise = false\n");
        assert_eq!(rules[0].cidrs, Some(vec![]));
        assert_eq!(rules[0].kinds, Some(vec![]));
        assert_eq!(told.len(), 2);
    }

    #[test]
    fn what_is_set_twice_counts_as_set_last() {
        let (rules, told) = problems("[expose x]\nmed = 1\nmed = 2\n");
        assert_eq!(rules[0].settings.med, Some(2));
        assert!(told[0].contains("set before at line 2"), "{told:?}");
    }

    /// bgp-agent.conf with the policy file `policy`; `None` cannot be opened.
    fn loaded(conf: &str, policy: Option<&str>) -> crate::config::Loaded {
        let conf = format!(
            "[DEFAULT]\n{conf}exposure_policy_file = /etc/policy.conf\n[bgp_neighbor a]\naddress = 192.0.2.1\n"
        );
        let input = crate::config::Input {
            files: vec![("bgp-agent.conf".into(), conf)],
            ..crate::config::Input::default()
        };
        let open = |path: &Path| {
            assert_eq!(path, Path::new("/etc/policy.conf"));
            policy
                .map(str::to_owned)
                .ok_or_else(|| "no such file".to_owned())
        };
        crate::config::Loaded::read_with(&input, &open)
    }

    #[test]
    fn a_file_that_cannot_be_read_stops_the_start_and_a_broken_line_does_not() {
        let missing = loaded("", None);
        assert!(!missing.is_valid());
        let [problem] = &missing.problems[..] else {
            panic!("{:?}", missing.problems);
        };
        let text = problem.to_string();
        let place =
            "bgp-agent.conf:2: [DEFAULT] exposure_policy_file: cannot be read: /etc/policy.conf: ";
        assert!(text.starts_with(place), "{text}");
        let broken = loaded("", Some("[expose x]\nmed = 1\nlocal_pref = x\n"));
        assert!(broken.is_valid());
        let told: Vec<_> = broken.problems.iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(
            told[0].starts_with("/etc/policy.conf:3: [expose x] local_pref: 'x'"),
            "{told:?}"
        );
        assert_eq!(broken.config.agent.exposure_rules[0].settings.med, Some(1));
    }

    #[test]
    fn what_the_backend_does_not_carry_is_told() {
        let policy =
            "[expose x]\nlocal_pref = 1\n[expose y]\nmed = 1\n[expose z]\nadvertise = false\n";
        for (backend, lost) in [
            ("embedded", vec![]),
            ("frr-peer", vec!["x"]),
            ("frr", vec![]),
        ] {
            let conf = format!("bgp_backend = {backend}\n");
            let loaded = loaded(&conf, Some(policy));
            assert!(loaded.is_valid(), "{:?}", loaded.problems);
            let told = loaded.problems.iter().map(ToString::to_string);
            let told: Vec<_> = told
                .filter(|line| line.contains("does not carry"))
                .collect();
            assert_eq!(told.len(), lost.len(), "{backend}: {told:?}");
            for (told, section) in told.iter().zip(lost) {
                assert!(
                    told.contains(&format!("[expose {section}] sets ")),
                    "{told}"
                );
            }
        }
    }

    #[test]
    fn a_reload_takes_the_rules_over_at_once() {
        let (old, new) = (
            loaded("", Some("[expose x]\nmed = 1\n")),
            loaded("", Some("[expose x]\nmed = 2\n")),
        );
        let lines = crate::reload::plan(&old.config, &new.config).lines();
        assert!(
            lines[0].contains("[expose …] of exposure_policy_file"),
            "{lines:?}"
        );
        let effective = crate::reload::effective(&old.config, new.config);
        assert_eq!(effective.agent.exposure_rules[0].settings.med, Some(2));
    }

    proptest::proptest! {
        #[test]
        fn every_text_is_read(text in "(\\[expose [a-z]{0,3}\\]|[a-z_ =:,0-9/.\\[\\]#\"-]{0,20}|\n){0,30}") {
            drop(read(Path::new("policy.conf"), &text));
        }
    }
}
