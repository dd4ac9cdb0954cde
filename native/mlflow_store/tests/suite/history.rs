use mlflow_store::history::{self, HistoryFilter};
use mlflow_store::{Connection, Record, Result, runs, trials};
use serde_json::{Value, json};

use crate::support::{T, record as row, with_conn};

fn attempt(target: &str, changes: Value) -> Record {
    let mut attempt = row(json!({
        "instance": "main", "action": "sync_trial_to_mlflow", "target": target,
        "direction": "push", "result": "ok", "started_at": T, "duration_ms": 12,
    }));
    attempt.extend(row(changes));
    attempt
}

fn main() -> HistoryFilter {
    HistoryFilter {
        instance: "main".into(),
        ..HistoryFilter::default()
    }
}

fn targets(conn: &Connection, filter: HistoryFilter) -> Result<Vec<String>> {
    let text = |attempt: Record| attempt["target"].as_str().unwrap().to_owned();
    Ok(history::attempts(conn, &filter)?
        .into_iter()
        .map(text)
        .collect())
}

fn trial_with_run(conn: &Connection) -> Result<()> {
    trials::create(conn, row(json!({"id": "id", "trial_id": "t"})), &[], T)?;
    runs::settle(
        conn,
        row(json!({"mlflow_run_id": "run", "model_trial_id": "id"})),
        T,
    )?;
    Ok(())
}

#[test]
fn an_attempt_is_kept_whole() {
    with_conn(|conn| {
        trial_with_run(conn)?;
        let given = attempt(
            "t",
            json!({
                "model_trial_id": "t", "mlflow_experiment_id": "7", "pushed": 3, "requests": 2,
                "writes": 1, "counts": {"runs": 5}, "error": {"kind": "connect", "message": "m"},
            }),
        );
        let conflict = json!({
            "field": "param", "key": "lr", "local": "0.1", "remote": "0.2", "winner": "remote",
        });
        let id = history::record(conn, given.clone(), vec![row(conflict)])?;

        let kept = history::attempts(conn, &main())?.pop().unwrap();
        let mut expected = given;
        expected.extend(row(json!({
            "id": id, "mlflow_run_id": "run", "model_trial_id": "id", "pulled": 0, "conflicts": 1,
        })));
        assert_eq!(kept, expected);

        let conflict = history::conflicts(conn, &main())?.pop().unwrap();
        let expected = json!({
            "id": 1, "attempt_id": id, "instance": "main", "mlflow_run_id": "run",
            "model_trial_id": "id", "field": "param", "key": "lr", "local": "0.1",
            "remote": "0.2", "winner": "remote", "at": T,
        });
        assert_eq!(conflict, row(expected));
        Ok(())
    });
}

#[test]
fn each_conflict_of_an_experiment_is_of_its_own_run() {
    with_conn(|conn| {
        trial_with_run(conn)?;
        let of = |run| {
            row(
                json!({"mlflow_run_id": run, "field": "status", "local": "finished",
                       "remote": "failed", "winner": "local"}),
            )
        };
        let given = attempt("7", json!({"action": "sync_experiment"}));
        history::record(conn, given, vec![of("run"), of("foreign")])?;

        let found = |trial: Option<&str>, run: Option<&str>| {
            let filter = HistoryFilter {
                trial: trial.map(str::to_owned),
                run: run.map(str::to_owned),
                ..main()
            };
            let conflicts = history::conflicts(conn, &filter)?;
            let run = |row: &Record| row["mlflow_run_id"].as_str().unwrap().to_owned();
            Ok::<_, mlflow_store::StoreError>(conflicts.iter().map(run).collect::<Vec<_>>())
        };
        assert_eq!(found(None, None)?, ["foreign", "run"]);
        assert_eq!(found(Some("t"), None)?, ["run"]);
        assert_eq!(found(Some("id"), None)?, ["run"]);
        assert_eq!(found(None, Some("foreign"))?, ["foreign"]);
        Ok(())
    });
}

#[test]
fn attempts_are_listed_newest_first_by_what_is_asked() {
    with_conn(|conn| {
        trial_with_run(conn)?;
        for (n, (target, changes)) in [
            ("t", json!({"model_trial_id": "t"})),
            (
                "gone",
                json!({"model_trial_id": "gone", "result": "cancel"}),
            ),
            ("run", json!({"mlflow_run_id": "run", "direction": "pull"})),
            ("other", json!({"instance": "another"})),
        ]
        .into_iter()
        .enumerate()
        {
            let mut attempt = attempt(target, changes);
            attempt.insert("started_at".into(), (T + n as i64).into());
            history::record(conn, attempt, vec![])?;
        }

        let by = |trial: Option<&str>, run: Option<&str>| HistoryFilter {
            trial: trial.map(str::to_owned),
            run: run.map(str::to_owned),
            ..main()
        };
        assert_eq!(targets(conn, main())?, ["run", "gone", "t"]);
        assert_eq!(targets(conn, by(Some("t"), None))?, ["run", "t"]);
        assert_eq!(targets(conn, by(Some("id"), None))?, ["run", "t"]);
        assert_eq!(targets(conn, by(Some("gone"), None))?, ["gone"]);
        assert_eq!(targets(conn, by(None, Some("run")))?, ["run", "t"]);

        let equals = row(json!({"result": "cancel"}));
        assert_eq!(targets(conn, HistoryFilter { equals, ..main() })?, ["gone"]);
        let since = Some(T + 1);
        assert_eq!(
            targets(conn, HistoryFilter { since, ..main() })?,
            ["run", "gone"]
        );
        let limit = Some(1);
        assert_eq!(targets(conn, HistoryFilter { limit, ..main() })?, ["run"]);

        let equals = row(json!({"actoin": "x"}));
        let error = targets(conn, HistoryFilter { equals, ..main() }).unwrap_err();
        assert!(error.message.contains("did you mean \"action\""), "{error}");
        Ok(())
    });
}

#[test]
fn pruning_takes_the_oldest_with_their_conflicts_and_no_more_than_asked() {
    with_conn(|conn| {
        let conflict = || row(json!({"field": "status", "winner": "local"}));
        for n in 0..5 {
            let given = attempt(&n.to_string(), json!({"started_at": T + n}));
            history::record(conn, given, vec![conflict()])?;
        }
        let other = attempt("other", json!({"instance": "another"}));
        history::record(conn, other, vec![])?;

        assert_eq!(history::prune(conn, "main", T + 4, 3)?, 3);
        assert_eq!(targets(conn, main())?, ["4", "3"]);
        assert_eq!(history::conflicts(conn, &main())?.len(), 2);
        assert_eq!(history::prune(conn, "main", T + 4, 3)?, 1);
        assert_eq!(history::prune(conn, "main", T + 4, 3)?, 0);
        assert_eq!(targets(conn, main())?, ["4"]);
        let another = HistoryFilter {
            instance: "another".into(),
            ..main()
        };
        assert_eq!(targets(conn, another)?, ["other"]);
        Ok(())
    });
}

#[test]
fn an_attempt_that_cannot_be_kept_leaves_nothing() {
    with_conn(|conn| {
        let bad = row(json!({"field": "status"}));
        history::record(conn, attempt("t", json!({})), vec![bad]).unwrap_err();
        assert!(history::attempts(conn, &main())?.is_empty());
        Ok(())
    });
}
