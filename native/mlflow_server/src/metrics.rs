//! `/metrics`: counters in Prometheus's text form
//! (<https://prometheus.io/docs/specs/om/open_metrics_spec/>).

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::observer::Request;

/// A route is one of the router's own, never what a client made up: there are as many as endpoints.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answer {
    method: &'static str,
    route: String,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    route: String,
}

#[derive(Clone)]
struct Durations;

impl MetricConstructor<Histogram> for Durations {
    /// From 0.1 ms to 13 s.
    fn new_metric(&self) -> Histogram {
        Histogram::new(exponential_buckets(0.000_1, 3.0, 12))
    }
}

pub struct Metrics {
    registry: Registry,
    requests: Family<Answer, Counter>,
    durations: Family<Route, Histogram, Durations>,
    received: Counter,
    sent: Counter,
    connections: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("mlflow_server");
        let requests = Family::default();
        registry.register("requests", "Requests that were answered", requests.clone());
        let durations = Family::new_with_constructor(Durations);
        registry.register_with_unit(
            "request_duration",
            "From a request's head to its answer's",
            Unit::Seconds,
            durations.clone(),
        );
        let received = Counter::default();
        let help = "Of the bodies of requests";
        registry.register_with_unit("received", help, Unit::Bytes, received.clone());
        let sent = Counter::default();
        let help = "Of the bodies of answers";
        registry.register_with_unit("sent", help, Unit::Bytes, sent.clone());
        let connections = Gauge::default();
        registry.register(
            "connections",
            "Connections that are open",
            connections.clone(),
        );
        Self {
            registry,
            requests,
            durations,
            received,
            sent,
            connections,
        }
    }
}

impl Metrics {
    pub fn answered(&self, request: &Request) {
        let route = request.route.to_owned();
        let answer = Answer {
            method: known_method(request.method),
            route: route.clone(),
            status: request.status,
        };
        self.requests.get_or_create(&answer).inc();
        self.durations
            .get_or_create(&Route { route })
            .observe(request.duration.as_secs_f64());
        self.received.inc_by(request.received);
        self.sent.inc_by(request.sent);
    }

    /// Counts a connection for as long as what is answered lives.
    pub fn connected(&self) -> Connected {
        self.connections.inc();
        Connected(self.connections.clone())
    }

    pub fn encode(&self) -> Result<String, std::fmt::Error> {
        let mut encoded = String::new();
        text::encode(&mut encoded, &self.registry)?;
        Ok(encoded)
    }
}

pub struct Connected(Gauge);

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// A client may call its method what it likes.
fn known_method(method: &str) -> &'static str {
    const KNOWN: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
    KNOWN
        .into_iter()
        .find(|known| *known == method)
        .unwrap_or("other")
}
