//! Rows and what they mean.

use std::{
    collections::HashSet,
    net::IpAddr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use carriers::Carrier;
use crosstalk::label::Label;
use rusqlite::{Connection, Row, Transaction, params, types::Type};

use super::{
    Change, Contents, MAX_HISTORY, Release, SHOWN_HISTORY, StoredLabel, StoredRung, StoredSite,
    VisitorKey, hand_over, notes,
};
use crate::{
    keeper::MAX_REMEMBERED,
    model::{Ended, SiteId, TransferEnd, TransferId, TransferRecord},
    os_path,
    session::Token,
};

/// How a transfer under way is marked.
const RUNNING: &str = "running";

/// Returns the word that stands in the table.
pub(super) fn word(end: TransferEnd) -> &'static str {
    match end {
        TransferEnd::Complete => "complete",
        TransferEnd::Cut(Ended::Connection) => "cut-connection",
        TransferEnd::Cut(Ended::File) => "cut-file",
        TransferEnd::Cut(Ended::Owner) => "cut-owner",
        TransferEnd::Cut(Ended::Unconfirmed) => "unconfirmed",
        TransferEnd::Cut(Ended::Visitor) => "cut-visitor",
    }
}

fn end(word: &str) -> Option<TransferEnd> {
    Some(match word {
        "complete" => TransferEnd::Complete,
        "cut-connection" => TransferEnd::Cut(Ended::Connection),
        "cut-file" => TransferEnd::Cut(Ended::File),
        "cut-owner" => TransferEnd::Cut(Ended::Owner),
        "unconfirmed" => TransferEnd::Cut(Ended::Unconfirmed),
        "cut-visitor" => TransferEnd::Cut(Ended::Visitor),
        _ => return None,
    })
}

/// Returns what cut something, from the word that stands in the table.
pub(super) fn ended_by(word: &str) -> Option<Ended> {
    match end(word)? {
        TransferEnd::Complete => None,
        TransferEnd::Cut(by) => Some(by),
    }
}

/// Transfers that were under way when the program died were cut by that.
pub(super) fn end_what_a_crash_left(
    connection: &Connection,
    now: SystemTime,
) -> rusqlite::Result<()> {
    let cut = word(TransferEnd::Cut(Ended::Connection));
    // `until` is the last moment at which it was seen alive, unless the clock was set back.
    connection.execute(
        "UPDATE transfers SET ending = ?1, until = max(since, min(until, ?3)) WHERE ending = ?2",
        params![cut, RUNNING, millis(now)],
    )?;
    Ok(())
}

/// Reads everything that the engine needs.
pub(super) fn read(connection: &Connection) -> rusqlite::Result<Contents> {
    let paused = connection
        .prepare("SELECT value FROM settings WHERE key = 'paused'")?
        .query_map([], |row| row.get::<_, String>(0))?
        .next()
        .transpose()?
        .is_some_and(|value| value == "yes");
    let mut sites = all(connection, "SELECT * FROM sites ORDER BY position", |row| {
        Ok(StoredSite {
            id: SiteId(row.get("id")?),
            name: row.get("name")?,
            path: os_path::from_bytes(&row.get::<_, Vec<u8>>("path")?),
            on: row.get("is_on")?,
            hidden_files: row.get("hidden")?,
            takes_notes: row.get("takes_notes")?,
            sessions: Vec::new(),
            labels: Vec::new(),
            visitors: HashSet::new(),
        })
    })?;
    for site in &mut sites {
        let id = &site.id.0;
        site.sessions = of_site(
            connection,
            "SELECT token FROM sessions WHERE site = ? ORDER BY position",
            id,
            |row| {
                let text: String = row.get(0)?;
                Token::parse(&text).ok_or_else(|| unreadable(0, "a token"))
            },
        )?;
        site.labels = of_site(
            connection,
            "SELECT * FROM labels WHERE site = ? ORDER BY changed",
            id,
            |row| {
                Ok(StoredLabel {
                    gateway: row.get("gateway")?,
                    identity: row.get("identity")?,
                    label: label(row)?,
                    origin: row.get("origin")?,
                })
            },
        )?;
        let visitors =
            of_site(connection, "SELECT address FROM visitors WHERE site = ?", id, |row| {
                Ok(VisitorKey(row.get(0)?))
            })?;
        site.visitors = visitors.into_iter().collect();
    }
    let releases = all(connection, "SELECT * FROM releases", |row| {
        Ok(Release {
            gateway: row.get("gateway")?,
            identity: row.get("identity")?,
            label: label(row)?,
        })
    })?;
    let history = all(
        connection,
        &format!("SELECT * FROM transfers ORDER BY until DESC, id DESC LIMIT {SHOWN_HISTORY}"),
        record,
    )?;
    let last_transfer =
        connection.query_row("SELECT coalesce(max(id), 0) FROM transfers", [], |row| row.get(0))?;
    let rungs = all(connection, "SELECT * FROM rungs", |row| {
        // One that this version does not know is as good as none.
        let carrier = Carrier::from_name(&row.get::<_, String>("carrier")?);
        Ok((row.get("network")?, row.get("gateway")?, carrier))
    })?;
    let rungs = rungs
        .into_iter()
        .filter_map(|(network, gateway, carrier)| {
            Some(StoredRung { network, gateway, carrier: carrier? })
        })
        .collect();
    let (notes, blocked) = (notes::read(connection)?, notes::read_blocked(connection)?);
    let (desks, hand_overs) = (hand_over::read_desks(connection)?, hand_over::read(connection)?);
    Ok(Contents {
        paused,
        sites,
        releases,
        rungs,
        history,
        notes,
        blocked,
        desks,
        hand_overs,
        last_transfer,
    })
}

