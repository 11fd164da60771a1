//! What was set, where: files, environment and command line in the order in which later wins.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::frr::{Note, Translation};
use super::ini::{self, Assignment, Ini};
use super::interpolate::{Reference, expand};
use super::options::{Named, SECTIONS, option, options};
use super::problem::{Fault, Place, Problem, Severity};

/// The value that counts.
// No Debug: the text may be a password.
#[derive(Clone)]
pub(super) struct Set {
    pub(super) text: String,
    /// Of the first line.
    pub(super) place: Place,
    /// Of every line of the text, where it comes from a file.
    lines: Vec<usize>,
}

impl Set {
    /// Where a line of the text is, counted from 0.
    pub(super) fn place_of(&self, line: usize) -> Place {
        match (&self.place, self.lines.get(line)) {
            (Place::Line(path, _), Some(number)) => Place::Line(path.clone(), *number),
            (place, _) => place.clone(),
        }
    }
}

/// Every option that was set, and every section that has a NAME.
#[derive(Default)]
pub(super) struct Given {
    /// By section and option.
    options: BTreeMap<(String, String), Set>,
    /// In order of appearance, with the place of the first section line.
    named: Vec<(Named, String, Place)>,
    pub(super) problems: Vec<Problem>,
}

impl Given {
    /// What a file says.
    pub(super) fn file(&mut self, path: &Path, ini: Ini) {
        let at = |line| Place::Line(path.to_owned(), line);
        for (line, fault) in ini.faults {
            self.problem(Severity::Warning, at(line), None, fault);
        }
        for (name, line) in ini.sections {
            self.section(&normal(&name), at(line));
        }
        let mut lines = BTreeMap::new();
        for assignment in ini.assignments {
            let section = normal(&assignment.section);
            if !is_section(&section) {
                continue;
            }
            let (line, key) = (assignment.line(), &assignment.key);
            let section = home(&section, key).to_owned();
            if let Some(first) = lines.insert((section.clone(), key.clone()), line) {
                let option = label(&section, key);
                let fault = Fault::Repeated { first };
                self.problem(Severity::Warning, at(line), Some(option), fault);
            }
            self.assignment(&section, assignment, path);
        }
    }

    /// A section line.
    pub(super) fn section(&mut self, section: &str, place: Place) {
        match Named::of(section) {
            Some((named, name)) => {
                if !self.names(named).any(|known| known == name) {
                    self.named.push((named, name.to_owned(), place));
                }
            }
            None if is_section(section) => {}
            None => {
                let section = Some(format!("[{section}]"));
                self.problem(Severity::Warning, place, section, Fault::UnknownSection);
            }
        }
    }

    fn assignment(&mut self, section: &str, assignment: Assignment, path: &Path) {
        let Assignment {
            key, value, lines, ..
        } = assignment;
        let verbatim = option(section, &key).is_some_and(|o| o.is_verbatim());
        let place = Place::Line(path.to_owned(), lines.first().copied().unwrap_or_default());
        let text = ini::unquote(&value, verbatim).to_owned();
        self.set(section, &key, Set { text, place, lines });
    }

    /// oslo.config's environment driver: `OS_<GROUP>__<OPTION>` in upper case.
    pub(super) fn environment(&mut self, name: &str, value: &str) {
        let Some((group, key)) = name.strip_prefix("OS_").and_then(|n| n.split_once("__")) else {
            return;
        };
        let names = SECTIONS.iter().flat_map(|s| s.names);
        let Some(section) = names.copied().find(|n| n.eq_ignore_ascii_case(group)) else {
            return;
        };
        let known = options(section)
            .into_iter()
            .chain(options("ovn"))
            .map(|o| o.name())
            .find(|n| n.eq_ignore_ascii_case(key));
        let lower = key.to_ascii_lowercase();
        let key = known.unwrap_or(&lower);
        let place = Place::Environment(name.to_owned());
        self.value(home(section, key), key, value.trim().to_owned(), place);
    }

    /// An option that is not from a file of ours.
    pub(super) fn value(&mut self, section: &str, key: &str, text: String, place: Place) {
        let lines = Vec::new();
        self.set(section, key, Set { text, place, lines });
    }

    /// What FRR's configuration says: it counts where nothing else does.
    pub(super) fn frr(&mut self, path: &Path, translation: Translation) {
        let at = |line| Place::Line(path.to_owned(), line);
        for (section, line) in translation.sections {
            self.section(&section, at(line));
        }
        let settled: BTreeSet<_> = self.options.keys().cloned().collect();
        for word in translation.words {
            let by_hand = |key: &str| settled.contains(&(word.section.clone(), key.to_owned()));
            if by_hand(&word.option) || rivals(&word.option).into_iter().any(by_hand) {
                continue;
            }
            let verbatim = option(&word.section, &word.option).is_some_and(|o| o.is_verbatim());
            let text = match verbatim {
                true => word.text,
                false => word.text.replace('$', "$$"),
            };
            let place = at(word.lines.first().copied().unwrap_or_default());
            let lines = word.lines;
            self.set(&word.section, &word.option, Set { text, place, lines });
        }
        for Note { line, what } in translation.notes {
            self.problem(Severity::Warning, at(line), None, Fault::Unsaid(what));
        }
    }

