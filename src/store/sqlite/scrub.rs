//! Overwriting what was erased: its bytes may still be in the write-ahead log, and in the parts of the file that mean nothing to SQLite, such as
//! free pages and the copies that a row leaves behind where it was moved from.
//!
//! First the log is emptied. Then, while nobody else can write, the bytes of the file that mean nothing are set to zero, in place: whoever reads
//! does not look at them, and a crash leaves a file that is as good as before. `unscrubbed` says that this is to be done, so it is done sooner or
//! later, whoever reads or is killed meanwhile. That its row goes makes everybody else forget the pages that they hold in memory, which could
//! otherwise bring back what was overwritten.

mod page;

use super::folder::checkpoint;
use super::roster::OpenFile;
use super::{Error, Roster, Store, erasures, log, schema};
use page::{Damaged, NEXT_PAGE, Overflow};
use rusqlite::{Connection, TransactionBehavior, ffi};
use std::collections::BTreeSet;
use std::ffi::c_int;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How many bytes of the file are read while others wait to write, about.
const SLICE_BYTES: usize = 64 << 20;

/// How often it is begun anew because others wrote between two slices. Then the file is scrubbed at once.
const ANEW_MAX: u32 = 3;

/// How long to wait before the log is tried again that somebody holds back.
const PAUSE: Duration = Duration::from_millis(20);

/// From how many pages on the kind of a page cannot be told by its first byte. Such a file has 64 GB, and is written anew as a whole.
const PAGES_MAX: u32 = 1 << 24;

/// The accounts in which something is left of what was erased, as far as this process knows.
#[derive(Default)]
pub(super) struct Unscrubbed(Mutex<BTreeSet<i64>>);

impl Unscrubbed {
    fn note(&self, account: i64, is_clean: bool) {
        let mut accounts = self.0.lock().expect("no holder of the lock panics");
        if is_clean {
            accounts.remove(&account)
        } else {
            accounts.insert(account)
        };
    }

    fn accounts(&self) -> BTreeSet<i64> {
        self.0.lock().expect("no holder of the lock panics").clone()
    }
}

/// Says that something was erased, which is to be overwritten.
pub(super) fn ask(connection: &Connection) -> Result<(), Error> {
    connection.execute("INSERT OR IGNORE INTO unscrubbed VALUES (1)", [])?;
    Ok(())
}

/// Whether something that was erased is still to be overwritten; not in a file of an earlier version.
pub(super) fn is_asked(connection: &Connection) -> bool {
    let asked =
        || connection.prepare_cached("SELECT EXISTS (SELECT 1 FROM unscrubbed)")?.query_row([], |row| row.get(0));
    asked().unwrap_or(false)
}

/// Overwrites what was erased from the file of a connection that is about to be closed, if that was not done yet. Waits for nobody.
pub(super) fn finish(connection: &Connection) {
    if !is_asked(connection) {
        return;
    }
    if let Some(path) = connection.path().map(Path::new)
        && let Ok(mut writer) = schema::connect(path, false, schema::WRITER_CACHE_KIB)
        && let Err(error) = scrub(&mut writer, &OpenFile::of(path.to_owned()), Instant::now())
    {
        tracing::error!("{}: what was erased could not be overwritten: {error}", path.display());
    }
}

impl Roster {
    /// Overwrites what is left in the file of what was erased, if anything is, and empties the log then. Waits until `deadline` for whoever reads
    /// or writes. Returns whether nothing is left; if something is, [`Store::scrub_left`] goes on, or whoever opens the file again. So a failure
    /// is logged, and otherwise as if somebody read.
    pub fn scrub(&mut self, deadline: Instant) -> bool {
        let account = self.key.account;
        let is_clean = self.try_scrub(deadline).unwrap_or_else(|error| {
            tracing::error!(account, "what was erased could not be overwritten: {}", error.of(account));
            false
        });
        self.unscrubbed.note(account, is_clean);
        is_clean
    }

    fn try_scrub(&mut self, deadline: Instant) -> Result<bool, Error> {
        erasures::list(&self.connection, &self.shared)?;
        if !is_asked(&self.connection) {
            return Ok(true);
        }
        scrub(&mut self.connection, &self.file, deadline)
    }
}

impl Store {
    /// Overwrites what could not be overwritten when it was erased, of the accounts of which this process knows that. Waits for nobody.
    pub fn scrub_left(&self) {
        for account in self.unscrubbed.accounts() {
            let opened = self.key(account).and_then(|key| key.map(|key| self.roster(&key)).transpose());
            match opened {
                Ok(Some(mut roster)) => drop(roster.scrub(Instant::now())),
                Ok(None) | Err(Error::AccountGone(_)) => self.unscrubbed.note(account, true),
                Err(error) => tracing::error!(account, "what was erased could not be overwritten: {error}"),
            }
        }
    }
}

