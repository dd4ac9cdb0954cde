defmodule MLflow.ErrorTest do
  use ExUnit.Case, async: true

  alias MLflow.Error

  test "is an exception whose message says what was tried" do
    error = Error.new(:not_found, "runs/get", "no such run")
    assert Exception.message(error) == "runs/get: no such run"
    assert Exception.message(%{error | operation: ""}) == "no such run"
    assert_raise Error, "runs/get: no such run", fn -> Error.bang!({:error, error}) end
  end

  test "bang! hands on what went well" do
    assert Error.bang!(:ok) == :ok
    assert Error.bang!({:ok, 1}) == 1
  end

  test "survives being kept with a job" do
    error = Error.new(:rate_limited, "runs/get", "slow down", retryable: true)
    kept = Error.to_map(error)

    assert kept == %{
             "kind" => "rate_limited",
             "message" => "runs/get: slow down",
             "retryable" => true
           }

    back = Error.from_map(kept)
    assert {back.kind, back.retryable} == {:rate_limited, true}
    assert Exception.message(back) == "runs/get: slow down"
  end

  test "a kind that is not known becomes no atom" do
    assert Error.from_map(%{"kind" => "never heard of it", "message" => "m"}).kind == :bug
  end

  test "every documented kind is read back" do
    {:docs_v1, _, _, _, %{"en" => doc}, _, _} = Code.fetch_docs(Error)
    kinds = for [_, kind] <- Regex.scan(~r/^\| `:(\w+)` \|/m, doc), do: kind
    assert length(kinds) >= 20

    for kind <- kinds do
      assert "#{Error.from_map(%{"kind" => kind, "message" => "m"}).kind}" == kind
    end
  end
end
