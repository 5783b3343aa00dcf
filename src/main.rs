//! The program; see [`rollcall::command`].

fn main() -> std::process::ExitCode {
    rollcall::command::run()
}
