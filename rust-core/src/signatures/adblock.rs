//! One rule of an adblock list, as AdGuard documents them for filtering by names.
//!
//! This module never takes a rule for more than it says. A rule that blocks is taken where it speaks
//! about a name and, perhaps, all that is under it; one that speaks about more is taken for that
//! name, and the report says so. An exception is taken whole, by name or as a
//! [`super::pattern::Pattern`]; where it holds under conditions only it is taken for all of them,
//! because what it frees must not be blocked.

use super::foreign::{Name, Note, Reach, Refusal, Said, Stance, Take, What};
use super::is_pattern;
use super::pattern::body;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;

/// Where a rule's text must stand.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Start {
    /// At the beginning of a label: `||`.
    Label,
    /// At the beginning of the host: `|`, or behind a scheme.
    Host,
    Anywhere,
}

/// What the modifiers of a rule say.
#[derive(Default)]
struct Modifiers<'a> {
    important: bool,
    badfilter: bool,
    /// Holds for some apps, devices, record types.
    limited: bool,
    /// Holds on some pages or for some kinds of content.
    paged: bool,
    /// Says nothing about who may be reached.
    cosmetic: bool,
    unknown: bool,
    rewrite: Option<&'a str>,
    denyallow: Option<&'a str>,
}

/// Reads a rule without its `@@`.
pub(super) fn read<'a>(rule: &'a str, exception: bool, take: Take<'_, 'a>) -> Result<(), Refusal> {
    let (text, options) = split(rule);
    let said = modifiers(options);
    if said.unknown {
        return Err(Refusal::Unknown);
    }
    if said.cosmetic {
        return Err(Refusal::NotDns);
    }
    let redirects = said.rewrite.is_some_and(|to| !blocks(to));
    // An exception from every rewriting is one from those that block.
    if redirects && !(exception && said.rewrite == Some("")) {
        return Err(Refusal::Redirect);
    }
    if said.limited || said.paged || (exception && said.denyallow.is_some()) {
        if !exception {
            return taken_back_or(&said, Refusal::Condition);
        }
        // What holds on some pages only and names no host speaks about parts of pages.
        if said.paged && !names_a_host(text) {
            return Err(Refusal::Exception);
        }
    }
    let shaped = if exception { freed(text) } else { listed(text) };
    let (what, usual, mut note) = match shaped {
        Ok(shaped) => shaped,
        Err(reason) => return taken_back_or(&said, reason),
    };
    let limits = [said.limited, said.paged, said.denyallow.is_some(), said.rewrite.is_some()];
    if exception && limits.contains(&true) {
        note = Some(Note::Widened);
    }
    let stance = match (exception, said.important) {
        (false, false) => Stance::Block,
        (false, true) => Stance::Important,
        (true, false) => Stance::Exception,
        (true, true) => Stance::ImportantException,
    };
    if let (Some(others), What::Name(name)) = (said.denyallow, what)
        && !exception
        && !said.badfilter
    {
        return spared(name, others, said.important, take);
    }
    let form = form(options, (!usual).then_some(text));
    take(Said { what, stance, form, taken_back: said.badfilter, note })
}

/// What takes another rule back needs no name of its own where that one was not taken.
fn taken_back_or(said: &Modifiers<'_>, reason: Refusal) -> Result<(), Refusal> {
    if said.badfilter { Ok(()) } else { Err(reason) }
}

/// The text and the modifiers of a rule; in an expression a `$` is part of it.
fn split(rule: &str) -> (&str, Option<&str>) {
    if rule.starts_with('/')
        && let Some((at, _)) = rule.match_indices("/$").last()
        && at > 0
        && !rule[..at].ends_with('\\')
    {
        return (&rule[..=at], rule.get(at + 2..));
    }
    if rule.len() > 2 && rule.starts_with('/') && rule.ends_with('/') {
        return (rule, None);
    }
    match rule.split_once('$') {
        Some((text, options)) => (text, Some(options)),
        None => (rule, None),
    }
}

