//! A file becomes a body of known length, compressed in a temporary file: its length is signed before the first byte is sent.

use super::places::Places;
use super::rows::Columns;
use super::{collaborator, csv};
use crate::dialect::collaborator::csv::is_utf16;
use crate::dialect::startexam::EMPLOYEES;
use crate::digest::content_digest;
use crate::roster::Absent;
use jiff::Timestamp;
use serde::Deserializer as _;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek as _, Write};
use std::path::Path;
use uuid::Uuid;

/// The level of compression. Already the fastest makes a body ten times smaller.
const ZSTD_LEVEL: i32 = 1;

/// How much of a file is examined to recognise its form, in bytes: more than its first row.
const START_BYTES: u64 = 1 << 16;

/// A body to push.
pub struct Body {
    /// How many bytes it has before it is compressed.
    pub length: u64,
    /// Where its employees are in the file that it was read from.
    pub places: Places,
    /// What to tell the user about how the file was understood, if that is not obvious.
    pub note: Option<String>,
    /// How many employees it has; `None` if it is not JSON of that form, which the server explains.
    pub employees: Option<u64>,
    /// When the list was made. A server that has applied a later one refuses it.
    pub as_of: Option<Timestamp>,
    /// Whether the server is asked to apply it without the employees that it rejects.
    pub is_lenient: bool,
    /// What becomes of employees whom it does not carry; `None` leaves that to the profile.
    pub absent: Option<Absent>,
    /// Whether it may hide everybody if it has no employees.
    pub may_be_empty: bool,
    /// The form of the file that it was read from.
    pub(super) form: Form,
    compressed: File,
}

/// A body as it is sent.
pub struct Payload {
    /// Its bytes.
    pub file: File,
    /// How many there are.
    pub length: u64,
    /// How they are compressed, as the value of `Content-Encoding`.
    pub encoding: Option<&'static str>,
    /// Their digest, as the value of `Content-Digest`.
    pub digest: String,
}

impl Payload {
    fn of(mut file: File, encoding: Option<&'static str>) -> io::Result<Payload> {
        file.rewind()?;
        let digest = content_digest(&file)?;
        Ok(Payload { length: file.metadata()?.len(), file, encoding, digest })
    }

    /// Goes back to the first byte.
    pub fn rewind(&mut self) -> io::Result<()> {
        self.file.rewind()
    }
}

/// Where [`Body::of`] has the bytes of a body written.
pub type Writer = BufWriter<Compressor>;

/// Compresses into a temporary file, and counts the bytes before that.
pub struct Compressor {
    encoder: zstd::stream::Encoder<'static, File>,
    length: u64,
}

impl Write for Compressor {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.encoder.write(bytes)?;
        self.length += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.encoder.flush()
    }
}

/// Why a file cannot be pushed.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// It cannot be read.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It is not a workbook.
    #[cfg(feature = "workbooks")]
    #[error("this is not an Excel workbook (.xlsx), or a damaged one: {0}")]
    Xlsx(#[from] calamine::XlsxError),
    /// The server did not return the fields of the profile.
    #[error("{0}")]
    Server(Box<super::PushError>),
    /// Its contents cannot become a roster; the message says where and what to do.
    #[error("{0}")]
    Wrong(String),
}

/// The form of a file.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Form {
    Json,
    Workbook,
    Csv {
        /// What separates its cells.
        delimiter: u8,
        /// Whether it begins with a byte order mark.
        is_marked: bool,
    },
    /// LMS Collaborator's CSV.
    Collaborator,
}

