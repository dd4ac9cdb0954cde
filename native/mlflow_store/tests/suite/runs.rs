use mlflow_store::runs::{self, Claim, ClaimOutcome, RunRef};
use mlflow_store::{Connection, ErrorKind, Filter, Record, record, tables::MLFLOW_RUNS, trials};
use serde_json::{Value, json};

use crate::support::{T, record as row, with_conn};

const LEASE: i64 = 1000;

fn claim(owner: &str, now: i64) -> Claim {
    Claim {
        model_trial_id: "t".into(),
        mlflow_experiment_id: Some("1".into()),
        model_run_id: Some("m".into()),
        owner: owner.into(),
        now,
        lease_ms: LEASE,
    }
}

fn rows(conn: &Connection) -> Vec<Record> {
    record::list(conn, &MLFLOW_RUNS, &Filter::default()).unwrap()
}

#[test]
fn the_first_claim_is_fresh_and_others_wait_for_it() {
    with_conn(|conn| {
        let ClaimOutcome::Fresh(claimed) = runs::claim(conn, &claim("a", T))? else {
            panic!()
        };
        assert_eq!(claimed["claimed_by"], "a");
        assert_eq!(claimed["mlflow_experiment_id"], "1");
        assert_eq!(claimed["model_run_id"], "m");
        assert_eq!(
            runs::claim(conn, &claim("b", T + 1))?,
            ClaimOutcome::Busy { until: T + LEASE }
        );
        assert_eq!(rows(conn), [claimed]);
        Ok(())
    });
}

#[test]
fn after_a_claim_that_ran_out_the_outcome_is_unknown() {
    with_conn(|conn| {
        runs::claim(conn, &claim("a", T))?;
        let taken = runs::claim(conn, &claim("b", T + LEASE))?;
        assert!(matches!(&taken, ClaimOutcome::Unknown { row, .. } if row["claimed_by"] == "b"));
        let busy = runs::claim(conn, &claim("a", T + LEASE))?;
        assert_eq!(
            busy,
            ClaimOutcome::Busy {
                until: T + 2 * LEASE
            }
        );
        Ok(())
    });
}

#[test]
fn after_a_claim_that_its_owner_left_behind_the_outcome_is_unknown() {
    with_conn(|conn| {
        runs::claim(conn, &claim("a", T))?;
        let again = runs::claim(conn, &claim("a", T + 1))?;
        assert!(matches!(again, ClaimOutcome::Unknown { .. }));

        let error = json!({"kind": "timeout", "message": "m", "retryable": true});
        runs::record_error(conn, RunRef::Trial("t"), error, T + 2)?;
        let after_error = runs::claim(conn, &claim("a", T + 3))?;
        assert!(matches!(after_error, ClaimOutcome::Unknown { .. }));
        Ok(())
    });
}

#[test]
fn an_unknown_outcome_tells_since_when() {
    with_conn(|conn| {
        runs::claim(conn, &claim("a", T))?;
        let left = runs::claim(conn, &claim("a", T + 5))?;
        assert!(matches!(left, ClaimOutcome::Unknown { since, .. } if since == T + 5));

        let row = runs::by_trial(conn, "t")?.unwrap();
        runs::abandon(conn, row["id"].as_str().unwrap(), T + 7, T + 7)?;
        let abandoned = runs::claim(conn, &claim("b", T + 8))?;
        assert!(matches!(abandoned, ClaimOutcome::Unknown { since, .. } if since == T + 7));

        // An attempt that sent nothing is no reason to wait any longer.
        runs::abandon(conn, row["id"].as_str().unwrap(), T + 7, T + 9)?;
        let again = runs::claim(conn, &claim("c", T + 10))?;
        assert!(matches!(again, ClaimOutcome::Unknown { since, .. } if since == T + 7));
        Ok(())
    });
}

#[test]
fn a_released_claim_can_be_taken_afresh() {
    with_conn(|conn| {
        let ClaimOutcome::Fresh(row) = runs::claim(conn, &claim("a", T))? else {
            panic!()
        };
        runs::release(conn, row["id"].as_str().unwrap(), T + 1)?;
        assert!(matches!(
            runs::claim(conn, &claim("b", T + 2))?,
            ClaimOutcome::Fresh(_)
        ));
        Ok(())
    });
}

