//! One line of a list as others write it: hosts files, plain names, adblock rules, dnsmasq.
//!
//! This module never keeps a line and never guesses: what it cannot turn into hosts is told with
//! the reason. One file may mix the forms. What stood before a line counts in one way only: in an
//! adblock list `*.x`, `.x` and `x.` are patterns, elsewhere they are names.

use super::adblock::{self, nowhere};
use super::list::{is_pattern, shared};
use crate::event::codes;
use std::net::IpAddr;

codes!(
    /// Why a line was not taken.
    Refusal {
        /// No UTF-8, or control characters.
        NotText = "not-text",
        /// Longer than [`crate::limits::LIST_LINE`].
        LongLine = "long-line",
        /// No host: a label is empty, too long or has a character that none may have.
        NotAHost = "not-a-host",
        /// A host beyond ASCII; its `xn--` form is taken.
        NotAscii = "not-ascii",
        /// One label alone: all of a top-level domain.
        OneLabel = "one-label",
        /// An address in place of a host.
        Address = "address",
        /// The name is sent to another address or resolver and not blocked.
        Redirect = "redirect",
        /// A rule about parts of pages, paths or schemes.
        NotDns = "not-dns",
        /// A rule that blocks names by a part of them: their beginning, `*`, an expression.
        Pattern = "pattern",
        /// A rule that holds under conditions only.
        Condition = "condition",
        /// An exception that is not understood: what it frees stays blocked.
        Exception = "exception",
        /// Too much that is no telemetry lives under the name.
        Shared = "shared",
        /// A form that is not known here.
        Unknown = "unknown-form",
    }
);

/// How far a name reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    Alone,
    /// The name and everything under it.
    Below,
    /// What is under it, and not the name.
    Under,
}

/// What a list wants. The number is that of the `@` before an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stance {
    Block,
    /// Left alone by this list.
    Exception,
    /// Blocked in spite of an exception.
    Important,
    /// Left alone in spite of an important rule.
    ImportantException,
    /// Left alone unless a longer name is blocked.
    Free,
}

/// A host as it stands in a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Name<'a> {
    /// Any case.
    pub(super) host: &'a str,
    pub(super) reach: Reach,
}

/// What a line speaks about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What<'a> {
    Name(Name<'a>),
    /// All hosts that fit, from their beginning where that is said.
    Pattern {
        text: &'a str,
        at_host: bool,
    },
}

/// How a line was taken for something other than it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Note {
    /// Blocks other names too.
    Narrowed,
    /// An exception under conditions, or for one scheme only.
    Widened,
}

/// What a line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Said<'a> {
    pub(super) what: What<'a>,
    pub(super) stance: Stance,
    /// Tells rules about one name apart that are not taken back together; 0 for most.
    pub(super) form: u64,
    /// Takes back what says the same.
    pub(super) taken_back: bool,
    pub(super) note: Option<Note>,
}

/// Who hears what a line says.
pub(super) type Take<'t, 'a> = &'t mut dyn FnMut(Said<'a>) -> Result<(), Refusal>;

/// How lines are read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reader {
    /// Plain names and those of hosts files stand for all that is under them.
    below: bool,
    /// The head of an adblock list was read.
    adblock: bool,
}

impl Reader {
    pub(super) fn new(below: bool) -> Self {
        Self { below, adblock: false }
    }

