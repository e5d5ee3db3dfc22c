//! Rows of what is handed over.

use std::net::IpAddr;

use rusqlite::{Connection, Row, Transaction, params};
use sites::hand_over::inbox::Given;

use super::{
    StoredLabel, VisitorKey,
    table::{all, ended_by, label, millis, signed, time, unreadable, unsigned, word},
};
use crate::{
    hand_over::{Goods, KeptHandOver, KeptReceived, Standing, Ticket, Upload},
    model::{HandOverId, Received, Stage, Terms, TransferEnd},
    os_path,
    session::Token,
};

/// How a ticket stands, in the table. One that asked is not kept as such: after a restart nobody knows the
/// question any more.
const ALLOWED: &str = "allowed";
const REFUSED: &str = "refused";
const UNANSWERED: &str = "unanswered";

/// The word for a stage that is done, as far as a gateway can see that sees only its own connection.
const ONLY_TAKEN: &str = "only-taken";

pub(super) fn read_desks(connection: &Connection) -> rusqlite::Result<Vec<StoredLabel>> {
    all(connection, "SELECT * FROM desks ORDER BY changed", |row| {
        Ok(StoredLabel {
            gateway: row.get("gateway")?,
            identity: row.get("identity")?,
            label: label(row)?,
            origin: row.get("origin")?,
        })
    })
}

pub(super) fn read(connection: &Connection) -> rusqlite::Result<Vec<KeptHandOver>> {
    let mut found = all(connection, "SELECT * FROM hand_overs ORDER BY id", hand_over)?;
    for one in &mut found {
        let of_this =
            |query: &str| format!("{query} WHERE hand_over = {} ORDER BY position", one.id.0);
        one.tickets = all(connection, &of_this("SELECT * FROM tickets"), ticket)?;
        one.refused = all(connection, &of_this("SELECT address FROM refused_visitors"), |row| {
            Ok(VisitorKey(row.get(0)?))
        })?;
        one.uploads = all(connection, &of_this("SELECT * FROM uploads"), upload)?;
        one.received = all(connection, &of_this("SELECT * FROM received_files"), received)?;
        if let Goods::Send { files, .. } = &mut one.goods {
            *files = all(connection, &of_this("SELECT path FROM sent_files"), |row| {
                Ok(os_path::from_bytes(&row.get::<_, Vec<u8>>(0)?))
            })?;
        }
    }
    Ok(found)
}

fn hand_over(row: &Row<'_>) -> rusqlite::Result<KeptHandOver> {
    let kind: String = row.get("kind")?;
    let size = unsigned(row.get("size")?);
    let count = row.get("count")?;
    let goods = match &*kind {
        "send" => Goods::Send {
            files: Vec::new(),
            name: row.get("name")?,
            size,
            count,
            state: row.get("state")?,
        },
        _ => Goods::Ask {
            folder: os_path::from_bytes(&row.get::<_, Vec<u8>>("folder")?),
            largest: size,
            files_left: count,
        },
    };
    Ok(KeptHandOver {
        id: HandOverId(row.get("id")?),
        token: token(row, "token")?,
        goods,
        terms: Terms { note: row.get("note")?, nod: row.get("nod")? },
        stage: stage(row)?,
        since: time(row.get("since")?),
        tickets: Vec::new(),
        refused: Vec::new(),
        uploads: Vec::new(),
        received: Vec::new(),
    })
}

fn stage(row: &Row<'_>) -> rusqlite::Result<Stage> {
    let word: String = row.get("stage")?;
    let at = time(row.get("at")?);
    Ok(match &*word {
        "waiting" => Stage::Waiting,
        "complete" => Stage::Done { at, certain: true },
        ONLY_TAKEN => Stage::Done { at, certain: false },
        _ => Stage::Cut {
            file: row.get("cut_file")?,
            arrived: unsigned(row.get("cut_arrived")?),
            size: row.get::<_, Option<i64>>("cut_size")?.map(unsigned),
            at,
            by: ended_by(&word).ok_or_else(|| unreadable(0, "a stage"))?,
        },
    })
}

