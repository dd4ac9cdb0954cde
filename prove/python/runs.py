import json
import math
import os

import mlflow
import numpy as np
import pandas as pd
from mlflow.entities import Metric, Param, RunTag, ViewType

from checks import equal, new_experiment, refused


def data(client, unique):
    new_experiment(unique)
    with mlflow.start_run(run_name="with data", description="a description") as active:
        run_id = active.info.run_id
        for step in range(20):
            mlflow.log_metric("loss", 1 / (step + 1), step=step)
        mlflow.log_metrics({"acc": 0.5, "auc": 0.75}, step=3)
        mlflow.log_metric("nan", float("nan"))
        mlflow.log_metric("huge", 1e300)
        mlflow.log_param("lr", 0.1)
        mlflow.log_params({"optimizer": "adam", "layers": 3, "unicode": "é 実験"})
        mlflow.set_tag("team", "vision")
        mlflow.set_tags({"a.b": "1", "empty": ""})
    run = client.get_run(run_id)
    equal(run.info.status, "FINISHED")
    equal(run.info.run_name, "with data")
    assert run.info.end_time >= run.info.start_time
    equal(run.data.params, {"lr": "0.1", "optimizer": "adam", "layers": "3", "unicode": "é 実験"})
    equal(run.data.metrics["loss"], 1 / 20)
    equal((run.data.metrics["acc"], run.data.metrics["huge"]), (0.5, 1e300))
    assert math.isnan(run.data.metrics["nan"])
    equal(run.data.tags["team"], "vision")
    equal(run.data.tags["mlflow.note.content"], "a description")
    equal(run.data.tags["empty"], "")

    history = client.get_metric_history(run_id, "loss")
    equal([point.step for point in history], list(range(20)))
    equal([point.value for point in history], [1 / (step + 1) for step in range(20)])
    equal(client.get_metric_history(run_id, "none"), [])

    client.delete_tag(run_id, "team")
    assert "team" not in client.get_run(run_id).data.tags
    refused("RESOURCE_DOES_NOT_EXIST", client.delete_tag, run_id, "team")
    client.log_param(run_id, "lr", 0.1)
    refused("INVALID_PARAMETER_VALUE", client.log_param, run_id, "lr", 0.2)
    refused("RESOURCE_DOES_NOT_EXIST", client.get_run, "0" * 32, message="not found")


def nested(client, unique):
    experiment_id = new_experiment(unique)
    with mlflow.start_run(run_name="parent") as parent:
        for number in range(3):
            with mlflow.start_run(run_name=f"child {number}", nested=True):
                mlflow.log_metric("number", number)
    children = client.search_runs(
        [experiment_id],
        f"tags.mlflow.parentRunId = '{parent.info.run_id}'",
        order_by=["metrics.number DESC"],
    )
    equal([child.info.run_name for child in children], ["child 2", "child 1", "child 0"])


def batches(client, unique):
    run_id = client.create_run(new_experiment(unique)).info.run_id
    points = [Metric("m", step / 7, 1_600_000_000_000 + step, step) for step in range(1000)]
    client.log_batch(run_id, metrics=points)
    client.log_batch(run_id, metrics=points)
    client.log_batch(
        run_id,
        metrics=[Metric("m", -1.0, 1_600_000_009_000, 5_000)],
        params=[Param(f"p{n}", str(n)) for n in range(100)],
        tags=[RunTag(f"t{n}", str(n)) for n in range(100)],
    )
    run = client.get_run(run_id)
    equal(len(run.data.params), 100)
    equal(run.data.tags["t99"], "99")
    equal(run.data.metrics["m"], -1.0)
    history = client.get_metric_history(run_id, "m")
    equal(len(history), 1001, "the same points sent again are the same points")
    equal(history[10].value, 10 / 7)
    refused("INVALID_PARAMETER_VALUE", client.log_batch, run_id, params=[Param("p1", "other")])


def datasets(client, unique):
    experiment_id = new_experiment(unique)
    frame = pd.DataFrame({"x": [1, 2, 3], "y": [0.5, 1.5, 2.5]})
    with mlflow.start_run() as active:
        mlflow.log_input(mlflow.data.from_pandas(frame, name="frame", targets="y"), context="training")
        mlflow.log_input(mlflow.data.from_numpy(np.arange(6).reshape(3, 2), name="array"), context="eval")
    inputs = client.get_run(active.info.run_id).inputs.dataset_inputs
    by_name = {item.dataset.name: item for item in inputs}
    equal(sorted(by_name), ["array", "frame"])
    equal([(tag.key, tag.value) for tag in by_name["frame"].tags], [("mlflow.data.context", "training")])
    equal(json.loads(by_name["frame"].dataset.profile)["num_rows"], 3)
    equal(len(json.loads(by_name["frame"].dataset.schema)["mlflow_colspec"]), 2)
    for filter_string, count in [
        ("datasets.name = 'frame'", 1),
        ("datasets.context = 'eval' AND datasets.name = 'array'", 1),
        ("datasets.name = 'other'", 0),
    ]:
        equal(len(client.search_runs([experiment_id], filter_string)), count, filter_string)


