//! The owner's XMPP account: trying, using and forgetting it.

use carriers::xmpp::{Account, Password};
use crosstalk::address::Invitation;
use tokio::sync::mpsc;

use super::{Controller, Reply, Stage, Switch, Work, internal, requests};
use crate::{
    account::{AccountError, KeptAccount, NoPassword, Safe},
    account_check,
    bring_up::{self, Unlocked},
    request::TypedAccount,
    settings::Kept,
    view::{AccountTest, Problem, ProblemCode, TestState, TestStep},
    words::Words,
};

/// How many states of a try wait for the loop; one has fewer.
pub(super) const TEST_STATES: usize = 8;

/// The account that the links use.
#[derive(Default)]
pub(super) struct Accounts {
    /// With its password; `None` when there is none, or its password is not known.
    pub(super) usable: Option<Account>,
    /// What the owner sees of the last try.
    pub(super) test: Option<AccountTest>,
    /// The number of that try; what earlier ones still tell is old.
    pub(super) number: u64,
}

/// What one try tells.
pub(super) struct Told {
    number: u64,
    /// `None` when there was nothing to try.
    state: Option<TestState>,
}

/// An account that was tried and is to be used.
pub(super) struct Tried {
    kept: KeptAccount,
    account: Account,
}

/// Everything a try needs.
struct Attempt {
    kept: KeptAccount,
    /// As typed; else the one that is kept.
    password: Option<Password>,
    safe: Safe,
    gateway: Option<Invitation>,
    number: u64,
    states: mpsc::Sender<Told>,
    words: Words,
}

impl Controller {
    /// Tries an account, and shows how that goes.
    pub(super) fn test_account(
        &mut self,
        account: &TypedAccount,
        gateway: Option<&str>,
        reply: Reply,
    ) {
        let gateway = gateway.map(str::trim).filter(|text| !text.is_empty());
        let gateway = match gateway.map(Invitation::parse).transpose() {
            Ok(gateway) => gateway.filter(|gateway| gateway.gateway.xmpp().is_some()),
            Err(error) => return self.answer(reply, Err(requests::bad_address(error, self.words))),
        };
        let attempt = match self.attempt(account, gateway) {
            Ok(attempt) => attempt,
            Err(problem) => return self.answer(reply, Err(problem)),
        };
        self.jobs.spawn(async move {
            let result = match attempt.run().await {
                // How it went stands in the view.
                Err(problem) if problem.code == ProblemCode::AccountFailed => Ok(()),
                other => other.map(|_| ()),
            };
            Work::Answered(reply, result)
        });
    }

    /// Tries a gateway over an account; what works is used.
    pub(super) fn use_over_account(
        &mut self,
        gateway: Invitation,
        account: &TypedAccount,
        reply: Reply,
    ) {
        let attempt = match self.attempt(account, Some(gateway.clone())) {
            Ok(attempt) => attempt,
            Err(problem) => return self.answer(reply, Err(problem)),
        };
        self.switch = Switch::Looking;
        self.jobs.spawn(async move {
            let tried = attempt.run_and_keep().await;
            Work::Remote(reply, tried.map(|tried| (gateway, Some(tried))))
        });
    }

    fn attempt(
        &mut self,
        account: &TypedAccount,
        gateway: Option<Invitation>,
    ) -> Result<Attempt, Problem> {
        let (Stage::Ready(_), Some(safe)) = (&self.stage, self.safe.clone()) else {
            return Err(requests::not_ready(self.words.not_ready()));
        };
        let (kept, password) = account.read().map_err(|error| bad_account(error, self.words))?;
        self.accounts.number += 1;
        let number = self.accounts.number;
        let states = self.test_states.0.clone();
        self.accounts.test = Some(AccountTest {
            jid: kept.jid.to_string(),
            gateway: gateway.as_ref().map(|gateway| gateway.gateway.to_string()),
            state: TestState::Running { step: TestStep::Server },
        });
        let words = self.words;
        Ok(Attempt { kept, password, safe, gateway, number, states, words })
    }

    /// Shows how a try goes.
    pub(super) fn tested(&mut self, told: Told) {
        if told.number == self.accounts.number {
            self.accounts.test = self
                .accounts
                .test
                .take()
                .and_then(|test| told.state.map(|state| AccountTest { state, ..test }));
        }
    }

    /// Keeps an account that was tried with the gateway that it reaches.
    pub(super) fn keep_account(&mut self, tried: Tried, kept: Kept) -> Result<(), Problem> {
        let before = self.kept.account.clone();
        let jid = tried.kept.jid.clone();
        self.keep(Kept { account: Some(tried.kept), ..kept })?;
        self.accounts.usable = Some(tried.account);
        if let (Some(before), Some(safe)) = (before, self.safe.clone())
            && before.jid != jid
            && matches!(safe, Safe::Keychain(_))
        {
            // A file holds one password only, which is the new one by now.
            self.jobs.spawn(async move {
                if let Err(error) = safe.forget(&before.jid).await {
                    tracing::warn!(%error, "The password of the account before is still kept");
                }
                Work::Nothing
            });
        }
        Ok(())
    }

    /// Forgets the account, and leaves the gateway that was reached by it.
    pub(super) fn forget_account(&mut self, reply: Reply) {
        let (Stage::Ready(_), Some(safe)) = (&self.stage, self.safe.clone()) else {
            return self.answer(reply, Err(requests::not_ready(self.words.not_ready())));
        };
        let Some(account) = self.kept.account.clone() else { return self.answer(reply, Ok(())) };
        if self.switch != Switch::None {
            return self.answer(reply, Err(internal(self.words.too_busy())));
        }
        // The keychain may ask its owner, and what is switched to meanwhile may need the account.
        self.switch = Switch::Looking;
        let words = self.words;
        self.jobs.spawn(async move {
            let forgotten = safe.forget(&account.jid).await;
            Work::Forgotten(reply, forgotten.map_err(|error| internal(words.not_forgotten(&error))))
        });
    }

