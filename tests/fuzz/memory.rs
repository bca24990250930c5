//! The memory that a call takes, so that each target can bound it by the length of its input. Only
//! the calling thread counts, because tests run side by side.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// Memory that any input may take, in bytes.
const LEAST: i64 = 4 << 20;
/// Memory per byte of the input.
const PER_BYTE: i64 = 128;

/// The system's allocator, which counts the bytes in use and keeps their maximum, for each thread.
struct Counting;

thread_local! {
    static IN_USE: Cell<i64> = const { Cell::new(0) };
    static MOST: Cell<i64> = const { Cell::new(0) };
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn add(bytes: i64) {
    // A thread that ends may free memory after its counters are gone.
    let _ = IN_USE.try_with(|in_use| {
        in_use.set(in_use.get() + bytes);
        MOST.try_with(|most| most.set(most.get().max(in_use.get())))
    });
}

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(layout.size() as i64);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        add(-(layout.size() as i64));
        unsafe { System.dealloc(memory, layout) }
    }
}

/// Carries out `work` on an input of `length` bytes, and fails if it takes too much memory.
pub fn bounded<T>(length: usize, work: impl FnOnce() -> T) -> T {
    let before = IN_USE.get();
    MOST.set(before);
    let result = work();
    let most = MOST.get() - before;
    let allowed = LEAST + PER_BYTE * length as i64;
    assert!(most <= allowed, "an input of {length} bytes takes {most} bytes of memory; allowed are {allowed}");
    result
}

#[test]
fn memory_beyond_the_bound_is_found() {
    let take = |bytes: usize| std::panic::catch_unwind(|| bounded(10, || vec![1u8; bytes].len()));
    assert_eq!(take(LEAST as usize).unwrap(), LEAST as usize);
    assert!(take((LEAST + 11 * PER_BYTE) as usize).is_err());
}
