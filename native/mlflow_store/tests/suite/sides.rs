use mlflow_store::runs::{self, Claim};
use mlflow_store::sides::{self, RemoteRun, RunSide};
use mlflow_store::{
    Cell, Connection, ErrorKind, Point, Record, Result, points, record, tables, trials,
};
use serde_json::{Value, json};

use crate::support::{T, record as row, with_conn};

fn trial(conn: &Connection, id: &str) -> Result<()> {
    let trial_id = format!("name of {id}");
    trials::create(conn, row(json!({"id": id, "trial_id": trial_id})), &[], T)?;
    Ok(())
}

fn linked(conn: &Connection, run: &str, trial: &str, seq: i64) -> Result<Record> {
    let columns = json!({"mlflow_run_id": run, "model_trial_id": trial, "points_seq": seq});
    runs::settle(conn, row(columns), T)
}

fn ask(conn: &Connection, asked: &[(&str, Option<&str>)]) -> Result<Vec<RunSide>> {
    let asked: Vec<_> = asked
        .iter()
        .map(|(run, trial)| RemoteRun {
            mlflow_run_id: (*run).into(),
            trial: trial.map(str::to_owned),
        })
        .collect();
    sides::of_runs(conn, &asked)
}

/// The ids of the record's run and of the trial, and whether points are unsent.
fn found(sides: &[RunSide]) -> Vec<(Option<&str>, Option<&str>, bool)> {
    sides
        .iter()
        .map(|side| {
            let run = side.run.as_ref().and_then(|run| run.text("mlflow_run_id"));
            let trial = side.trial.as_ref().and_then(|trial| trial.text("id"));
            (run, trial, side.has_unsent)
        })
        .collect()
}

#[test]
fn a_run_is_known_by_its_record_or_by_its_tag() {
    with_conn(|conn| {
        for id in ["a", "b", "c"] {
            trial(conn, id)?;
        }
        linked(conn, "run a", "a", 0)?;
        record::insert(
            conn,
            &tables::MLFLOW_RUNS,
            row(json!({"mlflow_run_id": "mirrored"})),
            T,
        )?;

        let sides = ask(
            conn,
            &[
                ("unknown", None),
                ("run a", Some("b")),
                ("unknown", Some("b")),
                ("mirrored", Some("name of c")),
                ("another of a", Some("a")),
                ("unknown", Some("nobody")),
                ("another of b", Some("name of b")),
            ],
        )?;
        assert_eq!(
            found(&sides),
            [
                (None, None, false),
                (Some("run a"), Some("a"), false),
                (None, Some("b"), false),
                (Some("mirrored"), Some("c"), false),
                (None, None, false),
                (None, None, false),
                (None, Some("b"), false),
            ]
        );
        Ok(())
    });
}

#[test]
fn a_claim_is_no_run_of_the_trial_yet() {
    with_conn(|conn| {
        trial(conn, "a")?;
        let claim = Claim {
            model_trial_id: "a".into(),
            mlflow_experiment_id: None,
            model_run_id: None,
            owner: "o".into(),
            now: T,
            lease_ms: 1,
        };
        runs::claim(conn, &claim)?;
        let sides = ask(conn, &[("run", Some("name of a"))])?;
        assert_eq!(found(&sides), [(None, Some("a"), false)]);
        Ok(())
    });
}

#[test]
fn a_record_whose_trial_is_gone_has_none() {
    with_conn(|conn| {
        trial(conn, "a")?;
        trial(conn, "b")?;
        linked(conn, "run", "a", 0)?;
        conn.execute("DELETE FROM model_trials WHERE id = 'a'", [])?;
        let sides = ask(conn, &[("run", Some("b"))])?;
        assert_eq!(found(&sides), [(Some("run"), None, false)]);
        Ok(())
    });
}

#[test]
fn unsent_points_are_those_recorded_here_after_the_watermark() {
    with_conn(|conn| {
        for id in ["sent", "unsent", "pulled", "tagged"] {
            trial(conn, id)?;
        }
        for id in ["sent", "unsent", "tagged"] {
            points::append(conn, id, &[Point::at("loss", 1.0, 1)], T)?;
        }
        let all = points::after(conn, "tagged", 0, None)?.seq;
        linked(conn, "1", "sent", all)?;
        linked(conn, "2", "unsent", 0)?;
        linked(conn, "3", "pulled", 0)?;
        let remote = points::after(conn, "sent", 0, None)?.points;
        points::append_remote(conn, "pulled", &remote)?;

        let sides = ask(
            conn,
            &[("1", None), ("2", None), ("3", None), ("4", Some("tagged"))],
        )?;
        let unsent: Vec<_> = sides.iter().map(|side| side.has_unsent).collect();
        assert_eq!(unsent, [false, true, false, true]);
        Ok(())
    });
}

