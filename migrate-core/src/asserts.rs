//! What the compiler must be able to prove: traits are object-safe, handles can go anywhere, and
//! what lacks a trait is refused.

use crate::*;

/// Proves, as a test of the documentation, that a bound lets one type pass and not another.
macro_rules! bounds {
    ($($name:ident: $bound:literal, $passes:literal, $is_refused:literal;)*) => {$(
        #[cfg(doctest)]
        #[doc = concat!(
            "```\nuse migrate_core::*;\nfn takes<T: ", $bound, " + ?Sized>() {}\n",
            "takes::<", $passes, ">();\n```\n\n",
            "```compile_fail\nuse migrate_core::*;\nfn takes<T: ", $bound, " + ?Sized>() {}\n",
            "takes::<", $is_refused, ">();\n```",
        )]
        struct $name;
    )*};
}

bounds! {
    ASource: "Source", "testkit::ScriptedSource<u8>", "Vec<u8>";
    ALookup: "Lookup", "testkit::ScriptedSource<u8>", "DeadLetters";
    AMapper: "Mapper<u8>", "MapFn<fn(Record<u8>, &mut Emit<u8>), u8>", "fn(Record<u8>, &mut Emit<u8>)";
    ADraft: "Draft", "DeadLetter", "String";
    ASink: "Sink<DeadLetter>", "ChannelSink<DeadLetter>", "ChannelSink<String>";
    AGrouping: "Grouping<u8>", "dyn Grouping<u8>", "dyn Grouping<u16>";
    ALedger: "Ledger", "MemoryLedger", "Vec<u8>";
    AnObserver: "Observer", "(Metered, fn(&Event<'_>))", "fn(u8)";
    AStage: "Stage", "dyn Stage", "testkit::ScriptedSource<u8>";
    AVerifier: "Verify<u8>", "dyn Verify<u8>", "ChannelSink<u8>";
    AnUndo: "Undo", "dyn Undo", "ChannelSink<u8>";
}

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
    object::<dyn Verify<()>>();
    object::<dyn Undo>();
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
    is_sent_and_shared::<ChannelSink<()>>();
    is_sent_and_shared::<Chain<std::sync::Arc<dyn Source<Record = ()>>>>();
    is_sent_and_shared::<FanOut<()>>();
    is_sent_and_shared::<Tee<ChannelSink<()>, ChannelSink<()>>>();
    is_sent_and_shared::<RateLimited<ChannelSink<()>>>();
    is_sent_and_shared::<Verification>();
    is_sent_and_shared::<Rollback>();
    is_sent_and_shared::<std::sync::Arc<dyn Verify<()>>>();
    is_sent_and_shared::<std::sync::Arc<dyn Undo>>();
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
