"""The whole round of MLflow's own Python client, against one tracking server.

    python round.py TRACKING_URI DIRECTORY

What is written is read back and compared; the first thing that does not hold ends it with
status 1. It prints `ok NAME` for each part that holds. Files are kept in DIRECTORY. Runs with
MLflow 2.9 and 3.x; what only one of them has is left out with the other.
"""

import logging
import os
import sys
import time
import uuid

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
# A model's requirements would be looked up by running pip.
os.environ.setdefault("MLFLOW_REQUIREMENTS_INFERENCE_TIMEOUT", "120")
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")

import mlflow

import experiments
import logged_models
import models
import registry
import runs

PARTS = [
    experiments.lifecycle,
    experiments.search,
    runs.data,
    runs.nested,
    runs.batches,
    runs.datasets,
    runs.artifacts,
    runs.search,
    runs.pages,
    runs.lifecycle,
    models.autolog,
    models.log_and_load,
    registry.lifecycle,
    registry.versions,
    registry.search,
]
if int(mlflow.__version__.split(".")[0]) >= 3:
    PARTS += [logged_models.lifecycle, logged_models.search, logged_models.outputs]


def main(uri, directory):
    os.makedirs(directory, exist_ok=True)
    os.chdir(directory)
    # What fails tells what it did.
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    unique = f"round-{uuid.uuid4().hex[:12]}"
    print(f"mlflow {mlflow.__version__} on {uri}", flush=True)
    for part in PARTS:
        name = f"{part.__module__}.{part.__name__}"
        began = time.monotonic()
        part(mlflow.MlflowClient(), f"{unique}.{name}")
        print(f"ok {name} ({time.monotonic() - began:.2f} s)", flush=True)
    print("all hold", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
