//! `rollcall export`

use super::folder::{IfMissing, StoreFolder};
use super::{Failed, out, output};
use crate::config::Config;
use crate::export::{self, Form, Written};
use crate::store::{Error, Filter, Store};
use clap::Args;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// Write the roster of an account to a file; a server may be running
///
/// The file has the columns id and status and a column for each field. A CSV or a workbook can be pushed again as it is.
#[derive(Args)]
pub struct Export {
    /// The account
    account: i64,
    /// The file: .csv, .xlsx or .ndjson, or of one employee .json; - is the standard output
    file: PathBuf,
    #[command(flatten)]
    store: StoreFolder,
    /// The form, if the file's name does not say it: csv, xlsx or ndjson
    #[arg(long, env = "ROLLCALL_FORM", value_parser = form)]
    form: Option<Form>,
    /// Only employees with this status: active or hidden
    #[arg(long, env = "ROLLCALL_STATUS")]
    status: Option<String>,
    /// Only employees that were last checked by this profile
    #[arg(long, env = "ROLLCALL_PROFILE", value_name = "GUID")]
    profile: Option<String>,
    /// Only employees that changed after this revision or time (2026-01-31T00:00:00Z)
    #[arg(long, env = "ROLLCALL_CHANGED_SINCE", value_name = "REVISION|TIME")]
    changed_since: Option<String>,
    /// The roster as it was at this revision, or after the last push that had ended by this time (2026-01-31T00:00:00Z)
    #[arg(long, env = "ROLLCALL_AT", value_name = "REVISION|TIME")]
    at: Option<String>,
    /// Everything that is stored about one employee, with this id, as JSON, for a request under article 15 of the GDPR
    #[arg(long, env = "ROLLCALL_EMPLOYEE", value_name = "ID", conflicts_with_all = ["form", "status", "profile", "changed_since", "at"])]
    employee: Option<String>,
}

fn form(name: &str) -> Result<Form, String> {
    Form::of(&format!(".{name}")).ok_or_else(|| "there are csv, xlsx and ndjson".into())
}

impl Export {
    pub fn run(self, config: Config) -> Result<(), Failed> {
        let store = self.store.open(&config, IfMissing::Fail)?;
        if let Some(id) = &self.employee {
            return self.export_person(&store, id);
        }
        let form = self.form.or(Form::of(&self.file.to_string_lossy())).ok_or_else(|| {
            Failed::Usage("the file's name must end in .csv, .xlsx or .ndjson; or say which with --form".into())
        })?;
        let mut filter = Filter::default();
        let filters = [
            ("status", &self.status),
            ("profile", &self.profile),
            ("changed-since", &self.changed_since),
            ("at", &self.at),
        ];
        for (name, value) in filters {
            if let Some(value) = value {
                filter.set(name, value).map_err(Failed::Usage)?;
            }
        }
        let key = store.key(self.account)?.ok_or(Error::NoAccount(self.account))?;
        let roster = if filter.at.is_some() { store.history_reader(&key)? } else { store.reader(&key)? };
        let Written { employees, revision, cursor } =
            self.written(&store, |file, dir| export::write(&roster, &filter, form, file, dir))?;
        let feed = |cursor| format!("; GET /v1/changes?after={cursor} has what changes afterwards");
        let feed = cursor.map(feed).unwrap_or_default();
        if self.is_to_stdout() {
            return Ok(());
        }
        out!("{employees} employees written to {}, at revision {revision}{feed}", self.file.display())?;
        Ok(())
    }

    /// Exports everything that is stored about an employee.
    fn export_person(&self, store: &Store, id: &str) -> Result<(), Failed> {
        if !self.is_to_stdout() && self.file.extension().is_none_or(|extension| extension != "json") {
            return Err(Failed::Usage(
                "what is stored about one employee is JSON; give the file a name that ends in .json".into(),
            ));
        }
        let account = self.account;
        let reader = store.history_reader(&store.key(account)?.ok_or(Error::NoAccount(account))?)?;
        let person = reader.person(id.trim())?.ok_or_else(|| {
            Failed::Refused(format!(
                "account {account} has no employee who has or had this id; ids are compared as they are"
            ))
        })?;
        let revision = self.written(store, |file, _| export::write_person(&reader, &person, account, file))?;
        if self.is_to_stdout() {
            return Ok(());
        }
        out!("what is stored about the employee is written to {}, at revision {revision}", self.file.display())
    }

    fn is_to_stdout(&self) -> bool {
        self.file == Path::new("-")
    }

    /// Has `write` write the file, or the standard output. It is given the folder for temporary files.
    fn written<T>(
        &self,
        store: &Store,
        write: impl FnOnce(&mut File, &Path) -> Result<T, export::Error>,
    ) -> Result<T, Failed> {
        // An older file of this name stays until the export is complete.
        let to_stdout = self.is_to_stdout();
        let dir = self.file.parent().filter(|dir| !to_stdout && !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let dir = if to_stdout { store.dir() } else { dir };
        let refused = |error: io::Error| Failed::Refused(format!("{}: {error}", self.file.display()));
        let mut file = tempfile::Builder::new().prefix(".rollcall-export-").tempfile_in(dir).map_err(refused)?;
        let written = write(file.as_file_mut(), dir).map_err(Failed::refused)?;
        if to_stdout {
            export::rewind(file.as_file_mut()).map_err(refused)?;
            output::written(|out| io::copy(file.as_file_mut(), out).map(drop))?;
        } else {
            file.as_file().sync_all().map_err(refused)?;
            file.persist(&self.file).map_err(|error| refused(error.error))?;
        }
        Ok(written)
    }
}
