//! `rollcall push` and `rollcall demo` in a program that was built without the feature `client`.

use super::Failed;
use crate::config::Config;
use clap::Args;
use std::ffi::OsString;

/// Push a file to a server (not in this program: it was built without the client)
#[derive(Args)]
pub struct Push {
    #[command(flatten)]
    arguments: AnyArguments,
}

/// Start a server and push an invented roster (not in this program: it was built without the client)
#[derive(Args)]
pub struct Demo {
    #[command(flatten)]
    arguments: AnyArguments,
}

/// Takes what the whole program would take, so that the answer is not about an unknown option.
#[derive(Args)]
struct AnyArguments {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    _any: Vec<OsString>,
}

impl Push {
    pub fn run(self, _: Config) -> Result<(), Failed> {
        self.arguments.refuse("push")
    }
}

impl Demo {
    pub fn run(self, _: Config) -> Result<(), Failed> {
        self.arguments.refuse("demo")
    }
}

impl AnyArguments {
    fn refuse(self, subcommand: &str) -> Result<(), Failed> {
        Err(Failed::Usage(format!(
            "this program was built without the client, so there is no `rollcall {subcommand}`; build it with --features client"
        )))
    }
}
