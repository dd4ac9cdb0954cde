"""await_server.py PID URI: waits until the MLflow server answers from its database."""

import os
import sys
import time
import urllib.request

DEADLINE_SECONDS = 120

pid, uri = int(sys.argv[1]), sys.argv[2]
search = urllib.request.Request(
    f"{uri}/api/2.0/mlflow/experiments/search",
    data=b'{"max_results": 1}',
    headers={"Content-Type": "application/json"},
)
deadline = time.monotonic() + DEADLINE_SECONDS

while True:
    try:
        # /health says OK before the database is there.
        urllib.request.urlopen(search, timeout=10).read()
        break
    except OSError:
        pass
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        sys.exit("The server ended before it answered.")
    if time.monotonic() > deadline:
        sys.exit(f"The server did not answer within {DEADLINE_SECONDS} s.")
    time.sleep(0.2)