def artifacts(client, unique):
    new_experiment(unique)
    os.makedirs("local/deep", exist_ok=True)
    with open("local/a.txt", "w") as file:
        file.write("a")
    with open("local/deep/b.bin", "wb") as file:
        file.write(bytes(range(256)) * 4096)
    with mlflow.start_run() as active:
        mlflow.log_text("some text, é 実験", "texts/note.txt")
        mlflow.log_dict({"k": [1, 2]}, "dict.json")
        mlflow.log_artifacts("local", "files")
        mlflow.log_artifact("local/a.txt")
    run_id = active.info.run_id
    listed = {item.path: (item.is_dir, item.file_size) for item in client.list_artifacts(run_id)}
    equal(sorted(listed), ["a.txt", "dict.json", "files", "texts"])
    equal((listed["a.txt"], listed["files"][0]), ((False, 1), True))
    deep = client.list_artifacts(run_id, "files/deep")
    equal([(item.path, item.file_size) for item in deep], [("files/deep/b.bin", 256 * 4096)])
    equal(client.list_artifacts(run_id, "none"), [])

    root = f"runs:/{run_id}"
    equal(mlflow.artifacts.load_text(f"{root}/texts/note.txt"), "some text, é 実験")
    equal(mlflow.artifacts.load_dict(f"{root}/dict.json"), {"k": [1, 2]})
    folder = client.download_artifacts(run_id, "files", ".")
    with open(os.path.join(folder, "deep", "b.bin"), "rb") as file:
        equal(file.read(), bytes(range(256)) * 4096, "the file as it went up")


def search(client, unique):
    experiment_id = new_experiment(unique)
    for number in range(6):
        with mlflow.start_run(run_name=f"run {number}"):
            mlflow.log_metric("acc", number / 10)
            mlflow.log_param("kind", "even" if number % 2 == 0 else "odd")
            mlflow.set_tag("group", f"g{number // 3}")
    frame = mlflow.search_runs(
        [experiment_id],
        "metrics.acc >= 0.2 AND params.kind = 'even'",
        order_by=["metrics.acc DESC"],
    )
    equal(list(frame["metrics.acc"]), [0.4, 0.2])
    equal(list(frame["params.kind"]), ["even", "even"])
    equal(list(frame["tags.mlflow.runName"]), ["run 4", "run 2"])
    equal(list(frame["status"]), ["FINISHED"] * 2)
    assert str(frame["start_time"].dtype).startswith("datetime64")
    by_name = mlflow.search_runs(experiment_names=[unique], order_by=["params.kind", "metrics.acc"])
    equal(list(by_name["metrics.acc"]), [0.0, 0.2, 0.4, 0.1, 0.3, 0.5])
    for filter_string, count in [
        ("tags.group = 'g1'", 3),
        ("tags.group LIKE 'g%' AND attributes.status = 'FINISHED'", 6),
        ("attributes.run_name ILIKE 'RUN 5'", 1),
        ("params.kind != 'odd'", 3),
        ("metrics.none > 1", 0),
    ]:
        equal(len(mlflow.search_runs([experiment_id], filter_string)), count, filter_string)
    refused("INVALID_PARAMETER_VALUE", client.search_runs, [experiment_id], "nonsense.x = 1")


def pages(client, unique):
    experiment_id = new_experiment(unique)
    expected = [client.create_run(experiment_id, start_time=1_600_000_000_000 + n).info.run_id for n in range(25)]
    seen, token = [], None
    while True:
        page = client.search_runs(
            [experiment_id], max_results=10, order_by=["start_time ASC"], page_token=token
        )
        seen += [run.info.run_id for run in page]
        token = page.token
        if not token:
            break
    equal(seen, expected, "the pages together")


def lifecycle(client, unique):
    experiment_id = new_experiment(unique)
    run_id = client.create_run(experiment_id, run_name="first").info.run_id
    equal(client.get_run(run_id).info.status, "RUNNING")
    client.update_run(run_id, status="FAILED", name="second")
    run = client.get_run(run_id)
    equal((run.info.status, run.info.run_name), ("FAILED", "second"))
    equal(run.data.tags["mlflow.runName"], "second")
    client.set_terminated(run_id, "KILLED")
    equal(client.get_run(run_id).info.status, "KILLED")

    client.delete_run(run_id)
    equal(client.get_run(run_id).info.lifecycle_stage, "deleted")
    equal(len(client.search_runs([experiment_id])), 0)
    equal(len(client.search_runs([experiment_id], run_view_type=ViewType.DELETED_ONLY)), 1)
    refused("INVALID_PARAMETER_VALUE", client.log_metric, run_id, "m", 1.0)
    client.restore_run(run_id)
    equal(len(client.search_runs([experiment_id])), 1)
