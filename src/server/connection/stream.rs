//! A connection's socket: it notes the pace, replays what was read to tell HTTP/2 from HTTP/1, and bounds unfinished heads.

use crate::server::share::budget::Reserved;
use crate::server::share::pace::{Pace, Places};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// How HTTP/2 begins with prior knowledge (RFC 9113, 3.4).
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A socket whose pace is noted.
pub struct Stream {
    socket: TcpStream,
    pace: Arc<Pace>,
    /// What was read and is to be read again.
    first: Vec<u8>,
    /// The bytes of the head that has not ended.
    head: Reserved,
    /// All connections.
    connections: Arc<Places>,
}

impl Stream {
    /// Wraps a socket. The bytes of its heads are taken from the budget of `head`; if that is used up, the one of the `connections`
    /// that has held most of an unfinished head for longest is closed.
    pub fn new(socket: TcpStream, pace: Arc<Pace>, head: Reserved, connections: Arc<Places>) -> Stream {
        Stream { socket, pace, first: Vec::new(), head, connections }
    }

    /// Reads the first bytes, and returns whether they are the preface of HTTP/2. They will be read again.
    pub async fn begins_http2(&mut self) -> io::Result<bool> {
        let mut first = Vec::with_capacity(HTTP2_PREFACE.len());
        while first.len() < HTTP2_PREFACE.len() && HTTP2_PREFACE.starts_with(&first) {
            let mut rest = vec![0; HTTP2_PREFACE.len() - first.len()];
            let length = self.read(&mut rest).await?;
            if length == 0 {
                break;
            }
            first.extend_from_slice(&rest[..length]);
        }
        self.first = first;
        Ok(self.first == HTTP2_PREFACE)
    }

    /// Returns the socket, whose pace is noted no longer.
    pub fn into_socket(self) -> TcpStream {
        self.socket
    }

    fn note(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &written {
            Poll::Ready(Ok(length)) => self.pace.sent(*length),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.pace.is_blocked(),
        }
        written
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.first.is_empty() {
            let length = self.first.len().min(buffer.remaining());
            buffer.put_slice(&self.first[..length]);
            self.first.drain(..length);
            return Poll::Ready(Ok(()));
        }
        if !self.pace.receives_head() {
            self.head.give_back();
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.socket).poll_read(cx, buffer))?;
        let length = buffer.filled().len() - before;
        self.pace.received(length);
        if self.pace.receives_head() && !self.head.add(length) {
            // The connection that has held most for longest gives way, and not this one, whose head may be about to end.
            if !self.connections.close_largest_head() {
                return Poll::Ready(Err(io::Error::other("too many heads are unfinished (limit heads_bytes_max)")));
            }
            self.head.add_beyond(length);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write(cx, bytes);
        self.note(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write_vectored(cx, slices);
        self.note(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}
