//! Starts the app once more, when somebody asked for it while it was ending.

use std::{
    env,
    process::Command,
    sync::{Mutex, PoisonError},
};

/// The start that somebody asked for: its arguments and its folder.
#[derive(Default)]
pub(crate) struct Again(Mutex<Option<Asked>>);

struct Asked {
    arguments: Vec<String>,
    folder: String,
}

impl Again {
    /// Remembers a start; of several the last one counts. `words` begins with the program.
    pub(crate) fn ask(&self, words: Vec<String>, folder: String) {
        let arguments = words.into_iter().skip(1).collect();
        let mut asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *asked = Some(Asked { arguments, folder });
    }

    /// Starts the app if it was asked for. Nothing of this one may be in its way any more.
    ///
    /// # Errors
    /// When the program is not where it was.
    pub(crate) fn start(&self) -> std::io::Result<()> {
        let asked = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Asked { arguments, folder }) = asked else { return Ok(()) };
        tracing::info!("Somebody wants the app while it ends: starting it again");
        Command::new(env::current_exe()?).args(arguments).current_dir(folder).spawn().map(|_| ())
    }
}
