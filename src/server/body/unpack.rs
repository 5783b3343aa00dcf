//! Unpack: a compressed body is decompressed as it arrives, within the limits.

use super::BytesMax;
use crate::server::respond::Refusal;
use crate::sync::{BodyError, Pieces};
use bytes::Bytes;
use flate2::bufread::MultiGzDecoder;
use hyper::StatusCode;
use hyper::header::{CONTENT_ENCODING, HeaderMap};
use std::cell::RefCell;
use std::io::{self, BufRead, Read};
use std::rc::Rc;
use std::sync::mpsc::sync_channel;

/// How much is unpacked at a time, in bytes.
const PIECE_BYTES: usize = 1 << 19;

/// How many unpacked pieces may wait for the push.
const PIECES_WAITING_MAX: usize = 4;

/// The largest window of zstd that a body may need, as a power of two: 8 MiB, as RFC 9659 has it for this content coding.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// How a body is compressed (RFC 9110, 8.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// Not at all.
    None,
    /// gzip (RFC 1952).
    Gzip,
    /// Zstandard (RFC 8878).
    Zstd,
}

impl Packing {
    /// Reads the header `Content-Encoding`. A body is not compressed if it is missing, empty or `identity`.
    pub fn of(headers: &HeaderMap) -> Result<Packing, Refusal> {
        let mut codings = headers.get_all(CONTENT_ENCODING).iter().flat_map(|value| {
            let codings = value.to_str().unwrap_or("?").split(',').map(str::trim);
            codings.filter(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case("identity")).collect::<Vec<_>>()
        });
        let packing = match (codings.next().map(str::to_ascii_lowercase).as_deref(), codings.next()) {
            (None, _) => Some(Packing::None),
            (Some("gzip" | "x-gzip"), None) => Some(Packing::Gzip),
            (Some("zstd"), None) => Some(Packing::Zstd),
            _ => None,
        };
        packing.ok_or_else(|| {
            let message =
                "the body must be compressed by gzip or zstd, once, or not at all; say which in Content-Encoding";
            Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message).accept_encoding("gzip, zstd")
        })
    }

    fn name(self) -> &'static str {
        match self {
            Packing::None => "identity",
            Packing::Gzip => "gzip",
            Packing::Zstd => "zstd",
        }
    }
}

/// Takes the packed pieces of a body from `pieces`, and calls `each` with the unpacked ones until it returns `false`. `max` is the limit
/// of the unpacked bytes.
pub fn unpack(
    pieces: Box<Pieces<'static>>,
    packing: Packing,
    max: BytesMax,
    mut each: impl FnMut(Bytes) -> bool,
) -> Result<(), BodyError> {
    let mut decoder = Decoder::new(pieces, packing)?;
    let mut unpacked = 0;
    while let Some(piece) = decoder.next(packing)? {
        unpacked += piece.len() as u64;
        if unpacked > max.bytes {
            return Err(BodyError::OverLimit { limit: max.limit, max: max.bytes });
        }
        if !each(piece) {
            break;
        }
    }
    Ok(())
}

