//! One line of a list as others write it: hosts files, plain names, adblock rules, dnsmasq.
//!
//! This module never keeps a line and never guesses: what it cannot turn into hosts is told with
//! the reason. Each line is judged by itself, so one file may mix the forms.

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
        /// A rule that holds under conditions only.
        Condition = "condition",
        /// Too much that is no telemetry lives under the name.
        Shared = "shared",
        /// A form that is not known here.
        Unknown = "unknown-form",
    }
);

/// What a line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Name<'a> {
    /// Without dots before or behind it, any case.
    pub(super) host: &'a str,
    /// Everything under it too.
    pub(super) under: bool,
    /// Left alone, whatever else the list says.
    pub(super) exception: bool,
}

/// Reads a line: each name goes to `take`. Empty lines and comments have none.
pub(super) fn read<'a>(
    line: &'a str,
    take: &mut dyn FnMut(Name<'a>) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    let line = line.trim_start_matches('\u{feff}').trim();
    if line.is_empty() || line.starts_with(['#', '!', '[', ';']) || line.starts_with("//") {
        return Ok(());
    }
    if line.contains(|c: char| c.is_control() && c != '\t') {
        return Err(Refusal::NotText);
    }
    if let Some(rest) = line.strip_prefix("@@") {
        return adblock(rest, true, take);
    }
    if line.starts_with('|') || line.starts_with('/') {
        return adblock(line, false, take);
    }
    let parts = ["##", "#@#", "#?#", "#$#", "#%#"];
    if line.contains('#') && parts.iter().any(|mark| line.contains(mark)) {
        return Err(Refusal::NotDns);
    }
    for key in ["address=", "server=", "local="] {
        if let Some(rest) = line.strip_prefix(key) {
            return dnsmasq(key, rest, take);
        }
    }
    let line = line.split('#').next().unwrap_or_default().trim();
    let mut words = line.split_ascii_whitespace();
    let first = words.next().unwrap_or_default();
    match first.parse::<IpAddr>() {
        Ok(addr) => hosts_file(addr, words, take),
        Err(_) if words.next().is_some() => Err(Refusal::Unknown),
        Err(_) => plain(first, take),
    }
}

/// `0.0.0.0 a.example.com b.example.com`, hosts(5).
fn hosts_file<'a>(
    addr: IpAddr,
    names: impl Iterator<Item = &'a str>,
    take: &mut dyn FnMut(Name<'a>) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    let mut names = names.peekable();
    if names.peek().is_none() {
        return Err(Refusal::Address);
    }
    let mut outcome = Ok(());
    for name in names.filter(|name| !is_own(name)) {
        let taken = if addr.is_unspecified() || addr.is_loopback() {
            take(Name { host: trimmed(name), under: false, exception: false })
        } else {
            Err(Refusal::Redirect)
        };
        outcome = outcome.and(taken);
    }
    outcome
}

/// Names that every hosts file gives to the machine itself.
fn is_own(name: &str) -> bool {
    const OWN: [&str; 6] =
        ["localhost", "localhost.localdomain", "local", "broadcasthost", "0.0.0.0", "127.0.0.1"];
    OWN.contains(&name) || name.starts_with("ip6-")
}

/// `a.example.com`; `*.example.com` and `.example.com` with everything under it.
fn plain<'a>(
    word: &'a str,
    take: &mut dyn FnMut(Name<'a>) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    if word.contains("://") || word.contains('/') {
        return Err(Refusal::NotDns);
    }
    let (host, under) = under(word);
    take(Name { host: trimmed(host), under, exception: false })
}

fn under(word: &str) -> (&str, bool) {
    match word.strip_prefix("*.").or_else(|| word.strip_prefix('.')) {
        Some(host) => (host, true),
        None => (word, false),
    }
}

fn trimmed(host: &str) -> &str {
    host.strip_suffix('.').unwrap_or(host)
}

/// `||example.com^`, with the few options that mean nothing to a name.
fn adblock<'a>(
    rule: &'a str,
    exception: bool,
    take: &mut dyn FnMut(Name<'a>) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    let Some(rest) = rule.strip_prefix("||") else { return Err(Refusal::NotDns) };
    let (rest, options) = match rest.split_once('$') {
        Some((rest, options)) => (rest, options),
        None => (rest, ""),
    };
    let host = rest.strip_suffix("^|").or_else(|| rest.strip_suffix('^')).unwrap_or(rest);
    if host.contains(['/', '|', '^', ':', '?', '=']) {
        return Err(Refusal::NotDns);
    }
    let unconditional = |option: &str| matches!(option, "" | "important" | "all" | "document");
    if !options.split(',').all(unconditional) {
        return Err(Refusal::Condition);
    }
    take(Name { host: trimmed(under(host).0), under: true, exception })
}

