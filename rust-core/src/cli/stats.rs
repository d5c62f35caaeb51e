//! `muzzle stats`. Never makes or changes a database.

use super::events::{Stop, at, finish, open, time};
use super::{Failure, words};
use crate::event::Time;
use crate::store::{Count, SeenIdentifier, Stats};
use anstyle::{Effects, Style};
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// Rows of a table that people are shown; `--json` has all.
const ROWS: usize = 20;

/// Kinds of the table by day and kind.
const COLUMNS: usize = 6;

/// Counts flows, events and bytes by day, app, host, kind and verdict
#[derive(clap::Args)]
#[command(after_help = "Examples:
  muzzle stats --db muzzle.db
  muzzle stats --db muzzle.db --since 7d --json")]
pub(crate) struct Args {
    /// The database
    #[arg(long, value_name = "FILE")]
    db: PathBuf,
    /// From the day of this time on: 2026-11-21, or 7d ago
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<Time>,
    /// Up to the day of this time, written likewise
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<Time>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(serde::Serialize)]
struct Whole {
    #[serde(flatten)]
    stats: Stats,
    identifiers: Vec<SeenIdentifier>,
}

pub(crate) fn run(args: Args) -> Result<ExitCode, Failure> {
    let reader = open(&args.db)?;
    let failed = |error| at(&args.db, error);
    let stats = reader.stats(args.since, args.until).map_err(failed)?;
    let identifiers = reader.identifiers().map_err(failed)?;
    let whole = Whole { stats, identifiers };
    let mut out = anstream::stdout().lock();
    let outcome = if args.json { json(&mut out, &whole) } else { tables(&mut out, &whole) };
    finish(outcome.map_err(Stop::Output), &args.db)
}

fn json(out: &mut impl Write, whole: &Whole) -> io::Result<()> {
    let text = serde_json::to_string(whole).map_err(io::Error::from)?;
    writeln!(out, "{text}")
}

fn tables(out: &mut impl Write, whole: &Whole) -> io::Result<()> {
    let Whole { stats, identifiers } = whole;
    if stats.days.is_empty() {
        writeln!(out, "Nothing was counted yet.")?;
    } else {
        counts(out, "Day", &stats.days)?;
        counts(out, "App", &stats.apps)?;
        counts(out, "Host", &stats.hosts)?;
        kinds(out, stats)?;
        kind_days(out, stats)?;
        counts(out, "Verdict", &stats.verdicts)?;
    }
    shared(out, identifiers)?;
    gaps(out, stats)?;
    dropped(out, stats)?;
    if stats.drops > 0 {
        let drops = words::count(stats.drops, "record");
        writeln!(out, "Lost because the disk or the store was too slow or full: {drops}")?;
    }
    Ok(())
}

fn counts(out: &mut impl Write, title: &str, all: &[Count]) -> io::Result<()> {
    // The latest days tell most, and so do the first rows of every other table.
    let shown = if title == "Day" {
        all.get(all.len().saturating_sub(ROWS)..).unwrap_or(all)
    } else {
        all.get(..ROWS).unwrap_or(all)
    };
    let rows = shown.iter().map(|c| {
        let key = if c.key.is_empty() { "unknown".to_owned() } else { words::clean(&c.key, 60) };
        let sums = [c.flows.to_string(), c.events.to_string()];
        let [flows, events] = sums;
        vec![key, flows, events, words::bytes(c.up), words::bytes(c.down)]
    });
    table(out, &[title, "flows", "events", "up", "down"], rows.collect())?;
    more(out, all.len())
}

fn kinds(out: &mut impl Write, stats: &Stats) -> io::Result<()> {
    let rows = stats
        .kinds
        .iter()
        .map(|k| vec![words::kind(k.kind).to_owned(), k.events.to_string()])
        .collect();
    table(out, &["Data kind", "events"], rows)?;
    more(out, stats.kinds.len())
}

/// One line a day, one column a kind, those of most events first: what changed when.
fn kind_days(out: &mut impl Write, stats: &Stats) -> io::Result<()> {
    let kinds: Vec<_> = stats.kinds.iter().take(COLUMNS).map(|k| k.kind).collect();
    let mut days: Vec<&str> = stats.kind_days.iter().map(|k| &*k.day).collect();
    days.dedup();
    if days.len() < 2 {
        return Ok(());
    }
    let of = |day: &str, kind| {
        let found = stats.kind_days.iter().find(|k| k.day == day && k.kind == kind);
        found.map_or(0, |k| k.events).to_string()
    };
    let row = |day: &&str| {
        let counts = kinds.iter().map(|kind| of(day, *kind));
        [(*day).to_owned()].into_iter().chain(counts).collect()
    };
    let hidden = days.len().saturating_sub(ROWS);
    let rows = days.get(hidden..).unwrap_or(&days).iter().map(row).collect();
    let head: Vec<_> = ["Day"].into_iter().chain(kinds.iter().map(|k| words::kind(*k))).collect();
    table(out, &head, rows)?;
    more(out, days.len())
}

fn shared(out: &mut impl Write, all: &[SeenIdentifier]) -> io::Result<()> {
    let row = |i: &SeenIdentifier| {
        vec![
            words::id_kind(i.kind).to_owned(),
            words::clean(&i.value, 40),
            i.apps.len().to_string(),
            i.hosts.len().to_string(),
            i.first.day(),
            i.last.day(),
        ]
    };
    let rows: Vec<_> = all.iter().take(ROWS).map(row).collect();
    if rows.is_empty() {
        return Ok(());
    }
    table(out, &["Identifier", "value", "apps", "hosts", "since", "until"], rows)?;
    more(out, all.len())
}