/// Does the same on a thread of its own, so that the steps behind it go on at the same time.
pub fn unpack_beside(pieces: Box<Pieces<'static>>, packing: Packing, max: BytesMax) -> Box<Pieces<'static>> {
    let (sender, receiver) = sync_channel(PIECES_WAITING_MAX);
    tokio::task::spawn_blocking(move || {
        let end = unpack(pieces, packing, max, |piece| sender.send(Ok(Some(piece))).is_ok());
        drop(sender.send(end.map(|()| None)));
    });
    let mut received = 0;
    Box::new(move || {
        let piece = receiver.recv().unwrap_or(Err(BodyError::Cut { received }))?;
        received += piece.as_ref().map_or(0, |piece| piece.len() as u64);
        Ok(piece)
    })
}

struct Decoder {
    inner: Box<dyn Read>,
    failed: Rc<RefCell<Option<BodyError>>>,
}

impl Decoder {
    fn new(pieces: Box<Pieces<'static>>, packing: Packing) -> Result<Decoder, BodyError> {
        let failed: Rc<RefCell<Option<BodyError>>> = Rc::default();
        let packed = Packed { pieces, piece: Bytes::new(), failed: failed.clone() };
        let inner: Box<dyn Read> = match packing {
            Packing::None => Box::new(packed),
            Packing::Gzip => Box::new(MultiGzDecoder::new(packed)),
            Packing::Zstd => {
                let mut zstd = zstd::stream::read::Decoder::with_buffer(packed).map_err(BodyError::Spool)?;
                zstd.window_log_max(ZSTD_WINDOW_LOG_MAX).map_err(BodyError::Spool)?;
                Box::new(zstd)
            }
        };
        Ok(Decoder { inner, failed })
    }

    fn next(&mut self, packing: Packing) -> Result<Option<Bytes>, BodyError> {
        let mut piece = Vec::with_capacity(PIECE_BYTES);
        match self.inner.by_ref().take(PIECE_BYTES as u64).read_to_end(&mut piece) {
            Ok(0) => Ok(None),
            Ok(_) => Ok(Some(piece.into())),
            Err(error) => {
                let failed = self.failed.take();
                Err(failed
                    .unwrap_or_else(|| BodyError::NotPacked { coding: packing.name(), message: error.to_string() }))
            }
        }
    }
}

/// The packed pieces, to be read.
struct Packed {
    pieces: Box<Pieces<'static>>,
    piece: Bytes,
    /// Why there are no more pieces.
    failed: Rc<RefCell<Option<BodyError>>>,
}

impl BufRead for Packed {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.piece.is_empty() {
            match (self.pieces)() {
                Ok(Some(piece)) => self.piece = piece,
                Ok(None) => break,
                Err(error) => {
                    *self.failed.borrow_mut() = Some(error);
                    return Err(io::Error::other("the body broke off"));
                }
            }
        }
        Ok(&self.piece)
    }

    fn consume(&mut self, length: usize) {
        let _ = self.piece.split_to(length);
    }
}

impl Read for Packed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.fill_buf()?.read(buffer)?;
        self.consume(length);
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write as _;

    fn packed(bytes: &[u8], packing: Packing) -> Vec<u8> {
        match packing {
            Packing::None => bytes.to_vec(),
            Packing::Gzip => {
                let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                gzip.write_all(bytes).unwrap();
                gzip.finish().unwrap()
            }
            Packing::Zstd => zstd::stream::encode_all(bytes, 1).unwrap(),
        }
    }

    fn unpacked(packed: &[u8], size: usize, packing: Packing, bytes_max: u64) -> Result<Vec<u8>, BodyError> {
        let mut chunks: Vec<Bytes> = packed.chunks(size).rev().map(Bytes::copy_from_slice).collect();
        let mut unpacked = Vec::new();
        let max = BytesMax { limit: "body_bytes_max", bytes: bytes_max };
        unpack(Box::new(move || Ok(chunks.pop())), packing, max, |piece| {
            unpacked.extend_from_slice(&piece);
            true
        })?;
        Ok(unpacked)
    }

    proptest! {
        #[test]
        fn what_was_packed_comes_out_however_it_is_cut(
            first in prop::collection::vec(any::<u8>(), 0..2000),
            second in prop::collection::vec(0u8..3, 0..2000),
            size in 1usize..500,
        ) {
            for packing in [Packing::None, Packing::Gzip, Packing::Zstd] {
                // Several members, or frames, are one body.
                let both = [packed(&first, packing), packed(&second, packing)].concat();
                let out = unpacked(&both, size, packing, 1 << 20).unwrap();
                prop_assert_eq!(out, [&first[..], &second[..]].concat());
            }
        }
    }

    #[test]
    fn what_is_cut_or_damaged_or_a_bomb_is_an_error() {
        let zeros = vec![0; 64 << 20];
        for packing in [Packing::Gzip, Packing::Zstd] {
            let bomb = packed(&zeros, packing);
            let stopped = unpacked(&bomb, 1000, packing, 1 << 20).unwrap_err();
            assert!(matches!(stopped, BodyError::OverLimit { limit: "body_bytes_max", .. }), "{stopped:?}");
            let good = packed(b"{\"employees\":[]}", packing);
            for bad in [&good[..good.len() - 1], &good[..5], &[&good[..], b"x"].concat(), b"{\"employees\":[]}"] {
                let error = unpacked(bad, 3, packing, 1 << 20).unwrap_err();
                assert!(matches!(error, BodyError::NotPacked { .. }), "{packing:?} {bad:?}: {error:?}");
            }
        }
    }
}
