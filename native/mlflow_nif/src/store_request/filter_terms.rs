//! What rows and attempts are wanted.

use mlflow_store::history::HistoryFilter;
use mlflow_store::{Filter, Order, Result, StoreError};
use rustler::NifMap;

use super::object;
use crate::terms::Json;

#[derive(NifMap)]
#[rustler(decode)]
pub struct FilterTerm {
    equals: Json,
    newest_first: bool,
    limit: Option<u32>,
    offset: u32,
}

impl TryFrom<FilterTerm> for Filter {
    type Error = StoreError;

    fn try_from(term: FilterTerm) -> Result<Self> {
        Ok(Self {
            equals: object(term.equals)?,
            order: if term.newest_first {
                Order::Newest
            } else {
                Order::Oldest
            },
            limit: term.limit,
            offset: term.offset,
        })
    }
}

#[derive(NifMap)]
#[rustler(decode)]
pub struct HistoryFilterTerm {
    instance: String,
    equals: Json,
    trial: Option<String>,
    run: Option<String>,
    since: Option<i64>,
    limit: Option<u32>,
}

impl TryFrom<HistoryFilterTerm> for HistoryFilter {
    type Error = StoreError;

    fn try_from(term: HistoryFilterTerm) -> Result<Self> {
        Ok(Self {
            instance: term.instance,
            equals: object(term.equals)?,
            trial: term.trial,
            run: term.run,
            since: term.since,
            limit: term.limit,
        })
    }
}
