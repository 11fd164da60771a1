//! The line reader of the oslo.config dialect: text into sections and assignments, each with its
//! line. It knows no option. What oslo.config refuses is reported and read as well as possible.

use super::problem::Fault;

/// One assignment, as written.
// No Debug: a value may be a password.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Assignment {
    /// Name between the brackets, as written; `DEFAULT` before the first section.
    pub(super) section: String,
    pub(super) key: String,
    /// Trimmed, quotes kept; continuation lines are joined with a newline.
    pub(super) value: String,
    /// Where each line of the value is, 1-based; the first is the assignment's own.
    pub(super) lines: Vec<usize>,
}

impl Assignment {
    /// Where the assignment begins.
    pub(super) fn line(&self) -> usize {
        self.lines.first().copied().unwrap_or_default()
    }
}

/// What a file says.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Ini {
    /// Every section line, with its line number.
    pub(super) sections: Vec<(String, usize)>,
    pub(super) assignments: Vec<Assignment>,
    /// Lines that are not what they should be.
    pub(super) faults: Vec<(usize, Fault)>,
}

/// Reads a whole file. Total: every text gives a result.
pub(super) fn read(text: &str) -> Ini {
    let mut reader = Reader::default();
    for (index, line) in text.lines().enumerate() {
        reader.line(index + 1, line.trim_end());
    }
    reader.ini
}

#[derive(Default)]
struct Reader {
    ini: Ini,
    section: Option<String>,
    /// Whether an indented line continues the last assignment: a blank line ends it.
    open: bool,
}

impl Reader {
    fn line(&mut self, number: usize, line: &str) {
        let text = line.trim_start();
        if text.is_empty() {
            self.open = false;
        } else if text.starts_with(['#', ';']) {
            // oslo would append an indented comment to the value; nobody means that.
        } else if line.starts_with([' ', '\t']) && self.open {
            if let Some(last) = self.ini.assignments.last_mut() {
                last.value.push('\n');
                last.value.push_str(text);
                last.lines.push(number);
            }
        } else {
            if line.starts_with([' ', '\t']) {
                self.ini.faults.push((number, Fault::Indented));
            }
            self.statement(number, text);
        }
    }

    fn statement(&mut self, number: usize, text: &str) {
        self.open = false;
        if let Some(rest) = text.strip_prefix('[') {
            match section_name(rest) {
                Some(name) => {
                    self.ini.sections.push((name.to_owned(), number));
                    self.section = Some(name.to_owned());
                }
                None => self
                    .ini
                    .faults
                    .push((number, Fault::BadSection(beginning(rest)))),
            }
            return;
        }
        let Some((key, value)) = text.split_once(['=', ':']) else {
            let fault = Fault::NoSeparator(beginning(text));
            return self.ini.faults.push((number, fault));
        };
        let key = key.trim_end();
        if key.is_empty() {
            return self.ini.faults.push((number, Fault::NoKey));
        }
        if self.section.is_none() {
            self.ini.faults.push((number, Fault::NoSection));
            self.section = Some("DEFAULT".to_owned());
        }
        self.ini.assignments.push(Assignment {
            section: self.section.clone().unwrap_or_default(),
            key: key.to_owned(),
            value: value.trim().to_owned(),
            lines: vec![number],
        });
        self.open = true;
    }
}

/// The first word of a line that cannot be read: the rest may be a password.
fn beginning(text: &str) -> String {
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_'));
    let word = end.map_or(text, |end| &text[..end]);
    let word = if word.starts_with("password") {
        "password"
    } else {
        word
    };
    word.chars().take(40).collect()
}

/// The name of a section line after its `[`; a comment may follow the `]`.
fn section_name(rest: &str) -> Option<&str> {
    let (name, after) = rest.split_once(']')?;
    let after = after.trim_start();
    let name = name.trim();
    (!name.is_empty() && (after.is_empty() || after.starts_with(['#', ';']))).then_some(name)
}