impl Body {
    /// Reads `path`, or the standard input for `-`: a StartExam body, a CSV or an Excel workbook, plain or compressed by gzip or
    /// zstd. A CSV or a workbook needs `columns`. `tell` is called with the number of rows read so far.
    pub fn read(path: &Path, columns: Option<&Columns>, tell: impl FnMut(u64)) -> Result<Body, InputError> {
        let input: Box<dyn Read> =
            if path == Path::new("-") { Box::new(io::stdin().lock()) } else { Box::new(File::open(path)?) };
        let (start, mut input) = unpacked(input)?;
        let mut out = writer()?;
        let mut form = form(path, &start)?;
        check_options(form, columns)?;
        if form == Form::Json {
            io::copy(&mut input, &mut out)?;
            let body = Body::written(out, Places::of_body())?;
            columns.map_or(Ok(()), |columns| body.check_profile(&columns.profile))?;
            return Ok(body);
        }
        let columns = columns.ok_or_else(|| {
            InputError::Wrong("only a StartExam body says its profile; name it with --profile GUID".into())
        })?;
        let mut note = None;
        let places = if form == Form::Workbook {
            let (places, left_out) = convert_workbook(input, columns, &mut out, tell)?;
            note = left_out;
            places
        } else if columns.collaborator || collaborator::is_one(&start, columns) {
            let (places, of_columns) = collaborator::convert(input, columns, &mut out, tell)?;
            note = Some(of_columns);
            form = Form::Collaborator;
            places
        } else {
            csv::convert(input, &start, columns, &mut out, tell)?
        };
        Ok(Body { note, form, ..Body::written(out, places)? })
    }

    /// Makes a body of the JSON that `write` writes.
    pub fn of(write: impl FnOnce(&mut Writer) -> io::Result<()>) -> io::Result<Body> {
        let mut out = writer()?;
        write(&mut out)?;
        Body::written(out, Places::of_body())
    }

    fn written(out: Writer, places: Places) -> io::Result<Body> {
        let Compressor { encoder, length } = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        let mut body = Body {
            compressed: encoder.finish()?,
            length,
            places,
            note: None,
            employees: None,
            as_of: None,
            is_lenient: false,
            absent: None,
            may_be_empty: false,
            form: Form::Json,
        };
        body.employees = counted(body.unpack()?);
        Ok(body)
    }

    /// Returns the body as it is kept, compressed by zstd.
    pub(super) fn compressed(&self) -> io::Result<Payload> {
        Payload::of(self.compressed.try_clone()?, Some("zstd"))
    }

    /// Returns the body uncompressed, for a server that does not accept compressed ones.
    pub(super) fn plain(&self) -> io::Result<Payload> {
        let mut file = tempfile::tempfile()?;
        io::copy(&mut self.unpack()?, &mut file)?;
        Payload::of(file, None)
    }

    fn unpack(&self) -> io::Result<impl BufRead + use<>> {
        let mut file = self.compressed.try_clone()?;
        file.rewind()?;
        Ok(BufReader::with_capacity(1 << 17, zstd::stream::Decoder::new(file)?))
    }

    /// Calls `member` with each member of the body beside the employees, and `employee` with each employee, by its place. Fails if the body
    /// is not JSON of that form.
    pub(super) fn for_each(
        &self,
        member: impl FnMut(&str, &RawValue),
        employee: impl FnMut(u64, &RawValue),
    ) -> io::Result<()> {
        let mut json = self.unpack()?;
        if json.fill_buf()?.starts_with(b"\xef\xbb\xbf") {
            json.consume(3);
        }
        let read = serde_json::Deserializer::from_reader(json).deserialize_map(Members { member, employee });
        read.map_err(io::Error::from)
    }

    /// Refuses a StartExam body that names a profile other than `wanted`.
    fn check_profile(&self, wanted: &str) -> Result<(), InputError> {
        match named_profile(self.unpack()?) {
            Some(named) if Uuid::parse_str(wanted.trim()) != Ok(named) => Err(InputError::Wrong(format!(
                "the file names the profile {named}, but --profile (or ROLLCALL_PROFILE, or the configuration) says {wanted}; \
                 leave --profile out, or push the file that belongs to it"
            ))),
            _ => Ok(()),
        }
    }
}

