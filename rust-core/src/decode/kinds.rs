//! What a field tells about the owner: one table from protocol, event and field name to a kind.
//! Never looks into values, apart from telling a web address from other text. A new rule is one
//! line; the first line that fits decides.

use crate::event::{Field, IdKind, Kind, Protocol};
use Kind::{
    Account, Advertising, ContentViewed, Crash, DeviceFact, Download, FeatureUsed, Identifier,
    InstalledApps, Location, MediaPlayed, NetworkFact, Search, VisitedPage,
};
use Protocol::{MistatCrash, Mixpanel, Onetrack, OnetrackPlain, Sensors, Umeng, Unknown, Ut};

/// One line of the table.
struct Rule {
    /// `None` for every format.
    protocol: Option<Protocol>,
    /// Event name, a trailing `*` for a prefix; empty for every event.
    event: &'static str,
    /// Field name, compared without ASCII case; with a dot in it the whole path. A trailing `*`
    /// for a prefix.
    name: &'static str,
    /// Whether there is a dot in it.
    path: bool,
    /// Whether the value must be a web address.
    web: bool,
    kind: Kind,
}

const fn dotted(name: &str) -> bool {
    let mut rest = name.as_bytes();
    while let [byte, tail @ ..] = rest {
        if *byte == b'.' {
            return true;
        }
        rest = tail;
    }
    false
}

const fn any(name: &'static str, kind: Kind) -> Rule {
    Rule { protocol: None, event: "", name, path: dotted(name), web: false, kind }
}

const fn web(name: &'static str, kind: Kind) -> Rule {
    Rule { protocol: None, event: "", name, path: dotted(name), web: true, kind }
}

const fn of(protocol: Protocol, name: &'static str, kind: Kind) -> Rule {
    Rule { protocol: Some(protocol), event: "", name, path: dotted(name), web: false, kind }
}

const fn within(event: &'static str, name: &'static str, kind: Kind) -> Rule {
    Rule { protocol: None, event, name, path: dotted(name), web: false, kind }
}

