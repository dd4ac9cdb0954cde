use mlflow_store::{Connection, ErrorKind, Point, Result, points, runs, trials};
use serde_json::json;

use crate::support::{T, ids, record, with_conn};

fn values(conn: &Connection) -> Result<Vec<(f64, i64, i64)>> {
    let history = points::history(conn, "t", Some("loss"))?;
    Ok(history
        .into_iter()
        .map(|point| (point.value, point.step, point.timestamp - T))
        .collect())
}

#[test]
fn a_trial_is_created_with_its_points_or_not_at_all() {
    with_conn(|conn| {
        let trial = record(json!({"trial_id": "t"}));
        let points = [Point::at("loss", 0.5, 1), Point::last("accuracy", 0.9)];
        let created = trials::create(conn, trial.clone(), &points, T)?;
        assert_eq!(
            trials::find(conn, created["id"].as_str().unwrap())?,
            Some(created)
        );
        assert_eq!(points::history(conn, "t", None)?.len(), 2);

        let error = trials::create(conn, trial, &points, T).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Taken);
        Ok(())
    });
}

#[test]
fn a_final_value_is_recorded_when_it_is_news() {
    with_conn(|conn| {
        trials::create(
            conn,
            record(json!({"trial_id": "t"})),
            &[Point::last("loss", 0.9)],
            T,
        )?;
        assert_eq!(values(conn)?, [(0.9, 0, 0)], "the first is at step 0");

        points::append(
            conn,
            "t",
            &[Point::at("loss", 0.5, 10), Point::at("loss", 0.7, 5)],
            T + 1,
        )?;
        let report = |value, now| {
            trials::update(
                conn,
                "t",
                record(json!({})),
                &[Point::last("loss", value)],
                now,
            )
        };
        report(0.5, T + 2)?;
        assert_eq!(
            values(conn)?.len(),
            3,
            "equal to the latest point: nothing new"
        );

        report(0.4, T + 3)?;
        assert_eq!(
            values(conn)?.last(),
            Some(&(0.4, 10, 3)),
            "else at the latest point's step"
        );
        report(0.6, T + 3)?;
        report(0.3, T + 3)?;
        assert_eq!(
            values(conn)?.last(),
            Some(&(0.3, 10, 5)),
            "and later than that point"
        );
        report(0.3, T + 9)?;
        assert_eq!(values(conn)?.len(), 6);

        report(f64::NAN, T + 20)?;
        report(f64::NAN, T + 21)?;
        report(f64::INFINITY, T + 22)?;
        report(f64::MAX, T + 23)?;
        assert_eq!(
            values(conn)?.len(),
            8,
            "NaN equals NaN, and the largest number infinity"
        );
        Ok(())
    });
}

#[test]
fn a_final_values_own_time_is_kept() {
    with_conn(|conn| {
        let point = Point {
            timestamp: Some(T - 5),
            ..Point::last("loss", 0.1)
        };
        trials::create(conn, record(json!({"trial_id": "t"})), &[point], T)?;
        assert_eq!(values(conn)?, [(0.1, 0, -5)]);
        Ok(())
    });
}

#[test]
fn an_update_that_changes_nothing_leaves_updated_at() {
    with_conn(|conn| {
        let columns = record(json!({"trial_id": "t", "metrics": {"loss": 0.1}}));
        let point = [Point::last("loss", 0.1)];
        let created = trials::create(conn, columns.clone(), &point, T)?;
        assert_eq!(
            trials::update(conn, "t", columns.clone(), &point, T + 9)?,
            created
        );

        let news = trials::update(conn, "t", columns, &[Point::last("loss", 0.2)], T + 9)?;
        assert_eq!(news["updated_at"], T + 9, "a new point is an update");

        let missing = trials::update(conn, "nobody", record(json!({})), &[], T);
        assert_eq!(missing.unwrap_err().kind, ErrorKind::NotFound);
        Ok(())
    });
}

/// A finished trial, and its run in agreement with it.
fn synced(conn: &Connection, id: &str) -> Result<()> {
    let trial = json!({"id": id, "trial_id": format!("trial-{id}"), "status": "completed"});
    trials::create(conn, record(trial), &[], T)?;
    let run = json!({"mlflow_run_id": format!("run-{id}"), "model_trial_id": id, "synced_at": T});
    runs::put(conn, record(run), T)?;
    Ok(())
}

fn due(conn: &Connection) -> Result<Vec<String>> {
    Ok(ids(&trials::due(conn, 10)?)
        .into_iter()
        .map(str::to_owned)
        .collect())
}

#[test]
fn a_trial_in_agreement_with_its_run_is_not_due() {
    with_conn(|conn| {
        synced(conn, "a")?;
        assert!(due(conn)?.is_empty());
        Ok(())
    });
}

