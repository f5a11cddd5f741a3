//! What the compiler must be able to prove: traits are object-safe, and handles can go anywhere.

use crate::*;

fn is_sent_and_shared<T: Send + Sync + 'static>() {}

fn is_sent<T: Send>(_: &T) {}

#[test]
fn traits_are_object_safe() {
    fn object<T: ?Sized>() {}
    object::<dyn Source<Record = ()>>();
    object::<dyn Lookup<Record = ()>>();
    object::<dyn Mapper<(), Out = ()>>();
    object::<dyn Sink<()>>();
    object::<dyn Grouping<()>>();
    object::<dyn Ledger>();
    object::<dyn Observer>();
    object::<dyn Stage>();
}

#[test]
fn handles_can_be_sent_and_shared() {
    is_sent_and_shared::<std::sync::Arc<dyn Source<Record = ()>>>();
    is_sent_and_shared::<std::sync::Arc<dyn Mapper<(), Out = ()>>>();
    is_sent_and_shared::<std::sync::Arc<dyn Sink<()>>>();
    is_sent_and_shared::<std::sync::Arc<dyn Ledger>>();
    is_sent_and_shared::<Plan>();
    is_sent_and_shared::<Run>();
    is_sent_and_shared::<RunBuilder>();
    is_sent_and_shared::<StopSignal>();
    is_sent_and_shared::<MemoryLedger>();
    #[cfg(feature = "sqlite")]
    is_sent_and_shared::<SqliteLedger>();
    is_sent_and_shared::<Metered>();
    is_sent_and_shared::<DeadLetters>();
    is_sent_and_shared::<JsonLines>();
    is_sent_and_shared::<RunError>();
    is_sent_and_shared::<SourceError>();
    is_sent_and_shared::<ledger::LedgerError>();
    is_sent_and_shared::<Write<()>>();
}

#[test]
fn a_run_can_be_spawned() {
    let plan = Plan::new();
    let run = async move {
        let run = Run::on(std::sync::Arc::new(MemoryLedger::new())).begin().await?;
        plan.run(&run, &RunOptions::default()).await
    };
    is_sent(&run);
}
