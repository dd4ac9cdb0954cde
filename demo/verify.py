"""verify.py DATABASE EXPECTED: compares MLflow's own database with what the demo recorded.

DATABASE is the SQLite file of the MLflow server, read without the server and without the
library under test. EXPECTED is a JSON file:

    {"trials":  [{"trial_id", "status", "params", "metrics", "history": [[key, value, step]]}],
     "records": [{"mlflow_run_id", "status", "params", "metrics", "tags"}]}

Every trial must have exactly one run, and that run the trial's status, params, every point
of its history, no more and no less, and as its metrics the last of each. Every record, the copy of a
run that came back to the application, must say what MLflow says.
"""

import json
import sqlite3
import sys
from collections import Counter

STATUSES = {"succeeded": "FINISHED", "failed": "FAILED", "cancelled": "KILLED"}


def main(database, expected_path):
    with open(expected_path) as file:
        expected = json.load(file)
    db = sqlite3.connect(f"file:{database}?mode=ro", uri=True)

    problems = []
    for trial in expected["trials"]:
        problems += [f"{trial['trial_id']}: {problem}" for problem in check_trial(db, trial)]
    for record in expected["records"]:
        run_id = record["mlflow_run_id"]
        problems += [f"record of {run_id}: {problem}" for problem in check_record(db, record)]

    for problem in problems:
        print(problem)
    points = sum(len(trial["history"]) for trial in expected["trials"])
    print(
        f"{len(expected['trials'])} trials with {points} points and "
        f"{len(expected['records'])} records compared: {len(problems)} differences"
    )
    return 1 if problems else 0


def check_trial(db, trial):
    runs = rows(
        db,
        "SELECT r.run_uuid, r.status FROM runs r JOIN tags t USING (run_uuid)"
        " WHERE t.key = 'thunderline_trial_id' AND t.value = ? AND r.lifecycle_stage = 'active'",
        trial["trial_id"],
    )
    if len(runs) != 1:
        return [f"{len(runs)} runs instead of one"]

    run_id, status = runs[0]
    latest = {key: value for key, value, _step in trial["history"]} | trial["metrics"]
    history = rows(db, "SELECT key, value, is_nan, step FROM metrics WHERE run_uuid = ?", run_id)
    return [
        *compare("status", STATUSES[trial["status"]], status),
        *compare("params", plain(trial["params"]), plain(params_of(db, run_id))),
        *compare("metrics", numbers(latest), metrics_of(db, run_id)),
        *compare_points(
            Counter((key, number(value), step) for key, value, step in trial["history"]),
            Counter((key, stored(value, is_nan), step) for key, value, is_nan, step in history),
        ),
    ]


def check_record(db, record):
    run_id = record["mlflow_run_id"]
    runs = rows(db, "SELECT status FROM runs WHERE run_uuid = ?", run_id)
    if not runs:
        return ["no such run"]
    tags = dict(rows(db, "SELECT key, value FROM tags WHERE run_uuid = ?", run_id))
    return [
        *compare("status", record["status"].upper(), runs[0][0]),
        *compare("params", plain(record["params"]), plain(params_of(db, run_id))),
        *compare("metrics", numbers(record["metrics"]), metrics_of(db, run_id)),
        *compare("tags", record["tags"], tags),
    ]


def compare(what, expected, found):
    return [] if expected == found else [f"{what}: expected {expected}, found {found}"]


def compare_points(expected, found):
    """A point is (key, value, step), and may be there more than once, which is one too many."""
    return [
        f"history: {what} {point}"
        for what, points in (("lacks", expected - found), ("has too much", found - expected))
        for point in points.elements()
    ]


def params_of(db, run_id):
    return dict(rows(db, "SELECT key, value FROM params WHERE run_uuid = ?", run_id))


def metrics_of(db, run_id):
    found = rows(db, "SELECT key, value, is_nan FROM latest_metrics WHERE run_uuid = ?", run_id)
    return {key: stored(value, is_nan) for key, value, is_nan in found}


def plain(params):
    """Params are strings in MLflow: a number is compared as one, whatever its spelling."""
    return {key: as_number(value) for key, value in params.items()}


def as_number(value):
    try:
        return float(value)
    except ValueError:
        return value


def numbers(metrics):
    return {key: number(value) for key, value in metrics.items()}


def number(value):
    """MLflow stores an infinity as the largest float."""
    return max(-sys.float_info.max, min(sys.float_info.max, float(value)))


def stored(value, is_nan):
    return "NaN" if is_nan else value


def rows(db, query, *parameters):
    return db.execute(query, parameters).fetchall()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
