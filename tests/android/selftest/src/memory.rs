//! What the buffers of connections cost that others gave back just before.

use muzzle::io::Pages;
use muzzle::limits::TCP_BUFFER;
use std::alloc::{GlobalAlloc, Layout, System};
use std::fs;

/// No more than an allocator keeps of such blocks.
const BUFFERS: usize = 24;

/// Memory that buffers take when they were filled, given back and taken again: ours, and those of
/// the system's allocator for comparison.
pub(crate) fn all() -> String {
    format!("{} KB are ours, {} KB the allocator's own", again(&Pages), again(&System))
}

fn again(allocator: &dyn GlobalAlloc) -> usize {
    let layout = Layout::from_size_align(TCP_BUFFER, 1).unwrap();
    // SAFETY: the layout is not empty.
    let take = || [(); BUFFERS].map(|()| unsafe { allocator.alloc_zeroed(layout) });
    // SAFETY: a block is given back once, as it was asked for.
    let give = |block| unsafe { allocator.dealloc(block, layout) };
    let before = resident();
    let filled = take();
    for block in filled {
        assert!(!block.is_null());
        // SAFETY: the block is ours alone, and as large.
        unsafe { block.write_bytes(1, layout.size()) };
    }
    let full = resident() - before;
    assert!(full * 1024 > BUFFERS * TCP_BUFFER * 9 / 10, "{full} KB when all are filled");
    filled.into_iter().for_each(give);
    let taken = take();
    let costs = resident().saturating_sub(before);
    taken.into_iter().for_each(give);
    costs
}

/// Kilobytes of this process that are in memory.
fn resident() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
