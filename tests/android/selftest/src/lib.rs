//! What the core can do on Android's ABI, asked through one C function. Built from the same crate
//! with the same compilers, flags and libraries as `libmuzzle.so`, and never shipped.
#![allow(unsafe_code, clippy::unwrap_used, clippy::panic)]

mod app;
mod memory;
mod packets;
mod store;
mod vectors;

#[global_allocator]
static ALLOCATOR: muzzle::io::Pages = muzzle::io::Pages;

use std::ffi::{CStr, c_char, c_int};
use std::panic::catch_unwind;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

/// Runs a step and prints what came of it. `folder` is for the step's own files, `data` is
/// `rust-core/tests/data`. Returns 0 where all was as it must be.
///
/// # Safety
/// The three arguments are C strings.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn muzzle_selftest(
    step: *const c_char,
    folder: *const c_char,
    data: *const c_char,
) -> c_int {
    // SAFETY: the caller passes C strings that outlive the call.
    let [step, folder, data] = [step, folder, data].map(|text| unsafe { CStr::from_ptr(text) });
    let [step, folder, data] = [step, folder, data].map(|text| text.to_str().unwrap());
    match catch_unwind(|| run(step, Path::new(folder), Path::new(data))) {
        Ok(line) => println!("{step}: {line}"),
        Err(_) => return 1,
    }
    0
}

fn run(step: &str, folder: &Path, data: &Path) -> String {
    match step {
        "vectors" => vectors::all(data),
        "packets" => packets::all(folder, data),
        "memory" => memory::all(),
        "panic" => panics(),
        "write" => store::write(folder),
        "check" => store::check(folder),
        _ => panic!("no step is called {step}"),
    }
}

static DROPPED: AtomicU32 = AtomicU32::new(0);

struct Dropped;

impl Drop for Dropped {
    fn drop(&mut self) {
        DROPPED.fetch_add(1, Ordering::Relaxed);
    }
}

#[inline(never)]
fn deep(left: u32) -> u32 {
    let _dropped = Dropped;
    assert!(left > 0, "at the bottom");
    deep(left - 1) + 1
}

/// A panic passes through frames, runs their destructors and is caught, on a thread too.
fn panics() -> String {
    let before = DROPPED.load(Ordering::Relaxed);
    let caught = catch_unwind(|| deep(std::hint::black_box(20))).unwrap_err();
    assert_eq!(caught.downcast_ref::<&str>(), Some(&"at the bottom"));
    assert_eq!(DROPPED.load(Ordering::Relaxed) - before, 21);
    assert!(std::thread::spawn(|| deep(std::hint::black_box(5))).join().is_err());
    assert_eq!(DROPPED.load(Ordering::Relaxed) - before, 27);
    "27 destructors ran in 2 panics".to_owned()
}
