//! A link over which nobody but the dialler asks.

use crosstalk::transaction::Body;
use http::{Request, Response};
use tokio_util::task::TaskTracker;

use super::{Setup, Transport, link};
use crate::{Link, SendError};

/// A link by which the gateway itself is asked. It ends when this is dropped.
pub struct Questions {
    link: Link,
    /// Owns the task that moves the messages, which ends with the link.
    _tasks: TaskTracker,
}

impl Questions {
    /// Asks over a connection whose greeting is done.
    pub(crate) fn over(transport: impl Transport, setup: Setup) -> Self {
        let tasks = TaskTracker::new();
        Self { link: link(transport, setup, None, &tasks), _tasks: tasks }
    }

    /// Sends a request for the gateway's own host. The deadline is the caller's.
    ///
    /// # Errors
    /// See [`SendError`].
    pub async fn send(&self, request: Request<Body>) -> Result<Response<Body>, SendError> {
        self.link.send(request).await
    }
}

impl Drop for Questions {
    fn drop(&mut self) {
        self.link.close();
    }
}
