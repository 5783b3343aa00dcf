//! Pushes several bodies to one account, by the fast way and by the plain way, and stops where they differ:
//! `cargo fuzz run push` (on a stable compiler with `RUSTC_BOOTSTRAP=1` and `--sanitizer none`).
//!
//! An input is a list of steps, separated by the byte 0xFF. The first byte of a step says what it is, see [`Step`]. Inside a body the bytes
//! that UTF-8 never uses are short for pieces of a valid push, see [`piece`], so that few bytes make a roster that is accepted.

#![no_main]

#[path = "../../tests/rollcall/both.rs"]
mod both;
#[path = "../../tests/rollcall/plain.rs"]
mod plain;

use both::{Both, PROFILE};
use libfuzzer_sys::fuzz_target;
use rollcall::roster::Status;
use std::cell::RefCell;

const STEPS_MAX: usize = 12;

/// The longest body that edits make.
const BODY_BYTES_MAX: usize = 16 << 10;

enum Step<'i> {
    /// The first byte is none of the below: it says in how large pieces the body comes that follows it.
    Push { size: u8, body: &'i [u8] },
    /// 0xFD: the last body is pushed again, with some bytes replaced. Two bytes say where, one how many.
    Edit { at: [u8; 2], removed: u8, inserted: &'i [u8] },
    /// 0xFE: patches an employee. A byte says what, the id follows it.
    Patch { what: u8, id: &'i [u8] },
    /// 0xFC: the server starts again.
    Restart,
}

fn step(bytes: &[u8]) -> Option<Step<'_>> {
    Some(match *bytes {
        [] | [0xfd | 0xfe] => return None,
        [0xfc, ..] => Step::Restart,
        [0xfd, high, low, removed, ref inserted @ ..] => Step::Edit { at: [high, low], removed, inserted },
        [0xfd, ..] => return None,
        [0xfe, what, ref id @ ..] => Step::Patch { what, id },
        [size, ref body @ ..] => Step::Push { size, body },
    })
}

/// What a byte of an input is short for.
fn piece(byte: u8) -> Option<String> {
    Some(match byte {
        0xf5 => format!(r#"{{"profileId":"{PROFILE}","employees":["#),
        0xf6 => r#"{"id":""#.into(),
        0xf7 => r#"","status":"active","data":[{"name":"A","value":""#.into(),
        0xf8 => r#""}]}"#.into(),
        0xf9 => r#"","status":"hidden"}"#.into(),
        0xfa => r#"","status":"active","data":[{"name":"A","value":"a"}]},{"id":""#.into(),
        0xfb => "]}".into(),
        0xc0 => format!(r#"],"profileId":"{PROFILE}"}}"#),
        0xc1 => r#"{"employees":["#.into(),
        _ => return None,
    })
}

fn spelled_out(short: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for &byte in short {
        match piece(byte) {
            Some(piece) => bytes.extend_from_slice(piece.as_bytes()),
            None => bytes.push(byte),
        }
    }
    bytes
}

/// Pushes a body twice, so that the second time its employees and blocks can be recognised.
fn push(both: &mut Both, body: &[u8], size: u8) {
    both.push(body, 1 + usize::from(size) * 3);
    both.push(body, 1 + usize::from(size));
}

thread_local! {
    static BOTH: RefCell<Both> = RefCell::new(Both::new());
}

fuzz_target!(|input: &[u8]| {
    BOTH.with_borrow_mut(|both| {
        both.clear();
        let mut body = Vec::new();
        for step in input.split(|&byte| byte == 0xff).take(STEPS_MAX).filter_map(step) {
            match step {
                Step::Push { size, body: short } => {
                    body = spelled_out(short);
                    push(both, &body, size);
                }
                Step::Edit { at, removed, inserted } => {
                    let at = usize::from(u16::from_be_bytes(at)) % (body.len() + 1);
                    let end = (at + usize::from(removed)).min(body.len());
                    body.splice(at..end, spelled_out(inserted));
                    body.truncate(BODY_BYTES_MAX);
                    push(both, &body, removed.wrapping_mul(17));
                }
                Step::Patch { what, id } => {
                    let status = [None, Some(Status::Active), Some(Status::Hidden)][usize::from(what % 3)];
                    both.patch(&String::from_utf8_lossy(id), &format!("p{}", what / 64), status);
                }
                Step::Restart => both.restart(),
            }
        }
    });
});
