//! What a run leaves of agents, campaigns and counts of the chatbot: in its inventory, and in who is matched with whom.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use leaddesk_client::chatbot::Column;
use leaddesk_to_intercom::config::Config;
use leaddesk_to_intercom::runner::Runner;
use leaddesk_to_intercom::source::keys;
use leaddesk_to_intercom::state::StateDir;
use migrate_core::{Ledger as _, RunOptions, SqliteLedger};
use migrate_sandbox::{Account, AccountSpec, Sandbox};
use serde_json::Value;

use super::Becomes::{Decides, Inventoried, LeftOut};
use super::{calling_list, campaign, chatbot, user};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_leaves_what_is_decided() {
    let spec = AccountSpec::plain(3, 1).with(|spec| spec.agents_without_teammate = 0.5);
    let account = Account::generate(&spec);
    let dir = tempfile::tempdir().unwrap();
    run(&account, dir.path()).await;
    let state = dir.path().join("state");
    let file = |name: &str| -> Value {
        serde_json::from_slice(&fs::read(state.join("inventory").join(name)).unwrap()).unwrap()
    };

    let campaigns = file("campaigns.json");
    for (field, becomes) in campaign() {
        assert!(matches!(becomes, Inventoried), "{field}");
        for own in &account.campaigns {
            let own = serde_json::to_value(own).unwrap();
            assert!(tells(&campaigns, &own["id"], field, &own[field]), "{field} is not there");
        }
    }

    let ledger = SqliteLedger::open_read_only(state.join("ledger.sqlite")).unwrap();
    let invited = file("teammates_to_invite.json");
    let (matched, strangers): (Vec<_>, Vec<_>) =
        account.agents.iter().partition(|agent| agent.has_teammate);
    assert!(!matched.is_empty() && strangers.iter().any(|agent| agent.office.is_some()));
    for (field, becomes) in user() {
        match becomes {
            Inventoried => {
                for agent in &strangers {
                    let own = serde_json::to_value(agent).unwrap();
                    let there = tells(&invited, &own["id"], field, &own[field]);
                    assert!(there, "{field} is not there");
                }
            }
            Decides(what, _) => {
                for agent in &account.agents {
                    let key = keys::agent(agent.id);
                    let entry = ledger.entries(&[key]).await.unwrap().remove(0);
                    let target = entry.and_then(|entry| entry.target);
                    assert_eq!(target.is_some(), agent.has_teammate, "{field}: {what}");
                    let known = ledger.known_as(&[keys::username(&agent.username)]).await.unwrap();
                    assert_eq!(known[0].len(), 1, "{field}: {what}");
                }
            }
            LeftOut(_) => {}
            _ => panic!("{field}: nothing is written of agents"),
        }
    }
    let report: Value =
        serde_json::from_slice(&fs::read(state.join("report.json")).unwrap()).unwrap();
    let stages = report["stages"].as_array().unwrap();
    let contacts = stages.iter().find(|stage| stage["name"] == "contacts").unwrap();
    let decides = calling_list().into_iter().any(|(_, becomes)| matches!(becomes, Decides(..)));
    assert!(decides && contacts["read"] == account.contacts.len(), "lists decide who is read");

    let analytics = file("chatbot_analytics.json");
    let files = analytics["files"].as_array().unwrap();
    let counted = files.iter().find(|file| file["kind"] == "timing").unwrap();
    for (column, cell) in chatbot::counts() {
        assert_eq!(counted["data"][0][column], cell, "{column}");
    }
}

/// Does the item of this id say this?
fn tells(items: &Value, id: &Value, field: &str, value: &Value) -> bool {
    let same = |one: &Value, other: &Value| plain(one) == plain(other);
    let mut items = items.as_array().unwrap().iter();
    items.any(|item| same(&item["id"], id) && same(&item[field], value))
}

/// An id may be a number or a text.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Runs the account by API, beside an export of the chatbot with counts.
async fn run(account: &Account, dir: &Path) {
    let sandbox = Sandbox::builder(account.clone()).quota(600_000).start().await.unwrap();
    let endpoints = sandbox.endpoints().clone();
    let chatbot = dir.join("chatbot");
    fs::create_dir(&chatbot).unwrap();
    let (headings, cells): (Vec<&str>, Vec<&str>) = chatbot::counts().unzip();
    let counts = format!("{}\n{}\n", headings.join(","), cells.join(","));
    fs::write(chatbot.join("timing.csv"), counts).unwrap();
    let said = "conversation_id,timestamp,user_text\nc-1,2024-07-15 12:00:00,Hei\n";
    fs::write(chatbot.join("conversations.csv"), said).unwrap();
    let aliases: String = Column::all().map(|it| format!("{0} = '{0}'\n", it.name())).collect();
    fs::write(dir.join("aliases.toml"), aliases).unwrap();
    let text = format!(
        "[source]\nkind = 'api'\ntime_zone = '{}'\nrequests_per_second = 10000.0\n\
         [source.original]\nbase_url = '{}'\n[source.rest]\nbase_url = '{}'\naccount_id = '{}'\n\
         [source.calls]\nlast_call = true\n[source.chatbot]\nzip = '{}'\naliases = '{}'\n\
         [destination]\nbase_url = '{}'\nfallback_admin = '{}'\nworkspace_limit = 600000\n\
         search_lag_horizon = '1s'\nsettle_after = '1s'\n\
         [preflight.waive]\nchatbot_period = 'it is a part of one'\n",
        endpoints.time_zone,
        endpoints.leaddesk_original,
        endpoints.leaddesk_rest,
        endpoints.leaddesk_account_id,
        chatbot.display(),
        dir.join("aliases.toml").display(),
        endpoints.intercom,
        endpoints.fallback_admin,
    );
    let config = Config::parse(&text, "test.toml").unwrap();
    let runner = Runner::new(config, StateDir::create(dir.join("state")).unwrap());
    let runner = runner.accept_proposal(true).secrets(Arc::new(move |name| match name {
        "LEADDESK_API_KEY" => Some(endpoints.leaddesk_key.clone()),
        "LEADDESK_CLIENT_ID" => Some(endpoints.leaddesk_client_id.clone()),
        "LEADDESK_CLIENT_SECRET" => Some(endpoints.leaddesk_client_secret.clone()),
        "INTERCOM_TOKEN" => Some(endpoints.intercom_token.clone()),
        _ => None,
    }));
    let finished = runner.run(&RunOptions::default()).await.unwrap();
    assert!(finished.report.accounted);
}
