# The differential test between any two servers:
#
#     MIX_ENV=test mix run --no-start prove/differential/main.exs REAL OURS [--as-is] [SCRIPT...]
#
# `--as-is` takes nothing as meant, as between two servers of the same kind.

alias Prove.Differential
alias Prove.Differential.{Meant, Script}

[real, ours | rest] = System.argv()
{flags, names} = Enum.split_with(rest, &String.starts_with?(&1, "--"))
meant = if "--as-is" in flags, do: [], else: Meant.all()
result = Differential.run(real, ours, Script.all(names), meant)
IO.write(Differential.report(result))
if result.differences != [] or result.unused != [], do: System.halt(1)
