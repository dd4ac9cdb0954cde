import mlflow
import numpy as np
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from checks import equal, new_experiment

THREE = int(mlflow.__version__.split(".")[0]) >= 3


def fitted():
    features, target = load_iris(return_X_y=True, as_frame=True)
    return LogisticRegression(max_iter=300).fit(features, target), features


def log(model, name, **kwargs):
    # What 2.9 calls its path.
    name = {"name": name} if THREE else {"artifact_path": name}
    # pip is not asked what the model needs.
    return mlflow.sklearn.log_model(model, pip_requirements=["scikit-learn"], **name, **kwargs)


def autolog(client, unique):
    new_experiment(unique)
    mlflow.sklearn.autolog(log_models=False)
    try:
        with mlflow.start_run() as active:
            fitted()
    finally:
        mlflow.sklearn.autolog(disable=True)
    run = client.get_run(active.info.run_id)
    equal(run.data.params["max_iter"], "300")
    equal(run.data.tags["estimator_name"], "LogisticRegression")
    assert run.data.metrics["training_accuracy_score"] > 0.9
    equal([item.dataset.source_type for item in run.inputs.dataset_inputs], ["code"])
    assert any(item.path == "estimator.html" for item in client.list_artifacts(active.info.run_id))


def log_and_load(client, unique):
    new_experiment(unique)
    model, features = fitted()
    expected = model.predict(features)
    signature = mlflow.models.infer_signature(features, expected)
    with mlflow.start_run() as active:
        info = log(model, "model", signature=signature)
    loaded = mlflow.pyfunc.load_model(info.model_uri)
    assert np.array_equal(loaded.predict(features), expected)
    by_run = mlflow.sklearn.load_model(f"runs:/{active.info.run_id}/model")
    assert np.array_equal(by_run.predict(features), expected)

    version = mlflow.register_model(info.model_uri, unique)
    equal((version.name, int(version.version), version.status), (unique, 1, "READY"))
    client.set_registered_model_alias(unique, "champion", "1")
    for uri in [f"models:/{unique}/1", f"models:/{unique}@champion", f"models:/{unique}/latest"]:
        assert np.array_equal(mlflow.pyfunc.load_model(uri).predict(features), expected), uri
    client.transition_model_version_stage(unique, "1", "Production")
    staged = mlflow.pyfunc.load_model(f"models:/{unique}/Production")
    assert np.array_equal(staged.predict(features), expected)

    with mlflow.start_run():
        log(model, "model", registered_model_name=unique)
    equal(sorted(int(v.version) for v in client.search_model_versions(f"name = '{unique}'")), [1, 2])
