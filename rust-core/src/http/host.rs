//! Which host a stream of requests is for, as early as its first head tells. Never waits for a
//! body.

use super::Request;
use crate::limits;

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
    let absolute = parsed.path.and_then(|path| path.split_once("://"));
    let host = match absolute {
        // RFC 9112 §3.2.2: an absolute target outweighs the Host line.
        Some((_, rest)) => rest.split(['/', '?', '#']).next().unwrap_or_default().to_owned(),
        None => parsed
            .headers
            .iter()
            .find(|line| line.name.eq_ignore_ascii_case("host"))
            .map(|line| String::from_utf8_lossy(line.value).into_owned())
            .unwrap_or_default(),
    };
    Some(Addressed::To(bare(&host)))
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

impl Request {
    /// The host that the request names; `None` where it names none, or an address.
    pub fn host(&self) -> Option<String> {
        bare(self.header("host")?)
    }
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
    fn an_absolute_target_outweighs_the_host_line() {
        let bytes = b"GET http://a.example:80/x HTTP/1.1\r\nHost: b.example\r\n\r\n";
        assert_eq!(addressed(bytes), to("a.example"));
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
