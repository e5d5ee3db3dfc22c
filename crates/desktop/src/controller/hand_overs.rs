//! Files that go to one person, or come from others.

use std::path::PathBuf;

use peer::{HandOver, HandOverError, HandOverId, KnockId, Peer, Terms};
use tokio::time::timeout;

use super::{
    Controller, MAX_FOLDERS, Reply, Stage, Work, internal,
    requests::{IntoProblem, Now, REQUEST_TIMEOUT, gone, not_ready},
};
use crate::{
    display,
    draft::{self, Draft, Given},
    link,
    printable::MAX_NOTE,
    shell::Choice,
    view::{Problem, ProblemCode},
    words::{Deed, Words, allows},
};

/// How many files come by one link at most: as many as the peer remembers.
const MAX_ASKED: u32 = 100;

impl Controller {
    /// Looks at what the owner gave: folders are published, files are about to be sent. Before the
    /// app is ready, it is kept.
    pub(super) fn given(&mut self, paths: Vec<PathBuf>, reply: Reply) {
        match self.stage {
            Stage::Ready(_) => self.look(paths, false, reply),
            Stage::Failed(_) | Stage::NeedsKey(..) | Stage::Starting => {
                self.waiting_paths.extend(paths);
                self.waiting_paths.truncate(draft::MAX_FILES);
                self.answer(reply, Ok(()));
            }
        }
    }

    /// Looks at what is there; folders are no files where files were chosen.
    fn look(&mut self, paths: Vec<PathBuf>, only_files: bool, reply: Reply) {
        let words = self.words;
        self.jobs.spawn(async move {
            let looked = tokio::task::spawn_blocking(move || draft::look(paths));
            let given = match timeout(REQUEST_TIMEOUT, looked).await {
                Ok(Ok(Given::Folders(folders))) if only_files => {
                    Ok(folders.into_iter().next().map_or(Given::TooMany, Given::Strange))
                }
                Ok(Ok(given)) => Ok(given),
                Ok(Err(error)) => Err(internal(words.system_refused(Deed::Look, &error.into()))),
                Err(_) => Err(internal(words.too_late())),
            };
            Work::Looked(reply, given)
        });
    }

    pub(super) fn looked(&mut self, reply: Reply, given: Result<Given, Problem>) {
        let result = match given {
            Ok(Given::Files(files)) => {
                if matches!(reply, Reply::Aloud) {
                    // Dropped, or given to a start: what follows is in the window.
                    self.shell.raise();
                }
                self.prepare_files(files)
            }
            Ok(Given::Folders(folders)) => {
                for folder in folders.into_iter().take(MAX_FOLDERS) {
                    self.add_folder(folder, Reply::Aloud);
                }
                Ok(())
            }
            Ok(Given::Both) => Err(unusable(self.words.not_both())),
            Ok(Given::Strange(path)) => Err(unusable(self.words.no_file(&path))),
            Ok(Given::TooMany) => Err(unusable(self.words.too_many_files())),
            Err(problem) => Err(problem),
        };
        self.answer(reply, result);
    }

    fn prepare_files(&mut self, files: Vec<draft::FileToSend>) -> Now {
        if self.is_drafting {
            return Err(internal(self.words.too_busy()));
        }
        match Draft::with(self.draft.take(), files) {
            Ok(draft) => {
                self.draft = Some(draft);
                Ok(())
            }
            Err(draft) => {
                self.draft = draft;
                Err(unusable(self.words.too_many_files()))
            }
        }
    }

    /// Lets the owner choose in the system's dialog.
    pub(super) fn choose(&mut self, choice: Choice, reply: Reply) {
        if !matches!(self.stage, Stage::Ready(_)) {
            return self.answer(reply, Err(not_ready(self.words.not_ready())));
        }
        if matches!(reply, Reply::Aloud) {
            // From the menu: what follows is in the window.
            self.shell.raise();
        }
        let words = self.words;
        let chosen = self.shell.choose(choice, words.dialog(choice));
        self.jobs.spawn(async move {
            // No deadline: an owner may leave a dialog open for as long as she likes.
            let chosen = chosen.await;
            Work::Chosen(
                reply,
                choice,
                chosen.map_err(|error| internal(words.system_refused(Deed::OpenDialog, &error))),
            )
        });
    }

    pub(super) fn chosen(
        &mut self,
        reply: Reply,
        choice: Choice,
        chosen: Result<Vec<PathBuf>, Problem>,
    ) {
        let mut paths = match chosen {
            Ok(paths) if paths.is_empty() => return self.answer(reply, Ok(())),
            Ok(paths) => paths,
            Err(problem) => return self.answer(reply, Err(problem)),
        };
        match choice {
            Choice::Files => self.look(paths, true, reply),
            Choice::Folder => self.add_folder(paths.swap_remove(0), reply),
            Choice::Inbox => {
                // Only where the question was asked: it may be cancelled by now.
                if let Some(Draft::Ask(folder)) = &mut self.draft {
                    *folder = paths.swap_remove(0);
                }
                self.answer(reply, Ok(()));
            }
        }
    }

