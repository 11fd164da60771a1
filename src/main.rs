//! The command line: parse, call the subcommand, print.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use ovn_bgp_agent::agent;
use ovn_bgp_agent::check::gather;
use ovn_bgp_agent::cli::{
    self, Cli, Command, check, convert, explain, log, orders, originate, plan, show, speaker, watch,
};
use ovn_bgp_agent::config::{Config, Loaded, read_file};
use ovn_bgp_agent::control::{self, AskError, Query, Reply};
use ovn_bgp_agent::kernel::rt_tables;
use ovn_bgp_agent::reload;
use ovn_bgp_agent::standalone;

fn main() -> ExitCode {
    let cli = match Cli::from_arguments(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    match dispatch(&cli) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("ovn-bgp-agent: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(cli: &Cli) -> Result<u8> {
    let loaded = cli.configuration();
    match cli.chosen() {
        Command::Run => {
            let again = again(cli, |loaded| loaded);
            run(loaded, |config| agent::run(config, rt_tables_path(), again))
        }
        Command::Speaker => {
            let again = again(cli, speaker::configuration);
            run(speaker::configuration(loaded), |config| {
                standalone::run(config, again)
            })
        }
        Command::Check(args) => check(&loaded, args),
        Command::Convert(args) => convert(args),
        Command::Plan(args) => plan(loaded, args),
        Command::Explain(args) => explain(loaded, args),
        Command::Show(args) => say(show::run(args, &loaded.config)),
        Command::Originate(args) => say(originate::originate(args, &loaded.config)),
        Command::Drain(args) => say(orders::drain(args, &loaded.config)),
        Command::Undrain => say(orders::undrain(&loaded.config)),
        Command::Reset(args) => say(orders::reset(args, &loaded.config)),
        Command::Reload(args) => say(orders::reload(*args, &loaded.config)),
        Command::Watch(args) => {
            watch::run(args, &loaded.config)?;
            Ok(0)
        }
        Command::Withdraw(args) => say(originate::withdraw(args, &loaded.config)),
    }
}

/// The configuration, unless something in it stops the start. What does not is logged.
fn valid(loaded: Loaded) -> Result<Arc<Config>> {
    if !loaded.is_valid() {
        bail!("{}", cli::rejected(&loaded.problems));
    }
    Ok(Arc::new(loaded.config))
}

/// What a reload reads.
fn again(cli: &Cli, of_it: fn(Loaded) -> Loaded) -> reload::Source {
    let cli = cli.clone();
    reload::Source::new(move || of_it(cli.configuration()))
}

/// Logs, and runs the daemon that `start` makes of the configuration.
fn run<D, E>(loaded: Loaded, start: impl FnOnce(Arc<Config>) -> D) -> Result<u8>
where
    D: Future<Output = Result<(), E>>,
    E: std::error::Error + Send + Sync + 'static,
{
    let problems = loaded.problems.clone();
    let config = valid(loaded)?;
    log::start(&config.logging)?;
    for problem in problems {
        tracing::warn!("{problem}");
    }
    runtime()?.block_on(start(config))?;
    Ok(0)
}

fn check(loaded: &Loaded, args: &check::Args) -> Result<u8> {
    let runtime = runtime()?;
    let facts = || runtime.block_on(gather(&loaded.config, &rt_tables_path()));
    let (report, status) = check::run(args, loaded, facts);
    print!("{report}");
    if !args.json && !args.config_only {
        print!("{}", check::reload_preview(&loaded.config));
    }
    Ok(status)
}

fn convert(args: &convert::Args) -> Result<u8> {
    let text =
        read_file(&args.file).map_err(|error| anyhow!("{}: {error}", args.file.display()))?;
    let (converted, warnings, status) = convert::run(args, &text);
    print!("{converted}");
    eprint!("{warnings}");
    Ok(status)
}

fn plan(loaded: Loaded, args: &plan::Args) -> Result<u8> {
    let config = valid(loaded)?;
    let plan = runtime()?.block_on(agent::plan(config, rt_tables_path()))?;
    let text = if args.json {
        plan::render_json(&plan)?
    } else {
        plan::render_text(&plan)
    };
    println!("{}", text.trim_end());
    Ok(0)
}

fn explain(loaded: Loaded, args: &explain::Args) -> Result<u8> {
    let config = valid(loaded)?;
    let query = Query::Explain { ip: args.ip };
    let explanation = match control::ask(&config.agent.control_socket, &query) {
        Ok(Reply::Explain(answer)) => {
            runtime()?.block_on(agent::explain_beyond(config, rt_tables_path(), answer))
        }
        Ok(_) => bail!("the agent answered another question"),
        Err(AskError::NotRunning(_) | AskError::TurnedOff) => {
            let explained = agent::explain_without_agent(config, rt_tables_path(), args.ip);
            runtime()?.block_on(explained)?
        }
        Err(error) => return Err(error.into()),
    };
    let text = if args.json {
        explain::render_json(&explanation)?
    } else {
        explain::render_text(&explanation)
    };
    println!("{}", text.trim_end());
    Ok(0)
}

/// Prints an answer of the running agent.
fn say(answer: Result<String, impl Into<anyhow::Error>>) -> Result<u8> {
    println!("{}", answer.map_err(Into::into)?.trim_end());
    Ok(0)
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")
}

/// `RT_TABLES` is for labs that run several nodes on one machine.
fn rt_tables_path() -> PathBuf {
    std::env::var_os("RT_TABLES").map_or_else(|| rt_tables::DEFAULT_PATH.into(), PathBuf::from)
}
