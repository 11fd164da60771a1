//! Talking to FRR: vtysh, one process per conversation, each with a deadline.
//!
//! vtysh ends with status 0 although a daemon has refused a line, so what it prints is read: with `-E` it
//! repeats each command before its answer, and it goes no further than the first that is refused.

use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;
use tokio::time::timeout;

/// How long one conversation may take.
pub(super) const DEADLINE: Duration = Duration::from_secs(10);

/// More than any running configuration has; what is beyond is not read.
const ANSWER_AT_MOST: u64 = 16 << 20;

/// Where FRR is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vtysh {
    /// The program, `/usr/bin/vtysh`.
    pub program: PathBuf,
    /// The directory with the daemons' sockets, `/run/frr/`.
    pub sockets: PathBuf,
}

/// With which of FRR's daemons a conversation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum With {
    /// A hanging zebra is none of its business.
    Bgpd,
    /// VRFs and interfaces are zebra's, or mgmtd's from FRR 10.1 on.
    All,
}

/// vtysh could not be asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VtyshError {
    #[error("{program} cannot be run: {error}; frr_vtysh names it, the package frr has it")]
    Start { program: String, error: String },
    #[error("FRR did not answer vtysh within {DEADLINE:?}: a daemon of it hangs, or is very busy")]
    Timeout,
    #[error("vtysh failed: {0}")]
    Failed(String),
}

/// A command that FRR did not take.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rejection {
    pub command: String,
    /// FRR's own words.
    pub answer: String,
}

impl Vtysh {
    /// What one command of the enable node prints.
    ///
    /// # Errors
    /// vtysh cannot be run, is refused by a daemon, or does not end in time.
    pub async fn show(&self, with: With, command: &str) -> Result<String, VtyshError> {
        let said = self
            .run(with, &["-c".to_owned(), command.to_owned()])
            .await?;
        if said.succeeded {
            return Ok(said.out);
        }
        Err(VtyshError::Failed(said.words()))
    }

    /// Sends configuration commands, as typed after `configure terminal`, in one conversation unless they are many. What FRR
    /// refuses is left out and the rest sent again. Answers the refused ones.
    ///
    /// # Errors
    /// As [`Self::show`]. Some commands may have been taken.
    pub async fn configure(
        &self,
        with: With,
        commands: &[String],
    ) -> Result<Vec<Rejection>, VtyshError> {
        let mut left = commands.to_vec();
        let mut rejected = Vec::new();
        while !left.is_empty() {
            let mut arguments = vec!["-E".to_owned()];
            let now = left.get(..conversation(&left)).unwrap_or(&left);
            let all = std::iter::once("configure terminal").chain(now.iter().map(String::as_str));
            arguments.extend(all.flat_map(|command| ["-c".to_owned(), command.to_owned()]));
            let said = self.run(with, &arguments).await?;
            let answers = answers(&said.out, now);
            let Some((at, answer)) = answers else {
                if said.succeeded {
                    left.drain(..now.len());
                    continue;
                }
                return Err(VtyshError::Failed(said.words()));
            };
            let (command, rest) = without(&left, at);
            left = rest;
            rejected.push(Rejection { command, answer });
        }
        Ok(rejected)
    }

    async fn run(&self, with: With, arguments: &[String]) -> Result<Said, VtyshError> {
        let mut command = Command::new(&self.program);
        command.arg("--vty_socket").arg(&self.sockets);
        if with == With::Bgpd {
            command.args(["-d", "bgpd"]);
        }
        command.args(arguments);
        // Set, even to nothing, it has the answer go through a pager.
        command.env_remove("VTYSH_PAGER");
        command.stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.kill_on_drop(true);
        let failed = |error: io::Error| VtyshError::Start {
            program: self.program.display().to_string(),
            error: error.to_string(),
        };
        let mut child = command.spawn().map_err(failed)?;
        let (out, errors) = (child.stdout.take(), child.stderr.take());
        let talk = async {
            let (out, errors) = tokio::join!(text(out), text(errors));
            let status = child.wait().await?;
            Ok(Said {
                out: out?,
                errors: errors?,
                succeeded: status.success(),
            })
        };
        match timeout(DEADLINE, talk).await {
            Ok(said) => said.map_err(failed),
            Err(_) => Err(VtyshError::Timeout),
        }
    }
}

