//! The body of a client's request on its way to a target.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};

/// A request body that counts its frames, so that a long upload is told from a silent target.
#[derive(Debug, Default)]
pub(super) struct Upload {
    body: Option<Incoming>,
    frames: Arc<AtomicU64>,
}

impl Upload {
    /// The body of a client's request.
    pub(super) fn new(body: Incoming) -> Self {
        Self {
            body: Some(body).filter(|body| !body.is_end_stream()),
            frames: Arc::default(),
        }
    }

    /// How many frames have passed; the counter goes on when the body is on its way.
    pub(super) fn frames(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.frames)
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(body) = &mut self.body else {
            return Poll::Ready(None);
        };
        let polled = Pin::new(body).poll_frame(cx);
        if polled.is_ready() {
            self.frames.fetch_add(1, Ordering::Relaxed);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body
            .as_ref()
            .map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}
