//! A server in front of the sandbox that says the same in another way, as another implementation of
//! the two APIs might.
//!
//! It writes HTTP/1.1 by hand, since no library would send header names in capitals.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Map, Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::wording::Wording;

/// Elements on a page of Intercom and of LeadDesk's REST API, whatever was asked for.
const INTERCOM_PAGE: usize = 3;
const REST_PAGE: usize = 7;

/// Stands before `behind`, the root of a server, until its runtime ends. Returns its own root, and the
/// count of calls that it passes on.
pub(crate) async fn start(behind: String) -> io::Result<(String, Arc<AtomicU64>)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let root = format!("http://{}", listener.local_addr()?);
    let (client, served) = (reqwest::Client::new(), Arc::new(AtomicU64::new(0)));
    let count = served.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (client, behind, served) = (client.clone(), behind.clone(), served.clone());
            // A connection that the client gives up is no concern of the others.
            tokio::spawn(async move { serve(stream, &client, &behind, &served).await });
        }
    });
    Ok((root, count))
}

struct Asked {
    method: String,
    path: String,
    query: Vec<(String, String)>,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

async fn serve(
    stream: TcpStream,
    client: &reqwest::Client,
    behind: &str,
    served: &AtomicU64,
) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    while let Some(mut asked) = read(&mut stream).await? {
        let offset = with_other_pages(&mut asked);
        let turn = served.fetch_add(1, Ordering::Relaxed);
        let method = reqwest::Method::from_bytes(asked.method.as_bytes());
        let mut url = url::Url::parse(behind).map_err(io::Error::other)?;
        url.set_path(&asked.path);
        url.query_pairs_mut().extend_pairs(&asked.query);
        let mut request =
            client.request(method.map_err(io::Error::other)?, url).body(asked.body.clone());
        for (name, value) in &asked.headers {
            request = request.header(name, value);
        }
        let reply = request.send().await.map_err(io::Error::other)?;
        let status = reply.status().as_u16();
        let kind = reply.headers().get("content-type").and_then(|it| it.to_str().ok());
        let kind = kind.unwrap_or_default().to_owned();
        let mut body = reply.bytes().await.map_err(io::Error::other)?.to_vec();
        if let Ok(mut value) = serde_json::from_slice::<Value>(&body) {
            cut(&mut value, &asked.path, offset);
            body = Wording::of(&asked.path, turn).write(value).into_bytes();
        }
        let status = if status == 200 && asked.method != "GET" { 201 } else { status };
        write(stream.get_mut(), status, &kind, &body).await?;
    }
    Ok(())
}

async fn read(stream: &mut BufReader<TcpStream>) -> io::Result<Option<Asked>> {
    let mut line = String::new();
    if stream.read_line(&mut line).await? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (mut headers, mut length) = (Vec::new(), 0);
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        match name.to_lowercase().as_str() {
            "content-length" => length = value.trim().parse().map_err(io::Error::other)?,
            "host" | "connection" | "accept-encoding" => {}
            _ => headers.push((name.to_owned(), value.trim().to_owned())),
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    let url = url::Url::parse(&format!("http://proxy{target}")).map_err(io::Error::other)?;
    let query = url.query_pairs().into_owned().collect();
    Ok(Some(Asked { method, path: url.path().to_owned(), query, headers, body }))
}

/// In pieces, without a length, and with names of headers in capitals. Of the reply's own headers
/// only the type is kept, so nothing is said about limits.
async fn write(stream: &mut TcpStream, status: u16, kind: &str, body: &[u8]) -> io::Result<()> {
    let head = format!(
        "HTTP/1.1 {status} Whatever\r\nCONTENT-TYPE: {kind}\r\nTRANSFER-ENCODING: chunked\r\n\r\n"
    );
    let mut reply = head.into_bytes();
    for piece in body.chunks(1_000) {
        reply.extend(format!("{:X}\r\n", piece.len()).bytes());
        reply.extend(piece);
        reply.extend(b"\r\n");
    }
    reply.extend(b"0\r\n\r\n");
    stream.write_all(&reply).await
}

/// Asks for pages of another size than the client did. Returns where in a list that the sandbox gives
/// whole the client wants to go on.
fn with_other_pages(asked: &mut Asked) -> usize {
    if asked.path.ends_with("/search") {
        if let Ok(Value::Object(mut body)) = serde_json::from_slice(&asked.body) {
            let pagination = body.entry("pagination").or_insert_with(|| json!({}));
            pagination["per_page"] = json!(INTERCOM_PAGE);
            asked.body = Value::Object(body).to_string().into_bytes();
        }
        return 0;
    }
    let size = match asked.path.as_str() {
        path if path.starts_with("/rest/") => REST_PAGE,
        path if path.ends_with("/notes") => INTERCOM_PAGE,
        path if is_given_whole(path) => {
            let is_cursor = |name: &str| name == "starting_after";
            let cursor = asked.query.iter().find(|(name, _)| is_cursor(name));
            let offset = cursor.and_then(|(_, cursor)| cursor.strip_prefix("from-")?.parse().ok());
            asked.query.retain(|(name, _)| !is_cursor(name));
            return offset.unwrap_or(0);
        }
        _ => return 0,
    };
    if asked.method == "GET" {
        asked.query.retain(|(name, _)| name != "per_page");
        asked.query.push(("per_page".into(), size.to_string()));
    }
    0
}

/// Lists of which it is not documented that they come in pages.
fn is_given_whole(path: &str) -> bool {
    path == "/tags" || path == "/data_attributes"
}

fn cut(reply: &mut Value, path: &str, offset: usize) {
    let Some(Value::Array(list)) = reply.get_mut("data").filter(|_| is_given_whole(path)) else {
        return;
    };
    let rest = list.split_off(list.len().min(offset));
    let more = rest.len() > INTERCOM_PAGE;
    *list = rest.into_iter().take(INTERCOM_PAGE).collect();
    if more {
        let next = json!({"starting_after": format!("from-{}", offset + INTERCOM_PAGE)});
        reply["pages"] = Value::Object(Map::from_iter([("next".to_owned(), next)]));
    }
}
