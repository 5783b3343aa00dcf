//! Memory: what large requests leave behind in the C library's allocator is returned to the system. With other C libraries than glibc
//! nothing happens.

use crate::server::Server;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// How many bytes requests must use before it is worth the time to return memory to the system.
const MUCH_BYTES: usize = 16 << 20;

/// How often memory that small requests have left behind is returned.
const TIDY: Duration = Duration::from_secs(5);

/// How many bytes requests have used since memory was last returned.
static USED_BYTES: AtomicUsize = AtomicUsize::new(0);

/// Makes all threads share two arenas of the allocator. With an arena each, no thread could use what another has freed. To be called
/// before there are threads.
pub fn share_arenas() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: it sets a number of the allocator's.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 2);
    }
}

/// Notes that a request no longer needs this many bytes. When many have been used, free memory is returned to the system at once.
pub fn done_with(bytes: usize) {
    let used = USED_BYTES.fetch_add(bytes, Ordering::Relaxed) + bytes;
    if used >= MUCH_BYTES && USED_BYTES.swap(0, Ordering::Relaxed) >= MUCH_BYTES {
        // It takes a moment, which a thread that serves connections does not have.
        drop(tokio::runtime::Handle::try_current().map(|runtime| runtime.spawn_blocking(give_back)));
    }
}

/// Every few seconds closes rosters that are no longer used, overwrites what was erased while somebody read, and returns memory that small
/// requests have left behind.
pub async fn tidy(server: Arc<Server>) {
    loop {
        tokio::time::sleep(TIDY).await;
        let server = server.clone();
        let tidied = tokio::task::spawn_blocking(move || {
            let closed = server.store.close_unused();
            server.store.scrub_left();
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
