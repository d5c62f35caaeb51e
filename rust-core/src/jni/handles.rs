//! The table of opened cores. A handle is a number that is given once, so a stale one is an error.

use crate::bridge::{Code, Core, Fault};
use crate::limits;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

struct Table {
    last: i64,
    cores: BTreeMap<i64, Arc<Core>>,
    /// Places held for cores that are being opened.
    opening: usize,
}

static TABLE: Mutex<Table> = Mutex::new(Table { last: 0, cores: BTreeMap::new(), opening: 0 });

fn table() -> MutexGuard<'static, Table> {
    // Each change is one insertion or removal, so a panic leaves nothing half done.
    TABLE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Gives the place back, whether a core took it or not.
struct Place;

impl Drop for Place {
    fn drop(&mut self) {
        table().opening -= 1;
    }
}

/// Opens a core and gives its handle. Others are not kept waiting meanwhile.
///
/// # Errors
/// `limit`, and those of `open`.
pub(super) fn insert(open: impl FnOnce() -> Result<Core, Fault>) -> Result<i64, Fault> {
    {
        let mut table = table();
        if table.cores.len() + table.opening >= limits::HANDLES {
            return Err(Fault::new(Code::Limit, "too many handles are open"));
        }
        table.opening += 1;
    }
    let place = Place;
    let core = Arc::new(open()?);
    drop(place);
    let mut table = table();
    table.last += 1;
    let handle = table.last;
    table.cores.insert(handle, core);
    Ok(handle)
}

fn unknown() -> Fault {
    Fault::new(Code::BadHandle, "the handle is not open")
}

/// The core of a handle; it lives on as long as somebody uses it.
///
/// # Errors
/// `bad-handle`.
pub(super) fn get(handle: i64) -> Result<Arc<Core>, Fault> {
    table().cores.get(&handle).cloned().ok_or_else(unknown)
}

/// Like [`get`], for the last time.
///
/// # Errors
/// `bad-handle`.
pub(super) fn remove(handle: i64) -> Result<Arc<Core>, Fault> {
    table().cores.remove(&handle).ok_or_else(unknown)
}
