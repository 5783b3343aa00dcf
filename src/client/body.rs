//! A file becomes a body of known length, in a temporary file: its length is signed before the first byte is sent.

use super::rows::{Columns, Places};
use super::{collaborator, csv, xlsx};
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek};
use std::path::Path;

/// A body to push.
pub struct Body {
    /// The bytes, from the beginning.
    pub file: File,
    /// How many there are.
    pub length: u64,
    places: Option<Places>,
}

/// Why a file cannot be pushed.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// It cannot be read.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It is not a CSV.
    #[error("{0}")]
    Csv(#[from] ::csv::Error),
    /// It is not a workbook.
    #[error("this is not an Excel workbook (.xlsx), or a damaged one: {0}")]
    Xlsx(#[from] calamine::XlsxError),
    /// The server does not tell what is needed to read it.
    #[error("{0}")]
    Server(Box<super::PushError>),
    /// It does not say what a roster needs; the message says where and what to do.
    #[error("{0}")]
    Wrong(String),
}

impl Body {
    /// Reads `path`, or the standard input for `-`: a StartExam body, a CSV or an Excel workbook, plain or compressed by gzip or
    /// zstd. `tell` hears how many rows were read.
    pub fn read(path: &Path, columns: Option<&Columns>, tell: impl FnMut(u64)) -> Result<Body, InputError> {
        let input: Box<dyn Read> = match path == Path::new("-") {
            true => Box::new(io::stdin().lock()),
            false => Box::new(File::open(path)?),
        };
        let mut input = unpacked(BufReader::with_capacity(1 << 17, input))?;
        let mut out = BufWriter::with_capacity(1 << 17, tempfile::tempfile()?);
        let start = input.fill_buf()?;
        if is_json(path, start) {
            io::copy(&mut input, &mut out)?;
            return Ok(Body::written(out)?);
        }
        if start.is_empty() {
            return Err(InputError::Wrong("the file is empty".into()));
        }
        let columns = columns.ok_or_else(|| {
            InputError::Wrong("only a StartExam body says its profile; name it with --profile GUID".into())
        })?;
        let places = if start.starts_with(b"PK\x03\x04") {
            // A workbook is read from its end.
            let mut workbook = tempfile::tempfile()?;
            io::copy(&mut input, &mut workbook)?;
            workbook.rewind()?;
            xlsx::convert(workbook, columns, &mut out, tell)?
        } else if collaborator::is_one(start) {
            collaborator::convert(input, columns, &mut out, tell)?
        } else {
            csv::convert(input, columns, &mut out, tell)?
        };
        Ok(Body { places: Some(places), ..Body::written(out)? })
    }

    /// The body that `write` writes, which is JSON.
    pub fn of(write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> io::Result<Body> {
        let mut out = BufWriter::with_capacity(1 << 17, tempfile::tempfile()?);
        write(&mut out)?;
        Body::written(out)
    }

    fn written(out: BufWriter<File>) -> io::Result<Body> {
        let mut file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        let length = file.stream_position()?;
        file.rewind()?;
        Ok(Body { file, length, places: None })
    }

    /// Where the employee at this index of the push stands in the file that was read: in a CSV the headings are row 1.
    pub fn place(&self, index: u64) -> String {
        match &self.places {
            Some(places) => places.place(index),
            None => format!("employee {}", index + 1),
        }
    }
}

fn unpacked(mut input: BufReader<Box<dyn Read>>) -> io::Result<Box<dyn BufRead>> {
    let start = input.fill_buf()?;
    Ok(match start {
        [0x1f, 0x8b, ..] => Box::new(BufReader::with_capacity(1 << 17, flate2::bufread::MultiGzDecoder::new(input))),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            Box::new(BufReader::with_capacity(1 << 17, zstd::stream::read::Decoder::with_buffer(input)?))
        }
        _ => Box::new(input),
    })
}

fn is_json(path: &Path, start: &[u8]) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let named = [".json", ".json.gz", ".json.zst"].iter().any(|ending| name.ends_with(ending));
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start);
    named || start.trim_ascii_start().first() == Some(&b'{')
}
