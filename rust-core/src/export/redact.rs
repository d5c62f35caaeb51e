//! Events without what they tell about the owner. Keeps what is public, such as listed hosts and
//! the names that formats have for their fields; every other text gets a pseudonym, so that what
//! nobody thought of is hidden.

use crate::decode::kinds;
use crate::event::{App, Event, Field, Identifier, Payload, Problem, Reason, Server};
use crate::signatures::HostTable;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::net::IpAddr;

/// Bytes of a pseudonym's hash: two of 2^32 texts are likely to share one.
const HASH: usize = 8;
/// Digits of a place in a list; a longer number may be a phone's.
const PLACE: usize = 3;

/// Replaces texts by pseudonyms, the same text by the same one under one key. The key is never
/// written: nobody can try texts against the pseudonyms.
pub struct Redaction {
    key: [u8; 32],
    table: &'static HostTable,
    lists: BTreeMap<&'static str, usize>,
}

impl Redaction {
    /// One with a new key.
    ///
    /// # Errors
    /// Where the system gives no random bytes.
    pub fn new() -> io::Result<Self> {
        let mut key = [0; 32];
        std::fs::File::open("/dev/urandom")?.read_exact(&mut key)?;
        let table = HostTable::builtin();
        Ok(Self { key, table, lists: table.lists() })
    }

    /// Lower-case hex of a text's keyed hash, of so many bytes.
    fn hash(&self, text: &str, bytes: usize) -> String {
        let digest = Sha256::new().chain_update(self.key).chain_update(text).finalize();
        digest.iter().take(bytes).map(|byte| format!("{byte:02x}")).collect()
    }

    /// `sort-0123456789abcdef`. A text has the same digits under every sort.
    fn pseudonym(&self, sort: &str, text: &str) -> String {
        if text.is_empty() { String::new() } else { format!("{sort}-{}", self.hash(text, HASH)) }
    }

    /// The event with every text hidden that is not public. Each part is named, so that a later
    /// one cannot be forgotten here.
    pub(super) fn event(&self, whole: Event) -> Event {
        Event {
            v: whole.v,
            id: whole.id,
            time: whole.time,
            app: self.app(whole.app),
            server: whole.server.filter(|server| self.is_public(server, whole.host.as_deref())),
            host: whole.host.map(|host| self.host(&host)),
            transport: whole.transport,
            verdict: whole.verdict,
            reason: whole.reason.map(|reason| self.reason(reason)),
            state: whole.state,
            protocol: whole.protocol,
            event: whole.event.map(|name| self.word("event", &name)),
            event_time: whole.event_time,
            kinds: whole.kinds,
            fields: whole.fields.into_iter().map(|field| self.field(field)).collect(),
            ids: whole.ids.into_iter().map(|id| self.identifier(id)).collect(),
            checks: whole.checks,
            problems: whole.problems.into_iter().map(|problem| self.problem(problem)).collect(),
            bytes: whole.bytes,
            payload: whole.payload.map(|payload| self.payload(payload)),
            decoder: whole.decoder,
            decoder_before: whole.decoder_before,
        }
    }

    /// Installed apps tell much about their owner, and a user id is one per phone.
    fn app(&self, app: App) -> App {
        let App { uid, package, hint } = app;
        let owner = package.or_else(|| uid.map(|uid| uid.to_string()));
        let hide = |text: String| self.pseudonym("app", &text);
        App { uid: None, package: owner.map(hide), hint: hint.map(hide) }
    }

    /// A listed host as it is; of one under a listed suffix the suffix; else a pseudonym.
    fn host(&self, host: &str) -> String {
        let Some(rule) = self.table.lookup(host).map(|id| self.table.rule(id)) else {
            return self.pseudonym("host", host);
        };
        match host.strip_suffix(rule.pattern) {
            Some("") | None => host.to_owned(),
            Some(labels) => format!("{}{}", self.pseudonym("host", labels), rule.pattern),
        }
    }

    fn is_public(&self, server: &Server, host: Option<&str>) -> bool {
        match host {
            Some(host) => self.table.lookup(host).is_some(),
            None => self.table.lookup_address(server.addr).is_some(),
        }
    }

    fn reason(&self, reason: Reason) -> Reason {
        let Reason { code, rule, list } = reason;
        let known = |list: String| {
            let public = self.lists.contains_key(list.as_str());
            if public { list } else { self.pseudonym("list", &list) }
        };
        Reason { code, rule: rule.map(|rule| self.pattern(&rule)), list: list.map(known) }
    }

    /// A rule's host, suffix, address or group of addresses.
    fn pattern(&self, pattern: &str) -> String {
        let addr: Option<IpAddr> = pattern.split('/').next().and_then(|text| text.parse().ok());
        if let Some(addr) = addr {
            let listed = self.table.lookup_address(addr).map(|id| self.table.rule(id).pattern);
            let public = listed.is_some_and(|listed| listed == pattern);
            return if public { pattern.to_owned() } else { self.pseudonym("address", pattern) };
        }
        match pattern.strip_prefix('.') {
            Some(host) => format!(".{}", self.host(host)),
            None => self.host(pattern),
        }
    }