/// Writes the rows of a workbook as a body, by way of a file, since a workbook is read from its end.
#[cfg(feature = "workbooks")]
fn convert_workbook(
    mut input: impl Read,
    columns: &Columns,
    out: &mut Writer,
    tell: impl FnMut(u64),
) -> Result<(Places, Option<String>), InputError> {
    let mut workbook = tempfile::tempfile()?;
    io::copy(&mut input, &mut workbook)?;
    workbook.rewind()?;
    super::xlsx::convert(workbook, columns, out, tell)
}

#[cfg(not(feature = "workbooks"))]
fn convert_workbook(
    _: impl Read,
    _: &Columns,
    _: &mut Writer,
    _: impl FnMut(u64),
) -> Result<(Places, Option<String>), InputError> {
    let message =
        "this is an Excel workbook, and this program was built without them (feature workbooks); save it as CSV UTF-8";
    Err(InputError::Wrong(message.into()))
}

fn writer() -> io::Result<Writer> {
    let mut encoder = zstd::stream::Encoder::new(tempfile::tempfile()?, ZSTD_LEVEL)?;
    encoder.include_checksum(true)?;
    Ok(BufWriter::with_capacity(1 << 17, Compressor { encoder, length: 0 }))
}

/// Returns the profile that a StartExam body names, or `None` if the body cannot be read: the server explains why.
fn named_profile(mut json: impl BufRead) -> Option<Uuid> {
    /// Stops reading at the profile, which most bodies begin with.
    struct Envelope<'n>(&'n mut Option<String>);
    impl<'de> Visitor<'de> for Envelope<'_> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<M: MapAccess<'de>>(self, mut members: M) -> Result<(), M::Error> {
            while let Some(name) = members.next_key::<String>()? {
                if matches!(name.as_str(), "profileId" | "ProfileId") {
                    *self.0 = members.next_value()?;
                    return Ok(());
                }
                members.next_value::<IgnoredAny>()?;
            }
            Ok(())
        }
    }
    if json.fill_buf().ok()?.starts_with(b"\xef\xbb\xbf") {
        json.consume(3);
    }
    let mut named = None;
    // Reading stops behind the profile, which serde_json reports as an error.
    let _ = serde_json::Deserializer::from_reader(json).deserialize_map(Envelope(&mut named));
    Uuid::parse_str(named?.trim()).ok()
}

/// Visits a body member by member, and its employees one by one.
struct Members<M, E> {
    member: M,
    employee: E,
}

/// Visits the employees one by one.
struct Elements<E>(E);

impl<'de, M: FnMut(&str, &RawValue), E: FnMut(u64, &RawValue)> Visitor<'de> for Members<M, E> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<(), A::Error> {
        while let Some(name) = members.next_key::<String>()? {
            if EMPLOYEES.contains(&name.as_str()) {
                members.next_value_seed(Elements(&mut self.employee))?;
            } else {
                (self.member)(&name, &members.next_value::<Box<RawValue>>()?);
            }
        }
        Ok(())
    }
}

impl<'de, E: FnMut(u64, &RawValue)> DeserializeSeed<'de> for Elements<E> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, array: D) -> Result<(), D::Error> {
        array.deserialize_seq(self)
    }
}

impl<'de, E: FnMut(u64, &RawValue)> Visitor<'de> for Elements<E> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut employees: A) -> Result<(), A::Error> {
        let mut index = 0;
        while let Some(element) = employees.next_element::<Box<RawValue>>()? {
            (self.0)(index, &element);
            index += 1;
        }
        Ok(())
    }
}

