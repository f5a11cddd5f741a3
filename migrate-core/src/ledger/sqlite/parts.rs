//! The writes of an entry, packed into its row: one row an entry instead of one a write is a third
//! of the file, and none of them can be lost without the checksum telling.
//!
//! Each is: a byte of flags, the length and text of what follows the record's key in its own (so
//! nothing for the record's own write); then, where it is or was done, its target with its length
//! unless it is the entry's, its fingerprint, the state where it is known, and when; then, where it
//! is intended, since when, and its draft where it is known. Lengths are varints, and times are zigzag varints of microseconds after
//! the entry's own time.

use chrono::{DateTime, TimeDelta, Utc};

use crate::ledger::{Entry, How, Part, PartState, Written};
use crate::{Fingerprint, Key, TargetId};

const HOW: u8 = 0b11;
const KNOWN: u8 = 1 << 2;
const INTENDED: u8 = 1 << 3;
const STATE: u8 = 1 << 4;
const TARGET_OF_ENTRY: u8 = 1 << 5;
const DRAFT: u8 = 1 << 6;
const ALL: u8 = HOW | KNOWN | INTENDED | STATE | TARGET_OF_ENTRY | DRAFT;

/// The writes of an entry; `None` where there are none.
pub(super) fn pack(entry: &Entry) -> Option<Vec<u8>> {
    if entry.parts.is_empty() {
        return None;
    }
    let mut bytes = Vec::with_capacity(entry.parts.len() * 64);
    for part in &entry.parts {
        let (known, intended) = match &part.state {
            PartState::Done(known) => (Some(known), None),
            PartState::Intended { at, known, draft } => (known.as_ref(), Some((*at, draft))),
        };
        let mut flags = match intended {
            Some((_, Some(_))) => INTENDED | DRAFT,
            Some((_, None)) => INTENDED,
            None => 0,
        };
        if let Some(known) = known {
            flags |= KNOWN | how_code(known.how);
            flags |= if known.state.is_some() { STATE } else { 0 };
            flags |= if Some(&known.target) == entry.target.as_ref() { TARGET_OF_ENTRY } else { 0 };
        }
        bytes.push(flags);
        text(&mut bytes, &part.key.as_str()[entry.key.as_str().len()..]);
        if let Some(known) = known {
            if flags & TARGET_OF_ENTRY == 0 {
                text(&mut bytes, known.target.as_str());
            }
            bytes.extend_from_slice(known.fingerprint.as_bytes());
            if let Some(state) = &known.state {
                bytes.extend_from_slice(state.as_bytes());
            }
            time(&mut bytes, entry.at, known.at);
        }
        if let Some((at, draft)) = intended {
            time(&mut bytes, entry.at, at);
            if let Some(draft) = draft {
                text(&mut bytes, &draft.to_string());
            }
        }
    }
    Some(bytes)
}

/// Fills in the writes of an entry; `None` where that is no packing of writes.
pub(super) fn unpack(mut bytes: &[u8], entry: &mut Entry) -> Option<()> {
    while let Some((flags, rest)) = bytes.split_first() {
        bytes = rest;
        if flags & !ALL != 0 {
            return None;
        }
        let name = take_text(&mut bytes)?;
        let key = match name {
            "" => entry.key.clone(),
            name => Key::from(format!("{}{name}", entry.key)),
        };
        let mut known = None;
        if flags & KNOWN != 0 {
            let target = match flags & TARGET_OF_ENTRY {
                0 => TargetId::new(take_text(&mut bytes)?),
                _ => entry.target.clone()?,
            };
            let fingerprint = take_fingerprint(&mut bytes)?;
            let state = if flags & STATE != 0 { Some(take_fingerprint(&mut bytes)?) } else { None };
            let (how, at) = (how_of(flags & HOW)?, take_time(&mut bytes, entry.at)?);
            known = Some(Written { target, fingerprint, how, state, at });
        }
        let state = match (flags & INTENDED != 0, known) {
            (true, known) => {
                let at = take_time(&mut bytes, entry.at)?;
                let draft = match flags & DRAFT {
                    0 => None,
                    _ => Some(serde_json::from_str(take_text(&mut bytes)?).ok()?),
                };
                PartState::Intended { at, known, draft }
            }
            (false, Some(known)) => PartState::Done(known),
            (false, None) => return None,
        };
        entry.parts.push(Part { key, state });
    }
    Some(())
}

