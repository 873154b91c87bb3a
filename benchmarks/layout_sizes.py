"""Time, size and memory of drawing and proving chips of three sizes, against the limits of the layout's contract.

    python benchmarks/layout_sizes.py [--json]
    python benchmarks/layout_sizes.py --beside FOLDER

One process per size, so that its peak memory is its own. Imports are not counted. ``draw`` is drawing and writing the
GDS file, ``lvs`` all four layers, with the simulation of every row where ``simulated`` says so. CPU seconds: the
machine may have other work. ``--json`` prints what `results/layout_sizes.json` keeps.

``--beside`` draws the bank and a tile by the tree of an older commit in FOLDER and by this one in turn, each in its own
process, twice: what `results/layout_sizes.json` keeps as ``beside``.

``32x256`` is the bank that ships, eight buses side by side on one die. ``64x1024`` is the paper's ring at that
size in one piece, larger than any reticle; ``64x1024 tile`` is what would be made, as often as ``tiles`` says.
"""

import datetime
import gc
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

LAYOUTS = Path(__file__).parents[1] / "layouts"
ROUNDS = 5
LARGEST = {"chip": {"rows": 1024, "channels": 64}, "waveguide": {"bend_radius_um": 26.0}}


class Size(NamedTuple):
    """A chip, and the contract's limits: draw_s, gds_MB, rss_GB, drc_s, lvs_s (None: none)."""

    chip: str
    changes: dict[str, dict[str, float]]
    whole: bool
    simulate: bool
    limits: tuple[float | None, ...]


SIZES = {
    "8x8": Size("demo_8x8", {}, True, True, (2.0, 1.0, None, 5.0, 5.0)),
    "32x256": Size("bank_32x256", {}, True, True, (5.0, 5.0, 0.5, 30.0, 20.0)),
    "64x1024": Size("circles_8x8", LARGEST, True, False, (20.0, 10.0, None, 120.0, 60.0)),
    "64x1024 tile": Size("circles_8x8", LARGEST, False, True, (20.0, 10.0, None, 120.0, 60.0)),
}


def chip_of(size: Size, layouts: Path) -> Any:
    """The spec of a size, of a tree's own layouts; an older tree knew the chip of circles by its older name."""
    from prism_photonics.layout.tiles import cut
    from prism_photonics.spec import ChipSpec

    folder = layouts / size.chip if (layouts / size.chip).exists() else layouts / "demo_8x8"
    data = ChipSpec.from_toml(folder / "spec.toml").model_dump()
    spec = ChipSpec.model_validate(data | {table: data[table] | values for table, values in size.changes.items()})
    return spec if size.whole else cut(spec).tile


def drawings(name: str, layouts: Path) -> dict[str, list[float]]:
    """CPU seconds of a process's first and second drawing of a chip, written as GDS, and the files' MB.

    Garbage is collected before each: what importing libraries left would else be collected, in 0.1 s, in the first
    drawing or in the second, by chance.
    """
    import gdsfactory  # noqa: F401

    from prism_photonics.layout.chip import draw
    from prism_photonics.layout.write import write_gds

    spec, found = chip_of(SIZES[name], layouts), {"cpu_s": [], "gds_MB": []}
    with tempfile.TemporaryDirectory() as folder:
        for n in range(2):
            gc.collect()
            start = time.process_time()
            gds = write_gds(draw(spec), Path(folder) / f"{n}.gds")
            found["cpu_s"].append(round(time.process_time() - start, 3))
            found["gds_MB"].append(round(gds.stat().st_size / 1e6, 2))
    return found


def beside(older: Path) -> dict[str, Any]:
    """The same by an older tree and by this one, in turn: least of `ROUNDS` processes each, and their ratio."""
    trees, least = {"older": older.resolve(), "this": LAYOUTS.parent}, {}
    for name in ("32x256", "64x1024 tile"):
        runs: dict[str, list[list[float]]] = {tree: [] for tree in trees}
        for _ in range(ROUNDS):
            for tree, folder in trees.items():
                command = [sys.executable, __file__, "--draw", name, str(folder / "layouts")]
                environment = os.environ | {"PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}
                done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
                runs[tree].append(json.loads(done.stdout.splitlines()[-1])["cpu_s"])
        first, second = ({tree: min(one[n] for one in some) for tree, some in runs.items()} for n in range(2))
        ratios = [round(times["this"] / times["older"], 2) for times in (first, second)]
        least[name] = {"first_s": first, "second_s": second, "ratio_first": ratios[0], "ratio_second": ratios[1]}
    return least


def measure(size: Size) -> dict[str, Any]:
    """Draw and prove one chip in this process."""
    import gdsfactory  # noqa: F401

    from prism_photonics.layout.chip import draw
    from prism_photonics.layout.drc import run_drc
    from prism_photonics.layout.lvs import lvs
    from prism_photonics.layout.tiles import cut
    from prism_photonics.layout.write import write_gds
    from prism_photonics.lightpath.splitter.design import tree_levels

    spec = chip_of(size, LAYOUTS)
    tiles = cut(chip_of(size._replace(whole=True), LAYOUTS))
    found: dict[str, Any] = {}

    def lap(name: str, start: float) -> None:
        found[name] = round(time.process_time() - start, 2)

    with tempfile.TemporaryDirectory() as folder:
        start = time.process_time()
        chip = draw(spec)
        gds = write_gds(chip, Path(folder) / "chip.gds")
        lap("draw_s", start)
        box = chip.dbbox()
        found["die_mm"] = [round(box.width() / 1e3, 2), round(box.height() / 1e3, 2)]
        found["tiles"] = tiles.count
        found["cells"] = chip.kcl.layout.cells()
        found["cells_limit"] = spec.chip.rings + tree_levels(spec.chip.rows) + 30
        found["gds_MB"] = round(gds.stat().st_size / 1e6, 2)
        found["rss_draw_GB"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2)
        start = time.process_time()
        drc = run_drc(gds)
        lap("drc_s", start)
        found["drc_violations"] = drc.violations

        import jax

        import prism_photonics.layout.simulate  # noqa: F401

        jax.numpy.zeros(1).block_until_ready()
        start = time.process_time()
        compared, _ = lvs(gds, spec, simulate=size.simulate)
        lap("lvs_s", start)
        found["lvs_faults"] = len(compared.faults)
        found["simulated"] = compared.simulated
        found["simulation_max_error"] = compared.simulation_max_error if compared.simulated else None
        found["rss_GB"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2)
    return found


def main() -> None:
    """Measure every size in a process of its own and print."""
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(measure(SIZES[sys.argv[2]])))
        return
    if sys.argv[1:2] == ["--draw"]:
        print(json.dumps(drawings(sys.argv[2], Path(sys.argv[3]))))
        return
    if sys.argv[1:2] == ["--beside"]:
        print(json.dumps(beside(Path(sys.argv[2])), indent=2))
        return
    lines = {}
    for name, size in SIZES.items():
        done = subprocess.run([sys.executable, __file__, "--one", name], capture_output=True, text=True, check=True)
        lines[name] = json.loads(done.stdout.splitlines()[-1])
        lines[name]["limits"] = dict(zip(("draw_s", "gds_MB", "rss_GB", "drc_s", "lvs_s"), size.limits, strict=True))
        if "--json" not in sys.argv:
            print(name, lines[name], flush=True)
    if "--json" in sys.argv:
        result = {
            "date": datetime.date.today().isoformat(),
            "hardware": f"{os.cpu_count()} cores, CPU only, CPU seconds",
            "command": "python benchmarks/layout_sizes.py --json",
            "sizes": lines,
        }
        print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
