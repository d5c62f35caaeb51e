//! What stands for an event where there is room for one thing: which of its kinds, and which field
//! of that kind. What was sought comes before how, an address before the title of its page. Never
//! changes a field.

use super::kinds::mentions_address;
use crate::event::{Field, Kind};
use Kind::{
    Account, Advertising, ContentViewed, Crash, DeviceFact, Download, FeatureUsed, Identifier,
    InstalledApps, Location, MediaPlayed, NetworkFact, Other, Search, VisitedPage,
};

/// The most telling kind first.
const KINDS: [Kind; 15] = [
    VisitedPage,
    Search,
    ContentViewed,
    MediaPlayed,
    FeatureUsed,
    Download,
    Location,
    InstalledApps,
    Account,
    Crash,
    Advertising,
    NetworkFact,
    DeviceFact,
    Identifier,
    Other,
];

/// Names of fields that stand for their kind, the most telling first; without a leading `$`. Those
/// that are not here come after them.
#[rustfmt::skip]
const NAMES: &[(Kind, &[&str])] = &[
    (VisitedPage, &["url", "page_url", "visited_url", "current_url", "web_url", "title"]),
    (ContentViewed, &["news_title", "article_title", "video_title", "item_title", "title"]),
    (MediaPlayed, &["song_name", "track_name", "song", "video_name", "media_name"]),
    (FeatureUsed, &["element_content", "title", "folder_name", "page_name", "screen_name", "settings_page", "to_screen", "to_page", "screen", "path", "activity", "page", "event"]),
    (Download, &["url", "download_url", "file_name"]),
    (Crash, &["cause", "crash_exception_type"]),
];

/// Ends of names that say how, when or for how long: these never stand for their kind.
const MANNERS: &[(Kind, &[&str])] = &[
    (Search, &["engine", "method", "position", "type", "op", "page"]),
    (Download, &["op", "suffix", "type"]),
    (MediaPlayed, &["duration", "position"]),
    (FeatureUsed, &["duration", "background", "first_day", "first_time"]),
];

fn of<T>(table: &[(Kind, &'static [T])], kind: Kind) -> &'static [T] {
    table.iter().find(|(k, _)| *k == kind).map_or(&[], |(_, names)| names)
}

/// Place of a kind among an event's: the lowest leads. A search that is called one leads even where
/// it names the page that it was made on.
pub fn place(event: Option<&str>, kind: Kind) -> usize {
    let searches = || event.is_some_and(|name| name.to_ascii_lowercase().contains("search"));
    if kind == Search && searches() {
        return 0;
    }
    KINDS.iter().position(|one| *one == kind).map_or(KINDS.len(), |at| at + 1)
}

/// How far a field is from standing for its kind, 0 the nearest; `None` where it says only how.
pub fn rank(kind: Kind, path: &str, value: &str) -> Option<usize> {
    let name = path.rsplit('.').next().unwrap_or(path);
    let name = name.strip_prefix('$').unwrap_or(name);
    if value.is_empty() || of(MANNERS, kind).iter().any(|end| name.ends_with(end)) {
        return None;
    }
    if kind == Other {
        return Some(usize::from(!mentions_address(value)));
    }
    let names = of(NAMES, kind);
    Some(names.iter().position(|one| one.eq_ignore_ascii_case(name)).unwrap_or(names.len()))
}

/// The field that stands for the kind; the first where several do equally.
pub fn headline(fields: &[Field], kind: Kind) -> Option<&Field> {
    let ranked = fields.iter().filter(|field| field.kind == kind);
    let ranked = ranked.filter_map(|f| Some((rank(kind, &f.path, &f.value)?, f)));
    ranked.min_by_key(|(rank, _)| *rank).map(|(_, field)| field)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(path: &str, value: &str, kind: Kind) -> Field {
        Field { path: path.into(), value: value.into(), kind }
    }

    #[test]
    fn every_kind_has_its_place() {
        for kind in Kind::ALL {
            assert_eq!(KINDS.iter().filter(|one| *one == kind).count(), 1, "{kind}");
        }
    }

    #[test]
    fn a_search_is_told_by_its_words_wherever_they_stand() {
        let fields = [
            field("properties.used_searchengine", "google", Search),
            field("properties.search_position", "3", Search),
            field("properties.search_word", "monsoon", Search),
        ];
        assert_eq!(headline(&fields, Search), Some(&fields[2]));
        assert_eq!(headline(&fields[..2], Search), None, "how alone is not what");
        assert!(place(Some("search"), Search) < place(Some("search"), VisitedPage));
        assert!(place(Some("$pageview"), VisitedPage) < place(Some("$pageview"), Search));
    }

    #[test]
    fn a_page_is_told_by_its_own_address() {
        let fields = [
            field("properties.$referrer", "https://from.example/", VisitedPage),
            field("properties.$title", "News", VisitedPage),
            field("properties.$url", "https://to.example/", VisitedPage),
        ];
        assert_eq!(headline(&fields, VisitedPage), Some(&fields[2]));
        assert_eq!(headline(&fields[..2], VisitedPage), Some(&fields[1]));
        assert_eq!(headline(&fields[..1], VisitedPage), Some(&fields[0]));
    }

    #[test]
    fn what_was_used_is_told_before_that_something_was() {
        let fields = [
            field("event", "$AppClick", FeatureUsed),
            field("properties.event_duration", "2.5", FeatureUsed),
            field("properties.$element_content", "Settings", FeatureUsed),
        ];
        assert_eq!(headline(&fields, FeatureUsed), Some(&fields[2]));
        assert_eq!(headline(&fields[..2], FeatureUsed), Some(&fields[0]));
    }

    #[test]
    fn of_what_has_no_kind_an_address_is_told_first() {
        let fields = [field("a", "1", Other), field("b", "https://example.org/", Other)];
        assert_eq!(headline(&fields, Other), Some(&fields[1]));
        assert_eq!(headline(&fields[..1], Other), Some(&fields[0]));
        assert_eq!(headline(&[field("a", "", Other)], Other), None);
    }
}