pub(super) fn how_code(how: How) -> u8 {
    match how {
        How::Created => 0,
        How::Updated => 1,
        How::Unchanged => 2,
    }
}

pub(super) fn how_of(code: u8) -> Option<How> {
    [How::Created, How::Updated, How::Unchanged].into_iter().find(|how| how_code(*how) == code)
}

fn text(bytes: &mut Vec<u8>, text: &str) {
    varint(bytes, text.len() as u64);
    bytes.extend_from_slice(text.as_bytes());
}

fn take_text<'a>(bytes: &mut &'a [u8]) -> Option<&'a str> {
    let length = usize::try_from(take_varint(bytes)?).ok()?;
    let (text, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    str::from_utf8(text).ok()
}

fn take_fingerprint(bytes: &mut &[u8]) -> Option<Fingerprint> {
    let (digest, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(Fingerprint::from_bytes(*digest))
}

fn time(bytes: &mut Vec<u8>, base: DateTime<Utc>, at: DateTime<Utc>) {
    let after = at.timestamp_micros().wrapping_sub(base.timestamp_micros());
    varint(bytes, ((after << 1) ^ (after >> 63)) as u64);
}

fn take_time(bytes: &mut &[u8], base: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let zigzag = take_varint(bytes)?;
    let after = (zigzag >> 1) as i64 ^ -((zigzag & 1) as i64);
    // The base was read back to the microsecond, as it was written.
    base.checked_add_signed(TimeDelta::microseconds(after))
}

fn varint(bytes: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        bytes.push(n as u8 | 0x80);
        n >>= 7;
    }
    bytes.push(n as u8);
}

fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut n = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        n |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(n);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_comes_out_again_and_nothing_else_does() {
        let at = |n| DateTime::from_timestamp_micros(1_700_000_000_000_000 + n);
        let key = Key::new("contact", 1);
        let written = |target: &str, state: Option<&[u8]>, n| Written {
            target: TargetId::new(target),
            fingerprint: Fingerprint::of(target.as_bytes()),
            how: How::Updated,
            state: state.map(Fingerprint::of),
            at: at(n).unwrap(),
        };
        let mut entry = Entry::pending(key.clone(), "s");
        (entry.at, entry.target) = (at(0).unwrap(), Some(TargetId::new("own")));
        entry.parts = vec![
            Part { key: key.clone(), state: PartState::Done(written("own", Some(b"s"), -5)) },
            Part {
                key: key.part("ä"),
                state: PartState::Done(written("t", None, i64::from(i32::MAX))),
            },
            Part {
                key: key.part(""),
                state: PartState::Intended { at: at(3).unwrap(), known: None, draft: None },
            },
            Part {
                key: key.part("again"),
                state: PartState::Intended {
                    at: at(-3).unwrap(),
                    known: Some(written("", None, 0)),
                    draft: Some(serde_json::json!({ "text": "häi" })),
                },
            },
        ];
        let bytes = pack(&entry).unwrap();
        let bare = Entry { parts: Vec::new(), ..entry.clone() };
        let mut again = bare.clone();
        unpack(&bytes, &mut again).unwrap();
        assert_eq!(again, entry);
        for cut in 1..bytes.len() {
            let mut other = bare.clone();
            // Cut between two writes, the others are what they were.
            if unpack(&bytes[..cut], &mut other).is_some() {
                assert_eq!(other.parts, entry.parts[..other.parts.len()]);
                assert!(other.parts.len() < entry.parts.len());
            }
        }
        assert_eq!(pack(&bare), None);
    }
}
