//! Finds identifiers among fields: by name, and by form where the form alone is proof enough.
//! Never guesses: a number of the right length without its check digit is no IMEI.

use super::json::Leaf;
use crate::event::IdKind;
use IdKind::{
    AndroidId, AnonymousId, CookieId, DistinctId, Email, Gaid, Imei, InstanceId, LoginId, Mac,
    MiAccount, Oaid, Phone, Serial, Utdid, Vaid,
};
use base64::Engine as _;

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
    ("imei_md5", Imei),
    ("oaid", Oaid),
    ("gaid", Gaid),
    ("google_aid", Gaid),
    ("advertising_id", Gaid),
    ("vaid", Vaid),
    ("mac", Mac),
    ("mac_address", Mac),
    ("wifi_mac", Mac),
    ("sn", Serial),
    ("serial", Serial),
    ("serial_number", Serial),
    ("utdid", Utdid),
    ("instance_id", InstanceId),
    ("install_id", InstanceId),
    ("uuid", InstanceId),
    ("cookie_id", CookieId),
    ("mi_id", MiAccount),
    ("miid", MiAccount),
    ("xiaomi_id", MiAccount),
    ("mi_account", MiAccount),
    ("phone", Phone),
    ("phone_number", Phone),
    ("mobile", Phone),
    ("email", Email),
];

/// What senders write where they have no value.
const BLANKS: &[&str] =
    &["", "null", "none", "unknown", "undefined", "true", "false", "{}", "[]", "-1"];

/// Longest value that is taken for an identifier, bytes.
const LONGEST: usize = 256;

/// What the leaf identifies, if anything.
pub fn kind(leaf: &Leaf) -> Option<IdKind> {
    let value = leaf.value.trim();
    if value.len() > LONGEST || is_blank(value) {
        return None;
    }
    let name = leaf.key.strip_prefix('$').unwrap_or(&leaf.key).to_ascii_lowercase();
    if let Some(&(_, kind)) = NAMES.iter().find(|(n, _)| *n == name) {
        return named(kind, value);
    }
    if name == "device_id" {
        return Some(device_id(value));
    }
    if leaf.path.starts_with("identities.") {
        return Some(DistinctId);
    }
    by_form(leaf, value)
}

/// A name may lie about a form that is easily checked.
fn named(kind: IdKind, value: &str) -> Option<IdKind> {
    let fits = match kind {
        // Also sent as a digest of it.
        Imei => is_imei(value) || is_hex(value, 32) || is_hex(value, 40) || is_hex(value, 64),
        Email => is_email(value),
        Mac => is_mac(value) || is_hex(value, 12) || is_hex(value, 32),
        _ => true,
    };
    fits.then_some(kind)
}

/// `device_id` holds whatever its sender chose.
fn device_id(value: &str) -> IdKind {
    match value {
        _ if is_hex(value, 16) => AndroidId,
        _ if is_imei(value) => Imei,
        _ if is_mac(value) => Mac,
        _ => InstanceId,
    }
}

fn by_form(leaf: &Leaf, value: &str) -> Option<IdKind> {
    match value {
        _ if !leaf.text => None,
        _ if is_mac(value) => Some(Mac),
        _ if is_email(value) => Some(Email),
        _ if is_utdid(value) => Some(Utdid),
        // The first two digits name who assigned the number; phones carry these four.
        _ if matches!(value.get(..2), Some("01" | "35" | "86" | "99")) && is_imei(value) => {
            Some(Imei)
        }
        _ => None,
    }
}

/// Placeholders, and values made of zeros and separators alone.
fn is_blank(value: &str) -> bool {
    BLANKS.iter().any(|b| b.eq_ignore_ascii_case(value))
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
        value.len() == 17 && parts.clone().count() == 6 && parts.all(|p| is_hex(p, 2))
    };
    octets(':') || octets('-')
}

fn is_email(value: &str) -> bool {
    let Some((local, domain)) = value.split_once('@') else { return false };
    let label =
        |l: &str| !l.is_empty() && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    !local.is_empty()
        && local.bytes().all(|b| b.is_ascii_alphanumeric() || b"._%+-".contains(&b))
        && domain.contains('.')
        && domain.split('.').all(label)
}

/// Eighteen bytes in base64; bytes eight and nine are 3 and 0.
fn is_utdid(value: &str) -> bool {
    value.len() == 24
        && base64::engine::general_purpose::STANDARD
            .decode(value)
            .is_ok_and(|b| b.len() == 18 && b.get(8..10) == Some(&[3, 0]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(path: &str, value: &str, text: bool) -> Leaf {
        let key = path.rsplit('.').next().unwrap_or(path).to_owned();
        Leaf { path: path.to_owned(), key, value: value.to_owned(), text }
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
            ("H.imei", "d41d8cd98f00b204e9800998ecf8427e", Imei),
            ("H.instance_id", "x", InstanceId),
        ] {
            assert_eq!(text(path, value), Some(expected), "{path}");
        }
        assert_eq!(kind(&leaf("mi_id", "123456789", false)), Some(MiAccount));
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
        let utdid = base64::engine::general_purpose::STANDARD
            .encode([87, 1, 2, 3, 4, 5, 6, 7, 3, 0, 8, 9, 10, 11, 12, 13, 14, 15]);
        assert_eq!(text("x", &utdid), Some(Utdid));
        assert_eq!(text("x", "AAAAAAAAAAAAAAAAAAAAAAAA"), None);
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
