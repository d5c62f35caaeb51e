//! Parts of a `multipart/form-data` body (RFC 7578, RFC 2046 §5.1.1). Never asks for the boundary in
//! a header: the body begins with it.

use crate::limits;

/// One part.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part<'a> {
    /// The `name` of its Content-Disposition; empty where there is none.
    pub(super) name: String,
    pub(super) bytes: &'a [u8],
    /// Whether a boundary follows it.
    pub(super) whole: bool,
}

/// Longest line that divides parts, with its two dashes.
const BOUNDARY: usize = 72;

/// At most [`limits::PARTS`] parts; none where the body is something else.
pub(super) fn parts(body: &[u8]) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    // Most bodies are something else, and none of them is searched to its end.
    let begin = body.get(..BOUNDARY + 2).unwrap_or(body);
    if !begin.starts_with(b"--") {
        return parts;
    }
    let Some(end) = find(begin, b"\r\n").filter(|end| *end >= 3) else { return parts };
    let (line, mut rest) = body.split_at(end);
    if !line.iter().all(u8::is_ascii_graphic) {
        return parts;
    }
    let boundary = [b"\r\n", line].concat();
    // Each turn takes a boundary's length at least.
    while parts.len() < limits::PARTS {
        let Some(part) = rest.strip_prefix(b"\r\n") else { break };
        let Some(head) = find(part, b"\r\n\r\n") else { break };
        let (head, content) = part.split_at(head);
        let content = content.get(4..).unwrap_or_default();
        let end = find(content, &boundary);
        let bytes = content.get(..end.unwrap_or(content.len())).unwrap_or(content);
        parts.push(Part { name: name(head), bytes, whole: end.is_some() });
        let Some(end) = end else { break };
        rest = content.get(end + boundary.len()..).unwrap_or_default();
    }
    parts
}

fn name(head: &[u8]) -> String {
    let head = String::from_utf8_lossy(head);
    let name = head.split_once(" name=\"").and_then(|(_, rest)| rest.split_once('"'));
    name.map(|(name, _)| super::json::cut(name, limits::FIELD_PATH / 2).to_owned())
        .unwrap_or_default()
}

/// Place of `needle`, in time linear in `bytes` for the short needles here.
fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_come_out_whole_or_cut() {
        let body = b"--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n2\r\n--b\r\n\
            X: y\r\n\r\nz\r\n--b--\r\n";
        let first = Part { name: "a".into(), bytes: b"1\r\n2", whole: true };
        let second = Part { name: String::new(), bytes: b"z", whole: true };
        assert_eq!(parts(body), [first, second]);
        let cut = parts(&body[..body.len() - 9]);
        assert_eq!((cut.len(), cut[1].bytes, cut[1].whole), (2, b"z".as_slice(), false));
        for none in [b"".as_slice(), b"--b", b"x\r\n\r\n", b"--\xff\r\n"] {
            assert_eq!(parts(none), [], "{none:?}");
        }
        let part = b"\r\n\r\n\r\n\r\n--b";
        let many = [b"--b".as_slice(), &part.repeat(limits::PARTS * 2)].concat();
        assert_eq!(parts(&many).len(), limits::PARTS);
    }
}
