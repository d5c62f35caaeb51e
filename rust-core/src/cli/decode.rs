//! `muzzle decode`.

use super::Failure;
use std::process::ExitCode;

/// To come.
#[derive(clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_args: Args) -> Result<ExitCode, Failure> {
    Err(Failure::new("not built yet"))
}