#[rustfmt::skip]
const RULES: &[Rule] = &[
    // The SDK's own bookkeeping says nothing about the owner.
    of(Sensors, "lib.*", Kind::Other),

    // Mint Browser.
    within("page_load_event_*", "url", VisitedPage),
    within("search", "search_word", Search),
    within("search", "used_searchengine", Search),
    within("search", "search_position", Search),
    within("search", "search_method", Search),
    within("youtube_search_op", "search_word", Search),
    within("youtube_search_op", "search_type", Search),
    within("youtube_search_op", "op", Search),
    within("youtube_search_op", "page", Search),
    within("download_files", "op", Download),
    within("download_files", "suffix", Download),
    within("download_files", "url", Download),
    within("download_files", "properties.type", Download),
    within("rv_crashed", "cause", Crash),
    any("internet_status", NetworkFact),
    any("platform", DeviceFact),
    any("miui_version", DeviceFact),
    any("miui_region", DeviceFact),
    any("system_language", DeviceFact),

    // Sensors Analytics: events that are themselves the news.
    within("$App*", "event", FeatureUsed),
    within("$WebClick", "event", FeatureUsed),
    within("$WebStay", "event", FeatureUsed),
    within("$pageview", "event", FeatureUsed),
    within("track_signup", "event", Account),
    within("track_id_*", "event", Account),
    within("$AppCrashed", "app_crashed_reason", Crash),

    // Sensors Analytics: preset properties.
    of(Sensors, "identities.*", Identifier),
    of(Sensors, "distinct_id", Identifier),
    of(Sensors, "anonymous_id", Identifier),
    of(Sensors, "original_id", Identifier),
    of(Sensors, "login_id", Account),
    of(Sensors, "item_id", ContentViewed),
    of(Sensors, "item_type", ContentViewed),
    of(Sensors, "query.r", DeviceFact),
    within("$pageview", "$title", VisitedPage),
    within("$WebClick", "$title", VisitedPage),
    within("$WebStay", "$title", VisitedPage),
    web("$url", VisitedPage),
    web("$referrer", VisitedPage),
    web("$latest_referrer", VisitedPage),
    any("$url", FeatureUsed),
    any("$referrer", FeatureUsed),
    any("$referrer_title", FeatureUsed),
    any("$referrer_host", VisitedPage),
    any("$latest_search_keyword", Search),
    any("$latest_referrer_host", VisitedPage),
    any("$latest_utm_*", Advertising),
    any("$utm_*", Advertising),
    any("$latest_traffic_source_type", Advertising),
    any("$url_path", VisitedPage),
    any("$url_host", VisitedPage),
    any("$title", FeatureUsed),
    any("$screen_name", FeatureUsed),
    any("$element_*", FeatureUsed),
    any("$viewport_*", DeviceFact),
    any("$resume_from_background", FeatureUsed),
    any("event_duration", FeatureUsed),
    any("$event_duration", FeatureUsed),
    any("$os", DeviceFact),
    any("$os_version", DeviceFact),
    any("$manufacturer", DeviceFact),
    any("$model", DeviceFact),
    any("$brand", DeviceFact),
    any("$screen_width", DeviceFact),
    any("$screen_height", DeviceFact),
    any("$screen_orientation", DeviceFact),
    any("$timezone_offset", DeviceFact),
    any("$browser", DeviceFact),
    any("$browser_version", DeviceFact),
    any("$user_agent", DeviceFact),
    any("$device_id", Identifier),
    any("$app_id", DeviceFact),
    any("$app_name", DeviceFact),
    any("$app_version", DeviceFact),
    any("$carrier", NetworkFact),
    any("$network_type", NetworkFact),
    any("$wifi", NetworkFact),
    any("$ip", NetworkFact),
    any("$country", Location),
    any("$province", Location),
    any("$city", Location),
    any("$latitude", Location),
    any("$longitude", Location),
    any("$geo_coordinate_system", Location),
    any("$name", Account),

    // OneTrack: events that are themselves the news, and the head of each event.
    within("onetrack_dau", "event", FeatureUsed),
    within("onetrack_pa", "event", FeatureUsed),
    within("onetrack_pa", "B.path", FeatureUsed),
    within("onetrack_pa", "B.duration", FeatureUsed),
    within("view", "event", FeatureUsed),
    within("ot_login", "event", Account),
    within("ot_logout", "event", Account),
    any("uid_type", Account),
    any("header.OT_net", NetworkFact),
    of(Onetrack, "OT_sender", DeviceFact),
    of(OnetrackPlain, "H.app_ver", DeviceFact),

    // MiStat.
    within("mistat_pv", "key", FeatureUsed),
    of(MistatCrash, "device_os", DeviceFact),
    of(MistatCrash, "device_model", DeviceFact),

    // Umeng: the header beside the body, and pages.
    of(Umeng, "sdk.os", DeviceFact),
    of(Umeng, "sdk.app_name", DeviceFact),
    of(Umeng, "sdk.app_version", DeviceFact),
    of(Umeng, "os", DeviceFact),
    of(Umeng, "country", DeviceFact),
    of(Umeng, "access", NetworkFact),

    // UT: app and channel of the query.
    of(Ut, "query.av", DeviceFact),
    of(Ut, "query.u", Account),

    // Mixpanel. Its `ip` says whether to keep the sender's address.
    of(Mixpanel, "query.ip", Kind::Other),
    of(Mixpanel, "form.ip", Kind::Other),
    any("$email", Account),
    any("$phone", Account),
    any("$user_id", Account),
    any("$app_version_string", DeviceFact),
    any("$region", Location),
    any("$current_url", VisitedPage),
    any("$initial_referrer", VisitedPage),
    any("$search_engine", Search),

    // Names that mean the same wherever they stand.
    any("url", VisitedPage),
    any("page_url", VisitedPage),
    any("visited_url", VisitedPage),
    web("referrer", VisitedPage),
    web("referer", VisitedPage),
    web("href", VisitedPage),
    web("link", VisitedPage),
    web("web_url", VisitedPage),
    any("query", Search),
    any("search_word", Search),
    any("search_words", Search),
    any("search_term", Search),
    any("search_text", Search),
    any("search_query", Search),
    any("search_keyword", Search),
    any("search_engine", Search),
    any("used_searchengine", Search),
    any("keyword", Search),
    any("news_id", ContentViewed),
    any("article_id", ContentViewed),
    any("video_id", ContentViewed),
    any("item_title", ContentViewed),
    any("content_id", ContentViewed),
    any("feed_id", ContentViewed),
    any("doc_id", ContentViewed),
    any("news_title", ContentViewed),
    any("article_title", ContentViewed),
    any("video_title", ContentViewed),
    any("song", MediaPlayed),
    any("song_id", MediaPlayed),
    any("song_name", MediaPlayed),
    any("track_name", MediaPlayed),
    any("artist", MediaPlayed),
    any("album", MediaPlayed),
    any("album_name", MediaPlayed),
    any("singer", MediaPlayed),
    any("play_url", MediaPlayed),
    any("play_duration", MediaPlayed),
    any("screen_name", FeatureUsed),
    any("page_name", FeatureUsed),
    any("activity", FeatureUsed),
    any("page", FeatureUsed),
    any("folder_name", FeatureUsed),
    any("download_url", Download),
    any("file_name", Download),
    any("uid", Account),
    any("user_id", Account),
    any("_user_id", Account),
    any("user_name", Account),
    any("_user_name", Account),
    any("account", Account),
    any("email", Account),
    any("phone", Account),
    any("mobile", Account),
    any("model", DeviceFact),
    any("brand", DeviceFact),
    any("manufacturer", DeviceFact),
    any("mfrs", DeviceFact),
    any("os_version", DeviceFact),
    any("os_ver", DeviceFact),
    any("device_model", DeviceFact),
    any("device_brand", DeviceFact),
    any("device_os", DeviceFact),
    any("android_version", DeviceFact),
    any("platform_version", DeviceFact),
    any("app_ver", DeviceFact),
    any("app_version", DeviceFact),
    any("pkg", DeviceFact),
    any("package_name", DeviceFact),
    any("screen_width", DeviceFact),
    any("screen_height", DeviceFact),
    any("resolution", DeviceFact),
    any("cpu", DeviceFact),
    any("build", DeviceFact),
    any("miui", DeviceFact),
    any("language", DeviceFact),
    any("locale", DeviceFact),
    any("region", DeviceFact),
    any("timezone", DeviceFact),
    any("tz", DeviceFact),
    any("lat", Location),
    any("lng", Location),
    any("lon", Location),
    any("latitude", Location),
    any("longitude", Location),
    any("location", Location),
    any("city", Location),
    any("net", NetworkFact),
    any("network", NetworkFact),
    any("network_type", NetworkFact),
    any("wifi", NetworkFact),
    any("ssid", NetworkFact),
    any("bssid", NetworkFact),
    any("carrier", NetworkFact),
    any("operator", NetworkFact),
    any("isp", NetworkFact),
    any("net_type", NetworkFact),
    any("ip", NetworkFact),
    any("installed_apps", InstalledApps),
    any("app_list", InstalledApps),
    any("packages", InstalledApps),
    any("stack_trace", Crash),
    any("stacktrace", Crash),
    any("callstack", Crash),
    any("crash_*", Crash),
    any("exception", Crash),
    any("ad_id", Advertising),
    any("ad_position", Advertising),
    any("campaign", Advertising),
    any("utm_*", Advertising),

    // Where the format is unknown, so is what an address means: better one shown too many than a
    // visited page that nobody sees.
    Rule { protocol: Some(Unknown), event: "", name: "*", path: false, web: true, kind: VisitedPage },
];