    fn set(&mut self, section: &str, key: &str, set: Set) {
        if option(section, key).is_some() {
            let key = (section.to_owned(), key.to_owned());
            self.options.insert(key, set);
        } else {
            let fault = Fault::UnknownOption {
                like: like(section, key),
            };
            let option = Some(label(section, key));
            self.problem(Severity::Warning, set.place, option, fault);
        }
    }

    /// What counts for an option, if anybody set it.
    pub(super) fn get(&self, section: &str, key: &str) -> Option<&Set> {
        self.options.get(&(section.to_owned(), key.to_owned()))
    }

    /// Where an option was set.
    pub(super) fn place(&self, section: &str, key: &str) -> Place {
        let set = self.get(section, key);
        set.map_or(Place::Default, |set| set.place.clone())
    }

    /// The names of the sections of a kind, in order of appearance.
    pub(super) fn names(&self, wanted: Named) -> impl Iterator<Item = &str> {
        let of_kind = self
            .named
            .iter()
            .filter(move |(named, ..)| *named == wanted);
        of_kind.map(|(_, name, _)| name.as_str())
    }

    /// Where a section with a NAME begins.
    pub(super) fn section_place(&self, wanted: Named, wanted_name: &str) -> Place {
        let mut all = self.named.iter();
        let found = all.find(|(named, name, _)| *named == wanted && name == wanted_name);
        found.map_or(Place::Default, |(.., place)| place.clone())
    }

    /// The text of an option with its references replaced.
    pub(super) fn expanded(&self, section: &str, set: &Set) -> Result<String, Fault> {
        expand(&set.text, |reference| self.lookup(section, reference))
    }

    /// What `$name` stands for: an option of the same section, else of `[DEFAULT]`.
    fn lookup(&self, section: &str, name: &str) -> Reference {
        let (sections, key) = match name.split_once('.') {
            Some((group, key)) => (vec![normal(group)], key),
            None => (vec![section.to_owned(), "DEFAULT".to_owned()], name),
        };
        for section in sections {
            let Some(known) = option(&section, key) else {
                continue;
            };
            if known.is_secret() {
                return Reference::Refused;
            }
            let text = match self.get(&section, key) {
                Some(set) => set.text.clone(),
                None => known.default().unwrap_or_default().to_owned(),
            };
            return Reference::Text(text);
        }
        Reference::Unknown
    }

    pub(super) fn problem(
        &mut self,
        severity: Severity,
        place: Place,
        option: Option<String>,
        fault: Fault,
    ) {
        self.problems.push(Problem {
            severity,
            place,
            option,
            fault,
        });
    }
}

/// A section's name in its one spelling: case does not matter, a NAME apart.
fn normal(section: &str) -> String {
    let mut words = section.split_whitespace();
    let first = words.next().unwrap_or_default().to_ascii_lowercase();
    if first == "default" {
        return "DEFAULT".into();
    }
    words.fold(first, |name, word| name + " " + word)
}

/// Options that say the same more generally, or the contrary: who wrote one here means it.
fn rivals(key: &str) -> Option<&str> {
    match key {
        "multihop" => Some("ttl_security"),
        "ttl_security" => Some("multihop"),
        "keepalive_time" => Some("hold_time"),
        key => key
            .strip_suffix("_ipv4")
            .or_else(|| key.strip_suffix("_ipv6")),
    }
}

/// How an option is called in a problem.
pub(super) fn label(section: &str, option: &str) -> String {
    format!("[{section}] {option}")
}

fn is_section(section: &str) -> bool {
    !options(section).is_empty()
}

/// Where an option belongs: those of `[ovn]` were once of `[DEFAULT]`, and still may be.
fn home<'a>(section: &'a str, key: &str) -> &'a str {
    if section == "DEFAULT" && option("ovn", key).is_some() {
        "ovn"
    } else {
        section
    }
}

/// An option that the writer of an unknown one may have meant.
fn like(section: &str, key: &str) -> Option<&'static str> {
    let mut names: Vec<&'static str> = options(section).iter().map(|o| o.name()).collect();
    let in_ovn: Vec<_> = options("ovn").iter().map(|o| o.name()).collect();
    if Named::of(section).is_none() {
        names.extend(&in_ovn);
    }
    let plain = |text: &str| text.to_ascii_lowercase().replace(['-', '_'], "");
    let wanted = plain(key);
    let spelled = names.into_iter().find(|name| plain(name) == wanted);
    spelled.or_else(|| in_ovn.into_iter().find(|name| key.starts_with(name)))
}
