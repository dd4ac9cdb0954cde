//! Where a search over runs begins: with a few runs that one of its comparisons picks, with a
//! metric's values in their order, or with all runs of its experiments.

use rusqlite::{Connection, params_from_iter};

use super::run_filter;
use super::runs::RunSearch;
use crate::tracking::error::Result;
use crate::tracking::query::{Comparison, Condition, OrderBy, Subject};

/// So few runs are picked and sorted faster than any order is followed.
const FEW: i64 = 1_000;
/// How many values of a metric are looked at to see whether they belong to the search.
const SAMPLE: i64 = 512;
/// One of so many must, for following the metric's order to be worth it.
const SHARE: i64 = 16;

#[derive(Clone, Debug)]
pub enum Source {
    /// The look-up of a few runs' numbers.
    Few(Condition),
    /// The order of a metric's values, for the runs that have a value of it.
    Metric,
    All,
}

pub fn choose(conn: &Connection, search: &RunSearch, scope: &Condition) -> Result<Source> {
    if let Some(lookup) = fewest(conn, &search.filter)? {
        return Ok(Source::Few(lookup));
    }
    let Some(OrderBy {
        subject: Subject::Metric(key),
        ascending,
    }) = search.order_by.first()
    else {
        return Ok(Source::All);
    };
    match run_filter::metric_key(conn, key)? {
        Some(key_no) if leads_to_scope(conn, search, scope, key_no, *ascending)? => {
            Ok(Source::Metric)
        }
        _ => Ok(Source::All),
    }
}

fn fewest(conn: &Connection, filter: &[Comparison]) -> Result<Option<Condition>> {
    let mut fewest = None;
    for comparison in filter {
        let Some(lookup) = run_filter::lookup(conn, comparison)? else {
            continue;
        };
        let most = fewest.as_ref().map_or(FEW, |(count, _)| *count);
        let count = count_up_to(conn, &lookup, most)?;
        if count < most {
            fewest = Some((count, lookup));
        }
    }
    Ok(fewest.map(|(_, lookup)| lookup))
}

fn count_up_to(conn: &Connection, lookup: &Condition, most: i64) -> Result<i64> {
    let mut count = Condition::new("SELECT count(*) FROM (");
    count.append(lookup.clone());
    count.push(" LIMIT ").bind(most).push(")");
    let mut statement = conn.prepare_cached(&count.sql)?;
    Ok(statement.query_row(params_from_iter(count.params), |row| row.get(0))?)
}

/// Whether enough of the metric's first values are of runs in the search's experiments.
fn leads_to_scope(
    conn: &Connection,
    search: &RunSearch,
    scope: &Condition,
    key_no: i64,
    ascending: bool,
) -> Result<bool> {
    let mut sample =
        Condition::new("SELECT run_no FROM latest_metrics WHERE is_nan = 0 AND key_no = ");
    sample.bind(key_no);
    let bounds = search.filter.iter();
    for bound in bounds.filter(|comparison| search.bounds_order(comparison)) {
        sample.and(run_filter::metric_test(
            "latest_metrics",
            bound.comparator,
            &bound.value,
        ));
    }
    sample.push(if ascending {
        " ORDER BY value"
    } else {
        " ORDER BY value DESC"
    });
    sample.push(" LIMIT ").bind(SAMPLE);

    let mut count = Condition::new("SELECT count(*), coalesce(sum(");
    count.append(scope.clone()).push("), 0) FROM (");
    count.append(sample);
    count.push(") AS sampled CROSS JOIN runs ON runs.run_no = sampled.run_no");
    let mut statement = conn.prepare_cached(&count.sql)?;
    let (sampled, fitting): (i64, i64) =
        statement.query_row(params_from_iter(count.params), |row| row.try_into())?;
    Ok(sampled > 0 && fitting * SHARE >= sampled)
}
