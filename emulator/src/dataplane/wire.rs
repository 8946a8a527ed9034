//! One HTTP/1.1 client connection that knows whether an answer had begun when it broke.
//!
//! Whether a request may be sent again depends on exactly that, for the load balancer towards its targets and
//! for a browser towards the load balancer alike.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A keep-alive connection to one server; one request at a time.
#[derive(Debug)]
pub(crate) struct Connection<B> {
    sender: SendRequest<B>,
    received: Arc<AtomicU64>,
    used: bool,
}

/// Why a request on a [`Connection`] got no answer.
#[derive(Debug)]
pub(crate) enum SendFailure<B> {
    /// Nothing of the request was written: the connection had been closed before.
    NotSent(Box<Request<B>>),
    /// The request was written, at least in part, and not one byte of an answer came.
    Unanswered(hyper::Error),
    /// The answer broke off in its head, or is not HTTP.
    Broken(hyper::Error),
}

impl<B> Connection<B>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    /// Connects to `server`.
    ///
    /// # Errors
    /// The operating system's refusal.
    pub(crate) async fn open(server: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(server).await?;
        stream.set_nodelay(true)?;
        let received = Arc::new(AtomicU64::new(0));
        let counted = Counted {
            stream,
            received: Arc::clone(&received),
        };
        let (sender, connection) = http1::Builder::new()
            .handshake(TokioIo::new(counted))
            .await
            .map_err(io::Error::other)?;
        // The task ends when the sender is dropped or the server closes; errors reach the sender.
        tokio::spawn(connection);
        Ok(Self {
            sender,
            received,
            used: false,
        })
    }

    /// True once a request has been sent: a later failure may be the server closing an idle connection.
    pub(crate) fn is_reused(&self) -> bool {
        self.used
    }

    /// True when another request can be sent now.
    pub(crate) fn is_ready(&self) -> bool {
        self.sender.is_ready()
    }

    /// True when the server has closed the connection.
    pub(crate) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Waits until the previous answer is read to its end, so that another request can be sent.
    ///
    /// # Errors
    /// The connection is closed.
    pub(crate) async fn ready(&mut self) -> Result<(), hyper::Error> {
        self.sender.ready().await
    }

    /// Sends a request and waits for the head of the answer.
    ///
    /// # Errors
    /// See [`SendFailure`].
    pub(crate) async fn send(
        &mut self,
        request: Request<B>,
    ) -> Result<Response<Incoming>, SendFailure<B>> {
        self.used = true;
        let before = self.received.load(Ordering::Relaxed);
        match self.sender.try_send_request(request).await {
            Ok(response) => Ok(response),
            Err(mut failure) => Err(match failure.take_message() {
                Some(request) => SendFailure::NotSent(Box::new(request)),
                None if self.received.load(Ordering::Relaxed) == before => {
                    SendFailure::Unanswered(failure.into_error())
                }
                None => SendFailure::Broken(failure.into_error()),
            }),
        }
    }
}

/// A TCP stream that counts the bytes read from it.
#[derive(Debug)]
struct Counted {
    stream: TcpStream,
    received: Arc<AtomicU64>,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        let read = buf.filled().len().saturating_sub(before);
        self.received.fetch_add(read as u64, Ordering::Relaxed);
        polled
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
