//! How the engine's types look on the BEAM: mirror types with conversions, and nothing else.
//!
//! Strings that come from a server stay strings. Only names that are spelled out here become atoms.

mod batch;
mod config;
mod error;
mod experiment;
mod json;
mod limits;
mod map;
mod metric;
mod row;
mod run;
mod server;
mod sync;

pub use batch::{BatchTerm, tags};
pub use config::ConfigTerm;
pub use error::ErrorTerm;
pub use experiment::{ExperimentTerm, SearchTerm};
pub use json::Json;
pub use limits::LimitsTerm;
pub use map::{MetricMap, StringMap};
pub use metric::{MetricTerm, MetricValueTerm, PointTerm, from_point, points};
pub use row::RowEncoder;
pub use run::{CreateRunTerm, RunTerm, RunUpdateTerm, StatusTerm};
pub use server::{BatchOfNews, ServerConfigTerm};
pub use sync::{OrderTerm, PreviewTerm, ReportTerm};

mod atoms {
    rustler::atoms! {
        nan,
        infinity,
        neg_infinity,
        scheduled,
        running,
        finished,
        failed,
        killed,
        active,
        deleted,
    }
}
