//! Memory: how the threads of the server share what the C library's allocator has. Elsewhere these do nothing.

/// Lets the threads share two arenas, before there are any: with one for each, what a thread frees another cannot use.
pub fn share() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: it sets a number of the allocator's.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 2);
    }
}

/// Gives back to the system what a large push has left behind in the arenas; the next one may be another thread's.
pub fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: it frees only what nobody uses.
    unsafe {
        libc::malloc_trim(0);
    }
}
