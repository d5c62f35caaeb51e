//! What the engine does, told as scenarios: each names what happens, and asserts the verdict, the
//! records, and what the network did not get.

mod bypass;
mod capture;
mod chance;
mod clock;
mod connect;
mod corners;
mod datagrams;
mod descriptors;
mod echoes;
mod faults;
mod gate;
mod limits;
mod malformed;
mod names;
mod nat;
mod network;
mod owners;
mod parked;
mod quic;
mod resolver;
mod streams;
mod verdicts;
mod windows;
