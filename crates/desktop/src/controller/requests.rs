//! What happens at each request.

use std::{
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use carriers::xmpp::Account;
use crosstalk::address::{AddressError, Invitation};
use peer::{LinkState, NoteId, Peer, PublishError, SiteId, TransferId, keys::KeyError};
use tokio::time::timeout;

use super::{Controller, MAX_JOBS, Reply, Stage, Switch, Work, accounts::Tried, internal};
use crate::{
    bring_up::{self, Embedded},
    gateway_check, identity,
    keychain::{self, NoKey},
    link,
    printable::MAX_NOTE,
    request::{Passphrase, Request, TypedAccount},
    settings::Kept,
    shell::Choice,
    view::{KeyTrouble, Problem, ProblemCode},
    words::{Deed, Words},
};

/// How long the peer may take to fulfil a wish: a folder on a sleeping disk needs seconds.
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// The shortest passphrase, in characters.
const MIN_PASSPHRASE: usize = 8;

/// What a wish comes to at once.
pub(super) type Now = Result<(), Problem>;

impl Controller {
    /// Fulfils a wish, at once or by a job that answers later.
    pub(super) fn request(&mut self, request: Request, reply: Reply) {
        if self.jobs.len() >= MAX_JOBS && request != Request::Quit {
            return self.answer(reply, Err(internal(self.words.too_busy())));
        }
        let now = match request {
            Request::AddFolder { path } => return self.add_folder(PathBuf::from(path), reply),
            Request::AnswerKnock { knock, allow } => {
                return self.answer_knock(&knock, allow, reply);
            }
            Request::AnswerNote { note, text } => return self.answer_note(&note, text, reply),
            Request::AskForFiles { largest, note, ask_first } => {
                return self.ask_for_files(largest, note, ask_first, reply);
            }
            Request::BlockWriter { note } => {
                return self.about_note(&note, reply, |peer, note| async move {
                    peer.block_writer(note).await
                });
            }
            Request::CancelDraft => self.cancel_draft(),
            Request::ChooseFiles => return self.choose(Choice::Files, reply),
            Request::ChooseFolder => return self.choose(Choice::Folder, reply),
            Request::ChooseInbox => return self.choose(Choice::Inbox, reply),
            Request::ClearHistory => {
                return self.with_peer(reply, |peer| async move { peer.clear_history().await });
            }
            Request::CopyHandOverLink { hand_over } => self.copy_hand_over_link(&hand_over),
            Request::CopyLink { site } => self.copy_link(&site),
            Request::CreateKeyFile { passphrase } => {
                return self.create_key_file(passphrase, reply);
            }
            Request::DismissProblem => {
                self.problems.pop_front();
                Ok(())
            }
            Request::EndHandOver { hand_over } => return self.end_hand_over(&hand_over, reply),
            Request::ForgetAccount => return self.forget_account(reply),
            Request::ForgetNote { note } => {
                return self.about_note(&note, reply, |peer, note| async move {
                    peer.forget_note(note).await
                });
            }
            Request::OpenHandOver { hand_over } => self.open_hand_over(hand_over),
            Request::OpenHandOverLink { hand_over } => self.open_hand_over_link(&hand_over),
            Request::OpenLink { site } => self.open_link(&site),
            Request::OpenNotes { site } => {
                self.open_notes = Some(site);
                self.shell.raise();
                Ok(())
            }
            Request::PauseAll { paused } => {
                return self
                    .with_peer(reply, move |peer| async move { peer.set_paused(paused).await });
            }
            Request::PrepareAsk => self.prepare_ask(&reply),
            Request::Quit => {
                self.quitting = true;
                Ok(())
            }
            Request::RemoveFinished => return self.remove_finished(reply),
            Request::RemoveSite { site } => {
                let site = SiteId(site);
                return self.with_peer(reply, move |peer| async move { peer.remove(&site).await });
            }
            Request::RenameIdentity { name } => self.rename_identity(&name),
            Request::RenameSite { site, name } => {
                let Some(name) = identity::name(&name) else {
                    return self.answer(reply, Err(bad_name(self.words)));
                };
                let site = SiteId(site);
                return self
                    .with_peer(reply, move |peer| async move { peer.rename(&site, &name).await });
            }
            Request::Retry => {
                self.retry();
                Ok(())
            }
            Request::SeeHandOver { hand_over } => {
                self.open_hand_over.take_if(|open| *open == hand_over);
                Ok(())
            }
            Request::SeeNotes { site } => {
                if self.open_notes.as_ref() == Some(&site) {
                    self.open_notes = None;
                }
                let site = SiteId(site);
                return self
                    .with_peer(reply, move |peer| async move { peer.notes_seen(&site).await });
            }
            Request::SendFiles { note, ask_first } => {
                return self.send_files(note, ask_first, reply);
            }
            Request::SetHiddenFiles { site, shown } => {
                let site = SiteId(site);
                return self.with_peer(reply, move |peer| async move {
                    peer.set_hidden_files(&site, shown).await
                });
            }
            Request::SetNotification { kind, on } => {
                let mut kept = self.kept.clone();
                kept.notifications.set(kind, on);
                self.keep(kept)
            }
            Request::SetSiteOn { site, on } => {
                let site = SiteId(site);
                return self
                    .with_peer(reply, move |peer| async move { peer.set_on(&site, on).await });
            }
            Request::SetStartAtLogin { on } => self.set_start_at_login(on),
            Request::SetTakesNotes { site, takes } => {
                let site = SiteId(site);
                return self.with_peer(reply, move |peer| async move {
                    peer.set_takes_notes(&site, takes).await
                });
            }
            Request::ShowReceived { hand_over, file } => {
                return self.show_received(&hand_over, file.as_deref(), reply);
            }
            Request::ShowWindow => {
                self.shell.raise();
                Ok(())
            }
            Request::StopTransfer { transfer } => {
                let Ok(transfer) = transfer.parse().map(TransferId) else {
                    return self.answer(reply, Err(gone(self.words)));
                };
                return self.with_peer(reply, move |peer| async move {
                    peer.stop_transfer(transfer).await;
                    Ok::<(), PublishError>(())
                });
            }
            Request::TestAccount { account, gateway } => {
                return self.test_account(&account, gateway.as_deref(), reply);
            }
            Request::UnblockWriters { site } => {
                let site = SiteId(site);
                return self.with_peer(reply, move |peer| async move {
                    peer.unblock_writers(&site).await
                });
            }
            Request::UnlockKeyFile { passphrase } => {
                return self.unlock_key_file(passphrase, reply);
            }
            Request::UseGateway { address, account } => {
                return self.use_gateway(address, account, reply);
            }
        };
        self.answer(reply, now);
    }

    /// Publishes a folder.
    pub(super) fn add_folder(&mut self, folder: PathBuf, reply: Reply) {
        if !folder.is_absolute() {
            let sentence = self.words.no_path();
            let problem = Problem { code: ProblemCode::FolderUnusable, sentence };
            return self.answer(reply, Err(problem));
        }
        self.with_peer(reply, move |peer| async move { peer.publish(&folder).await.map(|_| ()) });
    }

    fn answer_note(&mut self, note: &str, text: String, reply: Reply) {
        let length = text.trim().chars().count();
        if !(1..=MAX_NOTE).contains(&length) {
            let sentence = self.words.bad_answer();
            return self.answer(reply, Err(Problem { code: ProblemCode::BadName, sentence }));
        }
        self.about_note(note, reply, |peer, note| async move { peer.reply(note, &text).await });
    }

    /// Has the peer do something about a note.
    fn about_note<Done>(
        &mut self,
        note: &str,
        reply: Reply,
        wish: impl FnOnce(Peer, NoteId) -> Done,
    ) where
        Done: Future<Output = Result<(), PublishError>> + Send + 'static,
    {
        let Ok(note) = note.parse().map(NoteId) else {
            return self.answer(reply, Err(gone(self.words)));
        };
        self.with_peer(reply, |peer| wish(peer, note));
    }

    /// Has the peer do something, and answers when it is done.
    pub(super) fn with_peer<Done, Error>(&mut self, reply: Reply, wish: impl FnOnce(Peer) -> Done)
    where
        Done: Future<Output = Result<(), Error>> + Send + 'static,
        Error: IntoProblem,
    {
        let Stage::Ready(engine) = &self.stage else {
            return self.answer(reply, Err(not_ready(self.words.not_ready())));
        };
        let (done, words) = (wish(engine.peer.clone()), self.words);
        self.jobs.spawn(async move {
            let result = match timeout(REQUEST_TIMEOUT, done).await {
                Ok(result) => result.map_err(|error| error.into_problem(words)),
                Err(_) => Err(internal(words.too_late())),
            };
            Work::Answered(reply, result)
        });
    }

    fn link_of(&self, site: &str) -> Result<String, Problem> {
        let site = self.site(site).ok_or_else(|| gone(self.words))?;
        let url = site.url.ok_or_else(|| not_ready(self.words.no_link_yet()))?;
        if !link::is_web(&url) {
            return Err(internal(self.words.strange_link()));
        }
        Ok(url)
    }

    fn copy_link(&mut self, site: &str) -> Now {
        let link = self.link_of(site)?;
        let copied = self.shell.copy(&link);
        copied.map_err(|error| internal(self.words.system_refused(Deed::CopyLink, &error)))
    }

    fn open_link(&mut self, site: &str) -> Now {
        let link = self.link_of(site)?;
        let opened = self.shell.open(&link);
        opened.map_err(|error| internal(self.words.system_refused(Deed::OpenBrowser, &error)))
    }

    fn rename_identity(&mut self, name: &str) -> Now {
        let name = identity::name(name).ok_or_else(|| bad_name(self.words))?;
        self.keep(Kept { identity_name: Some(name), ..self.kept.clone() })
    }

    fn set_start_at_login(&mut self, on: bool) -> Now {
        let set = self.shell.set_start_at_login(on);
        let refused = |error| self.words.system_refused(Deed::ChangeLoginStart, &error);
        set.map_err(|error| internal(refused(error)))?;
        self.start_at_login = on;
        Ok(())
    }

    fn retry(&mut self) {
        match &self.stage {
            Stage::Failed(_) => self.load(),
            Stage::NeedsKey(..) => self.find_key(),
            Stage::Ready(engine) => {
                engine.peer.retry();
                self.unlock_account();
                let embedded_ended = self.serving.is_none() && self.kept.gateway.is_none();
                if embedded_ended && self.switch == Switch::None {
                    self.embed(Reply::Aloud);
                }
            }
            Stage::Starting => {}
        }
    }

    fn create_key_file(&mut self, passphrase: Passphrase, reply: Reply) {
        let refused = match &self.stage {
            Stage::NeedsKey(KeyTrouble::KeychainLocked | KeyTrouble::NoKeychain, _) => None,
            Stage::NeedsKey(KeyTrouble::FileLocked, _)
            | Stage::Failed(_)
            | Stage::Ready(_)
            | Stage::Starting => Some(not_ready(self.words.key_in_use())),
        };
        let refused = refused.or_else(|| {
            (passphrase.expose().chars().count() < MIN_PASSPHRASE).then(|| Problem {
                code: ProblemCode::Passphrase,
                sentence: self.words.short_passphrase(),
            })
        });
        if let Some(problem) = refused {
            return self.answer(reply, Err(problem));
        }
        let data = self.data.clone();
        self.jobs.spawn(async move {
            Work::Key(Some(reply), keychain::create_file(&data, &passphrase).await)
        });
    }

    fn unlock_key_file(&mut self, passphrase: Passphrase, reply: Reply) {
        match &self.stage {
            Stage::NeedsKey(KeyTrouble::FileLocked, _) => {}
            Stage::NeedsKey(KeyTrouble::KeychainLocked | KeyTrouble::NoKeychain, _)
            | Stage::Failed(_)
            | Stage::Ready(_)
            | Stage::Starting => {
                return self.answer(reply, Err(not_ready(self.words.key_in_use())));
            }
        }
        let data = self.data.clone();
        self.jobs.spawn(async move {
            Work::Key(Some(reply), keychain::open_file(&data, &passphrase).await)
        });
    }

    /// Looks whether a gateway is there before anything changes.
    fn use_gateway(
        &mut self,
        address: Option<String>,
        account: Option<TypedAccount>,
        reply: Reply,
    ) {
        if !matches!(self.stage, Stage::Ready(_)) {
            return self.answer(reply, Err(not_ready(self.words.not_ready())));
        }
        if self.switch != Switch::None {
            return self.answer(reply, Err(internal(self.words.too_busy())));
        }
        let Some(text) = address else {
            if self.kept.gateway.is_none() && self.serving.is_some() {
                return self.answer(reply, Ok(()));
            }
            return self.embed(reply);
        };
        let gateway = match Invitation::parse(&text) {
            Ok(gateway) => gateway,
            Err(error) => return self.answer(reply, Err(bad_address(error, self.words))),
        };
        if gateway.gateway.xmpp().is_none() {
            self.switch = Switch::Looking;
            let words = self.words;
            self.jobs.spawn(async move {
                Work::Remote(reply, check(gateway, words).await.map(|gateway| (gateway, None)))
            });
            return;
        }
        match account {
            Some(account) => self.use_over_account(gateway, &account, reply),
            None => {
                let sentence = self.words.needs_account();
                self.answer(reply, Err(Problem { code: ProblemCode::BadAccount, sentence }));
            }
        }
    }

    /// Binds the embedded gateway, to use it from now on.
    pub(super) fn embed(&mut self, reply: Reply) {
        self.switch = Switch::Looking;
        let (data, port, words) = (self.data.clone(), self.kept.port, self.words);
        self.jobs.spawn(async move { Work::Embedded(reply, embed(&data, port, words).await) });
    }

    pub(super) fn use_embedded(&mut self, embedded: Embedded, reply: Reply) {
        let gateway = Invitation::from(embedded.address.clone());
        self.serve(embedded);
        if self.kept.gateway.is_some()
            && let Err(problem) =
                self.keep(Kept { gateway: None, invite: None, ..self.kept.clone() })
        {
            self.problem(problem);
        }
        self.turn_to(gateway, reply);
    }

    pub(super) fn use_remote(&mut self, gateway: Invitation, tried: Option<Tried>, reply: Reply) {
        let address = Some(gateway.gateway.clone());
        if tried.is_none() && self.kept.gateway == address {
            return self.answer(reply, Ok(()));
        }
        let invite = gateway.invite.clone();
        let kept = Kept { gateway: address, invite, ..self.kept.clone() };
        let result = match tried {
            Some(tried) => self.keep_account(tried, kept),
            None => self.keep(kept),
        };
        if result.is_err() {
            return self.answer(reply, result);
        }
        self.stop_serving();
        self.turn_to(gateway, reply);
    }

    /// Has the peer use another gateway, and answers when it does not use the old one any more.
    pub(super) fn turn_to(&mut self, gateway: Invitation, reply: Reply) {
        let Stage::Ready(engine) = &self.stage else {
            return self.answer(reply, Err(not_ready(self.words.not_ready())));
        };
        let peer = engine.peer.clone();
        let account = gateway.gateway.xmpp().and_then(|_| self.accounts.usable.clone());
        self.switch = Switch::Moving;
        let words = self.words;
        self.jobs.spawn(async move {
            let moved = timeout(REQUEST_TIMEOUT, turn(peer, gateway, account)).await;
            Work::Moved(reply, moved.map_err(|_| internal(words.too_late())))
        });
    }
}

async fn turn(peer: Peer, gateway: Invitation, account: Option<Account>) {
    let mut snapshots = peer.snapshots();
    let asked = SystemTime::now();
    peer.use_gateway(gateway, account).await;
    let is_new = |link: &LinkState| match link {
        LinkState::Up { since, .. } => *since >= asked,
        LinkState::Dialling | LinkState::Down { .. } => true,
    };
    // When the peer has ended, the loop hears of it by itself.
    let _ = snapshots.wait_for(|snapshot| is_new(&snapshot.link)).await;
}

async fn check(gateway: Invitation, words: Words) -> Result<Invitation, Problem> {
    let address = &gateway.gateway;
    let bad = |sentence| Problem { code: ProblemCode::BadGateway, sentence };
    let asked = gateway_check::ask(&gateway, &carriers::tls::Roots::System, words).await;
    let info = asked.map_err(bad)?;
    // Proofs name the gateway's own address, so a link by another one would be refused.
    if info.origin == address.origin() {
        Ok(gateway)
    } else {
        Err(bad(words.gateway_has_another_address(address, &info.origin)))
    }
}

async fn embed(data: &Path, port: Option<u16>, words: Words) -> Result<Embedded, Problem> {
    match timeout(bring_up::START_TIMEOUT, bring_up::embed(data, port)).await {
        Ok(Ok(embedded)) => Ok(embedded),
        Ok(Err(error)) => Err(internal(words.system_refused(Deed::StartGateway, &error))),
        Err(_) => Err(internal(words.too_late())),
    }
}

/// Says what the owner has to do about a missing key.
pub(super) fn trouble_of(why: &NoKey) -> KeyTrouble {
    match why {
        NoKey::FileLocked | NoKey::Refused(KeyError::WrongPassphrase) => KeyTrouble::FileLocked,
        NoKey::Refused(KeyError::NoKeychain) => KeyTrouble::NoKeychain,
        NoKey::Gone
        | NoKey::Refused(KeyError::Locked | KeyError::Damaged(_) | KeyError::File(..)) => {
            KeyTrouble::KeychainLocked
        }
    }
}

/// Says what a program decides on, when a key file could not be made or opened.
pub(super) fn code_of(why: &NoKey) -> ProblemCode {
    match why {
        NoKey::Refused(KeyError::WrongPassphrase) => ProblemCode::Passphrase,
        NoKey::FileLocked
        | NoKey::Gone
        | NoKey::Refused(
            KeyError::NoKeychain | KeyError::Locked | KeyError::Damaged(_) | KeyError::File(..),
        ) => ProblemCode::Internal,
    }
}

/// What went wrong and can be told to the owner.
pub(super) trait IntoProblem {
    /// Makes a problem of it.
    fn into_problem(self, words: Words) -> Problem;
}

impl IntoProblem for Problem {
    fn into_problem(self, _: Words) -> Problem {
        self
    }
}

impl IntoProblem for PublishError {
    fn into_problem(self, words: Words) -> Problem {
        let code = match self {
            PublishError::Already(_) => ProblemCode::AlreadyPublished,
            PublishError::Folder(..) | PublishError::TooMuch(_) => ProblemCode::FolderUnusable,
            PublishError::Store(_) => ProblemCode::Internal,
            PublishError::Unknown => ProblemCode::Unknown,
        };
        Problem { code, sentence: words.not_published(&self) }
    }
}

pub(super) fn bad_address(error: AddressError, words: Words) -> Problem {
    Problem { code: ProblemCode::BadGateway, sentence: words.bad_address(error) }
}

fn bad_name(words: Words) -> Problem {
    Problem { code: ProblemCode::BadName, sentence: words.bad_name() }
}

pub(super) fn gone(words: Words) -> Problem {
    Problem { code: ProblemCode::Unknown, sentence: words.gone() }
}

pub(super) fn not_ready(sentence: String) -> Problem {
    Problem { code: ProblemCode::NotReady, sentence }
}
