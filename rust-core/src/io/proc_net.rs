//! Who owns a flow, by the tables that the kernel shows as text (proc_net_tcp in the kernel's
//! documentation): for Android before 10, and for kernels without sock_diag.
//!
//! A look-up reads a whole table, line by line, so it costs more with every socket of the system.

use super::Owners;
use crate::limits;
use crate::wire::{FiveTuple, Proto};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// Reads `/proc/net/{tcp,udp}` and their twins of IPv6.
pub struct ProcNet {
    tables: PathBuf,
}

impl Default for ProcNet {
    fn default() -> Self {
        Self { tables: "/proc/net".into() }
    }
}

impl Owners for ProcNet {
    fn owner(&mut self, tuple: &FiveTuple) -> Option<u32> {
        let (four, six) = match tuple.proto {
            Proto::Tcp => ("tcp", "tcp6"),
            Proto::Udp => ("udp", "udp6"),
            Proto::Icmp => ("icmp", "icmp6"),
        };
        // A socket of IPv6 may speak IPv4.
        let tables = if tuple.src.is_ipv4() { &[four, six][..] } else { &[six] };
        let found = tables.iter().filter_map(|name| best(&self.tables.join(name), tuple));
        found.max_by_key(|(fit, _)| *fit).map(|(_, uid)| uid)
    }
}

/// How well a socket fits a flow, worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    /// A datagram socket with the port, on any address.
    Port,
    /// A datagram socket with the address and port, that speaks to anybody.
    Local,
    /// Both ends.
    Both,
}

/// One socket of a table.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    local: SocketAddr,
    remote: SocketAddr,
    uid: u32,
}

impl Row {
    fn fit(&self, tuple: &FiveTuple) -> Option<Fit> {
        if self.local.port() != tuple.src.port() {
            return None;
        }
        if (self.local, self.remote) == (tuple.src, tuple.dst) {
            return Some(Fit::Both);
        }
        let to_anybody = self.remote.ip().is_unspecified() && self.remote.port() == 0;
        match tuple.proto {
            Proto::Udp if to_anybody && self.local == tuple.src => Some(Fit::Local),
            Proto::Udp if to_anybody && self.local.ip().is_unspecified() => Some(Fit::Port),
            _ => None,
        }
    }
}

/// The socket of a table that fits best. A table that is missing has none.
fn best(table: &Path, tuple: &FiveTuple) -> Option<(Fit, u32)> {
    let mut lines = BufReader::new(File::open(table).ok()?.take(limits::OWNER_TABLE));
    let mut line = Vec::with_capacity(256);
    let mut found = None;
    while lines.read_until(b'\n', &mut line).ok()? > 0 {
        let row = std::str::from_utf8(&line).ok().and_then(row);
        found = found.max(row.and_then(|row| Some((row.fit(tuple)?, row.uid))));
        line.clear();
    }
    found
}

/// Reads a line. `None` for the head of the table, and for sockets that no process holds any more:
/// they are shown as root's.
fn row(line: &str) -> Option<Row> {
    let mut words = line.split_ascii_whitespace().skip(1);
    let (local, remote) = (end(words.next()?)?, end(words.next()?)?);
    // State, queues, timer and retransmissions stand between.
    let uid = words.nth(4)?.parse().ok()?;
    let inode: u64 = words.nth(1)?.parse().ok()?;
    (inode != 0).then_some(Row { local, remote, uid })
}

