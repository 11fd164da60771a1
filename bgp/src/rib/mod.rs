//! Routes: what we originate, what peers teach, what each peer has been told.

mod adj_in;
mod adj_out;
mod attributes;
mod best_path;
mod export;
mod import;
mod learned_path;

pub(crate) use adj_in::AdjRibIn;
pub(crate) use adj_out::{AdjRibOut, Batch};
pub(crate) use attributes::AttributeStore;
pub use attributes::RouteAttributes;
pub(crate) use best_path::best;
pub(crate) use export::{ExportContext, NextHops};
pub(crate) use import::{ImportContext, import};
pub use learned_path::{LearnedPath, PathSource, Stale};