struct Said {
    out: String,
    errors: String,
    succeeded: bool,
}

impl Said {
    fn words(&self) -> String {
        let mut lines = self.errors.lines().chain(self.out.lines());
        let telling = |line: &&str| !line.trim().is_empty();
        lines
            .find(telling)
            .unwrap_or("it said nothing")
            .trim()
            .to_owned()
    }
}

async fn text(pipe: Option<impl AsyncRead + Unpin>) -> io::Result<String> {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        pipe.take(ANSWER_AT_MOST).read_to_end(&mut bytes).await?;
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The command at `at`, which was refused, and what is left to send: those before it were taken, and are not sent
/// again but for the lines that lead to where it stood. A block that cannot be entered cannot be filled.
fn without(commands: &[String], at: usize) -> (String, Vec<String>) {
    let mut leading: Vec<&String> = Vec::new();
    for command in commands.iter().take(at) {
        match command.as_str() {
            "exit" => leading.clear(),
            "exit-address-family" => leading.truncate(1),
            _ if is_header(command) => leading = vec![command],
            _ if command.starts_with("address-family ") => leading.push(command),
            _ => {}
        }
    }
    let refused = commands.get(at).cloned().unwrap_or_default();
    let mut rest = commands.get(at + 1..).unwrap_or_default();
    let end = match refused.as_str() {
        _ if is_header(&refused) => Some("exit"),
        _ if refused.starts_with("address-family ") => Some("exit-address-family"),
        _ => None,
    };
    if let Some(end) = end {
        let after = rest.iter().position(|command| command == end);
        rest = after
            .and_then(|end| rest.get(end + 1..))
            .unwrap_or_default();
    }
    let left = leading.into_iter().chain(rest).cloned().collect();
    (refused, left)
}

/// How many of the commands go into one conversation, which ends where no block is open: FRR 8.4 takes up to 30 ms for a
/// line of a prefix list of thousands.
fn conversation(commands: &[String]) -> usize {
    const AT_MOST: usize = 200;
    let mut open = false;
    for (at, command) in commands.iter().enumerate() {
        open = is_header(command) || (open && command != "exit");
        if !open && at + 1 >= AT_MOST {
            return at + 1;
        }
    }
    commands.len()
}

/// Begins lines that end with `exit`.
fn is_header(command: &str) -> bool {
    let headers = ["router ", "vrf ", "interface ", "route-map "];
    headers.iter().any(|header| command.starts_with(header))
}

/// The first of `commands` that was answered with a refusal, by its place, and the refusal.
fn answers(out: &str, commands: &[String]) -> Option<(usize, String)> {
    let mut at = None;
    let mut refusal: Option<(usize, Vec<&str>)> = None;
    for line in out.lines() {
        let next = at.map_or(0, |at| at + 1);
        // `host(config-router)# command`
        let echoed = line.split_once("# ").map(|(_, command)| command.trim());
        if echoed.is_some() && echoed == commands.get(next).map(|c| c.trim()) {
            if refusal.is_some() {
                break;
            }
            at = Some(next);
        } else if let Some((_, words)) = &mut refusal {
            words.push(line.trim());
        } else if let Some(at) = at
            && is_refusal(line)
        {
            refusal = Some((at, vec![line.trim()]));
        }
    }
    let (at, words) = refusal?;
    let words: Vec<&str> = words.into_iter().filter(|w| !w.is_empty()).collect();
    Some((at, words.join("; ")))
}

/// FRR marks what it refuses with a percent sign, but for an AS number that differs.
fn is_refusal(line: &str) -> bool {
    let line = line.trim();
    line.starts_with('%')
        || line.contains("is already running; AS is")
        || line.contains("AS number mismatch")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commands(list: &[&str]) -> Vec<String> {
        list.iter().map(|c| (*c).to_owned()).collect()
    }

    #[test]
    fn a_refused_line_is_told_from_its_neighbours() {
        let sent = commands(&["router bgp 64999", "neighbor 192.0.2.1 remote-as 1", "exit"]);
        let out = "vm# configure terminal\nvm(config)# router bgp 64999\n\
                   vm(config-router)# neighbor 192.0.2.1 remote-as 1\n\
                   % Can not configure the local system as neighbor\n";
        let expected = "% Can not configure the local system as neighbor".to_owned();
        assert_eq!(answers(out, &sent), Some((1, expected)));
    }

    #[test]
    fn another_as_is_refused_without_a_percent_sign() {
        let sent = commands(&["router bgp 65000", "exit"]);
        for words in [
            "BGP is already running; AS is 64999\n",
            "BGP instance name and AS number mismatch\nBGP instance is already running; AS is 64999\n",
        ] {
            let out = format!("vm# configure terminal\nvm(config)# router bgp 65000\n{words}");
            assert_eq!(answers(&out, &sent).map(|(at, _)| at), Some(0), "{words}");
        }
    }

    #[test]
    fn a_silent_conversation_refuses_nothing() {
        let sent = commands(&["router bgp 64999", "exit"]);
        let out =
            "a#b# configure terminal\na#b(config)# router bgp 64999\na#b(config-router)# exit\n";
        assert_eq!(answers(out, &sent), None);
        // Warnings of the daemons' libraries come first, and are no answer.
        assert_eq!(answers("% something of vtysh's own\n", &sent), None);
    }

    #[test]
    fn after_a_refusal_what_was_taken_is_not_sent_again() {
        let sent = commands(&[
            "no router bgp 1 vrf vrf-7",
            "router bgp 64999",
            "address-family l2vpn evpn",
            "rd None:7",
            "advertise ipv4 unicast",
            "exit-address-family",
            "exit",
            "vrf vrf-8",
            "vni 8",
            "exit",
        ]);
        let (refused, left) = without(&sent, 3);
        assert_eq!(refused, "rd None:7");
        assert_eq!(left, [&sent[1..3], &sent[4..]].concat());
        let (_, left) = without(&sent, 1);
        assert_eq!(left, sent[7..]);
        let (_, left) = without(&sent, 2);
        assert_eq!(left, [&sent[1..2], &sent[6..]].concat());
        let (_, left) = without(&sent, 8);
        assert_eq!(left, ["vrf vrf-8", "exit"]);
        let (_, left) = without(&sent, 9);
        assert_eq!(left, ["vrf vrf-8"]);
    }

    #[test]
    fn many_commands_are_several_conversations_and_no_block_is_cut() {
        let mut all = vec!["ip prefix-list x seq 1 permit 192.0.2.1/32".to_owned(); 198];
        assert_eq!(conversation(&all), 198);
        all.extend(commands(&[
            "route-map x permit 1",
            "match y",
            "set z",
            "exit",
        ]));
        assert_eq!(conversation(&all), 202);
        all.extend(commands(&[
            "no route-map x permit 2",
            "no route-map y permit 2",
        ]));
        assert_eq!(conversation(&all), 202);
        assert_eq!(conversation(&all[202..]), 2);
    }

    #[tokio::test]
    async fn a_program_that_cannot_be_run_is_named() {
        let vtysh = Vtysh {
            program: "/nonexistent/vtysh".into(),
            sockets: "/run/frr".into(),
        };
        let error = vtysh.show(With::Bgpd, "show version").await.unwrap_err();
        assert!(error.to_string().contains("/nonexistent/vtysh"), "{error}");
    }
}
