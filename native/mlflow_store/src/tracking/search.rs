//! Searches, a page at a time. A page's token says where its last row stood in the order, and not
//! how many rows came before: the next page is right however many arrive in between.

mod datasets;
mod experiments;
mod logged_models;
mod model_versions;
mod order;
mod page;
mod registered_models;
mod run_filter;
mod run_source;
mod run_values;
mod runs;
mod size;
mod token;

pub use datasets::{DatasetSummary, datasets};
pub use experiments::{ExperimentSearch, experiments};
pub use logged_models::{
    DatasetFilter, LOGGED_MODEL_ATTRIBUTES, LoggedModelSearch, ModelOrder, logged_models,
};
pub use model_versions::model_versions;
pub use page::Page;
pub use registered_models::{RegistrySearch, registered_models};
pub use runs::{RunSearch, runs};
pub use token::PageToken;
