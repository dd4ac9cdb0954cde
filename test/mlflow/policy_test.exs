defmodule MLflow.PolicyTest do
  use ExUnit.Case, async: true

  alias MLflow.{Config, Policy}

  test "the trial wins unless told otherwise, and a param stays as MLflow has it" do
    assert %{status: :local, tags: :local, params: :keep_remote} = Config.new(name: X).policy
  end

  test "what is given replaces its kind alone" do
    policy = Config.new(name: X, policy: [status: :newest, params: :tag]).policy
    assert %{status: :newest, params: :tag, name: :local, metrics: :local} = policy
    assert policy == Policy.complete(%{status: :newest, params: :tag})
  end

  test "a mistaken policy is an error that says what there is" do
    for wrong <- [[status: :mine], [params: :local], [colour: :local], :local, [1]] do
      error = assert_raise ArgumentError, fn -> Config.new(name: X, policy: wrong) end
      assert error.message =~ ":policy must be a policy per kind of field"
      assert error.message =~ ":keep_remote, :tag, :new_run"
    end
  end
end
