//! The session as the connection of a link.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use crosstalk::transactions::Message;
use futures_util::{Sink, Stream};
use tokio::time::{Instant, Sleep, sleep_until};

use super::accept::Shared;

/// What the link takes for a connection. What it sends waits in the mailbox, where flow control
/// bounds it: there is always room.
pub(super) struct Transport {
    shared: Arc<Shared>,
    alarm: Option<Pin<Box<Sleep>>>,
}

impl Transport {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, alarm: None }
    }

    fn set_alarm(&mut self, at: Option<Instant>, cx: &mut Context<'_>) -> bool {
        let Some(at) = at else {
            self.alarm = None;
            return false;
        };
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep_until(at)));
        if alarm.deadline() != at {
            alarm.as_mut().reset(at);
        }
        alarm.as_mut().poll(cx).is_ready()
    }
}

impl Stream for Transport {
    type Item = io::Result<Message>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            this.shared.register(cx.waker());
            if this.shared.is_over() {
                return Poll::Ready(None);
            }
            if this.shared.take_ping() {
                return Poll::Ready(Some(Ok(Message::Pong)));
            }
            let now = Instant::now();
            let (message, alarm) = this.shared.look(|mailbox| {
                let alarm = mailbox.give_up_waiting(now);
                (mailbox.next(), alarm)
            });
            if let Some(message) = message {
                return Poll::Ready(Some(Ok(message)));
            }
            let gone = this.shared.gone_at();
            if gone.is_some_and(|gone| gone <= now) {
                tracing::debug!("A peer does not poll any more, and a visitor waits");
                this.shared.end();
                return Poll::Ready(Some(Err(io::ErrorKind::TimedOut.into())));
            }
            let alarm = alarm.into_iter().chain(gone).min();
            if !this.set_alarm(alarm, cx) {
                return Poll::Pending;
            }
        }
    }
}

impl Sink<Message> for Transport {
    type Error = io::Error;

    fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn start_send(self: Pin<&mut Self>, message: Message) -> io::Result<()> {
        if matches!(message, Message::Ping) {
            self.shared.ping();
        } else {
            self.shared.with_from_link(|mailbox| mailbox.send(message, Instant::now()));
        }
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.shared.end();
        Poll::Ready(Ok(()))
    }
}

impl Drop for Transport {
    fn drop(&mut self) {
        self.shared.end();
    }
}