#[test]
fn a_claim_becomes_the_run() {
    with_conn(|conn| {
        runs::claim(conn, &claim("a", T))?;
        let error = json!({"kind": "k", "message": "m", "retryable": true});
        runs::record_error(conn, RunRef::Trial("t"), error, T)?;
        let put = runs::put(
            conn,
            row(json!({"mlflow_run_id": "r", "model_trial_id": "t"})),
            T + 1,
        )?;
        assert_eq!(put["mlflow_experiment_id"], "1");
        for column in ["claimed_by", "claimed_until", "sync_error"] {
            assert_eq!(put[column], Value::Null, "{column}");
        }
        assert_eq!(rows(conn), std::slice::from_ref(&put));
        assert_eq!(
            runs::claim(conn, &claim("b", T + 2))?,
            ClaimOutcome::Created(put)
        );
        Ok(())
    });
}

#[test]
fn a_run_that_was_pulled_first_absorbs_the_claim() {
    with_conn(|conn| {
        let pulled = runs::put(conn, row(json!({"mlflow_run_id": "r", "run_name": "n"})), T)?;
        runs::claim(conn, &claim("a", T))?;
        let run = json!({"mlflow_run_id": "r", "model_trial_id": "t", "status": "finished"});
        let put = runs::put(conn, row(run), T + 1)?;
        assert_eq!(rows(conn), std::slice::from_ref(&put));
        assert_eq!(put["id"], pulled["id"]);
        assert_eq!(
            (&put["run_name"], &put["status"]),
            (&json!("n"), &json!("finished"))
        );
        assert_eq!(put["model_run_id"], "m", "what only the claim knew");
        assert_eq!(put["claimed_by"], Value::Null);
        Ok(())
    });
}

#[test]
fn put_overwrites_what_is_given_and_keeps_the_rest() {
    with_conn(|conn| {
        let run =
            json!({"mlflow_run_id": "r", "model_trial_id": "t", "base": "{}", "points_seq": 4});
        runs::put(conn, row(run), T)?;
        let by_trial = runs::put(
            conn,
            row(json!({"model_trial_id": "t", "points_seq": 5})),
            T,
        )?;
        assert_eq!(
            (&by_trial["points_seq"], &by_trial["base"]),
            (&json!(5), &json!("{}"))
        );
        let by_run = runs::put(
            conn,
            row(json!({"mlflow_run_id": "r", "status": "failed"})),
            T,
        )?;
        assert_eq!(
            (&by_run["status"], &by_run["model_trial_id"]),
            (&json!("failed"), &json!("t"))
        );
        assert_eq!(runs::by_trial(conn, "t")?, Some(by_run.clone()));
        assert_eq!(runs::by_run_id(conn, "r")?, Some(by_run));
        Ok(())
    });
}

#[test]
fn a_given_error_is_kept_with_the_run() {
    with_conn(|conn| {
        let error = json!({"kind": "conflict", "message": "m", "retryable": false});
        let put = runs::put(
            conn,
            row(json!({"mlflow_run_id": "r", "sync_error": error})),
            T,
        )?;
        assert_eq!(put["sync_error"], error);
        let again = runs::put(
            conn,
            row(json!({"mlflow_run_id": "r", "sync_error": error})),
            T,
        )?;
        assert_eq!(again["sync_error"], error);
        let cleared = runs::put(conn, row(json!({"mlflow_run_id": "r"})), T)?;
        assert_eq!(cleared["sync_error"], Value::Null);
        Ok(())
    });
}

#[test]
fn a_second_run_of_a_trial_is_refused() {
    with_conn(|conn| {
        let link = |run: &str| row(json!({"mlflow_run_id": run, "model_trial_id": "t"}));
        runs::put(conn, link("r"), T)?;
        for setup in [None, Some(row(json!({"mlflow_run_id": "ghost"})))] {
            if let Some(ghost) = setup {
                runs::put(conn, ghost, T)?;
            }
            let error = runs::put(conn, link("ghost"), T).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Taken);
            assert!(error.message.contains("\"r\""), "{error}");
        }

        runs::put(
            conn,
            row(json!({"mlflow_run_id": "r", "model_trial_id": null})),
            T,
        )?;
        assert_eq!(runs::put(conn, link("ghost"), T)?["model_trial_id"], "t");
        Ok(())
    });
}

