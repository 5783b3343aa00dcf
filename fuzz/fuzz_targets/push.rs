//! Pushes several bodies to an account, by the fast way and by the plain way, and stops where they differ:
//! `cargo fuzz run push` (on a stable compiler with `RUSTC_BOOTSTRAP=1` and `--sanitizer none`).
//!
//! An input is bodies, each behind a byte that says in how large pieces it comes and ended by 0xFF, which no JSON has. Behind the byte 0xFE
//! it is the id of an employee to patch.

#![no_main]

#[path = "../../tests/rollcall/both.rs"]
mod both;
#[path = "../../tests/rollcall/plain.rs"]
mod plain;

use both::Both;
use libfuzzer_sys::fuzz_target;
use std::cell::RefCell;

thread_local! {
    static BOTH: RefCell<Both> = RefCell::new(Both::new());
}

fuzz_target!(|input: &[u8]| {
    BOTH.with_borrow_mut(|both| {
        both.clear();
        for push in input.split(|&byte| byte == 0xff).take(6) {
            let Some((&size, body)) = push.split_first() else {
                continue;
            };
            if size == 0xfe {
                both.patch(&String::from_utf8_lossy(body), "p");
                continue;
            }
            both.push(body, 1 + usize::from(size) * 3);
            both.push(body, 1 + usize::from(size));
        }
    });
});
