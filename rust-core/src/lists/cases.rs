//! The cases of `tests/data/lists`: a list, imported alone, and what it says of names. Each row of
//! the table of forms is imported alone too.

use super::*;
use crate::policy::Policy;
use crate::signatures::{Category, Kind, Listing, Refusal};

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/lists").join(name)
}

fn choice() -> Choice {
    let (name, source) = ("mine".to_owned(), "list.txt".to_owned());
    Choice { name, source, category: Category::Ads, listing: Listing::Block, below: false }
}

/// The built-in lists with one above them, and the list's report.
fn taken(text: &[u8], choice: &Choice) -> Result<(HostTable, Report), ImportError> {
    let mut importer = Importer::new(HostTable::builtin(), choice.below);
    text.split_inclusive(|byte| *byte == b'\n').for_each(|line| importer.line(line));
    let (compiled, report) = importer.finish(choice)?;
    let list = Imported::open(compiled.to_bytes()).unwrap();
    Ok((HostTable::builtin().clone().with_imported(vec![Arc::new(list)]), report))
}

fn verdict(table: &HostTable, host: &str) -> &'static str {
    match table.lookup(host).map(|id| table.rule(id).listing) {
        Some(Listing::Block) => "block",
        _ => "none",
    }
}

/// What a case's file of names says: name and verdict.
fn expected(case: &str) -> Vec<(String, String)> {
    let text = fs::read_to_string(data(&format!("{case}.expected"))).unwrap();
    let rows = text.lines().filter(|line| !line.starts_with('#'));
    rows.filter_map(|line| line.split_once('\t'))
        // What stands in brackets may be left alone, where the report tells.
        .filter(|(_, verdict)| !verdict.starts_with('['))
        .map(|(name, verdict)| (name.to_owned(), verdict.to_owned()))
        .collect()
}

fn holds(case: &str) -> Report {
    let text = fs::read(data(&format!("{case}.txt"))).unwrap();
    let (table, report) = taken(&text, &choice()).unwrap();
    let rows = expected(case);
    assert!(rows.len() > 2, "{case}");
    for (name, right) in rows {
        assert_eq!(verdict(&table, &name), right, "{case}: {name}");
    }
    report
}

fn counts(report: &Report) -> Vec<(Refusal, u64)> {
    report.refused.iter().map(|(reason, seen)| (*reason, seen.count)).collect()
}

#[test]
fn marks_of_parts_of_pages_block_no_name() {
    let report = holds("01-cosmetic-marks");
    assert_eq!(counts(&report), [(Refusal::NotDns, 5)]);
    let lines: Vec<_> = report.refused[&Refusal::NotDns].samples.iter().map(|s| s.line).collect();
    assert_eq!(lines, [2, 3, 4, 5, 6]);
}

#[test]
fn the_beginning_of_a_longer_name_is_not_the_name() {
    let report = holds("02-prefix-dot");
    assert_eq!((report.names, counts(&report)), (1, vec![(Refusal::Pattern, 3)]));
}

#[test]
fn an_exception_of_any_form_frees_what_it_speaks_about() {
    let report = holds("03-exceptions");
    assert_eq!(counts(&report), []);
    assert_eq!((report.names, report.exceptions, report.widened.count), (7, 7, 1));
}

#[test]
fn a_rule_that_is_taken_back_blocks_nothing() {
    let report = holds("04-badfilter");
    assert_eq!((report.names, report.taken_back.count), (1, 3));
    assert_eq!(counts(&report), []);
}

#[test]
fn an_important_rule_beats_an_exception() {
    assert_eq!(counts(&holds("05-important")), []);
}

#[test]
fn a_name_of_dnsmasq_is_free_below_a_blocked_one() {
    assert_eq!(counts(&holds("06-dnsmasq-exclusion")), []);
}

#[test]
fn what_is_under_a_name_is_not_the_name() {
    assert_eq!(counts(&holds("07-star-base")), []);
}

#[test]
fn a_comment_of_a_hosts_file_may_have_two_signs() {
    assert_eq!(counts(&holds("08-hosts-comment")), []);
}

#[test]
fn a_list_speaks_where_another_is_off() {
    let text = fs::read(data("09-lookup-list-off.txt")).unwrap();
    let (table, _) = taken(&text, &choice()).unwrap();
    let policy = Policy::parse("version = 1\n[lists]\nxiaomi = \"off\"\n").unwrap();
    let rule = table.rule(policy.rule(&table, Some("ad.mi.com")).unwrap());
    assert!(rule.list.starts_with("mine@"), "{}", rule.list);
    let decision = policy.decide(&table, 0, None, Some("ad.mi.com"));
    assert_eq!(decision.verdict, crate::event::Verdict::Block);
    assert_eq!(decision.reason.list.as_deref(), Some(rule.list));
}

#[test]
fn a_zone_of_which_nothing_is_taken_tells_why() {
    let text = fs::read(data("10-nothing-taken.txt")).unwrap();
    let Err(ImportError::Nothing(report)) = taken(&text, &choice()) else { panic!("taken") };
    assert_eq!((counts(&report), report.kind), (vec![(Refusal::Unknown, 5)], Some(Kind::Rpz)));
    assert_eq!(report.refused[&Refusal::Unknown].samples.len(), 5);
}

