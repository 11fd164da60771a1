//! From files, environment and command line to a [`Config`], with every problem on the way.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::choice::Ttl;
use super::ini::{self, Assignment, Ini};
use super::interpolate::{Reference, expand};
use super::options::{Draft, NEIGHBOUR, NEIGHBOUR_SECTION, NeighbourDraft, SECTIONS};
use super::problem::{Fault, Place, Problem, Severity};
use super::table::{Effect, Row};
use super::{Config, Neighbour, lint};

/// What there is to read, in the order in which later wins.
// No Debug: the text holds passwords.
#[derive(Clone, Default)]
pub struct Input {
    /// Files with their text.
    pub files: Vec<(PathBuf, String)>,
    /// Environment variables; only `OS_<GROUP>__<OPTION>` are looked at.
    pub environment: Vec<(String, String)>,
    /// Options of `[DEFAULT]` set on the command line: name, value, the flag as typed.
    pub flags: Vec<(String, String, String)>,
}

/// The configuration and all that is wrong with it. With a problem of severity error the
/// configuration must not be used.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub config: Config,
    /// In the order of files and lines; what has no line comes last.
    pub problems: Vec<Problem>,
}

/// Where an option was set: section and option, for what checks the whole.
pub(super) type Given = BTreeMap<(String, String), Set>;

/// The value that counts.
// No Debug: the text may be a password.
#[derive(Clone)]
pub(super) struct Set {
    pub(super) text: String,
    pub(super) place: Place,
}

impl Loaded {
    /// Reads everything. Pure and total.
    pub fn read(input: &Input) -> Self {
        let mut reader = Reader::default();
        for (path, text) in &input.files {
            reader.file(path, ini::read(text));
        }
        for (name, value) in &input.environment {
            reader.environment(name, value);
        }
        for (option, value, flag) in &input.flags {
            let place = Place::CommandLine(flag.clone());
            reader.set("DEFAULT", option, value.clone(), place);
        }
        let mut loaded = reader.finish();
        let position = |path: &PathBuf| input.files.iter().position(|(file, _)| file == path);
        loaded.problems.sort_by_key(|p| match &p.place {
            Place::Line(path, line) => (position(path).unwrap_or(usize::MAX), *line),
            _ => (usize::MAX, 0),
        });
        loaded
    }

    /// Whether the agent may start.
    pub fn is_valid(&self) -> bool {
        self.problems.iter().all(|p| p.severity != Severity::Error)
    }
}

#[derive(Default)]
struct Reader {
    given: Given,
    /// Names of the neighbours, in order of appearance, with the place of their first section.
    neighbours: Vec<(String, Place)>,
    problems: Vec<Problem>,
}

impl Reader {
    fn file(&mut self, path: &std::path::Path, ini: Ini) {
        let at = |line| Place::Line(path.to_owned(), line);
        for (line, fault) in ini.faults {
            self.problem(Severity::Warning, at(line), None, fault);
        }
        for (name, line) in ini.sections {
            let section = normal(&name);
            match neighbour_name(&section) {
                Some(name) if self.neighbours.iter().all(|(known, _)| known != name) => {
                    self.neighbours.push((name.to_owned(), at(line)));
                }
                Some(_) => {}
                None if is_section(&section) => {}
                None => {
                    let fault = Fault::UnknownSection;
                    self.problem(
                        Severity::Warning,
                        at(line),
                        Some(format!("[{section}]")),
                        fault,
                    );
                }
            }
        }
        let mut lines = BTreeMap::new();
        for Assignment {
            section,
            key,
            value,
            line,
        } in ini.assignments
        {
            let section = normal(&section);
            if neighbour_name(&section).is_none() && !is_section(&section) {
                continue;
            }
            let section = home(&section, &key).to_owned();
            if let Some(first) = lines.insert((section.clone(), key.clone()), line) {
                let option = label(&section, &key);
                let fault = Fault::Repeated { first };
                self.problem(Severity::Warning, at(line), Some(option), fault);
            }
            let value = ini::unquote(&value, is_secret(&section, &key)).to_owned();
            self.set(&section, &key, value, at(line));
        }
    }

    /// oslo.config's environment driver: `OS_<GROUP>__<OPTION>` in upper case.
    fn environment(&mut self, name: &str, value: &str) {
        let Some((group, option)) = name.strip_prefix("OS_").and_then(|n| n.split_once("__"))
        else {
            return;
        };
        let names = SECTIONS.iter().flat_map(|s| s.names);
        let Some(section) = names.copied().find(|n| n.eq_ignore_ascii_case(group)) else {
            return;
        };
        let option = option.to_ascii_lowercase();
        let known = rows(section).chain(rows("ovn")).map(|o| o.name);
        let option = known
            .into_iter()
            .find(|n| n.eq_ignore_ascii_case(&option))
            .unwrap_or(&option);
        let place = Place::Environment(name.to_owned());
        self.set(
            home(section, option),
            option,
            value.trim().to_owned(),
            place,
        );
    }