/// Scrubs a file, if that is asked for. Returns whether nothing is left.
pub(super) fn scrub(connection: &mut Connection, file: &OpenFile, deadline: Instant) -> Result<bool, Error> {
    connection.busy_timeout(Duration::ZERO)?;
    let scrubbed = scrub_until(connection, file, deadline);
    connection.busy_timeout(schema::BUSY_TIMEOUT)?;
    let is_clean = scrubbed?;
    // What is in the log now is nobody's, so it does not matter if that has to wait.
    log::fold(connection)?;
    Ok(is_clean)
}

fn scrub_until(connection: &mut Connection, file: &OpenFile, deadline: Instant) -> Result<bool, Error> {
    let mut progress = Progress { page: 1, version: None, anew: 0 };
    while is_asked(connection) {
        let slice = match slice(connection, file, &mut progress) {
            Err(Error::Busy(_)) => Slice::HeldBack,
            other => other?,
        };
        if slice == Slice::HeldBack {
            if Instant::now() >= deadline {
                return Ok(false);
            }
            std::thread::sleep(PAUSE);
        }
    }
    Ok(true)
}

/// How far the scrubbing of a file is.
struct Progress {
    /// The next page.
    page: u32,
    /// What tells the file as it was left from one that others have written since.
    version: Option<u32>,
    /// How often it was begun anew.
    anew: u32,
}

/// What came of a slice.
#[derive(PartialEq, Eq)]
enum Slice {
    Done,
    /// Somebody reads from the log, or writes.
    HeldBack,
}

/// Scrubs the next part of the file.
fn slice(connection: &mut Connection, file: &OpenFile, progress: &mut Progress) -> Result<Slice, Error> {
    checkpoint(connection)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Nobody can add to the log now. What is not in it is in the file.
    if log::bytes(&transaction) > 0 || !file.is_current() {
        return Ok(Slice::HeldBack);
    }
    let pragma = |name: &str| transaction.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, u32>(0));
    let (pages, version) = (pragma("page_count")?, Some(pragma("data_version")?));
    if pages >= PAGES_MAX {
        drop(transaction);
        connection.execute_batch("VACUUM; DELETE FROM unscrubbed")?;
        return Ok(Slice::Done);
    }
    if progress.page > 1 && progress.version != version {
        // What others have moved meanwhile may be where it was looked for already.
        (progress.page, progress.anew) = (1, progress.anew + 1);
    }
    let bytes_max = if progress.anew < ANEW_MAX { SLICE_BYTES } else { usize::MAX };
    let next = Scrubber::of(&transaction, pages)?.scrub(progress.page, bytes_max)?;
    // The pages in memory are as they were before.
    transaction.release_memory()?;
    match next {
        Some(next) => (progress.page, progress.version) = (next, version),
        None => {
            transaction.execute("DELETE FROM unscrubbed", [])?;
            transaction.commit()?;
        }
    }
    Ok(Slice::Done)
}

/// Whether a page is free.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Free {
    No,
    /// It lists others.
    Trunk,
    /// It has nothing.
    Leaf,
}

/// A file that nobody else writes to.
struct Scrubber {
    file: RawFile,
    pages: u32,
    page_bytes: usize,
    /// How many bytes of a page are SQLite's.
    usable: usize,
    /// How many bytes were read.
    read: usize,
}

impl Scrubber {
    fn of(connection: &Connection, pages: u32) -> Result<Scrubber, Error> {
        let file = RawFile::of(connection)?;
        let page_bytes: usize = connection.query_row("PRAGMA page_size", [], |row| row.get(0))?;
        let mut header = [0; 100];
        file.read(0, &mut header)?;
        let usable = page_bytes - usize::from(header[20]);
        Ok(Scrubber { file, pages, page_bytes, usable, read: 0 })
    }

    /// Scrubs from a page on, until about so many bytes were read. Returns where to go on; `None` if all is done.
    fn scrub(mut self, first: u32, bytes_max: usize) -> Result<Option<u32>, Error> {
        let free = self.find_free()?;
        let mut page = vec![0; self.page_bytes];
        let mut next = None;
        for number in first..=self.pages {
            if self.read >= bytes_max {
                next = Some(number);
                break;
            }
            self.read_page(number, &mut page)?;
            let before = page.clone();
            let overflows = match free[number as usize] {
                Free::Leaf => {
                    page.fill(0);
                    Vec::new()
                }
                Free::Trunk => {
                    page::clear_trunk(&mut page, self.usable, |_| ())?;
                    Vec::new()
                }
                Free::No => page::clear_tree(&mut page, self.usable, number == 1)?,
            };
            self.write_changed(number, &before, &page)?;
            for overflow in overflows {
                self.clear_overflow(overflow)?;
            }
        }
        self.file.sync()?;
        Ok(next)
    }

