//! Which host a stream of requests is for, as early as its first head tells. Never waits for a
//! body.

use crate::limits;
use std::borrow::Cow;

/// What the first bytes of a stream say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Addressed {
    /// Perhaps HTTP; more bytes are needed.
    More,
    /// Not HTTP/1, or a head that cannot be read.
    NotHttp,
    /// The head is whole; the host it names, lower case, without port and trailing dot.
    To(Option<String>),
}

/// Looks for the end of a first head, at each byte once however it comes.
#[derive(Debug, Default)]
pub struct HeadReader {
    /// Bytes that hold no end.
    searched: usize,
    /// Whether the first line is whole, and one of HTTP.
    begun: bool,
}

impl HeadReader {
    /// Looks at all bytes of the stream so far.
    pub fn peek(&mut self, bytes: &[u8]) -> Addressed {
        if !bytes.first().is_none_or(u8::is_ascii_uppercase) {
            return Addressed::NotHttp;
        }
        let head = &bytes[..bytes.len().min(limits::HTTP_HEAD)];
        let full = head.len() == limits::HTTP_HEAD;
        let new = head.get(self.searched..).unwrap_or_default();
        if new.windows(2).any(|pair| pair == b"\n\n" || pair == b"\n\r") {
            // The last byte of a pair of line ends may be missing.
            return read(head).unwrap_or(if full { Addressed::NotHttp } else { Addressed::More });
        }
        if !self.begun && new.contains(&b'\n') {
            self.begun = may_begin(head);
            if !self.begun {
                return Addressed::NotHttp;
            }
        }
        // A pair may begin with the last byte.
        self.searched = head.len().saturating_sub(1);
        if full { Addressed::NotHttp } else { Addressed::More }
    }
}

/// Reads a head; `None` where it is not whole after all.
fn read(head: &[u8]) -> Option<Addressed> {
    let mut lines = [httparse::EMPTY_HEADER; limits::HTTP_HEADERS];
    let mut parsed = httparse::Request::new(&mut lines);
    match parsed.parse(head) {
        Ok(status) if status.is_complete() => {}
        Ok(_) => return None,
        Err(_) => return Some(Addressed::NotHttp),
    }
    let (method, target) = (parsed.method.unwrap_or_default(), parsed.path.unwrap_or_default());
    let line = || {
        let line = parsed.headers.iter().find(|line| line.name.eq_ignore_ascii_case("host"))?;
        Some(String::from_utf8_lossy(line.value))
    };
    let host = match authority(method, target) {
        Some(authority) => Cow::Borrowed(authority),
        None => line().unwrap_or_default(),
    };
    Some(Addressed::To(bare(&host)))
}

/// The host, and perhaps port, that a target names by itself and that outweighs the Host line: of the
/// absolute form (RFC 9112 §3.2.2) and of CONNECT (§3.2.3). One that begins with `/` names none,
/// whatever else is in it (§3.2.1).
pub(crate) fn authority<'a>(method: &str, target: &'a str) -> Option<&'a str> {
    let authority = if method == "CONNECT" {
        target
    } else {
        let (scheme, rest) = target.split_once("://")?;
        let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
        rest.split(['/', '?', '#']).next().filter(|_| is_scheme)?
    };
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    (!host.is_empty()).then_some(host)
}

/// Whether a head that is not whole may become one: its first line, once it is there, ends with a
/// version (RFC 9112 §3). Other protocols that begin with a capital are not held up.
fn may_begin(head: &[u8]) -> bool {
    let Some(end) = head.iter().position(|byte| *byte == b'\n') else { return true };
    let words = head[..end].trim_ascii_end().rsplit(|byte| *byte == b' ');
    words.take(1).any(|version| version.starts_with(b"HTTP/"))
}

/// A host without port, in lower case, without a trailing dot; `None` for an address or nothing.
fn bare(host: &str) -> Option<String> {
    let host = host.trim();
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    let usable =
        !name.is_empty() && name.len() <= 253 && name.parse::<std::net::Ipv4Addr>().is_err();
    (usable && !name.starts_with('[')).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the bytes say at once; by pieces of any size they come to the same.
    fn addressed(bytes: &[u8]) -> Addressed {
        let at_once = HeadReader::default().peek(bytes);
        for size in [1, 2, 7] {
            let mut reader = HeadReader::default();
            let mut said = Addressed::More;
            for end in (0..bytes.len()).step_by(size).chain([bytes.len()]) {
                said = reader.peek(&bytes[..end]);
                if said != Addressed::More {
                    break;
                }
            }
            assert_eq!(said, at_once, "{size}");
        }
        at_once
    }

    fn to(host: &str) -> Addressed {
        Addressed::To(Some(host.to_owned()))
    }

    #[test]
    fn the_host_is_known_when_the_head_is_whole() {
        let bytes = b"POST /sa HTTP/1.1\r\nA: b\r\nhOsT: SA.Example.:8080 \r\n\r\nbody";
        let whole = bytes.len() - 4;
        for end in 0..whole {
            assert_eq!(addressed(&bytes[..end]), Addressed::More, "{end}");
        }
        assert_eq!(addressed(bytes), to("sa.example"));
    }

    #[test]
    fn a_target_outweighs_the_host_line_where_it_is_absolute_and_only_there() {
        for (line, host) in [
            ("GET http://a.example:80/x", "a.example"),
            ("GET HTTP://a.example", "a.example"),
            ("GET http://u:p@a.example/", "a.example"),
            ("GET http://a.example?to=http://c.example/", "a.example"),
            ("CONNECT a.example:443", "a.example"),
            ("GET /v.gif?ref=http://c.example/", "b.example"),
            ("GET /http://c.example/", "b.example"),
            ("GET //c.example/x://y", "b.example"),
            ("GET ?x=http://c.example/", "b.example"),
            ("GET 1http://c.example/", "b.example"),
            ("GET ://c.example/", "b.example"),
            ("GET http:///x", "b.example"),
            ("OPTIONS *", "b.example"),
        ] {
            let bytes = format!("{line} HTTP/1.1\r\nHost: b.example\r\n\r\n");
            assert_eq!(addressed(bytes.as_bytes()), to(host), "{line}");
        }
    }

    #[test]
    fn addresses_and_absence_are_no_names() {
        for head in ["", "Host:\r\n", "Host: 192.0.2.1:80\r\n", "Host: [::1]\r\n"] {
            let bytes = format!("GET / HTTP/1.1\r\n{head}\r\n");
            assert_eq!(addressed(bytes.as_bytes()), Addressed::To(None), "{head}");
        }
    }

    #[test]
    fn other_streams_are_told_at_once_or_at_the_bound() {
        assert_eq!(addressed(b"\x16\x03\x01"), Addressed::NotHttp);
        assert_eq!(addressed(b"ssh"), Addressed::NotHttp);
        assert_eq!(addressed(b"SSH-2.0-x\r\n"), Addressed::NotHttp);
        assert_eq!(addressed(b"GET /?a b HTTP/1.1\r\n"), Addressed::More);
        assert_eq!(addressed(&vec![b'A'; limits::HTTP_HEAD - 1]), Addressed::More);
        assert_eq!(addressed(&vec![b'A'; limits::HTTP_HEAD]), Addressed::NotHttp);
    }
}