/// Writes these changes together or not at all.
pub(super) fn apply(connection: &mut Connection, changes: &[Change]) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    let mut grown = false;
    for change in changes {
        write(&transaction, change)?;
        grown |= matches!(change, Change::KeepEnded(_) | Change::KeepRunning(..));
    }
    if grown {
        transaction.execute(
            "DELETE FROM transfers WHERE id <= (SELECT id FROM transfers ORDER BY id DESC LIMIT 1 OFFSET ?)",
            params![i64::try_from(MAX_HISTORY).unwrap_or(i64::MAX)],
        )?;
    }
    transaction.commit()
}

fn write(to: &Transaction<'_>, change: &Change) -> rusqlite::Result<()> {
    match change {
        Change::AddHandOver(kept) => return hand_over::add(to, kept),
        Change::AddRelease(Release { gateway, identity, label }) => to
            .prepare_cached("INSERT OR IGNORE INTO releases VALUES (?, ?, ?)")?
            .execute(params![gateway, identity, label.as_str()]),
        Change::AddSite(site) => return add_site(to, site),
        Change::AddVisitor(site, key) => to
            .prepare_cached(
                // The site may have been removed while this waited.
                "INSERT OR IGNORE INTO visitors SELECT id, ?2 FROM sites WHERE id = ?1",
            )?
            .execute(params![site.0, key.0]),
        Change::Block(site, writer) => return notes::block(to, site, writer),
        Change::ClearHistory => {
            to.execute("DELETE FROM transfers WHERE ending <> ?", params![RUNNING])
        }
        Change::DropHandOver(id) => return hand_over::drop_one(to, *id),
        Change::DropNotes(gone) => return notes::forget(to, gone),
        Change::DropRelease(Release { gateway, identity, label }) => to
            .prepare_cached(
                "DELETE FROM releases WHERE gateway = ? AND identity = ? AND label = ?",
            )?
            .execute(params![gateway, identity, label.as_str()]),
        Change::KeepEnded(record) => keep(to, record, word(record.end)),
        Change::KeepHandOver(kept) => return hand_over::keep(to, kept),
        Change::KeepNote(kept) => return notes::keep(to, kept),
        Change::KeepRunning(state, site_name) => {
            let seen = TransferRecord {
                id: state.id,
                site: state.site.clone(),
                site_name: site_name.clone(),
                file: state.file.clone(),
                visitor: state.visitor,
                agent: state.agent.clone(),
                size: state.size,
                delivered: state.delivered,
                since: state.since,
                until: SystemTime::now(),
                end: TransferEnd::Cut(Ended::Connection),
            };
            keep(to, &seen, RUNNING)
        }
        Change::RemoveSite(site) => to.execute("DELETE FROM sites WHERE id = ?", params![site.0]),
        Change::SetDesk(desk) => return hand_over::set_desk(to, desk),
        Change::SetHidden(site, hidden) => {
            to.execute("UPDATE sites SET hidden = ? WHERE id = ?", params![hidden, site.0])
        }
        Change::SetLabel(site, label) => return set_label(to, site, label),
        Change::SetName(site, name) => {
            to.execute("UPDATE sites SET name = ? WHERE id = ?", params![name, site.0])
        }
        Change::SetNotes(site, on) => {
            to.execute("UPDATE sites SET takes_notes = ? WHERE id = ?", params![on, site.0])
        }
        Change::SetOn(site, on) => {
            to.execute("UPDATE sites SET is_on = ? WHERE id = ?", params![on, site.0])
        }
        Change::SetPaused(paused) => to.execute(
            "INSERT OR REPLACE INTO settings VALUES ('paused', ?)",
            params![if *paused { "yes" } else { "no" }],
        ),
        Change::SetRung(rung) => return set_rung(to, rung),
        Change::Unblock(site) => to.execute("DELETE FROM blocked WHERE site = ?", params![site.0]),
    }
    .map(drop)
}