fn token(row: &Row<'_>, column: &str) -> rusqlite::Result<Token> {
    let text: String = row.get(column)?;
    Token::parse(&text).ok_or_else(|| unreadable(0, "a token"))
}

fn visitor(row: &Row<'_>) -> rusqlite::Result<Option<IpAddr>> {
    let text: Option<String> = row.get("visitor")?;
    Ok(text.and_then(|text| text.parse().ok()))
}

fn ticket(row: &Row<'_>) -> rusqlite::Result<Ticket> {
    let standing: String = row.get("standing")?;
    Ok(Ticket {
        secret: token(row, "secret")?,
        key: VisitorKey(row.get("address")?),
        standing: match &*standing {
            ALLOWED => Standing::Allowed,
            REFUSED => Standing::Refused,
            _ => Standing::Unanswered,
        },
        reached: unsigned(row.get("reached")?),
        perhaps_more: row.get("perhaps_more")?,
        used: time(row.get("used")?),
    })
}

fn upload(row: &Row<'_>) -> rusqlite::Result<Upload> {
    let ticket: Option<String> = row.get("ticket")?;
    Ok(Upload {
        id: row.get("draft")?,
        name: row.get("name")?,
        size: row.get::<_, Option<i64>>("size")?.map(unsigned),
        ticket: ticket.as_deref().and_then(Token::parse),
        visitor: visitor(row)?,
        agent: row.get("agent")?,
        offset: unsigned(row.get("offset")?),
        touched: time(row.get("touched")?),
        given: given(row)?,
    })
}

fn given(row: &Row<'_>) -> rusqlite::Result<Option<Given>> {
    let Some(name) = row.get("given_name")? else { return Ok(None) };
    let (size, written) = (unsigned(row.get("given_size")?), time(row.get("given_written")?));
    Ok(Some(Given { name, size, written }))
}

fn received(row: &Row<'_>) -> rusqlite::Result<KeptReceived> {
    Ok(KeptReceived {
        upload: row.get("upload")?,
        received: Received {
            file: row.get("file")?,
            size: unsigned(row.get("size")?),
            visitor: visitor(row)?,
            at: time(row.get("at")?),
        },
    })
}

pub(super) fn set_desk(to: &Transaction<'_>, desk: &StoredLabel) -> rusqlite::Result<()> {
    to.execute(
        "INSERT OR REPLACE INTO desks
         VALUES (?, ?, ?, ?, (SELECT coalesce(max(changed), 0) + 1 FROM desks))",
        params![desk.gateway, desk.identity, desk.label.as_str(), desk.origin],
    )?;
    Ok(())
}

/// Writes a new one.
pub(super) fn add(to: &Transaction<'_>, kept: &KeptHandOver) -> rusqlite::Result<()> {
    to.execute(
        "INSERT OR REPLACE INTO hand_overs (id, token, kind, note, nod, since) VALUES (?, ?, ?, ?, ?, ?)",
        params![
            kept.id.0,
            kept.token.secret(),
            match kept.goods {
                Goods::Send { .. } => "send",
                Goods::Ask { .. } => "ask",
            },
            kept.terms.note,
            kept.terms.nod,
            millis(kept.since),
        ],
    )?;
    if let Goods::Send { files, .. } = &kept.goods {
        for (position, file) in (0_i64..).zip(files) {
            to.prepare_cached("INSERT INTO sent_files VALUES (?, ?, ?)")?.execute(params![
                kept.id.0,
                position,
                os_path::to_bytes(file)
            ])?;
        }
    }
    keep(to, kept)
}

