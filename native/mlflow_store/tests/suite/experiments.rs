use mlflow_store::experiments;
use serde_json::json;

use crate::support::{T, record, with_conn};

#[test]
fn an_experiment_is_put_once_and_found_by_any_of_its_names() {
    with_conn(|conn| {
        let given = record(json!({"mlflow_experiment_id": "7", "name": "n", "synced_at": T}));
        let first = experiments::put(conn, given.clone(), T)?;
        assert_eq!(experiments::put(conn, given, T + 1)?, first);

        for name in [first["id"].as_str().unwrap(), "7", "n"] {
            assert_eq!(
                experiments::find(conn, name)?.as_ref(),
                Some(&first),
                "{name}"
            );
        }
        assert_eq!(experiments::find(conn, "nobody")?, None);
        Ok(())
    });
}
