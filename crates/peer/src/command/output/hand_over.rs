//! What is printed of what is handed over.

use std::{
    collections::{HashMap, HashSet},
    io,
    time::SystemTime,
};

use indicatif::HumanBytes;
use peer::{
    Direction, Ended, HandOver, Knock, Passing, Received, SiteId, Stage, TransferId, TransferState,
};
use serde_json::{Value, json};
use std::time::Instant;

use super::{Form, OBJECT_EVERY, Output, millis, object, visitor};

/// What is on its way, and how far it was told.
#[derive(Default)]
pub(in super::super) struct Passages {
    known: HashMap<(String, SystemTime), Known>,
    last: i64,
}

struct Known {
    id: TransferId,
    told: (Instant, u64),
}

impl Passages {
    /// Tells what began, went on or is over.
    pub(in super::super) fn show(&mut self, output: &mut Output, now: &HandOver) -> io::Result<()> {
        let mut here = HashSet::new();
        for passing in &now.passing {
            let key = (passing.file.clone(), passing.since);
            here.insert(key.clone());
            if let Some(known) = self.known.get_mut(&key) {
                if matches!(output.form, Form::Json) {
                    let is_due =
                        known.told.0.elapsed() >= OBJECT_EVERY && known.told.1 != passing.arrived;
                    if is_due {
                        known.told = (Instant::now(), passing.arrived);
                        object(&passing_object(now, passing))?;
                    }
                } else {
                    output.progress(&[state(known.id, passing)])?;
                }
                continue;
            }
            self.last += 1;
            let id = TransferId(self.last);
            self.known.insert(key, Known { id, told: (Instant::now(), passing.arrived) });
            if matches!(output.form, Form::Json) {
                object(&passing_object(now, passing))?;
            } else {
                let verb = match now.direction {
                    Direction::Ask { .. } => "sends",
                    Direction::Send { .. } => "fetches",
                };
                output.begun(verb, &state(id, passing))?;
            }
        }
        self.known.retain(|key, known| {
            let stays = here.contains(key);
            if !stays {
                output.forget(known.id);
            }
            stays
        });
        Ok(())
    }
}

impl Output {
    /// The link works, or something of the whole changed.
    pub(in super::super) fn hand_over(
        &self,
        before: Option<&HandOver>,
        now: &HandOver,
    ) -> io::Result<()> {
        if let Form::Json = self.form {
            return object(&hand_over_object(now));
        }
        let is_new_link = now.url.is_some() && before.is_none_or(|before| before.url != now.url);
        if let (true, Some(url)) = (is_new_link, &now.url) {
            self.line(&match &now.direction {
                Direction::Send { name, size, .. } => {
                    format!("{name} ({}) can be fetched at\n{url}", HumanBytes(*size))
                }
                Direction::Ask { folder, .. } => {
                    format!("Files for {} can be sent at\n{url}", folder.display())
                }
            })?;
        }
        if before.is_some_and(|before| before.stage == now.stage) {
            return Ok(());
        }
        match &now.stage {
            Stage::Waiting => Ok(()),
            Stage::Cut { file, arrived, size, by, .. } => {
                let of = size.map(|size| format!(" of {}", HumanBytes(size))).unwrap_or_default();
                self.line(&format!(
                    "{file}: {}{of} arrived; {}. It can go on from there.",
                    HumanBytes(*arrived),
                    why(*by)
                ))
            }
            Stage::Done { certain, .. } => self.line(&match &now.direction {
                Direction::Send { name, .. } if *certain => {
                    format!("{name} has arrived completely.")
                }
                Direction::Send { name, .. } => {
                    format!("{name} was sent completely. This gateway cannot see whether all of it arrived.")
                }
                Direction::Ask { .. } => "All files that were asked for have arrived.".to_owned(),
            }),
        }
    }

    /// A visitor asks whether she may.
    pub(in super::super) fn knock(&self, hand_over: &HandOver, knock: &Knock) -> io::Result<()> {
        if let Form::Json = self.form {
            return object(&json!({
                "event": "knock",
                "id": knock.id.0,
                "visitor": knock.visitor,
                "agent": knock.agent,
                "at": millis(knock.at),
            }));
        }
        let who = visitor(knock.visitor, &knock.agent);
        self.line(&match &hand_over.direction {
            Direction::Send { name, .. } => {
                format!("{who} wants to fetch {name}. May she, and nobody else? (y/n)")
            }
            Direction::Ask { .. } => {
                format!("{who} wants to send files. May she, and nobody else? (y/n)")
            }
        })
    }

    /// A file arrived.
    pub(in super::super) fn received(
        &self,
        hand_over: &HandOver,
        file: &Received,
    ) -> io::Result<()> {
        if let Form::Json = self.form {
            return object(&json!({
                "event": "received",
                "file": file.file,
                "size": file.size,
                "visitor": file.visitor,
                "at": millis(file.at),
            }));
        }
        let place = match &hand_over.direction {
            Direction::Ask { folder, .. } => format!(" in {}", folder.display()),
            Direction::Send { .. } => String::new(),
        };
        self.line(&format!(
            "{} ({}) has arrived from {}{place}.",
            file.file,
            HumanBytes(file.size),
            visitor(file.visitor, "")
        ))
    }
}

/// Shows what passes as a transfer, whose bars and lines it has.
fn state(id: TransferId, passing: &Passing) -> TransferState {
    TransferState {
        id,
        site: SiteId(String::new()),
        file: passing.file.clone(),
        visitor: passing.visitor,
        agent: passing.agent.clone(),
        size: passing.size.unwrap_or(passing.arrived),
        sent: passing.arrived,
        delivered: passing.arrived,
        rate: passing.rate,
        since: passing.since,
    }
}

fn passing_object(hand_over: &HandOver, passing: &Passing) -> Value {
    json!({
        "event": "passing",
        "id": hand_over.id.0,
        "file": passing.file,
        "visitor": passing.visitor,
        "agent": passing.agent,
        "size": passing.size,
        "arrived": passing.arrived,
        "rate": passing.rate,
        "since": millis(passing.since),
    })
}

fn hand_over_object(now: &HandOver) -> Value {
    let (state, cut) = match &now.stage {
        Stage::Waiting => ("waiting", None),
        Stage::Done { .. } => ("done", None),
        Stage::Cut { file, arrived, size, at, by } => (
            "cut",
            Some(json!({
                "file": file,
                "arrived": arrived,
                "size": size,
                "at": millis(*at),
                "by": super::by(*by),
            })),
        ),
    };
    let mut whole = json!({
        "event": "hand-over",
        "id": now.id.0,
        "url": now.url,
        "state": state,
        "cut": cut,
    });
    if let Stage::Done { certain, .. } = now.stage {
        whole["certain"] = json!(certain);
    }
    match &now.direction {
        Direction::Send { name, size, files } => {
            whole["name"] = json!(name);
            whole["size"] = json!(size);
            whole["files"] = json!(files);
        }
        Direction::Ask { folder, largest, files_left } => {
            whole["folder"] = json!(folder.to_string_lossy());
            whole["largest"] = json!(largest);
            whole["files_left"] = json!(files_left);
        }
    }
    whole
}

fn why(by: Ended) -> &'static str {
    match by {
        Ended::Connection => "the connection to the gateway was lost",
        Ended::File => "the file or the folder here cannot be used any more",
        Ended::Owner => "it was stopped here",
        Ended::Unconfirmed => "the gateway did not say how much arrived",
        Ended::Visitor => "the visitor left",
    }
}
