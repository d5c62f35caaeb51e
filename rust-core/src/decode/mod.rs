//! To come.
/// x
pub fn answer(_: &crate::http::Request) -> Vec<u8> {
    b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec()
}