/// What senders write where they have nothing to say; the last four are those of the Sensors
/// Analytics SDK for browsers.
#[rustfmt::skip]
const NOTHING: &[&str] = &[
    "", "null", "{}", "[]",
    "url的domain解析失败", "未取到值", "未取到值_直接打开", "取值异常",
];

/// What the field at `path`, nearest name `name`, tells. [`Kind::Other`] where no rule speaks or
/// the value says nothing.
pub fn kind(protocol: Protocol, event: &str, path: &str, name: &str, value: &str) -> Kind {
    if NOTHING.contains(&value) {
        return Kind::Other;
    }
    // Hundreds of rules for each field: what is cheapest to compare comes first.
    let mut rules = RULES.iter().filter(|r| r.protocol.is_none_or(|p| p == protocol));
    rules.find(|r| r.fits(event, path, name, value)).map_or(Kind::Other, |r| r.kind)
}

/// Names of places and events that formats have and that no rule spells out.
#[rustfmt::skip]
const WORDS: &[&str] = &[
    "properties", "identities", "query", "header", "headers", "form", "body", "data", "data_list", "events",
    "lib", "event", "time", "type", "project", "tag",
    "track", "profile_set", "profile_set_once", "item_set", "track_signup",
    "$AppStart", "$AppEnd", "$AppClick", "$AppViewScreen", "$AppInstall", "$AppCrashed",
    "$pageview", "$WebClick", "$WebStay", "$SignUp",
];

