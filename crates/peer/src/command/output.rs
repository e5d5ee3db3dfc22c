//! What the program prints: bars on a terminal, lines elsewhere, or JSON.

pub(super) mod hand_over;

use std::{
    collections::HashMap,
    io::{self, IsTerminal as _, Write as _},
    net::IpAddr,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use indicatif::{
    HumanBytes, HumanDuration, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle,
};
use peer::{Ended, LinkState, Note, TransferEnd, TransferId, TransferRecord, TransferState};
use serde_json::{Value, json};
use tokio::task::block_in_place;

/// How often a line tells how far a transfer is.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// How often an object does.
const OBJECT_EVERY: Duration = Duration::from_secs(1);

/// How many bars fit on a screen; more transfers go on without one.
const MAX_BARS: usize = 10;

/// Where and how to print.
pub(super) struct Output {
    form: Form,
    /// The transfers that were told of, when that was, and how far they were.
    told: HashMap<TransferId, (Instant, u64)>,
}

enum Form {
    Bars { bars: MultiProgress, running: HashMap<TransferId, ProgressBar> },
    Json,
    Lines,
}

impl Output {
    /// Chooses by what standard output is.
    pub(super) fn new(json: bool) -> Self {
        let form = if json {
            Form::Json
        } else if io::stdout().is_terminal() {
            let bars = MultiProgress::with_draw_target(ProgressDrawTarget::stdout());
            Form::Bars { bars, running: HashMap::new() }
        } else {
            Form::Lines
        };
        Self { form, told: HashMap::new() }
    }

    /// Lets something else print above the bars.
    pub(super) fn above<T>(&self, print: impl FnOnce() -> T) -> T {
        match &self.form {
            Form::Bars { bars, .. } => bars.suspend(print),
            Form::Json | Form::Lines => print(),
        }
    }

    /// The link works.
    pub(super) fn published(&self, site: &str, name: &str, url: &str) -> io::Result<()> {
        match self.form {
            Form::Json => object(&json!({ "event": "published", "site": site, "url": url })),
            Form::Bars { .. } | Form::Lines => self.line(&format!("{name} is published at\n{url}")),
        }
    }

    /// The link to the gateway changed.
    pub(super) fn link(&self, state: &LinkState) -> io::Result<()> {
        match (&self.form, state) {
            (Form::Json, LinkState::Up { carrier, since, missed, rate }) => object(&json!({
                "event": "link",
                "state": "up",
                "carrier": carrier.to_string(),
                "since": millis(*since),
                "missed": missed.iter().map(|missed| json!({
                    "carrier": missed.carrier.to_string(),
                    "why": missed.obstacle.to_string(),
                })).collect::<Vec<_>>(),
                "rate": rate,
                "slow": rate.and_then(peer::slow_way),
            })),
            (Form::Json, LinkState::Down { trouble, retry_at }) => object(&json!({
                "event": "link",
                "state": "down",
                "sentence": trouble.to_string(),
                "heals": trouble.heals,
                "retry_at": retry_at.map(millis),
            })),
            (Form::Bars { .. } | Form::Lines, LinkState::Up { carrier, .. }) => {
                self.line(&format!("Connected to the gateway by {carrier}."))?;
                self.rate(state)
            }
            (Form::Bars { .. } | Form::Lines, LinkState::Down { trouble, .. }) => {
                self.line(&trouble.to_string())
            }
            (_, LinkState::Dialling) => Ok(()),
        }
    }

    /// The way to the gateway is as fast as this, or as slow.
    pub(super) fn rate(&self, state: &LinkState) -> io::Result<()> {
        match (&self.form, state) {
            (Form::Json, LinkState::Up { .. }) => self.link(state),
            (Form::Bars { .. } | Form::Lines, LinkState::Up { rate, .. }) => {
                rate.and_then(peer::slow_way).map_or(Ok(()), |slow| self.line(&slow))
            }
            (_, LinkState::Dialling | LinkState::Down { .. }) => Ok(()),
        }
    }

    /// A transfer began.
    pub(super) fn started(&mut self, state: &TransferState) -> io::Result<()> {
        self.begun("fetches", state)
    }

    /// Somebody begins to fetch or to send something.
    fn begun(&mut self, verb: &str, state: &TransferState) -> io::Result<()> {
        self.told.insert(state.id, (Instant::now(), 0));
        match &mut self.form {
            Form::Json => object(&transfer("started", state)),
            Form::Lines => line(&format!(
                "{} {verb} {} ({}).",
                visitor(state.visitor, &state.agent),
                state.file,
                HumanBytes(state.size)
            )),
            Form::Bars { bars, running } => {
                if running.len() < MAX_BARS {
                    let bar = bars.add(ProgressBar::new(state.size).with_style(style()));
                    bar.set_message(format!(
                        "{} {}",
                        state.file,
                        visitor(state.visitor, &state.agent)
                    ));
                    running.insert(state.id, bar);
                }
                Ok(())
            }
        }
    }

    /// Transfers went on.
    pub(super) fn progress(&mut self, transfers: &[TransferState]) -> io::Result<()> {
        for state in transfers {
            match &mut self.form {
                Form::Json => {
                    if self
                        .told
                        .get_mut(&state.id)
                        .is_some_and(|told| is_due(told, state, OBJECT_EVERY))
                    {
                        object(&transfer("progress", state))?;
                    }
                }
                Form::Lines => {
                    if self
                        .told
                        .get_mut(&state.id)
                        .is_some_and(|told| is_due(told, state, LINE_EVERY))
                    {
                        line(&format!(
                            "{}: {} of {} delivered, {} a second.",
                            state.file,
                            HumanBytes(state.delivered),
                            HumanBytes(state.size),
                            HumanBytes(state.rate)
                        ))?;
                    }
                }
                Form::Bars { running, .. } => {
                    if let Some(bar) = running.get(&state.id) {
                        bar.set_position(state.delivered);
                    }
                }
            }
        }
        Ok(())
    }

    /// Some ends were missed: nothing more is told of transfers other than these.
    pub(super) fn forget_all_but(&mut self, transfers: &[TransferState]) {
        let is_under_way = |id: &TransferId| transfers.iter().any(|state| state.id == *id);
        self.told.retain(|id, _| is_under_way(id));
        if let Form::Bars { running, .. } = &mut self.form {
            running.retain(|id, bar| {
                let stays = is_under_way(id);
                if !stays {
                    bar.finish_and_clear();
                }
                stays
            });
        }
    }

    /// Nothing more is told of this one.
    fn forget(&mut self, id: TransferId) {
        self.told.remove(&id);
        if let Form::Bars { running, .. } = &mut self.form
            && let Some(bar) = running.remove(&id)
        {
            bar.finish_and_clear();
        }
    }

    /// A transfer is over.
    pub(super) fn ended(&mut self, record: &TransferRecord) -> io::Result<()> {
        self.forget(record.id);
        match &self.form {
            Form::Json => object(&ended(record)),
            Form::Bars { .. } | Form::Lines => self.line(&sentence(record)),
        }
    }

    /// A visitor wrote.
    pub(super) fn note(&self, note: &Note) -> io::Result<()> {
        match &self.form {
            Form::Json => object(&json!({
                "event": "note",
                "id": note.id.0,
                "site": note.site.0,
                "text": note.text,
                "visitor": note.visitor,
                "agent": note.agent,
                "at": millis(note.at),
            })),
            Form::Bars { .. } | Form::Lines => {
                let who = visitor(note.visitor, &note.agent);
                // On one line, so that nothing in it looks like a line of ours.
                let text = note.text.split_whitespace().collect::<Vec<_>>().join(" ");
                self.line(&format!("A note from {who}: {text}"))
            }
        }
    }

    fn line(&self, text: &str) -> io::Result<()> {
        self.above(|| line(text))
    }
}

/// Returns whether to tell of a transfer again, and notes it.
fn is_due(told: &mut (Instant, u64), state: &TransferState, every: Duration) -> bool {
    let is_due = told.0.elapsed() >= every && told.1 != state.delivered;
    if is_due {
        *told = (Instant::now(), state.delivered);
    }
    is_due
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template(
        "{bar:24} {percent:>3} % {bytes:>11} of {total_bytes} {binary_bytes_per_sec:>13} {wide_msg}",
    )
    .unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// Prints a line. A pipe that nobody reads may hold that up for ever, and must not hold up visitors.
fn line(text: &str) -> io::Result<()> {
    let print = || {
        let mut output = io::stdout().lock();
        writeln!(output, "{text}")?;
        output.flush()
    };
    block_in_place(print)
}

fn object(object: &Value) -> io::Result<()> {
    line(&object.to_string())
}

fn transfer(word: &str, state: &TransferState) -> Value {
    json!({
        "event": "transfer",
        "state": word,
        "id": state.id.0,
        "site": state.site.0,
        "file": state.file,
        "visitor": state.visitor,
        "agent": state.agent,
        "size": state.size,
        "sent": state.sent,
        "delivered": state.delivered,
        "rate": state.rate,
        "since": millis(state.since),
    })
}

fn ended(record: &TransferRecord) -> Value {
    let (end, by) = match record.end {
        TransferEnd::Complete => ("complete", None),
        TransferEnd::Cut(by) => ("cut", Some(by)),
    };
    let by = by.map(self::by);
    json!({
        "event": "transfer",
        "state": "ended",
        "id": record.id.0,
        "site": record.site.0,
        "file": record.file,
        "visitor": record.visitor,
        "agent": record.agent,
        "size": record.size,
        "delivered": record.delivered,
        "since": millis(record.since),
        "until": millis(record.until),
        "end": end,
        "by": by,
    })
}

/// Returns the word for what cut something.
fn by(by: Ended) -> &'static str {
    match by {
        Ended::Connection => "connection",
        Ended::File => "file",
        Ended::Owner => "owner",
        Ended::Unconfirmed => "unconfirmed",
        Ended::Visitor => "visitor",
    }
}

fn sentence(record: &TransferRecord) -> String {
    let (file, delivered) = (&record.file, HumanBytes(record.delivered));
    let size = HumanBytes(record.size);
    let who = visitor(record.visitor, &record.agent);
    let time = duration(record.until.duration_since(record.since).unwrap_or_default());
    match record.end {
        TransferEnd::Complete => format!("{file}: {size} delivered to {who} in {time}."),
        TransferEnd::Cut(by) => {
            let why = match by {
                Ended::Connection => "the connection to the gateway was lost",
                Ended::File => "the file became shorter or cannot be read",
                Ended::Owner => "it was stopped here",
                Ended::Unconfirmed => "the gateway did not say how it ended",
                Ended::Visitor => "the visitor left",
            };
            format!("{file}: {delivered} of {size} delivered to {who}; {why}.")
        }
    }
}

/// Says how long something took, as exactly as anybody wants to know.
fn duration(time: Duration) -> String {
    if time < Duration::from_secs(10) {
        format!("{:.1} seconds", time.as_secs_f64())
    } else {
        HumanDuration(time).to_string()
    }
}

fn visitor(address: Option<IpAddr>, agent: &str) -> String {
    let address = address.map_or_else(|| "a visitor".to_owned(), |address| address.to_string());
    if agent.is_empty() { address } else { format!("{address} ({agent})") }
}

fn millis(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transfers_whose_end_was_missed_are_forgotten() {
        let state = |id| TransferState {
            id: TransferId(id),
            site: peer::SiteId("site".to_owned()),
            file: "a.jpg".to_owned(),
            visitor: None,
            agent: String::new(),
            size: 1,
            sent: 0,
            delivered: 0,
            rate: 0,
            since: UNIX_EPOCH,
        };
        let bars = MultiProgress::with_draw_target(ProgressDrawTarget::hidden());
        let form = Form::Bars { bars, running: HashMap::new() };
        let mut output = Output { form, told: HashMap::new() };
        for id in 1..=2 {
            output.started(&state(id)).unwrap();
        }
        output.forget_all_but(&[state(2)]);
        let Form::Bars { running, .. } = &output.form else { panic!() };
        assert_eq!(running.keys().collect::<Vec<_>>(), [&TransferId(2)]);
        assert_eq!(output.told.keys().collect::<Vec<_>>(), [&TransferId(2)]);
    }
}
