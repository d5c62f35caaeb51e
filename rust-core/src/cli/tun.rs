//! A TUN of our own on Linux: opened, addressed, brought up.

use super::Failure;
use crate::names::{PREFIX_V4, PREFIX_V6, TUN_V4, TUN_V6};
use crate::{io, limits};
use rustix::fd::OwnedFd;
use std::net::Ipv4Addr;

/// Makes the interface `name` with our addresses; the fake prefixes become its routes. It goes
/// away with the descriptor.
pub(crate) fn open(name: &str) -> Result<OwnedFd, Failure> {
    let mut config = tun::Configuration::default();
    let netmask = Ipv4Addr::from(u32::MAX << (32 - u32::from(PREFIX_V4)));
    config.tun_name(name).address(TUN_V4).netmask(netmask).mtu(limits::TUN_MTU).up();
    let device = tun::create(&config).map_err(|error| explain(name, &error))?;
    if let Err(error) = io::add_ipv6(name, TUN_V6, PREFIX_V6) {
        log::warn!("no IPv6 on the TUN ({error}): names get IPv4 addresses only in effect");
    }
    Ok(io::take_descriptor(device))
}

fn explain(name: &str, error: &tun::Error) -> Failure {
    let text = error.to_string();
    let errno = match error {
        tun::Error::Io(io) => io.raw_os_error(),
        _ => None,
    };
    match errno {
        Some(libc::EPERM | libc::EACCES) => Failure::new(format_args!(
            "no right to make the interface {name}; run as root or with CAP_NET_ADMIN"
        )),
        Some(libc::ENOENT | libc::ENXIO | libc::ENODEV) => Failure::new(
            "/dev/net/tun is missing; load the module with `modprobe tun`, or give the container the device",
        ),
        Some(libc::EBUSY) => Failure::new(format_args!(
            "the interface {name} is in use; stop the other program or take another name with --tun"
        )),
        _ => Failure::new(format_args!("cannot make the interface {name}: {text}")),
    }
}