    pub(super) fn prepare_ask(&mut self, reply: &Reply) -> Now {
        if !matches!(self.stage, Stage::Ready(_)) {
            return Err(not_ready(self.words.not_ready()));
        }
        if self.is_drafting {
            return Err(internal(self.words.too_busy()));
        }
        if matches!(reply, Reply::Aloud) {
            self.shell.raise();
        }
        self.draft = Some(Draft::Ask(self.downloads.clone()));
        Ok(())
    }

    pub(super) fn cancel_draft(&mut self) -> Now {
        if self.is_drafting {
            return Err(internal(self.words.too_busy()));
        }
        self.draft = None;
        Ok(())
    }

    pub(super) fn send_files(&mut self, note: String, ask_first: bool, reply: Reply) {
        let Some(Draft::Send(files)) = &self.draft else {
            return self.answer(reply, Err(gone(self.words)));
        };
        let files = files.iter().map(|file| file.path.clone()).collect();
        self.hand_over(note, ask_first, reply, |peer, terms| async move {
            peer.send_files(files, terms).await
        });
    }

    pub(super) fn ask_for_files(
        &mut self,
        largest: u64,
        note: String,
        ask_first: bool,
        reply: Reply,
    ) {
        let Some(Draft::Ask(folder)) = &self.draft else {
            return self.answer(reply, Err(gone(self.words)));
        };
        if largest == 0 {
            return self.answer(reply, Err(unusable(self.words.bad_size())));
        }
        let folder = folder.clone();
        self.hand_over(note, ask_first, reply, move |peer, terms| async move {
            peer.ask_for_files(&folder, largest, MAX_ASKED, terms).await
        });
    }

    /// Makes a link of the draft, which stays until there is one.
    fn hand_over<Done>(
        &mut self,
        note: String,
        nod: bool,
        reply: Reply,
        wish: impl FnOnce(Peer, Terms) -> Done,
    ) where
        Done: Future<Output = Result<HandOverId, HandOverError>> + Send + 'static,
    {
        if note.chars().count() > MAX_NOTE {
            let sentence = self.words.long_note();
            return self.answer(reply, Err(Problem { code: ProblemCode::BadName, sentence }));
        }
        if self.is_drafting {
            return self.answer(reply, Err(internal(self.words.too_busy())));
        }
        let Stage::Ready(engine) = &self.stage else {
            return self.answer(reply, Err(not_ready(self.words.not_ready())));
        };
        let done = wish(engine.peer.clone(), Terms { note, nod });
        self.is_drafting = true;
        let words = self.words;
        self.jobs.spawn(async move {
            let result = match timeout(REQUEST_TIMEOUT, done).await {
                Ok(result) => result.map(|_| ()).map_err(|error| error.into_problem(words)),
                Err(_) => Err(internal(words.too_late())),
            };
            Work::HandedOver(reply, result)
        });
    }

    pub(super) fn handed_over(&mut self, reply: Reply, result: Now) {
        self.is_drafting = false;
        if result.is_ok() {
            self.draft = None;
        }
        self.answer(reply, result);
    }

    pub(super) fn answer_knock(&mut self, knock: &str, allow: bool, reply: Reply) {
        let Ok(knock) = knock.parse().map(KnockId) else {
            return self.answer(reply, Err(gone(self.words)));
        };
        let words = self.words;
        self.with_peer(reply, move |peer| async move {
            peer.answer_knock(knock, allow).await.map_err(|error| match error {
                HandOverError::Unknown => nobody_asks(words),
                error @ (HandOverError::Files(_)
                | HandOverError::Folder(..)
                | HandOverError::TooMany
                | HandOverError::Store(_)) => error.into_problem(words),
            })
        });
    }

    /// Takes back what was told of questions that nobody asks any more.
    pub(super) fn look_at_knocks(&mut self) {
        let Stage::Ready(engine) = &self.stage else { return };
        let snapshot = engine.snapshots.borrow();
        let asked = || snapshot.hand_overs.iter().flat_map(|one| &one.knocks);
        for over in self.notices.keep_knocks(|id| asked().any(|knock| knock.id == id)) {
            self.shell.withdraw(&allows(over));
        }
    }

    pub(super) fn end_hand_over(&mut self, id: &str, reply: Reply) {
        let Ok(id) = id.parse().map(HandOverId) else {
            return self.answer(reply, Err(gone(self.words)));
        };
        self.with_peer(reply, move |peer| async move { peer.end_hand_over(id).await });
    }

