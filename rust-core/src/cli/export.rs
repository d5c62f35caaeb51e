//! `muzzle export`. Never makes or changes a database, never leaves half a file.

use super::events::{Filters, at, open, shows_progress};
use super::progress::Progress;
use super::{Failure, words};
use crate::export::{ExportError, Format, Order, Redaction, to_file, to_writer};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Writes events to a file that other tools read
#[derive(clap::Args)]
#[command(after_help = "Examples:
  muzzle export --db muzzle.db --format csv --out events.csv --since 7d
  muzzle export --db muzzle.db --format jsonl --out - | jq .kinds
  muzzle export --db muzzle.db --format jsonl --out shared.jsonl --redact
  muzzle export --db muzzle.db --format pcapng --out - --since 1h | wireshark -k -i -
  muzzle export --db muzzle.db --format sqlite --out copy.db")]
pub(crate) struct Args {
    /// The database
    #[arg(long, value_name = "FILE")]
    db: PathBuf,
    /// The file format
    #[arg(long, value_name = "FORMAT", value_parser = formats())]
    format: Format,
    /// The file to write, replaced when all is written; - is standard output
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Replace names, words and identifiers by pseudonyms, new ones for each export
    #[arg(long)]
    redact: bool,
    #[command(flatten)]
    filters: Filters,
}

fn formats() -> impl TypedValueParser<Value = Format> {
    let names = Format::ALL.iter().map(|f| f.as_str());
    PossibleValuesParser::new(names).try_map(|t| t.parse::<Format>())
}

pub(crate) fn run(args: Args) -> Result<ExitCode, Failure> {
    let reader = open(&args.db)?;
    if same_file(&args.db, &args.out) {
        return Err(Failure::new(format_args!(
            "{}: is the database itself; choose another file to write",
            args.out.display()
        )));
    }
    let filter = args.filters.filter();
    let no_key = |error| Failure::new(format_args!("no key for pseudonyms: {error}"));
    let redaction = args.redact.then(Redaction::new).transpose().map_err(no_key)?;
    let scratch = &std::env::temp_dir();
    let order =
        Order { filter: &filter, format: args.format, redaction: redaction.as_ref(), scratch };
    let mut line = if shows_progress() {
        Some(Progress::new(reader.count(&filter).map_err(|error| at(&args.db, error))?))
    } else {
        None
    };
    let mut progress = |count| {
        if let Some(line) = &mut line {
            line.tell(count, || words::count(count, "event"));
        }
        true
    };
    let outcome = if args.out == Path::new("-") {
        let mut out = io::stdout().lock();
        to_writer(&reader, &order, &mut out, &mut progress)
    } else {
        to_file(&reader, &order, &args.out, &mut progress)
    };
    if let Some(line) = line {
        line.clear();
    }
    match outcome {
        Ok(count) => {
            if shows_progress() {
                let count = words::count(count, "event");
                anstream::eprintln!("{count} written to {}", args.out.display());
            }
            Ok(ExitCode::SUCCESS)
        }
        Err(ExportError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            Ok(ExitCode::SUCCESS)
        }
        Err(ExportError::Output(error)) => Err(Failure::new(format_args!(
            "{}: {error}; choose a file in a folder that may be written to",
            args.out.display()
        ))),
        Err(ExportError::Store(error)) => Err(at(&args.db, error)),
        Err(error @ ExportError::CannotHide(_)) => Err(Failure::with_code(
            2,
            format_args!("{error}, it holds what was sent byte for byte; choose jsonl or csv"),
        )),
        Err(ExportError::Cancelled) => Err(Failure::new("cancelled")),
    }
}

/// Whether both paths lead to one existing file.
fn same_file(one: &Path, other: &Path) -> bool {
    let real = |path: &Path| std::fs::canonicalize(path).ok();
    real(one).is_some_and(|one| real(other) == Some(one))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_database_is_known_under_another_name() {
        let dir = tempfile::tempdir().unwrap();
        let (db, other) = (dir.path().join("a.db"), dir.path().join("b.db"));
        std::fs::write(&db, "x").unwrap();
        assert!(same_file(&db, &dir.path().join("./a.db")));
        assert!(!same_file(&db, &other));
        assert!(!same_file(&other, &other), "nothing is there to lose");
    }
}
