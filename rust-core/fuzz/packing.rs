//! Packs a clear text as the senders of each format do, so that mutations of it reach the decoder
//! behind the packing. For tests and fuzz targets; never reads anything.

use super::Request;
use aes::cipher::{Array, BlockCipherEncrypt as _, KeyInit as _};
use base64::Engine as _;
use flate2::Compression;
use std::io::Write as _;

pub fn post(body: &[u8]) -> Request {
    Request {
        method: "POST".into(),
        target: "/".into(),
        body: body.to_vec(),
        body_size: body.len() as u64,
        ..Request::default()
    }
}

fn with(mut request: Request, headers: &[(&str, &str)]) -> Request {
    request.headers.extend(headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())));
    request
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// In the alphabet that needs no escapes in a form.
pub fn base64(bytes: &[u8]) -> String {
    base64::engine::general_purpose::URL_SAFE.encode(bytes)
}

pub fn sensors(clear: &[u8]) -> Request {
    post(format!("gzip=1&data_list={}", base64(&gzip(clear))).as_bytes())
}

pub fn onetrack(closed: &[u8]) -> Request {
    with(post(closed), &[("OT_SID", "1"), ("OT_sender", "com.miui.home"), ("OT_ts", "1")])
}

pub fn miui(clear: &[u8]) -> Request {
    post(format!("value={}&sign=1&ts=2&nonce=3", base64(&gzip(clear))).as_bytes())
}

pub fn mistat(clear: &[u8]) -> Request {
    // printf 'seed:a-b-c' | md5sum
    let key = aes::Aes128::new(&Array::from(*b"2C0B0F85CFD84CC7"));
    let pad = 16 - clear.len() % 16;
    let padded = [clear, &vec![pad as u8; pad]].concat();
    let mut hex = String::new();
    for chunk in padded.as_chunks::<16>().0 {
        let mut block = Array::from(*chunk);
        key.encrypt_block(&mut block);
        block.iter().for_each(|byte| hex.push_str(&format!("{byte:02x}")));
    }
    let form = "app_id=a&app_key=b&device_id=c&mistatv=3&size=1&stat_value=";
    post(format!("{form}{hex}").as_bytes())
}

pub fn mistat3(closed: &[u8]) -> Request {
    post(format!("ai=1&sv=2&sid=3&p={}", base64(closed)).as_bytes())
}

/// The clear text is what follows in the form.
pub fn mistat_crash(rest: &[u8]) -> Request {
    post(&[b"device_model=x&crash_exception_type=y&crash_callstack=", rest].concat())
}

/// A field of bytes in Thrift's compact protocol, the next after the one before.
pub fn binary(bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![0x18];
    let mut size = bytes.len();
    while size > 127 {
        out.push(size as u8 & 127 | 128);
        size >>= 7;
    }
    out.push(size as u8);
    out.extend(bytes);
    out
}

pub fn umeng(clear: &[u8]) -> Request {
    let mut body = [binary(b"1"), binary(b"key"), binary(b"0123456789abcdef")].concat();
    body.extend([0x15, 2, 0x15, 2, 0x15, 2]);
    body.extend([binary(&zlib(clear)), binary(b"g"), binary(b"c"), vec![0x15, 0, 0]].concat());
    post(&body)
}

pub fn ut(clear: &[u8]) -> Request {
    post(&[b"\x01\0\0\0\x01\0\0\0".as_slice(), &gzip(clear)].concat())
}

pub fn sls(packing: &str, size: usize, body: &[u8]) -> Request {
    let size = size.to_string();
    with(post(body), &[("x-log-bodyrawsize", &size), ("x-log-compresstype", packing)])
}

pub fn sls_deflated(clear: &[u8]) -> Request {
    sls("deflate", clear.len(), &zlib(clear))
}

pub fn mixpanel(clear: &[u8]) -> Request {
    post(format!("data={}", base64(clear)).as_bytes())
}

pub fn unknown(clear: &[u8]) -> Request {
    post(format!("v=1&payload={}", base64(&gzip(clear))).as_bytes())
}
