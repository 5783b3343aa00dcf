//! What the program writes: results to the standard output, where a failure to write is an error, and messages to the standard
//! error, where it is ignored. `println!` and `eprintln!` would panic instead.

use super::Failed;
use std::fmt::Arguments;
use std::io::{self, IsTerminal as _, Write as _};

/// Writes a line to the standard output. The failure says why it could not be written, unless nobody reads it any more.
macro_rules! out {
    ($($text:tt)*) => { $crate::command::output::line(format_args!($($text)*)) };
}

/// Writes a line to the standard error, if it can be written.
macro_rules! complain {
    ($($text:tt)*) => { $crate::command::output::complaint(format_args!($($text)*)) };
}

pub(super) use {complain, out};

/// Writes the line of [`out!`].
pub(super) fn line(text: Arguments<'_>) -> Result<(), Failed> {
    written(|out| writeln!(out, "{text}"))
}

/// Lets `write` write to the standard output. All of it is written when this returns `Ok`.
pub(super) fn written(write: impl FnOnce(&mut io::StdoutLock<'static>) -> io::Result<()>) -> Result<(), Failed> {
    let mut out = io::stdout().lock();
    let written = if closed::at_start() {
        Err(io::Error::other("it is closed"))
    } else {
        write(&mut out).and_then(|()| out.flush())
    };
    written.map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Failed::Unread,
        _ => Failed::Refused(format!("cannot write to the standard output: {error}")),
    })
}

/// Writes the line of [`complain!`].
pub(super) fn complaint(text: Arguments<'_>) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Whether the standard output was closed when the program started. Rust opens `/dev/null` in its place before `main`, and writing to
/// that succeeds, so the question must be asked earlier.
#[cfg(target_os = "linux")]
mod closed {
    use std::sync::atomic::{AtomicBool, Ordering};

    static CLOSED: AtomicBool = AtomicBool::new(false);

    // SAFETY: the loader calls the functions in this section before `main`, and this one needs nothing that the runtime sets up later:
    // it only asks the kernel for the flags of a file descriptor and sets an atomic.
    #[used]
    #[unsafe(link_section = ".init_array")]
    static AT_START: extern "C" fn() = {
        extern "C" fn ask() {
            let flags = rustix::io::fcntl_getfd(rustix::stdio::stdout());
            CLOSED.store(flags.is_err(), Ordering::Relaxed);
        }
        ask
    };

    pub fn at_start() -> bool {
        CLOSED.load(Ordering::Relaxed)
    }
}

#[cfg(not(target_os = "linux"))]
mod closed {
    pub fn at_start() -> bool {
        false
    }
}

/// What was decided about changes that were shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// They are to be applied.
    Apply,
    /// They are not.
    Refuse,
    /// There is no terminal at which somebody could be asked.
    NobodyAsked,
}

/// Asks on the standard error whether the changes that were shown are to be applied. With `yes` that was decided before.
pub fn decide(yes: bool) -> Result<Decision, Failed> {
    if yes {
        return Ok(Decision::Apply);
    }
    if !is_at_terminal() {
        return Ok(Decision::NobodyAsked);
    }
    let mut asking = io::stderr();
    // Whoever cannot read the question can still answer it.
    let _ = write!(asking, "Apply these changes? [y/N] ").and_then(|()| asking.flush());
    let mut said = String::new();
    io::stdin().read_line(&mut said).map_err(Failed::refused)?;
    let is_yes = matches!(said.trim().to_lowercase().as_str(), "y" | "yes");
    Ok(if is_yes { Decision::Apply } else { Decision::Refuse })
}

/// Whether somebody can be asked: whoever sees the question can also answer it.
pub fn is_at_terminal() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}
