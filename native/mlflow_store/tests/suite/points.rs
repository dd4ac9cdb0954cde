use mlflow_store::{
    Connection, ErrorKind, Point, RecordedPoint, Result, Unsent, points, record, runs, tables,
    trials,
};
use serde_json::json;

use crate::support::{T, record as row, with_conn};

fn trial(conn: &Connection) -> Result<()> {
    trials::create(conn, row(json!({"id": "id", "trial_id": "t"})), &[], T)?;
    Ok(())
}

fn updated_at(conn: &Connection) -> Result<i64> {
    Ok(trials::find(conn, "t")?.unwrap()["updated_at"]
        .as_i64()
        .unwrap())
}

fn timed(value: f64, step: i64, timestamp: i64) -> RecordedPoint {
    RecordedPoint {
        key: "loss".into(),
        value,
        step,
        timestamp,
    }
}

#[test]
fn a_replay_is_absorbed() {
    with_conn(|conn| {
        trial(conn)?;
        let points: Vec<_> = [0.5, f64::NAN, f64::INFINITY, f64::NEG_INFINITY]
            .into_iter()
            .zip(1..)
            .map(|(value, step)| Point {
                timestamp: Some(9),
                ..Point::at("loss", value, step)
            })
            .collect();

        assert_eq!(points::append(conn, "t", &points, T + 10)?, 4);
        assert_eq!(updated_at(conn)?, T + 10);
        assert_eq!(points::append(conn, "id", &points, T + 20)?, 0);
        assert_eq!(updated_at(conn)?, T + 10, "nothing new, nothing updated");

        let history = points::history(conn, "t", Some("loss"))?;
        assert_eq!(history[0], timed(0.5, 1, 9));
        assert!(history[1].value.is_nan());
        assert_eq!(history[2].value, f64::INFINITY);
        assert_eq!(history[3].value, f64::NEG_INFINITY);
        Ok(())
    });
}

#[test]
fn step_and_time_have_defaults() {
    with_conn(|conn| {
        trial(conn)?;
        points::append(
            conn,
            "t",
            &[Point::last("loss", 1.0), Point::at("loss", 2.0, 3)],
            77,
        )?;
        assert_eq!(
            points::history(conn, "t", None)?,
            [timed(1.0, 0, 77), timed(2.0, 3, 77)]
        );
        Ok(())
    });
}

#[test]
fn an_infinity_that_mlflow_hands_back_as_the_largest_number_is_the_same_point() {
    with_conn(|conn| {
        trial(conn)?;
        let point = Point {
            timestamp: Some(9),
            ..Point::at("loss", f64::NEG_INFINITY, 1)
        };
        assert_eq!(points::append(conn, "t", &[point], T)?, 1);
        assert_eq!(
            points::append_remote(conn, "t", &[timed(f64::MIN, 1, 9)])?,
            0
        );
        Ok(())
    });
}

#[test]
fn the_outbox_holds_what_was_recorded_here_in_order() {
    with_conn(|conn| {
        trial(conn)?;
        points::append(
            conn,
            "t",
            &[Point::at("b", 1.0, 5), Point::at("a", 2.0, 4)],
            T,
        )?;
        assert_eq!(points::append_remote(conn, "t", &[timed(3.0, 1, 1)])?, 1);

        let first = points::after(conn, "t", 0, None)?;
        assert_eq!(
            first
                .points
                .iter()
                .map(|point| point.key.as_str())
                .collect::<Vec<_>>(),
            ["b", "a"]
        );
        assert!(!first.more);
        let nothing = Unsent {
            seq: first.seq,
            ..Unsent::default()
        };
        assert_eq!(points::after(conn, "t", first.seq, None)?, nothing);

        points::append(conn, "t", &[Point::at("c", 1.0, 1)], T)?;
        let next = points::after(conn, "t", first.seq, None)?;
        assert_eq!((next.points.len(), next.points[0].key.as_str()), (1, "c"));
        assert!(next.seq > first.seq);
        assert_eq!(points::history(conn, "t", None)?.len(), 4);
        Ok(())
    });
}

#[test]
fn remote_points_are_recorded_once_and_do_not_update_the_trial() {
    with_conn(|conn| {
        trial(conn)?;
        let remote = [timed(1.0, 1, 1), timed(f64::NAN, 2, 2)];
        assert_eq!(points::append_remote(conn, "t", &remote)?, 2);
        assert_eq!(points::append_remote(conn, "t", &remote)?, 0);
        assert_eq!(updated_at(conn)?, T);
        Ok(())
    });
}

#[test]
fn points_belong_to_a_trial_and_go_with_it() {
    with_conn(|conn| {
        let error = points::append(conn, "nobody", &[Point::at("a", 1.0, 1)], T).unwrap_err();
        assert_eq!(error.kind, ErrorKind::NotFound);

        trial(conn)?;
        points::append(conn, "t", &[Point::at("a", 1.0, 1)], T)?;
        record::delete(conn, &tables::MODEL_TRIALS, "id")?;
        let left: i64 =
            conn.query_row("SELECT count(*) FROM trial_points", [], |row| row.get(0))?;
        assert_eq!(left, 0);
        Ok(())
    });
}

#[test]
fn points_of_a_run_without_a_trial_are_kept_once() {
    with_conn(|conn| {
        let points = [
            timed(2.0, 2, 5),
            timed(f64::NAN, 1, 5),
            timed(f64::INFINITY, 3, 5),
            timed(f64::MAX, 3, 5),
        ];
        assert_eq!(points::append_of_run(conn, "run", &points)?, 3);
        assert_eq!(points::append_of_run(conn, "run", &points)?, 0);
        assert_eq!(points::append_of_run(conn, "other", &points[..1])?, 1);

        let kept = points::history_of_run(conn, "run", Some("loss"))?;
        let steps: Vec<_> = kept.iter().map(|point| point.step).collect();
        assert_eq!(steps, [1, 2, 3]);
        assert!(kept[0].value.is_nan());
        assert_eq!(kept[2].value, f64::INFINITY);
        assert!(points::history_of_run(conn, "run", Some("acc"))?.is_empty());
        assert!(points::history_of_run(conn, "nobody", None)?.is_empty());
        Ok(())
    });
}

#[test]
fn a_run_that_gets_a_trial_brings_its_points() {
    with_conn(|conn| {
        trial(conn)?;
        points::append(
            conn,
            "t",
            &[Point {
                timestamp: Some(5),
                ..Point::at("loss", 2.0, 2)
            }],
            T,
        )?;
        points::append_of_run(conn, "run", &[timed(1.0, 1, 5), timed(2.0, 2, 5)])?;
        let mine = points::after(conn, "t", 0, None)?;

        runs::settle(
            conn,
            row(json!({"mlflow_run_id": "run", "model_trial_id": "id"})),
            T,
        )?;
        let all = [timed(1.0, 1, 5), timed(2.0, 2, 5)];
        assert_eq!(points::history_of_run(conn, "run", None)?, all);
        assert_eq!(points::history(conn, "t", None)?, all);
        assert_eq!(
            points::after(conn, "t", 0, None)?,
            mine,
            "what came is not sent back"
        );
        let left: i64 = conn.query_row("SELECT count(*) FROM run_points", [], |row| row.get(0))?;
        assert_eq!(left, 0);
        Ok(())
    });
}
