//! `muzzle lookup`: what the lists say about a host. It asks nobody and sends nothing; what an
//! owner's policy makes of the answer is not its matter.

use super::Failure;
use super::files::{OwnLists, read_policy};
use super::words::sold;
use crate::event::Protocol;
use crate::policy::Policy;
use crate::signatures::{Category, HostTable, Listing, Region, Rule, host_of};
use anstyle::{AnsiColor, Style};
use serde::Serialize;
use std::io::{self, ErrorKind, Write};
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;

/// Tell which rule speaks about a host, and what it does
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  muzzle lookup sa.api.intl.miui.com https://account.xiaomi.com/pass
  muzzle lookup --json tracking.miui.com | jq -r .source

Exit status: 0 if every host is listed, 1 if some are not, 2 if something went wrong.")]
pub(crate) struct Args {
    /// Hosts or addresses, or addresses of pages to take the hosts from
    #[arg(value_name = "HOST", required = true)]
    hosts: Vec<String>,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    lists: OwnLists,
    /// Tell what this policy switches off
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
}

pub(crate) fn run(args: Args) -> Result<ExitCode, Failure> {
    let table = &args.lists.table()?;
    let policy = read_policy(args.policy.as_deref())?;
    let hosts: Vec<_> = args.hosts.iter().map(|input| host_of(input)).collect();
    let answers: Vec<_> = hosts.iter().map(|host| Answer::new(table, &policy, host)).collect();
    let mut out = anstream::stdout().lock();
    let mut print = || -> io::Result<()> {
        for (number, answer) in answers.iter().enumerate() {
            if args.json {
                writeln!(out, "{}", serde_json::to_string(answer)?)?;
            } else {
                if number > 0 {
                    writeln!(out)?;
                }
                answer.print(&mut out)?;
            }
        }
        out.flush()
    };
    match print() {
        // Who reads no further has seen enough.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::with_code(2, format!("standard output: {error}")))
        }
        _ => Ok(ExitCode::from(u8::from(answers.iter().any(|answer| !answer.known)))),
    }
}

/// What is said about one host; the JSON form, its keys in this order.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Answer<'a> {
    host: &'a str,
    known: bool,
    #[serde(flatten)]
    rule: Option<Known<'a>>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Known<'a> {
    rule: &'a str,
    list: &'a str,
    owner: &'a str,
    category: Category,
    default: Listing,
    never_block: bool,
    side_effect: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    protocol: Option<Protocol>,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<Region>,
    source: &'a str,
    licence: &'a str,
    /// `list` or `category`, where that is switched off.
    #[serde(skip_serializing_if = "Option::is_none")]
    off: Option<&'static str>,
}

impl<'a> From<Rule<'a>> for Known<'a> {
    fn from(rule: Rule<'a>) -> Self {
        Self {
            rule: rule.pattern,
            list: rule.list,
            owner: rule.owner,
            category: rule.category,
            default: rule.listing,
            never_block: rule.listing == Listing::Never,
            side_effect: rule.side_effect,
            protocol: rule.protocol,
            region: rule.region,
            source: rule.source,
            licence: rule.licence,
            off: None,
        }
    }
}

impl Known<'_> {
    /// What is switched off, so that the rule stops and records nothing.
    fn off(&self, table: &HostTable, policy: &Policy) -> Option<&'static str> {
        let acts = |rule: Rule<'_>| {
            rule.category == self.category
                && matches!(rule.listing, Listing::Block | Listing::Record)
        };
        let off = match policy.category(self.category) {
            Some(listing) => listing == Listing::Allow,
            None => self.default == Listing::Allow && !table.rules().any(acts),
        };
        if self.never_block {
            None
        } else if policy.list_is_off(self.list) {
            Some("list")
        } else {
            off.then_some("category")
        }
    }
}