/// A list of `tests/data/lists/adblock-forms.tsv`: rules with `;;` between them, a name, our
/// verdict, that of AdGuard's engine, and why they differ.
#[test]
fn every_form_of_a_rule_is_read_as_the_table_says() {
    let text = fs::read_to_string(data("adblock-forms.tsv")).unwrap();
    let (mut rows, mut wrong) = (0, Vec::new());
    for row in text.lines().filter(|line| !line.is_empty() && !line.starts_with("# ")) {
        let cells: Vec<_> = row.split('\t').collect();
        let [rules, name, ours, engine, why] = cells[..] else { panic!("five cells: {row}") };
        assert_eq!(ours == engine, why.is_empty(), "a difference has its reason: {row}");
        rows += 1;
        let found = match taken(rules.replace(" ;; ", "\n").as_bytes(), &choice()) {
            Ok((table, _)) => verdict(&table, name),
            Err(ImportError::Nothing(report)) => {
                // Nothing goes away without a word.
                let told = !report.refused.is_empty()
                    || matches!(report.kind, Some(Kind::Empty | Kind::Exceptions));
                assert!(told || report.taken_back.count > 0, "{row}");
                "none"
            }
            Err(error) => panic!("{error}: {row}"),
        };
        if found != ours {
            wrong.push(format!("{row} is {found}"));
        }
    }
    assert!(rows >= 120, "{rows}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn names_may_be_taken_with_all_that_is_under_them() {
    let text = b"# Syntax: Domains (wildcards) without *.\na.example.com\n0.0.0.0 b.example.com\n";
    let (table, report) = taken(text, &choice()).unwrap();
    assert!(report.means_below);
    assert_eq!(verdict(&table, "x.a.example.com"), "none");
    let below = Choice { below: true, ..choice() };
    let (table, report) = taken(text, &below).unwrap();
    assert!(!report.means_below && table.imported()[0].about().below);
    for host in ["a.example.com", "x.a.example.com", "y.b.example.com"] {
        assert_eq!(verdict(&table, host), "block", "{host}");
    }
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

fn read_bytes(bytes: &[u8]) -> Result<Report, ListsError> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.seek(SeekFrom::Start(0)).unwrap();
    read_file(file, Path::new("list"), &choice()).map(|(_, report)| report)
}

#[test]
fn a_list_packed_with_gzip_is_read_in_all_its_parts() {
    let parts = [packed(b"a.example.com\nb.exam"), packed(b"ple.com\n")].concat();
    assert_eq!(read_bytes(&parts).unwrap().names, 2);
}

#[test]
fn a_packed_list_that_is_cut_or_too_large_is_refused() {
    let whole = packed(b"a.example.com\n");
    for cut in 3..whole.len() {
        assert!(matches!(read_bytes(&whole[..cut]), Err(ListsError::Unpack(_))), "{cut}");
    }
    let bomb = packed(&vec![b'a'; 1 << 24]).repeat(33);
    assert!(matches!(read_bytes(&bomb), Err(ListsError::TooLarge(_))));
    let lines = packed(&vec![b'\n'; 1 << 24]).repeat(33);
    let error = read_bytes(&lines).unwrap_err();
    assert!(
        matches!(error, ListsError::Import { error: ImportError::TooManyLines, .. }),
        "{error}"
    );
}

#[test]
fn exceptions_without_a_host_have_their_bounds() {
    let many = |count: usize, form: &dyn Fn(usize) -> String| {
        let rules: String = (0..count).map(form).collect();
        taken(format!("||example.com^\n{rules}").as_bytes(), &choice()).map(|(_, report)| report)
    };
    let globs = |n| format!("@@-p{n}.example.com^\n");
    assert_eq!(many(limits::LIST_PATTERNS, &globs).unwrap().exceptions, 2000);
    let error = many(limits::LIST_PATTERNS + 1, &globs).unwrap_err();
    assert_eq!(error, ImportError::TooManyPatterns);
    let expressions = |n| format!("@@/p{n}[0-9]/\n");
    assert_eq!(many(limits::LIST_REGEXES, &expressions).unwrap().exceptions, 100);
    let error = many(limits::LIST_REGEXES + 1, &expressions).unwrap_err();
    assert_eq!(error, ImportError::TooManyPatterns);
    let lost = |n| format!("@@/(?!p){n}/\n");
    let report = many(limits::LIST_REGEX_TRIES, &lost).unwrap();
    assert_eq!(report.refused[&Refusal::Exception].count, 1000);
    let error = many(limits::LIST_REGEX_TRIES + 1, &lost).unwrap_err();
    assert_eq!(error, ImportError::TooManyPatterns);
}

#[test]
fn a_list_of_the_first_version_is_still_read() {
    let mut importer = Importer::new(HostTable::builtin(), false);
    for line in ["a.example.com", "||b.example.com^", "@@||c.b.example.com^"] {
        importer.line(line.as_bytes());
    }
    let mut bytes = importer.finish(&choice()).unwrap().0.to_bytes();
    bytes[7] = 1;
    let list = Arc::new(Imported::open(bytes).unwrap());
    let table = HostTable::builtin().clone().with_imported(vec![list]);
    let hosts = ["a.example.com", "x.b.example.com", "c.b.example.com"];
    assert_eq!(hosts.map(|host| verdict(&table, host)), ["block", "block", "none"]);
}
