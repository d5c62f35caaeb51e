//! Descriptors that the app hands over. From here on a type owns each, and closes it once.
#![allow(unsafe_code)]

use crate::bridge::{Code, Fault};
use rustix::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// Takes over a descriptor from `detachFd()`.
///
/// # Errors
/// `bad-descriptor` for a number that is none.
pub(super) fn take(fd: RawFd) -> Result<OwnedFd, Fault> {
    let bad = || Fault::new(Code::BadDescriptor, "no open descriptor");
    if fd < 0 {
        return Err(bad());
    }
    // SAFETY: the number is not -1, and is only asked about; one that is not open is an error.
    let asked = unsafe { BorrowedFd::borrow_raw(fd) };
    rustix::io::fcntl_getfd(asked).map_err(|_| bad())?;
    // SAFETY: it is open, and the app gives it away by this call (`docs/jni.md`, descriptors).
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