fn gaps(out: &mut impl Write, stats: &Stats) -> io::Result<()> {
    if stats.gaps.is_empty() {
        return Ok(());
    }
    let row = |gap: &crate::store::Gap| {
        let end = gap.end.map_or_else(|| "now".to_owned(), |t| t.to_string());
        vec![gap.start.to_string(), end, words::clean(&gap.reason, 40)]
    };
    let rows = stats.gaps.iter().rev().take(ROWS).map(row).collect();
    table(out, &["Without protection from", "until", "reason"], rows)?;
    more(out, stats.gaps.len())
}

fn dropped(out: &mut impl Write, stats: &Stats) -> io::Result<()> {
    if stats.dropped.is_empty() {
        return Ok(());
    }
    let row = |(code, count): (&String, &u64)| vec![words::clean(code, 40), count.to_string()];
    table(out, &["Dropped", "times"], stats.dropped.iter().map(row).collect())?;
    writeln!(out)
}

fn more(out: &mut impl Write, all: usize) -> io::Result<()> {
    match all.saturating_sub(ROWS) {
        0 => writeln!(out),
        hidden => writeln!(out, "… and {hidden} more; --json has all\n"),
    }
}

/// The first column flush left, the others right.
fn table(out: &mut impl Write, head: &[&str], rows: Vec<Vec<String>>) -> io::Result<()> {
    let head: Vec<String> = head.iter().map(|h| (*h).to_owned()).collect();
    let width = |column: usize| {
        let cells = rows.iter().chain([&head]).filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |row: &[String]| {
        let mut text = String::new();
        for (n, (cell, width)) in row.iter().zip(&widths).enumerate() {
            if n == 0 {
                text.push_str(&format!("{cell:<width$}"));
            } else {
                text.push_str(&format!("  {cell:>width$}"));
            }
        }
        text
    };
    let bold = Style::new().effects(Effects::BOLD);
    writeln!(out, "{bold}{}{bold:#}", line(&head))?;
    rows.iter().try_for_each(|row| writeln!(out, "{}", line(row)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Kind, Record, Verdict};
    use crate::store::Gap;
    use crate::store::tests::{DAY, Fixture, NOW, decoded, flow};

    fn shown(whole: &Whole) -> String {
        let mut out = anstream::StripStream::new(Vec::new());
        tables(&mut out, whole).unwrap();
        String::from_utf8(out.into_inner()).unwrap()
    }

    fn whole(stats: Stats) -> Whole {
        Whole { stats, identifiers: Vec::new() }
    }

    #[test]
    fn an_empty_store_says_so() {
        assert_eq!(shown(&whole(Stats::default())), "Nothing was counted yet.\n");
    }

    #[test]
    fn tables_line_up() {
        let store = Fixture::new();
        let event = crate::event::Event { kinds: vec![Kind::Search], ..decoded() };
        store.send(flow(1, NOW, &[event]));
        let text = shown(&whole(store.reader().stats(None, None).unwrap()));
        let wanted = "Day         flows  events     up  down\n\
                      2026-11-21      1       1  812 B  96 B\n\n\
                      App                   flows  events     up  down\n\
                      com.mi.globalbrowser      1       1  812 B  96 B\n";
        assert!(text.starts_with(wanted), "{text}");
        assert!(text.contains("Data kind  events\nsearch          1\n"), "{text}");
        assert!(text.contains(Verdict::Record.as_str()), "{text}");
    }

    #[test]
    fn kinds_are_told_day_by_day_where_there_are_several() {
        let store = Fixture::new();
        let event = |kind| crate::event::Event { kinds: vec![kind], ..decoded() };
        store.send(flow(1, NOW - DAY, &[event(Kind::VisitedPage), event(Kind::Search)]));
        let one_day = shown(&whole(store.reader().stats(None, None).unwrap()));
        assert!(!one_day.contains("Day         search"), "{one_day}");
        store.send(flow(2, NOW, &[event(Kind::Search)]));
        let text = shown(&whole(store.reader().stats(None, None).unwrap()));
        let wanted = "Day         search  visited page\n\
                      2026-11-20       1             1\n\
                      2026-11-21       1             0\n";
        assert!(text.contains(wanted), "{text}");
    }

    #[test]
    fn long_tables_are_cut_and_say_so() {
        let count = |n: usize| Count { key: format!("2026-01-{n:02}"), ..Count::default() };
        let days = (1..=25).map(count).collect();
        let text = shown(&whole(Stats { days, ..Stats::default() }));
        assert!(text.contains("… and 5 more; --json has all"), "{text}");
        assert!(!text.contains("2026-01-05") && text.contains("2026-01-25"), "{text}");
    }

    #[test]
    fn what_the_engine_dropped_is_told_by_its_reason() {
        let store = Fixture::new();
        store.send([
            Record::Dropped(vec![("no-name", 3), ("fragment", 1)]),
            Record::Dropped(vec![("no-name", 4)]),
        ]);
        let text = shown(&whole(store.reader().stats(None, None).unwrap()));
        assert!(text.contains("Dropped   times\nfragment      1\nno-name       7\n"), "{text}");
        store.writer.wipe().unwrap();
        assert!(store.reader().stats(None, None).unwrap().dropped.is_empty());
    }

    #[test]
    fn drops_and_gaps_are_told() {
        let gap = Gap { start: Time(NOW), end: None, reason: "revoked".to_owned() };
        let stats = Stats { gaps: vec![gap], drops: 7, ..Stats::default() };
        let text = shown(&whole(stats));
        assert!(text.contains("2026-11-21T08:00:00.000Z    now  revoked"), "{text}");
        assert!(text.contains("full: 7 records"), "{text}");
    }
}
