//! How much does it take to move records between two services that nobody here knows?
//!
//! `cargo run --example integrators_day`
//!
//! Teahouse keeps its guests in a list, Ledgerdary keeps cards. What an integrator writes stands
//! between the two marks, in under sixty lines: a source, a draft, a mapper, a sink. The rest of
//! this file are the two services, and a day with them: a reply gets lost, a guest changes a name.

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::sync::Arc;
use std::time::Duration;

use migrate_core::ledger::Binding;
use services::{Ledgerdary, LostReply, Teahouse};

// --- what the integrator writes ---------------------------------------------------------------

use futures::stream::{self, BoxStream, StreamExt};
use migrate_core::*;
use serde::{Deserialize, Serialize};

/// The guests of Teahouse, twenty to a page.
impl Source for Teahouse {
    type Record = (u32, String);

    fn read(
        &self,
        from: Option<Cursor>,
    ) -> BoxStream<'static, Result<Page<Self::Record>, SourceError>> {
        let start = from.and_then(|cursor| cursor.as_str().parse().ok()).unwrap_or(0);
        let (tea, count) = (self.clone(), self.count());
        let pages = (start..count).step_by(20).map(move |at| {
            let guests = tea.guests(at, 20).into_iter();
            let items = guests.map(|guest| Ok(Record::new(Key::new("guest", guest.0), guest)));
            Ok(Page::new(items, (at + 20 < count).then(|| Cursor::new((at + 20).to_string()))))
        });
        stream::iter(pages).boxed()
    }

    fn estimate(&self) -> Estimate {
        Estimate::Exactly(self.count() as u64)
    }
}

/// A card of Ledgerdary. It has no key of its own there, so a second write would make a twin.
#[derive(Clone, Serialize, Deserialize)]
struct Card {
    guest: u32,
    name: String,
}

impl Draft for Card {
    fn repeat(&self) -> Repeat {
        Repeat::Never
    }
}

fn card(guest: Record<(u32, String)>, out: &mut Emit<Card>) {
    match guest.body {
        (_, name) if name.is_empty() => out.skip(Reason::new("nameless", "the guest has no name")),
        (guest, name) => out.push(Card { guest, name }),
    }
}

#[async_trait]
impl Sink<Card> for Ledgerdary {
    async fn write(&self, batch: Vec<Write<Card>>) {
        for write in batch {
            let Card { guest, name } = &write.draft;
            let known = write.known_as.as_ref().map(|it| it.target.as_str().to_owned());
            match self.put(known.as_deref(), *guest, name) {
                Ok(id) if known.is_some() => write.updated(TargetId::new(id)),
                Ok(id) => write.created(TargetId::new(id)),
                Err(LostReply) => write.failed(Failure::new(FailureKind::InDoubt, "no reply")),
            }
        }
    }

    async fn find(&self, doubt: &Doubt<Card>) -> Result<Found, Failure> {
        let card = self.find(doubt.draft.guest).map(TargetId::new);
        Ok(card.map_or(Found::No(Evidence::Read), Found::Yes))
    }

    fn limits(&self) -> Limits {
        Limits::one_by_one(8)
    }
}

// --- the end of what the integrator writes ----------------------------------------------------

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (tea, cards, folder) = (Teahouse::open(100), Ledgerdary::default(), tempfile::tempdir()?);
    let stage = Pipeline::new("guests", tea.clone(), map_fn(card), cards.clone());
    let plan = Plan::new().stage(stage, &[]);
    let binding = Binding::new("teahouse", "ledgerdary", "tea");
    let ledger = Arc::new(SqliteLedger::open(folder.path().join("ledger.sqlite"), &binding)?);
    // Ledgerdary never does anything later than it answers, so doubt is settled at once.
    let patience = Patience::new(Duration::from_millis(50), Duration::ZERO);

    for day in ["the first day", "the same again", "a guest has married"] {
        if day == "a guest has married" {
            tea.rename(7, "Guest Seven-Example");
        }
        let writes = cards.writes();
        let run = Run::on(ledger.clone()).patience(patience).begin().await?;
        plan.run(&run, &RunOptions::default()).await?;
        let tally = run.tally("guests");
        println!(
            "{day}: {} created, {} updated, {} unchanged, {} skipped, with {} writes",
            tally.of(Fate::Created),
            tally.of(Fate::Updated),
            tally.of(Fate::Unchanged),
            tally.of(Fate::Skipped),
            cards.writes() - writes,
        );
    }
    assert_eq!(cards.count(), 99, "one card for each guest with a name, whatever got lost");
    assert_eq!(cards.writes(), 100, "nothing was written twice, and one card was changed");

    let standing = Standing::of(&*ledger, &["guests"], &Default::default(), |_| {}).await?;
    println!("every guest accounted for: {}", standing.accounted);
    assert!(standing.accounted);
    Ok(())
}

/// The two services, as far as they matter here.
mod services {
    use std::sync::{Arc, Mutex, PoisonError};

    /// A list of guests.
    #[derive(Clone)]
    pub(crate) struct Teahouse(Arc<Mutex<Vec<String>>>);

    impl Teahouse {
        /// So many guests; the last one has no name.
        pub(crate) fn open(guests: usize) -> Self {
            let name = |n| if n + 1 < guests { format!("Guest {n}") } else { String::new() };
            Self(Arc::new(Mutex::new((0..guests).map(name).collect())))
        }

        pub(crate) fn count(&self) -> usize {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
        }

        pub(crate) fn guests(&self, from: usize, count: usize) -> Vec<(u32, String)> {
            let guests = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            (0..).zip(guests.iter().cloned()).skip(from).take(count).collect()
        }

        pub(crate) fn rename(&self, guest: usize, name: &str) {
            name.clone_into(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner)[guest]);
        }
    }

    /// Cards, in the order in which they were made. Every tenth reply gets lost.
    #[derive(Clone, Default)]
    pub(crate) struct Ledgerdary(Arc<Mutex<Cards>>);

    #[derive(Default)]
    struct Cards {
        cards: Vec<(u32, String)>,
        writes: usize,
    }

    pub(crate) struct LostReply;

    impl Ledgerdary {
        /// Writes a new card, or over one that is there.
        pub(crate) fn put(
            &self,
            id: Option<&str>,
            guest: u32,
            name: &str,
        ) -> Result<String, LostReply> {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            all.writes += 1;
            let card = (guest, name.to_owned());
            let place = match id.and_then(|id| id.parse::<usize>().ok()) {
                Some(place) if place < all.cards.len() => {
                    all.cards[place] = card;
                    place
                }
                _ => {
                    all.cards.push(card);
                    all.cards.len() - 1
                }
            };
            if all.writes.is_multiple_of(10) { Err(LostReply) } else { Ok(place.to_string()) }
        }

        pub(crate) fn find(&self, guest: u32) -> Option<String> {
            let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            all.cards.iter().position(|card| card.0 == guest).map(|place| place.to_string())
        }

        pub(crate) fn count(&self) -> usize {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).cards.len()
        }

        pub(crate) fn writes(&self) -> usize {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).writes
        }
    }
}
