//! The clipboard, asked for as any other program would (ICCCM 2.4).

use anyhow::{Context as _, bail};
use tokio::{task::spawn_blocking, time::timeout};
use x11rb::{
    connection::Connection as _,
    protocol::{
        Event,
        xproto::{AtomEnum, ConnectionExt as _, CreateWindowAux, WindowClass},
    },
    rust_connection::RustConnection,
};

use crate::waiting::PATIENCE;

/// The longest text that is read, in units of four bytes.
const MAX_LENGTH: u32 = 64 * 1024;

/// Returns the text on the clipboard of this display, or `None` when it is empty.
pub(super) async fn read(display: String) -> anyhow::Result<Option<String>> {
    let reading = spawn_blocking(move || read_now(&display));
    timeout(PATIENCE, reading).await.context("nobody gives out the clipboard")??
}

fn read_now(display: &str) -> anyhow::Result<Option<String>> {
    let (connection, screen) = RustConnection::connect(Some(display))?;
    let root = connection.setup().roots.get(screen).context("no screen")?.root;
    let atom = |name: &str| -> anyhow::Result<u32> {
        Ok(connection.intern_atom(false, name.as_bytes())?.reply()?.atom)
    };
    let (clipboard, text, place) = (atom("CLIPBOARD")?, atom("UTF8_STRING")?, atom("PLACE")?);
    if connection.get_selection_owner(clipboard)?.reply()?.owner == x11rb::NONE {
        return Ok(None);
    }

    let window = connection.generate_id()?;
    let options = CreateWindowAux::new();
    // Input only: nothing is drawn, so it has no depth and no visual of its own.
    let (kind, visual) = (WindowClass::INPUT_ONLY, x11rb::COPY_FROM_PARENT);
    connection.create_window(0, window, root, 0, 0, 1, 1, 0, kind, visual, &options)?;
    connection.convert_selection(window, clipboard, text, place, x11rb::CURRENT_TIME)?;
    connection.flush()?;
    loop {
        if let Event::SelectionNotify(answer) = connection.wait_for_event()? {
            if answer.property == x11rb::NONE {
                bail!("what is on the clipboard is not text");
            }
            break;
        }
    }
    let any = AtomEnum::ANY;
    let found = connection.get_property(true, window, place, any, 0, MAX_LENGTH)?.reply()?;
    Ok(Some(String::from_utf8(found.value)?))
}
