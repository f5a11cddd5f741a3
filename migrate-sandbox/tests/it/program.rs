use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_migrate-sandbox"));
    command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// The one line it prints when it is ready.
fn line(child: &mut Child) -> Value {
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap()
}

#[cfg(unix)]
#[tokio::test]
async fn it_says_where_it_listens_and_ends_well_at_sigterm() {
    let dir = tempfile::tempdir().unwrap();
    let faults = dir.path().join("faults.toml");
    std::fs::write(&faults, "[leaddesk]\nerror_before = 1.0\n").unwrap();
    let export = dir.path().join("export");
    let chatbot = dir.path().join("chatbot.zip");
    let (faults, export) = (faults.to_str().unwrap(), export.to_str().unwrap());
    let mut arguments =
        vec!["--contacts", "30", "--search-lag", "0.5", "--faults", faults, "--export", export];
    arguments.extend(["--chatbot", chatbot.to_str().unwrap()]);
    let mut child = program(&arguments).spawn().unwrap();
    let line = line(&mut child);
    assert_eq!(line["time_zone"], "Europe/Helsinki");
    let url = format!("{}/me", line["intercom"].as_str().unwrap());
    let reply = reqwest::Client::new()
        .get(url)
        .bearer_auth(line["intercom_token"].as_str().unwrap())
        .send()
        .await
        .unwrap();
    assert_eq!(reply.status(), 200);
    assert!(
        reqwest::get(line["leaddesk_original"].as_str().unwrap())
            .await
            .unwrap()
            .status()
            .is_server_error()
    );
    assert!(std::path::Path::new(export).join("contacts.csv").exists());
    assert!(std::fs::read(&chatbot).unwrap().starts_with(b"PK"));
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    assert!(child.wait().unwrap().success());
}

#[test]
fn bad_arguments_end_with_one_clear_message() {
    let dir = tempfile::tempdir().unwrap();
    let faults = dir.path().join("faults.toml");
    std::fs::write(&faults, "[intercom]\nlost_replies = 0.1\n").unwrap();
    let cases = [
        (vec!["--chatbot", "no/such/folder/x.zip"], "x.zip"),
        (vec!["--faults", faults.to_str().unwrap()], "lost_replies"),
        (vec!["--search-lag=-1"], "--search-lag"),
    ];
    for (arguments, expected) in cases {
        let output = program(&arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let message = String::from_utf8(output.stderr).unwrap();
        assert!(message.contains(expected), "{message}");
        assert!(output.stdout.is_empty());
    }
}
