//! `lab`: plays containerlab topologies here, and the demo.
#![allow(
    clippy::disallowed_methods,
    reason = "a lab runs other people's programs"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use interop::adoption::{Handover, KINDS};
use interop::chaos::Tenants;
use interop::cloud::Driver;
use interop::runner::{Lab, state_file};
use interop::topology::Topology;
use interop::{Generation, Namespace, PATIENCE, matrix, rootfs, vm, wait_until};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::Pid;

const USAGE: &str = "\
lab up F.clab.yml [--agent BINARY]        plays a topology until Ctrl-C or `lab down`
lab exec NAME NODE COMMAND...             runs a command in a node of a lab that plays
lab down NAME                             ends a lab
lab run [--vm] [--agent BINARY] [--until TEXT] F.clab.yml NODE COMMAND...
                                          plays, runs the command (again and again until its output has TEXT), ends
lab demo --agent BINARY                   from a row in OVN to a route in a leaf's table, and back
lab latency --agent BINARY                row in OVN to UPDATE at a peer: p50, p99, CPU, RSS
lab latency tenants --agent BINARY [--changes N]
                                          the same to an UPDATE of type 5, beside unicast; needs a kernel with VRF,
                                          and boots a virtual machine where this one has none
lab bench --agent BINARY [--runs N] [--soak SECONDS] [--daemon NAME]... [--snapshot DIR] [BENCHMARK...]
                                          our speaker, BIRD, FRR and GoBGP, by one tester in one run; the agent on
                                          a node of a large cloud (of DIR's nb.db.gz and sb.db.gz, or one made here)
lab chaos --agent BINARY [--driver nb|nb+sb|sb|l2] [--tenants hosts|subnets|scopes] [--changes N] [--seed N]
                                          random legal changes on a living OVN; all must agree in every quiet moment
lab adoption [--agent BINARY]             the Python agent in the VM, then ours; prints what each left
lab matrix                                writes the outcomes of the interop matrix's tests into docs/interop.md
lab rootfs [python-agent]                 makes the Debian 13 tree (with the Python agent) and prints where it is";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lab: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(words: &[String]) -> Result<()> {
    let (options, rest) = Options::parse(words)?;
    let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
    match rest.as_slice() {
        ["up", file] => up(Path::new(file), &options),
        ["exec", name, node, command @ ..] => exec(name, node, command),
        ["down", name] => down(name),
        ["run", file, node, command @ ..] if options.vm => {
            run_in_vm(Path::new(file), node, command, &options)
        }
        ["run", file, node, command @ ..] => run(Path::new(file), node, command, &options),
        ["demo"] => interop::demo::play(
            options
                .agent
                .as_deref()
                .context("demo needs --agent BINARY")?,
        ),
        ["latency"] => interop::latency::measure(
            options
                .agent
                .as_deref()
                .context("latency needs --agent BINARY")?,
            &[100, 1000, 5000],
        ),
        ["latency", "tenants"] => latency_of_tenants(
            options
                .agent
                .as_deref()
                .context("latency needs --agent BINARY")?,
            options.changes.unwrap_or(100),
        ),
        ["bench", only @ ..] => interop::bench::run(&interop::bench::Options {
            agent: options
                .agent
                .clone()
                .context("bench needs --agent BINARY")?,
            runs: options.runs.unwrap_or(7),
            soak: Duration::from_secs(options.soak.unwrap_or(60)),
            only: only.iter().map(ToString::to_string).collect(),
            daemons: options.daemons.clone(),
            snapshot: options.snapshot.clone(),
        }),
        ["chaos"] => chaos(&options),
        ["adoption"] => adoption(options.agent.as_deref()),
        ["matrix"] => write_matrix(),
        ["rootfs"] => {
            println!("{}", Generation::Trixie.root()?.display());
            Ok(())
        }
        ["rootfs", "python-agent"] => {
            println!("{}", rootfs::python_agent_root()?.display());
            Ok(())
        }
        _ => bail!("usage:\n{USAGE}"),
    }
}

#[derive(Debug, Default)]
struct Options {
    agent: Option<PathBuf>,
    until: Option<String>,
    vm: bool,
    runs: Option<usize>,
    soak: Option<u64>,
    daemons: Vec<String>,
    snapshot: Option<PathBuf>,
    driver: Driver,
    tenants: Tenants,
    changes: Option<usize>,
    seed: Option<u64>,
}

