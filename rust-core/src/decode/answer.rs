//! What the vendor's collector would answer, so that an app believes its upload was delivered.
//! Never sends anything, never unpacks the body: names and paths suffice for an answer. Where it is
//! not known what a collector says, the answer is empty.

use super::form;
use crate::http::Request;

/// The reply of a collector to a GET of `/debug`.
const READY: &[u8] = b"Sensors Analytics is ready to receive your data!";

/// A transparent GIF of one pixel (GIF89a specification, §17 to §27).
const PIXEL: &[u8; 43] = b"GIF89a\
    \x01\x00\x01\x00\x80\x00\x00\
    \x00\x00\x00\xff\xff\xff\
    \x21\xf9\x04\x01\x00\x00\x00\x00\
    \x2c\x00\x00\x00\x00\x01\x00\x01\x00\x00\
    \x02\x02\x44\x01\x00\
    \x3b";

/// A whole HTTP/1.1 response with its Content-Length, status 200. A HEAD request gets no body
/// (RFC 9110 §9.3.2). The connection stays open unless the request asks for its end.
pub fn answer(request: &Request) -> Vec<u8> {
    let (kind, body) = content(request);
    let mut response = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n", body.len());
    if !kind.is_empty() {
        response.push_str(&format!("Content-Type: {kind}\r\n"));
    }
    if request.header("origin").is_some() {
        response.push_str("Access-Control-Allow-Origin: *\r\n");
    }
    response.push_str(match connection(request) {
        Connection::Close => "Connection: close\r\n\r\n",
        Connection::Keep => "Connection: keep-alive\r\n\r\n",
        Connection::Default => "\r\n",
    });
    let mut response = response.into_bytes();
    if request.method != "HEAD" {
        response.extend_from_slice(body);
    }
    response
}

/// Content-Type and body.
fn content(request: &Request) -> (&'static str, &'static [u8]) {
    const JSON: &str = "application/json";
    let path = form::path(&request.target);
    let reading = matches!(request.method.as_str(), "GET" | "HEAD");
    match path.trim_end_matches('/') {
        "/track/v1" | "/track/spock" => (JSON, br#"{"code":1}"#),
        "/mistats" | "/mistats/v2" => (JSON, br#"{"status":"ok"}"#),
        "/mistats/v3" | "/key_get" | "/idservice/deviceid_get" => (JSON, br#"{"code":200}"#),
        "/track/v4" | "/track/v4/o" => (JSON, br#"{"code":0}"#),
        "/track" | "/engage" | "/groups" | "/import" if is_verbose(request) => {
            (JSON, br#"{"status":1,"error":null}"#)
        }
        "/track" | "/engage" | "/groups" | "/import" => ("text/plain", b"1"),
        path if path.ends_with("/sa.gif") => ("image/gif", PIXEL),
        path if path.ends_with("/debug") && reading => ("text/plain", READY),
        _ => ("", b""),
    }
}

/// Whether a client of Mixpanel wants JSON: `verbose=1` in the query or the form.
fn is_verbose(request: &Request) -> bool {
    let in_query = form::Form::of_target(&request.target).get("verbose") == Some("1");
    in_query || request.body.split(|&b| b == b'&').any(|pair| pair == b"verbose=1")
}

enum Connection {
    Close,
    Keep,
    Default,
}

/// RFC 9112 §9.3 and §9.6. A broken body leaves no place for a next request.
fn connection(request: &Request) -> Connection {
    let lines = request.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case("connection"));
    let options = || lines.clone().flat_map(|(_, v)| v.split(',')).map(str::trim);
    if request.cut || options().any(|o| o.eq_ignore_ascii_case("close")) {
        Connection::Close
    } else if options().any(|o| o.eq_ignore_ascii_case("keep-alive")) {
        Connection::Keep
    } else {
        Connection::Default
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, target: &str, headers: &[(&str, &str)]) -> Request {
        Request {
            method: method.into(),
            target: target.into(),
            headers: headers.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect(),
            ..Request::default()
        }
    }

    /// Header lines and body of the answer, its length checked against its header.
    fn parts(request: &Request) -> (String, Vec<u8>) {
        let response = answer(request);
        let end = response.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
        let head = String::from_utf8(response[..end].to_vec()).unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        let length: usize =
            head.lines().find_map(|l| l.strip_prefix("Content-Length: ")).unwrap().parse().unwrap();
        let body = response[end..].to_vec();
        if request.method != "HEAD" {
            assert_eq!(length, body.len());
        }
        (head, body)
    }

    fn body(method: &str, target: &str) -> Vec<u8> {
        parts(&request(method, target, &[])).1
    }

    #[test]
    fn each_collector_answers_in_its_own_words() {
        assert_eq!(body("POST", "/sa?project=x"), b"");
        assert_eq!(body("GET", "/debug?project=x"), READY);
        assert_eq!(body("POST", "/debug"), b"");
        assert_eq!(body("GET", "/x/sa.gif?data=abc"), PIXEL);
        assert_eq!(body("POST", "http://tracking.miui.com/track/v1"), br#"{"code":1}"#);
        assert_eq!(body("POST", "/mistats/v2/"), br#"{"status":"ok"}"#);
        assert_eq!(body("POST", "/mistats/v3"), br#"{"code":200}"#);
        for path in ["/key_get", "/idservice/deviceid_get"] {
            assert_eq!(body("POST", path), br#"{"code":200}"#);
        }
        assert_eq!(body("POST", "/track/v4"), br#"{"code":0}"#);
        assert_eq!(body("POST", "/track/v4/o"), br#"{"code":0}"#);
        for unknown in
            ["/track/key_get", "/unify_logs", "/logstores/x/track", "/upload", "/rest/sur"]
        {
            assert_eq!(body("POST", unknown), b"", "{unknown}");
        }
        assert_eq!(body("GET", "/anything"), b"");
    }

    #[test]
    fn clients_of_mixpanel_get_the_answer_that_they_ask_for() {
        assert_eq!(body("GET", "/track?data=e30%3D&verbose=0"), b"1");
        let json = br#"{"status":1,"error":null}"#;
        assert_eq!(body("GET", "/track?verbose=1&data=e30%3D"), json);
        let form = b"data=%7B%7D&verbose=1&ip=0".to_vec();
        let request = Request { body: form, ..request("POST", "/engage", &[]) };
        assert_eq!(parts(&request).1, json);
    }

    #[test]
    fn a_head_request_gets_the_length_without_the_body() {
        let (head, body) = parts(&request("HEAD", "/sa.gif", &[]));
        assert!(head.contains("Content-Length: 43\r\n"), "{head}");
        assert_eq!(body, b"");
    }

    #[test]
    fn the_connection_is_kept_unless_its_end_is_asked_for() {
        let head = |headers: &[(&str, &str)]| parts(&request("POST", "/sa", headers)).0;
        assert_eq!(head(&[]), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        assert!(head(&[("CONNECTION", "x, Close")]).contains("Connection: close\r\n"));
        assert!(head(&[("Connection", "Keep-Alive")]).contains("Connection: keep-alive\r\n"));
        let cut = Request { cut: true, ..request("POST", "/sa", &[]) };
        assert!(parts(&cut).0.contains("Connection: close\r\n"));
    }

    #[test]
    fn a_page_of_another_origin_may_read_the_answer() {
        let (head, _) = parts(&request("POST", "/sa", &[("Origin", "https://example.org")]));
        assert!(head.contains("Access-Control-Allow-Origin: *\r\n"), "{head}");
    }
}
