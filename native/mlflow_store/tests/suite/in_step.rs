//! Which runs need no look.

use mlflow_store::{Connection, Point, Result, Seen, in_step, points, runs, trials};
use serde_json::json;

use crate::support::{T, record as row, with_conn};

/// A trial `t`, synced at its latest version, and its run `r` of digest 1.
fn synced(conn: &Connection) -> Result<()> {
    let trial = json!({"id": "t", "trial_id": "1"});
    trials::create(conn, row(trial), &[Point::at("loss", 0.5, 1)], T)?;
    let watermark = points::after(conn, "t", 0, None)?.seq;
    let run = json!({"mlflow_run_id": "r", "model_trial_id": "t", "digest": 1,
                     "points_seq": watermark, "synced_at": T});
    runs::put(conn, row(run), T)?;
    Ok(())
}

fn seen(run: &str, tag: Option<&str>, digest: i64) -> Seen {
    (run.to_owned(), tag.map(str::to_owned), digest)
}

fn is_in_step(conn: &Connection) -> Result<bool> {
    Ok(!in_step(conn, &[seen("r", Some("1"), 1)])?.is_empty())
}

#[test]
fn a_run_that_is_as_it_was_needs_no_look() {
    with_conn(|conn| {
        synced(conn)?;
        let asked = [seen("x", None, 1), seen("r", Some("1"), 1)];
        assert_eq!(in_step(conn, &asked)?, ["r"]);
        Ok(())
    });
}

#[test]
fn a_change_on_either_side_wants_a_look() {
    with_conn(|conn| {
        synced(conn)?;
        assert!(in_step(conn, &[seen("r", Some("1"), 2)])?.is_empty());

        trials::update(conn, "t", row(json!({"name": "new"})), &[], T + 1)?;
        assert!(!is_in_step(conn)?);
        runs::put(
            conn,
            row(json!({"mlflow_run_id": "r", "synced_at": T + 1})),
            T,
        )?;
        assert!(is_in_step(conn)?);
        Ok(())
    });
}

#[test]
fn a_point_that_waits_wants_a_look() {
    with_conn(|conn| {
        synced(conn)?;
        points::append(conn, "t", &[Point::at("loss", 0.25, 2)], T)?;
        assert!(!is_in_step(conn)?);
        Ok(())
    });
}

#[test]
fn an_error_wants_a_look() {
    with_conn(|conn| {
        synced(conn)?;
        let error = json!({"kind": "k", "message": "m", "retryable": true});
        runs::record_error(conn, runs::RunRef::Run("r"), error, T)?;
        assert!(!is_in_step(conn)?);
        Ok(())
    });
}

#[test]
fn a_run_without_a_trial_wants_a_look_once_its_tag_names_one() {
    with_conn(|conn| {
        runs::put(conn, row(json!({"mlflow_run_id": "r", "digest": 1})), T)?;
        assert!(is_in_step(conn)?);
        trials::create(conn, row(json!({"id": "t", "trial_id": "1"})), &[], T)?;
        assert!(!is_in_step(conn)?);
        assert_eq!(in_step(conn, &[seen("r", None, 1)])?, ["r"]);
        Ok(())
    });
}