impl Options {
    /// Options stand before the third word: what follows is the command's.
    fn parse(words: &[String]) -> Result<(Self, Vec<String>)> {
        let mut this = Self::default();
        let mut rest = Vec::new();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value = || {
                words
                    .next()
                    .with_context(|| format!("{word} needs a value"))
            };
            match word.as_str() {
                _ if rest.len() > 2 => rest.push(word.clone()),
                "--agent" => this.agent = Some(value()?.into()),
                "--until" => this.until = Some(value()?.clone()),
                "--runs" => this.runs = Some(value()?.parse()?),
                "--soak" => this.soak = Some(value()?.parse()?),
                "--daemon" => this.daemons.push(value()?.clone()),
                "--snapshot" => this.snapshot = Some(value()?.into()),
                "--driver" => this.driver = driver(value()?)?,
                "--tenants" => this.tenants = tenants(value()?)?,
                "--changes" => this.changes = Some(value()?.parse()?),
                "--seed" => this.seed = Some(value()?.parse()?),
                "--vm" => this.vm = true,
                _ => rest.push(word.clone()),
            }
        }
        Ok((this, rest))
    }
}

fn write_matrix() -> Result<()> {
    let page = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/interop.md"));
    let section = matrix::section(&matrix::cells(matrix::tested)?);
    let written = matrix::document(&std::fs::read_to_string(page)?, &section)?;
    std::fs::write(page, written)?;
    print!("{section}");
    Ok(())
}

fn driver(word: &str) -> Result<Driver> {
    Ok(match word {
        "nb" => Driver::Northbound,
        "nb+sb" => Driver::NorthboundAndSouthbound,
        "sb" => Driver::Southbound,
        "l2" => Driver::StretchedL2,
        _ => bail!("--driver is nb, nb+sb, sb or l2, not {word}"),
    })
}

fn tenants(word: &str) -> Result<Tenants> {
    Ok(match word {
        "hosts" => Tenants::Hosts,
        "subnets" => Tenants::Subnets,
        "scopes" => Tenants::Scopes,
        _ => bail!("--tenants is hosts, subnets or scopes, not {word}"),
    })
}

fn chaos(options: &Options) -> Result<()> {
    let agent = options.agent.clone();
    let told = interop::chaos::run(&interop::chaos::Settings {
        agent: agent.context("chaos needs --agent BINARY")?,
        driver: options.driver,
        tenants: options.tenants,
        changes: options.changes.unwrap_or(10_000),
        seed: options.seed.unwrap_or(1),
    })?;
    println!("{told}");
    Ok(())
}

/// Here if this kernel can, else in a machine whose kernel can.
fn latency_of_tenants(agent: &Path, changes: usize) -> Result<()> {
    if interop::latency::tenants::kernel_has_vrfs()? {
        return interop::latency::tenants::measure(agent, u32::try_from(changes)?);
    }
    ensure!(agent.exists(), "no agent at {}", agent.display());
    println!("This kernel has no VRF. In the virtual machine, whose processor is emulated:");
    let changes = changes.to_string();
    let words = [
        "latency",
        "tenants",
        "--agent",
        vm::AGENT_INSIDE,
        "--changes",
        &changes,
    ];
    let outcome = vm::play(agent, &words, Duration::from_secs(1800))?;
    print!("{}", outcome.output);
    let status = outcome.status;
    ensure!(status == 0, "status {status} in the machine");
    Ok(())
}

fn adoption(agent: Option<&Path>) -> Result<()> {
    let played = Handover::play(agent)?;
    println!("{}", played.output);
    let agents: &[&str] = if agent.is_some() {
        &["python", "ours", "again", "anew", "without"]
    } else {
        &["python"]
    };
    for who in agents {
        for kind in KINDS {
            println!(
                "== {who}: {kind}\n{}",
                played.text(&format!("{who}/{kind}"))?
            );
        }
    }
    Ok(())
}

