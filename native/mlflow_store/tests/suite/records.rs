use mlflow_store::tables::{MLFLOW_EXPERIMENTS, MODEL_RUNS, MODEL_TRIALS};
use mlflow_store::{ErrorKind, Filter, Order, record};
use serde_json::{Value, json};

use crate::support::{T, ids, record as row, with_conn};

#[test]
fn values_come_back_as_they_were_given() {
    with_conn(|conn| {
        let given = json!({
            "trial_id": "t", "status": "completed", "spectral_norm": true, "rank": 3,
            "final_loss": 0.1, "final_accuracy": 1, "metrics": {"a": {"b": [0.3, null, true]}},
            "warnings": ["w"], "parameters": "a JSON string", "duration_ms": i64::MAX,
        });
        let inserted = record::insert(conn, &MODEL_TRIALS, row(given.clone()), T)?;
        let found = record::get(conn, &MODEL_TRIALS, "trial_id", "t")?.unwrap();
        assert_eq!(inserted, found);
        for (column, value) in row(given) {
            if column == "final_accuracy" {
                assert_eq!(found[&column], json!(1.0));
            } else {
                assert_eq!(found[&column], value, "{column}");
            }
        }
        assert_eq!(found["name"], Value::Null);
        assert_eq!(
            (&found["inserted_at"], &found["updated_at"]),
            (&json!(T), &json!(T))
        );
        assert_eq!(found.len(), MODEL_TRIALS.columns.len());
        Ok(())
    });
}

#[test]
fn every_float_survives_in_a_json_column() {
    with_conn(|conn| {
        let values: Vec<f64> = (1..2000)
            .map(|n| (f64::from(n) * 0.7317).sin() / 3.0)
            .collect();
        let given = json!({"run_id": "r", "metadata": values});
        let found = record::insert(conn, &MODEL_RUNS, row(given.clone()), T)?;
        assert_eq!(found["metadata"], given["metadata"]);
        Ok(())
    });
}

#[test]
fn a_diverged_metric_is_kept_as_mlflow_spells_it() {
    with_conn(|conn| {
        for value in ["NaN", "Infinity", "-Infinity"] {
            let given = row(json!({"best_metric": value}));
            let found = record::insert(conn, &MODEL_RUNS, given.clone(), T)?;
            assert_eq!(found["best_metric"], value);

            let id = found["id"].as_str().unwrap();
            let again = record::update(conn, &MODEL_RUNS, id, given, T + 1)?;
            assert_eq!(again["updated_at"], T, "the same value is no change");
        }
        Ok(())
    });
}

#[test]
fn a_missing_id_becomes_a_random_uuid() {
    with_conn(|conn| {
        let one = record::insert(conn, &MODEL_RUNS, row(json!({})), T)?;
        let two = record::insert(conn, &MODEL_RUNS, row(json!({"id": null})), T)?;
        let id = one["id"].as_str().unwrap();
        let lengths: Vec<_> = id.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12]);
        assert_eq!(id.as_bytes()[14], b'4');
        assert!(b"89ab".contains(&id.as_bytes()[19]));
        assert_ne!(one["id"], two["id"]);
        Ok(())
    });
}

#[test]
fn an_unknown_column_is_refused_and_the_nearest_named() {
    with_conn(|conn| {
        let given = row(json!({"trial_id": "t", "final_acuracy": 1}));
        let error = record::insert(conn, &MODEL_TRIALS, given, T).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Invalid);
        assert!(error.message.contains("\"final_acuracy\""), "{error}");
        assert!(error.message.contains("\"final_accuracy\""), "{error}");

        let injection = "id = id; DROP TABLE model_runs; --";
        for error in [
            record::get(conn, &MODEL_RUNS, injection, "x").unwrap_err(),
            record::upsert(conn, &MODEL_RUNS, injection, row(json!({})), T).unwrap_err(),
            record::update(conn, &MODEL_RUNS, "x", row(json!({injection: 1})), T).unwrap_err(),
        ] {
            assert_eq!(error.kind, ErrorKind::Invalid);
        }
        Ok(())
    });
}

#[test]
fn a_value_of_the_wrong_type_is_refused_by_name() {
    with_conn(|conn| {
        for (column, value) in [
            ("status", json!(1)),
            ("rank", json!("1")),
            ("rank", json!(1.5)),
            ("rank", json!(u64::MAX)),
            ("spectral_norm", json!(1)),
            ("final_loss", json!("nan")),
            ("trial_id", json!(null)),
        ] {
            let given = row(json!({"trial_id": "t", column: value}));
            let error = record::insert(conn, &MODEL_TRIALS, given, T).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Invalid, "{column}: {value}");
            assert!(
                error.message.contains(&format!("model_trials.{column}")),
                "{error}"
            );
        }
        Ok(())
    });
}

