//! Archives for tests: good ones by the ZIP crate's writer, hostile ones byte by byte.
#![allow(dead_code)] // Each test program uses its own part of this.

use std::io::{Cursor, Write};

use leaddesk_client::chatbot::{Archive, Settings};
use leaddesk_client::{Error, ErrorKind};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

pub(crate) const CONVERSATIONS: &str = "\
conversation,indexInConversation,timestamp,question,answer,state,agent
c-1,1,1714557600000,,Tervetuloa! <br>,welcome,STARCHAT
c-2,1,1714557660000,Moi,Hei,greeting,STARCHAT
c-1,2,1714557601000,Missä paketti?,Siirrän ihmiselle.,where,STARCHAT
c-1,3,1714557602000,Kiitos,Ada täällä,human,HUMAN_REPLY
";
pub(crate) const OUTCOMES: &str = "\
conversation_id;outcome;csat;feedback
c-1;Transferred;9;Hyvä
c-2;Handled;;
";
pub(crate) const TIMING: &str = "\
Conversation ID,Started at,Ended at,Duration (s)
c-1,2024-05-01T10:00:00Z,2024-05-01T10:10:00Z,600
c-2,2024-05-01T10:01:00Z,2024-05-01T10:01:05Z,5
";
pub(crate) const AGENT: &str = "\
conversation_id,agent_name,email,team,accepted_at
c-1,Ada,ada@example.org,Tuki,2024-05-01 : 10:05:00
";

/// The four files as they might be.
pub(crate) fn four() -> Vec<(&'static str, Vec<u8>)> {
    [
        ("conversations.csv", CONVERSATIONS),
        ("outcomes.csv", OUTCOMES),
        ("timing.csv", TIMING),
        ("agent.csv", AGENT),
    ]
    .map(|(name, text)| (name, text.as_bytes().to_vec()))
    .to_vec()
}

pub(crate) fn zip(files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    zip_with(files, SimpleFileOptions::default().compression_method(CompressionMethod::Deflated))
}

pub(crate) fn zip_with(files: &[(&str, Vec<u8>)], options: SimpleFileOptions) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        writer.start_file(*name, options).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// What the headers of an entry say, true or not.
#[derive(Clone)]
pub(crate) struct Raw {
    pub(crate) name: Vec<u8>,
    pub(crate) data: Vec<u8>,
    pub(crate) flags: u16,
    pub(crate) method: u16,
    pub(crate) crc: u32,
    pub(crate) size: u32,
    pub(crate) mode: u32,
}

impl Raw {
    pub(crate) fn new(name: &str, text: &str) -> Self {
        Self {
            name: name.as_bytes().to_vec(),
            data: text.as_bytes().to_vec(),
            flags: 0,
            method: 0,
            crc: crc32fast::hash(text.as_bytes()),
            size: u32::try_from(text.len()).unwrap(),
            mode: 0o100_644,
        }
    }

    fn common(&self) -> Vec<u8> {
        let length = u32::try_from(self.data.len()).unwrap();
        let name = u16::try_from(self.name.len()).unwrap();
        [
            &20_u16.to_le_bytes()[..],
            &self.flags.to_le_bytes(),
            &self.method.to_le_bytes(),
            &[0; 4],
            &self.crc.to_le_bytes(),
            &length.to_le_bytes(),
            &self.size.to_le_bytes(),
            &name.to_le_bytes(),
            &[0; 2],
        ]
        .concat()
    }
}

pub(crate) fn raw_zip(entries: &[Raw]) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for entry in entries {
        let start = u32::try_from(out.len()).unwrap();
        let common = entry.common();
        out.extend([b"PK\x03\x04", &common[..], &entry.name, &entry.data].concat());
        let mode = (entry.mode << 16).to_le_bytes();
        let made_on_unix = [20, 3];
        directory.extend([b"PK\x01\x02", &made_on_unix[..], &common].concat());
        directory.extend([&[0; 6][..], &mode, &start.to_le_bytes(), &entry.name].concat());
    }
    let count = u16::try_from(entries.len()).unwrap_or(u16::MAX).to_le_bytes();
    let size = u32::try_from(directory.len()).unwrap().to_le_bytes();
    let start = u32::try_from(out.len()).unwrap().to_le_bytes();
    out.extend(directory);
    if count == [0xFF; 2] {
        // ZIP64: a record with the true number, and where that record is.
        let place = (out.len() as u64).to_le_bytes();
        let number = (entries.len() as u64).to_le_bytes();
        let zero = [0; 4];
        out.extend([b"PK\x06\x06", &44_u64.to_le_bytes()[..], &[45, 0, 45, 0], &[0; 8]].concat());
        out.extend([&number[..], &number, &size, &zero, &start, &zero].concat());
        out.extend([b"PK\x06\x07", &zero[..], &place, &[1, 0, 0, 0]].concat());
    }
    out.extend([b"PK\x05\x06", &[0; 4][..], &count, &count, &size, &start, &[0; 2]].concat());
    out
}

pub(crate) fn open(bytes: Vec<u8>) -> Result<Archive, Error> {
    Archive::from_bytes("export.zip", bytes, Settings::default())
}

/// A single CSV file.
pub(crate) fn open_csv(name: &str, bytes: &[u8]) -> Result<Archive, Error> {
    Archive::from_bytes(name, bytes, Settings::default())
}

/// The kind and the whole text of the error.
pub(crate) fn refused(bytes: Vec<u8>) -> (ErrorKind, String) {
    told(open(bytes))
}

pub(crate) fn told(opened: Result<Archive, Error>) -> (ErrorKind, String) {
    let error = opened.map(|archive| archive.files().len()).unwrap_err();
    (error.kind(), error.to_string())
}
