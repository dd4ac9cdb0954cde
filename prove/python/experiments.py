from mlflow.entities import ViewType

from checks import equal, refused


def lifecycle(client, unique):
    first = client.create_experiment(unique, tags={"team": "vision"})
    experiment = client.get_experiment(first)
    equal(experiment.name, unique)
    equal(experiment.tags, {"team": "vision"})
    equal(experiment.lifecycle_stage, "active")
    assert experiment.creation_time > 1_600_000_000_000
    assert experiment.artifact_location.endswith(f"/{first}"), experiment.artifact_location
    equal(client.get_experiment_by_name(unique).experiment_id, first)
    equal(client.get_experiment_by_name(unique + " none"), None)
    refused("RESOURCE_ALREADY_EXISTS", client.create_experiment, unique)
    refused("RESOURCE_DOES_NOT_EXIST", client.get_experiment, "999999999")

    client.set_experiment_tag(first, "clé", "värde 実験")
    equal(client.get_experiment(first).tags["clé"], "värde 実験")

    client.rename_experiment(first, unique + " renamed")
    renamed = client.get_experiment(first)
    equal(renamed.name, unique + " renamed")
    assert renamed.last_update_time >= experiment.last_update_time

    client.delete_experiment(first)
    equal(client.get_experiment(first).lifecycle_stage, "deleted")
    client.restore_experiment(first)
    equal(client.get_experiment(first).lifecycle_stage, "active")


def search(client, unique):
    names = [f"{unique} {letter}" for letter in "abcde"]
    ids = [client.create_experiment(name, tags={"odd": str(n % 2)}) for n, name in enumerate(names)]
    client.delete_experiment(ids[4])

    def found(filter_string, **kwargs):
        return [e.name for e in client.search_experiments(filter_string=filter_string, **kwargs)]

    ours = f"name LIKE '{unique}%'"
    equal(found(ours, order_by=["name ASC"]), names[:4])
    equal(found(ours, order_by=["name DESC"]), names[3::-1])
    equal(found(ours + " AND tags.odd = '1'", order_by=["name"]), [names[1], names[3]])
    equal(found(ours, view_type=ViewType.DELETED_ONLY), [names[4]])
    equal(len(found(ours, view_type=ViewType.ALL)), 5)
    equal(found(f"name ILIKE '{unique.upper()} A'"), [names[0]])

    seen, token = [], None
    while True:
        page = client.search_experiments(
            filter_string=ours, max_results=3, order_by=["name ASC"], page_token=token
        )
        seen += [e.name for e in page]
        token = page.token
        if not token:
            break
    equal(seen, names[:4], "the pages together")
    refused("INVALID_PARAMETER_VALUE", found, "nonsense = 'x'")
