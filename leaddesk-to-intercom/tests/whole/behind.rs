//! What a verification finds when somebody has changed things behind the migration's back.

use leaddesk_to_intercom::runner::Exit;
use migrate_sandbox::workspace::{Contact, Conversation};
use migrate_sandbox::{Account, AccountSpec};
use serde_json::json;

use crate::bench::Bench;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_damage_is_named_and_nothing_else() {
    let bench = Bench::new(Account::generate(&AccountSpec::plain(30, 8))).await;
    bench.run().await;
    assert_eq!(bench.verify().await.report.verify.unwrap().mismatches, []);
    let writes = bench.writes();

    let mut expected: Vec<(String, String, String)> = Vec::new();
    bench.sandbox.edit(|workspace| {
        let mut person = |at: usize, field: &str, class: &str, damage: &dyn Fn(&mut Contact)| {
            let contact = &mut workspace.contacts[at];
            let key = contact.external_id.clone().unwrap_or_default();
            let key = key.trim_start_matches("leaddesk:").to_owned();
            damage(contact);
            expected.push((key, field.to_owned(), class.to_owned()));
        };
        person(0, "ld_batch", "lost", &|it| {
            it.custom_attributes.remove("ld_batch");
        });
        person(1, "ld_batch", "altered", &|it| {
            it.custom_attributes.insert("ld_batch".into(), json!("another"));
        });
        person(2, "name", "altered", &|it| it.name = Some("Somebody Else".into()));
        person(3, "phone", "lost", &|it| it.phone = None);
        person(4, "signed_up_at", "altered", &|it| it.signed_up_at = Some(1));

        let mut call = |at: usize, field: &str, class: &str, damage: &dyn Fn(&mut Conversation)| {
            let conversation = &mut workspace.conversations[at];
            let key = conversation.source.body.rsplit(' ').next().unwrap_or_default();
            let key = format!("call:{key}");
            damage(conversation);
            expected.push((key, field.to_owned(), class.to_owned()));
        };
        call(0, "ld_agent__c", "lost", &|it| {
            it.custom_attributes.remove("ld_agent__c");
        });
        call(1, "ld_talk_time__c", "altered", &|it| {
            it.custom_attributes.insert("ld_talk_time__c".into(), json!(987_654));
        });
        call(2, "body", "altered", &|it| it.source.body = it.source.body.replace("call", "talk"));
        call(3, "created_at", "altered", &|it| it.created_at += 3600);
        call(4, "state", "altered", &|it| it.state = "open".into());

        let last = workspace.conversations.len() - 1;
        let outcome = |name: &str| name.starts_with("ld_outcome_");
        let names = workspace.tag_names(&workspace.conversations[last].tags);
        let name = names.into_iter().find(|name| outcome(name)).unwrap_or_default().to_owned();
        let id = workspace.tags.iter().find(|tag| tag.name == name).map(|tag| tag.id.clone());
        let tagged = &mut workspace.conversations[last];
        tagged.tags.retain(|tag| Some(&tag.id) != id.as_ref());
        let number = |body: &str| body.rsplit(' ').next().map(|id| format!("call:{id}"));
        expected.extend(
            number(&tagged.source.body).map(|key| (key, format!("tag {name}"), "lost".into())),
        );

        let says = |it: &Conversation| it.parts.iter().any(|part| part.body.is_some());
        let remarked = workspace.conversations[10..].iter_mut().find(|it| says(it));
        if let Some(remarked) = remarked {
            remarked.parts.retain(|part| part.body.is_none());
            let key = number(&remarked.source.body);
            expected.extend(key.map(|key| (key, "remark:1".into(), "lost".into())));
        }
        let gone = workspace.conversations.remove(6);
        let key = number(&gone.source.body);
        expected.extend(key.map(|key| (key, "conversation".into(), "missing".into())));
    });
    expected.sort();

    let finished = bench.verify().await;
    let verified = finished.report.verify.unwrap();
    let mut found: Vec<_> =
        verified.mismatches.into_iter().map(|it| (it.key, it.field, it.class)).collect();
    found.sort();
    assert_eq!(found, expected);
    assert_eq!(verified.checked - verified.matched, 13);
    assert_eq!(finished.exit, Exit::Attention);
    assert_eq!(bench.writes(), writes, "a verification writes nothing");
}
