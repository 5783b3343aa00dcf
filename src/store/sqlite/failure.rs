//! What SQLite's errors mean.

use super::Error;
use rusqlite::{ErrorCode, ffi};
use std::fs::OpenOptions;
use std::io;
use std::path::Path;

impl Error {
    /// Why a database could not be opened. SQLite says the same whether the disk is full, the folder cannot be written or too many
    /// files are open, so the system is asked.
    pub(super) fn opening(path: &Path, source: rusqlite::Error) -> Error {
        let to_path = |source: rusqlite::Error| Error::Open { path: path.to_owned(), source: source.into() };
        if source.sqlite_error_code() != Some(ErrorCode::CannotOpen) {
            return match Error::from(source) {
                Error::Backend(source) => Error::Open { path: path.to_owned(), source },
                Error::Damaged { what, .. } => Error::damaged(format!("{}: {what}", path.display())),
                error => error,
            };
        }
        let dir = path.parent().unwrap_or(Path::new("."));
        let tried = if path.exists() {
            OpenOptions::new().read(true).write(true).open(path).map(drop)
        } else {
            return to_path(source);
        };
        match tried.and_then(|()| tempfile::tempfile_in(dir).map(drop)) {
            Ok(()) => to_path(source),
            Err(why) if too_many_files(&why) => Error::FilesOpen { path: path.to_owned(), source: why },
            Err(why) if why.kind() == io::ErrorKind::StorageFull => Error::Write(source.into()),
            Err(_) => Error::ReadOnly(source.into()),
        }
    }
}

fn too_many_files(error: &io::Error) -> bool {
    use rustix::io::Errno;
    Errno::from_io_error(error).is_some_and(|errno| [Errno::MFILE, Errno::NFILE].contains(&errno))
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Error {
        if error.sqlite_extended_error_code().is_some_and(|code| NOT_READ.contains(&code)) {
            return Error::damaged(error);
        }
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull | ErrorCode::SystemIoFailure) => Error::Write(error.into()),
            // Of a database that is open: its log, or a temporary file.
            Some(ErrorCode::CannotOpen) => Error::Write(error.into()),
            Some(ErrorCode::ReadOnly) => Error::ReadOnly(error.into()),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Error::Busy(error.into()),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::ConstraintViolation) => {
                Error::damaged(error)
            }
            None if is_of_a_row(&error) => Error::damaged(error),
            _ => Error::Backend(error.into()),
        }
    }
}

/// How reading fails if a file ends too early or the disk is broken: no room on the disk would help.
const NOT_READ: [i32; 3] = [ffi::SQLITE_IOERR_READ, ffi::SQLITE_IOERR_SHORT_READ, ffi::SQLITE_IOERR_CORRUPTFS];

/// Whether a row is missing, or has something else in it than was written.
fn is_of_a_row(error: &rusqlite::Error) -> bool {
    use rusqlite::Error::{FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType, QueryReturnedNoRows};
    matches!(
        error,
        QueryReturnedNoRows | InvalidColumnType(..) | FromSqlConversionFailure(..) | IntegralValueOutOfRange(..)
    )
}