#[test]
fn a_run_without_any_id_is_refused() {
    with_conn(|conn| {
        let error = runs::put(conn, row(json!({"status": "running"})), T).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Invalid);
        Ok(())
    });
}

#[test]
fn errors_are_recorded_by_either_id() {
    with_conn(|conn| {
        let error = json!({"kind": "k", "message": "m", "retryable": true});
        let bare = runs::record_error(conn, RunRef::Trial("t"), error.clone(), T)?;
        assert_eq!(bare["sync_error"], error);
        assert_eq!(bare["claimed_by"], Value::Null);
        assert!(matches!(
            runs::claim(conn, &claim("a", T))?,
            ClaimOutcome::Fresh(_)
        ));

        runs::put(conn, row(json!({"mlflow_run_id": "r"})), T)?;
        let by_run = runs::record_error(conn, RunRef::Run("r"), error.clone(), T)?;
        assert_eq!(by_run["sync_error"], error);
        let missing = runs::record_error(conn, RunRef::Run("nobody"), error, T).unwrap_err();
        assert_eq!(missing.kind, ErrorKind::NotFound);
        Ok(())
    });
}

#[test]
fn an_experiment_lists_the_ids_of_its_runs() {
    with_conn(|conn| {
        for (run, experiment) in [("a", "1"), ("b", "2"), ("c", "1")] {
            let run = json!({"mlflow_run_id": run, "mlflow_experiment_id": experiment});
            runs::put(conn, row(run), T)?;
        }
        runs::claim(conn, &claim("nobody yet", T))?;
        assert_eq!(runs::ids_in_experiment(conn, "1")?, ["a", "c"]);
        Ok(())
    });
}

#[test]
fn a_parted_trial_may_get_another_run() {
    with_conn(|conn| {
        let trial = json!({"id": "t", "trial_id": "1", "artifact_uri": "s3://ours"});
        trials::create(conn, row(trial), &[], T)?;
        let run = json!({"mlflow_run_id": "r", "model_trial_id": "t", "base": "{}", "digest": 5,
                         "points_seq": 3, "params": {"lr": "1"}});
        runs::put(conn, row(run), T)?;
        trials::link(conn, "t", "r", None)?;

        runs::unlink(conn, "t", "r", T + 1)?;
        let left = runs::by_run_id(conn, "r")?.unwrap();
        for column in ["model_trial_id", "base", "digest", "points_seq"] {
            assert_eq!(left[column], Value::Null, "{column}");
        }
        assert_eq!(left["params"], json!({"lr": "1"}));
        let trial = trials::find(conn, "t")?.unwrap();
        assert_eq!(trial["mlflow_run_id"], Value::Null);
        assert_eq!(trial["artifact_uri"], "s3://ours");
        assert!(matches!(
            runs::claim(conn, &claim("a", T + 2))?,
            ClaimOutcome::Fresh(_)
        ));
        Ok(())
    });
}

#[test]
fn a_parted_trial_does_not_keep_its_runs_artifacts() {
    with_conn(|conn| {
        trials::create(conn, row(json!({"id": "t", "trial_id": "1"})), &[], T)?;
        let run = json!({"mlflow_run_id": "r", "model_trial_id": "t", "artifact_uri": "s3://r"});
        runs::put(conn, row(run), T)?;
        trials::link(conn, "t", "r", Some("s3://r"))?;

        runs::unlink(conn, "t", "r", T + 1)?;
        assert_eq!(
            trials::find(conn, "t")?.unwrap()["artifact_uri"],
            Value::Null
        );
        Ok(())
    });
}

#[test]
fn another_run_and_a_claim_stay() {
    with_conn(|conn| {
        trials::create(conn, row(json!({"id": "t", "trial_id": "1"})), &[], T)?;
        runs::claim(conn, &claim("a", T))?;
        runs::unlink(conn, "t", "old", T + 1)?;
        assert!(matches!(
            runs::claim(conn, &claim("a", T + 2))?,
            ClaimOutcome::Unknown { .. }
        ));

        let run = json!({"mlflow_run_id": "new", "model_trial_id": "t"});
        runs::put(conn, row(run), T)?;
        trials::link(conn, "t", "new", None)?;
        runs::unlink(conn, "t", "old", T + 3)?;
        assert!(runs::by_trial(conn, "t")?.is_some());
        assert_eq!(trials::find(conn, "t")?.unwrap()["mlflow_run_id"], "new");
        Ok(())
    });
}
