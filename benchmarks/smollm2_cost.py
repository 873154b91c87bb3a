"""What the usual table of `prism lm ask` takes: processor seconds of one thread for each text, and before the first.

    prism lm fetch
    python benchmarks/smollm2_cost.py BUNDLE [--texts N]

The command is run on a new folder, and once more on the same, where every text stands already: the difference is what
the texts took. The table of 25 texts is that often one text, and what comes before. Writes results/smollm2_cost.json.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path

from prism_photonics.files import write_text

RESULTS = Path(__file__).parent / "results" / "smollm2_cost.json"
TEXTS = 25
"""Texts of each kind in the table that the command makes by itself."""


def main() -> None:
    """Measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--texts", type=int, default=1)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        words = ["lm", "ask", str(args.bundle), "-o", folder, "--texts", str(args.texts), "--json"]
        asked, rows = ran(words)
        before, _ = ran(words)
    text = (asked - before) / args.texts
    written = {
        "date": date.today().isoformat(), "hardware": f"{os.cpu_count()} cores, CPU only, one thread",
        "command": "python benchmarks/smollm2_cost.py BUNDLE",
        "kinds": list(dict.fromkeys(row["task"] for row in rows)), "context": rows[0]["context"],
        "texts": args.texts, "text_cpu_s": text, "before_cpu_s": before,
        "table_texts": TEXTS, "table_cpu_s": before + TEXTS * text,
    }  # fmt: skip
    print(written, flush=True)
    write_text(RESULTS, json.dumps(written, indent=1) + "\n")


def ran(words: list[str]) -> tuple[float, list[dict[str, object]]]:
    """Processor seconds of the command, and the rows that it prints."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    alone = os.environ | {"OMP_NUM_THREADS": "1"}
    told = subprocess.run(
        [sys.executable, "-m", "prism_photonics", *words], check=True, env=alone, stdout=subprocess.PIPE, text=True
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, json.loads(told.stdout)


if __name__ == "__main__":
    main()