    /// Reads a line: each name goes to `take`. Empty lines and comments have none.
    pub(super) fn read<'a>(&mut self, line: &'a str, take: Take<'_, 'a>) -> Result<(), Refusal> {
        let line = line.trim_start_matches('\u{feff}').trim();
        let Some(&first) = line.as_bytes().first() else { return Ok(()) };
        if has_controls(line) {
            return Err(Refusal::NotText);
        }
        match first {
            b'!' => {
                self.adblock = true;
                return Ok(());
            }
            b'[' if line.ends_with(']') => {
                self.adblock |= line.to_ascii_lowercase().contains("ad");
                return Ok(());
            }
            b'#' if self.adblock && is_about_pages(line) => return Err(Refusal::NotDns),
            b'#' | b';' => return Ok(()),
            b'@' if line.starts_with("@@") => {
                let rest = line.get(2..).unwrap_or_default();
                return adblock::read(rest, true, take);
            }
            b'|' => return adblock::read(line, false, take),
            b'/' if line.starts_with("//") && !line.contains('^') => return Ok(()),
            _ => {}
        }
        // Only what stands before a blank can be a mark: behind it, `##` begins a comment.
        let end = line.find([' ', '\t']).unwrap_or(line.len());
        let (word, rest) = line.split_at(end);
        if let Some(addr) = address(word) {
            return self.hosts_file(addr, rest, take);
        }
        if word.bytes().any(|b| b == b'#' || b == b'$') && is_about_pages(word) {
            return Err(Refusal::NotDns);
        }
        if first == b'/' {
            return adblock::read(line, false, take);
        }
        for key in ["address=", "server=", "local="] {
            if let Some(rest) = line.strip_prefix(key) {
                return dnsmasq(key, rest, take);
            }
        }
        let word = word.split('#').next().unwrap_or_default();
        let rest = rest.trim_start();
        if !rest.is_empty() && !rest.starts_with('#') {
            return Err(if is_address(word) { Refusal::Address } else { Refusal::Unknown });
        }
        self.plain(word, take)
    }

    /// `0.0.0.0 a.example.com b.example.com`, hosts(5).
    fn hosts_file<'a>(
        self,
        addr: IpAddr,
        names: &'a str,
        take: Take<'_, 'a>,
    ) -> Result<(), Refusal> {
        let names = names.split(['#', ';']).next().unwrap_or_default();
        let mut names = names.split_ascii_whitespace().peekable();
        if names.peek().is_none() {
            return Err(Refusal::Address);
        }
        let mut outcome = Ok(());
        for name in names.filter(|name| !is_own(name)) {
            let taken = if nowhere(addr) { take(self.host(name)) } else { Err(Refusal::Redirect) };
            outcome = outcome.and(taken);
        }
        outcome
    }

    /// A name that stands for itself.
    fn host(self, name: &str) -> Said<'_> {
        let host = name.strip_suffix('.').unwrap_or(name);
        said(host, if self.below { Reach::Below } else { Reach::Alone }, Stance::Block)
    }

    /// `a.example.com`; `*.example.com` and `.example.com` with everything under it.
    fn plain<'a>(self, word: &'a str, take: Take<'_, 'a>) -> Result<(), Refusal> {
        let is_host = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
        if word.starts_with('^') || word.contains(['\\', '(', ')', '{', '}']) {
            return Err(Refusal::Pattern);
        }
        let bare = word.strip_prefix("*.").or_else(|| word.strip_prefix('.'));
        if !bare.unwrap_or(word).bytes().all(is_host) {
            let rule = word.contains(['^', '|', '*', '$']) || word.contains("://");
            return match rule {
                true => adblock::read(word, false, take),
                false if is_address(word) => Err(Refusal::Address),
                false if word.ends_with(':') => Err(Refusal::Unknown),
                false if word.contains(['/', ':']) => Err(Refusal::NotDns),
                false if word.contains([',', ';', '=', '"', '\'', '<', '>', '+', '@']) => {
                    Err(Refusal::Unknown)
                }
                false => take(self.host(word)),
            };
        }
        if self.adblock && (bare.is_some() || word.ends_with('.')) {
            return adblock::read(word, false, take);
        }
        if word.starts_with('-') || word.ends_with(['-', '_']) {
            return Err(Refusal::Pattern);
        }
        match bare {
            Some(host) => {
                take(said(host.strip_suffix('.').unwrap_or(host), Reach::Below, Stance::Block))
            }
            None => take(self.host(word)),
        }
    }
}

fn said(host: &str, reach: Reach, stance: Stance) -> Said<'_> {
    let what = What::Name(Name { host, reach });
    Said { what, stance, form: 0, taken_back: false, note: None }
}

fn has_controls(line: &str) -> bool {
    let odd = |b: u8| (b < 0x20 && b != b'\t') || b >= 0x7f;
    line.bytes().any(odd) && line.contains(|c: char| c.is_control() && c != '\t')
}