/// Returns how many employees a StartExam body has, or `None` if it cannot be read. It is read once, and no employee is kept.
fn counted(mut json: impl BufRead) -> Option<u64> {
    struct Envelope;
    struct Count;
    impl<'de> Visitor<'de> for Envelope {
        type Value = Option<u64>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<M: MapAccess<'de>>(self, mut members: M) -> Result<Option<u64>, M::Error> {
            let mut count = None;
            while let Some(name) = members.next_key::<String>()? {
                if EMPLOYEES.contains(&name.as_str()) {
                    count = Some(members.next_value_seed(Count)?);
                } else {
                    members.next_value::<IgnoredAny>()?;
                }
            }
            Ok(count)
        }
    }
    impl<'de> DeserializeSeed<'de> for Count {
        type Value = u64;

        fn deserialize<D: serde::Deserializer<'de>>(self, array: D) -> Result<u64, D::Error> {
            array.deserialize_seq(self)
        }
    }
    impl<'de> Visitor<'de> for Count {
        type Value = u64;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an array")
        }

        fn visit_seq<S: SeqAccess<'de>>(self, mut employees: S) -> Result<u64, S::Error> {
            let mut count = 0;
            while employees.next_element::<IgnoredAny>()?.is_some() {
                count += 1;
            }
            Ok(count)
        }
    }
    if json.fill_buf().ok()?.starts_with(b"\xef\xbb\xbf") {
        json.consume(3);
    }
    let mut json = serde_json::Deserializer::from_reader(json);
    let count = json.deserialize_map(Envelope).ok()?;
    json.end().ok().and(count)
}

/// Returns the first bytes of the input, unpacked, and all of it to read.
fn unpacked(input: impl Read + 'static) -> io::Result<(Vec<u8>, Box<dyn BufRead>)> {
    let (start, input) = looked_at(input)?;
    match *start {
        [0x1f, 0x8b, ..] => looked_at(Whole(flate2::bufread::MultiGzDecoder::new(input))),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => looked_at(Whole(zstd::stream::read::Decoder::with_buffer(input)?)),
        _ => Ok((start, input)),
    }
}

/// A compressed file, whose unexpected end is explained.
struct Whole<R>(R);

impl<R: Read> Read for Whole<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => io::Error::new(error.kind(), "the file was cut off; copy it again"),
            _ => error,
        })
    }
}

/// Returns the first [`START_BYTES`] of the input, however small the pieces are in which it comes, and all of it to read.
fn looked_at(mut input: impl Read + 'static) -> io::Result<(Vec<u8>, Box<dyn BufRead>)> {
    let mut start = Vec::new();
    input.by_ref().take(START_BYTES).read_to_end(&mut start)?;
    let whole = io::Cursor::new(start.clone()).chain(input);
    Ok((start, Box::new(BufReader::with_capacity(1 << 17, whole))))
}

fn form(path: &Path, start: &[u8]) -> Result<Form, InputError> {
    let wrong = |message: &str| Err(InputError::Wrong(message.into()));
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let is_named_json = [".json", ".json.gz", ".json.zst"].iter().any(|ending| name.ends_with(ending));
    match start {
        [] if !is_named_json => wrong("the file is empty"),
        [0xd0, 0xcf, 0x11, 0xe0, ..] => wrong(
            "this is an old Excel workbook (.xls), or one with a password; save it as an Excel workbook (.xlsx) without a password",
        ),
        [b'P', b'K', 3, 4, ..] => Ok(Form::Workbook),
        _ if is_utf16(start) => {
            wrong("this text is in UTF-16; save it as UTF-8 (in Excel: Save As, \"CSV UTF-8 (comma delimited)\")")
        }
        _ => {
            let text = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start);
            let is_json = is_named_json || text.trim_ascii_start().first() == Some(&b'{');
            let (_, delimiter) = csv::beginning(start);
            let is_marked = text.len() < start.len();
            Ok(if is_json { Form::Json } else { Form::Csv { delimiter, is_marked } })
        }
    }
}

/// Checks that the options for tables fit the form of the file.
fn check_options(form: Form, columns: Option<&Columns>) -> Result<(), InputError> {
    let Some(columns) = columns else {
        return Ok(());
    };
    let message = match form {
        Form::Json | Form::Workbook if columns.collaborator => "--columns collaborator is for a CSV, which this is not",
        Form::Json | Form::Csv { .. } | Form::Collaborator if columns.sheet.is_some() => {
            "--sheet is for a workbook, which this is not"
        }
        _ => return Ok(()),
    };
    Err(InputError::Wrong(message.into()))
}
