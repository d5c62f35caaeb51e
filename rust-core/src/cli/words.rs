//! Words for people, shared by the commands. Never prints a control character that came from a
//! peer: a terminal would obey it.

use crate::decode::kinds::mentions_address;
use crate::decode::telling;
use crate::event::{
    App, Event, Field, IdKind, Kind, Problem, ProblemCode, Protocol, ReasonCode, State, Verdict,
};
use crate::signatures::Region;
use anstyle::{AnsiColor, Style};

/// Longest text of a peer in a sentence, characters.
const LONGEST: usize = 160;

/// A text from outside on one line: control and direction characters replaced, cut at `longest`
/// characters.
pub(crate) fn clean(text: &str, longest: usize) -> String {
    let unsafe_here = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let mut out = String::new();
    for (n, c) in text.chars().enumerate() {
        if n == longest {
            out.push('…');
            break;
        }
        out.push(if unsafe_here(c) { '·' } else { c });
    }
    out
}

/// A data kind in words, for a list.
pub(crate) const fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::VisitedPage => "visited page",
        Kind::Search => "search",
        Kind::ContentViewed => "content viewed",
        Kind::FeatureUsed => "screen or feature used",
        Kind::MediaPlayed => "media played",
        Kind::Download => "download",
        Kind::Identifier => "identifiers",
        Kind::Account => "account",
        Kind::DeviceFact => "device facts",
        Kind::Location => "location",
        Kind::NetworkFact => "network facts",
        Kind::InstalledApps => "installed apps",
        Kind::Crash => "crash",
        Kind::Advertising => "advertising",
        Kind::Other => "other",
    }
}

/// What an identifier identifies, in words.
pub(crate) const fn id_kind(kind: IdKind) -> &'static str {
    match kind {
        IdKind::AndroidId => "Android ID",
        IdKind::Imei => "IMEI",
        IdKind::Oaid => "OAID",
        IdKind::Gaid => "Google advertising ID",
        IdKind::Vaid => "VAID",
        IdKind::Mac => "MAC address",
        IdKind::Serial => "serial number",
        IdKind::Imsi => "IMSI",
        IdKind::Iccid => "number of the SIM card",
        IdKind::Utdid => "UTDID",
        IdKind::InstanceId => "instance ID",
        IdKind::DistinctId => "distinct ID",
        IdKind::AnonymousId => "anonymous ID",
        IdKind::LoginId => "login ID",
        IdKind::CookieId => "cookie ID",
        IdKind::MiAccount => "Mi account",
        IdKind::Phone => "phone number",
        IdKind::Email => "e-mail address",
        IdKind::AndroidIdHash => "hash of the Android ID",
        IdKind::ImeiHash => "hash of the IMEI",
        IdKind::OaidHash => "hash of the OAID",
        IdKind::GaidHash => "hash of the Google advertising ID",
        IdKind::MacHash => "hash of the MAC address",
        IdKind::SerialHash => "hash of the serial number",
        IdKind::PhoneHash => "hash of the phone number",
        IdKind::EmailHash => "hash of the e-mail address",
        IdKind::DeviceIdHash => "hash of a device ID",
    }
}

/// The name of a format as its vendor writes it; nothing where none was recognised.
pub(crate) const fn protocol(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Sensors => "Sensors Analytics",
        Protocol::Onetrack | Protocol::OnetrackPlain => "OneTrack",
        Protocol::OnetrackPubsub => "OneTrack over Pub/Sub",
        Protocol::MiuiAnalytics => "com.miui.analytics",
        Protocol::Mistat => "MiStat",
        Protocol::Mistat3 => "MiStat 3",
        Protocol::MistatCrash => "MiStat crash report",
        Protocol::Umeng => "Umeng",
        Protocol::Ut => "Alibaba UT",
        Protocol::Sls => "Alibaba SLS",
        Protocol::Mixpanel => "Mixpanel",
        Protocol::Unknown => "",
    }
}

