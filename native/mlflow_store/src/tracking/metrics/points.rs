//! Points as they are stored.

use std::cmp::Ordering;
use std::collections::HashMap;

use super::super::entities::Metric;

/// A value that is no number is 0 and marked, and an infinite one the largest number, as MLflow's
/// SQL store has it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    pub value: f64,
    pub is_nan: bool,
    pub timestamp: i64,
    pub step: i64,
}

impl Point {
    pub fn new(value: f64, timestamp: i64, step: i64) -> Self {
        let is_nan = value.is_nan();
        let value = if is_nan {
            0.0
        } else {
            value.clamp(f64::MIN, f64::MAX)
        };
        Self {
            // Negative zero would be another key of the same number.
            value: value + 0.0,
            is_nan,
            timestamp,
            step,
        }
    }

    /// The value that was logged, but for the infinite.
    pub fn logged(&self) -> f64 {
        if self.is_nan { f64::NAN } else { self.value }
    }

    /// By time, step and value, as histories and the table of points are ordered.
    pub(super) fn place(&self, other: &Self) -> Ordering {
        (self.timestamp, self.step)
            .cmp(&(other.timestamp, other.step))
            .then(self.value.total_cmp(&other.value))
            .then(self.is_nan.cmp(&other.is_nan))
    }

    /// By step, time and value, as MLflow tells which of two is the latest.
    pub(super) fn age(&self, other: &Self) -> Ordering {
        (self.step, self.timestamp)
            .cmp(&(other.step, other.timestamp))
            .then(self.value.total_cmp(&other.value))
    }
}

/// Points of one run. Each key is kept once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Points {
    keys: Vec<String>,
    /// With the places of their keys.
    points: Vec<(u32, Point)>,
}

impl Points {
    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(String::as_str)
    }

    /// With the numbers of their keys, in the order of the table, which is the quickest to write, and
    /// otherwise in that in which they came.
    pub(super) fn sorted(&self, numbers: &[i64]) -> Vec<(i64, Point)> {
        let points = self.points.iter();
        let mut points: Vec<_> = points
            .map(|(place, point)| (numbers[*place as usize], *point))
            .collect();
        points.sort_by_key(|(key_no, point)| (*key_no, point.timestamp, point.step));
        points
    }
}

impl<'a> FromIterator<&'a Metric> for Points {
    fn from_iter<I: IntoIterator<Item = &'a Metric>>(metrics: I) -> Self {
        let mut gathered = Gathered::default();
        for metric in metrics {
            let point = Point::new(metric.value, metric.timestamp, metric.step);
            gathered.add(&metric.key, point);
        }
        gathered.into_points()
    }
}

/// Points that are being read, whose keys are borrowed from the request.
#[derive(Default)]
pub struct Gathered<'a> {
    places: HashMap<&'a str, u32>,
    keys: Vec<&'a str>,
    points: Vec<(u32, Point)>,
}

impl<'a> Gathered<'a> {
    pub fn with_capacity(points: usize) -> Self {
        Self {
            points: Vec::with_capacity(points),
            ..Self::default()
        }
    }

    /// Whether the key is a new one.
    pub fn add(&mut self, key: &'a str, point: Point) -> bool {
        let next = self.keys.len() as u32;
        let place = *self.places.entry(key).or_insert(next);
        let is_new = place == next;
        if is_new {
            self.keys.push(key);
        }
        self.points.push((place, point));
        is_new
    }

    pub fn into_points(self) -> Points {
        Points {
            keys: self.keys.into_iter().map(str::to_owned).collect(),
            points: self.points,
        }
    }
}