fn modifiers(options: Option<&str>) -> Modifiers<'_> {
    let mut said = Modifiers::default();
    let Some(options) = options else { return said };
    for option in options.split(',') {
        let (name, value) = match option.split_once('=') {
            Some((name, value)) => (name, value),
            None => (option, ""),
        };
        match name.strip_prefix('~').unwrap_or(name) {
            "important" => said.important = true,
            "badfilter" => said.badfilter = true,
            "dnsrewrite" => said.rewrite = Some(value),
            "denyallow" => said.denyallow = Some(value),
            "dnstype" | "client" | "ctag" | "app" | "network" => said.limited = true,
            "all" | "doc" | "document" | "popup" | "popunder" | "third-party" | "3p"
            | "first-party" | "1p" | "strict-third-party" | "strict3p" | "strict-first-party"
            | "strict1p" | "domain" | "from" | "to" | "method" | "header" | "match-case"
            | "script" | "image" | "stylesheet" | "css" | "object" | "object-subrequest"
            | "subdocument" | "frame" | "xmlhttprequest" | "xhr" | "websocket" | "webrtc"
            | "font" | "media" | "ping" | "beacon" | "other" | "webtransport" | "cname"
            | "ipaddress" | "sitekey" | "top" | "url" => said.paged = true,
            "content" | "elemhide" | "ehide" | "generichide" | "ghide" | "specifichide"
            | "shide" | "genericblock" | "jsinject" | "urlblock" | "extension" | "stealth"
            | "csp" | "cookie" | "hls" | "jsonprune" | "xmlprune" | "permissions" | "redirect"
            | "redirect-rule" | "rewrite" | "referrerpolicy" | "removeheader" | "removeparam"
            | "queryprune" | "replace" | "urltransform" | "uritransform" | "urlskip"
            | "inline-script" | "inline-font" | "empty" | "mp4" => said.cosmetic = true,
            _ => said.unknown = true,
        }
    }
    said
}

/// Whether an answer leads nowhere: the value of `dnsrewrite`, `RCODE;TYPE;VALUE` or short.
fn blocks(answer: &str) -> bool {
    let mut parts = answer.split(';');
    let first = parts.next().unwrap_or_default();
    match (first, parts.next(), parts.next()) {
        ("NXDOMAIN" | "REFUSED" | "SERVFAIL", _, _) | ("NOERROR", Some(""), Some("")) => true,
        ("NOERROR", None, _) => true,
        ("NOERROR", Some(_), Some(value)) => value.parse().is_ok_and(nowhere),
        (value, None, _) => value.parse().is_ok_and(nowhere),
        _ => false,
    }
}

pub(super) fn nowhere(addr: IpAddr) -> bool {
    addr.is_unspecified() || addr.is_loopback()
}

/// A number that two rules share which are the same apart from `important` and `badfilter`, beside
/// their name: 0 for the usual form of one without modifiers.
fn form(options: Option<&str>, text: Option<&str>) -> u64 {
    let own = |option: &&str| !matches!(*option, "important" | "badfilter");
    let mut options: Vec<_> = options.unwrap_or_default().split(',').filter(own).collect();
    options.retain(|option| !option.is_empty());
    if options.is_empty() && text.is_none() {
        return 0;
    }
    options.sort_unstable();
    let mut hasher = DefaultHasher::new();
    (options, text).hash(&mut hasher);
    hasher.finish().max(1)
}

/// A rule's text in parts: where it stands, what it is, and whether the host ends with it.
fn parts(text: &str) -> (Start, &str, bool) {
    let (start, rest) = if let Some(rest) = text.strip_prefix("||") {
        (Start::Label, rest)
    } else if let Some(rest) = text.strip_prefix("://").or_else(|| text.strip_prefix('|')) {
        (Start::Host, rest)
    } else if let Some(rest) = ["http://", "https://"].iter().find_map(|s| text.strip_prefix(s)) {
        (Start::Host, rest)
    } else {
        (Start::Anywhere, text)
    };
    let (body, end) = body(rest);
    (start, body, end)
}

/// Whether a rule names one host, whatever else is under it.
fn names_a_host(text: &str) -> bool {
    let (_, body, end) = parts(without_scheme(text));
    end && is_host(body.strip_prefix("*.").unwrap_or(body))
}

fn is_host(text: &str) -> bool {
    !text.starts_with('.') && is_pattern(&text.to_ascii_lowercase())
}

fn is_page(body: &str) -> bool {
    body.contains(['/', ':', '?', '=', '&', '%', ',', ';', '~', '+'])
}

fn is_regex(text: &str) -> bool {
    text.len() > 2 && text.starts_with('/') && text.ends_with('/')
}

type Shaped<'a> = (What<'a>, bool, Option<Note>);

