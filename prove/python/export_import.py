"""An experiment and a registered model carried from one server to another by mlflow-export-import.

    python export_import.py SOURCE_URI TARGET_URI DIRECTORY

Needs a Python with what mlflow-export-import does not bring itself, and is no part of the tests:

    pip install mlflow==3.17.2 mlflow-export-import tabulate pyyaml setuptools

What was exported must be at the target: runs with their params, tags, whole histories and
artifacts, and the model with its versions and stages. Version 1.2.0 knows no aliases, and takes
models only from runs whose artifacts it sees as files: the model's experiments are in a folder.
"""

import os
import subprocess
import sys
import uuid

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

from mlflow import MlflowClient

from checks import equal

TOOLS = os.path.dirname(sys.executable)


def main(source_uri, target_uri, directory):
    directory = os.path.abspath(directory)
    os.makedirs(directory, exist_ok=True)
    source, target = (MlflowClient(uri, registry_uri=uri) for uri in (source_uri, target_uri))
    name = f"carried-{uuid.uuid4().hex[:12]}"
    there = f"{name}-there"

    fill(source, source.create_experiment(name, tags={"team": "vision"}))
    dumped = os.path.join(directory, name)
    tool(source_uri, "export-experiment", "--experiment", name, "--output-dir", dumped)
    tool(target_uri, "import-experiment", "--experiment-name", there, "--input-dir", dumped)
    equal(runs(target, there), runs(source, name), "the runs")

    for client, which in [(source, name), (target, there)]:
        client.create_experiment(f"{which}-model", f"file://{directory}/files/{which}")
    of_model = source.get_experiment_by_name(f"{name}-model").experiment_id
    register(source, name, fill(source, of_model))
    dumped = os.path.join(directory, f"{name}-model")
    tool(source_uri, "export-model", "--model", name, "--output-dir", dumped)
    where = ("--experiment-name", f"{there}-model", "--input-dir", dumped)
    tool(target_uri, "import-model", "--model", there, *where)
    equal(versions(target, there), versions(source, name), "the model's versions")
    print("all is there")


def fill(client, experiment_id):
    made = []
    for number in range(3):
        run_id = client.create_run(experiment_id, run_name=f"run {number}").info.run_id
        for step in range(5):
            client.log_metric(run_id, "loss", number + 1 / (step + 1), step=step)
        client.log_param(run_id, "number", number)
        client.set_tag(run_id, "note", "é 実験")
        client.log_text(run_id, f"text {number}", "folder/text.txt")
        client.set_terminated(run_id)
        made.append(run_id)
    return made


def register(client, name, run_ids):
    client.create_registered_model(name, tags={"team": "vision"}, description="a model")
    for number, run_id in enumerate(run_ids):
        source = f"{client.get_run(run_id).info.artifact_uri}/folder".removeprefix("file://")
        client.create_model_version(name, source, run_id, tags={"n": str(number)}, description="made")
    client.transition_model_version_stage(name, "1", "Production")


def tool(uri, program, *arguments):
    environment = dict(os.environ, MLFLOW_TRACKING_URI=uri, MLFLOW_REGISTRY_URI=uri)
    command = [os.path.join(TOOLS, program), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    # It tells of a failed import and ends with 0.
    said = done.stdout + done.stderr
    assert done.returncode == 0 and "Traceback" not in said, f"{' '.join(command)}\n{said}"


def runs(client, experiment_name):
    experiment_id = client.get_experiment_by_name(experiment_name).experiment_id
    found = client.search_runs([experiment_id], order_by=["params.number"])
    return [
        {
            "name": run.info.run_name,
            "status": run.info.status,
            "params": run.data.params,
            "note": run.data.tags["note"],
            "loss": [(m.step, m.value, m.timestamp) for m in client.get_metric_history(run.info.run_id, "loss")],
            "text": text(client, run.info.run_id),
        }
        for run in found
    ]


def text(client, run_id):
    path = client.download_artifacts(run_id, "folder/text.txt")
    with open(path) as file:
        return file.read()


def versions(client, name):
    model = client.get_registered_model(name)
    found = client.search_model_versions(f"name = '{name}'", order_by=["version_number ASC"])
    return {
        "description": model.description,
        "tags": model.tags,
        "versions": [(int(v.version), v.current_stage, v.description, v.tags) for v in found],
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
