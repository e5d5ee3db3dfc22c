//! Dragging something over a window and dropping it there, as a file manager does (XDND, version
//! 5): the pointer is only told of, everything else is real.

use std::path::Path;

use anyhow::{Context as _, bail};
use tokio::{task::spawn_blocking, time::timeout};
use url::Url;
use x11rb::{
    CURRENT_TIME,
    connection::Connection as _,
    protocol::{
        Event,
        xproto::{
            Atom, ClientMessageEvent, ConnectionExt as _, CreateWindowAux, EventMask, PropMode,
            SELECTION_NOTIFY_EVENT, SelectionNotifyEvent, SelectionRequestEvent, Window as Number,
            WindowClass,
        },
    },
    rust_connection::RustConnection,
    wrapper::ConnectionExt as _,
};

use super::{Desktop, Window};
use crate::waiting::PATIENCE;

/// The version of the protocol, as it stands in the first message.
const VERSION: u32 = 5 << 24;

/// Set in a window's answer when it would take what is dropped.
const WOULD_TAKE: u32 = 1;

impl Desktop {
    /// Drags folders or files to the middle of a window and drops them there.
    ///
    /// # Errors
    /// When the window does not take them.
    pub async fn drop_on(&self, window: &Window, things: &[&Path]) -> anyhow::Result<()> {
        let mut addresses = String::new();
        for thing in things {
            let address = Url::from_file_path(thing).ok().context("no absolute path")?;
            addresses.push_str(&format!("{address}\r\n"));
        }
        let (display, window) = (self.display.clone(), window.number()?);
        let dragging = spawn_blocking(move || Drag::begin(&display, window, addresses)?.finish());
        timeout(PATIENCE, dragging).await.context("the window does not answer the drag")??
    }
}

/// The words of the protocol, as this screen numbers them.
struct Words {
    enter: Atom,
    position: Atom,
    status: Atom,
    drop: Atom,
    finished: Atom,
    selection: Atom,
    copy: Atom,
    addresses: Atom,
}

struct Drag {
    connection: RustConnection,
    words: Words,
    source: Number,
    target: Number,
    /// The middle of the target, as the protocol packs it.
    place: u32,
    addresses: String,
}

impl Drag {
    fn begin(display: &str, target: Number, addresses: String) -> anyhow::Result<Self> {
        let (connection, screen) = RustConnection::connect(Some(display))?;
        let root = connection.setup().roots.get(screen).context("no screen")?.root;
        let atom = |name: &str| -> anyhow::Result<Atom> {
            Ok(connection.intern_atom(false, name.as_bytes())?.reply()?.atom)
        };
        let words = Words {
            enter: atom("XdndEnter")?,
            position: atom("XdndPosition")?,
            status: atom("XdndStatus")?,
            drop: atom("XdndDrop")?,
            finished: atom("XdndFinished")?,
            selection: atom("XdndSelection")?,
            copy: atom("XdndActionCopy")?,
            addresses: atom("text/uri-list")?,
        };

        let size = connection.get_geometry(target)?.reply()?;
        let (x, y) = (i16::try_from(size.width / 2)?, i16::try_from(size.height / 2)?);
        let middle = connection.translate_coordinates(target, root, x, y)?.reply()?;
        let place = (u32::try_from(middle.dst_x)? << 16) | u32::try_from(middle.dst_y)?;

        let source = connection.generate_id()?;
        let (kind, options) = (WindowClass::INPUT_ONLY, CreateWindowAux::new());
        let visual = x11rb::COPY_FROM_PARENT;
        connection.create_window(0, source, root, 0, 0, 1, 1, 0, kind, visual, &options)?;
        connection.set_selection_owner(source, words.selection, CURRENT_TIME)?;
        Ok(Self { connection, words, source, target, place, addresses })
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "a screen tells much that is not for us")]
    fn finish(self) -> anyhow::Result<()> {
        self.tell(self.words.enter, [VERSION, self.words.addresses, 0, 0])?;
        self.move_on()?;
        let mut dropped = false;
        loop {
            match self.connection.wait_for_event()? {
                Event::SelectionRequest(request) => self.hand_over(&request)?,
                Event::ClientMessage(message) if message.type_ == self.words.status => {
                    if message.data.as_data32()[1] & WOULD_TAKE == 0 {
                        // It may have to look at what is dragged first.
                        self.move_on()?;
                    } else if !dropped {
                        self.tell(self.words.drop, [0, CURRENT_TIME, 0, 0])?;
                        dropped = true;
                    }
                }
                Event::ClientMessage(message) if message.type_ == self.words.finished => {
                    if !dropped {
                        bail!("the window ended the drag before anything was dropped");
                    }
                    return Ok(());
                }
                _ => {}
            }
        }
    }

    fn move_on(&self) -> anyhow::Result<()> {
        self.tell(self.words.position, [0, self.place, CURRENT_TIME, self.words.copy])
    }

    fn tell(&self, what: Atom, rest: [u32; 4]) -> anyhow::Result<()> {
        let data = [self.source, rest[0], rest[1], rest[2], rest[3]];
        let message = ClientMessageEvent::new(32, self.target, what, data);
        self.connection.send_event(false, self.target, EventMask::NO_EVENT, message)?;
        Ok(self.connection.flush()?)
    }

    fn hand_over(&self, request: &SelectionRequestEvent) -> anyhow::Result<()> {
        let (connection, words) = (&self.connection, &self.words);
        let known = request.target == words.addresses;
        if known {
            let (window, place) = (request.requestor, request.property);
            let content = self.addresses.as_bytes();
            connection.change_property8(
                PropMode::REPLACE,
                window,
                place,
                words.addresses,
                content,
            )?;
        }
        let notice = SelectionNotifyEvent {
            response_type: SELECTION_NOTIFY_EVENT,
            sequence: 0,
            time: request.time,
            requestor: request.requestor,
            selection: request.selection,
            target: request.target,
            property: if known { request.property } else { x11rb::NONE },
        };
        connection.send_event(false, request.requestor, EventMask::NO_EVENT, notice)?;
        Ok(connection.flush()?)
    }
}
