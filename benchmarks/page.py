"""Every measured figure that the docs quote, as one page and as the README's table, made from ``benchmarks/results``.

python benchmarks/page.py          # rewrites docs/benchmarks.md and the table in README.md
python benchmarks/page.py --check  # says what is stale; exit code 1 if anything is
"""

import argparse
import sys
from pathlib import Path

from sections import calibration, circuits, laboratory, pretrained, ranking, search, simulated, suite
from sections.readme import readme_table

ROOT = Path(__file__).parents[1]
BEGIN, END = "<!-- figures: made by benchmarks/page.py -->", "<!-- end of figures -->"


def page() -> str:
    """The page ``docs/benchmarks.md``."""
    parts = [
        "# Benchmarks",
        "Made by `benchmarks/page.py` from `benchmarks/results`: nothing on this page is typed "
        "by hand. Each section names the script "
        "that measures it, the day and the machine. Times are those of that machine in that run; "
        "ratios are side by side in one run.",
        calibration.full_dies(),
        calibration.film_dies(),
        calibration.full_banks(),
        calibration.full_pulls(),
        calibration.demo(),
        calibration.standard_bench(),
        calibration.tunable_laser(),
        calibration.fit_cost(),
        calibration.cold_start(),
        suite.suite_time(),
        laboratory.measured_rings(),
        laboratory.error_bars(),
        laboratory.splittings(),
        laboratory.die_pulls(),
        circuits.row_solver(),
        circuits.reflecting_row(),
        circuits.intersymbol(),
        circuits.ring_second_mode(),
        simulated.single_mode(),
        simulated.tm_films(),
        simulated.tm_walls(),
        simulated.parts(),
        circuits.ramp_bus_waves(),
        ranking.electronic(),
        circuits.bank(),
        circuits.layout(),
        circuits.programming(),
        search.searches(),
        search.searched_dies(),
        search.five_volts(),
        search.yields(),
        calibration.tracking(),
        ranking.held_out(),
        pretrained.questions(),
        pretrained.second_stage(),
        pretrained.reading(),
        pretrained.reduced(),
        pretrained.dies(),
        pretrained.gates(),
        pretrained.impaired(),
        ranking.needles(),
        pretrained.layers(),
        pretrained.sizes(),
        ranking.scales(),
        ranking.groups(),
        ranking.paged(),
        ranking.selector(),
    ]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def made() -> dict[Path, str]:
    """The files that this script writes, with what they should hold."""
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return {
        ROOT / "docs" / "benchmarks.md": page(),
        readme: f"{before}{BEGIN}\n{readme_table()}\n{END}{after}",
    }


def main() -> int:
    """Write the files, or check them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 when a file is stale")
    check = parser.parse_args().check
    stale = [path for path, text in made().items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    for path in stale:
        print(f"{path.relative_to(ROOT)}: {'is stale; run python benchmarks/page.py' if check else 'written'}")
        if not check:
            path.write_text(made()[path], encoding="utf-8")
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