/// `address=/a.example.com/b.example.com/0.0.0.0`, dnsmasq(8): names, then where they are sent.
/// Nowhere is what blocks; `#` is nowhere for an address, and the usual resolver for a server.
fn dnsmasq<'a>(
    key: &str,
    rest: &'a str,
    take: &mut dyn FnMut(Name<'a>) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    let rest = rest.split(" #").next().unwrap_or_default().trim_end();
    let Some((names, to)) = rest.strip_prefix('/').and_then(|rest| rest.rsplit_once('/')) else {
        return Err(Refusal::Unknown);
    };
    let nowhere = |addr: IpAddr| addr.is_unspecified() || addr.is_loopback();
    let blocks =
        to.is_empty() || (key == "address=" && (to == "#" || to.parse().is_ok_and(nowhere)));
    if !blocks {
        return Err(Refusal::Redirect);
    }
    let mut outcome = Ok(());
    for name in names.split('/') {
        let taken = take(Name { host: trimmed(under(name).0), under: true, exception: false });
        outcome = outcome.and(taken);
    }
    outcome
}

/// The pattern of a name as lists hold it, in `room`: lower case, a leading dot for everything
/// under it.
pub(super) fn pattern<'r>(name: Name<'_>, room: &'r mut String) -> Result<&'r str, Refusal> {
    room.clear();
    if !name.host.is_ascii() {
        return Err(Refusal::NotAscii);
    }
    if name.under {
        room.push('.');
    }
    room.push_str(name.host);
    room.make_ascii_lowercase();
    if name.host.parse::<IpAddr>().is_ok() {
        return Err(Refusal::Address);
    }
    if !name.host.contains('.') && is_pattern(&format!("a.{}", name.host.to_ascii_lowercase())) {
        return Err(Refusal::OneLabel);
    }
    if !is_pattern(room) {
        return Err(Refusal::NotAHost);
    }
    if shared(room) && !name.exception {
        return Err(Refusal::Shared);
    }
    Ok(room)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The patterns of a line, exceptions with `@` before them.
    fn taken(line: &str) -> Result<Vec<String>, Refusal> {
        let mut found = Vec::new();
        read(line, &mut |name| {
            let mut room = String::new();
            let mark = if name.exception { "@" } else { "" };
            found.push(format!("{mark}{}", pattern(name, &mut room)?));
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
            ("||*.example.com^", &[".example.com"]),
            ("||example.com^$important", &[".example.com"]),
            ("||example.com^|", &[".example.com"]),
            ("@@||good.example.com^", &["@.good.example.com"]),
            ("@@||miui.com^", &["@.miui.com"]),
            ("address=/example.com/", &[".example.com"]),
            ("address=/a.example.com/b.example.com/0.0.0.0", &[".a.example.com", ".b.example.com"]),
            ("address=/example.com/#", &[".example.com"]),
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
            ("server=/example.com/192.0.2.53", Refusal::Redirect),
            ("server=/example.com/#", Refusal::Redirect),
            ("server=192.0.2.53", Refusal::Unknown),
            ("0.0.0.0", Refusal::Address),
            ("192.0.2.1", Refusal::Address),
            ("||192.0.2.1^", Refusal::Address),
            ("0.0.0.0 com", Refusal::OneLabel),
            ("||com^", Refusal::OneLabel),
            ("||example.com/ads^", Refusal::NotDns),
            ("|https://example.com|", Refusal::NotDns),
            ("/banner[0-9]+/", Refusal::NotDns),
            ("https://example.com/a", Refusal::NotDns),
            ("example.com##.banner", Refusal::NotDns),
            ("example.com#@#.banner", Refusal::NotDns),
            ("||example.com^$third-party", Refusal::Condition),
            ("||example.com^$dnstype=AAAA", Refusal::Condition),
            ("||example.com^$badfilter", Refusal::Condition),
            ("||miui.com^", Refusal::Shared),
            ("*.xiaomi.com", Refusal::Shared),
            ("bücher.example", Refusal::NotAscii),
            ("a..example.com", Refusal::NotAHost),
            ("a.example.com..", Refusal::NotAHost),
            ("*.*.example.com", Refusal::NotAHost),
            ("ads*.example.com", Refusal::NotAHost),
            ("||ads.*^", Refusal::NotAHost),
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
        let outcome = read("0.0.0.0 a.example.com b..example.com c.example.com", &mut |name| {
            let mut room = String::new();
            found.push(pattern(name, &mut room)?.to_owned());
            Ok(())
        });
        assert_eq!(outcome, Err(Refusal::NotAHost));
        assert_eq!(found, ["a.example.com", "c.example.com"]);
    }
}