#[test]
fn a_unique_value_is_taken_once() {
    with_conn(|conn| {
        let trial = row(json!({"trial_id": "t"}));
        record::insert(conn, &MODEL_TRIALS, trial.clone(), T)?;
        let error = record::insert(conn, &MODEL_TRIALS, trial, T).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Taken);
        assert!(error.message.contains("model_trials.trial_id"), "{error}");
        Ok(())
    });
}

#[test]
fn update_changes_only_what_is_given_and_moves_updated_at_only_on_change() {
    with_conn(|conn| {
        let given = row(json!({"run_id": "r", "state": "running", "metadata": {"b": 1, "a": 2}}));
        let inserted = record::insert(conn, &MODEL_RUNS, given.clone(), T)?;
        let id = inserted["id"].as_str().unwrap();

        assert_eq!(
            record::update(conn, &MODEL_RUNS, id, given, T + 5)?,
            inserted
        );
        assert_eq!(
            record::update(conn, &MODEL_RUNS, id, inserted.clone(), T + 5)?,
            inserted
        );
        assert_eq!(
            record::update(conn, &MODEL_RUNS, id, row(json!({})), T + 5)?,
            inserted
        );

        let changed = record::update(conn, &MODEL_RUNS, id, row(json!({"state": null})), T + 5)?;
        assert_eq!(changed["state"], Value::Null);
        assert_eq!(changed["run_id"], "r");
        assert_eq!(changed["updated_at"], T + 5);
        assert_eq!(changed["inserted_at"], T);

        let error = record::update(conn, &MODEL_RUNS, "nobody", row(json!({})), T).unwrap_err();
        assert_eq!(error.kind, ErrorKind::NotFound);
        Ok(())
    });
}

#[test]
fn updated_at_moves_forwards_whatever_the_clock_does() {
    with_conn(|conn| {
        let inserted = record::insert(conn, &MODEL_RUNS, row(json!({})), T)?;
        let id = inserted["id"].as_str().unwrap();
        let same_ms = record::update(conn, &MODEL_RUNS, id, row(json!({"state": "a"})), T)?;
        assert_eq!(same_ms["updated_at"], T + 1);
        let earlier = record::update(conn, &MODEL_RUNS, id, row(json!({"state": "b"})), T - 99)?;
        assert_eq!(earlier["updated_at"], T + 2);
        Ok(())
    });
}

#[test]
fn upsert_inserts_then_overwrites_what_is_given() {
    with_conn(|conn| {
        let key = "mlflow_experiment_id";
        let first = row(json!({key: "1", "name": "n", "tags": {"a": "b"}}));
        let inserted = record::upsert(conn, &MLFLOW_EXPERIMENTS, key, first, T)?;
        let second = row(json!({key: "1", "name": "m", "id": "ignored"}));
        let updated = record::upsert(conn, &MLFLOW_EXPERIMENTS, key, second, T + 1)?;
        assert_eq!(updated["id"], inserted["id"]);
        assert_eq!(updated["name"], "m");
        assert_eq!(updated["tags"], json!({"a": "b"}));

        let keyless = record::upsert(conn, &MLFLOW_EXPERIMENTS, key, row(json!({})), T);
        assert_eq!(keyless.unwrap_err().kind, ErrorKind::Invalid);
        let by_name = row(json!({"name": "m"}));
        let ambiguous = record::upsert(conn, &MLFLOW_EXPERIMENTS, "name", by_name, T);
        assert_eq!(ambiguous.unwrap_err().kind, ErrorKind::Invalid);
        Ok(())
    });
}

#[test]
fn list_filters_orders_and_pages() {
    with_conn(|conn| {
        for (id, state, at) in [("a", "x", 1), ("b", "y", 2), ("c", "x", 3), ("d", "x", 3)] {
            let given = row(json!({"id": id, "state": state, "best_metric": 0.5}));
            record::insert(conn, &MODEL_RUNS, given, at)?;
        }
        let list = |filter| record::list(conn, &MODEL_RUNS, &filter);
        let x = row(json!({"state": "x", "best_metric": 0.5, "error_message": null}));

        assert_eq!(ids(&list(Filter::default())?), ["a", "b", "c", "d"]);
        let filter = Filter {
            equals: x.clone(),
            order: Order::Newest,
            ..Filter::default()
        };
        assert_eq!(ids(&list(filter)?), ["d", "c", "a"]);
        let filter = Filter {
            equals: x,
            limit: Some(1),
            offset: 1,
            ..Filter::default()
        };
        assert_eq!(ids(&list(filter)?), ["c"]);
        let filter = Filter {
            equals: row(json!({"metadata": {}})),
            ..Filter::default()
        };
        assert_eq!(list(filter).unwrap_err().kind, ErrorKind::Invalid);
        Ok(())
    });
}

#[test]
fn delete_says_whether_there_was_a_row() {
    with_conn(|conn| {
        record::insert(conn, &MODEL_RUNS, row(json!({"id": "a"})), T)?;
        assert!(record::delete(conn, &MODEL_RUNS, "a")?);
        assert!(!record::delete(conn, &MODEL_RUNS, "a")?);
        Ok(())
    });
}
