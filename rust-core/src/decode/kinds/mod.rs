//! What a field tells about the owner: one table from protocol, event and field name to a kind.
//! Never looks into values, apart from telling a web address from other text. The table is in
//! `rules`, one line a rule.

mod rules;

use super::names::{Index, Name};
use super::umeng;
use crate::event::{Field, IdKind, Kind, Protocol};
use rules::{RULES, Rule};
use std::cell::Cell;

/// The rules by the names that they are about.
static INDEX: Index<{ RULES.len() }> = Index::new(names());

/// The name of each rule, of a path its last one; those that fit many stand under none.
const fn names() -> [&'static str; RULES.len()] {
    let mut names = [""; RULES.len()];
    let mut at = 0;
    while at < RULES.len() {
        let name = RULES[at].name;
        if !matches!(name.as_bytes(), [.., b'*']) {
            names[at] = last(name);
        }
        at += 1;
    }
    names
}

/// What stands behind the last dot.
const fn last(path: &'static str) -> &'static str {
    let mut at = path.len();
    while at > 0 && path.as_bytes()[at - 1] != b'.' {
        at -= 1;
    }
    path.split_at(at).1
}

/// Heads and places of the rules that fit many names.
const PREFIXES: [(u32, usize); prefixes()] = {
    let (mut places, mut count, mut at) = ([(0, 0); prefixes()], 0, 0);
    while at < RULES.len() {
        if matches!(RULES[at].name.as_bytes(), [_, _, _, _, .., b'*']) {
            places[count] = (head(RULES[at].name), at);
            count += 1;
        }
        at += 1;
    }
    assert!(count == places.len(), "a prefix has four bytes at least");
    places
};

/// The first four bytes, the same for letters of either case; of shorter text none.
const fn head(text: &str) -> u32 {
    match text.as_bytes().first_chunk() {
        Some(four) => u32::from_le_bytes(*four) | 0x2020_2020,
        None => 0,
    }
}

const fn prefixes() -> usize {
    let (mut count, mut at) = (0, 0);
    while at < RULES.len() {
        count += matches!(RULES[at].name.as_bytes(), [.., b'*']) as usize;
        at += 1;
    }
    count
}

/// What senders write where they have nothing to say; the last four are those of the Sensors
/// Analytics SDK for browsers.
#[rustfmt::skip]
const NOTHING: &[&str] = &[
    "", "null", "{}", "[]",
    "url的domain解析失败", "未取到值", "未取到值_直接打开", "取值异常",
];

/// Whether it is one of [`NOTHING`], which few values even begin like.
pub(super) fn is_nothing(value: &str) -> bool {
    matches!(value.as_bytes().first(), None | Some(b'n' | b'{' | b'[' | b'u' | 0x80..))
        && NOTHING.contains(&value)
}

/// What the field at `path`, nearest name `name`, tells. [`Kind::Other`] where no rule speaks or
/// the value says nothing.
pub fn kind(protocol: Protocol, event: &str, path: &str, name: &str, value: &str) -> Kind {
    of(protocol, event, path, Name::new(name)).of(value)
}

/// What a field tells by its names, whatever its value.
#[derive(Clone, Copy)]
pub(super) struct Kinds {
    address: Kind,
    other: Kind,
    /// Whether it may be another one in another event.
    by_event: bool,
}

impl Kinds {
    pub(super) fn is_by_event(self) -> bool {
        self.by_event
    }

    /// What it tells with this value.
    pub(super) fn of(self, value: &str) -> Kind {
        if (self.address, self.other) == (Kind::Other, Kind::Other) || is_nothing(value) {
            Kind::Other
        } else if self.address == self.other || is_web_address(value) {
            self.address
        } else {
            self.other
        }
    }
}

/// As [`kind`], before the value is looked at.
pub(super) fn of(protocol: Protocol, event: &str, path: &str, name: Name<'_>) -> Kinds {
    // A place in a list is the last of its path, and its name another one.
    let step = path.rfind('.').and_then(|dot| path.get(dot + 1..)).unwrap_or(path);
    let step = (step != name.text).then(|| Name::new(step));
    let heads = [head(path), head(name.text)];
    let by_event = Cell::new(false);
    let found = |address: bool| {
        let fits = |at: &usize| {
            let rule = &RULES[*at];
            let near = rule.protocol.is_none_or(|p| p == protocol)
                && (address || !rule.web)
                && rule.is_about(path, name.text);
            if near && !rule.event.is_empty() {
                by_event.set(true);
            }
            near && rule.is_within(event)
        };
        let first = |under: Name<'_>| INDEX.of(under).find(fits);
        let near = |(head, at): &(u32, usize)| heads.contains(head).then_some(*at);
        let many = PREFIXES.iter().filter_map(near).find(fits);
        [first(name), step.and_then(first), many].into_iter().flatten().min()
    };
    let kind = |at: Option<usize>| at.map_or(Kind::Other, |at| RULES[at].kind);
    let address = found(true);
    let other = if address.is_some_and(|at| RULES[at].web) { found(false) } else { address };
    Kinds { address: kind(address), other: kind(other), by_event: by_event.get() }
}

/// Names of places and events that formats have and that no rule spells out.
#[rustfmt::skip]
const WORDS: &[&str] = &[
    "properties", "identities", "query", "header", "headers", "form", "body", "data", "data_list", "events",
    "lib", "event", "time", "type", "project", "tag",
    "track", "profile_set", "profile_set_once", "item_set", "track_signup",
    "$AppStart", "$AppEnd", "$AppClick", "$AppViewScreen", "$AppInstall", "$AppCrashed",
    "$pageview", "$WebClick", "$WebStay", "$SignUp",
    "journal", "former", "sessions", "pages", "locations",
];

/// Whether a part of a path or the name of an event is one that formats have, spelled out in this
/// file or in Umeng's table: such a name tells nothing about anybody.
pub fn is_word(name: &str) -> bool {
    let spelled = |rule: &Rule| {
        let own = |pattern: &str| !pattern.ends_with('*') && pattern == name;
        own(rule.event) || rule.name.split('.').any(own)
    };
    let sort = |kind: &IdKind| kind.as_str() == name;
    let known = WORDS.contains(&name) || umeng::keys::is_name(name);
    known || IdKind::ALL.iter().any(sort) || RULES.iter().any(spelled)
}

impl Rule {
    fn is_about(&self, path: &str, name: &str) -> bool {
        matches(self.name, if self.path { path } else { name })
    }

    fn is_within(&self, event: &str) -> bool {
        self.event.is_empty() || matches(self.event, event)
    }
}

fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    match pattern {
        // Most differ in the first byte.
        [first, .., b'*'] if text.first().is_none_or(|b| !b.eq_ignore_ascii_case(first)) => false,
        [start @ .., b'*'] => {
            text.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start))
        }
        // Most are spelled alike.
        whole => whole == text || whole.eq_ignore_ascii_case(text),
    }
}

