//! Memory: what large requests leave behind in the C library's allocator goes back to the system. Elsewhere these do nothing.

use crate::server::Server;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// How many bytes requests must have used since the last time to leave memory behind that is worth the time to give back.
const MUCH_BYTES: usize = 16 << 20;

/// How often what many small requests have left behind is given back.
const TIDY: Duration = Duration::from_secs(5);

/// How many bytes requests have used since memory was last given back.
static USED_BYTES: AtomicUsize = AtomicUsize::new(0);

/// Lets the threads share two arenas, before there are any: with one for each, what a thread frees another cannot use.
pub fn share_arenas() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: it sets a number of the allocator's.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 2);
    }
}

/// Notes that a request is done with so many bytes of memory. When many have been used, what is free goes back to the system at once.
pub fn done_with(bytes: usize) {
    let used = USED_BYTES.fetch_add(bytes, Ordering::Relaxed) + bytes;
    if used >= MUCH_BYTES && USED_BYTES.swap(0, Ordering::Relaxed) >= MUCH_BYTES {
        // It takes a moment, which a thread that serves connections does not have.
        drop(tokio::runtime::Handle::try_current().map(|runtime| runtime.spawn_blocking(give_back)));
    }
}

/// Closes rosters that are not in use any more, and gives back what small requests have left behind, every few seconds.
pub async fn tidy(server: Arc<Server>) {
    loop {
        tokio::time::sleep(TIDY).await;
        let server = server.clone();
        let tidied = tokio::task::spawn_blocking(move || {
            let closed = server.store.close_unused();
            if USED_BYTES.swap(0, Ordering::Relaxed) > 0 || closed {
                give_back();
            }
        });
        drop(tidied.await);
    }
}

fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: it frees only what nobody uses.
    unsafe {
        libc::malloc_trim(0);
    }
}
