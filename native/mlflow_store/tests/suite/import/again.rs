//! Importing twice, into a store that has something, and after an import that broke off.

use std::panic::{AssertUnwindSafe, catch_unwind};

use mlflow_store::tracking::experiments;
use mlflow_store::tracking::import::{Count, import};

use super::source::SourceDatabase;
use super::{experiment, import_all, points, run};
use crate::support::with_conn;

fn present(present: u64) -> Count {
    Count {
        imported: 0,
        present,
    }
}

#[test]
fn a_second_import_adds_what_is_new() {
    with_conn(|conn| {
        let source = SourceDatabase::of_3_17();
        import_all(conn, &source.path())?;
        let again = import_all(conn, &source.path())?;
        assert_eq!(again.experiments, present(2));
        assert_eq!(again.runs, present(2));
        assert_eq!(again.metric_points, 0);
        assert_eq!(again.logged_models, present(1));
        assert_eq!(again.registered_models, present(1));
        assert_eq!(again.model_versions, present(2));
        source.change(
            "INSERT INTO runs VALUES
             ('r3', 'three', 'LOCAL', 'u', 'RUNNING', 1, NULL, 'active', '', 7, NULL);
             INSERT INTO model_versions (name, version) VALUES ('m', 3)",
        );
        let more = import_all(conn, &source.path())?;
        assert_eq!((more.runs.imported, more.runs.present), (1, 2));
        assert_eq!(more.model_versions.imported, 1);
        assert_eq!(run(conn, "r3")["info"]["run_name"], "three");
        assert_eq!(points(conn, "r1", "acc").as_array().unwrap().len(), 2);
        Ok(())
    });
}

#[test]
fn a_name_that_is_taken_gets_the_id_added() {
    with_conn(|conn| {
        let id = experiments::DEFAULT_ID;
        experiments::ensure_default(conn, "mlflow-artifacts:/", 5).unwrap();
        conn.execute("UPDATE experiments SET name = 'gone'", [])?;
        let source = SourceDatabase::of_3_17();
        source.change("DELETE FROM experiments WHERE experiment_id = 0; DELETE FROM runs");
        let summary = import_all(conn, &source.path())?;
        let renamed = ("gone".to_owned(), "gone (7)".to_owned());
        assert_eq!(summary.renamed, [renamed]);
        assert_eq!(experiment(conn, 7)["name"], "gone (7)");
        assert_eq!(experiment(conn, id)["name"], "gone");
        Ok(())
    });
}

#[test]
fn another_experiment_of_the_same_id_is_not_mixed_with_this_one() {
    with_conn(|conn| {
        experiments::ensure_default(conn, "mlflow-artifacts:/", 5).unwrap();
        conn.execute("UPDATE experiments SET name = 'mine'", [])?;
        let error = import_all(conn, &SourceDatabase::of_3_17().path()).unwrap_err();
        assert_eq!(
            error.message,
            "experiment 0 is \"Default\" in the source but another one, \"mine\", here, and runs \
             refer to it by that id: import into an empty database"
        );
        assert_eq!(experiment(conn, 0)["name"], "mine");
        assert!(experiments::get(conn, 7).is_err());
        Ok(())
    });
}

#[test]
fn an_import_that_broke_off_is_gone_on_with() {
    with_conn(|conn| {
        let source = SourceDatabase::of_3_17();
        let broken = catch_unwind(AssertUnwindSafe(|| {
            import(conn, &source.path(), |progress| {
                assert_ne!(progress.table, "runs", "broken off");
            })
        }));
        assert!(broken.is_err());
        // What was told as done is there, and whole.
        assert_eq!(points(conn, "r1", "acc").as_array().unwrap().len(), 2);
        let rest = import_all(conn, &source.path())?;
        assert_eq!(rest.runs, present(2));
        assert_eq!(rest.logged_models.imported, 1);
        assert_eq!(rest.model_versions.imported, 2);
        Ok(())
    });
}

#[test]
fn of_a_run_that_cannot_be_written_nothing_is() {
    with_conn(|conn| {
        let source = SourceDatabase::of_3_17();
        source.change("INSERT INTO params VALUES ('lr', 'twice', 'r1')");
        let error = import_all(conn, &source.path()).unwrap_err();
        assert!(error.message.starts_with("run r1: "), "{error}");
        assert!(mlflow_store::tracking::runs::get(conn, "r1").is_err());
        source.change("DELETE FROM params WHERE value = 'twice'");
        assert_eq!(import_all(conn, &source.path())?.runs.imported, 2);
        Ok(())
    });
}