/// Whether a value is the address of something on the web.
pub(super) fn is_web_address(value: &str) -> bool {
    matches("http://*", value) || matches("https://*", value)
}

/// Whether there is the address of something on the web anywhere in a value.
pub fn mentions_address(value: &str) -> bool {
    value.contains("http://") || value.contains("https://")
}

/// The kinds of an event: each once, in the order of [`Kind`]; `other` only where nothing else is.
pub fn union(fields: &[Field]) -> Vec<Kind> {
    let found = fields.iter().fold(0_u32, |found, field| found | 1 << field.kind as u32);
    let found = |kind: &Kind| *kind != Kind::Other && found & 1 << *kind as u32 != 0;
    let mut kinds: Vec<Kind> = Kind::ALL.iter().copied().filter(found).collect();
    if kinds.is_empty() {
        kinds.push(Kind::Other);
    }
    kinds
}

#[cfg(test)]
mod tests {
    use super::*;
    use Kind::{
        Account, Advertising, ContentViewed, Crash, DeviceFact, Download, FeatureUsed, Identifier,
        Location, MediaPlayed, NetworkFact, Search, VisitedPage,
    };
    use Protocol::{MiuiAnalytics, Onetrack, OnetrackPlain, Sensors, Unknown};

    fn sensors(event: &str, path: &str, value: &str) -> Kind {
        let name = path.rsplit('.').next().unwrap_or(path);
        kind(Sensors, event, path, name, value)
    }

