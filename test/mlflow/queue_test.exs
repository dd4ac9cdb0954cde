defmodule MLflow.QueueTest do
  use MLflow.Case, async: true

  test "a queue whose module is not there is an error of the start" do
    error = assert_error(:config, MLflow.start_link(instance_options(queue: MLflow.Quue)))
    assert error.message =~ "there is no module MLflow.Quue; check the setting :queue"
  end

  unless Code.ensure_loaded?(Oban) do
    test "without Oban, its queue says what is missing" do
      error = assert_error(:config, MLflow.start_link(instance_options(queue: MLflow.Queue.Oban)))
      assert error.message =~ "add {:oban, \"~> 2.17\"} to the dependencies"
      assert_error(:config, MLflow.start_link(instance_options(queue: {MLflow.Queue.Oban, a: 1})))
    end
  end
end