    fn field(&self, field: Field) -> Field {
        let Field { path, value, kind } = field;
        let value = self.pseudonym(kind.as_str(), &value).into();
        Field { path: self.path(&path).into(), value, kind }
    }

    fn identifier(&self, id: Identifier) -> Identifier {
        let Identifier { kind, value, path } = id;
        let value = self.pseudonym(kind.as_str(), &value).into();
        Identifier { kind, value, path: self.path(&path).into() }
    }

    fn problem(&self, problem: Problem) -> Problem {
        Problem { code: problem.code, path: self.path(&problem.path) }
    }

    /// The hash of what was sent would tell whoever guesses it.
    fn payload(&self, payload: Payload) -> Payload {
        let Payload { sha256, size, stored } = payload;
        Payload { sha256: self.hash(&sha256, 32), size, stored }
    }

    /// Names joined by dots; senders use what they like as a name, also addresses and hosts.
    fn path(&self, path: &str) -> String {
        let place = |name: &str| name.len() <= PLACE && name.bytes().all(|b| b.is_ascii_digit());
        let names: Vec<String> = path
            .split('.')
            .map(|name| if place(name) { name.to_owned() } else { self.word("name", name) })
            .collect();
        names.join(".")
    }

    /// A name that formats have, or a pseudonym.
    fn word(&self, sort: &str, name: &str) -> String {
        if kinds::is_word(name) { name.to_owned() } else { self.pseudonym(sort, name) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{IdKind, Kind, ProblemCode, ReasonCode, State};

    fn redaction() -> Redaction {
        Redaction::new().unwrap()
    }

    #[test]
    fn one_text_has_one_pseudonym_under_one_key() {
        let (one, other) = (redaction(), redaction());
        let field = |value: &str| one.pseudonym("search", value);
        assert_eq!(field("weather"), field("weather"));
        assert_ne!(field("weather"), field("Weather"));
        assert_ne!(field("weather"), other.pseudonym("search", "weather"));
        let id = one.pseudonym("oaid", "weather");
        assert_eq!(id.split_once('-').unwrap().1, field("weather").split_once('-').unwrap().1);
        assert_eq!(field("weather").len(), "search-0123456789abcdef".len());
    }

    #[test]
    fn listed_hosts_stay_and_others_go() {
        let hide = redaction();
        assert_eq!(hide.host("tracking.miui.com"), "tracking.miui.com");
        let under = hide.host("alice.datasink.sensorsdata.cn");
        assert!(under.starts_with("host-") && !under.contains("alice"), "{under}");
        assert!(under.ends_with(".datasink.sensorsdata.cn"), "{under}");
        assert!(hide.host("alice.example").starts_with("host-"));
        assert!(hide.pattern(".alice.example").starts_with(".host-"));
        assert!(hide.pattern("10.1.2.3").starts_with("address-"));
        for rule in HostTable::builtin().rules() {
            assert_eq!(hide.pattern(rule.pattern), rule.pattern);
        }
    }

    #[test]
    fn names_of_formats_and_places_stay_in_paths() {
        let hide = redaction();
        assert_eq!(hide.path("properties.search_word"), "properties.search_word");
        assert_eq!(hide.path("events.12.properties.$url"), "events.12.properties.$url");
        let own = hide.path("properties.13800138000.alice@example.org");
        assert!(!own.contains("13800138000") && !own.contains("alice"), "{own}");
        assert!(own.starts_with("properties.name-"), "{own}");
        assert_eq!(hide.path(""), "");
    }

    #[test]
    fn no_text_of_an_event_is_left_but_public_ones() {
        let secret = |place: &str| format!("secret-{place}");
        let mut event = Event::empty(State::Decoded);
        event.app = App { uid: Some(10_123), package: Some(secret("a")), hint: Some(secret("b")) };
        event.host = Some("secret.example".to_owned());
        let operator = Some(secret("c"));
        let addr = "203.0.113.9".parse().unwrap();
        event.server = Some(Server { addr, port: 80, country: None, asn: None, operator });
        let (rule, list) = (Some("secret.example".to_owned()), Some(secret("d")));
        event.reason = Some(Reason { code: ReasonCode::HostOverride, rule, list });
        event.event = Some(secret("e"));
        event.fields =
            vec![Field { path: secret("f").into(), value: secret("g").into(), kind: Kind::Search }];
        event.ids = vec![Identifier {
            kind: IdKind::Oaid,
            value: secret("h").into(),
            path: secret("i").into(),
        }];
        event.problems = vec![Problem { code: ProblemCode::Malformed, path: secret("j") }];
        event.payload = Some(Payload { sha256: secret("k"), size: 1, stored: true });
        let text = serde_json::to_string(&redaction().event(event)).unwrap();
        for left in ["secret", "10123", "203.0.113"] {
            assert!(!text.contains(left), "{left} in {text}");
        }
    }
}
