//! Tells when an address of this device comes or goes (rtnetlink(7)). On Linux only: Android tells
//! its apps by a callback, and keeps this from them.
//!
//! Never reads what changed: the engine asks about each of its sockets.

use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SocketFlags, SocketType, bind, netlink, recv, socket_with,
};

/// RTMGRP_IPV4_IFADDR and RTMGRP_IPV6_IFADDR.
const GROUPS: u32 = 0x10 | 0x100;

/// The kernel's word about addresses.
pub(super) struct Addresses(pub(super) OwnedFd);

impl Addresses {
    pub(super) fn watch() -> Result<Self, Errno> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        // NETLINK_ROUTE is the protocol of number 0.
        let fd = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
        bind(&fd, &netlink::SocketAddrNetlink::new(0, GROUPS))?;
        Ok(Self(fd))
    }

    /// Takes all that was said; whether anything was.
    pub(super) fn changed(&self) -> bool {
        let mut said = false;
        loop {
            match recv(&self.0, &mut [0; 4096], RecvFlags::empty()) {
                Ok(_) | Err(Errno::INTR) => said = true,
                // More was said than the queue holds.
                Err(Errno::NOBUFS) => said = true,
                Err(_) => return said,
            }
        }
    }
}
