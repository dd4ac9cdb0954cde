"""python_client.py URI: MLflow's own client, told by lines on stdin what to do and how often.

    get_run RUN_ID COUNT
    push EXPERIMENT_ID TRIALS THREADS

Answers each with a line: the seconds it took. The first line it writes is its versions.
"""

import platform
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Metric, Param

client = MlflowClient(tracking_uri=sys.argv[1])


def get_run(run_id, count):
    for _ in range(int(count)):
        client.get_run(run_id)


def push(experiment_id, trials, threads):
    with ThreadPoolExecutor(int(threads)) as pool:
        list(pool.map(lambda trial: push_trial(experiment_id, trial), range(1, int(trials) + 1)))


def push_trial(experiment_id, trial):
    """The same trial as Bench.Trials makes."""
    run_id = client.create_run(experiment_id, run_name=f"trial-{trial}").info.run_id
    now = int(time.time() * 1000)
    client.log_batch(
        run_id,
        params=[Param(f"param_{k}", str(k * trial)) for k in range(1, 21)],
        metrics=[Metric(f"metric_{k}", k / trial, now, 0) for k in range(1, 11)],
    )
    client.set_terminated(run_id)


print(f"mlflow {mlflow.__version__}, Python {platform.python_version()}", flush=True)
for line in sys.stdin:
    command, *arguments = line.split()
    started = time.perf_counter()
    {"get_run": get_run, "push": push}[command](*arguments)
    print(f"{time.perf_counter() - started:.6f}", flush=True)
