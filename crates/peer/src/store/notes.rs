//! Rows of notes, and of writers of whom no more are taken.

use std::net::IpAddr;

use rusqlite::{Connection, Row, Transaction, params};

use super::{
    VisitorKey,
    table::{all, millis, time},
};
use crate::{
    model::{Note, NoteId, NoteReply, SiteId},
    notes::{Author, KeptNote, MAX_BLOCKED},
};

pub(super) fn read(connection: &Connection) -> rusqlite::Result<Vec<KeptNote>> {
    all(connection, "SELECT * FROM notes", note)
}

pub(super) fn read_blocked(connection: &Connection) -> rusqlite::Result<Vec<(SiteId, Author)>> {
    all(connection, "SELECT * FROM blocked ORDER BY number", |row| {
        let address = VisitorKey(row.get("address")?);
        Ok((SiteId(row.get("site")?), Author { address, actor: row.get("actor")? }))
    })
}

fn note(row: &Row<'_>) -> rusqlite::Result<KeptNote> {
    let visitor: Option<String> = row.get("visitor")?;
    let visitor = visitor.and_then(|text| text.parse::<IpAddr>().ok());
    let actor: Option<String> = row.get("actor")?;
    let reply: Option<String> = row.get("reply")?;
    let replied: Option<i64> = row.get("replied")?;
    let arrived = row.get("reply_arrived")?;
    Ok(KeptNote {
        note: Note {
            id: NoteId(row.get("id")?),
            site: SiteId(row.get("site")?),
            text: row.get("text")?,
            visitor,
            agent: row.get("agent")?,
            at: time(row.get("written")?),
            answerable: actor.is_some(),
            seen: row.get("seen")?,
            reply: reply.zip(replied).map(|(text, at)| NoteReply { text, at: time(at), arrived }),
        },
        writer: Author::new(visitor, actor),
    })
}

/// Writes a note, or what has changed of it.
pub(super) fn keep(to: &Transaction<'_>, kept: &KeptNote) -> rusqlite::Result<()> {
    let (note, reply) = (&kept.note, kept.note.reply.as_ref());
    to.prepare_cached(
        // The site may have been removed while this waited.
        "INSERT OR REPLACE INTO notes
         SELECT ?2, id, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11 FROM sites WHERE id = ?1",
    )?
    .execute(params![
        note.site.0,
        note.id.0,
        note.text,
        note.visitor.map(|visitor| visitor.to_string()),
        note.agent,
        kept.writer.actor,
        millis(note.at),
        note.seen,
        reply.map(|reply| &reply.text),
        reply.map(|reply| millis(reply.at)),
        reply.is_some_and(|reply| reply.arrived),
    ])?;
    Ok(())
}

pub(super) fn forget(to: &Transaction<'_>, gone: &[NoteId]) -> rusqlite::Result<()> {
    for id in gone {
        to.prepare_cached("DELETE FROM notes WHERE id = ?")?.execute(params![id.0])?;
    }
    Ok(())
}

pub(super) fn block(to: &Transaction<'_>, site: &SiteId, writer: &Author) -> rusqlite::Result<()> {
    to.execute(
        "INSERT INTO blocked (site, address, actor) SELECT id, ?2, ?3 FROM sites WHERE id = ?1",
        params![site.0, writer.address.0, writer.actor],
    )?;
    to.execute(
        "DELETE FROM blocked WHERE site = ?1 AND number <= (SELECT number FROM blocked
         WHERE site = ?1 ORDER BY number DESC LIMIT 1 OFFSET ?2)",
        params![site.0, i64::try_from(MAX_BLOCKED).unwrap_or(i64::MAX)],
    )?;
    Ok(())
}
