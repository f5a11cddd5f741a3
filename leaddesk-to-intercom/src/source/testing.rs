//! A LeadDesk for tests, on loopback, and help in reading sources.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex};

use futures::TryStreamExt as _;
use leaddesk_client::{OriginalClient, RetryPolicy};
use migrate_core::{Cursor, Page, Source};

use crate::config::Config;

/// All pages from a cursor on.
pub(crate) async fn read_all<S: Source>(source: &S, from: Option<Cursor>) -> Vec<Page<S::Record>> {
    source.read(from).try_collect().await.unwrap()
}

/// The keys of all records, with `!` before those that could not be read.
pub(super) fn keys<T>(pages: &[Page<T>]) -> Vec<String> {
    let items = pages.iter().flat_map(|page| &page.items);
    items
        .map(|item| match item {
            Ok(record) => record.key.to_string(),
            Err(bad) => format!("!{}", bad.key),
        })
        .collect()
}

/// The configuration of a folder of exports.
pub(super) fn folder_config(dir: &Path) -> Config {
    let text = format!(
        "[source]\nkind = 'export'\ntime_zone = 'Europe/Helsinki'\n[source.export]\ndir = '{}'\n\
         [destination]\nregion = 'eu'\n[map.agents]\nboss = 'boss@example.com'\n",
        dir.display()
    );
    Config::parse(&text, "test.toml").unwrap()
}

/// The query of a request, by name.
pub(super) type Query = HashMap<String, String>;

/// A server that answers the Original API by a function from the query to status and body.
#[derive(Clone)]
pub(super) struct LeadDesk {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl LeadDesk {
    pub(super) fn serve(answer: impl Fn(&Query) -> (u16, String) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (answer, log) = (Arc::new(answer), asked.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answer, log) = (answer.clone(), log.clone());
                std::thread::spawn(move || {
                    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
                    let first = lines.next().unwrap().unwrap();
                    while lines.next().is_some_and(|line| !line.unwrap().is_empty()) {}
                    let target = first.split(' ').nth(1).unwrap();
                    let url = url::Url::parse(&format!("http://leaddesk{target}")).unwrap();
                    let query: Query = url.query_pairs().into_owned().collect();
                    log.lock().unwrap().push(format!("{} {}", query["mod"], query["cmd"]));
                    let (status, body) = answer(&query);
                    let mut stream = stream;
                    let _ = write!(
                        stream,
                        "HTTP/1.1 {status} OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                        body.len()
                    );
                });
            }
        });
        Self { url, asked }
    }

    /// A client that neither waits nor tries again.
    pub(super) fn client(&self) -> OriginalClient {
        client_of(&self.url)
    }

    /// How often a command was asked for.
    pub(super) fn asked(&self, command: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|it| *it == command).count()
    }
}

pub(super) fn client_of(url: &str) -> OriginalClient {
    let mut settings = leaddesk_client::Settings::default();
    settings.requests_per_second = 10_000.0;
    settings.retry = RetryPolicy::default();
    settings.retry.max_attempts = 1;
    OriginalClient::builder("key".to_owned().into())
        .base_url(url)
        .settings(settings)
        .build()
        .unwrap()
}