/// What became of it, as a participle.
pub(crate) const fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Allow => "allowed",
        Verdict::Record => "recorded",
        Verdict::Capture => "captured",
        Verdict::Block => "blocked",
    }
}

/// Where the phones of a region are sold.
pub(super) fn sold(region: Region) -> &'static str {
    match region {
        Region::China => "in China",
        Region::India => "in India",
        Region::Russia => "in Russia",
        Region::World => "outside China",
    }
}

/// A sign, a word and a colour for a state; the colour never stands alone.
pub(crate) const fn state(state: State) -> (&'static str, &'static str, Style) {
    let (sign, word, color) = match state {
        State::Decoded => ("●", "decoded", AnsiColor::Yellow),
        State::Encrypted => ("◆", "encrypted", AnsiColor::Cyan),
        State::Undecodable => ("?", "undecodable", AnsiColor::Magenta),
        State::Blocked => ("✕", "stopped", AnsiColor::Green),
    };
    (sign, word, color.on_default())
}

/// Who: the package, else the uid.
pub(crate) fn app(app: &App) -> String {
    let owner = match (&app.package, app.uid) {
        (Some(package), _) => clean(package, LONGEST),
        (None, Some(uid)) => format!("uid {uid}"),
        (None, None) => "unknown app".to_owned(),
    };
    match &app.hint {
        Some(hint) if app.package.as_ref() != Some(hint) => {
            format!("{owner} (for {})", clean(hint, LONGEST))
        }
        _ => owner,
    }
}

/// To whom: the name, else the address.
pub(crate) fn target(event: &Event) -> String {
    match (&event.host, &event.server) {
        (Some(host), _) => clean(host, LONGEST),
        (None, Some(server)) => server.addr.to_string(),
        (None, None) => "an unknown host".to_owned(),
    }
}

/// Where the server's address is registered and who runs it: `Singapore, Alibaba Cloud`.
pub(crate) fn place(event: &Event) -> Option<String> {
    let server = event.server.as_ref()?;
    let country = server.country.as_deref().map(|code| super::countries::name(code).to_owned());
    let operator = server.operator.as_deref().map(|name| clean(name, LONGEST));
    let parts: Vec<_> = country.into_iter().chain(operator).collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// `1 event`, `2 events`.
pub(crate) fn count(number: u64, one: &str) -> String {
    format!("{number} {one}{}", if number == 1 { "" } else { "s" })
}

/// A size in decimal units, as network people count.
pub(crate) fn bytes(number: u64) -> String {
    let mut unit = "B";
    #[allow(clippy::cast_precision_loss)] // Rounded to one digit anyway.
    let mut value = number as f64;
    for larger in ["kB", "MB", "GB", "TB"] {
        if value < 999.95 {
            break;
        }
        value /= 1000.0;
        unit = larger;
    }
    if unit == "B" { format!("{number} B") } else { format!("{value:.1} {unit}") }
}

/// What happened, as the end of a sentence that begins with the app.
pub(crate) fn sentence(event: &Event) -> String {
    match event.state {
        State::Blocked => {
            let (to, front, why) = (target(event), front(event), because(event));
            format!("was stopped before sending anything to {to}{front}{why}")
        }
        State::Encrypted => {
            let (to, front, size) = (target(event), front(event), size(event));
            format!("sent something encrypted to {to}{front}{size}")
        }
        State::Undecodable => {
            format!("sent something unreadable to {}{}{}", target(event), size(event), why(event))
        }
        State::Decoded => {
            let end = if event.verdict == Some(Verdict::Capture) {
                "; it was answered here and did not leave"
            } else {
                ""
            };
            format!("{}{end}", report(event))
        }
    }
}

fn because(event: &Event) -> &'static str {
    match event.reason.as_ref().map(|reason| reason.code) {
        Some(ReasonCode::ResolverBypass) => ", which resolves names past the phone",
        _ => "",
    }
}