    /// Returns for each page whether it is free.
    fn find_free(&mut self) -> Result<Vec<Free>, Error> {
        let mut free = vec![Free::No; self.pages as usize + 1];
        let mut page = vec![0; self.page_bytes];
        self.read_page(1, &mut page)?;
        let mut trunk = page::word32(&page, 32)?;
        while trunk != 0 {
            self.read_page(trunk, &mut page)?;
            let mut listed = vec![(trunk, Free::Trunk)];
            trunk = page::clear_trunk(&mut page, self.usable, |page| listed.push((page, Free::Leaf)))?;
            for (page, is) in listed {
                match free.get_mut(page as usize) {
                    // It is free once, or the list would have no end.
                    Some(free) if *free == Free::No && page > 1 => *free = is,
                    _ => return Err(Damaged.into()),
                }
            }
        }
        Ok(free)
    }

    /// Clears what is behind the end of what a cell has in other pages.
    fn clear_overflow(&mut self, Overflow { first, bytes }: Overflow) -> Result<(), Error> {
        let in_a_page = self.usable - NEXT_PAGE;
        let mut page = first;
        for _ in 1..bytes.div_ceil(in_a_page) {
            let mut next = [0; NEXT_PAGE];
            self.check(page)?;
            self.file.read(self.offset(page), &mut next)?;
            self.read += NEXT_PAGE;
            page = u32::from_be_bytes(next);
        }
        let end = NEXT_PAGE + (bytes - 1) % in_a_page + 1;
        if end == self.usable {
            return Ok(());
        }
        let mut buffer = vec![0; self.page_bytes];
        self.read_page(page, &mut buffer)?;
        let before = buffer.clone();
        buffer[end..self.usable].fill(0);
        self.write_changed(page, &before, &buffer)
    }

    fn read_page(&mut self, page: u32, buffer: &mut [u8]) -> Result<(), Error> {
        self.check(page)?;
        self.read += buffer.len();
        self.file.read(self.offset(page), buffer)
    }

    fn write_changed(&self, page: u32, before: &[u8], after: &[u8]) -> Result<(), Error> {
        if before == after { Ok(()) } else { self.file.write(self.offset(page), after) }
    }

    fn check(&self, page: u32) -> Result<(), Error> {
        if (1..=self.pages).contains(&page) { Ok(()) } else { Err(Damaged.into()) }
    }

    fn offset(&self, page: u32) -> i64 {
        i64::from(page - 1) * i64::try_from(self.page_bytes).expect("a page is short")
    }
}

impl From<Damaged> for Error {
    fn from(_: Damaged) -> Error {
        Error::damaged("a page is not as it should be, so what was erased cannot be overwritten")
    }
}

/// The file of a database, through the handle that SQLite has: to open another one and close it would end SQLite's locks on the file. It is used
/// while the connection is in a transaction, and lives as long as that.
struct RawFile(*mut ffi::sqlite3_file);

impl RawFile {
    fn of(connection: &Connection) -> Result<RawFile, Error> {
        let mut file: *mut ffi::sqlite3_file = std::ptr::null_mut();
        // SAFETY: the connection is open, and the operation writes the pointer that it is given the address of.
        let found = unsafe {
            let place: *mut *mut ffi::sqlite3_file = &raw mut file;
            ffi::sqlite3_file_control(
                connection.handle(),
                c"main".as_ptr(),
                ffi::SQLITE_FCNTL_FILE_POINTER,
                place.cast(),
            )
        };
        // SAFETY: a pointer that was written is that of a file, which has its methods as long as it is open.
        let is_open = found == ffi::SQLITE_OK && !file.is_null() && unsafe { !(*file).pMethods.is_null() };
        if is_open { Ok(RawFile(file)) } else { Err(failed(found)) }
    }

    fn methods(&self) -> &ffi::sqlite3_io_methods {
        // SAFETY: see `RawFile::of`.
        unsafe { &*(*self.0).pMethods }
    }

    fn read(&self, offset: i64, buffer: &mut [u8]) -> Result<(), Error> {
        let read = self.methods().xRead.ok_or_else(|| failed(ffi::SQLITE_MISUSE))?;
        // SAFETY: the buffer has so many bytes.
        done(unsafe { read(self.0, buffer.as_mut_ptr().cast(), length(buffer), offset) })
    }

    fn write(&self, offset: i64, bytes: &[u8]) -> Result<(), Error> {
        let write = self.methods().xWrite.ok_or_else(|| failed(ffi::SQLITE_MISUSE))?;
        // SAFETY: there are so many bytes.
        done(unsafe { write(self.0, bytes.as_ptr().cast(), length(bytes), offset) })
    }

    fn sync(&self) -> Result<(), Error> {
        let sync = self.methods().xSync.ok_or_else(|| failed(ffi::SQLITE_MISUSE))?;
        // SAFETY: the file is open.
        done(unsafe { sync(self.0, ffi::SQLITE_SYNC_NORMAL) })
    }
}

fn length(bytes: &[u8]) -> c_int {
    c_int::try_from(bytes.len()).expect("a page is short")
}

fn done(result: c_int) -> Result<(), Error> {
    if result == ffi::SQLITE_OK { Ok(()) } else { Err(failed(result)) }
}

fn failed(result: c_int) -> Error {
    rusqlite::Error::SqliteFailure(ffi::Error::new(result), None).into()
}

#[cfg(test)]
mod tests;
