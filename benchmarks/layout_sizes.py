"""Time, size and memory of drawing and proving chips of three sizes, against the limits of the layout's contract.

    python benchmarks/layout_sizes.py [--json]

One process per size, so that its peak memory is its own. Imports are not counted. ``draw`` is drawing and writing the
GDS file, ``lvs`` all four layers with the simulation of every row. CPU seconds: the machine may have other work.
"""

import json
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

DEMO = Path(__file__).parents[1] / "layouts" / "demo_8x8" / "spec.toml"
# rows, channels, simulate, and the contract's limits: draw_s, gds_MB, rss_GB, drc_s, lvs_s.
SIZES = {
    "8x8": (8, 8, True, (2.0, 1.0, None, 5.0, 5.0)),
    "32x256": (256, 32, True, (5.0, 5.0, 0.5, 30.0, 20.0)),
    "64x1024": (1024, 64, False, (20.0, 10.0, None, 120.0, 60.0)),
    "bank 8x256": (256, 8, True, (5.0, 5.0, 0.5, 30.0, 20.0)),
}


def measure(rows: int, channels: int, simulate: bool) -> dict[str, float]:
    """Draw and prove one chip in this process."""
    import gdsfactory  # noqa: F401

    from prism_photonics.layout.chip import draw
    from prism_photonics.layout.drc import run_drc
    from prism_photonics.layout.lvs import lvs
    from prism_photonics.layout.write import write_gds
    from prism_photonics.spec import ChipSpec

    text = DEMO.read_text(encoding="utf-8")
    for key, value in {"rows": rows, "channels": channels}.items():
        text = re.sub(rf"^{key} = \d+", f"{key} = {value}", text, flags=re.M)
    spec = ChipSpec.from_text(text)
    found: dict[str, float] = {}

    def lap(name: str, start: float) -> None:
        found[name] = round(time.process_time() - start, 2)

    with tempfile.TemporaryDirectory() as folder:
        start = time.process_time()
        gds = write_gds(draw(spec), Path(folder) / "chip.gds")
        lap("draw_s", start)
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
        compared, _ = lvs(gds, spec, simulate=simulate)
        lap("lvs_s", start)
        found["lvs_faults"] = len(compared.faults)
        found["simulated"] = compared.simulated
        found["rss_GB"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2)
    return found


def main() -> None:
    """Measure every size in a process of its own and print."""
    if sys.argv[1:2] == ["--one"]:
        rows, channels, simulate, _ = SIZES[sys.argv[2]]
        print(json.dumps(measure(rows, channels, simulate)))
        return
    lines = {}
    for name, (*_, limits) in SIZES.items():
        done = subprocess.run([sys.executable, __file__, "--one", name], capture_output=True, text=True, check=True)
        lines[name] = json.loads(done.stdout.splitlines()[-1])
        lines[name]["limits"] = dict(zip(("draw_s", "gds_MB", "rss_GB", "drc_s", "lvs_s"), limits, strict=True))
        if "--json" not in sys.argv:
            print(name, lines[name], flush=True)
    if "--json" in sys.argv:
        print(json.dumps(lines, indent=2))


if __name__ == "__main__":
    main()