/// The value behind an assignment: its comment and its quotes removed.
///
/// A comment is white space, `#`, and the rest of the line; inside quotes a `#` is text. In a
/// `secret` nothing is a comment: a password may contain ` #`.
pub(super) fn unquote(value: &str, secret: bool) -> &str {
    let quoted = ['"', '\'']
        .into_iter()
        .find_map(|quote| Some((quote, value.strip_prefix(quote)?)));
    match quoted {
        Some((quote, rest)) => match rest.strip_suffix(quote) {
            Some(inner) if secret || !inner.contains(quote) => inner,
            _ if secret => value,
            _ => match rest.split_once(quote) {
                Some((inner, after)) if without_comment(after).is_empty() => inner,
                _ => without_comment(value),
            },
        },
        None if secret => value,
        None => without_comment(value),
    }
}

pub(super) fn without_comment(value: &str) -> &str {
    let start = value
        .char_indices()
        .find(|&(at, c)| c == '#' && (at == 0 || value[..at].ends_with(char::is_whitespace)));
    match start {
        Some((at, _)) => value[..at].trim_end(),
        None => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pairs(text: &str) -> Vec<(String, String, String, usize)> {
        read(text)
            .assignments
            .into_iter()
            .map(|a| (a.section.clone(), a.key.clone(), a.value.clone(), a.line()))
            .collect()
    }

    fn pair(section: &str, key: &str, value: &str, line: usize) -> (String, String, String, usize) {
        (section.into(), key.into(), value.into(), line)
    }

    #[test]
    fn equals_and_colon_both_assign_and_the_first_of_them_counts() {
        assert_eq!(
            pairs("[ovn]\na: tcp:1\nb = unix:x=y\n"),
            [
                pair("ovn", "a", "tcp:1", 2),
                pair("ovn", "b", "unix:x=y", 3)
            ]
        );
    }

    #[test]
    fn an_indented_line_continues_the_value_until_a_blank_line() {
        let ini = read("[a]\nlist = x,\n  y,\n\t# not a value\n  z\n\n  k = v\n");
        let values: Vec<_> = ini.assignments.iter().map(|a| a.value.as_str()).collect();
        assert_eq!(values, ["x,\ny,\nz", "v"]);
        assert_eq!(ini.faults, [(7, Fault::Indented)]);
    }

    #[test]
    fn lines_that_are_nothing_are_reported_and_skipped() {
        let ini = read("[ovn\n[]\novn_sb_connection{{x}}\n= 3\n[agent]\nk=v\n");
        let lines: Vec<_> = ini.faults.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [1, 2, 3, 4]);
        assert_eq!(ini.assignments.len(), 1);
    }

    #[test]
    fn an_assignment_before_any_section_is_of_default() {
        let ini = read("debug = true\n");
        assert_eq!(ini.faults, [(1, Fault::NoSection)]);
        assert_eq!(ini.assignments[0].section, "DEFAULT");
    }

    #[test]
    fn a_comment_may_follow_a_value_but_not_a_secret() {
        for (value, plain, secret) in [
            (
                "ovn_bgp_driver      # SB DB BGP Driver",
                "ovn_bgp_driver",
                "ovn_bgp_driver      # SB DB BGP Driver",
            ),
            ("a#b", "a#b", "a#b"),
            ("'vrf'", "vrf", "vrf"),
            ("\"a # b\"", "a # b", "a # b"),
            ("\"a # b\" # c", "a # b", "\"a # b\" # c"),
            ("'vrf' # it's", "vrf", "'vrf' # it's"),
            ("pa$$ # word", "pa$$", "pa$$ # word"),
            ("# nothing", "", "# nothing"),
            ("'", "'", "'"),
            ("'x", "'x", "'x"),
            ("", "", ""),
        ] {
            assert_eq!(unquote(value, false), plain, "{value}");
            assert_eq!(unquote(value, true), secret, "{value}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "\\PC*(\n\\PC*){0,8}") {
            for assignment in read(&text).assignments {
                let _ = unquote(&assignment.value, false);
                let _ = unquote(&assignment.value, true);
            }
        }

        #[test]
        fn what_is_written_is_read(key in "[a-z_]{1,12}", value in "[a-z0-9:/,]{0,20}") {
            let text = format!("[bgp]\n{key} = {value}\n");
            prop_assert_eq!(pairs(&text), vec![pair("bgp", &key, &value, 2)]);
        }
    }
}
