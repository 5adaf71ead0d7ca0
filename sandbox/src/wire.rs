//! The listening side of a manager: connections that can be made to break on purpose.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

use crate::counters::LiveCounters;

/// What becomes of the next answer on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is sent.
    Whole,
    /// The connection closes without a byte of it.
    Dropped,
    /// Its head is sent, then so many bytes of its body, then the connection closes.
    Cut(usize),
}

/// Lets a request decide the fate of its answer.
#[derive(Debug, Clone)]
pub(crate) struct Connection(Arc<Mutex<Fate>>);

impl Connection {
    /// Decides what becomes of the answer now being prepared.
    pub(crate) fn doom(&self, fate: Fate) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = fate;
    }

    fn fate(&self) -> Fate {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A listener whose connections obey their fate.
pub(crate) struct FatefulListener {
    pub(crate) listener: TcpListener,
    pub(crate) counters: Arc<LiveCounters>,
}

impl Listener for FatefulListener {
    type Io = FatefulStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            match self.listener.accept().await {
                Ok((stream, address)) => {
                    LiveCounters::add(&self.counters.connections);
                    let connection = Connection(Arc::new(Mutex::new(Fate::Whole)));
                    return (FatefulStream { stream, connection }, address);
                }
                // Out of file handles, most likely: wait for some to be freed.
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

impl Connected<IncomingStream<'_, FatefulListener>> for Connection {
    fn connect_info(stream: IncomingStream<'_, FatefulListener>) -> Self {
        stream.io().connection.clone()
    }
}

/// A connection that can be told to break.
pub(crate) struct FatefulStream {
    stream: TcpStream,
    connection: Connection,
}

impl AsyncRead for FatefulStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for FatefulStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let allowed = match self.connection.fate() {
            Fate::Whole => bytes.len(),
            Fate::Dropped => 0,
            // The head and the start of the body arrive in one buffer, as they are prepared.
            Fate::Cut(body) => (head_length(bytes) + body).min(bytes.len()),
        };
        if allowed == 0 {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let written = Pin::new(&mut self.stream).poll_write(context, &bytes[..allowed]);
        if let (Fate::Cut(_), Poll::Ready(Ok(_))) = (self.connection.fate(), &written) {
            self.connection.doom(Fate::Dropped);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// How many bytes the head of an answer has, with the empty line after it.
fn head_length(bytes: &[u8]) -> usize {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
    end.map_or(bytes.len(), |position| position + 4)
}
