//! `muzzle lists`: which lists there are, and lists of others in. It asks nobody: a list is a file.

use super::Failure;
use super::files::{host_table, read_policy, read_text};
use super::words::{clean, count, sold};
use crate::lists::{self, ListsError};
use crate::policy::Policy;
use crate::signatures::{
    Category, Choice, HostTable, ImportError, Kind, Listing, Refusal, Region, Report, Seen,
    parse_list,
};
use anstyle::Style;
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Show the lists of hosts, check one, or take in one that somebody else wrote
#[derive(clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  muzzle lists --dir lists --policy policy.toml
  muzzle lists check hosts.txt
  muzzle lists import hosts.txt --dir lists --name example --category ads
  muzzle run --db log.db --lists lists"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    show: Show,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Tell what of a list can be taken and what not; changes nothing
    #[command(
        after_help = "Exit status: 0 if every line was taken, 1 if some were not, 2 if none was."
    )]
    Check {
        /// A hosts file, plain names, adblock rules, dnsmasq lines; or a list of Muzzle's own, .csv
        file: PathBuf,
        /// Take plain names and hosts with all that is under them
        #[arg(long)]
        below: bool,
    },
    /// Take a list in; one of the same name is replaced
    Import(Import),
    /// Take an imported list away
    Remove {
        /// Its name
        name: String,
        /// The folder of imported lists
        #[arg(long, value_name = "DIR")]
        dir: PathBuf,
    },
}

#[derive(clap::Args)]
struct Show {
    /// The folder of imported lists
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// The policy that switches lists and categories
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
struct Import {
    /// A hosts file, plain names, adblock rules or dnsmasq lines
    file: PathBuf,
    /// The folder of imported lists; made where it is missing
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// The list's name: a-z, 0-9 and -; without it, that of the file
    #[arg(long)]
    name: Option<String>,
    /// What its hosts are for
    #[arg(long, value_parser = category, default_value = "other")]
    category: Category,
    /// What happens to them: block, record or allow
    #[arg(long, value_name = "DEFAULT", value_parser = listing, default_value = "block")]
    default: Listing,
    /// Take plain names and hosts with all that is under them
    #[arg(long)]
    below: bool,
}

fn category(text: &str) -> Result<Category, String> {
    let all = || Category::ALL.iter().map(|c| c.as_str()).collect::<Vec<_>>().join(", ");
    text.parse().map_err(|_| format!("one of {}", all()))
}

fn listing(text: &str) -> Result<Listing, String> {
    let found = text.parse().ok().filter(|listing| *listing != Listing::Never);
    found.ok_or_else(|| "block, record or allow".to_owned())
}

pub(crate) fn run(args: Args) -> Result<ExitCode, Failure> {
    match args.command {
        None => show(&args.show),
        Some(Command::Check { file, below }) => check(&file, below),
        Some(Command::Import(import)) => take_in(&import),
        Some(Command::Remove { name, dir }) => match lists::remove(&dir, &name).map_err(failure)? {
            true => print(|out| writeln!(out, "removed {name}")).map(|()| ExitCode::SUCCESS),
            false => Err(Failure::new(format_args!("{}: no list {name}", dir.display()))),
        },
    }
}

pub(crate) fn failure(error: ListsError) -> Failure {
    Failure::with_code(2, error)
}

/// Of a list that had nothing to take, why, before that is said.
fn untaken(error: ListsError) -> Failure {
    if let ListsError::Import { error: ImportError::Nothing(report), .. } = &error
        && let Err(failure) = print(|out| tell(out, report))
    {
        return failure;
    }
    failure(error)
}

fn print(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Failure> {
    let mut out = anstream::stdout().lock();
    match write(&mut out).and_then(|()| out.flush()) {
        // Who reads no further has seen enough.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::with_code(2, format_args!("standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// A list, as it is shown; the JSON form.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Row<'a> {
    list: &'a str,
    version: &'a str,
    rules: usize,
    on: bool,
}

/// A category of the compiled lists, likewise: how many rules have each default.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct Sizes {
    block: usize,
    record: usize,
    allow: usize,
    never: usize,
    /// What the policy says for the whole category.
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<Listing>,
}

#[derive(Debug, Serialize)]
struct Overview<'a> {
    lists: Vec<Row<'a>>,
    categories: BTreeMap<Category, Sizes>,
    /// How many rules of the compiled lists name a region, by region.
    regions: BTreeMap<Region, usize>,
}

impl<'a> Overview<'a> {
    fn new(table: &'a HostTable, policy: &Policy) -> Self {
        let row = |(id, rules): (&'a str, usize)| {
            let (list, version) = id.split_once('@').unwrap_or((id, ""));
            Row { list, version, rules, on: !policy.list_is_off(id) }
        };
        let mut categories: BTreeMap<_, Sizes> = BTreeMap::new();
        let mut regions = BTreeMap::new();
        for rule in table.rules() {
            if let Some(region) = rule.region {
                *regions.entry(region).or_default() += 1;
            }
            let sizes = categories.entry(rule.category).or_default();
            sizes.policy = policy.category(rule.category);
            match rule.listing {
                Listing::Block => sizes.block += 1,
                Listing::Record => sizes.record += 1,
                Listing::Allow => sizes.allow += 1,
                Listing::Never => sizes.never += 1,
            }
        }
        Self { lists: table.lists().into_iter().map(row).collect(), categories, regions }
    }

    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let bold = Style::new().bold();
        writeln!(out, "{bold}{:<32} {:<9} {:>7}  state{bold:#}", "list", "version", "rules")?;
        for row in &self.lists {
            let state = if row.on { "on" } else { "off by your policy" };
            writeln!(out, "{:<32} {:<9} {:>7}  {state}", row.list, row.version, row.rules)?;
        }
        writeln!(out)?;
        let head = ["block", "record", "allow", "never"].map(|word| format!("{word:>6}")).join(" ");
        writeln!(out, "{bold}{:<20} {head}  state{bold:#}", "category of built-in lists")?;
        for (category, sizes) in &self.categories {
            let counts = [sizes.block, sizes.record, sizes.allow, sizes.never];
            let counts = counts.map(|count| format!("{count:>6}")).join(" ");
            writeln!(out, "{:<26} {counts}  {}", category.as_str(), sizes.state())?;
        }
        writeln!(out)?;
        writeln!(out, "{bold}{:<32} {:>7}{bold:#}", "servers for phones sold", "rules")?;
        for (region, rules) in &self.regions {
            writeln!(out, "{:<32} {rules:>7}", sold(*region))?;
        }
        Ok(())
    }
}