fn set_rung(to: &Transaction<'_>, rung: &StoredRung) -> rusqlite::Result<()> {
    let StoredRung { network, gateway, carrier } = rung;
    to.execute(
        "INSERT OR REPLACE INTO rungs VALUES (?, ?, ?, ?)",
        params![network, gateway, carrier.name(), millis(SystemTime::now())],
    )?;
    to.execute(
        "DELETE FROM rungs WHERE changed < (SELECT changed FROM rungs ORDER BY changed DESC LIMIT 1 OFFSET ?)",
        params![i64::try_from(MAX_REMEMBERED - 1).unwrap_or(i64::MAX)],
    )?;
    Ok(())
}

fn add_site(to: &Transaction<'_>, site: &StoredSite) -> rusqlite::Result<()> {
    to.execute(
        "INSERT INTO sites (id, position, kind, name, path, is_on, hidden, takes_notes)
         VALUES (?, (SELECT coalesce(max(position), 0) + 1 FROM sites), 'folder', ?, ?, ?, ?, ?)",
        params![
            site.id.0,
            site.name,
            os_path::to_bytes(&site.path),
            site.on,
            site.hidden_files,
            site.takes_notes,
        ],
    )?;
    for (position, token) in (0_i64..).zip(&site.sessions) {
        to.execute(
            "INSERT INTO sessions (token, site, position) VALUES (?, ?, ?)",
            params![token.secret(), site.id.0, position],
        )?;
    }
    for label in &site.labels {
        set_label(to, &site.id, label)?;
    }
    Ok(())
}

fn set_label(to: &Transaction<'_>, site: &SiteId, label: &StoredLabel) -> rusqlite::Result<()> {
    to.execute(
        "INSERT OR REPLACE INTO labels
         SELECT id, ?2, ?3, ?4, ?5, (SELECT coalesce(max(changed), 0) + 1 FROM labels)
         FROM sites WHERE id = ?1",
        params![site.0, label.gateway, label.identity, label.label.as_str(), label.origin],
    )?;
    Ok(())
}

fn keep(to: &Transaction<'_>, record: &TransferRecord, ending: &str) -> rusqlite::Result<usize> {
    to.prepare_cached("INSERT OR REPLACE INTO transfers VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")?
        .execute(params![
            record.id.0,
            record.site.0,
            record.site_name,
            record.file,
            record.visitor.map(|visitor| visitor.to_string()),
            record.agent,
            signed(record.size),
            signed(record.delivered),
            millis(record.since),
            millis(record.until),
            ending,
        ])
}

fn record(row: &Row<'_>) -> rusqlite::Result<TransferRecord> {
    let ending: String = row.get("ending")?;
    let visitor: Option<String> = row.get("visitor")?;
    Ok(TransferRecord {
        id: TransferId(row.get("id")?),
        site: SiteId(row.get("site")?),
        site_name: row.get("site_name")?,
        file: row.get("file")?,
        visitor: visitor.and_then(|text| text.parse::<IpAddr>().ok()),
        agent: row.get("agent")?,
        size: unsigned(row.get("size")?),
        delivered: unsigned(row.get("delivered")?),
        since: time(row.get("since")?),
        until: time(row.get("until")?),
        end: end(&ending).ok_or_else(|| unreadable(10, "an ending"))?,
    })
}

pub(super) fn label(row: &Row<'_>) -> rusqlite::Result<Label> {
    let text: String = row.get("label")?;
    Label::parse(&text).map_err(|_| unreadable(0, "a label"))
}

pub(super) fn unreadable(column: usize, what: &str) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, format!("not {what}").into())
}

pub(super) fn all<T>(
    connection: &Connection,
    query: &str,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    connection.prepare(query)?.query_map([], read)?.collect()
}

fn of_site<T>(
    connection: &Connection,
    query: &str,
    site: &str,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    connection.prepare_cached(query)?.query_map([site], read)?.collect()
}

pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

pub(super) fn millis(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

pub(super) fn time(millis: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(unsigned(millis))
}
