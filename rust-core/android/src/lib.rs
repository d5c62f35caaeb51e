//! The core as one library for Android. Holds nothing of its own: the optimiser of a whole program runs
//! at the level of its last crate, which is this one, so the core itself can be optimised for size and
//! smoltcp's checksums make use of vectors all the same.

pub use muzzle;
