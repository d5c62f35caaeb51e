//! What lies around the IP packet: link headers before it, PCAPdroid's trailer behind it, and the
//! comment in which our own exports name the app.

use crate::event::App;
use crate::limits::VLAN_TAGS;

const NULL: u32 = 0;
const ETHERNET: u32 = 1;
const RAW_BSD: u32 = 12;
const RAW_OPENBSD: u32 = 14;
/// Raw IP (IANA, "PCAP Link Types"): the first nibble tells the version.
pub const RAW: u32 = 101;
const LOOP: u32 = 108;
const COOKED: u32 = 113;
const IPV4: u32 = 228;
const IPV6: u32 = 229;
const COOKED_2: u32 = 276;

const TYPE_IPV4: u16 = 0x0800;
const TYPE_IPV6: u16 = 0x86dd;
const TYPE_VLAN: [u16; 2] = [0x8100, 0x88a8];

/// The trailer's first four bytes, and its size: magic, uid, 20 bytes of name, checksum, all in
/// network order (PCAPdroid's user guide, "PCAPdroid trailer").
const TRAILER: [u8; 4] = 0x0107_2021_u32.to_be_bytes();
const TRAILER_SIZE: usize = 32;

/// Whether packets of a link type (IANA, "PCAP Link Types") are read.
pub(super) fn is_known(link: u32) -> bool {
    matches!(
        link,
        NULL | ETHERNET | RAW_BSD | RAW_OPENBSD | RAW | LOOP | COOKED | IPV4 | IPV6 | COOKED_2
    )
}

/// From the IP header on; `None` where it is another protocol or too short.
pub(super) fn ip(link: u32, bytes: &[u8]) -> Option<&[u8]> {
    let (kind, head) = match link {
        RAW_BSD | RAW_OPENBSD | RAW | IPV4 | IPV6 => return Some(bytes),
        // A family whose number and byte order depend on the system: the packet itself is clearer.
        NULL | LOOP => return bytes.get(4..),
        ETHERNET => (12, 14),
        COOKED => (14, 16),
        COOKED_2 => (0, 20),
        _ => return None,
    };
    let (mut kind, mut rest) = (u16_at(bytes, kind)?, bytes.get(head..)?);
    for _ in 0..VLAN_TAGS {
        if !TYPE_VLAN.contains(&kind) {
            break;
        }
        (kind, rest) = (u16_at(rest, 2)?, rest.get(4..)?);
    }
    matches!(kind, TYPE_IPV4 | TYPE_IPV6).then_some(rest)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

/// The user id in PCAPdroid's trailer, from what stands behind the IP packet. The name there is
/// one for people, cut at 20 bytes, and no package.
pub(super) fn uid(behind: &[u8]) -> Option<u32> {
    let at = behind.len().checked_sub(TRAILER_SIZE)?;
    let trailer = behind.get(at..)?.strip_prefix(&TRAILER)?;
    let uid = i32::from_be_bytes(trailer.get(..4)?.try_into().ok()?);
    u32::try_from(uid).ok()
}

/// A line that names an app to who reads a capture, such as `com.mi.globalbrowser (uid 10123)`;
/// `None` where nothing is known.
pub fn app_line(app: &App) -> Option<String> {
    match (&app.package, app.uid) {
        (Some(package), Some(uid)) => Some(format!("{package} (uid {uid})")),
        (Some(package), None) => Some(package.clone()),
        (None, Some(uid)) => Some(format!("(uid {uid})")),
        (None, None) => None,
    }
}

/// The app that [`app_line`] named in the first line of a comment. Of another comment it is
/// nobody: a user id is what makes it ours.
pub(super) fn app_in(comment: &str) -> App {
    let line = comment.lines().next().unwrap_or_default();
    let Some((package, uid)) = line.strip_suffix(')').and_then(|l| l.rsplit_once("(uid ")) else {
        return App::default();
    };
    let package = package.strip_suffix(' ').map(str::to_owned);
    match uid.parse() {
        Ok(uid) => App { uid: Some(uid), package, hint: None },
        Err(_) => App::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_is_read_as_it_was_written() {
        let app = |uid, package: Option<&str>| App {
            uid,
            package: package.map(str::to_owned),
            hint: None,
        };
        for app in [app(Some(10_123), Some("com.a.b")), app(Some(0), None)] {
            let line = app_line(&app).unwrap();
            assert_eq!(app_in(&line), app, "{line}");
            assert_eq!(app_in(&format!("{line}\nrecord")), app);
        }
        assert_eq!(app_line(&app(None, None)), None);
        for other in ["", "a remark", "(uid x)", "(uid 4294967296)", "com.a.b"] {
            assert_eq!(app_in(other), App::default(), "{other}");
        }
    }

    #[test]
    fn a_trailer_ends_the_frame_whatever_pads_it() {
        let mut trailer = TRAILER.to_vec();
        trailer.extend_from_slice(&10_123_i32.to_be_bytes());
        trailer.resize(TRAILER_SIZE, 0);
        assert_eq!(uid(&trailer), Some(10_123));
        assert_eq!(uid(&[&[0, 0, 0], &trailer[..]].concat()), Some(10_123));
        assert_eq!(uid(&trailer[1..]), None);
        // PCAPdroid's unknown app.
        trailer[4..8].copy_from_slice(&(-1_i32).to_be_bytes());
        assert_eq!(uid(&trailer), None);
    }
}
