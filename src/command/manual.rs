//! `rollcall completions` and `rollcall man`.

use super::{Cli, Failed, output};
use clap::{Args, Command, CommandFactory as _};
use clap_complete::Shell;
use clap_mangen::Man;
use std::io;

/// Print the completions for a shell
///
/// To install them for bash:
///
/// rollcall completions bash > ~/.local/share/bash-completion/completions/rollcall
#[derive(Args)]
pub struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub fn run(self) -> Result<(), Failed> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "rollcall", &mut script);
        output::written(|out| io::Write::write_all(out, &script))
    }
}

/// Print the manual page
///
/// It is one page for all subcommands. To install it:
///
/// rollcall man > /usr/local/share/man/man1/rollcall.1
#[derive(Args)]
pub struct ManPage {}

impl ManPage {
    pub fn run(self) -> Result<(), Failed> {
        let page = page().map_err(Failed::refused)?;
        output::written(|out| io::Write::write_all(out, &page))
    }
}

/// Returns the page: the program's own sections, then one for each subcommand.
fn page() -> io::Result<Vec<u8>> {
    let mut program = Cli::command().disable_help_subcommand(true);
    program.build();
    let mut page = Vec::new();
    let man = Man::new(program.clone());
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    for command in program.get_subcommands().filter(|command| !command.is_hide_set()) {
        section(command, &mut page)?;
    }
    Ok(page)
}

/// Adds a section for a subcommand, whose own sections are one level lower, and for the subcommands below it.
fn section(command: &Command, page: &mut Vec<u8>) -> io::Result<()> {
    let name = command.get_bin_name().unwrap_or(command.get_name()).to_uppercase();
    let man = Man::new(command.clone());
    let mut sections = Vec::new();
    man.render_synopsis_section(&mut sections)?;
    man.render_description_section(&mut sections)?;
    man.render_options_section(&mut sections)?;
    let sections = String::from_utf8_lossy(&sections);
    page.extend(format!(".SH \"{name}\"\n").bytes());
    for line in sections.lines() {
        page.extend(
            line.strip_prefix(".SH ").map_or_else(|| format!("{line}\n"), |title| format!(".SS {title}\n")).bytes(),
        );
    }
    command.get_subcommands().filter(|command| command.get_name() != "help").try_for_each(|below| section(below, page))
}