    #[test]
    fn events_of_mint_browser_get_their_kinds() {
        for (event, field, expected) in [
            ("page_load_event_start", "properties.url", VisitedPage),
            ("page_load_event_finish", "properties.url", VisitedPage),
            ("search", "properties.search_word", Search),
            ("search", "properties.used_searchengine", Search),
            ("youtube_search_op", "properties.search_word", Search),
            ("youtube_search_op", "properties.op", Search),
            ("download_files", "properties.url", Download),
            ("download_files", "properties.type", Download),
            ("download_files", "type", Kind::Other),
            ("rv_crashed", "properties.cause", Crash),
            ("search", "properties.internet_status", NetworkFact),
            ("search", "properties.miui_region", DeviceFact),
            ("other_event", "properties.op", Kind::Other),
        ] {
            assert_eq!(sensors(event, field, "x"), expected, "{event} {field}");
        }
    }

    #[test]
    fn presets_of_sensors_get_their_kinds() {
        for name in [
            "$AppStart",
            "$AppEnd",
            "$AppViewScreen",
            "$AppClick",
            "$pageview",
            "$WebClick",
            "$WebStay",
        ] {
            assert_eq!(sensors(name, "event", name), FeatureUsed, "{name}");
        }
        assert_eq!(sensors("$SignUp", "event", "$SignUp"), Account);
        for (names, expected) in [
            (
                "$os $os_version $manufacturer $model $brand $app_id $app_name $app_version",
                DeviceFact,
            ),
            ("$screen_width $screen_height $timezone_offset", DeviceFact),
            ("$carrier $network_type $wifi", NetworkFact),
            ("$latitude $longitude", Location),
            ("$title $screen_name $element_content $element_type $is_first_day", FeatureUsed),
            ("$lib $lib_version", DeviceFact),
            ("$event_session_id", Identifier),
            ("$lib_method $anything_else", Kind::Other),
            ("$device_id", Identifier),
        ] {
            for name in names.split(' ') {
                let path = format!("properties.{name}");
                assert_eq!(sensors("$AppViewScreen", &path, "x"), expected, "{name}");
            }
        }
        for name in ["$url", "$referrer"] {
            let path = format!("properties.{name}");
            assert_eq!(sensors("$pageview", &path, "https://example.org/"), VisitedPage, "{name}");
        }
    }

    #[test]
    fn the_head_and_the_events_of_onetrack_get_their_kinds() {
        for protocol in [OnetrackPlain, MiuiAnalytics] {
            let head = |name: &str| kind(protocol, "view", &format!("H.{name}"), name, "x");
            for (names, expected) in [
                (
                    "mfrs model platform miui build os_ver app_id app_ver sdk_ver pkg tz region",
                    DeviceFact,
                ),
                ("uid uid_type", Account),
                ("net", NetworkFact),
                // What these say is said by their identifiers, or is the collector's own.
                ("imei oaid sn gaid android_id instance_id", Kind::Other),
                ("channel e_ts plugin_id sid", Kind::Other),
            ] {
                for name in names.split(' ') {
                    assert_eq!(head(name), expected, "{protocol} {name}");
                }
            }
            for (event, expected) in [
                ("onetrack_dau", FeatureUsed),
                ("onetrack_pa", FeatureUsed),
                ("view", FeatureUsed),
                ("ot_login", Account),
                ("ot_logout", Account),
            ] {
                assert_eq!(kind(protocol, event, "H.event", "event", event), expected, "{event}");
            }
        }
    }

    #[test]
    fn names_that_speak_for_themselves_get_their_kinds_in_any_format() {
        for (names, expected) in [
            ("url page_url visited_url", VisitedPage),
            ("query search_word search_words search_term keyword search_engine", Search),
            ("news_id article_id feed_id news_title item_name", ContentViewed),
            ("song song_name artist album play_url", MediaPlayed),
            ("folder_name screen_name to_screen settings_page page_name", FeatureUsed),
            ("lat lng lon latitude longitude", Location),
            ("ssid bssid ip carrier", NetworkFact),
            ("file_name download_url", Download),
            ("stack_trace crash_reason", Crash),
            ("utm_source campaign", Advertising),
            ("user_name email phone account", Account),
            ("model brand resolution language", DeviceFact),
        ] {
            for name in names.split(' ') {
                assert_eq!(
                    kind(Unknown, "", &format!("a.0.{name}"), name, "x"),
                    expected,
                    "{name}"
                );
            }
        }
    }