/// Whether the name in clear may stand for another.
fn front(event: &Event) -> &'static str {
    let hidden = |problem: &Problem| {
        (problem.code, &*problem.path) == (ProblemCode::Encrypted, Problem::HOST)
    };
    if event.problems.iter().any(hidden) { " (the outer name; ECH may hide another)" } else { "" }
}

fn size(event: &Event) -> String {
    event
        .bytes
        .map_or_else(String::new, |b| format!(" ({} up, {} down)", bytes(b.up), bytes(b.down)))
}

fn why(event: &Event) -> String {
    event.problems.first().map_or_else(String::new, |problem| format!(": {}", problem.code))
}

/// Kinds that are told with what was seen, also where another kind leads.
const TOLD: [Kind; 4] = [Kind::VisitedPage, Kind::Search, Kind::ContentViewed, Kind::MediaPlayed];

/// The kind that tells most first, with its value, then the other kinds.
fn report(event: &Event) -> String {
    let place = |kind: &&Kind| telling::place(event.event.as_deref(), **kind);
    let Some(first) = event.kinds.iter().min_by_key(place) else {
        return match &event.event {
            Some(name) => format!("sent an event \"{}\"", clean(name, LONGEST)),
            None => "sent an event that tells nothing about its owner".to_owned(),
        };
    };
    let mut rest: Vec<Kind> = event.kinds.clone();
    rest.retain(|kind| kind != first && *kind != Kind::Other);
    rest.sort_unstable();
    rest.dedup();
    let rest: Vec<String> = rest
        .iter()
        .map(|kind| match headline(event, *kind).filter(|_| TOLD.contains(kind)) {
            Some(value) => format!("{}: {value}", self::kind(*kind)),
            None => self::kind(*kind).to_owned(),
        })
        .collect();
    let with = if rest.is_empty() { "" } else { ", with " };
    format!("{}{with}{}", lead(event, *first), rest.join(", "))
}

/// The value that tells most of a kind; a search with where it was made, what was used with what
/// was done there. A location is all of its values: latitude and longitude may be the same number.
fn headline(event: &Event, of: Kind) -> Option<String> {
    if of == Kind::Location {
        let places = event.fields.iter().filter(|field| field.kind == of);
        let values: Vec<_> = places.map(|field| field.value.as_str()).collect();
        return (!values.is_empty()).then(|| clean(&values.join(", "), LONGEST));
    }
    let value = clean(&telling::headline(&event.fields, of)?.value, LONGEST);
    let is_engine = |field: &&Field| field.kind == of && field.path.ends_with("engine");
    let beside = match of {
        Kind::Search => {
            let engine = event.fields.iter().find(is_engine);
            engine.map(|engine| format!("on {}", clean(&engine.value, LONGEST)))
        }
        Kind::FeatureUsed => event.event.as_ref().map(|name| clean(name, LONGEST)),
        _ => None,
    };
    Some(match beside.filter(|beside| *beside != value) {
        Some(beside) => format!("{value} ({beside})"),
        None => value,
    })
}