impl Sizes {
    fn state(&self) -> String {
        match self.policy {
            Some(Listing::Allow) => "off by your policy".to_owned(),
            Some(listing) => format!("{listing} by your policy"),
            None if self.block + self.record > 0 => "on".to_owned(),
            None if self.allow == 0 => "never blocked".to_owned(),
            None => "off".to_owned(),
        }
    }
}

fn show(args: &Show) -> Result<ExitCode, Failure> {
    let table = host_table(None, args.dir.as_deref())?;
    let policy = read_policy(args.policy.as_deref())?;
    let overview = Overview::new(&table, &policy);
    print(|out| match args.json {
        true => writeln!(out, "{}", serde_json::to_string(&overview)?),
        false => overview.print(out),
    })?;
    Ok(ExitCode::SUCCESS)
}

fn check(file: &Path, below: bool) -> Result<ExitCode, Failure> {
    if file.extension().is_some_and(|end| end == "csv") {
        let text = read_text(file)?;
        let list = parse_list(&text, &file.display().to_string())
            .map_err(|error| Failure::with_code(2, error))?;
        let rules = count(list.rules().count() as u64, "rule");
        print(|out| writeln!(out, "{}: {rules}", list.id()))?;
        return Ok(ExitCode::SUCCESS);
    }
    let choice = choice(file, "checked".to_owned(), Category::Other, Listing::Block, below);
    let (_, report) = lists::read(file, &choice).map_err(untaken)?;
    print(|out| tell(out, &report))?;
    Ok(ExitCode::from(u8::from(!report.refused.is_empty())))
}

