//! The task of one conversation: multiplexer, chat messages and time come together.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use crosstalk::{
    transactions::{Config, Message, Numbers},
    xmpp::BareJid,
};
use futures_util::{Sink, Stream};
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc},
    time::{Instant, MissedTickBehavior, interval},
};
use tokio_util::{sync::PollSender, task::TaskTracker};

use super::{Chat, LOOK_EVERY, MAX_BATCHES, batches::Batches};
use crate::{
    Carrier, Link,
    line::Line,
    messages::{self, Setup},
};

/// How many messages wait between multiplexer and conversation, in each direction.
const QUEUE: usize = 16;

/// The multiplexer's end of a conversation.
struct Wire {
    messages: mpsc::Receiver<io::Result<Message>>,
    conversation: PollSender<Message>,
}

/// A chat message, and the room that it takes while it waits.
pub(super) struct Heard {
    pub(super) chat: Chat,
    pub(super) _room: OwnedSemaphorePermit,
}

/// Makes a conversation a link. It ends when `heard` does.
pub(super) fn link(
    with: BareJid,
    heard: mpsc::Receiver<Heard>,
    sent: mpsc::Sender<Chat>,
    tasks: &TaskTracker,
) -> Link {
    let (tell, messages) = mpsc::channel(QUEUE);
    let (conversation, told) = mpsc::channel(QUEUE);
    let config = Config { max_opened: MAX_BATCHES, ..Config::new(Numbers::Even) };
    let batches = Batches::new(config.window);
    tasks.spawn(Conversation { with, batches, told, tell, heard, sent }.run());
    let (_, line) = Line::new(());
    let setup = Setup { carrier: Carrier::Xmpp, config, line, websockets: false };
    let wire = Wire { messages, conversation: PollSender::new(conversation) };
    messages::link(wire, setup, None, tasks)
}

struct Conversation {
    with: BareJid,
    batches: Batches,
    /// From the multiplexer.
    told: mpsc::Receiver<Message>,
    /// To the multiplexer.
    tell: mpsc::Sender<io::Result<Message>>,
    /// From the counterpart; it ends when the counterpart leaves.
    heard: mpsc::Receiver<Heard>,
    /// To the counterpart.
    sent: mpsc::Sender<Chat>,
}

impl Conversation {
    async fn run(self) {
        let Self { with, mut batches, mut told, tell, mut heard, sent } = self;
        let begun = Instant::now();
        let mut look = interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                message = told.recv() => match message {
                    Some(message) => batches.tell(message, begun.elapsed()),
                    None => return,
                },
                chat = heard.recv() => match chat {
                    Some(Heard { chat, .. }) => {
                        batches.hear(chat.thread.as_deref(), &chat.body, begun.elapsed());
                    }
                    None => break,
                },
                room = tell.reserve(), if batches.has_message() => match (room, batches.next_message()) {
                    (Ok(room), Some(message)) => room.send(Ok(message)),
                    (Ok(_), None) => {}
                    (Err(_), _) => return,
                },
                room = sent.reserve(), if batches.has_chat() => match (room, batches.next_chat()) {
                    (Ok(room), Some((name, body))) => {
                        let thread = Some(name.as_str().to_owned());
                        room.send(Chat { with: with.clone(), thread, body });
                    }
                    (Ok(_), None) => {}
                    // The session has ended.
                    (Err(_), _) => break,
                },
                _ = look.tick() => batches.look(begun.elapsed()),
            }
        }
        // A link that has ended meanwhile needs no word.
        let _ = tell.send(Err(io::ErrorKind::ConnectionReset.into())).await;
    }
}

impl Stream for Wire {
    type Item = io::Result<Message>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.messages.poll_recv(cx)
    }
}

impl Sink<Message> for Wire {
    type Error = io::Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(ready!(self.conversation.poll_reserve(cx)).map_err(|_| gone()))
    }

    fn start_send(mut self: Pin<&mut Self>, message: Message) -> io::Result<()> {
        self.conversation.send_item(message).map_err(|_| gone())
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.conversation.close();
        Poll::Ready(Ok(()))
    }
}

fn gone() -> io::Error {
    io::ErrorKind::BrokenPipe.into()
}
