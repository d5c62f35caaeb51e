//! Muzzle's core: sees, stops and decodes the telemetry that a phone's apps send.
//!
//! Three rings; an arrow inward is the only one allowed (`tests/it/tidy.rs` holds it):
//!
//! - ring 0, pure codecs without state or I/O: [`event`], [`wire`], [`dns`], [`tls`], [`quic`],
//!   [`http`], [`decode`], [`signatures`], [`servers`],
//!   [`limits`];
//! - ring 1, state without I/O, `now` is an argument: [`policy`], [`names`], [`tcp`], [`flow`],
//!   [`engine`], [`replay`];
//! - ring 2, effects: [`io`], [`store`], [`export`], [`lists`], [`service`], [`bridge`], `jni`, [`cli`].

pub mod decode;
pub mod dns;
pub mod event;
pub mod http;
pub mod limits;
pub mod quic;
pub mod servers;
pub mod signatures;
pub mod tls;
pub mod wire;

pub mod engine;
pub mod flow;
pub mod names;
pub mod policy;
pub mod replay;
pub mod tcp;

pub mod bridge;
#[cfg(feature = "cli")]
pub mod cli;
pub mod export;
pub mod io;
#[cfg(feature = "jni")]
pub mod jni;
pub mod lists;
pub mod service;
pub mod store;