fn lead(event: &Event, first: Kind) -> String {
    let value = headline(event, first);
    let told = |words: &str| match &value {
        Some(value) => format!("reported {words}: {value}"),
        None => format!("reported {words}"),
    };
    match first {
        Kind::VisitedPage => told("a visited page"),
        Kind::Search => told("a search"),
        Kind::ContentViewed => told("content viewed"),
        Kind::FeatureUsed => told("a screen or feature used"),
        Kind::MediaPlayed => told("media played"),
        Kind::Download => told("a download"),
        Kind::Account => told("an account"),
        Kind::Location => told("a location"),
        Kind::Crash => told("a crash"),
        Kind::Identifier => {
            let mut kinds: Vec<&str> = event.ids.iter().map(|i| id_kind(i.kind)).collect();
            kinds.sort_unstable();
            kinds.dedup();
            let names = if kinds.is_empty() { "identifiers".to_owned() } else { kinds.join(", ") };
            format!("reported {names}")
        }
        Kind::InstalledApps => "reported installed apps".to_owned(),
        Kind::Other if value.as_deref().is_some_and(mentions_address) => {
            format!("mentioned an address: {}", value.unwrap_or_default())
        }
        Kind::DeviceFact | Kind::NetworkFact | Kind::Advertising | Kind::Other => {
            let words = if first == Kind::Other { "something else" } else { kind(first) };
            match &event.event {
                Some(name) => format!("reported {words} in an event \"{}\"", clean(name, LONGEST)),
                None => format!("reported {words}"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Bytes, Identifier, Reason};

    fn event(state: State) -> Event {
        Event { host: Some("sa.example".to_owned()), ..Event::empty(state) }
    }

    #[test]
    fn a_location_of_equal_numbers_keeps_both() {
        let body = br#"[{"H":{"event":"e","app_id":"1"},"B":{"lat":12.5,"lng":12.5,"net":"x"}}]"#;
        let request = crate::http::Request {
            body: body.to_vec(),
            body_size: body.len() as u64,
            ..Default::default()
        };
        let events = crate::decode::events(None, None, &request);
        let words = sentence(&events[0]);
        assert!(words.contains("reported a location: 12.5, 12.5"), "{words}");
    }

    fn field(value: &str, kind: Kind) -> Field {
        Field { path: "p".into(), value: value.into(), kind }
    }

    #[test]
    fn each_state_has_its_sentence() {
        let blocked = "was stopped before sending anything to sa.example";
        assert_eq!(sentence(&event(State::Blocked)), blocked);
        let reason = Reason { code: ReasonCode::ResolverBypass, rule: None, list: None };
        let bypass = Event { reason: Some(reason), ..event(State::Blocked) };
        let text = format!("{blocked}, which resolves names past the phone");
        assert_eq!(sentence(&bypass), text);
        let encrypted =
            Event { bytes: Some(Bytes { up: 812, down: 1234 }), ..event(State::Encrypted) };
        let text = "sent something encrypted to sa.example (812 B up, 1.2 kB down)";
        assert_eq!(sentence(&encrypted), text);
        let problem = Problem { code: ProblemCode::Unsupported, path: String::new() };
        let unread = Event { problems: vec![problem], ..event(State::Undecodable) };
        let text = "sent something unreadable to sa.example: unsupported";
        assert_eq!(sentence(&unread), text);
    }

    #[test]
    fn the_kind_that_tells_most_leads() {
        let page = Event {
            kinds: vec![Kind::VisitedPage, Kind::Identifier, Kind::DeviceFact],
            fields: vec![
                field("Redmi", Kind::DeviceFact),
                field("https://a.example/", Kind::VisitedPage),
            ],
            ..event(State::Decoded)
        };
        let text = "reported a visited page: https://a.example/, with identifiers, device facts";
        assert_eq!(sentence(&page), text);
        let captured = Event { verdict: Some(Verdict::Capture), ..page };
        assert!(sentence(&captured).ends_with("; it was answered here and did not leave"));
    }

    #[test]
    fn a_search_tells_the_words_and_then_the_engine() {
        let field = |path: &str, value: &str| Field {
            path: path.into(),
            value: value.into(),
            kind: Kind::Search,
        };
        let search = Event {
            kinds: vec![Kind::Search],
            fields: vec![
                field("properties.used_searchengine", "duckduckgo"),
                field("properties.search_method", "input"),
                field("properties.search_word", "weather"),
            ],
            ..event(State::Decoded)
        };
        assert_eq!(sentence(&search), "reported a search: weather (on duckduckgo)");
        let engine_only = Event { fields: search.fields[..2].to_vec(), ..search };
        assert_eq!(sentence(&engine_only), "reported a search");
    }

    #[test]
    fn what_was_used_is_told_with_what_was_done_there() {
        let used = |name: &str, value: &str| Event {
            event: Some(name.to_owned()),
            kinds: vec![Kind::FeatureUsed],
            fields: vec![field(value, Kind::FeatureUsed)],
            ..event(State::Decoded)
        };
        let folder = sentence(&used("open_folder", "Games"));
        assert_eq!(folder, "reported a screen or feature used: Games (open_folder)");
        let bar = sentence(&used("status_bar", "status_bar"));
        assert_eq!(bar, "reported a screen or feature used: status_bar");
    }

    #[test]
    fn a_search_on_a_page_tells_both() {
        let field =
            |path: &str, value: &str, kind| Field { path: path.into(), value: value.into(), kind };
        let event = Event {
            event: Some("$WebClick".to_owned()),
            kinds: vec![Kind::VisitedPage, Kind::Search, Kind::DeviceFact],
            fields: vec![
                field("$url", "https://a.example/", Kind::VisitedPage),
                field("keyword", "monsoon", Kind::Search),
            ],
            ..event(State::Decoded)
        };
        let page =
            "reported a visited page: https://a.example/, with search: monsoon, device facts";
        assert_eq!(sentence(&event), page);
        let search = Event { event: Some("search_click".to_owned()), ..event };
        let words =
            "reported a search: monsoon, with visited page: https://a.example/, device facts";
        assert_eq!(sentence(&search), words);
    }

    #[test]
    fn an_address_that_nothing_calls_a_page_is_mentioned() {
        let event = Event {
            kinds: vec![Kind::Other],
            fields: vec![field("7", Kind::Other), field("https://a.example/", Kind::Other)],
            ..event(State::Decoded)
        };
        assert_eq!(sentence(&event), "mentioned an address: https://a.example/");
    }

    #[test]
    fn identifiers_are_named_and_not_told() {
        let id = |kind| Identifier { kind, value: "secret".into(), path: "".into() };
        let event = Event {
            kinds: vec![Kind::Identifier],
            ids: vec![id(IdKind::Oaid), id(IdKind::Imei), id(IdKind::Oaid)],
            ..event(State::Decoded)
        };
        assert_eq!(sentence(&event), "reported IMEI, OAID");
    }

    #[test]
    fn an_event_of_no_kind_is_named() {
        let event = Event { event: Some("heartbeat".to_owned()), ..event(State::Decoded) };
        assert_eq!(sentence(&event), "sent an event \"heartbeat\"");
    }

    #[test]
    fn a_terminal_gets_no_control_characters_from_peers() {
        assert_eq!(clean("a\x1b[31mb\r\n\u{202e}c\u{9b}", 99), "a·[31mb···c·");
        assert_eq!(clean("погода", 3), "пог…");
        let page = Event {
            kinds: vec![Kind::VisitedPage],
            fields: vec![field("\x1b]0;title\x07", Kind::VisitedPage)],
            host: Some("\x1bhost".to_owned()),
            ..event(State::Decoded)
        };
        assert!(!sentence(&page).contains(char::is_control));
        assert!(!target(&page).contains(char::is_control));
    }

    #[test]
    fn sizes_are_rounded_to_one_digit() {
        for (number, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (1_049_000, "1.0 MB"),
            (999_999, "1.0 MB"),
            (5_000_000_000, "5.0 GB"),
        ] {
            assert_eq!(bytes(number), text);
        }
    }

    #[test]
    fn who_is_told_by_package_uid_or_not_at_all() {
        let mut who = App::default();
        assert_eq!(app(&who), "unknown app");
        who.uid = Some(10_001);
        assert_eq!(app(&who), "uid 10001");
        who.package = Some("com.miui.analytics".to_owned());
        who.hint = Some("com.miui.home".to_owned());
        assert_eq!(app(&who), "com.miui.analytics (for com.miui.home)");
    }

    #[test]
    fn a_name_that_may_hide_another_says_so() {
        let problem = Problem { code: ProblemCode::Encrypted, path: Problem::HOST.to_owned() };
        for state in [State::Encrypted, State::Blocked] {
            let plain = event(state);
            assert!(!sentence(&plain).contains("ECH"));
            let front = Event { problems: vec![problem.clone()], ..plain };
            let said = sentence(&front);
            assert!(said.contains("sa.example (the outer name; ECH may hide another)"), "{said}");
        }
    }
}