#[test]
fn a_trial_is_due_until_it_has_a_run() {
    with_conn(|conn| {
        trials::create(
            conn,
            record(json!({"id": "a", "trial_id": "a", "status": "failed"})),
            &[],
            T,
        )?;
        assert_eq!(due(conn)?, ["a"]);
        runs::put(conn, record(json!({"model_trial_id": "a"})), T)?;
        assert_eq!(due(conn)?, ["a"], "a row without a run");
        runs::put(
            conn,
            record(json!({"model_trial_id": "a", "mlflow_run_id": "r"})),
            T,
        )?;
        assert_eq!(due(conn)?, ["a"], "a run that was never synced");
        Ok(())
    });
}

#[test]
fn a_trial_is_due_when_it_changed() {
    with_conn(|conn| {
        synced(conn, "a")?;
        synced(conn, "b")?;
        trials::update(conn, "b", record(json!({"rank": 1})), &[], T)?;
        assert_eq!(due(conn)?, ["b"], "even within the millisecond of the sync");
        Ok(())
    });
}

#[test]
fn a_trial_is_due_while_it_runs() {
    with_conn(|conn| {
        synced(conn, "a")?;
        for status in [
            json!("pending"),
            json!("running"),
            json!(null),
            json!("skipped"),
        ] {
            let unfinished = status != "skipped";
            trials::update(conn, "a", record(json!({"status": status})), &[], T)?;
            runs::put(
                conn,
                record(json!({"model_trial_id": "a", "synced_at": T + 99})),
                T,
            )?;
            assert_eq!(!due(conn)?.is_empty(), unfinished, "{status}");
        }
        Ok(())
    });
}

#[test]
fn a_trial_is_due_with_points_the_server_has_not_seen() {
    with_conn(|conn| {
        synced(conn, "a")?;
        points::append(conn, "a", &[Point::at("loss", 0.5, 1)], T + 1)?;
        let seen =
            |seq| record(json!({"model_trial_id": "a", "synced_at": T + 9, "points_seq": seq}));
        runs::put(conn, seen(json!(null)), T + 9)?;
        assert_eq!(due(conn)?, ["a"]);

        let seq = points::after(conn, "a", 0, None)?.seq;
        runs::put(conn, seen(json!(seq)), T + 9)?;
        assert!(due(conn)?.is_empty());

        let remote = points::history(conn, "a", None)?
            .into_iter()
            .map(|point| mlflow_store::RecordedPoint { step: 2, ..point })
            .collect::<Vec<_>>();
        points::append_remote(conn, "a", &remote)?;
        assert!(
            due(conn)?.is_empty(),
            "what came from the server is not pushed"
        );
        Ok(())
    });
}

#[test]
fn a_failed_sync_is_due_if_it_may_be_retried_or_the_trial_changed() {
    with_conn(|conn| {
        synced(conn, "a")?;
        let fail = |retryable, now| {
            let error = json!({"kind": "k", "message": "m", "retryable": retryable});
            runs::record_error(conn, runs::RunRef::Trial("a"), error, now)
        };
        fail(true, T + 10)?;
        assert_eq!(due(conn)?, ["a"]);
        fail(false, T + 20)?;
        assert!(due(conn)?.is_empty());

        trials::update(conn, "a", record(json!({"name": "mended"})), &[], T + 30)?;
        assert_eq!(due(conn)?, ["a"]);
        fail(false, T + 40)?;
        assert!(due(conn)?.is_empty(), "until it changes again");
        Ok(())
    });
}

#[test]
fn a_trial_that_never_had_a_run_can_fail_for_good_too() {
    with_conn(|conn| {
        trials::create(conn, record(json!({"id": "a", "trial_id": "a"})), &[], T)?;
        let error = json!({"kind": "k", "message": "m", "retryable": false});
        runs::record_error(conn, runs::RunRef::Trial("a"), error, T + 1)?;
        assert!(due(conn)?.is_empty());
        trials::update(conn, "a", record(json!({"name": "mended"})), &[], T + 2)?;
        assert_eq!(due(conn)?, ["a"]);
        Ok(())
    });
}

#[test]
fn the_longest_unattended_trials_are_due_first() {
    with_conn(|conn| {
        for (id, at) in [("old", 1), ("older", 0), ("failing", -9)] {
            trials::create(conn, record(json!({"id": id, "trial_id": id})), &[], T + at)?;
        }
        let error = json!({"kind": "k", "message": "m", "retryable": true});
        runs::record_error(conn, runs::RunRef::Trial("failing"), error, T + 2)?;
        assert_eq!(due(conn)?, ["older", "old", "failing"]);
        assert_eq!(ids(&trials::due(conn, 1)?), ["older"]);
        Ok(())
    });
}
