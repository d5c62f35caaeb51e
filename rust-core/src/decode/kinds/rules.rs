//! The table of data kinds. Never holds a value of anybody: names alone.
//!
//! A new rule is one line; the first line that fits decides, so a special one stands above a general
//! one.

use crate::event::{Kind, Protocol};
use Kind::{
    Account, Advertising, ContentViewed, Crash, DeviceFact, Download, FeatureUsed, Identifier,
    InstalledApps, Location, MediaPlayed, NetworkFact, Search, VisitedPage,
};
use Protocol::{MistatCrash, MiuiAnalytics, Mixpanel, Onetrack, OnetrackPlain, Sensors, Umeng, Ut};

/// One line of the table.
pub(super) struct Rule {
    /// `None` for every format.
    pub(super) protocol: Option<Protocol>,
    /// Event name, a trailing `*` for a prefix; empty for every event.
    pub(super) event: &'static str,
    /// Field name, compared without ASCII case; with a dot in it the whole path. A trailing `*`
    /// for a prefix.
    pub(super) name: &'static str,
    /// Whether there is a dot in it.
    pub(super) path: bool,
    /// Whether the value must be a web address.
    pub(super) web: bool,
    pub(super) kind: Kind,
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
pub(super) const RULES: &[Rule] = &[
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
    within("$SignUp", "event", Account),
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
    any("$lib", Kind::Other),
    any("$lib_version", Kind::Other),
    any("$is_first_day", FeatureUsed),
    any("$is_first_time", FeatureUsed),
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
    of(OnetrackPlain, "uid", Account),
    of(MiuiAnalytics, "uid", Account),
    any("header.OT_net", NetworkFact),
    of(Onetrack, "OT_sender", DeviceFact),
    of(OnetrackPlain, "H.app_ver", DeviceFact),

    // What launchers, players and settings report: names of events that are themselves the news.
    within("open_folder", "event", FeatureUsed),
    within("folder_*", "event", FeatureUsed),
    within("screen_*", "event", FeatureUsed),
    within("swipe_*", "event", FeatureUsed),
    within("status_bar*", "event", FeatureUsed),
    within("settings_*", "event", FeatureUsed),
    within("page_view", "event", FeatureUsed),

    // MiStat.
    within("mistat_pv", "key", FeatureUsed),
    of(MistatCrash, "device_os", DeviceFact),
    of(MistatCrash, "device_model", DeviceFact),

    // Umeng: what its other sections tell; header and events have their own tables.
    of(Umeng, "entity.active_user.provider", Account),
    of(Umeng, "a_mac", Kind::Other),
    of(Umeng, "rssi", NetworkFact),
    of(Umeng, "entity.inner.winfo.*", NetworkFact),
    of(Umeng, "entity.inner.sinfo.ts", Kind::Other),
    of(Umeng, "entity.inner.mem.ts", Kind::Other),
    of(Umeng, "entity.inner.cpu.ts", Kind::Other),
    of(Umeng, "record.um_os", DeviceFact),
    of(Umeng, "record.rom", DeviceFact),
    of(Umeng, "record.others_OS", DeviceFact),
    of(Umeng, "record.build_model", DeviceFact),
    of(Umeng, "record.dsp_w", DeviceFact),
    of(Umeng, "record.dsp_h", DeviceFact),
    of(Umeng, "record.sdk", DeviceFact),
    of(Umeng, "record.lang", DeviceFact),
    of(Umeng, "record.tzone", DeviceFact),
    of(Umeng, "record.vcode", DeviceFact),
    of(Umeng, "record.um_access", NetworkFact),
    of(Umeng, "record.um_app_carrier", NetworkFact),
    of(Umeng, "record.um_network_type", NetworkFact),

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
    web("uri", VisitedPage),
    web("page", VisitedPage),
    web("current_url", VisitedPage),
    web("current_page", VisitedPage),
    web("landing_page", VisitedPage),
    web("referrer_url", VisitedPage),
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
    any("item_name", ContentViewed),
    any("content_title", ContentViewed),
    any("news_title", ContentViewed),
    any("article_title", ContentViewed),
    any("video_title", ContentViewed),
    any("song", MediaPlayed),
    any("song_id", MediaPlayed),
    any("song_name", MediaPlayed),
    any("song_title", MediaPlayed),
    any("music_name", MediaPlayed),
    any("media_name", MediaPlayed),
    any("video_name", MediaPlayed),
    any("episode_name", MediaPlayed),
    any("playlist_name", MediaPlayed),
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
    any("screen", FeatureUsed),
    any("to_screen", FeatureUsed),
    any("from_screen", FeatureUsed),
    any("to_page", FeatureUsed),
    any("from_page", FeatureUsed),
    any("settings_page", FeatureUsed),
    any("folder_name", FeatureUsed),
    any("download_url", Download),
    any("file_name", Download),
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
    any("mcc", NetworkFact),
    any("mnc", NetworkFact),
    any("cell_id", NetworkFact),
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

    // Umeng: the section of the phone says what it is.
    of(Umeng, "entity.inner.*", DeviceFact),
];