/// `0100007F:1F90`: words of 32 bits in the order of this machine, then the port.
fn end(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let word = |at: usize| {
        let word = u32::from_str_radix(address.get(at..at + 8)?, 16).ok()?;
        Some(word.to_ne_bytes())
    };
    let ip = match address.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        32 => {
            let mut octets = [0; 16];
            for (index, place) in octets.chunks_exact_mut(4).enumerate() {
                place.copy_from_slice(&word(8 * index)?);
            }
            // An IPv4 address in one of IPv6 is the former.
            IpAddr::V6(Ipv6Addr::from(octets)).to_canonical()
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    // In the form that Linux 6.18 gives them on a machine of little-endian words.
    const SYNTHETIC_TCP: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 90211 1 0000000000000000 100 0 0 10 0
   1: 010012C6:9C41 097100CB:01BB 02 00000001:00000000 01:00000064 00000000 10102        0 90300 2 0000000000000000 100 0 0 1 7
   2: 010012C6:9C42 097100CB:01BB 06 00000000:00000000 03:00001770 00000000     0        0 0 3 0000000000000000
";
    const SYNTHETIC_TCP6: &str = "  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0000000000000000FFFF0000010012C6:9C43 0000000000000000FFFF0000097100CB:0050 01 00000000:00000000 00:00000000 00000000 10103        0 90400 1 0000000000000000 20 4 30 10 -1
   1: 7A756DFD00006C7A0000000001000000:9C44 B80D0120000000000000000009000000:01BB 01 00000000:00000000 00:00000000 00000000 10104        0 90401 1 0000000000000000 20 4 30 10 -1
";
    const SYNTHETIC_UDP: &str = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  100: 00000000:D431 00000000:0000 07 00000000:00000000 00:00000000 00000000 10105        0 90500 2 0000000000000000 0
  101: 010012C6:D431 097100CB:01BB 01 00000000:00000000 00:00000000 00000000 10106        0 90501 2 0000000000000000 0
";

    fn made() -> (tempfile::TempDir, ProcNet) {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in
            [("tcp", SYNTHETIC_TCP), ("tcp6", SYNTHETIC_TCP6), ("udp", SYNTHETIC_UDP)]
        {
            std::fs::write(directory.path().join(name), text).unwrap();
        }
        let tables = directory.path().to_owned();
        (directory, ProcNet { tables })
    }

    fn owner(proto: Proto, src: &str, dst: &str) -> Option<u32> {
        let (_directory, mut tables) = made();
        let (src, dst) = (src.parse().unwrap(), dst.parse().unwrap());
        tables.owner(&FiveTuple { proto, src, dst })
    }

    #[test]
    fn a_connection_that_begins_is_found_by_both_ends() {
        let app = "198.18.0.1:40001";
        assert_eq!(owner(Proto::Tcp, app, "203.0.113.9:443"), Some(10_102));
        assert_eq!(owner(Proto::Tcp, app, "203.0.113.9:444"), None);
        assert_eq!(owner(Proto::Udp, app, "203.0.113.9:443"), None);
    }

    #[test]
    fn a_socket_that_nobody_holds_any_more_is_not_roots() {
        assert_eq!(owner(Proto::Tcp, "198.18.0.1:40002", "203.0.113.9:443"), None);
    }

    #[test]
    fn sockets_of_ipv6_are_found_for_both_families() {
        assert_eq!(owner(Proto::Tcp, "198.18.0.1:40003", "203.0.113.9:80"), Some(10_103));
        let app = "[fd6d:757a:7a6c::1]:40004";
        assert_eq!(owner(Proto::Tcp, app, "[2001:db8::9]:443"), Some(10_104));
    }

    #[test]
    fn a_datagram_socket_fits_by_its_ends_before_it_fits_by_its_port() {
        let app = "198.18.0.1:54321";
        assert_eq!(owner(Proto::Udp, app, "203.0.113.9:443"), Some(10_106));
        assert_eq!(owner(Proto::Udp, app, "203.0.113.9:53"), Some(10_105));
    }

    #[test]
    fn a_line_that_linux_showed_is_read() {
        let line = "   1: 0000000000000000FFFF00000100007F:A5FC 0000000000000000FFFF00000100007F:A3CD \
                    01 00000000:00000000 00:00000000 00000000     0        0 115925 2 \
                    00000000ba32da69 20 0 0 10 -1";
        let local = "127.0.0.1:42492".parse().unwrap();
        let remote = "127.0.0.1:41933".parse().unwrap();
        assert_eq!(row(line), Some(Row { local, remote, uid: 0 }));
    }

    #[test]
    fn lines_that_cannot_be_read_are_left_out() {
        let line = SYNTHETIC_TCP.lines().nth(2).unwrap();
        assert!(row(line).is_some());
        for cut in 0..line.find("90300").unwrap() {
            assert_eq!(row(&line[..cut]), None, "{cut}");
        }
        for broken in ["0100007F", "0100007:1F90", "0100007G:1F90", "0100007F:1F901", "é100007:1"]
        {
            assert_eq!(end(broken), None, "{broken}");
        }
    }

    #[test]
    fn a_table_that_is_missing_has_no_owner() {
        let mut tables = ProcNet { tables: "/nonexistent".into() };
        let (src, dst) = ("127.0.0.1:1".parse().unwrap(), "127.0.0.1:2".parse().unwrap());
        assert_eq!(tables.owner(&FiveTuple { proto: Proto::Tcp, src, dst }), None);
    }
}
