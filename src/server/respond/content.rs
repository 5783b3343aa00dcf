//! The content of an answer: whole, or a file that is sent bit by bit.

use crate::server::memory;
use crate::server::share::budget::Reserved;
use crate::server::share::pace::UnderWay;
use bytes::Bytes;
use http_body_util::channel::Channel;
use hyper::body::{Body, Frame, SizeHint};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

/// How much of an answer is given out at a time, in bytes: no more than that waits below for a client that takes its time.
const PIECE_BYTES: usize = 1 << 16;

/// The content of an answer. While it lasts, its request is under way and its bytes count.
pub struct Content {
    source: Source,
    length: usize,
    /// Its bytes in the budget of all answers.
    pub reserved: Option<Reserved>,
    /// The request that it answers.
    pub under_way: Option<UnderWay>,
}

enum Source {
    Whole(Bytes),
    File(Channel<Bytes, io::Error>),
}

impl Content {
    /// Content that is there as a whole.
    pub fn whole(bytes: impl Into<Vec<u8>>) -> Content {
        // What grew while it was written may have room for twice as much; the client may take its time.
        let bytes = Bytes::from(bytes.into().into_boxed_slice());
        Content { length: bytes.len(), source: Source::Whole(bytes), reserved: None, under_way: None }
    }

    /// Content that comes piece by piece.
    pub fn file(pieces: Channel<Bytes, io::Error>) -> Content {
        Content { length: 0, source: Source::File(pieces), reserved: None, under_way: None }
    }

    /// How many bytes it holds in memory.
    pub fn held_bytes(&self) -> usize {
        self.length
    }
}

impl Body for Content {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let frame = match &mut self.source {
            Source::Whole(bytes) if bytes.is_empty() => return Poll::Ready(None),
            Source::Whole(bytes) => {
                let piece = bytes.split_to(bytes.len().min(PIECE_BYTES));
                Poll::Ready(Some(Ok(Frame::data(piece))))
            }
            Source::File(pieces) => Pin::new(pieces).poll_frame(cx),
        };
        if let (Poll::Ready(Some(Ok(frame))), Some(under_way)) = (&frame, &self.under_way) {
            under_way.pace().moved_of_body(frame.data_ref().map_or(0, Bytes::len));
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Whole(bytes) => bytes.is_empty(),
            Source::File(pieces) => pieces.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Source::File(pieces) => pieces.size_hint(),
        }
    }
}

impl Drop for Content {
    fn drop(&mut self) {
        // Gone before the memory is given back.
        self.source = Source::Whole(Bytes::new());
        memory::done_with(self.length);
    }
}