    /// Goes on once the password is gone.
    pub(super) fn forgotten(&mut self, reply: Reply, forgotten: Result<(), Problem>) {
        self.switch = Switch::None;
        let kept = Kept { account: None, ..self.kept.clone() };
        let result = forgotten.and_then(|()| self.keep(kept));
        if result.is_err() {
            return self.answer(reply, result);
        }
        self.accounts.usable = None;
        self.accounts.test = None;
        // What an unfinished try would show is over, too.
        self.accounts.number += 1;
        if self.kept.gateway.as_ref().is_some_and(|gateway| gateway.xmpp().is_some()) {
            return self.embed(reply);
        }
        self.answer(reply, Ok(()));
    }

    /// Takes the account as it was found at the start.
    pub(super) fn unlocked(&mut self, unlocked: Unlocked) {
        match unlocked {
            Ok(account) => self.accounts.usable = account,
            Err(why) => {
                self.accounts.usable = None;
                // Nobody misses the password of an account that is not used.
                if self.needs_account()
                    && let Some(account) = &self.kept.account
                {
                    let sentence = self.words.no_password(&account.jid, &why);
                    self.problem(Problem { code: ProblemCode::BadPassword, sentence });
                }
            }
        }
    }

    /// Looks for the password again, if it is missed.
    pub(super) fn unlock_account(&mut self) {
        if self.accounts.usable.is_some() || !self.needs_account() {
            return;
        }
        if let (Some(account), Some(safe)) = (self.kept.account.clone(), self.safe.clone()) {
            self.jobs.spawn(async move {
                let unlocked = bring_up::unlock(Some(&account), &safe).await;
                Work::Unlocked(account, unlocked)
            });
        }
    }

    /// Goes on once the password was looked for again.
    pub(super) fn unlocked_again(&mut self, account: &KeptAccount, unlocked: Unlocked) {
        if self.accounts.usable.is_some() || self.kept.account.as_ref() != Some(account) {
            // The owner typed it, or another account, while the keychain was asked.
            return;
        }
        self.unlocked(unlocked);
        if let (Some(gateway), Some(_)) = (self.kept.gateway.clone(), &self.accounts.usable)
            && self.needs_account()
            && self.switch == Switch::None
        {
            let invite = self.kept.invite.clone();
            self.turn_to(Invitation { gateway, invite }, Reply::Aloud);
        }
    }

    /// Ends a link over an account that was forgotten, where no other gateway takes its place.
    pub(super) fn leave_account(&mut self) {
        if let (Some(gateway), None, true) =
            (self.kept.gateway.clone(), &self.kept.account, self.needs_account())
        {
            self.turn_to(Invitation::from(gateway), Reply::Aloud);
        }
    }

    /// Returns whether the gateway is reached by the account.
    fn needs_account(&self) -> bool {
        self.kept.gateway.as_ref().is_some_and(|gateway| gateway.xmpp().is_some())
    }
}

impl Attempt {
    /// Tries it, and keeps a password that was typed.
    async fn run_and_keep(self) -> Result<Tried, Problem> {
        let (safe, kept, words) = (self.safe.clone(), self.kept.clone(), self.words);
        let typed = self.password.clone();
        let account = self.run().await?;
        if let Some(password) = typed {
            let saved = safe.save(&kept.jid, &password).await;
            saved.map_err(|error| Problem {
                code: ProblemCode::BadPassword,
                sentence: words.password_not_kept(&error),
            })?;
        }
        Ok(Tried { kept, account })
    }

    async fn run(self) -> Result<Account, Problem> {
        let account = match self.account().await {
            Ok(account) => account,
            Err(problem) => {
                self.end(None).await?;
                return Err(problem);
            }
        };
        let tell = |state| {
            // A state that finds no room is followed by a newer one.
            let _ = self.states.try_send(Told { number: self.number, state: Some(state) });
        };
        let state = account_check::run(&account, self.gateway.as_ref(), self.words, tell).await;
        self.end(Some(state.clone())).await?;
        match state {
            TestState::Works => Ok(account),
            TestState::Failed { sentence, .. } => {
                Err(Problem { code: ProblemCode::AccountFailed, sentence })
            }
            TestState::Running { .. } => Err(internal(self.words.too_late())),
        }
    }

    /// Returns the account with the password that was typed, else the one that is kept.
    async fn account(&self) -> Result<Account, Problem> {
        if let Some(password) = &self.password {
            return Ok(self.kept.with(password.clone()));
        }
        match bring_up::unlock(Some(&self.kept), &self.safe).await {
            Ok(Some(account)) => Ok(account),
            Ok(None) | Err(NoPassword::Gone) => {
                Err(bad_account(AccountError::NoPassword, self.words))
            }
            Err(why @ NoPassword::Refused(_)) => {
                let sentence = self.words.no_password(&self.kept.jid, &why);
                Err(Problem { code: ProblemCode::BadPassword, sentence })
            }
        }
    }

    /// Tells the last state, which has to arrive: nothing newer follows it.
    async fn end(&self, state: Option<TestState>) -> Result<(), Problem> {
        let told = self.states.send(Told { number: self.number, state }).await;
        told.map_err(|_| internal(self.words.ending()))
    }
}

fn bad_account(error: AccountError, words: Words) -> Problem {
    let code = match error {
        AccountError::Jid => ProblemCode::BadAccount,
        AccountError::LongPassword | AccountError::NoPassword => ProblemCode::BadPassword,
        AccountError::Server => ProblemCode::BadServer,
    };
    Problem { code, sentence: words.bad_account(error) }
}