fn take_in(args: &Import) -> Result<ExitCode, Failure> {
    let name = args.name.clone().unwrap_or_else(|| name_of(&args.file));
    let choice = choice(&args.file, name, args.category, args.default, args.below);
    let report = lists::import(&args.file, &args.dir, &choice).map_err(untaken)?;
    print(|out| {
        writeln!(out, "imported {} into {}", choice.name, args.dir.display())?;
        tell(out, &report)
    })?;
    Ok(ExitCode::SUCCESS)
}

fn choice(file: &Path, name: String, category: Category, listing: Listing, below: bool) -> Choice {
    let source = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Choice { name, source: clean(&source, 100), category, listing, below }
}

/// A list's name after its file: `Hosts_2026.txt` is `hosts-2026`.
fn name_of(file: &Path) -> String {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    stem.chars().map(plain).take(32).collect::<String>().trim_matches('-').to_owned()
}

/// What was taken, what not, and why.
fn tell(out: &mut dyn Write, report: &Report) -> io::Result<()> {
    let refused: u64 = report.refused.values().map(|seen| seen.count).sum();
    writeln!(
        out,
        "{}: {}, {} not taken",
        count(report.lines.into(), "line"),
        [count(report.names.into(), "name"), count(report.exceptions.into(), "exception")]
            .join(", "),
        count(refused, "line"),
    )?;
    if let Some(kind) = report.kind {
        writeln!(out, "  {}", what_to_do(kind))?;
    }
    if report.means_below {
        let option = "import it with --below if they do";
        writeln!(out, "  its head may mean that names stand for all under them; {option}")?;
    }
    sample(out, "stood there before", &report.duplicates)?;
    sample(
        out,
        "taken for the name alone that they have; they block others too",
        &report.narrowed,
    )?;
    sample(out, "exceptions under conditions, taken for all", &report.widened)?;
    sample(out, "taken back by the list itself", &report.taken_back)?;
    sample(out, "never blocked, or above such a host: that host stays reachable", &report.never)?;
    for (reason, seen) in &report.refused {
        sample(out, why(*reason), seen)?;
    }
    Ok(())
}

fn sample(out: &mut dyn Write, what: &str, seen: &Seen) -> io::Result<()> {
    if seen.count == 0 {
        return Ok(());
    }
    writeln!(out, "  {} {what}", seen.count)?;
    for sample in &seen.samples {
        writeln!(out, "    line {}: {}", sample.line, clean(&sample.text, 80))?;
    }
    let more = seen.count - seen.samples.len() as u64;
    if more > 0 { writeln!(out, "    and {more} more") } else { Ok(()) }
}

/// What a file is, and what its owner can do.
fn what_to_do(kind: Kind) -> &'static str {
    match kind {
        Kind::Empty => "this file has no line but comments",
        Kind::Zip => "this is a zip archive: unpack it and import the list inside",
        Kind::Packed => "this is a packed file: unpack it first; gzip alone is read as it is",
        Kind::Utf16 => "this is UTF-16 text: save it as UTF-8",
        Kind::Picture => "this is a picture and no list",
        Kind::Page => {
            "this is a page of the web: take the address of the list itself, often called raw"
        }
        Kind::Document => "this is a document and no list: take the list as hosts or plain names",
        Kind::Binary => "this is no text",
        Kind::Rpz => "this is a response policy zone: take the list as hosts or plain names",
        Kind::Unbound => "these are settings of unbound: take the list as hosts or plain names",
        Kind::Addresses => "these are addresses: a list that is imported has names",
        Kind::Expressions => "these are regular expressions: take the list as hosts or plain names",
        Kind::PageRules => "these are rules about parts of pages, for a browser",
        Kind::Exceptions => {
            "this names hosts to leave alone and none to block: to allow hosts, import plain names with --default allow"
        }
    }
}