#[test]
fn more_runs_than_one_query_takes_are_answered_in_order() {
    with_conn(|conn| {
        let names: Vec<_> = (0..1_203).map(|n| n.to_string()).collect();
        let runs = names
            .iter()
            .map(|n| row(json!({"mlflow_run_id": n, "model_trial_id": n})));
        for name in &names {
            trial(conn, name)?;
        }
        assert_eq!(runs::settle_all(conn, runs.collect(), T)?, 1_203);

        let asked: Vec<_> = names.iter().map(|name| (name.as_str(), None)).collect();
        let sides = ask(conn, &asked)?;
        let expected: Vec<_> = names
            .iter()
            .map(|name| (Some(name.as_str()), Some(name.as_str()), false))
            .collect();
        assert_eq!(found(&sides), expected);
        let linked = trials::find(conn, "1202")?.unwrap();
        assert_eq!(
            linked["mlflow_run_id"], "1202",
            "the trial was told its run"
        );
        Ok(())
    });
}

/// Cell by cell the same as a row that is read as a record.
#[test]
fn raw_rows_hold_what_records_hold() {
    with_conn(|conn| {
        let columns = json!({
            "id": "a", "trial_id": "t", "parameters": {"b": [1, null], "a": {"x": 0.1}},
            "metrics": [], "spectral_norm": true, "final_loss": "NaN", "final_accuracy": 0.5,
            "best_metric_value": "-Infinity", "rank": -3,
        });
        let record = trials::create(conn, row(columns), &[], T)?;
        let sides = ask(conn, &[("r", Some("a"))])?;
        let raw = sides[0].trial.as_ref().unwrap();
        let cells = raw.table.columns.iter().zip(&raw.cells);
        let read: Record = cells
            .map(|(column, cell)| (column.name.to_owned(), value(cell)))
            .collect();
        assert_eq!(read, record);
        Ok(())
    });
}

fn value(cell: &Cell) -> Value {
    match cell {
        Cell::Null => Value::Null,
        Cell::Integer(integer) => json!(integer),
        Cell::Real(real) => json!(real),
        Cell::Boolean(bool) => json!(bool),
        Cell::Text(text) => json!(text),
        Cell::Json(json) => serde_json::from_str(json).unwrap(),
    }
}

#[test]
fn json_that_was_damaged_is_said() {
    with_conn(|conn| {
        trial(conn, "a")?;
        conn.execute("UPDATE model_trials SET tags = '{\"a\": '", [])?;
        let error = ask(conn, &[("r", Some("a"))]).unwrap_err();
        assert!(error.message.contains("model_trials.tags"), "{error}");
        Ok(())
    });
}

#[test]
fn a_trial_comes_with_its_run_and_a_part_of_its_points() {
    with_conn(|conn| {
        assert_eq!(sides::of_trial(conn, "a", 10)?, None);
        trial(conn, "a")?;
        let points: Vec<_> = (0..5).map(|step| Point::at("loss", 1.0, step)).collect();
        points::append(conn, "a", &points, T)?;

        let side = sides::of_trial(conn, "name of a", 2)?.unwrap();
        assert_eq!((side.trial["id"].as_str(), side.run), (Some("a"), None));
        let steps = |side: &sides::TrialSide| {
            let points = &side.unsent.points;
            points.iter().map(|point| point.step).collect::<Vec<_>>()
        };
        let side = sides::of_trial(conn, "a", 2)?.unwrap();
        assert_eq!((steps(&side), side.unsent.more), (vec![0, 1], true));

        let run = linked(conn, "run", "a", side.unsent.seq)?;
        let side = sides::of_trial(conn, "a", 3)?.unwrap();
        assert_eq!((steps(&side), side.unsent.more), (vec![2, 3, 4], false));
        assert_eq!(side.run, Some(run));

        linked(conn, "run", "a", side.unsent.seq)?;
        let side = sides::of_trial(conn, "a", 3)?.unwrap();
        assert_eq!((steps(&side), side.unsent.more), (vec![], false));
        Ok(())
    });
}