/// Whether a part of a path or the name of an event is one that formats have, spelled out in this
/// file: such a name tells nothing about anybody.
pub fn is_word(name: &str) -> bool {
    let spelled = |rule: &Rule| {
        let own = |pattern: &str| !pattern.ends_with('*') && pattern == name;
        own(rule.event) || rule.name.split('.').any(own)
    };
    let sort = |kind: &IdKind| kind.as_str() == name;
    WORDS.contains(&name) || IdKind::ALL.iter().any(sort) || RULES.iter().any(spelled)
}

impl Rule {
    fn fits(&self, event: &str, path: &str, name: &str, value: &str) -> bool {
        let subject = if self.path { path } else { name };
        matches(self.name, subject)
            && (self.event.is_empty() || matches(self.event, event))
            && (!self.web || is_web_address(value))
    }
}

fn matches(pattern: &str, text: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => text.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start)),
        None => pattern.eq_ignore_ascii_case(text),
    }
}

pub(super) fn is_web_address(value: &str) -> bool {
    matches("http://*", value) || matches("https://*", value)
}

/// The kinds of an event: each once, in the order of [`Kind`]; `other` only where nothing else is.
pub fn union(fields: &[Field]) -> Vec<Kind> {
    let mut kinds: Vec<Kind> = Kind::ALL
        .iter()
        .copied()
        .filter(|&kind| kind != Kind::Other && fields.iter().any(|field| field.kind == kind))
        .collect();
    if kinds.is_empty() {
        kinds.push(Kind::Other);
    }
    kinds
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn an_address_of_a_page_differs_from_a_screen_of_an_app() {
        assert_eq!(sensors("$pageview", "properties.$url", "HTTPS://example.org"), VisitedPage);
        assert_eq!(sensors("$AppViewScreen", "properties.$url", "com.x.Activity"), FeatureUsed);
    }

    #[test]
    fn protocol_path_and_prefix_rules_apply() {
        assert_eq!(sensors("", "identities.$identity_anything", "x"), Identifier);
        assert_eq!(kind(Protocol::Sls, "", "identities.x", "x", "x"), Kind::Other);
        assert_eq!(sensors("", "lib.$app_version", "x"), Kind::Other);
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
    }

    #[test]
    fn the_kinds_of_an_event_are_sorted_and_other_stands_alone() {
        let field = |kind| Field { path: String::new(), value: String::new(), kind };
        let mixed = [field(Crash), field(Kind::Other), field(VisitedPage), field(Crash)];
        assert_eq!(union(&mixed), [VisitedPage, Crash]);
        assert_eq!(union(&[field(Kind::Other)]), [Kind::Other]);
        assert_eq!(union(&[]), [Kind::Other]);
    }

    #[test]
    fn only_names_that_are_spelled_out_are_words() {
        for word in ["properties", "search_word", "$url", "imei", "youtube_search_op"] {
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
