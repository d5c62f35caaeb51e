//! Much, in virtual time: mutated packets, short flows, floods. A test binary of its own, because
//! it counts what its thread allocates.
//!
//! The counts are small under plain `cargo test`; `scripts/test` sets `MUZZLE_PACKETS` and
//! `MUZZLE_FLOWS`. `MUZZLE_SEED` repeats a run.
// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../it/harness/mod.rs"]
#[allow(dead_code, unused_imports, reason = "each binary uses its part")]
mod harness;

mod floods;
mod mutated;
mod packets;
mod soak;

/// A number from the environment.
fn number(name: &str, otherwise: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} is no number")),
        Err(_) => otherwise,
    }
}

/// Bytes that are still held on this thread after `work`.
fn held(work: impl FnOnce()) -> i64 {
    allocation_counter::measure(work).bytes_current
}