impl<'a> Answer<'a> {
    fn new(table: &'a HostTable, policy: &Policy, host: &'a str) -> Self {
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        // Where all that is said of a host is switched off, that is said.
        let id = match bare.parse::<IpAddr>() {
            Ok(addr) => policy.rule(table, addr).or_else(|| table.lookup_address(addr)),
            Err(_) => policy.rule(table, Some(host)).or_else(|| table.lookup(host)),
        };
        let rule = id.map(|id| Known::from(table.rule(id)));
        let rule = rule.map(|rule| Known { off: rule.off(table, policy), ..rule });
        Self { host, known: rule.is_some(), rule }
    }

    fn print(&self, out: &mut impl Write) -> io::Result<()> {
        let bold = Style::new().bold();
        writeln!(out, "{bold}{}{bold:#}", self.host)?;
        let Some(rule) = &self.rule else {
            return writeln!(out, "  not listed   no rule speaks about this host; it is allowed");
        };
        let (colour, default) = default(rule.default);
        let colour = Style::new().fg_color(Some(colour.into()));
        let reach = match rule.rule.strip_prefix('.') {
            Some(name) => format!("{name} and everything under it"),
            None if rule.rule.contains('/') => format!("the addresses {}", rule.rule),
            None if rule.rule.starts_with('*') => {
                format!(
                    "everything under {}, and not that name",
                    rule.rule.trim_start_matches("*.")
                )
            }
            None => format!("{} alone", rule.rule),
        };
        match rule.off {
            Some("list") => writeln!(out, "  switched     off: your policy has this list off")?,
            Some(_) => writeln!(out, "  switched     off: the category {} is off", rule.category)?,
            None => {}
        }
        let effect = if rule.side_effect.is_empty() { "none known" } else { rule.side_effect };
        writeln!(out, "  by default   {colour}{default}{colour:#}")?;
        writeln!(out, "  owner        {}", rule.owner)?;
        writeln!(out, "  used for     {}", purpose(rule.category))?;
        writeln!(out, "  if blocked   {effect}")?;
        if rule.category == Category::ResolverBypass {
            writeln!(out, "  past DNS     refused to the apps that refuse_bypass is about")?;
        }
        if let Some(protocol) = rule.protocol {
            writeln!(out, "  format       {protocol}")?;
        }
        if let Some(region) = rule.region {
            writeln!(out, "  region       server for phones sold {}", sold(region))?;
        }
        writeln!(out, "  rule         {reach}")?;
        writeln!(out, "  list         {}", rule.list)?;
        writeln!(out, "  source       {} ({})", rule.source, rule.licence)
    }
}

fn default(listing: Listing) -> (AnsiColor, &'static str) {
    match listing {
        Listing::Block => (AnsiColor::Red, "blocked: nothing reaches this host"),
        Listing::Record => (AnsiColor::Yellow, "recorded: it passes, and what is readable is kept"),
        Listing::Allow => (AnsiColor::Green, "allowed: blocking it would hurt"),
        Listing::Never => {
            (AnsiColor::Green, "never blocked: the phone needs it; only your own rule can stop it")
        }
    }
}

