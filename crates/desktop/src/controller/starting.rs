//! From the settings to the key, and from the key to a gateway and a peer.

use std::sync::Arc;

use crosstalk::address::Invitation;
use gateway::Gateway;
use tokio_util::sync::CancellationToken;

use super::{Controller, Reply, Serving, Stage, Work, internal, requests};
use crate::{
    account::Safe,
    bring_up::{self, Embedded, Up, Wanted},
    identity,
    keychain::{self, Found, NoKey},
    settings,
    settings::{Aside, Kept},
    view::{Problem, ProblemCode},
};

impl Controller {
    /// Reads the settings, shows the window, and looks for the key.
    pub(super) fn begin(&mut self) {
        if !self.hidden {
            self.shell.raise();
        }
        self.start_at_login = self.shell.starts_at_login().unwrap_or_else(|error| {
            tracing::warn!(%error, "The system does not say whether the app starts at login");
            false
        });
        self.load();
    }

    /// Reads the settings and looks for the key.
    pub(super) fn load(&mut self) {
        match settings::load(&self.data) {
            Ok(loaded) => {
                self.kept = loaded.kept;
                if let Some(aside) = loaded.kept_aside {
                    let sentence = match aside {
                        Aside::Account(copy) => self.words.damaged_account(&copy),
                        Aside::Everything(file) => self.words.damaged_settings(&file),
                    };
                    self.problem(Problem { code: ProblemCode::DamagedFile, sentence });
                }
                self.find_key();
            }
            Err(error) => self.fail(self.words.settings_unreadable(&error)),
        }
    }

    pub(super) fn find_key(&mut self) {
        self.stage = Stage::Starting;
        let (keychain, data) = (Arc::clone(&self.keychain), self.data.clone());
        let known = self.kept.public_key.is_some();
        self.jobs
            .spawn(async move { Work::Key(None, keychain::find(&*keychain, &data, known).await) });
    }

    /// Goes on once the search for the key is over.
    pub(super) fn key(&mut self, reply: Option<Reply>, found: Result<Found, NoKey>) {
        match found {
            Ok(found) => {
                self.stage = Stage::Starting;
                let mut kept = self.kept.clone();
                kept.public_key = Some(found.key.public().to_string());
                let words = self.words;
                kept.identity_name
                    .get_or_insert_with(|| identity::default_name(|| words.first_name()));
                let result = self.keep(kept);
                if let Err(problem) = &result {
                    self.problem(problem.clone());
                }
                let safe = Safe::beside(&found.key, found.kept_in, &self.keychain, &self.data);
                self.safe = Some(safe.clone());
                let invite = self.kept.invite.clone();
                let wanted = Wanted {
                    data: self.data.clone(),
                    remote: self.kept.gateway.clone().map(|gateway| Invitation { gateway, invite }),
                    account: self.kept.account.clone(),
                    safe,
                    port: self.kept.port,
                    words,
                };
                let up = bring_up::bring_up(wanted, found);
                self.jobs.spawn(async move { Work::Up(up.await) });
                if let Some(reply) = reply {
                    self.answer(reply, Ok(()));
                }
            }
            Err(why) => {
                tracing::info!(?why, "The key cannot be used");
                let sentence = self.words.no_key(&why);
                match reply {
                    // What the owner typed was wrong; what is needed stays the same.
                    Some(reply) => {
                        let code = requests::code_of(&why);
                        self.answer(reply, Err(Problem { code, sentence }));
                    }
                    None => {
                        self.stage = Stage::NeedsKey(requests::trouble_of(&why), sentence);
                        if std::mem::take(&mut self.hidden) {
                            self.shell.notify(&self.words.waits_for_key());
                        }
                    }
                }
            }
        }
    }

    /// Goes on once everything is started.
    pub(super) fn up(&mut self, up: Up) {
        if let Some(aside) = up.engine.peer.kept_aside() {
            let sentence = self.words.damaged_folders(aside);
            self.problem(Problem { code: ProblemCode::DamagedFile, sentence });
        }
        if let Some(embedded) = up.embedded {
            self.serve(embedded);
        }
        self.unlocked(up.account);
        self.stage = Stage::Ready(up.engine);
        self.snapshot();
        let paths = std::mem::take(&mut self.waiting_paths);
        if !paths.is_empty() {
            self.given(paths, Reply::Aloud);
        }
    }

    /// Lets a bound gateway serve, and keeps its port.
    pub(super) fn serve(&mut self, embedded: Embedded) {
        let Embedded { gateway, address, port } = embedded;
        if self.kept.port != Some(port) {
            if let Some(from) = self.kept.port {
                let sentence = self.words.port_changed(from, port);
                self.problem(Problem { code: ProblemCode::PortChanged, sentence });
            }
            let kept = Kept { port: Some(port), ..self.kept.clone() };
            if let Err(problem) = self.keep(kept) {
                self.problem(problem);
            }
        }
        self.next_gateway += 1;
        let (number, stop) = (self.next_gateway, CancellationToken::new());
        let serving = Serving { number, address: address.to_string(), stop: stop.clone() };
        self.stop_serving();
        self.serving = Some(serving);
        self.gateways.spawn(run_gateway(gateway, stop, number));
    }

    pub(super) fn stop_serving(&mut self) {
        if let Some(serving) = self.serving.take() {
            serving.stop.cancel();
        }
    }

    pub(super) fn gateway_ended(&mut self, number: u64) {
        if self.serving.as_ref().is_some_and(|serving| serving.number == number) {
            self.serving = None;
            self.problem(internal(self.words.gateway_ended()));
        }
    }

    pub(super) fn fail(&mut self, sentence: String) {
        self.stop_serving();
        self.stage = Stage::Failed(sentence);
    }
}

async fn run_gateway(gateway: Gateway, stop: CancellationToken, number: u64) -> u64 {
    gateway.run(stop).await;
    number
}
