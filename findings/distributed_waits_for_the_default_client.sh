#!/usr/bin/env bash
# distributed 2026.8.0: `wait(futures)` and `as_completed(futures)` of a client that is not the process's default one (made
# with `set_as_default=False`, as a library should) fail with "No clients found", although each future knows its client, and
# `future.result()` and `client.gather(futures)` work. Given `loop=client.loop`, `as_completed` works too; `wait` takes none.
# Seen 2026-11-29, Python 3.12. Exits non-zero when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet "distributed==2026.8.0" "dask==2026.8.0"
cat >"$folder/futures.py" <<'PY'
from distributed import Client, LocalCluster, as_completed, wait

if __name__ == "__main__":
    cluster = LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None)
    with cluster, Client(cluster, set_as_default=False) as client:
        futures = client.map(abs, [-1, -2, -3])
        print("gathered:", client.gather(futures))
        for function in (wait, as_completed):
            try:
                function(futures)
            except ValueError as error:
                print(f"{function.__name__}:", str(error).splitlines()[0])
                assert "No clients found" in str(error)
            else:
                raise SystemExit(f"{function.__name__} found the futures' client: this finding is out of date")
        found = sorted(each.result() for each in as_completed(futures, loop=client.loop))
        print("as_completed with the client's loop:", found)
        assert found == [1, 2, 3]
PY
"$folder/env/bin/python" -W ignore "$folder/futures.py"
