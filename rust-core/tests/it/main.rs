//! The one integration binary: invariants of the sources, and scenarios of the engine in a world
//! without sockets, sleep or chance.
// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[allow(dead_code, reason = "tests/load uses it too")]
mod harness;
mod scenarios;
mod seeds;
mod tidy;
