//! The `muzzle` command. Each subcommand is one file with its arguments and a `run`; words for
//! people are made here and nowhere below.

mod countries;
mod decode;
mod events;
mod export;
mod files;
mod lists;
mod lookup;
mod progress;
mod redecode;
mod replay;
mod routes;
mod run;
mod stats;
mod tun;
mod words;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Sees, stops and decodes the telemetry that apps send.
#[derive(Parser)]
#[command(name = "muzzle", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Run(run::Args),
    Replay(replay::Args),
    Decode(decode::Args),
    Lookup(lookup::Args),
    Lists(lists::Args),
    Events(events::Args),
    Stats(stats::Args),
    Export(export::Args),
    Redecode(redecode::Args),
}

/// Why a command could not do its work: one line that says what, where, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Failure {
    message: String,
    code: u8,
}

impl Failure {
    /// A failure with exit code 1. No peer bytes, names or payloads in the message.
    pub(crate) fn new(message: impl std::fmt::Display) -> Self {
        Self { message: message.to_string(), code: 1 }
    }

    /// A failure with an exit code of its own.
    pub(crate) fn with_code(code: u8, message: impl std::fmt::Display) -> Self {
        Self { message: message.to_string(), code }
    }
}

/// Parses the command line and runs it. Errors go to standard error as one line.
pub fn main() -> ExitCode {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("warn")).init();
    let outcome = match Cli::parse().command {
        Command::Run(args) => run::run(args),
        Command::Replay(args) => replay::run(args),
        Command::Decode(args) => decode::run(args),
        Command::Lookup(args) => lookup::run(args),
        Command::Lists(args) => lists::run(args),
        Command::Events(args) => events::run(args),
        Command::Stats(args) => stats::run(args),
        Command::Export(args) => export::run(args),
        Command::Redecode(args) => redecode::run(args),
    };
    outcome.unwrap_or_else(|failure| {
        anstream::eprintln!("muzzle: {failure}");
        ExitCode::from(failure.code)
    })
}
