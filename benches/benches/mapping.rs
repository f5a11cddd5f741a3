//! How fast are records mapped and validated? One contact of twelve fields and one phone, on one
//! thread, through the ready-made mapper: names, address, number to E.164, times to UTC, texts
//! checked, drafts made.
//!
//! `cargo bench -p migration-benches --bench mapping`

#![allow(missing_docs, reason = "criterion's macros make items that cannot be documented")]
#![allow(clippy::expect_used, reason = "a bench has nobody to report an error to")]

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use leaddesk_to_intercom::config::Config;
use leaddesk_to_intercom::draft::ContactDraft;
use leaddesk_to_intercom::map::ContactMapper;
use leaddesk_to_intercom::source::ListedContact;
use migrate_core::{Emit, Fingerprint, Key, Mapper, Record};
use serde_json::json;

const RECORDS: u64 = 1_000;

fn contacts() -> Vec<Record<ListedContact>> {
    let contact = |n: u64| {
        let contact = json!({
            "id": n.to_string(), "fname": "Anna", "lname": format!("Example {n}"),
            "email": format!("Anna.Example{n}@Example.com"), "phone": format!("040 12{:05}", n % 100_000),
            "title": "CEO", "office": "Example Oy", "address": "Katu 1", "postal": "00100",
            "city": "Helsinki", "country": "Finland",
            "created_at": "2024-01-15 12:00:00", "updated_at": "2024-07-15 12:00:00",
        });
        let contact = serde_json::from_value(contact).expect("a contact");
        Record::new(Key::new("contact", n), ListedContact::new(contact, Vec::new()))
    };
    (0..RECORDS).map(contact).collect()
}

fn mapping(criterion: &mut Criterion) {
    let text =
        "[source]\nkind = 'api'\ntime_zone = 'Europe/Helsinki'\n[destination]\nregion = 'eu'\n";
    let config = Config::parse(text, "bench.toml").expect("a configuration");
    let mapper = ContactMapper::new(&config);
    let contacts = contacts();
    let mut group = criterion.benchmark_group("mapping");
    group.throughput(Throughput::Elements(RECORDS));
    let copies = || contacts.clone();
    let map = |record: Record<ListedContact>| {
        let mut out: Emit<ContactDraft> = Emit::default();
        mapper.map(record, &mut out);
        out
    };
    group.bench_function("map and validate", |bencher| {
        let all = |records: Vec<Record<ListedContact>>| {
            records.into_iter().for_each(|record| drop(black_box(map(record))));
        };
        bencher.iter_batched(copies, all, BatchSize::LargeInput);
    });
    // What the engine does with a draft before it can say that nothing has changed.
    group.bench_function("map, validate and fingerprint", |bencher| {
        let all = |records: Vec<Record<ListedContact>>| {
            for record in records {
                for (_, draft) in map(record).drafts() {
                    let bytes = serde_json::to_vec(draft).expect("JSON");
                    black_box(Fingerprint::of(&bytes));
                }
            }
        };
        bencher.iter_batched(copies, all, BatchSize::LargeInput);
    });
    group.finish();
}

criterion_group!(benches, mapping);
criterion_main!(benches);