/// Whether a word has a mark of a browser's list: `##`, `#@#`, `#$?#`, `$$`, `$@$` and the like.
/// Marks grow in number; all have a second `#` with signs between.
fn is_about_pages(word: &str) -> bool {
    let after = |(at, _): (usize, _)| word.get(at + 1..).unwrap_or_default();
    let cosmetic = word.match_indices('#').map(after).any(|rest| {
        let rest = rest.trim_start_matches(['@', '?', '$', '%']);
        let length = rest.len();
        rest.starts_with('#') && length > 1
    });
    cosmetic || word.contains("$$") || word.contains("$@$")
}

/// The address that a line of a hosts file begins with. An IPv6 address may name its interface
/// behind a `%` (RFC 4007 §11); `0` is short for all zeros.
fn address(word: &str) -> Option<IpAddr> {
    let first = *word.as_bytes().first()?;
    if word == "0.0.0.0" {
        return Some(IpAddr::from([0; 4]));
    }
    if first.is_ascii_digit() && !word.contains(':') {
        return if word == "0" { Some(IpAddr::from([0; 4])) } else { word.parse().ok() };
    }
    word.contains(':').then(|| word.split('%').next().unwrap_or_default().parse().ok())?
}

/// Whether a word is a group of addresses, or an address with a port.
fn is_address(word: &str) -> bool {
    let parts = [word.split('/').next(), word.rsplit_once(':').map(|(addr, _)| addr)];
    let parse = |text: &str| text.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
    parts.into_iter().flatten().any(parse)
}

/// Names that every hosts file gives to the machine itself.
fn is_own(name: &str) -> bool {
    const OWN: [&str; 10] = [
        "localhost",
        "localhost.localdomain",
        "localhost4",
        "localhost4.localdomain4",
        "localhost6",
        "localhost6.localdomain6",
        "local",
        "broadcasthost",
        "0.0.0.0",
        "127.0.0.1",
    ];
    OWN.iter().any(|own| own.eq_ignore_ascii_case(name))
        || name.starts_with("ip6-")
        || name.starts_with("ipv6-")
}

/// `address=/a.example.com/b.example.com/0.0.0.0`, dnsmasq(8): names, then where they are sent.
/// Nowhere is what blocks; `#` is nowhere for an address, and the usual resolver for a server. The
/// longest name counts, so one that is sent elsewhere is free below one that is blocked.
fn dnsmasq<'a>(key: &str, rest: &'a str, take: Take<'_, 'a>) -> Result<(), Refusal> {
    let rest = rest.split(" #").next().unwrap_or_default().trim_end();
    let Some((names, to)) = rest.strip_prefix('/').and_then(|rest| rest.rsplit_once('/')) else {
        return Err(Refusal::Unknown);
    };
    let to_address = key == "address=";
    let blocks = to.is_empty() || (to_address && (to == "#" || to.parse().is_ok_and(nowhere)));
    let redirects = !blocks && to_address;
    let stance = if blocks { Stance::Block } else { Stance::Free };
    let mut outcome = if redirects { Err(Refusal::Redirect) } else { Ok(()) };
    for name in names.split('/') {
        let (host, reach) = match name.strip_prefix("*.") {
            Some(host) => (host, Reach::Under),
            None => (name.strip_prefix('.').unwrap_or(name), Reach::Below),
        };
        let host = host.strip_suffix('.').unwrap_or(host);
        let taken = match host.contains('*') {
            true if blocks => Err(Refusal::Pattern),
            true => Err(Refusal::Exception),
            false => take(said(host, reach, stance)),
        };
        outcome = outcome.and(taken);
    }
    outcome
}