fn up(file: &Path, options: &Options) -> Result<()> {
    let mut ending = SigSet::empty();
    ending.add(Signal::SIGINT);
    ending.add(Signal::SIGTERM);
    ending.thread_block()?;
    let topology = Topology::read(file)?;
    let state = state_file(&topology.name);
    ensure!(
        !is_running(&state),
        "{} plays already: lab down {}",
        topology.name,
        topology.name
    );
    let lab = Lab::up(&topology, options.agent.as_deref())?;
    let nodes: BTreeMap<&str, &str> = lab
        .namespaces()
        .into_iter()
        .map(|(n, ns)| (n, Namespace::name(ns)))
        .collect();
    for (node, namespace) in &nodes {
        println!("{node}: ip netns exec {namespace}");
    }
    std::fs::write(&state, serde_json::json!({"pid": std::process::id(), "file": file.canonicalize()?, "nodes": nodes}).to_string())?;
    println!(
        "{} plays; Ctrl-C or `lab down {}` ends it",
        topology.name, topology.name
    );
    ending.wait()?;
    drop(lab);
    std::fs::remove_file(&state)?;
    Ok(())
}

fn state(name: &str) -> Result<serde_json::Value> {
    let text = std::fs::read_to_string(state_file(name))
        .with_context(|| format!("no lab {name} plays"))?;
    Ok(serde_json::from_str(&text)?)
}

fn pid_of(state: &serde_json::Value) -> Result<Pid> {
    let pid = state["pid"].as_i64().and_then(|p| i32::try_from(p).ok());
    Ok(Pid::from_raw(pid.context("the state file has no pid")?))
}

fn is_running(file: &Path) -> bool {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    serde_json::from_str(&text)
        .is_ok_and(|state| pid_of(&state).is_ok_and(|pid| kill(pid, None).is_ok()))
}

fn exec(name: &str, node: &str, command: &[&str]) -> Result<()> {
    let state = state(name)?;
    let namespace = state["nodes"][node]
        .as_str()
        .with_context(|| format!("no node {node}"))?;
    let status = Command::new("ip")
        .args(["netns", "exec", namespace])
        .args(command)
        .status()?;
    ensure!(status.success(), "{status}");
    Ok(())
}

fn down(name: &str) -> Result<()> {
    kill(pid_of(&state(name)?)?, Signal::SIGTERM)?;
    wait_until(PATIENCE, "the lab's end", || !state_file(name).exists())
}

fn run(file: &Path, node: &str, command: &[&str], options: &Options) -> Result<()> {
    let lab = Lab::up(&Topology::read(file)?, options.agent.as_deref())?;
    let mut said = String::new();
    let wanted = options.until.as_deref().unwrap_or_default();
    let found = wait_until(PATIENCE, &format!("{wanted:?} in the output"), || {
        lab.exec(node, command).is_ok_and(|text| {
            said = text;
            said.contains(wanted)
        })
    });
    print!("{said}");
    found
}

/// The same inside a machine whose kernel has what this one lacks: this program, the topology and the agent go in through
/// the shared directory.
fn run_in_vm(file: &Path, node: &str, command: &[&str], options: &Options) -> Result<()> {
    let share = interop::scratch()?;
    let dir = file.canonicalize()?;
    let name = dir
        .file_name()
        .context("the topology has no name")?
        .to_string_lossy()
        .into_owned();
    let from = dir.parent().context("the topology has no directory")?;
    interop::process::run(
        "cp",
        [
            "-a".as_ref(),
            from.as_os_str(),
            share.path().join("topologies").as_os_str(),
        ],
    )?;
    std::fs::copy(std::env::current_exe()?, share.path().join("lab"))?;
    let mut words = vec!["/share/lab".to_owned(), "run".to_owned()];
    if let Some(agent) = &options.agent {
        std::fs::copy(agent, share.path().join("ovn-bgp-agent"))?;
        words.extend(["--agent", "/share/ovn-bgp-agent"].map(str::to_owned));
    }
    words.extend(
        options
            .until
            .iter()
            .flat_map(|text| ["--until".to_owned(), text.clone()]),
    );
    words.extend([format!("/share/topologies/{name}"), node.to_owned()]);
    words.extend(command.iter().map(|w| (*w).to_owned()));
    let quoted: Vec<String> = words
        .iter()
        .map(|w| format!("'{}'", w.replace('\'', r"'\''")))
        .collect();
    let modules = "modprobe -a openvswitch 8021q dummy vrf";
    let line = format!("{modules}; {}=1 {}", rootfs::IN_VM, quoted.join(" "));
    let outcome = vm::boot(
        &Generation::Trixie.root()?,
        share.path(),
        &line,
        Duration::from_secs(600),
    )?;
    print!("{}", outcome.output);
    ensure!(
        outcome.status == 0,
        "status {} in the machine",
        outcome.status
    );
    Ok(())
}
