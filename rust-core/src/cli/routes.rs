//! Routing for the Deep reach on Linux: everything goes into the TUN, apart from our own sockets,
//! which carry a mark, and what more special routes say (the local network).

use super::Failure;
use std::process::Command;

/// Marks the packets of our own sockets.
pub(crate) const MARK: u32 = 0x6d7a;
const TABLE: &str = "27002";
const EXCEPTIONS: &str = "31000";
const ALL: &str = "31001";

/// Routes that lead into the TUN for as long as this lives.
pub(crate) struct Routes;

fn ip(args: &[&str]) -> std::io::Result<std::process::Output> {
    Command::new("ip").args(args).output()
}

/// The rules of one family: local routes first, then all that is not ours into the table.
fn rules(family: &str, verb: &str) -> [Vec<String>; 2] {
    let mark = MARK.to_string();
    let local: &[&str] = &["table", "main", "suppress_prefixlength", "0", "pref", EXCEPTIONS];
    let rest: &[&str] = &["not", "fwmark", &mark, "table", TABLE, "pref", ALL];
    [local, rest].map(|rule| {
        let head = [family, "rule", verb];
        head.iter().chain(rule).map(|word| (*word).to_owned()).collect()
    })
}

impl Routes {
    /// Sets the routes. What an earlier run left behind is replaced.
    pub(crate) fn add(tun: &str) -> Result<Self, Failure> {
        let routes = Self;
        routes.remove();
        Self::add_family("-4", tun)?;
        if let Err(failure) = Self::add_family("-6", tun) {
            anstream::eprintln!("warning: IPv6 goes its own way: {failure}");
        }
        Ok(routes)
    }

    fn add_family(family: &str, tun: &str) -> Result<(), Failure> {
        run(&[family, "route", "replace", "default", "dev", tun, "table", TABLE])?;
        for rule in rules(family, "add") {
            run(&rule.iter().map(String::as_str).collect::<Vec<_>>())?;
        }
        Ok(())
    }

    fn remove(&self) {
        for family in ["-4", "-6"] {
            for rule in rules(family, "del") {
                // A rule that is not there is no fault.
                let _ = ip(&rule.iter().map(String::as_str).collect::<Vec<_>>());
            }
        }
    }
}

impl Drop for Routes {
    fn drop(&mut self) {
        self.remove();
    }
}

fn run(args: &[&str]) -> Result<(), Failure> {
    let told = ip(args).map_err(|error| {
        Failure::new(format_args!("cannot run `ip` ({error}); install the package iproute2"))
    })?;
    if told.status.success() {
        return Ok(());
    }
    let why = String::from_utf8_lossy(&told.stderr);
    Err(Failure::new(format_args!("`ip {}` failed: {}", args.join(" "), why.trim())))
}
