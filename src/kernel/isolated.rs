//! Tests that need a kernel of their own.

use std::future::Future;

/// Plays a test in a network namespace that goes with it. Where that may not be, the test is skipped, and counted so.
pub(super) fn isolated<F: Future>(test: impl FnOnce() -> F + Send + 'static) {
    let in_a_namespace = || {
        if let Err(error) = nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET) {
            interop::requirement::skip(&format!("no network namespace of one's own: {error}"));
            return;
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(test());
    };
    std::thread::spawn(in_a_namespace).join().unwrap();
}
