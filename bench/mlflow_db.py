"""Rows of an MLflow server's SQLite database: written where the REST API would take minutes, and
counted where only the rows themselves tell what arrived.

    seed EXPERIMENT_ID RUNS TAG
    whole EXPERIMENT_ID PARAMS POINTS
    points DATABASE
    analyze
"""

import sqlite3
import uuid
from functools import partial

# The time of everything that is seeded, so that a trial can be made that equals its run.
TIME = 1_700_000_000_000


def commands(database):
    return {
        "seed": partial(seed, database),
        "whole": partial(whole, database),
        "points": points,
        "analyze": partial(analyze, database),
    }


def seed(database, experiment_id, runs, tag):
    """Finished runs with 20 params, 10 metrics and, unless TAG is -, the tag that names a trial."""
    numbers = range(1, int(runs) + 1)
    ids = {number: uuid.uuid4().hex for number in numbers}
    with sqlite3.connect(database, timeout=60) as connection:
        (folder,) = connection.execute(
            "SELECT artifact_location FROM experiments WHERE experiment_id = ?", [experiment_id]
        ).fetchone()
        insert(
            connection,
            "runs (run_uuid, name, source_type, source_name, entry_point_name, user_id, status,"
            " start_time, end_time, source_version, lifecycle_stage, artifact_uri, experiment_id)",
            (
                (ids[n], f"trial-{n}", "UNKNOWN", "", "", "bench", "FINISHED", TIME, TIME, "",
                 "active", f"{folder}/{ids[n]}/artifacts", experiment_id)
                for n in numbers
            ),
        )
        insert(
            connection,
            "params (key, value, run_uuid)",
            ((f"param_{k}", str(k * n), ids[n]) for n in numbers for k in range(1, 21)),
        )
        for table in ("metrics", "latest_metrics"):
            insert(
                connection,
                f"{table} (key, value, timestamp, step, is_nan, run_uuid)",
                ((f"metric_{k}", k / n, TIME, 0, 0, ids[n]) for n in numbers for k in range(1, 11)),
            )
        insert(connection, "tags (key, value, run_uuid)", tags(ids, tag))


def tags(ids, tag):
    for number, run_id in ids.items():
        yield "mlflow.runName", f"trial-{number}", run_id
        yield "mlflow.user", "bench", run_id
        if tag != "-":
            yield tag, f"trial-{number}", run_id


def insert(connection, into, rows):
    values = ", ".join("?" * (into.count(",") + 1))
    connection.executemany(f"INSERT INTO {into} VALUES ({values})", rows)


def whole(database, experiment_id, params, points):
    """How many runs there are, and how many of them are finished and have it all, once."""
    with sqlite3.connect(database, timeout=60) as connection:
        runs, complete = connection.execute(
            """
            SELECT count(*), sum(
              status = 'FINISHED'
              AND (SELECT count(*) FROM params p WHERE p.run_uuid = r.run_uuid) = :params
              AND (SELECT count(*) FROM metrics m WHERE m.run_uuid = r.run_uuid) = :points
              AND (SELECT count(*) FROM (SELECT DISTINCT key, step FROM metrics m
                                         WHERE m.run_uuid = r.run_uuid)) = :points)
            FROM runs r WHERE experiment_id = :experiment AND lifecycle_stage = 'active'
            """,
            {"experiment": int(experiment_id), "params": int(params), "points": int(points)},
        ).fetchone()
    return {"runs": runs, "complete": complete or 0}


def points(database):
    """All the points of a database, and how many steps they are of."""
    with sqlite3.connect(database, timeout=60) as connection:
        (points,) = connection.execute("SELECT count(*) FROM metrics").fetchone()
        (steps,) = connection.execute("SELECT count(DISTINCT step) FROM metrics").fetchone()
    return {"points": points, "steps": steps}


def analyze(database):
    """Has SQLite count its rows, so that it plans well; MLflow does not."""
    with sqlite3.connect(database, timeout=60) as connection:
        (tables,) = connection.execute("ANALYZE").execute(
            "SELECT count(DISTINCT tbl) FROM sqlite_stat1"
        ).fetchone()
    return {"tables": tables}