/// The names that a rule blocks, whether they are written in the usual form, and whether it blocks
/// more than them.
fn listed(text: &str) -> Result<Shaped<'_>, Refusal> {
    if is_regex(text) {
        return Err(Refusal::Pattern);
    }
    let (start, body, end) = parts(text);
    if is_page(body) {
        return Err(page(body));
    }
    if body.contains(['^', '|', '$']) {
        return Err(Refusal::NotDns);
    }
    let under = match start {
        Start::Label => body.strip_prefix("*."),
        Start::Host => None,
        Start::Anywhere => body.strip_prefix('*').unwrap_or(body).strip_prefix('.'),
    };
    let host = under.unwrap_or(body);
    if host.contains('*') || (!end && host.ends_with(['.', '-', '_'])) {
        return Err(Refusal::Pattern);
    }
    if start == Start::Anywhere && host.starts_with(['-', '_']) {
        return Err(Refusal::Pattern);
    }
    if start != Start::Anywhere && (host.starts_with('.') || host.ends_with('.')) {
        return Err(Refusal::NotAHost);
    }
    if start == Start::Anywhere && under.is_none() && !host.contains('.') {
        return Err(Refusal::Pattern);
    }
    let reach = match (under, start) {
        (Some(_), _) => Reach::Under,
        (None, Start::Host) => Reach::Alone,
        (None, _) => Reach::Below,
    };
    let whole = end && (start != Start::Anywhere || under.is_some());
    let usual =
        matches!(text.strip_suffix('^'), Some(rest) if rest.strip_prefix("||") == Some(body));
    Ok((What::Name(Name { host, reach }), usual, (!whole).then_some(Note::Narrowed)))
}

/// What a body that is no host's is about: a port belongs to an address, the others to pages.
fn page(body: &str) -> Refusal {
    if body.parse::<IpAddr>().is_ok() || body.trim_matches(['[', ']']).parse::<IpAddr>().is_ok() {
        Refusal::Address
    } else {
        Refusal::NotDns
    }
}

/// The same for an exception, taken whole.
fn freed(text: &str) -> Result<Shaped<'_>, Refusal> {
    if is_regex(text) {
        return Ok((What::Pattern { text, at_host: false }, false, None));
    }
    let bare = without_scheme(text);
    let note = (bare.len() != text.len()).then_some(Note::Widened);
    let (start, body, end) = parts(bare);
    if is_page(body) {
        return Err(page(body));
    }
    if body.parse::<IpAddr>().is_ok() {
        return Err(Refusal::Address);
    }
    if !body.is_ascii() {
        return Err(Refusal::NotAscii);
    }
    let usual =
        matches!(bare.strip_suffix('^'), Some(rest) if rest.strip_prefix("||") == Some(body));
    let named = |host, reach| Ok((What::Name(Name { host, reach }), usual, note));
    match (start, body.strip_prefix("*."), end) {
        (Start::Label, Some(host), true) if is_host(host) => named(host, Reach::Under),
        (Start::Label, None, true) if is_host(body) => named(body, Reach::Below),
        (Start::Host, _, true) if is_host(body) => named(body, Reach::Alone),
        (Start::Anywhere, Some(host), true) if is_host(host) => named(host, Reach::Under),
        (Start::Anywhere, None, true) if body.strip_prefix('.').is_some_and(is_host) => {
            named(body.trim_start_matches('.'), Reach::Under)
        }
        // `://x` and `http://x` stand at the beginning of the host, for which patterns say `|`.
        (Start::Host, _, _) => {
            let rest = bare.trim_start_matches("http://").trim_start_matches("https://");
            let rest = rest.trim_start_matches("://").trim_start_matches('|');
            Ok((What::Pattern { text: rest, at_host: true }, false, note))
        }
        _ => Ok((What::Pattern { text: bare, at_host: false }, false, note)),
    }
}

/// A rule without the scheme that it is limited to: `|https://x^` is `|x^`.
fn without_scheme(text: &str) -> &str {
    let Some(rest) = text.strip_prefix('|').filter(|rest| !rest.starts_with('|')) else {
        return text;
    };
    match rest.find("://") {
        Some(at) if rest[..at].bytes().all(|b| b.is_ascii_alphabetic() || b == b'*') => &rest[at..],
        _ => text,
    }
}

/// `||x^$denyallow=a.x|b.x`: the name, and those below that this rule spares. A name above spares
/// all of it.
fn spared<'a>(
    name: Name<'a>,
    others: &'a str,
    important: bool,
    take: Take<'_, 'a>,
) -> Result<(), Refusal> {
    let under = |host: &str, above: &str| {
        let rest = host.len().checked_sub(above.len()).and_then(|at| host.split_at_checked(at));
        rest.is_some_and(|(rest, end)| {
            end.eq_ignore_ascii_case(above) && (rest.is_empty() || rest.ends_with('.'))
        })
    };
    let mut others = others.split('|').filter(|other| !other.is_empty()).peekable();
    // What is spared would have to be told from what another important rule blocks.
    let whole = others.clone().any(|other| under(name.host, other));
    if important || whole || others.peek().is_none() {
        return Err(Refusal::Condition);
    }
    let said = |name, stance| Said {
        what: What::Name(name),
        stance,
        form: 1,
        taken_back: false,
        note: None,
    };
    take(said(name, Stance::Block))?;
    let mut outcome = Ok(());
    for host in others.filter(|other| under(other, name.host)) {
        let other = Name { host, reach: Reach::Below };
        outcome = outcome.and(take(said(other, Stance::Free)));
    }
    outcome
}