#[test]
fn runs_are_settled_all_or_none() {
    with_conn(|conn| {
        trial(conn, "a")?;
        let second = json!({"mlflow_run_id": "2", "model_trial_id": "a"});
        let first = json!({"mlflow_run_id": "1", "model_trial_id": "a", "artifact_uri": "s3://"});
        runs::settle_all(conn, vec![row(first.clone()), row(second)], T).unwrap_err();
        assert_eq!(runs::by_run_id(conn, "1")?, None);
        assert_eq!(
            trials::find(conn, "a")?.unwrap()["mlflow_run_id"],
            json!(null)
        );

        runs::settle_all(conn, vec![row(first)], T)?;
        let trial = trials::find(conn, "a")?.unwrap();
        assert_eq!(trial["mlflow_run_id"], "1");
        assert_eq!(trial["artifact_uri"], "s3://");
        assert_eq!(trial["updated_at"], T, "a link is nothing to push");
        Ok(())
    });
}

#[test]
fn a_pull_merges_maps_and_keeps_the_points() {
    with_conn(|conn| {
        let columns = json!({
            "id": "a", "trial_id": "t", "tags": {"keep": "1", "drop": "2"},
            "parameters": {"lr": 0.1, "none": null}, "metrics": {"loss": 0.2, "other": 7},
        });
        trials::create(conn, row(columns), &[], T)?;
        points::append(conn, "a", &[Point::at("loss", 0.2, 9)], T)?;

        let changes = json!({
            "name": "renamed", "parameters": {"opt": "adam"},
            "tags": {"drop": null, "gone": null, "keep": "3"}, "metrics": {"odd": "NaN"},
        });
        let remote = |key: &str, value, step| mlflow_store::RecordedPoint {
            key: key.into(),
            value,
            step,
            timestamp: 5,
        };
        let pulled = [
            remote("loss", 0.9, 1),
            remote("odd", 1.0, 1),
            remote("odd", f64::NAN, 2),
        ];
        let read = as_read(conn)?;
        let first = trials::pull(conn, "t", &read, row(changes.clone()), &pulled, T + 5)?;
        assert_eq!((first.new_points, first.version), (3, T + 5));

        let trial = trials::find(conn, "a")?.unwrap();
        assert_eq!(trial["name"], "renamed");
        assert_eq!(trial["tags"], json!({"keep": "3"}));
        assert_eq!(
            trial["parameters"],
            json!({"lr": 0.1, "none": null, "opt": "adam"})
        );
        let metrics = json!({"loss": 0.2, "odd": "NaN", "other": 7});
        assert_eq!(trial["metrics"], metrics);
        assert!(
            points::after(conn, "a", 1, None)?.points.is_empty(),
            "nothing to push"
        );

        let read = as_read(conn)?;
        let again = trials::pull(conn, "t", &read, row(changes), &pulled, T + 9)?;
        assert_eq!((again.new_points, again.version), (0, read.version));
        assert_eq!(
            trials::find(conn, "a")?,
            Some(trial),
            "a replay changes nothing"
        );
        Ok(())
    });
}

fn as_read(conn: &Connection) -> Result<trials::AsRead> {
    let columns = trials::find(conn, "a")?.unwrap();
    let version = columns["updated_at"].as_i64().unwrap();
    Ok(trials::AsRead { version, columns })
}

#[test]
fn what_somebody_wrote_meanwhile_is_not_overwritten() {
    with_conn(|conn| {
        trials::create(
            conn,
            row(json!({"id": "a", "trial_id": "t", "name": "A"})),
            &[],
            T,
        )?;
        let read = as_read(conn)?;
        trials::update(conn, "a", row(json!({"name": "C"})), &[], T + 1)?;

        let renamed = row(json!({"name": "B"}));
        let error = trials::pull(conn, "t", &read, renamed, &[], T + 2).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Changed);
        assert_eq!(trials::find(conn, "a")?.unwrap()["name"], "C");

        // Another column is no reason to wait, but neither is what it holds in step now.
        let ended = row(json!({"status": "failed"}));
        let pulled = trials::pull(conn, "t", &read, ended, &[], T + 3)?;
        assert_eq!(pulled.version, read.version);
        Ok(())
    });
}