fn why(reason: Refusal) -> &'static str {
    match reason {
        Refusal::NotText => "not taken: no text",
        Refusal::LongLine => "not taken: the line is too long",
        Refusal::NotAHost => "not taken: no host",
        Refusal::NotAscii => "not taken: beyond ASCII; the xn-- form is needed",
        Refusal::OneLabel => "not taken: one label alone, all of a top-level domain",
        Refusal::Address => "not taken: an address and no host",
        Refusal::Redirect => "not taken: sends the name elsewhere and does not block it",
        Refusal::Pattern => "not taken: blocks names by a part of them, not one name",
        Refusal::Exception => {
            "not taken: an exception that is not understood; what it frees stays blocked"
        }
        Refusal::NotDns => "not taken: about parts of pages, paths or schemes",
        Refusal::Condition => "not taken: holds under conditions only",
        Refusal::Shared => "not taken: too much that is no telemetry lives under the name",
        Refusal::Unknown => "not taken: a form that is not known",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overview(policy: &str) -> String {
        let policy = Policy::parse(&format!("version = 1\n{policy}")).unwrap();
        let mut out = Vec::new();
        let overview = Overview::new(HostTable::builtin(), &policy);
        overview.print(&mut anstream::StripStream::new(&mut out)).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn line<'a>(text: &'a str, begin: &str) -> Vec<&'a str> {
        let found = text.lines().find(|line| line.starts_with(begin));
        found.unwrap_or_else(|| panic!("{begin} in {text}")).split_whitespace().collect()
    }

    #[test]
    fn every_list_and_category_is_shown_with_its_state() {
        let text = overview("");
        for list in ["alibaba", "never-block", "other", "resolvers", "sensors", "xiaomi"] {
            let [_, version, rules, "on"] = line(&text, list)[..] else { panic!("{text}") };
            assert!(version.parse::<u32>().is_ok() && rules.parse::<u32>().is_ok_and(|n| n > 0));
        }
        assert_eq!(line(&text, "push").last(), Some(&"off"));
        assert_eq!(line(&text, "ads").last(), Some(&"on"));
        assert!(line(&text, "account").ends_with(&["never", "blocked"]), "{text}");
    }

    #[test]
    fn rules_are_counted_by_region() {
        let text = overview("");
        for place in ["in China", "in India", "in Russia", "outside China"] {
            let count = HostTable::builtin().rules();
            let count = count.filter(|r| r.region.is_some_and(|r| sold(r) == place)).count();
            let last = count.to_string();
            assert!(count > 0 && line(&text, place).last() == Some(&&*last), "{place} {text}");
        }
    }

    #[test]
    fn what_the_policy_switches_is_said() {
        let text = overview(
            "[lists]\nxiaomi = \"off\"\n[categories]\nads = \"allow\"\npush = \"block\"\n",
        );
        assert!(line(&text, "xiaomi").ends_with(&["off", "by", "your", "policy"]), "{text}");
        assert!(line(&text, "ads").ends_with(&["off", "by", "your", "policy"]), "{text}");
        assert!(line(&text, "push").ends_with(&["block", "by", "your", "policy"]), "{text}");
    }

    #[test]
    fn a_list_is_named_after_its_file() {
        assert_eq!(name_of(Path::new("a/Hosts_2026.txt")), "hosts-2026");
        assert_eq!(name_of(Path::new("__.txt")), "");
    }

    #[test]
    fn a_report_tells_counts_lines_and_no_control_characters() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("l.txt");
        let odd = "b\x1b[31m c\n".repeat(7);
        std::fs::write(&file, format!("a.example.com\na.example.com\n{odd}")).unwrap();
        let choice = choice(&file, "l".to_owned(), Category::Ads, Listing::Block, false);
        let (_, report) = lists::read(&file, &choice).unwrap();
        let mut out = Vec::new();
        tell(&mut out, &report).unwrap();
        let text = String::from_utf8(out).unwrap();
        let expected = "9 lines: 1 name, 0 exceptions, 7 lines not taken\n  \
            1 stood there before\n    line 2: a.example.com\n  7 not taken: no text\n    \
            line 3: b·[31m c\n";
        assert!(text.starts_with(expected), "{text}");
        assert!(text.ends_with("    and 2 more\n"), "{text}");
    }

    #[test]
    fn a_list_of_ours_is_checked_by_its_own_rules() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("own.csv");
        std::fs::write(&file, "# list: own\n# version: 1\nhost,perhaps\n").unwrap();
        let failure = check(&file, false).unwrap_err();
        assert!(failure.to_string().contains("own.csv:3:"), "{failure}");
    }
}
