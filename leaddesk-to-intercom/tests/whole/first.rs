//! A first run: everything arrives.

use crate::audit::audit;
use crate::bench::{Bench, assert_clean, ugly};

/// Every contact and call of an account with all ugly cases is where it belongs, once, and nothing
/// else is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_arrives_whole() {
    for seed in [3, 4] {
        let bench = Bench::new(ugly(seed)).await;
        let finished = bench.run().await;
        assert_clean(&audit(&bench.sandbox.account(), &bench.sandbox.workspace()));
        for queue in ["contacts_without_identifier", "shared_email", "calls_without_time"] {
            let waiting = finished.report.queues.get(queue).copied().unwrap_or_default();
            assert!(waiting > 0, "seed {seed} has no case for the queue {queue}");
        }
    }
}
