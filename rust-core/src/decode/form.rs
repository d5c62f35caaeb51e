//! `application/x-www-form-urlencoded` text, as bodies and query strings carry it (WHATWG URL
//! Standard, §5.1). Never asks for a Content-Type and never refuses: any bytes are some form.

use crate::limits;

/// Names and values in the sender's order, decoded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Form {
    /// At most [`limits::FORM_PAIRS`]. What is not UTF-8 has replacement characters.
    pub pairs: Vec<(String, String)>,
    /// Whether more pairs followed.
    pub more: bool,
}

impl Form {
    /// Parses form text.
    pub fn parse(text: &[u8]) -> Self {
        let mut form = Self::default();
        for piece in text.split(|&b| b == b'&').filter(|p| !p.is_empty()) {
            if form.pairs.len() == limits::FORM_PAIRS {
                form.more = true;
                break;
            }
            let at = piece.iter().position(|&b| b == b'=').unwrap_or(piece.len());
            let (name, value) = piece.split_at(at);
            form.pairs.push((decode(name), decode(value.get(1..).unwrap_or_default())));
        }
        form
    }

    /// Of a body: empty where its first name is none that anybody would send. Bodies of other formats
    /// are not searched for `&`.
    pub fn of_body(body: &[u8]) -> Self {
        let start = body.iter().position(|&b| b != b'&').unwrap_or(body.len());
        let name = body.get(start..).unwrap_or_default();
        let end = name.iter().take(limits::FORM_NAME).position(|&b| b == b'=' || b == b'&');
        let name = name.get(..end.unwrap_or(0)).unwrap_or_default();
        let fits = |b: &u8| b.is_ascii_graphic() && !b"{[<\"".contains(b);
        if end.is_some() && name.iter().all(fits) { Self::parse(body) } else { Self::default() }
    }

    /// The query of a request target, `/sa?project=x` or `http://host/sa?project=x`.
    pub fn of_target(target: &str) -> Self {
        let target = target.split('#').next().unwrap_or_default();
        target
            .split_once('?')
            .map_or_else(Self::default, |(_, query)| Self::parse(query.as_bytes()))
    }

    /// Value of the first pair of this name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

/// The path of a request target, without scheme, authority, query and fragment.
pub fn path(target: &str) -> &str {
    let end = target.find(['?', '#']).unwrap_or(target.len());
    let target = &target[..end];
    match target.split_once("://") {
        Some((scheme, rest)) if !scheme.contains('/') => {
            rest.find('/').map_or("/", |at| &rest[at..])
        }
        _ => target,
    }
}

/// Plus to space, then percent-decoding (WHATWG URL Standard, §1.3).
pub(super) fn decode(text: &[u8]) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    loop {
        // Most bytes stand for themselves.
        let plain = rest.iter().position(|b| matches!(b, b'+' | b'%')).unwrap_or(rest.len());
        let (before, marked) = rest.split_at(plain);
        out.extend_from_slice(before);
        let Some((&byte, after)) = marked.split_first() else { break };
        rest = after;
        out.push(match (byte, after) {
            (b'+', _) => b' ',
            (b'%', [high, low, tail @ ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => {
                    rest = tail;
                    high << 4 | low
                }
                _ => b'%',
            },
            _ => byte,
        });
    }
    String::from_utf8(out).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|d| u8::try_from(d).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        Form::parse(text.as_bytes()).pairs
    }

    fn owned(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|&(n, v)| (n.to_owned(), v.to_owned())).collect()
    }

    #[test]
    fn pairs_come_in_order_with_repeats() {
        assert_eq!(pairs("a=1&b=2&a=3"), owned(&[("a", "1"), ("b", "2"), ("a", "3")]));
        assert_eq!(Form::parse(b"a=1&b=2&a=3").get("a"), Some("1"));
        assert_eq!(Form::parse(b"a=1").get("b"), None);
    }

    #[test]
    fn empty_pieces_are_skipped_and_missing_signs_mean_empty_values() {
        assert_eq!(pairs("&&a&=b&c=&"), owned(&[("a", ""), ("", "b"), ("c", "")]));
        assert_eq!(pairs("a=b=c"), owned(&[("a", "b=c")]));
        assert_eq!(pairs(""), owned(&[]));
    }

    #[test]
    fn plus_and_percent_are_undone_and_broken_escapes_stay() {
        assert_eq!(pairs("a+b=c%2Bd%20e"), owned(&[("a b", "c+d e")]));
        assert_eq!(pairs("%E5%A4%a9=%zz%4&x=%"), owned(&[("天", "%zz%4"), ("x", "%")]));
        assert_eq!(pairs("a=%ff%00"), owned(&[("a", "\u{fffd}\0")]));
    }

    #[test]
    fn a_body_that_does_not_begin_with_a_name_is_no_form() {
        for form in ["a=b", "&&a=b", "=b", "data%5Flist=x&y=z", "a&b=c"] {
            assert_eq!(Form::of_body(form.as_bytes()), Form::parse(form.as_bytes()), "{form}");
            assert_ne!(Form::of_body(form.as_bytes()), Form::default(), "{form}");
        }
        let long = format!("{}=b", "a".repeat(limits::FORM_NAME));
        for other in ["", "a", "{\"a\":\"b=c&d\"}", "<p a=b>", "a word = b", "\u{1f}\u{8b}=", &long]
        {
            assert_eq!(Form::of_body(other.as_bytes()), Form::default(), "{other}");
        }
    }

    #[test]
    fn the_number_of_pairs_is_bounded() {
        let exact = Form::parse("a&".repeat(limits::FORM_PAIRS).as_bytes());
        assert_eq!((exact.pairs.len(), exact.more), (limits::FORM_PAIRS, false));
        let over = Form::parse("a&".repeat(limits::FORM_PAIRS + 1).as_bytes());
        assert_eq!((over.pairs.len(), over.more), (limits::FORM_PAIRS, true));
    }

    #[test]
    fn targets_split_into_path_and_query() {
        for (target, expected) in [
            ("/sa?project=x", "/sa"),
            ("http://host/sa.gif?a#b", "/sa.gif"),
            ("http://host", "/"),
            ("/go?to=http://x/y", "/go"),
            ("/a/http://x/y", "/a/http://x/y"),
            ("*", "*"),
            ("", ""),
        ] {
            assert_eq!(path(target), expected, "{target}");
        }
        assert_eq!(Form::of_target("/sa?project=x#frag").get("project"), Some("x"));
        assert_eq!(Form::of_target("/sa").pairs, []);
    }
}