    fn set(&mut self, section: &str, option: &str, text: String, place: Place) {
        let known = match neighbour_name(section) {
            Some(_) => NEIGHBOUR.iter().any(|o| o.name == option),
            None => rows(section).any(|o| o.name == option),
        };
        if known {
            let key = (section.to_owned(), option.to_owned());
            self.given.insert(key, Set { text, place });
        } else {
            let fault = Fault::UnknownOption {
                like: like(section, option),
            };
            self.problem(
                Severity::Warning,
                place,
                Some(label(section, option)),
                fault,
            );
        }
    }

    fn finish(mut self) -> Loaded {
        let mut draft = Draft::default();
        for section in SECTIONS {
            for name in section.names {
                self.fill(name, section.options, &mut draft);
            }
        }
        let Draft {
            mut config,
            default_as,
            bgp_as,
            default_router_id,
            bgp_router_id,
            ..
        } = draft;
        config.bgp.asn = bgp_as.unwrap_or(default_as);
        config.bgp.router_id = bgp_router_id.or(default_router_id);
        for (name, place) in std::mem::take(&mut self.neighbours) {
            let mut draft = NeighbourDraft::default();
            self.fill(&section_of(&name), NEIGHBOUR, &mut draft);
            match neighbour(&name, draft, &config) {
                Ok(neighbour) => config.neighbours.push(neighbour),
                Err(fault) => {
                    self.problem(
                        Severity::Error,
                        place,
                        Some(format!("[{}]", section_of(&name))),
                        fault,
                    );
                }
            }
        }
        // Where a value was not accepted, the default is not the operator's choice.
        let errors = self
            .problems
            .iter()
            .filter(|p| p.severity == Severity::Error);
        let refused: Vec<_> = errors.filter_map(|p| p.option.clone()).collect();
        let mut more = lint::lint(&config, &self.given);
        more.retain(|p| p.option.as_ref().is_none_or(|o| !refused.contains(o)));
        self.problems.extend(more);
        Loaded {
            config,
            problems: self.problems,
        }
    }

    /// Stores the value, else the default, of every option of a section.
    fn fill<T>(&mut self, section: &str, rows: &[Row<T>], target: &mut T) {
        for row in rows {
            let default = row.default.is_none_or(|text| row.field.store(target, text));
            debug_assert!(default, "default of {}", row.name);
            let key = (section.to_owned(), row.name.to_owned());
            let Some(set) = self.given.get(&key).cloned() else {
                continue;
            };
            let option = Some(label(section, row.name));
            let text = if row.field.is_secret() || matches!(row.effect, Effect::Unneeded(_)) {
                set.text.clone()
            } else {
                match expand(&set.text, |reference| self.lookup(section, reference)) {
                    Ok(text) => text,
                    Err(fault) => {
                        self.problem(Severity::Error, set.place, option, fault);
                        continue;
                    }
                }
            };
            if !row.field.store(target, &text) {
                let value = (!row.field.is_secret()).then_some(text);
                let fault = Fault::Value {
                    value,
                    allowed: row.field.allowed(),
                };
                self.problem(Severity::Error, set.place, option, fault);
            } else if let Effect::Unneeded(why) = row.effect
                && row.default != Some(text.as_str())
            {
                let fault = Fault::NoEffect(why.to_owned());
                self.problem(Severity::Warning, set.place, option, fault);
            }
        }
    }

    /// What `$name` stands for: an option of the same section, else of `[DEFAULT]`.
    fn lookup(&self, section: &str, name: &str) -> Reference {
        let (sections, option) = match name.split_once('.') {
            Some((group, option)) => (vec![normal(group)], option),
            None => (vec![section.to_owned(), "DEFAULT".to_owned()], name),
        };
        for section in sections {
            if is_secret(&section, option) {
                return Reference::Refused;
            }
            if let Some(set) = self.given.get(&(section.clone(), option.to_owned())) {
                return Reference::Text(set.text.clone());
            }
            if let Some(default) = default_of(&section, option) {
                return Reference::Text(default.unwrap_or_default().to_owned());
            }
        }
        Reference::Unknown
    }

