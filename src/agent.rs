//! The loop: wait, snapshot, exposures, wiring, diff, apply, report.
