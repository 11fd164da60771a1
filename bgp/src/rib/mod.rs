//! Routes: what we originate, what peers teach, what each peer has been told.

mod adj_in;
mod adj_out;
mod attributes;
mod best_path;
mod export;
mod import;
mod intern;
mod learned_path;
mod loc_rib;

pub(crate) use adj_in::{AdjRibIn, Received};
pub(crate) use adj_out::{AdjRibOut, Batch};
pub use attributes::RouteAttributes;
pub(crate) use export::{ExportContext, NextHops};
pub(crate) use import::{ImportMemo, Importer};
pub(crate) use intern::Interner;
pub use learned_path::{LearnedPath, PathSource, Stale};
pub use loc_rib::Reachability;
pub(crate) use loc_rib::{Choice, LocRib};
