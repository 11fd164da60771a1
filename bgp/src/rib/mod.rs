//! Routes: what we originate, what peers teach, what each peer has been told.

mod adj_in;
mod adj_out;
mod attributes;
mod best_path;
mod destination;
mod essence;
mod export;
mod group;
mod groups;
mod import;
mod intern;
mod learned_path;
mod loc_rib;
mod next_hops;
mod queue;
mod reader;

pub(crate) use adj_in::{AdjRibIn, Received};
pub use attributes::RouteAttributes;
pub(crate) use best_path::Decision;
pub use export::ExportedRoute;
pub(crate) use export::{ExportContext, ExportProfile};
pub(crate) use group::{Told, Window};
pub(crate) use groups::{Originated, UpdateGroups};
pub(crate) use import::{ImportMemo, Importer};
pub(crate) use intern::Interner;
pub use learned_path::{LearnedPath, PathSource, Stale, Via};
pub(crate) use loc_rib::{Choice, LocRib};
pub(crate) use reader::Batch;
