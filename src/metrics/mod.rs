//! Metrics for Prometheus, on `[bgp] metrics_listen`.
//!
//! ```text
//!   GET /metrics ──► server ──► collect: asks the speaker and the agent, as `show` does ──► exposition: text
//!                                        histograms, filled where things happen
//! ```

mod collect;
mod exposition;
mod histogram;
mod node;
mod process;
mod server;
mod sessions;
mod tenants;

pub use collect::Collector;
pub use exposition::{Exposition, Kind};
pub use histogram::{Histogram, HistogramSnapshot};
pub use server::{MetricsError, serve};
