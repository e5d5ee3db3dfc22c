//! The thread on which the controller runs, with a runtime of its own.

use std::{
    io,
    sync::{Mutex, PoisonError, mpsc},
    thread,
    time::Duration,
};

use desktop::{Controller, Handle, Request};

/// How long the process waits for the controller when the system ends it (logging off, shutting
/// down): a little longer than the controller gives peer and gateway.
const END_TIMEOUT: Duration = Duration::from_secs(9);

/// Waits for the controller's end.
pub(crate) struct Backstage {
    ended: Mutex<mpsc::Receiver<()>>,
}

impl Backstage {
    /// Runs the controller on a thread of its own.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub(crate) fn start(controller: Controller, handle: Handle) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .thread_name("veranda")
            .enable_all()
            .build()?;
        let (sender, ended) = mpsc::sync_channel(1);
        thread::Builder::new().name("controller".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = controller.run() => {}
                    () = quit_when_told(handle) => {}
                }
            });
            // Nobody waits when the app ends by itself.
            let _ = sender.send(());
        })?;
        Ok(Self { ended: Mutex::new(ended) })
    }

    /// Waits until everything is kept, but not for ever.
    pub(crate) fn wait(&self) {
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        if ended.recv_timeout(END_TIMEOUT) == Err(mpsc::RecvTimeoutError::Timeout) {
            tracing::warn!("Not everything ended in time");
        }
    }
}

/// Quits when the system asks the process to end. Never returns.
#[cfg(unix)]
async fn quit_when_told(handle: Handle) {
    use tokio::signal::unix::{SignalKind, signal};
    let (terminate, interrupt) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
    if let (Ok(mut terminate), Ok(mut interrupt)) = (terminate, interrupt) {
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            handle.click(Request::Quit);
        }
    }
    std::future::pending().await
}

/// Quits when the console asks the process to end. Never returns.
#[cfg(not(unix))]
async fn quit_when_told(handle: Handle) {
    while tokio::signal::ctrl_c().await.is_ok() {
        handle.click(Request::Quit);
    }
    std::future::pending().await
}
