//! Finds identifiers among fields: by name, and by form where the form alone is proof enough.
//! Never guesses: a number of the right length without its check digit is no IMEI.

use super::DecodedEvent;
use super::json::Leaf;
use super::names::{Index, Name};
use super::sensors::java_hash;
use crate::event::{IdKind, Identifier, Kind, Time};
use IdKind::{
    AndroidId, AndroidIdHash, AnonymousId, CookieId, DistinctId, Email, EmailHash, Gaid, GaidHash,
    Imei, ImeiHash, InstanceId, LoginId, Mac, MacHash, MiAccount, Oaid, OaidHash, Phone, PhoneHash,
    Serial, SerialHash, Utdid, Vaid,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;

/// Field names, lower case, without a leading `$`.
#[rustfmt::skip]
const NAMES: &[(&str, IdKind)] = &[
    ("distinct_id", DistinctId),
    ("original_id", DistinctId),
    ("anonymous_id", AnonymousId),
    ("login_id", LoginId),
    ("identity_android_id", AndroidId),
    ("identity_android_uuid", InstanceId),
    ("identity_anonymous_id", AnonymousId),
    ("identity_cookie_id", CookieId),
    ("identity_distinct_id", DistinctId),
    ("identity_email", Email),
    ("identity_login_id", LoginId),
    ("identity_mobile", Phone),
    ("identity_oaid", Oaid),
    ("identity_imei", Imei),
    ("identity_mac", Mac),
    ("android_id", AndroidId),
    ("androidid", AndroidId),
    ("imei", Imei),
    ("imei1", Imei),
    ("imei2", Imei),
    ("oaid", Oaid),
    ("gaid", Gaid),
    ("google_aid", Gaid),
    ("advertising_id", Gaid),
    ("google_ad_id", Gaid),
    ("gps_adid", Gaid),
    ("aaid", Gaid),
    ("vaid", Vaid),
    ("mac", Mac),
    ("mac_address", Mac),
    ("wifi_mac", Mac),
    ("sn", Serial),
    ("serial", Serial),
    ("serial_number", Serial),
    ("serialno", Serial),
    ("utdid", Utdid),
    ("instance_id", InstanceId),
    ("install_id", InstanceId),
    ("uuid", InstanceId),
    ("device_uuid", InstanceId),
    ("user_id", LoginId),
    ("uid", LoginId),
    ("cookie_id", CookieId),
    ("web_id", CookieId),
    ("user_unique_id", LoginId),
    ("userid", LoginId),
    ("mi_id", MiAccount),
    ("miid", MiAccount),
    ("xiaomi_id", MiAccount),
    ("mi_account", MiAccount),
    ("mi_account_id", MiAccount),
    ("xiaomi_account", MiAccount),
    ("phone", Phone),
    ("phone_number", Phone),
    ("mobile", Phone),
    ("phone_num", Phone),
    ("telephone", Phone),
    ("msisdn", Phone),
    ("email", Email),
    ("mail", Email),
    ("user_email", Email),
];

static INDEX: Index<{ NAMES.len() }> = Index::new(names());

const fn names() -> [&'static str; NAMES.len()] {
    let mut names = [""; NAMES.len()];
    let mut at = 0;
    while at < NAMES.len() {
        names[at] = NAMES[at].0;
        at += 1;
    }
    names
}

/// What senders write where they have no value.
const BLANKS: &[&str] =
    &["", "null", "none", "unknown", "undefined", "true", "false", "{}", "[]", "-1"];

const LONGEST_BLANK: usize = "undefined".len();

/// Longest value that is taken for an identifier, bytes.
const LONGEST: usize = 256;

/// Shortest value that tells by its form, `a@b.c`.
const SHORTEST: usize = 5;

/// What the leaf identifies, if anything.
pub fn kind(leaf: &Leaf) -> Option<IdKind> {
    let named = Named::new(&leaf.path, Name::new(leaf.key()));
    of(named, leaf, &leaf.value, leaf.text)
}

/// What the names of a field say, whatever its value.
#[derive(Clone, Copy)]
pub(super) struct Named {
    kind: Option<IdKind>,
    /// It may be the number that Android gave to an app.
    uid: bool,
    device_id: bool,
    identities: bool,
}

impl Named {
    pub(super) fn new(path: &str, name: Name<'_>) -> Self {
        let plain = plain(name.text);
        Self {
            kind: by_name(name),
            uid: plain.eq_ignore_ascii_case("uid"),
            device_id: plain.eq_ignore_ascii_case("device_id"),
            identities: path.starts_with("identities."),
        }
    }
}

/// Most values have nothing to trim.
fn trim(value: &str) -> &str {
    match value.as_bytes() {
        [first, .., last] if first.is_ascii_graphic() && last.is_ascii_graphic() => value,
        _ => value.trim(),
    }
}

fn plain(name: &str) -> &str {
    name.strip_prefix('$').unwrap_or(name)
}

/// As [`kind`] of a value that stands where `leaf` does, what its names say being known.
pub(super) fn of(names: Named, leaf: &Leaf, value: &str, text: bool) -> Option<IdKind> {
    let value = trim(value);
    if value.len() > LONGEST {
        return None;
    }
    let found = if let Some(kind) = names.kind {
        let of_app = names.uid && is_app_uid(value);
        named(kind, value).filter(|_| !of_app)
    } else if is_digest(value)
        && let Some(base) = undigested(&plain(leaf.key()).to_ascii_lowercase())
    {
        by_name(Name::new(base)).and_then(hash)
    } else if names.device_id {
        Some(device_id(value))
    } else if names.identities {
        Some(DistinctId)
    } else {
        by_form(text, value)
    };
    // Nearly all values are none, blank or not.
    found.filter(|_| !is_blank(value))
}

/// As [`kind`] of a value whose format says that it is one of this kind: its form need not prove that.
pub(super) fn exact(kind: IdKind, value: &str) -> Option<IdKind> {
    let value = trim(value);
    (!is_blank(value)).then(|| named(kind, value).unwrap_or(kind))
}

fn by_name(name: Name<'_>) -> Option<IdKind> {
    let plain = plain(name.text);
    let named = |at: &usize| NAMES[*at].0 == plain || NAMES[*at].0.eq_ignore_ascii_case(plain);
    INDEX.of(name).find(named).map(|at| NAMES[at].1)
}

/// Whether a number is one that Android gives to apps, under any user of the phone (AOSP,
/// `android_filesystem_config.h`: 1000 to 19 999, and 100 000 more for each user): then it tells of
/// a process and not of an account.
fn is_app_uid(value: &str) -> bool {
    let number = value.parse::<u32>().ok().filter(|_| !value.starts_with('+'));
    number.is_some_and(|uid| uid < 10_000_000 && (1000..20_000).contains(&(uid % 100_000)))
}

/// The name without what says that a digest stands under it.
fn undigested(name: &str) -> Option<&str> {
    ["md5", "sha1", "sha256"].into_iter().find_map(|digest| {
        let front = name.strip_prefix(digest).map(|n| n.trim_start_matches('_'));
        front.or_else(|| name.strip_suffix(digest).map(|n| n.trim_end_matches('_')))
    })
}

/// The kind of a digest of an identifier.
pub(super) fn hash(kind: IdKind) -> Option<IdKind> {
    Some(match kind {
        AndroidId => AndroidIdHash,
        Imei => ImeiHash,
        Oaid => OaidHash,
        Gaid => GaidHash,
        Mac => MacHash,
        Serial => SerialHash,
        Phone => PhoneHash,
        Email => EmailHash,
        _ => return None,
    })
}

/// The kind of a field that holds an identifier and of which no rule speaks.
pub(super) fn kind_of(id: IdKind) -> Kind {
    if id == LoginId { Kind::Account } else { Kind::Identifier }
}

/// A name may lie about a form that is easily checked; a digest may stand under the plain name. An
/// OAID and a serial number may themselves look like a digest.
fn named(kind: IdKind, value: &str) -> Option<IdKind> {
    let fits = match kind {
        Imei => is_imei(value),
        Email => is_email(value),
        Mac => is_mac(value) || is_hex(value, 12),
        Phone => is_phone(value),
        AndroidId | Gaid => !is_digest(value),
        _ => true,
    };
    if fits { Some(kind) } else { hash(kind).filter(|_| is_digest(value)) }
}

/// Hex of the length of MD5, SHA-1 or SHA-256.
fn is_digest(value: &str) -> bool {
    matches!(value.len(), 32 | 40 | 64) && is_hex(value, value.len())
}

/// Seven to fifteen digits (ITU-T E.164 §6), with what people write between them.
fn is_phone(value: &str) -> bool {
    let digits = value.bytes().filter(u8::is_ascii_digit).count();
    (7..=15).contains(&digits)
        && value.bytes().all(|b| b.is_ascii_digit() || b" -().*".contains(&b) || b == b'+')
}

/// When the identifier was made, where it says so: a UTDID begins with the second of its creation. One
/// that a name calls so need not have the right check.
pub fn created(kind: IdKind, value: &str) -> Option<Time> {
    let bytes = (kind == Utdid).then(|| utdid(value))??;
    let seconds = i32::from_be_bytes(*bytes.first_chunk()?);
    Time::from_ms(i64::from(seconds) * 1000)
}

/// Adds identifiers that stand within longer texts and prove themselves by their form.
pub(super) fn add_within(event: &mut DecodedEvent) {
    let separates = |c: char| !(c.is_ascii_alphanumeric() || "+/@._:-".contains(c));
    for field in &mut event.fields {
        if event.ids.len() >= crate::limits::FIELDS_PER_EVENT {
            return;
        }
        if event.ids.iter().any(|id| id.path == field.path) || !field.value.contains(separates) {
            continue;
        }
        let words = field.value.split(separates).filter(|w| w.len() > 5 && w.len() < LONGEST);
        for word in words {
            let Some(kind) = by_form(true, word).filter(|_| !is_blank(word)) else { continue };
            let path = field.path.clone();
            if event.ids.len() < crate::limits::FIELDS_PER_EVENT {
                event.ids.push(Identifier { kind, value: word.into(), path });
            }
            if field.kind == Kind::Other {
                field.kind = Kind::Identifier;
            }
        }
    }
}

/// `device_id` holds whatever its sender chose.
pub(super) fn device_id(value: &str) -> IdKind {
    match value {
        _ if is_hex(value, 16) => AndroidId,
        _ if is_imei(value) => Imei,
        _ if is_mac(value) => Mac,
        _ => InstanceId,
    }
}

fn by_form(text: bool, value: &str) -> Option<IdKind> {
    let length = value.len();
    match value {
        _ if !text || length < SHORTEST => None,
        _ if length == 17 && is_mac(value) => Some(Mac),
        _ if value.starts_with('+') && length > 10 && is_phone(value) => Some(Phone),
        _ if length == 24 && is_utdid(value) => Some(Utdid),
        // The first two digits name who assigned the number; phones carry these four.
        _ if length == 15
            && matches!(value.get(..2), Some("01" | "35" | "86" | "99"))
            && is_imei(value) =>
        {
            Some(Imei)
        }
        _ if is_email(value) => Some(Email),
        _ => None,
    }
}

/// Placeholders, and values made of zeros and separators alone.
fn is_blank(value: &str) -> bool {
    value.len() <= LONGEST_BLANK && BLANKS.iter().any(|b| b.eq_ignore_ascii_case(value))
        || value.bytes().all(|b| matches!(b, b'0' | b'-' | b':'))
        || value == "02:00:00:00:00:00"
}

fn is_hex(value: &str, digits: usize) -> bool {
    value.len() == digits && value.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Fifteen digits of which the last is the Luhn check digit (3GPP TS 23.003 §6.2.1, annex B).
fn is_imei(value: &str) -> bool {
    let digits: Option<Vec<u32>> = value.chars().map(|c| c.to_digit(10)).collect();
    let Some(digits) = digits.filter(|d| d.len() == 15) else { return false };
    let sum: u32 = digits
        .iter()
        .enumerate()
        .map(|(at, d)| if at % 2 == 1 { d * 2 / 10 + d * 2 % 10 } else { *d })
        .sum();
    sum.is_multiple_of(10)
}

/// Six octets in hex, all joined by `:` or all by `-`.
fn is_mac(value: &str) -> bool {
    let octets = |separator| {
        let mut parts = value.split(separator);
        parts.clone().count() == 6 && parts.all(|p| is_hex(p, 2))
    };
    value.len() == 17 && (octets(':') || octets('-'))
}

/// Whether there is an `@`, eight bytes looked at at once.
fn has_at(bytes: &[u8]) -> bool {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let (words, rest) = bytes.as_chunks::<8>();
    let found = |word: &[u8; 8]| {
        let zero = u64::from_le_bytes(*word) ^ (ONES * u64::from(b'@'));
        zero.wrapping_sub(ONES) & !zero & (ONES << 7) != 0
    };
    words.iter().any(found) || rest.contains(&b'@')
}

fn is_email(value: &str) -> bool {
    // Nearly all texts end here.
    if !has_at(value.as_bytes()) {
        return false;
    }
    let Some((local, domain)) = value.split_once('@') else { return false };
    let label =
        |l: &str| !l.is_empty() && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    !local.is_empty()
        && local.bytes().all(|b| b.is_ascii_alphanumeric() || b"._%+-".contains(&b))
        && domain.contains('.')
        && domain.split('.').all(label)
}

/// A UTDID by its form whose check at the end fits. Nothing else proves itself: by chance one in
/// twenty thousand texts of this length has the form, and one in 10^14 the check as well.
pub(super) fn is_utdid(value: &str) -> bool {
    utdid(value).is_some_and(|bytes| {
        let (marked, declared) = bytes.split_at(14);
        utdid_check(marked).is_some_and(|check| check == declared)
    })
}

/// The bytes of what has the form: eighteen in base64, of which eight and nine are 3 and 0, and the
/// first four a second from 2010 on.
fn utdid(value: &str) -> Option<[u8; 18]> {
    const Y2010: i32 = 1_262_304_000;
    // The digits that hold bytes eight and nine alone.
    if value.len() != 24 || value.as_bytes().get(11..13) != Some(b"DA") {
        return None;
    }
    let mut bytes = [0; 18];
    let length = STANDARD.decode_slice(value, &mut bytes).ok()?;
    let seconds = i32::from_be_bytes(*bytes.first_chunk()?);
    (length == 18 && bytes.get(8..10) == Some(&[3, 0]) && seconds >= Y2010).then_some(bytes)
}

/// The last four bytes of a UTDID, made of those before them, as the vendor's own code makes them
/// (many public decompilations; it fits all of fourteen that public repositories quote).
fn utdid_check(marked: &[u8]) -> Option<[u8; 4]> {
    const KEY: &[u8] = b"d6fc3a4a06adbde89223bvefedc24fecde188aaa9161";
    let digest = Hmac::<Sha1>::new_from_slice(KEY).ok()?.chain_update(marked).finalize();
    Some(java_hash(&STANDARD.encode(digest.into_bytes())).to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(path: &str, value: &str, text: bool) -> Leaf {
        let key = path.rsplit('.').next().unwrap_or(path);
        Leaf::new(path, key, value, text)
    }

    fn text(path: &str, value: &str) -> Option<IdKind> {
        kind(&leaf(path, value, true))
    }

    #[test]
    fn names_decide_first() {
        for (path, value, expected) in [
            ("distinct_id", "9113946abd821d52", DistinctId),
            ("anonymous_id", "18f0a02b36b0-04eec", AnonymousId),
            ("login_id", "u-1001", LoginId),
            ("identities.$identity_android_id", "9113946abd821d52", AndroidId),
            ("identities.$identity_cookie_id", "18f0a02b36b0-04eec", CookieId),
            ("identities.$identity_login_id", "u-1", LoginId),
            ("identities.shop_member", "42", DistinctId),
            ("properties.OAID", "a-b", Oaid),
            ("H.gaid", "38400000-8cf0-11bd-b23e-10b96e40000d", Gaid),
            ("H.imei", "d41d8cd98f00b204e9800998ecf8427e", ImeiHash),
            ("imei_md5", "d41d8cd98f00b204e9800998ecf8427e", ImeiHash),
            ("md5_mac", "d41d8cd98f00b204e9800998ecf8427e", MacHash),
            ("oaidsha1", "da39a3ee5e6b4b0d3255bfef95601890afd80709", OaidHash),
            ("oaid", "d41d8cd98f00b204e9800998ecf8427e", Oaid),
            ("android_id", "d41d8cd98f00b204e9800998ecf8427e", AndroidIdHash),
            ("phone", "+91 12345-67890", Phone),
            ("mobile", "d41d8cd98f00b204e9800998ecf8427e", PhoneHash),
            ("H.instance_id", "x", InstanceId),
        ] {
            assert_eq!(text(path, value), Some(expected), "{path}");
        }
        assert_eq!(kind(&leaf("mi_id", "123456789", false)), Some(MiAccount));
    }

    #[test]
    fn a_uid_is_a_login_id_unless_android_gives_such_numbers_to_apps() {
        for account in ["1234567890", "u-17", "999", "20000", "+10123"] {
            assert_eq!(text("H.uid", account), Some(LoginId), "{account}");
        }
        for app in ["1000", "10123", "19999", "1010123"] {
            assert_eq!(text("H.uid", app), None, "{app}");
        }
        assert_eq!(text("user_id", "10123"), Some(LoginId), "named for people");
    }

    #[test]
    fn a_device_id_is_told_by_its_form() {
        for (value, expected) in [
            ("9113946abd821d52", AndroidId),
            ("490154203237518", Imei),
            ("00:1a:2B:3c:4d:5e", Mac),
            ("18f0a02b36b0-04eec", InstanceId),
        ] {
            assert_eq!(text("properties.$device_id", value), Some(expected), "{value}");
        }
    }

    #[test]
    fn an_imei_needs_its_check_digit() {
        assert!(is_imei("490154203237518"));
        assert!(!is_imei("490154203237517"));
        assert!(!is_imei("49015420323751"));
        assert_eq!(text("imei", "490154203237517"), None);
        assert_eq!(text("x", "352099001761481"), Some(Imei));
        assert_eq!(text("x", "490154203237518"), None, "not one of a phone's prefixes");
        assert_eq!(kind(&leaf("x", "352099001761481", false)), None, "a bare number");
    }

    #[test]
    fn forms_that_prove_themselves_are_found_under_any_name() {
        assert_eq!(text("x", "00-1a-2b-3c-4d-5e"), Some(Mac));
        assert_eq!(text("x", "asha@example.org"), Some(Email));
        assert_eq!(text("x", "asha@example"), None);
        assert_eq!(text("x", "00:1a-2b:3c:4d:5e"), None);
        assert_eq!(text("x", MADE), Some(Utdid));
        assert_eq!(text("x", "AAAAAAAAAAAAAAAAAAAAAAAA"), None);
    }

    #[test]
    fn a_name_that_speaks_of_a_digest_needs_one() {
        assert_eq!(text("imei_md5", "d41d8cd9"), None);
        assert_eq!(text("md5", "d41d8cd98f00b204e9800998ecf8427e"), None);
        assert_eq!(text("title_md5", "d41d8cd98f00b204e9800998ecf8427e"), None);
        assert_eq!(text("phone", "Redmi 9"), None);
        assert_eq!(text("x", "+911234567890"), Some(Phone));
    }

    /// Made by `tests/data/ut/make.py`, with Python's hmac.
    const MADE: &str = "X14QAAEjRWcDAAe+7wC2w0dq";

    #[test]
    fn a_utdid_proves_itself_by_its_check() {
        let bytes = STANDARD.decode(MADE).unwrap();
        for bit in 0..8 * bytes.len() {
            let mut other = bytes.clone();
            other[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(text("x", &STANDARD.encode(other)), None, "{bit}");
        }
    }

    #[test]
    fn a_utdid_tells_when_it_was_made() {
        assert_eq!(created(Utdid, MADE), Some(Time(1_600_000_000_000)));
        assert_eq!(created(InstanceId, MADE), None);
        // What a name calls so need not prove itself.
        let unproved = format!("{}AAA", &MADE[..21]);
        assert_eq!((text("x", &unproved), text("utdid", &unproved)), (None, Some(Utdid)));
        assert_eq!(created(Utdid, &unproved), Some(Time(1_600_000_000_000)));
        let early = STANDARD.encode([0, 1, 2, 3, 4, 5, 6, 7, 3, 0, 5, 6, 7, 8, 9, 9, 9, 9]);
        assert_eq!(created(Utdid, &early), None);
    }

    #[test]
    fn identifiers_within_longer_texts_are_found() {
        let field = crate::event::Field {
            path: "record".into(),
            value: "x||352099001761481||00:1a:2b:3c:4d:5e,asha@example.org".into(),
            kind: Kind::Other,
        };
        let mut event = DecodedEvent { fields: vec![field], ..DecodedEvent::default() };
        add_within(&mut event);
        let kinds: Vec<_> = event.ids.iter().map(|id| id.kind).collect();
        assert_eq!(kinds, [Imei, Mac, Email]);
        assert_eq!(event.fields[0].kind, Kind::Identifier);
    }

    #[test]
    fn placeholders_are_no_identifiers() {
        for value in [
            "",
            "null",
            "Unknown",
            "0",
            "00000000-0000-0000-0000-000000000000",
            "02:00:00:00:00:00",
        ] {
            assert_eq!(text("oaid", value), None, "{value}");
        }
        assert_eq!(text("oaid", &"x".repeat(LONGEST + 1)), None);
    }
}
