defmodule MLflow.EmbeddedWorld do
  @moduledoc "The host of `MLflow.StoreContract` whose trials are in the embedded store."

  alias MLflow.Trials

  def options(opts \\ []), do: opts

  def create!(name, attrs),
    do: attrs |> Map.new() |> Trials.create(name: name) |> MLflow.Error.bang!()

  def update!(name, id, attrs), do: id |> Trials.update(attrs, name: name) |> MLflow.Error.bang!()
  def get!(name, id), do: id |> Trials.get(name: name) |> MLflow.Error.bang!()
  def age!(_name), do: :ok
end

defmodule MLflow.StoreContract do
  @moduledoc """
  What every store answers to the calls of `MLflow.Store`, whatever tables it is over.

      use MLflow.StoreContract, world: MLflow.HostWorld, tags: [:ecto, :postgres]

  A world has `options/1` (of an instance on that store), and `create!/2`, `update!/3`, `get!/2` and
  `age!/1` for its trials. `tags:` is what the tests need.
  """

  defmacro __using__(opts) do
    {world, tags} = {opts[:world], opts[:tags] || []}

    quote do
      alias MLflow.{Error, RunRecord, Trial}

      # Before the tests, which take the tags that are there.
      for tag <- unquote(tags), do: @moduletag([{tag, true}])

      @world unquote(world)
      @run_id "0123456789abcdef0123456789abcdef"
      @other_run "fedcba9876543210fedcba9876543210"
      @nothing MLflow.Store.nothing_pulled()

      setup do
        name = start_instance(@world.options())
        instance = instance!(name)
        @world.create!(name, trial_id: "t1", status: :running)
        @world.age!(name)
        {:ok, trial} = instance.config.store.fetch_trial(instance, "t1")
        %{name: name, instance: instance, store: instance.config.store, trial: trial}
      end

      defp linked!(%{store: store, instance: instance}, trial, attrs \\ %{}) do
        attrs = Map.merge(%{mlflow_run_id: @run_id, model_trial_id: trial.id}, attrs)
        {:ok, record} = store.put_run(instance, attrs)
        record
      end

      defp pull(changes), do: Map.merge(@nothing, Map.new(changes))

      defp at_once(count, fun) do
        1..count
        |> Task.async_stream(fun, max_concurrency: count, timeout: 60_000)
        |> Enum.map(fn {:ok, answer} -> answer end)
      end

      describe "a trial" do
        test "is found by its key and by its trial id", %{
          store: store,
          instance: instance,
          trial: trial
        } do
          assert {:ok, %Trial{id: id, status: :running}} = store.fetch_trial(instance, trial.id)
          assert id == trial.id
          assert trial.tags["thunderline_trial_id"] == "t1"
          assert_error(:not_found, store.fetch_trial(instance, "nobody"))
          assert_error(:not_found, store.fetch_trial(instance, "no\0body"))
          assert_error(:not_found, store.load_for_sync(instance, "nobody"))
          assert_error(:not_found, store.append_points(instance, "nobody", [{"a", 1.0, 1, 1}]))
        end
      end

      describe "a claim" do
        test "is fresh once, and then somebody's", %{
          store: store,
          instance: instance,
          trial: trial
        } do
          assert {:ok, {:fresh, %RunRecord{} = record}} = store.claim_run(instance, trial, "1")

          assert {record.model_trial_id, record.mlflow_run_id, record.mlflow_experiment_id} ==
                   {trial.id, nil, "1"}

          error = assert_error(:conflict, store.claim_run(instance, trial, "1"))
          assert error.retryable
          assert error.retry_after in 1_000..5_000
        end

        test "that was given back is fresh again", %{
          store: store,
          instance: instance,
          trial: trial
        } do
          {:ok, {:fresh, record}} = store.claim_run(instance, trial, "1")
          assert :ok = store.release_claim(instance, record)
          assert {:ok, {:fresh, _}} = store.claim_run(instance, trial, "1")
        end

        test "that was left behind tells since when", %{
          store: store,
          instance: instance,
          trial: trial
        } do
          {:ok, {:fresh, record}} = store.claim_run(instance, trial, "1")
          since = System.system_time(:millisecond) - 5_000
          assert :ok = store.abandon_claim(instance, record, since)
          assert {:ok, {{:unknown, ^since}, taken}} = store.claim_run(instance, trial, "1")
          assert taken.id == record.id
          assert_error(:conflict, store.claim_run(instance, trial, "1"))
        end

        test "ends with the run", %{store: store, instance: instance, trial: trial} = context do
          {:ok, {:fresh, claim}} = store.claim_run(instance, trial, "1")
          assert linked!(context, trial).id == claim.id

          assert {:ok, {:created, %RunRecord{mlflow_run_id: @run_id}}} =
                   store.claim_run(instance, trial, "1")
        end

        test "is one's alone among many at once", %{
          store: store,
          instance: instance,
          trial: trial
        } do
          kinds =
            at_once(20, fn _ -> store.claim_run(instance, trial, "1") end)
            |> Enum.frequencies_by(fn
              {:ok, {kind, _}} -> kind
              {:error, %Error{kind: kind}} -> kind
            end)

          assert kinds == %{fresh: 1, conflict: 19}
        end

        test "left behind is one's alone as well", %{
          store: store,
          instance: instance,
          trial: trial
        } do
          {:ok, {:fresh, record}} = store.claim_run(instance, trial, "1")
          :ok = store.abandon_claim(instance, record, 1)
          answers = at_once(20, fn _ -> store.claim_run(instance, trial, "1") end)
          assert [{:ok, {{:unknown, 1}, _}}] = Enum.filter(answers, &match?({:ok, _}, &1))
        end
      end

      describe "put_run/2" do
        test "links the trial, and both can be found", %{
          store: store,
          instance: instance,
          trial: trial,
          name: name
        } do
          attrs = %{
            mlflow_run_id: @run_id,
            mlflow_experiment_id: "7",
            model_trial_id: trial.id,
            artifact_uri: "s3://b",
            params: %{"lr" => "0.1"},
            metrics: %{"loss" => 0.5},
            status: "finished",
            base: ~s({"b": 1,"a":[0.10]}),
            digest: -42
          }

          assert {:ok, record} = store.put_run(instance, attrs)
          assert store.fetch_run(instance, @run_id) == {:ok, record}
          assert store.fetch_run_by_trial(instance, trial.id) == {:ok, record}

          assert {record.status, record.params, record.digest} ==
                   {:finished, %{"lr" => "0.1"}, -42}

          # To the byte.
          assert record.base == attrs.base
          assert store.run_ids_in_experiment(instance, "7") == {:ok, [@run_id]}
          assert store.run_ids_in_experiment(instance, "8") == {:ok, []}
          assert %{mlflow_run_id: @run_id, artifact_uri: "s3://b"} = @world.get!(name, "t1")
        end

        test "never replaces a trial's run with a second",
             %{store: store, instance: instance, trial: trial} = context do
          linked!(context, trial)
          second = %{mlflow_run_id: @other_run, model_trial_id: trial.id}
          error = assert_error(:already_exists, store.put_run(instance, second))
          assert error.message =~ @run_id
        end

        test "keeps an error until the run is in step again",
             %{store: store, instance: instance, trial: trial} = context do
          failure = Error.new(:connect, "runs/create", "refu\0sed", retryable: true)
          assert :ok = store.put_sync_error(instance, trial, failure)

          assert {:ok, %{sync_error: %{"kind" => "connect"}}} =
                   store.fetch_run_by_trial(instance, trial.id)

          assert linked!(context, trial).sync_error == nil
          assert :ok = store.put_sync_error(instance, trial, failure)

          assert {:ok, %{mlflow_run_id: @run_id, sync_error: %{}}} =
                   store.fetch_run_by_trial(instance, trial.id)
        end

        test "takes up what the trial had before its run was known", %{
          store: store,
          instance: instance,
          trial: trial
        } do
          # The run was recorded with its points, and the trial has some of them, too.
          {:ok, _} = store.put_run(instance, %{mlflow_run_id: @run_id})
          {:ok, 2} = store.put_run_points(instance, @run_id, [{"a", 1.0, 1, 1}, {"b", 1.0, 1, 1}])
          {:ok, {:fresh, _}} = store.claim_run(instance, trial, "7")
          {:ok, 2} = store.append_points(instance, trial.id, [{"a", 1.0, 1, 1}, {"a", 2.0, 2, 2}])
          {:ok, side} = store.load_for_sync(instance, trial.id)
          {:ok, 1} = store.append_points(instance, trial.id, [{"a", 3.0, 3, 3}])

          attrs = %{mlflow_run_id: @run_id, model_trial_id: trial.id, points_seq: side.points_seq}
          assert {:ok, %{mlflow_experiment_id: "7"}} = store.put_run(instance, attrs)

          assert store.trial_points(instance, trial.id, nil) ==
                   {:ok, [{"a", 1.0, 1, 1}, {"a", 2.0, 2, 2}, {"a", 3.0, 3, 3}, {"b", 1.0, 1, 1}]}

          # What was recorded after the trial was read is the only one that is still to be sent.
          assert {:ok, %{points: [{"a", 3.0, 3, 3}]}} = store.load_for_sync(instance, trial.id)
        end

        test "holds what is said of strange texts", %{store: store, instance: instance} do
          attrs = %{
            mlflow_run_id: @run_id,
            run_name: "n\0ul",
            tags: %{"a\0b" => "c\0d"},
            status: "PAUSED"
          }

          assert {:ok, %RunRecord{}} = store.put_run(instance, attrs)
          error = assert_error(:invalid, store.put_run(instance, %{mlflow_run_di: "x"}))
          assert error.message =~ "did you mean :mlflow_run_id"
          assert_error(:invalid, store.put_run(instance, %{run_name: "of nobody"}))
        end

        test "many at once", %{store: store, instance: instance, trial: trial, name: name} do
          runs =
            for n <- 1..600,
                do: %{mlflow_run_id: "run #{n}", run_name: "#{n}", status: "finished"}

          assert store.put_runs(instance, runs) == {:ok, 600}
          again = [%{mlflow_run_id: @run_id, model_trial_id: trial.id} | Enum.take(runs, 300)]
          assert store.put_runs(instance, again) == {:ok, 301}
          assert %{mlflow_run_id: @run_id} = @world.get!(name, "t1")

          asked = for n <- Enum.shuffle(1..700), do: {"run #{n}", nil}
          {:ok, sides} = store.local_sides(instance, asked)

          for {{"run " <> n = id, nil}, {record, nil, false}} <- Enum.zip(asked, sides) do
            expected = if String.to_integer(n) <= 600, do: {id, n, :finished}
            assert (record && {record.mlflow_run_id, record.run_name, record.status}) == expected
          end

          assert store.local_sides(instance, []) == {:ok, []}
          assert store.put_runs(instance, []) == {:ok, 0}
        end

        test "of one run from many at once makes one record", %{
          store: store,
          instance: instance,
          trial: trial
        } do
          answers =
            at_once(8, fn n ->
              store.put_run(instance, %{
                mlflow_run_id: @run_id,
                model_trial_id: trial.id,
                run_name: "#{n}"
              })
            end)

          assert [_] = answers |> Enum.map(fn {:ok, record} -> record.id end) |> Enum.uniq()
        end
      end

      describe "points" do
        test "come back with their special values, each once", %{
          store: store,
          instance: instance,
          trial: trial
        } do
          points = [
            {"b", 1.0, 2, 7},
            {"a", :nan, 1, 1},
            {"a", :infinity, 1, 2},
            {"a", :neg_infinity, 1, 3},
            {"a", 1.7976931348623157e308, 1, 2},
            {"a", -0.0, 5, 1},
            {"a", 5.0e-324, 6, 1}
          ]

          assert store.append_points(instance, "t1", points) == {:ok, 6}
          assert store.append_points(instance, trial.id, points) == {:ok, 0}
          assert {:ok, side} = store.load_for_sync(instance, "t1")
          assert length(side.points) == 6

          assert {:ok,
                  [
                    {"a", :nan, 1, 1},
                    {"a", :infinity, 1, 2},
                    {"a", :neg_infinity, 1, 3},
                    {"a", zero, 5, 1},
                    {"a", 5.0e-324, 6, 1},
                    {"b", 1.0, 2, 7}
                  ]} = store.trial_points(instance, "t1", nil)

          assert zero == 0
          assert store.trial_points(instance, "t1", "b") == {:ok, [{"b", 1.0, 2, 7}]}
        end

        test "are given until the watermark has passed them",
             %{store: store, instance: instance, trial: trial} = context do
          {:ok, 2} = store.append_points(instance, "t1", [{"a", 1.0, 1, 1}, {"a", 2.0, 2, 2}])
          {:ok, side} = store.load_for_sync(instance, "t1")
          assert {side.points, side.more?} == {[{"a", 1.0, 1, 1}, {"a", 2.0, 2, 2}], false}
          assert side.record == nil or side.record.mlflow_run_id == nil

          {:ok, 1} = store.append_points(instance, "t1", [{"a", 3.0, 3, 3}])
          linked!(context, trial, %{points_seq: side.points_seq})
          {:ok, next} = store.load_for_sync(instance, "t1")
          assert next.points == [{"a", 3.0, 3, 3}]
          linked!(context, trial, %{points_seq: next.points_seq})
          assert {:ok, %{points: []}} = store.load_for_sync(instance, "t1")
        end

        test "from eight writers at once: none lost, none twice", %{
          store: store,
          instance: instance,
          trial: trial
        } do
          counts =
            at_once(8, fn writer ->
              for batch <- 1..10 do
                # Each has points of its own, and one that all of them have.
                own = for n <- 1..5, do: {"w#{writer}", n * 1.0, batch, n}

                {:ok, new} =
                  store.append_points(instance, trial.id, [{"shared", 1.0, batch, 1} | own])

                new
              end
            end)

          assert counts |> List.flatten() |> Enum.sum() == 8 * 10 * 5 + 10
          {:ok, points} = store.trial_points(instance, trial.id, nil)
          assert length(points) == 410
          assert Enum.uniq(points) == points
          {:ok, side} = store.load_for_sync(instance, trial.id)
          assert Enum.sort(side.points) == Enum.sort(points)
        end

        test "while a reader follows: every point is seen once",
             %{store: store, instance: instance, trial: trial} = context do
          linked!(context, trial)

          writers =
            Task.async(fn ->
              at_once(4, fn writer ->
                for n <- 1..25,
                    do:
                      {:ok, 1} =
                        store.append_points(instance, trial.id, [{"w#{writer}", 1.0, n, n}])
              end)
            end)

          seen = follow(context, trial, writers, [])
          assert length(seen) == 100
          assert length(Enum.uniq(seen)) == 100
        end

        defp follow(%{store: store, instance: instance} = context, trial, writers, seen) do
          done? = Task.yield(writers, 0) != nil
          {:ok, side} = store.load_for_sync(instance, trial.id)
          linked!(context, trial, %{points_seq: side.points_seq})
          seen = side.points ++ seen
          if done?, do: seen, else: follow(context, trial, writers, seen)
        end

        test "of a run without a trial become its trial's",
             %{store: store, instance: instance, trial: trial} = context do
          {:ok, _} = store.put_run(instance, %{mlflow_run_id: @run_id})
          assert store.put_run_points(instance, @run_id, [{"a", 1.0, 1, 1}]) == {:ok, 1}
          assert store.put_run_points(instance, @run_id, [{"a", 1.0, 1, 1}]) == {:ok, 0}
          assert store.run_points(instance, @run_id, nil) == {:ok, [{"a", 1.0, 1, 1}]}
          linked!(context, trial)
          assert store.trial_points(instance, trial.id, "a") == {:ok, [{"a", 1.0, 1, 1}]}
          assert {:ok, %{points: []}} = store.load_for_sync(instance, trial.id)
          assert store.run_points(instance, @run_id, "a") == {:ok, [{"a", 1.0, 1, 1}]}
          assert store.run_points(instance, "unknown", nil) == {:ok, []}
        end
      end

      describe "update_trial/3" do
        test "writes what was pulled, and does not call it a change",
             %{store: store, instance: instance, trial: trial, name: name} = context do
          pull =
            pull(
              status: :finished,
              artifact_uri: "s3://theirs",
              params: %{"opt" => "adam"},
              metric_values: %{"loss" => 0.5, "odd" => :nan},
              points: [{"loss", 0.5, 1, 1}, {"odd", :nan, 1, 1}]
            )

          assert {:ok, {2, version}} = store.update_trial(instance, trial, pull)
          linked!(context, trial, %{synced_at: version, points_seq: 0})

          assert %{status: :succeeded, artifact_uri: "s3://theirs"} =
                   pulled = @world.get!(name, "t1")

          assert pulled.parameters["opt"] == "adam"
          assert pulled.metrics == %{"loss" => 0.5, "odd" => "NaN"}

          # Points that came from there are not to be sent there.
          assert {:ok, %{points: [], more?: false}} = store.load_for_sync(instance, "t1")
          assert {:ok, [{_, _, false}]} = store.local_sides(instance, [{@run_id, nil}])
        end

        test "refuses to write over what somebody else wrote meanwhile", %{
          store: store,
          instance: instance,
          trial: trial,
          name: name
        } do
          @world.update!(name, "t1", status: :failed)

          error =
            assert_error(
              :conflict,
              store.update_trial(
                instance,
                trial,
                pull(status: :finished, points: [{"a", 1.0, 1, 1}])
              )
            )

          assert error.retryable
          assert @world.get!(name, "t1").status == :failed
          assert store.trial_points(instance, "t1", nil) == {:ok, []}
        end

        test "writes beside it, and stays behind its version", %{
          store: store,
          instance: instance,
          trial: trial,
          name: name
        } do
          @world.update!(name, "t1", rank: 7)

          assert {:ok, {0, version}} =
                   store.update_trial(instance, trial, pull(params: %{"lr" => "1"}))

          assert version == trial.version
          assert %{rank: 7, parameters: %{"lr" => "1"}} = @world.get!(name, "t1")
        end
      end

      describe "unlink_run/3" do
        test "parts a trial from its run, and keeps its points",
             %{store: store, instance: instance, trial: trial, name: name} = context do
          {:ok, 1} = store.append_points(instance, "t1", [{"a", 1.0, 1, 1}])
          {:ok, side} = store.load_for_sync(instance, "t1")

          linked!(context, trial, %{
            points_seq: side.points_seq,
            base: "{}",
            artifact_uri: "s3://b"
          })

          assert %{artifact_uri: "s3://b"} = @world.get!(name, "t1")
          {:ok, _} = store.update_trial(instance, trial, pull(points: [{"b", 1.0, 1, 1}]))

          assert store.unlink_run(instance, trial, @run_id) == :ok
          assert %{mlflow_run_id: nil, artifact_uri: nil} = @world.get!(name, "t1")

          assert {:ok, %{model_trial_id: nil, base: nil, points_seq: nil}} =
                   store.fetch_run(instance, @run_id)

          assert {:ok, record} = store.fetch_run_by_trial(instance, trial.id)
          assert record == nil or record.mlflow_run_id == nil

          # All that it recorded itself goes to the next run.
          assert {:ok, %{points: [{"a", 1.0, 1, 1}]}} = store.load_for_sync(instance, "t1")
          assert {:ok, [_, _]} = store.trial_points(instance, "t1", nil)
          assert {:ok, {:fresh, _}} = store.claim_run(instance, trial, "1")

          assert {:ok, _} =
                   store.put_run(instance, %{mlflow_run_id: @other_run, model_trial_id: trial.id})

          assert {:ok, %{points: [{"a", 1.0, 1, 1}]}} = store.load_for_sync(instance, "t1")
        end

        test "leaves another run and a claim alone",
             %{store: store, instance: instance, trial: trial, name: name} = context do
          linked!(context, trial)
          assert store.unlink_run(instance, trial, @other_run) == :ok
          assert %{mlflow_run_id: @run_id} = @world.get!(name, "t1")
          assert {:ok, %{mlflow_run_id: @run_id}} = store.fetch_run_by_trial(instance, trial.id)
        end
      end

      describe "due_trials/2" do
        test "wants what is not in step, and nothing else", %{
          store: store,
          instance: instance,
          trial: trial,
          name: name
        } do
          @world.create!(name, trial_id: "t2", status: :succeeded)
          @world.age!(name)
          {:ok, done} = store.fetch_trial(instance, "t2")
          {:ok, trial} = store.fetch_trial(instance, "t1")
          assert {:ok, ids} = store.due_trials(instance, 10)
          assert Enum.sort(ids) == Enum.sort([trial.id, done.id])

          for {run, trial} <- [{@run_id, done}, {@other_run, trial}] do
            attrs = %{
              mlflow_run_id: run,
              model_trial_id: trial.id,
              synced_at: trial.version,
              points_seq: 0
            }

            {:ok, _} = store.put_run(instance, attrs)
          end

          # A running trial is always looked at again.
          assert store.due_trials(instance, 10) == {:ok, [trial.id]}

          @world.update!(name, "t2", rank: 7)
          assert {:ok, ids} = store.due_trials(instance, 10)
          assert done.id in ids
          assert {:ok, [_]} = store.due_trials(instance, 1)
        end

        test "wants what has points to send",
             %{store: store, instance: instance, trial: trial, name: name} = context do
          @world.update!(name, "t1", status: :succeeded)
          @world.age!(name)
          {:ok, side} = store.load_for_sync(instance, "t1")
          linked!(context, trial, %{synced_at: side.trial.version, points_seq: side.points_seq})
          assert store.due_trials(instance, 10) == {:ok, []}

          {:ok, 1} = store.append_points(instance, "t1", [{"a", 1.0, 1, 1}])
          assert store.due_trials(instance, 10) == {:ok, [trial.id]}
          @world.age!(name)
          {:ok, side} = store.load_for_sync(instance, "t1")
          linked!(context, trial, %{synced_at: side.trial.version, points_seq: side.points_seq})
          assert store.due_trials(instance, 10) == {:ok, []}

          # A pull brings none.
          {:ok, _} = store.update_trial(instance, side.trial, pull(points: [{"b", 1.0, 1, 1}]))
          assert store.due_trials(instance, 10) == {:ok, []}
        end

        test "leaves alone what failed for good, until the trial changes", %{
          store: store,
          instance: instance,
          trial: trial,
          name: name
        } do
          :ok = store.put_sync_error(instance, trial, Error.new(:invalid, "x", "no"))
          assert store.due_trials(instance, 10) == {:ok, []}

          :ok =
            store.put_sync_error(instance, trial, Error.new(:connect, "x", "no", retryable: true))

          assert store.due_trials(instance, 10) == {:ok, [trial.id]}
          :ok = store.put_sync_error(instance, trial, Error.new(:invalid, "x", "no"))
          @world.update!(name, "t1", rank: 1)
          assert store.due_trials(instance, 10) == {:ok, [trial.id]}
        end
      end

      describe "in_step/2 and local_sides/2" do
        test "tell a run that needs no look",
             %{store: store, instance: instance, trial: trial, name: name} = context do
          linked!(context, trial, %{digest: 7, synced_at: trial.version, points_seq: 0})
          {:ok, _} = store.put_run(instance, %{mlflow_run_id: @other_run, digest: 8})
          asked = [{@run_id, "t1", 7}, {@other_run, "strange", 8}, {"new", nil, 9}]
          assert {:ok, ids} = store.in_step(instance, asked)
          assert Enum.sort(ids) == Enum.sort([@run_id, @other_run])

          assert store.in_step(instance, [{@run_id, "t1", 8}]) == {:ok, []}
          # It gets a trial that its tag names.
          assert store.in_step(instance, [{@other_run, "t1", 8}]) == {:ok, []}

          {:ok, 1} = store.append_points(instance, "t1", [{"a", 1.0, 1, 1}])
          assert store.in_step(instance, [{@run_id, "t1", 7}]) == {:ok, []}
          assert {:ok, [{%{}, %{}, true}]} = store.local_sides(instance, [{@run_id, nil}])

          @world.age!(name)
          {:ok, side} = store.load_for_sync(instance, "t1")

          linked!(context, trial, %{
            points_seq: side.points_seq,
            digest: 7,
            synced_at: side.trial.version
          })

          assert store.in_step(instance, [{@run_id, "t1", 7}]) == {:ok, [@run_id]}
          @world.update!(name, "t1", rank: 1)
          assert store.in_step(instance, [{@run_id, "t1", 7}]) == {:ok, []}
        end

        test "find the trial by the link, or else by the tag",
             %{store: store, instance: instance, trial: trial, name: name} = context do
          record = linked!(context, trial)
          @world.create!(name, trial_id: "t2", metrics: %{"loss" => 1.0})
          {:ok, %{id: second}} = store.fetch_trial(instance, "t2")
          first = trial.id

          asked = [
            {"foreign", nil},
            {@run_id, "t2"},
            {"tagged", "t2"},
            {"keyed", second},
            {"second", "t1"}
          ]

          assert {:ok,
                  [
                    {nil, nil, false},
                    {^record, %Trial{id: ^first}, false},
                    {nil, %Trial{id: ^second}, true},
                    {nil, %Trial{id: ^second}, true},
                    {nil, nil, false}
                  ]} = store.local_sides(instance, asked)
        end
      end

      describe "lists, experiments and history" do
        test "trials without a run",
             %{store: store, instance: instance, trial: trial} = context do
          assert {:ok, [%Trial{}]} = store.trials_without_run(instance, [nil])
          {:ok, {:fresh, _}} = store.claim_run(instance, trial, "1")
          assert {:ok, [%Trial{}]} = store.trials_without_run(instance, ["77", nil])
          linked!(context, trial)
          assert store.trials_without_run(instance, [nil]) == {:ok, []}
        end

        test "an experiment by its ids and its name", %{store: store, instance: instance} do
          attrs = %{
            mlflow_experiment_id: "7",
            name: "seven",
            lifecycle_stage: "active",
            tags: %{"a" => "1"},
            synced_at: 1_700_000_000_123
          }

          assert {:ok, record} = store.put_experiment(instance, attrs)

          assert {:ok, %{id: id}} =
                   store.put_experiment(instance, %{
                     mlflow_experiment_id: "7",
                     artifact_location: "s3://x"
                   })

          assert id == record.id

          assert {:ok, %{name: "seven", artifact_location: "s3://x"} = found} =
                   store.fetch_experiment(instance, "7")

          assert {found.lifecycle_stage, DateTime.to_unix(found.synced_at, :millisecond)} ==
                   {:active, 1_700_000_000_123}

          assert store.fetch_experiment(instance, id) == {:ok, found}
          assert store.fetch_experiment(instance, "seven") == {:ok, found}
          assert store.fetch_experiment(instance, "nothing") == {:ok, nil}
        end

        test "what was tried, and what was in conflict",
             %{store: store, instance: instance, trial: trial} = context do
          linked!(context, trial)

          attempt = %{
            action: :sync_trial_to_mlflow,
            target: "t1",
            direction: :push,
            result: :ok,
            model_trial_id: "t1",
            started_at: 1_000,
            duration_ms: 5,
            pushed: 3
          }

          conflict = %{
            "field" => "param",
            "key" => "lr",
            "local" => 0.1,
            "remote" => "0.2",
            "winner" => "remote"
          }

          assert store.record_sync(instance, attempt, [conflict]) == :ok
          error = Error.new(:connect, "x", "no\0", retryable: true)

          failed =
            Map.merge(attempt, %{
              result: :error,
              error: error,
              started_at: 2_000,
              target: "gone",
              model_trial_id: "gone"
            })

          assert store.record_sync(instance, failed, []) == :ok

          assert {:ok, [second, first]} = store.sync_history(instance, %{limit: 10})

          assert {first.action, first.result, first.pushed, first.conflicts} ==
                   {:sync_trial_to_mlflow, :ok, 3, 1}

          assert {first.model_trial_id, first.mlflow_run_id} == {trial.id, @run_id}
          assert {second.result, second.error.kind} == {:error, :connect}
          assert {:ok, [^first]} = store.sync_history(instance, %{trial: "t1"})
          assert {:ok, [^second]} = store.sync_history(instance, %{trial: "gone"})
          assert {:ok, [^first]} = store.sync_history(instance, %{run: @run_id, limit: 5})
          assert {:ok, [^second]} = store.sync_history(instance, %{since: 1_500})
          assert {:ok, [^second]} = store.sync_history(instance, %{limit: 1})

          assert {:ok, [met]} = store.conflicts(instance, %{trial: trial.id, field: "param"})
          assert {met.key, met.local, met.remote, met.winner} == {"lr", "0.1", "0.2", :remote}

          assert {met.attempt_id, met.mlflow_run_id, met.model_trial_id} ==
                   {first.id, @run_id, trial.id}

          assert store.prune_history(instance, 1_500) == {:ok, 1}
          assert {:ok, [^second]} = store.sync_history(instance, %{})
          assert store.conflicts(instance, %{}) == {:ok, []}
        end
      end
    end
  end
end

defmodule MLflow.NoQueue do
  @moduledoc "The queue of instances whose jobs are not what is tested: nothing is ever run."

  @behaviour MLflow.Queue

  @impl true
  def children(_config), do: []

  @impl true
  def enqueue(_instance, jobs, _opts), do: {:ok, jobs}

  @impl true
  def await(_instance, job, _opts), do: {:ok, job}

  @impl true
  def list(_instance, _opts), do: {:ok, []}

  @impl true
  def cancel(_instance, job), do: {:ok, job}

  @impl true
  def retry(_instance, job), do: {:ok, job}

  @impl true
  def drain(_instance, _opts), do: :ok
end