/// The pattern of a name as lists hold it, in `room`: lower case, a leading dot for everything
/// under it, two where the name itself is not meant.
pub(super) fn pattern<'r>(
    name: Name<'_>,
    stance: Stance,
    room: &'r mut String,
) -> Result<&'r str, Refusal> {
    room.clear();
    room.push_str(match name.reach {
        Reach::Alone => "",
        Reach::Below => ".",
        Reach::Under => "..",
    });
    let dots = room.len();
    room.push_str(name.host);
    room.make_ascii_lowercase();
    let host = room.get(dots..).unwrap_or_default();
    if host.starts_with('.') || !is_pattern(host) {
        return Err(no_host(host));
    }
    if dots > 0 && shared(room) && matches!(stance, Stance::Block | Stance::Important) {
        return Err(Refusal::Shared);
    }
    Ok(room)
}

fn no_host(host: &str) -> Refusal {
    if !host.is_ascii() {
        Refusal::NotAscii
    } else if host.parse::<IpAddr>().is_ok() {
        Refusal::Address
    } else if !host.contains('.') && is_pattern(&format!("a.{host}")) {
        Refusal::OneLabel
    } else {
        Refusal::NotAHost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The patterns of a line, exceptions with `@` before them.
    fn taken(line: &str) -> Result<Vec<String>, Refusal> {
        let mut found = Vec::new();
        Reader::default()
            .read(line, &mut |said| {
                let What::Name(name) = said.what else { panic!("a pattern: {line}") };
                let mut room = String::new();
                let mark = match said.stance {
                    Stance::Block => "",
                    Stance::Exception => "@",
                    Stance::Important => "!",
                    Stance::ImportantException => "@!",
                    Stance::Free => "~",
                };
                found.push(format!("{mark}{}", pattern(name, said.stance, &mut room)?));
                Ok(())
            })
            .map(|()| found)
    }

    #[test]
    fn each_form_is_read() {
        for (line, expected) in [
            ("0.0.0.0 a.example.com", &["a.example.com"][..]),
            ("127.0.0.1\ta.example.com  b.example.com # both", &["a.example.com", "b.example.com"]),
            ("::1 localhost ip6-loopback", &[]),
            (":: A.Example.COM.", &["a.example.com"]),
            ("a.example.com", &["a.example.com"]),
            ("  a.example.com   # words", &["a.example.com"]),
            ("*.example.com", &[".example.com"]),
            (".example.com.", &[".example.com"]),
            ("_dmarc.example.com", &["_dmarc.example.com"]),
            ("||example.com^", &[".example.com"]),
            ("||*.example.com^", &["..example.com"]),
            ("||example.com^$important", &["!.example.com"]),
            ("||example.com^$dnsrewrite=NXDOMAIN", &[".example.com"]),
            ("|example.com^", &["example.com"]),
            ("example.com^", &[".example.com"]),
            ("||example.com", &[".example.com"]),
            ("@@|good.example.com^|", &["@good.example.com"]),
            ("@@||good.example.com^$important", &["@!.good.example.com"]),
            ("fe80::1%lo0 localhost", &[]),
            ("255.255.255.255 broadcasthost", &[]),
            ("0.0.0.0 a.example.com  ## words", &["a.example.com"]),
            ("0 a.example.com", &["a.example.com"]),
            ("a.example.com ## words", &["a.example.com"]),
            ("||example.com^|", &[".example.com"]),
            ("@@||good.example.com^", &["@.good.example.com"]),
            ("@@||miui.com^", &["@.miui.com"]),
            ("address=/example.com/", &[".example.com"]),
            ("address=/a.example.com/b.example.com/0.0.0.0", &[".a.example.com", ".b.example.com"]),
            ("address=/example.com/#", &[".example.com"]),
            ("address=/*.example.com/", &["..example.com"]),
            ("server=/example.com/#", &["~.example.com"]),
            ("server=/example.com/192.0.2.53", &["~.example.com"]),
            ("server=/example.com/", &[".example.com"]),
            ("local=/example.com/", &[".example.com"]),
            ("\u{feff}a.example.com", &["a.example.com"]),
            ("xn--bcher-kva.example", &["xn--bcher-kva.example"]),
        ] {
            let expected: Vec<_> = expected.iter().map(ToString::to_string).collect();
            assert_eq!(taken(line), Ok(expected), "{line}");
        }
        for comment in
            ["", "   ", "# words", "! words", "[Adblock Plus 2.0]", "// words", "; words"]
        {
            assert_eq!(taken(comment), Ok(vec![]), "{comment}");
        }
    }

    #[test]
    fn what_is_not_taken_has_its_reason() {
        let label = "a".repeat(64);
        for (line, reason) in [
            ("192.168.1.1 router.example.com", Refusal::Redirect),
            ("address=/example.com/192.0.2.1", Refusal::Redirect),
            ("192.0.2.0/24", Refusal::Address),
            ("192.0.2.0/24 ; words", Refusal::Address),
            ("[2001:db8::1]:443", Refusal::Address),
            ("||example.com^$dnsrewrite=192.0.2.1", Refusal::Redirect),
            ("server=192.0.2.53", Refusal::Unknown),
            ("0.0.0.0", Refusal::Address),
            ("192.0.2.1", Refusal::Address),
            ("||192.0.2.1^", Refusal::Address),
            ("0.0.0.0 com", Refusal::OneLabel),
            ("||com^", Refusal::OneLabel),
            ("||example.com/ads^", Refusal::NotDns),
            ("example.com#$?#.banner", Refusal::NotDns),
            ("example.com#@$?#.banner", Refusal::NotDns),
            ("example.com#@%#banner()", Refusal::NotDns),
            ("example.com$$script[a]", Refusal::NotDns),
            ("example.com$@$script[a]", Refusal::NotDns),
            ("@@||example.com/ads^", Refusal::NotDns),
            ("@@||example.com^$elemhide", Refusal::NotDns),
            ("||example.com.", Refusal::Pattern),
            ("||example.*", Refusal::Pattern),
            ("||a*.example.com^", Refusal::Pattern),
            ("-ads.example.com^", Refusal::Pattern),
            (r"(\.|^)ads\.example\.com$", Refusal::Pattern),
            ("@@/ads/$domain=example.com", Refusal::Exception),
            ("|https://example.com|", Refusal::NotDns),
            ("/banner[0-9]+/", Refusal::Pattern),
            ("/banner.gif", Refusal::NotDns),
            ("https://example.com/a", Refusal::NotDns),
            ("example.com##.banner", Refusal::NotDns),
            ("example.com#@#.banner", Refusal::NotDns),
            ("||example.com^$third-party", Refusal::Condition),
            ("||example.com^$dnstype=AAAA", Refusal::Condition),
            ("||example.com^$all", Refusal::Condition),
            ("||example.com^$document", Refusal::Condition),
            ("||example.com^$new-thing", Refusal::Unknown),
            ("||miui.com^", Refusal::Shared),
            ("*.xiaomi.com", Refusal::Shared),
            ("bücher.example", Refusal::NotAscii),
            ("a..example.com", Refusal::NotAHost),
            ("a.example.com..", Refusal::NotAHost),
            ("*.*.example.com", Refusal::Pattern),
            ("ads*.example.com", Refusal::Pattern),
            ("||ads.*^", Refusal::Pattern),
            ("0.0.0.0 .example.com", Refusal::NotAHost),
            (&format!("{label}.example.com"), Refusal::NotAHost),
            (&"a.".repeat(130), Refusal::NotAHost),
            ("a.example.com\u{1}", Refusal::NotText),
            ("local-zone: \"example.com\" always_nxdomain", Refusal::Unknown),
            ("example.com CNAME .", Refusal::Unknown),
        ] {
            assert_eq!(taken(line), Err(reason), "{line}");
        }
    }

    #[test]
    fn a_line_is_taken_up_to_what_is_wrong_in_it_and_after_it() {
        let mut found = Vec::new();
        let line = "0.0.0.0 a.example.com b..example.com c.example.com";
        let outcome = Reader::default().read(line, &mut |said| {
            let What::Name(name) = said.what else { panic!("a pattern") };
            let mut room = String::new();
            found.push(pattern(name, said.stance, &mut room)?.to_owned());
            Ok(())
        });
        assert_eq!(outcome, Err(Refusal::NotAHost));
        assert_eq!(found, ["a.example.com", "c.example.com"]);
    }
}
