//! Bytes that mean harm, against every decoder: mutations of whole requests and of what is packed in
//! them, bombs, depth and number.

#[path = "../../fuzz/packing.rs"]
#[allow(dead_code, reason = "the fuzz targets use all of it")]
pub(super) mod packing;

use super::requests::{Sample, samples};
use super::vectors::{Random, VECTORS, check, mutate};
use super::{Decoded, decode, lz};
use crate::event::{Check, ProblemCode, Protocol, State};
use crate::http::Request;
use crate::limits;
use packing::{
    base64, binary, gzip, mistat, miui, mixpanel, onetrack, post, sensors, sls, sls_deflated,
    umeng, unknown, ut,
};

type Pack = fn(&[u8]) -> Vec<u8>;
type Wrap = fn(&[u8]) -> Request;

/// A clear text of each format, and how it is packed.
const CLEAR: &[(&[u8], Wrap)] = &[
    (br#"[{"type":"track","event":"e","time":1795248000123,"distinct_id":"d","lib":{"a":"b"},"properties":{"$url":"http://x","a":[1,{"b":"\u0041"}]}},{"type":"item_set","item_id":"1"}]"#, sensors),
    (br#"{"H":{"imei":"1","pkg":"a.b"},"B":[{"H":{"event":"e","e_ts":1},"B":{"url":"http://x"}},{"H":{},"B":[]}]}"#, miui),
    (br#"[{"H":{"event":"e","app_id":"1","e_ts":1795248000123},"B":{"a":[1,{"b":"\u0041"}]}},{"H":{},"B":{}}]"#, post),
    (br#"[{"startTS":1,"endTS":2,"content":[{"category":"c","values":[{"key":"k","params":{"a":1}},{}]}]},{}]"#, mistat),
    (br#"{"header":{"os":"x","a":[1,2]},"analytics":{"ekv":[{"id":1}]},"push":{}}"#, umeng),
    (b"\0\x08commonXX\0\0\x07\xd1\0\0\0\x09rec1\x01rec2\0\0\0\x01\0\0\0\x03abc", ut),
    (br#"{"__topic__":"t","__logs__":[{"a":"{\"b\":1}"},{"c":"d"}],"__tags__":{"x":"y"}}"#, sls_deflated),
    (b"\x0a\x0e\x08\x80\x9f\x85\xd8\x06\x12\x06\x0a\x01a\x12\x01b\x1a\x05topic\x22\x01s\x32\x06\x0a\x01k\x12\x01v", sls_deflated),
    (br#"[{"event":"e","properties":{"token":"t","time":1.5}},{"$token":"t","$distinct_id":"d","$set":{}}]"#, mixpanel),
    (br#"{"a":"{\"b\":\"aHR0cHM6Ly9leGFtcGxlLm9yZy8/cT0xMjM=\"}","c":"x=1&url=http%3A%2F%2Fx"}"#, unknown),
    (b"\x08\x01\x12\x12\x0a\x10asha@example.org\x1a\x04word\x25\x01\0\0\0", unknown),
];

#[test]
fn forty_thousand_mutated_requests_are_survived() {
    let mut random = Random(0x0064_6563_6f64_6572);
    let samples = samples();
    for round in 0..40_000 {
        let mut request = if round % 4 == 0 {
            let mut request = samples[random.below(samples.len())].request.clone();
            if random.below(4) == 0 {
                let mut target = std::mem::take(&mut request.target).into_bytes();
                mutate(&mut random, &mut target);
                request.target = String::from_utf8_lossy(&target).into_owned();
            }
            if request.body.is_empty() {
                request.body.push(b'x');
            }
            mutate(&mut random, &mut request.body);
            request
        } else {
            let (clear, wrap) = CLEAR[random.below(CLEAR.len())];
            let mut clear = clear.to_vec();
            mutate(&mut random, &mut clear);
            wrap(&clear)
        };
        request.body_size = request.body.len() as u64;
        request.cut = random.below(8) == 0;
        check(&request);
    }
}

#[test]
fn every_truncation_of_what_is_packed_is_survived() {
    for (clear, wrap) in CLEAR {
        let all = decode(&wrap(clear));
        assert_eq!(all.state, State::Decoded, "{all:?}");
        for end in 0..clear.len() {
            check(&wrap(&clear[..end]));
        }
        let most = decode(&wrap(&clear[..clear.len() - 1]));
        assert_eq!(most.protocol, all.protocol, "{most:?}");
    }
}

#[test]
fn mutated_lz4_and_zstd_are_survived() {
    let mut random = Random(0x007a_7374_6c7a);
    let packed = |part: &str| {
        let found = samples().into_iter().find(|Sample { name, .. }| name.contains(part));
        found.unwrap().request.body
    };
    let (lz4, zstd) = (packed("sdk-0.9.52-lz4"), packed("zstd"));
    for _ in 0..20_000 {
        let mut body = lz4.clone();
        mutate(&mut random, &mut body);
        let size = random.below(2000);
        assert!(lz::lz4(&body, size).bytes.len() <= size);
        let mut body = zstd.clone();
        mutate(&mut random, &mut body);
        assert!(lz::zstd(&body).bytes.len() <= limits::UNPACKED);
    }
}

/// Every code among the problems of the request and of its events.
fn codes(decoded: &Decoded) -> Vec<ProblemCode> {
    let within = decoded.events.iter().flat_map(|e| &e.problems);
    decoded.problems.iter().chain(within).map(|p| p.code).collect()
}

#[test]
fn bombs_are_named_and_not_unpacked() {
    let spaces = vec![b' '; limits::UNPACKED + 1];
    let packed = gzip(&spaces);
    let lz4 = [b"\x1f \x01\x00".as_slice(), &[255; 40_000], b"\x00\x50     "].concat();
    let zstd = [b"\x28\xb5\x2f\xfd\x00\x38".as_slice(), &b"\x02\x00\x10a".repeat(70)].concat();
    for (protocol, request) in [
        (Protocol::Umeng, umeng(&spaces)),
        (Protocol::Ut, ut(&spaces)),
        (Protocol::Sls, sls("lz4", usize::MAX, &lz4)),
        (Protocol::Sls, sls("zstd", 1, &zstd)),
        (Protocol::Sls, sls_deflated(&spaces)),
        (Protocol::Unknown, post(&packed)),
        (Protocol::Unknown, unknown(&spaces)),
        (Protocol::Unknown, miui(&spaces)),
    ] {
        let decoded = decode(&request);
        assert_eq!(decoded.protocol, protocol);
        let kept: usize =
            decoded.events.iter().flat_map(|e| &e.fields).map(|f| f.value.len()).sum();
        assert!(kept < 1000, "{protocol} {kept}");
        assert!(codes(&decoded).contains(&ProblemCode::TooLarge), "{protocol}");
        check(&request);
    }
}

#[test]
fn many_bombs_cost_what_a_few_do() {
    // Whole megabytes that fit, and are then no longer unpacked.
    let bomb = base64(&gzip(&vec![b' '; 4 * 1024 * 1024]));
    let form = (0..60).fold("url=http://x".to_owned(), |form, n| format!("{form}&p{n}={bomb}"));
    let decoded = decode(&post(form.as_bytes()));
    let large = codes(&decoded).into_iter().filter(|c| *c == ProblemCode::TooLarge).count();
    let most = 60 - limits::NESTED / (4 * 1024 * 1024);
    assert!((most..=60).contains(&large), "{large}");
}

#[test]
fn nesting_ends_at_its_bound() {
    let clear = br#"{"url":"https://example.org/"}"#.to_vec();
    let nest = |levels: usize, step: Pack| (0..levels).fold(clear.clone(), |inner, _| step(&inner));
    let steps: [Pack; 3] = [
        gzip,
        |inner| base64(inner).into_bytes(),
        |inner| serde_json::json!({ "a": String::from_utf8_lossy(inner) }).to_string().into_bytes(),
    ];
    for step in steps {
        let shallow = decode(&post(&nest(3, step)));
        let url = shallow.events[0].fields.iter().find(|f| f.value == "https://example.org/");
        assert!(url.is_some());
        let deep = nest(limits::NESTING + 4, step);
        check(&post(&deep));
        let form = format!("url=http://x/&deep={}", base64(&deep));
        let decoded = decode(&post(form.as_bytes()));
        assert!(codes(&decoded).contains(&ProblemCode::TooDeep), "{:?}", codes(&decoded));
    }
    for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
        let text = format!("{}1{}", open.repeat(50_000), close.repeat(50_000));
        check(&post(text.as_bytes()));
        for (_, wrap) in CLEAR {
            check(&wrap(text.as_bytes()));
        }
    }
    let message = (0..2000).fold(b"\x0a\x04word".to_vec(), |inner, _| binary(&inner));
    check(&post(&message));
}

#[test]
fn no_request_gives_more_events_than_the_bound() {
    let most = limits::EVENTS_PER_REQUEST;
    let list = |item: &str| format!("[{item}{}]", format!(",{item}").repeat(most + 10));
    let log = b"\x0a\x0e\x08\x80\x9f\x85\xd8\x06\x12\x06\x0a\x01a\x12\x01b";
    let group = [log.repeat(most + 10).as_slice(), b"\x1a\x05topic"].concat();
    let values = list(r#"{"key":"k"}"#);
    let record =
        [b"\0\0\0\0\0\x01".as_slice(), &6000u32.to_be_bytes(), &b"a\x01".repeat(3000)].concat();
    for request in [
        post(list(r#"{"H":{"event":"e"},"B":{}}"#).as_bytes()),
        miui(format!(r#"{{"H":{{}},"B":{}}}"#, list(r#"{"H":{},"B":{}}"#)).as_bytes()),
        mistat(
            format!(r#"[{{"content":[{{"values":{values}}},{{"values":{values}}}]}}]"#).as_bytes(),
        ),
        sls_deflated(&group),
        sls_deflated(format!(r#"{{"__logs__":{}}}"#, list("{\"a\":\"b\"}")).as_bytes()),
        mixpanel(list(r#"{"event":"e","properties":{"token":"t"}}"#).as_bytes()),
        ut(&record),
    ] {
        let decoded = decode(&request);
        assert_eq!(decoded.events.len(), most, "{}", decoded.protocol);
        assert!(codes(&decoded).contains(&ProblemCode::TooLarge), "{}", decoded.protocol);
    }
    let group = decode(&sls_deflated(&group));
    assert_eq!(group.events[0].event.as_deref(), Some("topic"));
}

#[test]
fn one_flipped_bit_at_every_byte_is_survived() {
    let samples = samples().into_iter().map(|sample| sample.request);
    let bodies = VECTORS.into_iter().map(|(_, body, _)| post(body));
    for mut request in samples.chain(bodies) {
        for at in 0..request.body.len() {
            request.body[at] ^= 1 << (at % 8);
            check(&request);
            request.body[at] ^= 1 << (at % 8);
        }
    }
    // What is packed, too: a packing with a checksum hides nearly every flip.
    for (clear, wrap) in CLEAR {
        let mut clear = clear.to_vec();
        for at in 0..clear.len() {
            for bit in 0..8 {
                clear[at] ^= 1 << bit;
                check(&wrap(&clear));
                clear[at] ^= 1 << bit;
            }
        }
    }
}

#[test]
fn numbers_of_any_size_are_kept_digit_by_digit_and_are_no_moments() {
    let huge = "9".repeat(400);
    for number in [huge.as_str(), "-1e999999999", "18446744073709551616", "1.000000000000000000001"]
    {
        for (clear, wrap) in CLEAR {
            let Ok(text) = std::str::from_utf8(clear) else { continue };
            let ends = [",", "}", "]"].map(|end| (format!(":1{end}"), format!(":{number}{end}")));
            let long = text.replace("1795248000123", number);
            let numbers = ends.iter().fold(long, |text, (one, huge)| text.replace(one, huge));
            if numbers == text {
                continue;
            }
            let decoded = decode(&wrap(numbers.as_bytes()));
            assert_eq!(decoded.state, State::Decoded, "{number} {numbers}");
            let fields = decoded.events.iter().flat_map(|e| &e.fields);
            let kept = fields.filter(|f| f.value.contains(number)).count();
            assert!(kept > 0, "{number} {decoded:?}");
            check(&wrap(numbers.as_bytes()));
        }
    }
}

#[test]
fn bytes_that_are_no_text_are_replaced_and_named() {
    for (clear, wrap) in CLEAR {
        if !matches!(clear[0], b'[' | b'{') {
            continue;
        }
        let protocol = decode(&wrap(clear)).protocol;
        // The last text of each holds the broken byte.
        let at = clear.windows(3).rposition(|w| w[0] == b'"' && w[1].is_ascii_lowercase()).unwrap();
        let broken = [&clear[..=at], b"\xff\xfe".as_slice(), &clear[at + 1..]].concat();
        let decoded = decode(&wrap(&broken));
        if protocol == Protocol::Unknown {
            // Without a format nothing says that it was meant as text.
            assert_eq!(decoded.state, State::Undecodable, "{decoded:?}");
            continue;
        }
        assert_eq!((decoded.protocol, decoded.state), (protocol, State::Decoded));
        assert!(codes(&decoded).contains(&ProblemCode::Malformed), "{protocol} {decoded:?}");
    }
}

#[test]
fn lengths_that_lie_are_named() {
    let size = |request: &Request| decode(request).checks.get("size").copied();
    let log = br#"{"__logs__":[{"a":"b"}]}"#;
    assert_eq!(size(&sls_deflated(log)), Some(Check::Ok));
    assert_eq!(size(&sls("deflate", log.len() + 1, &packing::zlib(log))), Some(Check::Mismatch));
    // Of LZ4 the declared size is the bound of what comes out.
    let lz4 = samples().into_iter().find(|s| s.name.contains("lz4")).unwrap().request;
    let declared: usize = lz4.header("x-log-bodyrawsize").unwrap().parse().unwrap();
    let lying = |size: usize| {
        let headers = lz4.headers.iter().filter(|(n, _)| !n.contains("bodyrawsize")).cloned();
        let headers = headers.chain([("x-log-bodyrawsize".into(), size.to_string())]);
        decode(&Request { headers: headers.collect(), ..lz4.clone() })
    };
    assert!(codes(&lying(declared)).is_empty());
    for wrong in [0, declared / 2, declared - 1, declared + 1, usize::MAX] {
        let decoded = lying(wrong);
        // With a size that is too small nothing comes out that has the shape.
        let unread = (decoded.protocol, decoded.state) == (Protocol::Unknown, State::Undecodable);
        let read = decoded.protocol == Protocol::Sls && !codes(&decoded).is_empty();
        assert!(if wrong < declared { unread || read } else { read }, "{wrong} {decoded:?}");
    }
    // Of UT the sections' lengths lie beyond the end; of Umeng the entity's.
    let decoded = decode(&ut(b"\xff\xffcommon"));
    assert_eq!(decoded.protocol, Protocol::Unknown, "{decoded:?}");
    let decoded = decode(&ut(b"\0\0\0\0\x07\xd1\xff\xff\xff\xffrecord"));
    assert_eq!(codes(&decoded), [ProblemCode::Truncated]);
    let mut short = umeng(br#"{"header":{},"push":{}}"#);
    let entity = short.body.windows(2).position(|w| w == [0x78, 0x01]).unwrap();
    short.body[entity - 1] = 120;
    let decoded = decode(&short);
    assert_eq!(decoded.protocol, Protocol::Umeng);
    assert!(codes(&decoded).contains(&ProblemCode::Truncated), "{decoded:?}");
}

#[test]
fn the_size_of_mistat_counts_its_values_and_nothing_else() {
    let size = |clear: &str| decode(&mistat(clear.as_bytes())).checks["size"];
    // The form says that it is one.
    let value = r#"{"key":"k"}"#;
    assert_eq!(size(&format!(r#"[{{"content":[{{"values":[{value}]}}]}}]"#)), Check::Ok);
    assert_eq!(
        size(&format!(r#"[{{"content":[{{"values":[{value},{value}]}}]}}]"#)),
        Check::Mismatch
    );
    assert_eq!(size(r#"[{"content":[]}]"#), Check::Mismatch);
}

#[test]
fn what_is_closed_stays_closed_whatever_its_bytes() {
    let mut random = Random(0x0063_6c6f_7365);
    for _ in 0..2000 {
        let closed: Vec<u8> = (0..=random.below(200)).map(|_| random.below(256) as u8).collect();
        for (protocol, request) in [
            (Protocol::Onetrack, onetrack(&closed)),
            (Protocol::Mistat3, packing::mistat3(&closed)),
        ] {
            if closed.len() < 16 {
                continue;
            }
            let decoded = decode(&request);
            assert_eq!((decoded.protocol, decoded.state), (protocol, State::Encrypted));
            assert_eq!(decoded.events.len(), 1);
            check(&request);
        }
    }
}