    pub(super) fn remove_finished(&mut self, reply: Reply) {
        let Stage::Ready(engine) = &self.stage else {
            return self.answer(reply, Err(not_ready(self.words.not_ready())));
        };
        let done: Vec<HandOverId> = {
            let snapshot = engine.snapshots.borrow();
            let is_done = |one: &&HandOver| matches!(one.stage, peer::Stage::Done { .. });
            snapshot.hand_overs.iter().filter(is_done).map(|one| one.id).collect()
        };
        self.with_peer(reply, move |peer| async move {
            for id in done {
                match peer.end_hand_over(id).await {
                    // Removed meanwhile, which is what is wanted.
                    Ok(()) | Err(HandOverError::Unknown) => {}
                    Err(
                        error @ (HandOverError::Files(_)
                        | HandOverError::Folder(..)
                        | HandOverError::TooMany
                        | HandOverError::Store(_)),
                    ) => return Err(error),
                }
            }
            Ok(())
        });
    }

    fn hand_over_of(&self, id: &str) -> Option<HandOver> {
        let Stage::Ready(engine) = &self.stage else { return None };
        let snapshot = engine.snapshots.borrow();
        snapshot.hand_overs.iter().find(|one| one.id.0.to_string() == id).cloned()
    }

    fn hand_over_link(&self, id: &str) -> Result<String, Problem> {
        let url = self.hand_over_of(id).ok_or_else(|| gone(self.words))?.url;
        let url = url.ok_or_else(|| not_ready(self.words.no_link_yet()))?;
        if !link::is_web(&url) {
            return Err(internal(self.words.strange_link()));
        }
        Ok(url)
    }

    pub(super) fn copy_hand_over_link(&mut self, id: &str) -> Now {
        let link = self.hand_over_link(id)?;
        let copied = self.shell.copy(&link);
        copied.map_err(|error| internal(self.words.system_refused(Deed::CopyLink, &error)))
    }

    pub(super) fn open_hand_over_link(&mut self, id: &str) -> Now {
        let link = self.hand_over_link(id)?;
        let opened = self.shell.open(&link);
        opened.map_err(|error| internal(self.words.system_refused(Deed::OpenBrowser, &error)))
    }

    pub(super) fn open_hand_over(&mut self, id: String) -> Now {
        // It may be removed by now; then the window has nothing special to show.
        self.open_hand_over = self.hand_over_of(&id).map(|_| id);
        self.shell.raise();
        Ok(())
    }

    /// Shows what arrived, or the folder.
    pub(super) fn show_received(&mut self, id: &str, file: Option<&str>, reply: Reply) {
        let Some(HandOver { direction: peer::Direction::Ask { folder, .. }, received, .. }) =
            self.hand_over_of(id)
        else {
            return self.answer(reply, Err(gone(self.words)));
        };
        let path = match file {
            None => folder,
            // The window knows its name as it is shown there. Only what the peer put there itself:
            // never a path.
            Some(name) => match received.iter().find(|one| display::name_of(one) == name) {
                Some(one) => folder.join(&one.file),
                None => return self.answer(reply, Err(gone(self.words))),
            },
        };
        let (shown, words) = (self.shell.reveal(&path), self.words);
        // A drive that does not answer holds up the look at what is there, too.
        let shown = async move {
            let Err(error) = shown.await else { return Ok(()) };
            tracing::debug!(error = format!("{error:#}"), "It cannot be shown");
            let is_there = tokio::fs::try_exists(&path).await.unwrap_or(false);
            Err(internal(words.not_shown(&path, is_there)))
        };
        self.jobs.spawn(async move {
            let shown = timeout(REQUEST_TIMEOUT, shown).await;
            let result = shown.unwrap_or_else(|_| Err(internal(words.too_late())));
            Work::Answered(reply, result)
        });
    }
}

impl IntoProblem for HandOverError {
    fn into_problem(self, words: Words) -> Problem {
        let code = match &self {
            HandOverError::Files(_) => ProblemCode::FilesUnusable,
            HandOverError::Folder(..) => ProblemCode::FolderUnusable,
            HandOverError::TooMany | HandOverError::Store(_) => ProblemCode::Internal,
            HandOverError::Unknown => ProblemCode::Unknown,
        };
        Problem { code, sentence: words.not_handed_over(&self) }
    }
}

fn unusable(sentence: String) -> Problem {
    Problem { code: ProblemCode::FilesUnusable, sentence }
}

fn nobody_asks(words: Words) -> Problem {
    Problem { code: ProblemCode::Unknown, sentence: words.nobody_asks() }
}
