//! `muzzle redecode`. Changes what events say, never what became of them.

use super::events::{at, shows_progress};
use super::progress::Progress;
use super::{Failure, words};
use crate::servers::Servers;
use crate::store::{self, Redecoded};
use std::path::PathBuf;
use std::process::ExitCode;

/// Reads stored requests again with the decoders of this version
///
/// An event that reads otherwise now is changed in its place, and tells which decoder read it
/// before. Country and operator of stored addresses become those of this version's table; an address
/// that it does not know keeps what was stored. It may be stopped at any time and run again. Nothing else may write to the database
/// meanwhile: end `muzzle run` first.
#[derive(clap::Args)]
#[command(after_help = "Example:
  muzzle redecode --db muzzle.db && muzzle events --db muzzle.db --json | jq .decoder_before")]
pub(crate) struct Args {
    /// The database
    #[arg(long, value_name = "FILE")]
    db: PathBuf,
}

pub(crate) fn run(args: Args) -> Result<ExitCode, Failure> {
    let mut line: Option<Progress> = None;
    let mut progress = |done, total| {
        if shows_progress() {
            let line = line.get_or_insert_with(|| Progress::new(total));
            line.tell(done, || words::count(done, "request"));
        }
    };
    let outcome =
        store::redecode(&args.db, crate::decode::events, &Servers::builtin(), &mut progress);
    if let Some(line) = line {
        line.clear();
    }
    let done = outcome.map_err(|error| at(&args.db, error))?;
    anstream::println!("{}", told(&done));
    Ok(ExitCode::SUCCESS)
}

fn told(done: &Redecoded) -> String {
    let read = words::count(done.requests, "request");
    let mut text = format!("{read} read again, {} otherwise than before", done.changed);
    if done.not_kept > 0 {
        text.push_str(&format!(
            "; {} left as they are, for their bodies were not kept",
            done.not_kept
        ));
    }
    if done.servers > 0 {
        text.push_str(&format!("; {} told anew", words::count(done.servers, "server")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_done_is_told_in_one_line() {
        let done = |requests, changed, not_kept, servers| {
            told(&Redecoded { requests, changed, not_kept, servers })
        };
        assert_eq!(done(1, 0, 0, 0), "1 request read again, 0 otherwise than before");
        assert!(
            done(9, 2, 1, 0)
                .ends_with("before; 1 left as they are, for their bodies were not kept")
        );
        assert!(done(9, 0, 0, 2).ends_with("otherwise than before; 2 servers told anew"));
    }
}