fn purpose(category: Category) -> &'static str {
    match category {
        Category::Analytics => "analytics",
        Category::BrowserAnalytics => "analytics of what is done in a browser",
        Category::Crash => "crash reports",
        Category::Ads => "advertising",
        Category::Push => "push notifications",
        Category::DeviceId => "identifiers of the phone",
        Category::Config => "configuration of apps or trackers",
        Category::ResolverBypass => "resolving names past the phone's resolver",
        Category::Location => "location",
        Category::Security => "security services",
        Category::Console => "the console of an analytics service",
        Category::Sdk => "a tracker's program code",
        Category::LogService => "a log service that many share",
        Category::Account => "account and login",
        Category::Update => "updates",
        Category::Cloud => "cloud sync and anti-theft",
        Category::Home => "devices at home",
        Category::CaptivePortal => "detecting Wi-Fi login pages",
        Category::Other => "something else",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::files::host_table;
    use crate::signatures::Choice;
    use std::fmt::Write as _;

    fn printed(table: &HostTable, host: &str) -> String {
        let mut out = Vec::new();
        Answer::new(table, &Policy::default(), host)
            .print(&mut anstream::StripStream::new(&mut out))
            .unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_host_is_taken_from_whatever_was_pasted() {
        for input in [
            "sa.api.intl.miui.com",
            " SA.API.intl.miui.com. ",
            "https://sa.api.intl.miui.com/sa?project=x",
            "http://user:secret@sa.api.intl.miui.com:8080#top",
            "sa.api.intl.miui.com:443",
            "sa.api.intl.miui.com?x=a@b",
        ] {
            assert_eq!(host_of(input), "sa.api.intl.miui.com", "{input}");
        }
        assert_eq!(host_of("https://[2001:db8::1]/"), "[2001:db8::1]");
    }

    #[test]
    fn a_listed_host_is_explained_in_words() {
        assert_eq!(
            printed(HostTable::builtin(), "fr.sa.api.intl.miui.com"),
            "\
fr.sa.api.intl.miui.com
  by default   blocked: nothing reaches this host
  owner        Xiaomi
  used for     analytics of what is done in a browser
  if blocked   none known
  format       sensors
  region       server for phones sold outside China
  rule         sa.api.intl.miui.com and everything under it
  list         xiaomi@3
  source       palant.info 2020-05-04 (Mint Browser endpoint); AdAway; NextDNS; StevenBlack@2022 (CC-BY-3.0 AND MIT)
"
        );
    }

    #[test]
    fn where_the_phones_of_a_server_are_sold_is_said() {
        for (host, sold, code) in [
            ("tracking.miui.com", "in China", "cn"),
            ("data.mistat.india.xiaomi.com", "in India", "in"),
            ("tracking.rus.miui.com", "in Russia", "ru"),
            ("tracking.intl.miui.com", "outside China", "intl"),
        ] {
            let text = printed(HostTable::builtin(), host);
            let line = format!("  region       server for phones sold {sold}\n");
            assert!(text.contains(&line), "{text}");
            let answer = Answer::new(HostTable::builtin(), &Policy::default(), host);
            let json = serde_json::to_string(&answer).unwrap();
            assert!(json.contains(&format!(r#""region":"{code}","source":"#)), "{json}");
        }
        assert!(!printed(HostTable::builtin(), "stat.xiaomi.com").contains("region"));
    }

    #[test]
    fn a_resolver_is_known_by_its_addresses() {
        for (host, rule) in [
            ("8.8.8.8", "8.8.8.8 alone"),
            ("203.107.1.65", "the addresses 203.107.1.0/24"),
            ("2620:fe::fe", "2620:fe::fe alone"),
            ("[2620:fe::fe]", "2620:fe::fe alone"),
        ] {
            let text = printed(HostTable::builtin(), host);
            assert!(text.contains(&format!("  rule         {rule}\n")), "{text}");
            assert!(text.contains("past DNS     refused"), "{text}");
        }
        assert_eq!(host_of("https://8.8.8.8/dns-query"), "8.8.8.8");
    }

    #[test]
    fn what_is_switched_off_is_said() {
        let table = HostTable::builtin();
        let off = |policy: &str, host: &str| {
            let policy = Policy::parse(&format!("version = 1\n{policy}")).unwrap();
            let answer = Answer::new(table, &policy, host);
            let mut out = Vec::new();
            answer.print(&mut anstream::StripStream::new(&mut out)).unwrap();
            let said = String::from_utf8(out).unwrap().contains("switched     off");
            let off = answer.rule.unwrap().off;
            assert_eq!(said, off.is_some());
            off
        };
        let (push, tracker) = ("register.xmpush.xiaomi.com", "tracking.miui.com");
        assert_eq!(off("", push), Some("category"));
        assert_eq!(off("[categories]\npush = \"block\"", push), None);
        assert_eq!(off("", tracker), None);
        assert_eq!(off("[lists]\nxiaomi = \"off\"", tracker), Some("list"));
        assert_eq!(off("[categories]\nanalytics = \"allow\"", tracker), Some("category"));
        assert_eq!(off("[categories]\naccount = \"allow\"", "account.xiaomi.com"), None);
    }

    /// The built-in lists with one above them that is called `mine`.
    fn with_list(text: &str) -> HostTable {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("mine.txt");
        std::fs::write(&file, text).unwrap();
        let choice = Choice {
            name: "mine".to_owned(),
            source: "mine.txt".to_owned(),
            category: Category::Ads,
            listing: Listing::Block,
            below: false,
        };
        crate::lists::import(&file, folder.path(), &choice).unwrap();
        host_table(None, Some(folder.path())).unwrap()
    }

    #[test]
    fn the_rule_that_is_told_is_the_one_that_counts() {
        let table = with_list("||ad.mi.com^\n||*.example.com^\n@@||good.example.com^\n");
        let policy = Policy::parse("version = 1\n[lists]\nxiaomi = \"off\"").unwrap();
        let list = |policy: &Policy, host| {
            let rule = Answer::new(&table, policy, host).rule?;
            Some((rule.list.split('@').next().unwrap(), rule.default, rule.off))
        };
        let mine = Some(("mine", Listing::Block, None));
        assert_eq!(list(&policy, "ad.mi.com"), mine);
        assert_eq!(list(&policy, "a.example.com"), mine);
        assert_eq!(list(&policy, "example.com"), None);
        assert_eq!(list(&policy, "good.example.com"), None);
        let off = Policy::parse("version = 1\n[lists]\nxiaomi = \"off\"\nmine = \"off\"").unwrap();
        assert!(list(&off, "ad.mi.com").is_some_and(|(_, _, off)| off == Some("list")));
        let text = printed(&table, "a.example.com");
        assert!(
            text.contains("rule         everything under example.com, and not that name\n"),
            "{text}"
        );
    }

    #[test]
    fn an_unlisted_host_is_called_unlisted() {
        assert_eq!(
            printed(HostTable::builtin(), "example.org"),
            "example.org\n  not listed   no rule speaks about this host; it is allowed\n"
        );
    }

    #[test]
    fn json_has_its_keys_in_order() {
        let table = HostTable::builtin();
        let mut json = String::new();
        for host in ["account.xiaomi.com", "example.org"] {
            writeln!(
                json,
                "{}",
                serde_json::to_string(&Answer::new(table, &Policy::default(), host)).unwrap()
            )
            .unwrap();
        }
        assert_eq!(
            json,
            concat!(
                r#"{"host":"account.xiaomi.com","known":true,"rule":"account.xiaomi.com","#,
                r#""list":"never-block@2","owner":"Xiaomi","category":"account","default":"never","#,
                r#""never_block":true,"side_effect":"login and bootloader unlock fail","#,
                r#""source":"1Hosts #1613","licence":"fact"}"#,
                "\n",
                r#"{"host":"example.org","known":false}"#,
                "\n"
            )
        );
    }

    #[test]
    fn a_list_of_ones_own_adds_to_the_built_in_ones() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("mine.csv");
        let head = "# list: mine\n# version: 7\nhost,owner,category,default,side_effect,protocol,source,licence\n";
        let rows =
            ".example.org,Me,ads,record,,,me,fact\ntracking.miui.com,Me,ads,allow,,,me,fact\n";
        std::fs::write(&file, format!("{head}{rows}")).unwrap();
        let table = host_table(Some(&file), None).unwrap();
        let list = |host| table.lookup(host).map(|id| table.rule(id).list);
        assert_eq!(list("a.example.org"), Some("mine@7"));
        assert_eq!(list("tracking.miui.com"), Some("mine@7"));
        assert_eq!(list("x.tracking.miui.com"), Some("xiaomi@3"));
    }

    #[test]
    fn a_wrong_list_is_refused_with_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("mine.csv");
        std::fs::write(&file, "# list: mine\n# version: seven\n").unwrap();
        let failure = host_table(Some(&file), None).unwrap_err();
        let expected = format!("{}:2:12: expected a whole number", file.display());
        assert_eq!((failure.to_string(), failure.code), (expected, 2));
    }
}
