//! Requests as they were kept: for a screen that shows bytes, a copy, a later decoder.

use super::StoreError;
use crate::http::Request;
use crate::limits::HTTP_BODY;
use flate2::read::ZlibDecoder;
use rusqlite::{Connection, OptionalExtension};
use std::io::Read;

/// A request out of its rows.
#[derive(Debug, PartialEq)]
pub(super) struct Kept {
    pub(super) request: Request,
    pub(super) time_ms: i64,
    /// Whether nothing of the body that had arrived is missing.
    pub(super) whole: bool,
}

/// The request of a row. Its body is empty where it was too large to keep.
pub(super) fn request(db: &Connection, id: i64) -> Result<Option<Kept>, StoreError> {
    let mut select = db.prepare_cached(
        "SELECT q.method, q.target, q.headers, q.body_size, q.cut, q.time,
             p.data, p.id IS NULL OR p.data IS NOT NULL
         FROM requests q LEFT JOIN payloads p ON p.id = q.payload WHERE q.id = ?1",
    )?;
    let found = select
        .query_row([id], |row| {
            let parts: (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let numbers: (i64, bool, i64) = (row.get(3)?, row.get(4)?, row.get(5)?);
            Ok((parts, numbers, row.get::<_, Option<Vec<u8>>>(6)?, row.get(7)?))
        })
        .optional()?;
    let Some(((method, target, headers), (body_size, cut, time_ms), data, whole)) = found else {
        return Ok(None);
    };
    let request = Request {
        method,
        target,
        headers: serde_json::from_str(&headers).map_err(|_| StoreError::Corrupt)?,
        body: data.map(|data| unpack(&data)).transpose()?.unwrap_or_default(),
        body_size: u64::try_from(body_size).map_err(|_| StoreError::Corrupt)?,
        cut,
    };
    Ok(Some(Kept { request, time_ms, whole }))
}

/// A body from its zlib form. Nothing that was stored is larger than [`HTTP_BODY`].
fn unpack(data: &[u8]) -> Result<Vec<u8>, StoreError> {
    let mut body = Vec::new();
    let bound = HTTP_BODY as u64 + 1;
    ZlibDecoder::new(data).take(bound).read_to_end(&mut body).map_err(|_| StoreError::Corrupt)?;
    if body.len() > HTTP_BODY { Err(StoreError::Corrupt) } else { Ok(body) }
}