/// Writes what changes of one, unless it was forgotten while this waited.
pub(super) fn keep(to: &Transaction<'_>, kept: &KeptHandOver) -> rusqlite::Result<()> {
    let (name, size, count, state, folder) = match &kept.goods {
        Goods::Send { name, size, count, state, .. } => {
            (&**name, *size, *count, &**state, Vec::new())
        }
        Goods::Ask { folder, largest, files_left } => {
            ("", *largest, *files_left, "", os_path::to_bytes(folder))
        }
    };
    let (stage, at, cut) = match &kept.stage {
        Stage::Waiting => ("waiting", 0, None),
        Stage::Done { at, certain: true } => (word(TransferEnd::Complete), millis(*at), None),
        Stage::Done { at, certain: false } => (ONLY_TAKEN, millis(*at), None),
        Stage::Cut { file, arrived, size, at, by } => {
            (word(TransferEnd::Cut(*by)), millis(*at), Some((file, *arrived, *size)))
        }
    };
    let changed = to
        .prepare_cached(
            "UPDATE hand_overs SET name = ?2, size = ?3, count = ?4, state = ?5, folder = ?6,
             stage = ?7, at = ?8, cut_file = ?9, cut_arrived = ?10, cut_size = ?11 WHERE id = ?1",
        )?
        .execute(params![
            kept.id.0,
            name,
            signed(size),
            count,
            state,
            folder,
            stage,
            at,
            cut.map_or("", |(file, _, _)| file),
            cut.map_or(0, |(_, arrived, _)| signed(arrived)),
            cut.and_then(|(_, _, size)| size).map(signed),
        ])?;
    if changed == 0 {
        return Ok(());
    }
    for table in ["tickets", "refused_visitors", "uploads", "received_files"] {
        to.prepare_cached(&format!("DELETE FROM {table} WHERE hand_over = ?"))?
            .execute(params![kept.id.0])?;
    }
    for (position, ticket) in (0_i64..).zip(&kept.tickets) {
        to.prepare_cached("INSERT INTO tickets VALUES (?, ?, ?, ?, ?, ?, ?, ?)")?.execute(
            params![
                kept.id.0,
                position,
                ticket.secret.secret(),
                ticket.key.0,
                match ticket.standing {
                    Standing::Allowed => ALLOWED,
                    Standing::Refused => REFUSED,
                    Standing::Asking(_) | Standing::Unanswered => UNANSWERED,
                },
                signed(ticket.reached),
                ticket.perhaps_more,
                millis(ticket.used),
            ],
        )?;
    }
    for (position, key) in (0_i64..).zip(&kept.refused) {
        to.prepare_cached("INSERT INTO refused_visitors VALUES (?, ?, ?)")?
            .execute(params![kept.id.0, position, key.0])?;
    }
    for (position, upload) in (0_i64..).zip(&kept.uploads) {
        to.prepare_cached("INSERT INTO uploads VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")?
            .execute(params![
                kept.id.0,
                position,
                upload.id,
                upload.name,
                upload.size.map(signed),
                upload.ticket.as_ref().map(Token::secret),
                upload.visitor.map(|visitor| visitor.to_string()),
                upload.agent,
                signed(upload.offset),
                millis(upload.touched),
                upload.given.as_ref().map(|given| &given.name),
                upload.given.as_ref().map(|given| signed(given.size)),
                upload.given.as_ref().map(|given| millis(given.written)),
            ])?;
    }
    for (position, file) in (0_i64..).zip(&kept.received) {
        let KeptReceived { upload, received } = file;
        to.prepare_cached("INSERT INTO received_files VALUES (?, ?, ?, ?, ?, ?, ?)")?.execute(
            params![
                kept.id.0,
                position,
                upload,
                received.file,
                signed(received.size),
                received.visitor.map(|visitor| visitor.to_string()),
                millis(received.at),
            ],
        )?;
    }
    Ok(())
}

pub(super) fn drop_one(to: &Transaction<'_>, id: HandOverId) -> rusqlite::Result<()> {
    to.execute("DELETE FROM hand_overs WHERE id = ?", params![id.0])?;
    Ok(())
}
