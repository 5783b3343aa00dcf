//! `rollcall profile`

use super::{Failed, out};
use crate::dialect::Dialect;
use crate::profile;
use clap::{Args, Subcommand};
use std::collections::HashMap;
use std::path::PathBuf;

/// Check profiles
#[derive(Args)]
pub struct Profile {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Say whether files are profiles, and what is wrong with those that are not: file, line, rule and mend
    Check {
        /// The files
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
}

impl Profile {
    pub fn run(self) -> Result<(), Failed> {
        let Action::Check { files } = self.action;
        let mut errors = 0;
        let mut ids = HashMap::new();
        for file in &files {
            match profile::read(file) {
                Ok(profile) => {
                    if let Some(other) = ids.insert(profile.id, file) {
                        errors += 1;
                        out!(
                            "{}: has the same id as {}; every profile needs its own",
                            file.display(),
                            other.display()
                        )?;
                        continue;
                    }
                    let required = profile.fields.iter().filter(|field| field.required).count();
                    let fields = profile.fields.len();
                    let (id, name) = (profile.id, &profile.name);
                    out!("{}: ok: {name:?}, {id}, {fields} fields, {required} required", file.display())?;
                    Dialect::ALL.into_iter().try_for_each(|dialect| out!("    {}", served(&profile, dialect)))?;
                }
                Err(wrong) => {
                    errors += wrong.len();
                    wrong.iter().try_for_each(|error| out!("{error}"))?;
                }
            }
        }
        match errors {
            0 => Ok(()),
            1 => Err(Failed::Refused("1 error".into())),
            _ => Err(Failed::Refused(format!("{errors} errors"))),
        }
    }
}

/// Whether the profile serves a dialect, and what of it.
fn served(profile: &profile::Profile, dialect: Dialect) -> String {
    let name = dialect.name();
    match profile.serves(dialect) {
        Ok(left_out) if left_out.is_empty() => format!("serves {name}"),
        Ok(left_out) => format!("serves {name}, without {}", left_out.join(", ")),
        Err(hindrance) => format!("does not serve {name}: {hindrance}"),
    }
}
