# Run by the test of two nodes: an Oban of its own name beside the application's, which has no queues.
[name] = System.argv()

{:ok, _} =
  Oban.start_link(
    name: Thunderline.WorkingOban,
    node: name,
    repo: Thunderline.Repo,
    queues: [mlflow_sync: 6],
    plugins: [{Oban.Plugins.Lifeline, interval: 1_000, rescue_after: 5_000}]
  )

# The Oban belongs to this process, whose input ends with the VM that started it.
IO.read(:stdio, :eof)
System.halt(137)
