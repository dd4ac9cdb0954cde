from checks import equal, refused


def lifecycle(client, unique):
    client.create_registered_model(unique, tags={"team": "vision"}, description="first words")
    model = client.get_registered_model(unique)
    equal((model.name, model.description, model.tags), (unique, "first words", {"team": "vision"}))
    refused("RESOURCE_ALREADY_EXISTS", client.create_registered_model, unique)
    client.update_registered_model(unique, "better words")
    client.set_registered_model_tag(unique, "stage", "dev")
    client.delete_registered_model_tag(unique, "team")
    model = client.get_registered_model(unique)
    equal((model.description, model.tags), ("better words", {"stage": "dev"}))
    renamed = unique + " renamed"
    client.rename_registered_model(unique, renamed)
    refused("RESOURCE_DOES_NOT_EXIST", client.get_registered_model, unique)
    client.delete_registered_model(renamed)
    refused("RESOURCE_DOES_NOT_EXIST", client.get_registered_model, renamed)


def versions(client, unique):
    client.create_registered_model(unique)
    run_id = client.create_run("0").info.run_id
    for number in (1, 2, 3):
        version = client.create_model_version(
            unique, f"s3://bucket/{number}", run_id, tags={"number": str(number)}, description="made"
        )
        equal(int(version.version), number)
    client.update_model_version(unique, "1", "described")
    client.set_model_version_tag(unique, "1", "checked", "yes")
    client.delete_model_version_tag(unique, "1", "number")
    version = client.get_model_version(unique, "1")
    equal((version.description, version.tags), ("described", {"checked": "yes"}))
    equal((version.run_id, version.source), (run_id, "s3://bucket/1"))
    equal(client.get_model_version_download_uri(unique, "1"), "s3://bucket/1")

    client.set_registered_model_alias(unique, "champion", "1")
    client.set_registered_model_alias(unique, "champion", "2")
    client.set_registered_model_alias(unique, "challenger", "3")
    equal(int(client.get_model_version_by_alias(unique, "champion").version), 2)
    aliases = client.get_registered_model(unique).aliases
    equal({name: int(number) for name, number in aliases.items()}, {"champion": 2, "challenger": 3})
    client.delete_registered_model_alias(unique, "challenger")
    refused("INVALID_PARAMETER_VALUE", client.get_model_version_by_alias, unique, "challenger")

    client.transition_model_version_stage(unique, "1", "Production")
    client.transition_model_version_stage(unique, "2", "Production", archive_existing_versions=True)
    equal(client.get_model_version(unique, "1").current_stage, "Archived")
    latest = {v.current_stage: int(v.version) for v in client.get_latest_versions(unique)}
    equal(latest, {"Archived": 1, "Production": 2, "None": 3})

    client.delete_model_version(unique, "3")
    refused("RESOURCE_DOES_NOT_EXIST", client.get_model_version, unique, "3")


def search(client, unique):
    names = [f"{unique} {letter}" for letter in "abc"]
    for name in names:
        client.create_registered_model(name, tags={"last": name[-1]})
        for number in (1, 2):
            client.create_model_version(name, f"s3://bucket/{number}", tags={"n": str(number)})

    def models(filter_string, **kwargs):
        return [m.name for m in client.search_registered_models(filter_string, **kwargs)]

    ours = f"name LIKE '{unique}%'"
    equal(models(ours), names)
    equal(models(ours, order_by=["name DESC"]), names[::-1])
    equal(models(ours + " AND tags.last = 'b'"), [names[1]])
    first = client.search_registered_models(ours, max_results=2)
    second = client.search_registered_models(ours, max_results=2, page_token=first.token)
    equal([m.name for m in first] + [m.name for m in second], names)
    equal(int(first[0].latest_versions[0].version), 2)

    def versions_of(filter_string, **kwargs):
        found = client.search_model_versions(filter_string, **kwargs)
        return [(v.name, int(v.version)) for v in found]

    equal(versions_of(f"name = '{names[0]}'", order_by=["version_number ASC"]), [(names[0], 1), (names[0], 2)])
    equal(len(versions_of(ours)), 6)
    equal(versions_of(f"name = '{names[2]}' AND tags.n = '1'"), [(names[2], 1)])
