"""python_client.py URI DATABASE: MLflow's own client, told by lines on stdin what to do.

    get_run RUN_ID COUNT
    push EXPERIMENT_ID TRIALS THREADS POINTS
    search_runs EXPERIMENT_ID
    encode POINTS
    log_async EXPERIMENT_ID POINTS

Answers each with a line of names and numbers, of which `seconds` and `cpu` (seconds, of all
threads) are always there. So it does what mlflow_db.py knows. The first line it writes is its
versions.
"""

import ctypes
import os
import platform
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor

# However the VM ends: told by the end of stdin alone, a command would be carried out first.
PR_SET_PDEATHSIG = 1
ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

# Asynchronous logging would send every point in a request of its own.
os.environ["MLFLOW_ASYNC_LOGGING_BUFFERING_SECONDS"] = "1"

import mlflow
import mlflow_db
from mlflow import MlflowClient
from mlflow.entities import Metric, Param
from mlflow.protos.service_pb2 import LogBatch
from mlflow.utils.proto_json_utils import message_to_json

mlflow.set_tracking_uri(sys.argv[1])
client = MlflowClient()


def get_run(run_id, count):
    for _ in range(int(count)):
        client.get_run(run_id)


def push(experiment_id, trials, threads, points):
    def push_one(trial):
        push_trial(experiment_id, trial, int(points))

    with ThreadPoolExecutor(int(threads)) as pool:
        list(pool.map(push_one, range(1, int(trials) + 1)))


def push_trial(experiment_id, trial, points):
    """The same trial as Bench.Trials makes."""
    run_id = client.create_run(experiment_id, run_name=f"trial-{trial}").info.run_id
    now = int(time.time() * 1000)
    client.log_batch(
        run_id,
        params=[Param(f"param_{k}", str(k * trial)) for k in range(1, 21)],
        metrics=[
            Metric(f"metric_{k}", k / (trial + step), now + step, step)
            for step in range(points)
            for k in range(1, 11)
        ],
    )
    client.set_terminated(run_id)


def search_runs(experiment_id):
    return {"runs": len(mlflow.search_runs([experiment_id], max_results=50_000))}


def encode(points):
    """What RestStore.log_batch does before it sends, a thousand points at a time."""
    metrics = [
        Metric(f"metric_{n % 10 + 1}", n / 7, 1_700_000_000_000 + n, n // 10)
        for n in range(int(points))
    ]
    started = time.perf_counter()
    for first in range(0, len(metrics), 1000):
        protos = [metric.to_proto() for metric in metrics[first : first + 1000]]
        message_to_json(LogBatch(metrics=protos, run_id="0123456789abcdef0123456789abcdef"))
    return {"encoding": time.perf_counter() - started}


def log_async(experiment_id, points):
    """How long each call takes, in microseconds, and how long until all is delivered.

    The client's log_metric: mlflow.log_metric reads the run from the server in every call.
    """
    run_id = client.create_run(experiment_id).info.run_id
    latencies = []
    started = time.perf_counter()
    for step in range(int(points)):
        called = time.perf_counter_ns()
        client.log_metric(run_id, "loss", 0.5, step=step, synchronous=False)
        latencies.append((time.perf_counter_ns() - called) / 1000)
    mlflow.flush_async_logging()
    delivered = time.perf_counter() - started
    client.set_terminated(run_id)
    latencies.sort()
    shares = {"p50": 0.5, "p99": 0.99, "p999": 0.999, "max": 1}
    told = {name: latencies[int(share * (len(latencies) - 1))] for name, share in shares.items()}
    return {"delivered": delivered, **told}


COMMANDS = {
    "get_run": get_run,
    "push": push,
    "search_runs": search_runs,
    "encode": encode,
    "log_async": log_async,
    **mlflow_db.commands(sys.argv[2]),
}

print(f"mlflow {mlflow.__version__}, Python {platform.python_version()}", flush=True)
for line in sys.stdin:
    command, *arguments = line.split()
    started, cpu = time.perf_counter(), time.process_time()
    told = COMMANDS[command](*arguments) or {}
    told = {
        "seconds": time.perf_counter() - started,
        "cpu": time.process_time() - cpu,
        **told,
    }
    print(" ".join(f"{name} {number:.6f}" for name, number in told.items()), flush=True)