    #[test]
    fn an_address_is_a_visited_page_only_where_its_name_says_so() {
        let named = |name: &str| kind(Unknown, "", name, name, "https://example.org/");
        for page in ["url", "URL", "page", "referrer", "referer", "href", "current_page"] {
            assert_eq!(named(page), VisitedPage, "{page}");
        }
        for other in ["icon", "callback", "endpoint", "u", "", "curl"] {
            assert_eq!(named(other), Kind::Other, "{other}");
        }
        assert_eq!(kind(Unknown, "", "page", "page", "settings"), FeatureUsed);
    }

    #[test]
    fn the_index_finds_what_a_scan_of_the_table_finds() {
        let names = RULES.iter().map(|r| r.name.trim_end_matches('*'));
        let events = RULES.iter().map(|r| r.event.trim_end_matches('*'));
        let events: std::collections::BTreeSet<_> = events.collect();
        for name in names.chain(["", "x", "$utm_source", "crash_x"]) {
            for protocol in Protocol::ALL {
                for event in &events {
                    for value in ["x", "https://x"] {
                        let last = name.rsplit('.').next().unwrap();
                        let fits = |r: &&Rule| {
                            r.protocol.is_none_or(|p| p == *protocol)
                                && (!r.web || is_web_address(value))
                                && r.is_about(name, last)
                                && r.is_within(event)
                        };
                        let scanned = RULES.iter().find(fits).map_or(Kind::Other, |r| r.kind);
                        assert_eq!(kind(*protocol, event, name, last, value), scanned, "{name}");
                    }
                }
            }
        }
    }

    #[test]
    fn an_address_of_a_page_differs_from_a_screen_of_an_app() {
        assert_eq!(sensors("$pageview", "properties.$url", "HTTPS://example.org"), VisitedPage);
        assert_eq!(sensors("$AppViewScreen", "properties.$url", "com.x.Activity"), FeatureUsed);
    }

    #[test]
    fn protocol_path_and_prefix_rules_apply() {
        assert_eq!(sensors("", "identities.$identity_anything", "x"), Identifier);
        assert_eq!(kind(Protocol::Sls, "", "identities.x", "x", "x"), Kind::Other);
        assert_eq!(sensors("", "lib.$app_version", "x"), DeviceFact);
        assert_eq!(sensors("", "lib.$lib_detail", "x"), Kind::Other);
        assert_eq!(sensors("", "properties.$app_version", "x"), DeviceFact);
        assert_eq!(sensors("", "properties.$utm_source", "x"), Advertising);
        assert_eq!(sensors("$AppStart", "event", "$AppStart"), FeatureUsed);
        assert_eq!(kind(Onetrack, "", "0.B.LAT", "LAT", "1"), Location);
    }

    #[test]
    fn a_value_that_says_nothing_has_no_kind() {
        let search = |value| sensors("search", "properties.search_word", value);
        assert_eq!(
            (search("x"), search(""), search("未取到值")),
            (Search, Kind::Other, Kind::Other)
        );
        for nothing in NOTHING {
            assert_eq!(search(nothing), Kind::Other, "{nothing}");
        }
    }

    #[test]
    fn the_kinds_of_an_event_are_sorted_and_other_stands_alone() {
        let field = |kind| Field { path: "".into(), value: "".into(), kind };
        let mixed = [field(Crash), field(Kind::Other), field(VisitedPage), field(Crash)];
        assert_eq!(union(&mixed), [VisitedPage, Crash]);
        assert_eq!(union(&[field(Kind::Other)]), [Kind::Other]);
        assert_eq!(union(&[]), [Kind::Other]);
    }

    #[test]
    fn only_names_that_are_spelled_out_are_words() {
        for word in
            ["properties", "search_word", "$url", "imei", "youtube_search_op", "device_manuid"]
        {
            assert!(is_word(word), "{word}");
        }
        for other in ["alice", "$element_alice", "properties.x", "13800138000", "*", "$App*"] {
            assert!(!is_word(other), "{other}");
        }
    }

    #[test]
    fn no_rule_hides_behind_an_earlier_equal_one() {
        for (at, rule) in RULES.iter().enumerate() {
            let same = |r: &&Rule| {
                (r.protocol, r.event, r.name, r.web)
                    == (rule.protocol, rule.event, rule.name, rule.web)
            };
            assert!(!RULES[..at].iter().any(|r| same(&r)), "{} twice", rule.name);
        }
    }
}
