//! What the tracking server's store promises beyond its REST API.

use mlflow_store::tracking::entities::{KeyValue, Metric};
use mlflow_store::tracking::metrics::{self, ModelMetric};
use mlflow_store::tracking::runs::{self, NewRun, params};
use mlflow_store::tracking::{Code, Refusal, experiments};
use mlflow_store::{Connection, StoreError};

use crate::support::{T, with_conn};

/// Runs `test` where there is the experiment "Default".
fn with_experiment(test: impl FnOnce(&Connection) -> Result<(), Refusal> + Send + 'static) {
    with_conn(|conn| {
        experiments::ensure_default(conn, "mlflow-artifacts:/", T)
            .and_then(|()| test(conn))
            .unwrap();
        Ok(())
    });
}

fn create(conn: &Connection, run_id: &str) -> i64 {
    let new = NewRun {
        run_id: run_id.to_owned(),
        experiment_id: experiments::DEFAULT_ID,
        name: run_id.to_owned(),
        generated_name: String::new(),
        user_id: String::new(),
        start_time: T,
        tags: Vec::new(),
    };
    runs::create(conn, &new).unwrap();
    runs::find(conn, run_id).unwrap().run_no
}

fn metric(key: &str, value: f64, step: i64) -> Metric {
    Metric {
        key: key.to_owned(),
        value,
        timestamp: T,
        step,
    }
}

#[test]
fn many_runs_are_read_in_the_order_asked_for() {
    with_experiment(|conn| {
        let numbers: Vec<_> = ["a", "b", "c"].map(|id| create(conn, id)).into();
        for (id, value) in [("a", 1.0), ("c", 3.0)] {
            metrics::log(conn, id, &metric("m", value, 0), None)?;
            let mut param = KeyValue {
                key: "p".into(),
                value: id.into(),
            };
            params::log(conn, id, &mut param)?;
        }
        let asked = [numbers[2], numbers[1], numbers[0]];
        let read = runs::read_many(conn, &asked)?;
        let ids: Vec<_> = read.iter().map(|run| run.info.run_id.as_str()).collect();
        assert_eq!(ids, ["c", "b", "a"]);
        assert_eq!(read[0].data.metrics, [metric("m", 3.0, 0)]);
        assert_eq!(read[0].data.params[0].value, "c");
        assert!(read[1].data.metrics.is_empty());
        assert_eq!(read[2], runs::get(conn, "a")?);
        assert!(runs::read_many(conn, &[])?.is_empty());
        Ok(())
    });
}

#[test]
fn metrics_of_models_are_kept_beside_those_of_the_run() {
    with_experiment(|conn| {
        create(conn, "r");
        let model = "INSERT INTO logged_models VALUES \
                     ('m-1', 0, 'n', 'a', 1, 1, 2, NULL, 'active', NULL, 'r')";
        conn.execute(model, ()).map_err(StoreError::from)?;
        let point = metric("m", 0.5, 7);
        let of_model = |model_id: &str| ModelMetric {
            metric: point.clone(),
            model_id: model_id.to_owned(),
            dataset_name: Some("train".into()),
            dataset_digest: Some("d".into()),
        };
        metrics::log(conn, "r", &point, Some(&of_model("m-1")))?;
        metrics::log(conn, "r", &point, Some(&of_model("m-1")))?;

        let sql = "SELECT key, value, step, run_id, dataset_name FROM logged_model_metrics";
        let kept: (String, f64, i64, String, String) = conn
            .query_row(sql, [], |row| row.try_into())
            .map_err(StoreError::from)?;
        assert_eq!(kept, ("m".into(), 0.5, 7, "r".into(), "train".into()));
        assert_eq!(
            runs::get(conn, "r")?.data.metrics,
            std::slice::from_ref(&point)
        );

        let refused = metrics::log(conn, "r", &point, Some(&of_model("m-2")));
        assert_eq!(refused.unwrap_err().code, Code::BadRequest);
        Ok(())
    });
}

#[test]
fn a_run_that_is_gone_is_an_error_of_the_server() {
    with_experiment(|conn| {
        let refused = runs::read_many(conn, &[99]).unwrap_err();
        assert_eq!(refused.code, Code::InternalError);
        Ok(())
    });
}
