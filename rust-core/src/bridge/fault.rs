//! Why a call failed: a code that an app maps to words, and a text for developers.

use crate::event::codes;
use crate::export::ExportError;
use crate::io::IoError;
use crate::lists;
use crate::policy::JsonError;
use crate::service::{ListsError, PlaneError};
use crate::store::StoreError;
use std::io;

codes!(
    /// What failed. `docs/jni.md` says when.
    Code {
        BadArgument = "bad-argument",
        BadJson = "bad-json",
        BadVersion = "bad-version",
        BadHandle = "bad-handle",
        BadDescriptor = "bad-descriptor",
        BadPolicy = "bad-policy",
        BadList = "bad-list",
        Closed = "closed",
        Limit = "limit",
        Cancelled = "cancelled",
        Unsupported = "unsupported",
        System = "system",
        TunGone = "tun-gone",
        StoreMissing = "store-missing",
        StoreCannotOpen = "store-cannot-open",
        StoreNotADatabase = "store-not-a-database",
        StoreForeign = "store-foreign",
        StoreNewer = "store-newer",
        StoreCorrupt = "store-corrupt",
        StoreLocked = "store-locked",
        StoreReadOnly = "store-read-only",
        StoreFull = "store-full",
        StoreIo = "store-io",
        StoreClosed = "store-closed",
        StoreSqlite = "store-sqlite",
        OutputFull = "output-full",
        OutputFailed = "output-failed",
        Panic = "panic",
    }
);

/// A call that failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {detail}")]
pub struct Fault {
    /// What the app acts on.
    pub code: Code,
    /// What a developer reads.
    pub detail: String,
}

impl Fault {
    /// A fault with its text.
    pub fn new(code: Code, detail: impl ToString) -> Self {
        Self { code, detail: detail.to_string() }
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        let code = match error {
            StoreError::Missing => Code::StoreMissing,
            StoreError::CannotOpen => Code::StoreCannotOpen,
            StoreError::NotADatabase => Code::StoreNotADatabase,
            StoreError::Foreign => Code::StoreForeign,
            StoreError::Newer { .. } => Code::StoreNewer,
            StoreError::Corrupt => Code::StoreCorrupt,
            StoreError::Locked => Code::StoreLocked,
            StoreError::ReadOnly => Code::StoreReadOnly,
            StoreError::Full => Code::StoreFull,
            StoreError::Io => Code::StoreIo,
            StoreError::Closed => Code::StoreClosed,
            StoreError::Sqlite(_) => Code::StoreSqlite,
        };
        Self::new(code, error)
    }
}

/// The code of an ended data plane.
pub(super) fn plane_code(error: &PlaneError) -> Code {
    match error {
        PlaneError::Io(IoError::Tun(_)) => Code::TunGone,
        PlaneError::Io(IoError::System { .. }) | PlaneError::System { .. } => Code::System,
        PlaneError::Panicked => Code::Panic,
    }
}

impl From<PlaneError> for Fault {
    fn from(error: PlaneError) -> Self {
        Self::new(plane_code(&error), error)
    }
}

impl From<ListsError> for Fault {
    fn from(error: ListsError) -> Self {
        Self::new(Code::BadList, error)
    }
}

impl From<lists::ListsError> for Fault {
    fn from(error: lists::ListsError) -> Self {
        let code = match error {
            lists::ListsError::File { .. } => Code::System,
            lists::ListsError::TooMany(_) => Code::Limit,
            lists::ListsError::Import { .. }
            | lists::ListsError::TooLarge(_)
            | lists::ListsError::Unpack(_)
            | lists::ListsError::Imported { .. } => Code::BadList,
        };
        Self::new(code, error)
    }
}

impl From<JsonError> for Fault {
    fn from(error: JsonError) -> Self {
        let code = match error {
            JsonError::Malformed(_) => Code::BadJson,
            JsonError::Contradiction { .. } => Code::BadPolicy,
        };
        Self::new(code, error)
    }
}

impl From<serde_json::Error> for Fault {
    fn from(error: serde_json::Error) -> Self {
        Self::new(Code::BadJson, error)
    }
}

impl From<ExportError> for Fault {
    fn from(error: ExportError) -> Self {
        match error {
            ExportError::Store(error) => error.into(),
            ExportError::Output(error) => Self::new(output_code(&error), error),
            error @ ExportError::CannotHide(_) => Self::new(Code::Unsupported, error),
            ExportError::Cancelled => Self::new(Code::Cancelled, "the export was cancelled"),
        }
    }
}

/// The code of a target that cannot be written.
pub(super) fn output_code(error: &io::Error) -> Code {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    match error.kind() {
        StorageFull | QuotaExceeded | FileTooLarge => Code::OutputFull,
        _ => Code::OutputFailed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_explained_to_the_app() {
        let doc = include_str!("../../../docs/jni.md");
        for code in Code::ALL {
            assert!(doc.contains(&format!("`{code}`")), "{code}");
        }
    }
}