    fn problem(&mut self, severity: Severity, place: Place, option: Option<String>, fault: Fault) {
        self.problems.push(Problem {
            severity,
            place,
            option,
            fault,
        });
    }
}

/// A neighbour with what `[bgp]` decides.
fn neighbour(name: &str, draft: NeighbourDraft, config: &Config) -> Result<Neighbour, Fault> {
    let address = draft.address.or_else(|| name.parse().ok()).ok_or_else(|| {
        Fault::Conflict(
            format!("neighbour '{name}' has no address; neighbours by interface are not implemented in this version"),
            "set address, or write an address as the section's name".into(),
        )
    })?;
    let ttl = match (draft.multihop, draft.ttl_security) {
        (Some(_), Some(_)) => {
            return Err(Fault::Conflict(
                "multihop and ttl_security exclude each other".into(),
                "remove one of the two".into(),
            ));
        }
        (Some(hops), None) => Ttl::Multihop(hops),
        (None, Some(hops)) => Ttl::Security(hops),
        (None, None) => Ttl::Standard,
    };
    let bgp = &config.bgp;
    Ok(Neighbour {
        name: name.to_owned(),
        address,
        remote_as: draft.remote_as,
        local_as: draft.local_as.unwrap_or(bgp.asn),
        password: draft.password,
        port: draft.port,
        passive: draft.passive,
        update_source: draft.update_source,
        hold_time: draft.hold_time.unwrap_or(bgp.hold_time),
        keepalive_time: draft.keepalive_time.or(bgp.keepalive_time),
        connect_retry_time: draft.connect_retry_time.unwrap_or(bgp.connect_retry_time),
        ttl,
        families: draft.families,
        description: draft.description,
        next_hop_ipv4: draft.next_hop_ipv4.or(bgp.next_hop_ipv4),
        next_hop_ipv6: draft.next_hop_ipv6.or(bgp.next_hop_ipv6),
        only_host_prefixes: draft.only_host_prefixes,
    })
}

/// A section's name in its one spelling: case does not matter, a neighbour's NAME apart.
fn normal(section: &str) -> String {
    let mut words = section.split_whitespace();
    let first = words.next().unwrap_or_default().to_ascii_lowercase();
    if first == "default" {
        return "DEFAULT".into();
    }
    words.fold(first, |name, word| name + " " + word)
}

fn neighbour_name(section: &str) -> Option<&str> {
    section.strip_prefix(NEIGHBOUR_SECTION)?.strip_prefix(' ')
}

pub(super) fn section_of(neighbour: &str) -> String {
    format!("{NEIGHBOUR_SECTION} {neighbour}")
}

fn label(section: &str, option: &str) -> String {
    format!("[{section}] {option}")
}

fn rows(section: &str) -> impl Iterator<Item = &'static Row<Draft>> {
    let named = SECTIONS.iter().filter(move |s| s.names.contains(&section));
    named.flat_map(|s| s.options)
}

fn is_section(section: &str) -> bool {
    rows(section).next().is_some()
}

/// Where an option belongs: those of `[ovn]` were once of `[DEFAULT]`, and still may be.
fn home<'a>(section: &'a str, option: &str) -> &'a str {
    let in_ovn = rows("ovn").any(|o| o.name == option);
    if section == "DEFAULT" && in_ovn {
        "ovn"
    } else {
        section
    }
}

fn is_secret(section: &str, option: &str) -> bool {
    let secret = |o: &Row<NeighbourDraft>| o.name == option && o.field.is_secret();
    neighbour_name(section).is_some() && NEIGHBOUR.iter().any(secret)
}

fn default_of(section: &str, option: &str) -> Option<Option<&'static str>> {
    match neighbour_name(section) {
        Some(_) => NEIGHBOUR
            .iter()
            .find(|o| o.name == option)
            .map(|o| o.default),
        None => rows(section).find(|o| o.name == option).map(|o| o.default),
    }
}

/// An option that the writer of an unknown one may have meant.
fn like(section: &str, option: &str) -> Option<&'static str> {
    let names: Vec<&'static str> = match neighbour_name(section) {
        Some(_) => NEIGHBOUR.iter().map(|o| o.name).collect(),
        None => rows(section).chain(rows("ovn")).map(|o| o.name).collect(),
    };
    let plain = |text: &str| text.to_ascii_lowercase().replace(['-', '_'], "");
    let wanted = plain(option);
    names
        .into_iter()
        .find(|name| plain(name) == wanted)
        .or_else(|| {
            rows("ovn")
                .map(|o| o.name)
                .find(|name| option.starts_with(name))
        })
}
