//! What an MD5 is the digest of, among the identifiers that stand beside it. The SDK prints each byte
//! without its leading zero, so that two of three digests have fewer than 32 digits.

use super::super::ids;
use crate::event::{IdKind, Identifier};
use crate::limits;
use compact_str::CompactString;
use md5::{Digest as _, Md5};

/// Whether a text may be an MD5 as the SDK prints it.
pub(super) fn is_one(text: &str) -> bool {
    (16..=32).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Remembers what was found, and how much was tried.
#[derive(Default)]
pub(super) struct Digests {
    known: Option<(CompactString, Option<IdKind>)>,
    tried: usize,
}

impl Digests {
    /// The kind of a digest of the identifier whose MD5 the value is.
    pub(super) fn kind(&mut self, value: &CompactString, ids: &[Identifier]) -> Option<IdKind> {
        // It stands in the header and among the packed identifiers.
        if let Some((known, kind)) = &self.known
            && known == value
        {
            return *kind;
        }
        let kind = self.find(value, ids);
        self.known = Some((value.clone(), kind));
        kind
    }

    /// As they are first: nearly always it is one of these.
    fn find(&mut self, value: &str, ids: &[Identifier]) -> Option<IdKind> {
        let known = || ids.iter().filter_map(|id| Some((ids::hash(id.kind)?, id.value.as_str())));
        let plain = known().find(|(_, id)| self.is_digest(value, id));
        let plain = plain.map(|(kind, _)| kind);
        plain.or_else(|| {
            let mut other =
                known().filter(|(_, id)| others(id).any(|id| self.is_digest(value, &id)));
            other.next().map(|(kind, _)| kind)
        })
    }

    fn is_digest(&mut self, value: &str, of: &str) -> bool {
        self.tried += 1;
        self.tried <= limits::DIGESTS && is_md5(value, of)
    }
}

/// Other ways to write the same: another case, and without what separates.
fn others(id: &str) -> impl Iterator<Item = String> {
    let bare = || id.replace([':', '-'], "");
    let ways = [id.to_lowercase(), id.to_uppercase(), bare().to_lowercase(), bare().to_uppercase()];
    let id = id.to_owned();
    ways.into_iter().filter(move |way| *way != id)
}

/// Whether a text is the MD5 of another one, with or without leading zeros.
fn is_md5(text: &str, of: &str) -> bool {
    let digest = Md5::digest(of.as_bytes());
    let digits = digest.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let value = |digit: u8| char::from(digit).to_digit(16).map(|value| value as u8);
    let same = |digits: &mut dyn Iterator<Item = u8>| text.bytes().map(value).eq(digits.map(Some));
    let mut short = digest.iter().flat_map(|byte| {
        let high = Some(byte >> 4).filter(|high| *high > 0);
        high.into_iter().chain([byte & 15])
    });
    if text.len() == 32 { same(&mut { digits }) } else { same(&mut short) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids() -> Vec<Identifier> {
        let id = |kind, value: &str| Identifier { kind, value: value.into(), path: "x".into() };
        vec![
            id(IdKind::InstanceId, "none"),
            id(IdKind::Imei, "860000000000012"),
            id(IdKind::Mac, "02:11:22:33:44:55"),
            id(IdKind::Oaid, "0aid0aid0aid0001"),
            id(IdKind::AndroidId, "a1b2c3d4e5f60718"),
        ]
    }

    /// Python: `''.join('%x' % b for b in hashlib.md5(id).digest())`.
    #[test]
    fn an_md5_is_known_with_and_without_its_zeros() {
        for (value, kind) in [
            ("e083ea92f3b9f5e07f4fd77a601b3d7", Some(IdKind::OaidHash)),
            ("E083EA92F3B9F5E07F4FD77A601B3D7", Some(IdKind::OaidHash)),
            ("ef461623fa31ba35bdca9e9db3b47", Some(IdKind::ImeiHash)),
            ("648994dca06ee4e3a3914a3d2f40ca58", Some(IdKind::AndroidIdHash)),
            ("5d509e54f67fcbe18a1ace4966bda15b", Some(IdKind::MacHash)),
            ("ad921d6048636625889553a3db49a4a", None),
            ("", None),
        ] {
            assert_eq!(Digests::default().kind(&value.into(), &ids()), kind, "{value}");
        }
    }

    #[test]
    fn what_is_tried_is_bounded() {
        let id = Identifier { kind: IdKind::Imei, value: "1".into(), path: "x".into() };
        let mut digests = Digests::default();
        let many = vec![id; 10 * limits::DIGESTS];
        for value in 0..10 {
            assert_eq!(digests.kind(&value.to_string().into(), &many), None);
        }
        assert!(!digests.is_digest("c4ca4238a0b923820dcc509a6f75849b", "1"));
        assert!(Digests::default().is_digest("c4ca4238a0b923820dcc509a6f75849b", "1"));
    }
}
