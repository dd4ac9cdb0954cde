import mlflow

from checks import equal, new_experiment, refused


def lifecycle(client, unique):
    experiment_id = new_experiment(unique)
    model = client.create_logged_model(
        experiment_id, name="named", model_type="agent", params={"depth": "3"}, tags={"team": "vision"}
    )
    equal((str(model.status), model.name, model.params), ("PENDING", "named", {"depth": "3"}))
    ready = client.finalize_logged_model(model.model_id, "READY")
    equal(str(ready.status), "READY")
    client.set_logged_model_tags(model.model_id, {"stage": "dev"})
    client.delete_logged_model_tag(model.model_id, "team")
    got = client.get_logged_model(model.model_id)
    equal((got.tags, got.model_type, got.experiment_id), ({"stage": "dev"}, "agent", experiment_id))
    client.delete_logged_model(model.model_id)
    refused("RESOURCE_DOES_NOT_EXIST", client.get_logged_model, model.model_id)


def search(client, unique):
    experiment_id = new_experiment(unique)
    with mlflow.start_run():
        for number in range(3):
            model = mlflow.initialize_logged_model(name=f"model-{number}", params={"n": str(number)})
            mlflow.log_metric("acc", number / 10, model_id=model.model_id)
            mlflow.finalize_logged_model(model.model_id, "READY")

    def found(filter_string=None, **kwargs):
        models = client.search_logged_models([experiment_id], filter_string, **kwargs)
        return [model.name for model in models]

    by_acc = [{"field_name": "metrics.acc", "ascending": False}]
    equal(found(order_by=by_acc), ["model-2", "model-1", "model-0"])
    equal(found("metrics.acc > 0.05", order_by=by_acc), ["model-2", "model-1"])
    equal(found("params.n = '1'"), ["model-1"])
    equal(found("name = 'model-0'"), ["model-0"])
    first = client.search_logged_models([experiment_id], max_results=2, order_by=by_acc)
    rest = client.search_logged_models(
        [experiment_id], max_results=2, order_by=by_acc, page_token=first.token
    )
    equal([m.name for m in [*first, *rest]], ["model-2", "model-1", "model-0"])
    frame = mlflow.search_logged_models([experiment_id], output_format="pandas")
    equal(sorted(frame["name"]), ["model-0", "model-1", "model-2"])


def outputs(client, unique):
    from mlflow.entities import LoggedModelInput, LoggedModelOutput

    experiment_id = new_experiment(unique)
    run_id = client.create_run(experiment_id).info.run_id
    made = client.create_logged_model(experiment_id, name="made", source_run_id=run_id)
    used = client.create_logged_model(experiment_id, name="used")
    client.log_outputs(run_id, [LoggedModelOutput(made.model_id, step=7)])
    client.log_inputs(run_id, models=[LoggedModelInput(used.model_id)])
    run = client.get_run(run_id)
    equal([(o.model_id, o.step) for o in run.outputs.model_outputs], [(made.model_id, 7)])
    equal([i.model_id for i in run.inputs.model_inputs], [used.model_id])
