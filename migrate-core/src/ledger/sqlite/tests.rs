use super::*;
use crate::ledger::contract;

fn binding() -> Binding {
    Binding::new("desk:acme", "workspace:w1", "desk")
}

#[tokio::test(flavor = "multi_thread")]
async fn keeps_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let opened = std::sync::atomic::AtomicUsize::new(0);
    let fresh = || -> std::sync::Arc<dyn Ledger> {
        let n = opened.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = folder.path().join(format!("{n}.sqlite"));
        std::sync::Arc::new(SqliteLedger::open(path, &binding()).unwrap())
    };
    contract::check(fresh).await;
}
