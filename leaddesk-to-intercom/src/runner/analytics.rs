//! `inventory/chatbot_analytics.json`: what the chatbot's export holds, and the rows of it that become no
//! conversations.

use std::collections::BTreeMap;
use std::io::{self, Write};

use leaddesk_client::chatbot::{Archive, FileInfo};
use serde_json::{Value, json};

use crate::source::Chatbot;
use crate::state::{StateDir, write_whole};

/// Writes the file, row by row: an export may have a hundred thousand of them.
pub(super) fn write(state: &StateDir, chatbot: &Chatbot) -> io::Result<()> {
    let dir = StateDir::create(state.file("inventory"))?;
    write_whole(&dir.file("chatbot_analytics.json"), |file| {
        file.write_all(b"{\"files\":[")?;
        for (at, info) in chatbot.files().iter().enumerate() {
            if at > 0 {
                file.write_all(b",")?;
            }
            file.write_all(b"\n")?;
            let counted = chatbot.without_sessions().any(|other| other.kind == info.kind);
            let mut about = about(info).to_string();
            if counted {
                // The rows go into the object before it ends.
                about.pop();
                file.write_all(about.as_bytes())?;
                file.write_all(b",\"data\":[")?;
                rows(file, chatbot.archive(), info)?;
                file.write_all(b"\n]}")?;
            } else {
                file.write_all(about.as_bytes())?;
            }
        }
        file.write_all(b"\n]}\n")
    })
}

fn about(info: &FileInfo) -> Value {
    let columns: Vec<&str> = info
        .columns
        .iter()
        .map(|(_, heading)| heading)
        .chain(&info.unrecognised)
        .map(String::as_str)
        .collect();
    json!({
        "kind": info.kind.to_string(),
        "name": info.name,
        "shape": info.shape.to_string(),
        "rows": info.rows,
        "unreadable": info.unreadable,
        "first": info.first.map(|time| time.to_string()),
        "last": info.last.map(|time| time.to_string()),
        "columns": columns,
        "notes": info.notes,
    })
}

/// The rows of a file under their own headings.
fn rows(file: &mut impl Write, archive: &Archive, info: &FileInfo) -> io::Result<()> {
    let mut first = true;
    for record in archive.rows(info.kind).map_err(io::Error::other)? {
        let Ok(row) = record.map_err(io::Error::other)?.body else { continue };
        let headings = &info.columns;
        let known = row.columns().map(|(column, cell)| {
            let heading = headings.iter().find(|(other, _)| *other == column);
            (heading.map_or(column.name(), |(_, heading)| heading.as_str()), cell)
        });
        let cells: BTreeMap<&str, &str> = known.chain(row.extra()).collect();
        file.write_all(if first { b"\n" } else { b",\n" })?;
        first = false;
        serde_json::to_writer(&mut *file, &cells)?;
    }
    Ok(())
}
