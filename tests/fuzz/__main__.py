"""``python -m fuzz [COUNT] [--seed N] [--kinds a,b]``, from the folder tests: the long run over all kinds."""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from fuzz.kinds import KINDS
from fuzz.run import run


def main():
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("count", nargs="?", type=int, default=3000, help="mutations over all kinds")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", default=",".join(KINDS), help="some of them, with commas between")
    asked = parser.parse_args()
    kinds = asked.kinds.split(",")
    from fuzz import good

    failed = 0
    with tempfile.TemporaryDirectory() as name:
        whole = Path(name) / "good"
        whole.mkdir()
        good.make(whole)
        good.draw(whole)
        for kind in kinds:
            folder = shutil.copytree(whole, Path(name) / kind)
            report = run(kind, folder, count=-(-asked.count // len(kinds)), seed=asked.seed)
            print(report.line(), flush=True)
            for seed, outcome, seen in report.failures:
                print(f"  {outcome}, seed {seed}: {seen}", flush=True)
            failed += len(report.failures)
    print(f"{failed} failures")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
