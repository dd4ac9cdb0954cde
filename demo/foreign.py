"""foreign.py URI EXPERIMENT_ID RUN_ID: what a colleague does with MLflow's own client.

Adds a run of their own to the experiment, with a metric history, sets a tag on one of
ours, and prints the new run's id.
"""

import sys
import time

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag

uri, experiment_id, our_run_id = sys.argv[1:]
client = MlflowClient(tracking_uri=uri)
now = int(time.time() * 1000)

run = client.create_run(experiment_id, run_name="colleague-baseline")
client.log_batch(
    run.info.run_id,
    params=[Param("model", "nearest-centroid"), Param("distance", "euclidean")],
    tags=[RunTag("author", "a colleague")],
    metrics=[
        Metric("val_accuracy", 0.80 + 0.01 * step, now + step, step) for step in range(1, 13)
    ],
)
client.set_terminated(run.info.run_id)
client.set_tag(our_run_id, "reviewed", "yes, promising")

print(run.info.run_id)
