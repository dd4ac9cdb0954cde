//! What is there twice is sent once.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use super::OPERATION;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Metric, Param, Tag};
use crate::validate::quoted;

pub(super) fn params(params: &[Param]) -> Result<Vec<&Param>> {
    let mut values: HashMap<&str, &Param> = HashMap::with_capacity(params.len());
    let mut distinct = Vec::with_capacity(params.len());
    for param in params {
        match values.entry(&param.key) {
            Entry::Vacant(place) => {
                place.insert(param);
                distinct.push(param);
            }
            Entry::Occupied(earlier) if earlier.get().value != param.value => {
                return Err(two_values(earlier.get(), param));
            }
            Entry::Occupied(_) => {}
        }
    }
    Ok(distinct)
}

/// In the order in which each key came first, with the value that came last.
pub(super) fn tags(tags: &[Tag]) -> Vec<&Tag> {
    let mut places: HashMap<&str, usize> = HashMap::with_capacity(tags.len());
    let mut distinct = Vec::with_capacity(tags.len());
    for tag in tags {
        match places.entry(&tag.key) {
            Entry::Vacant(place) => {
                place.insert(distinct.len());
                distinct.push(tag);
            }
            Entry::Occupied(place) => distinct[*place.get()] = tag,
        }
    }
    distinct
}

/// Points mostly come in the order of time. Of such a key none can be there twice, and there is
/// nothing to remember but the last one.
pub(super) fn metrics(points: &[Metric]) -> Vec<&Metric> {
    let disordered = disordered(points);
    if disordered.is_empty() {
        return points.iter().collect();
    }
    let mut seen = HashSet::new();
    points
        .iter()
        .filter(|point| !disordered.contains(point.key.as_str()) || seen.insert(*point))
        .collect()
}

/// The keys of points that do not follow on the ones before them.
fn disordered(points: &[Metric]) -> HashSet<&str> {
    let mut latest: HashMap<&str, (i64, i64)> = HashMap::new();
    let mut disordered = HashSet::new();
    for point in points {
        let moment = (point.step, point.timestamp);
        match latest.entry(&point.key) {
            Entry::Occupied(mut known) if *known.get() < moment => {
                known.insert(moment);
            }
            Entry::Occupied(_) => {
                disordered.insert(point.key.as_str());
            }
            Entry::Vacant(place) => {
                place.insert(moment);
            }
        }
    }
    disordered
}

fn two_values(one: &Param, two: &Param) -> Error {
    let message = format!(
        "param {} has two values, {} and {}; MLflow's params never change",
        quoted(&one.key),
        quoted(&one.value),
        quoted(&two.value)
    );
    Error::new(ErrorKind::Invalid, OPERATION, message)
}
