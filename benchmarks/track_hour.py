"""An hour of held weights on lithium niobate and on lithium tantalate: untracked, common-mode, each ring.

    python benchmarks/track_hour.py [DIES]

Writes results/track_hour.json and track_hour.png. The demo's bank with a common temperature of 0.1 K rms, which wanders
slowly (a correlation time of ten minutes) or as fast as the demo's spec says (one minute, and then refreshed more
often). Lithium tantalate stands in the same drawing but for its electrodes' gap, for which its tuning holds: its rings
are 3.5 times wider in wavelength and its bends tighter than its own rules allow, so the two columns compare films in
one geometry, not two designs.
"""

import json
import os
import platform
import sys
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np

from prism_photonics.calibration.calibration import Calibration, calibrate
from prism_photonics.characterize.stability import StabilityTest, run_stability_test
from prism_photonics.chip.virtual import VirtualChip
from prism_photonics.drift.tracker import MODES
from prism_photonics.process.profile import load_profile
from prism_photonics.report.stability import write_stability
from prism_photonics.spec import ChipSpec

HERE = Path(__file__).parent
SPEC = HERE.parent / "layouts" / "demo_8x8" / "spec.toml"
# Title, film, correlation time of the temperature in s, interval of the refreshes in s, minutes.
CASES = (
    ("LiNbO3, slow 0.1 K", "tfln600", 600.0, 0.5, 60.0),
    ("LiTaO3, slow 0.1 K", "ltoi300", 600.0, 0.5, 60.0),
    ("LiNbO3, fast 0.1 K", "tfln600", 60.0, 0.25, 10.0),
)


def chip_spec(film: str, thermal_time_s: float) -> ChipSpec:
    """The demo in one film and one room."""
    data = ChipSpec.from_toml(SPEC).model_dump()
    data["process"] = film
    data["drift"] |= {"temperature_K": 0.1, "thermal_time_s": thermal_time_s}
    data["ring"]["electrode_gap_um"] = load_profile(film).electrooptics.electrode_gap_um.value
    if film != "tfln600":
        # Wider lines want more volts for the same weights.
        data["drive"]["max_voltage_V"] = 30.0
    return ChipSpec.model_validate(data)


def one_die(
    spec: ChipSpec, calibration: Calibration, seed: int, *, interval_s: float, minutes: float
) -> tuple[dict[str, StabilityTest], dict[str, float]]:
    """All modes on one die, and the wall time of each in s."""
    hours, wall_s = {}, {}
    for mode in MODES:
        start = time.perf_counter()
        hours[mode] = run_stability_test(
            VirtualChip.fabricate(spec, jax.random.key(seed)),
            calibration,
            spec,
            key=jax.random.key(1000 + seed),
            mode=mode,
            seconds=60.0 * minutes,
            interval_s=interval_s,
            check_s=120.0 if minutes > 30 else 30.0,
        )
        wall_s[mode] = round(time.perf_counter() - start, 1)
    return hours, wall_s


def main() -> None:
    """Measure and write."""
    dies = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    panels: dict[str, dict[str, StabilityTest]] = {}
    cases: list[dict[str, Any]] = []
    for title, film, thermal_time_s, interval_s, minutes in CASES:
        spec = chip_spec(film, thermal_time_s)
        lines, series = [], {}
        for seed in range(dies):
            calibration = calibrate(VirtualChip.fabricate(spec, jax.random.key(seed)), spec, key=jax.random.key(seed))
            hours, wall_s = one_die(spec, calibration, seed, interval_s=interval_s, minutes=minutes)
            panels.setdefault(title, hours)
            for mode, hour in hours.items():
                lines.append({"seed": seed, **hour.summary(), "wall_s": wall_s[mode]})
                print(title, seed, mode, hour.held_bits.round(1), f"{wall_s[mode]} s", flush=True)
                series[f"{seed} {mode}"] = {
                    "minutes": [round(t / 60.0, 3) for t in hour.time_s],
                    "held_bits": hour.held_bits.round(2).tolist(),
                    "fresh_bits": hour.fresh_bits.round(2).tolist(),
                }
        cases.append(
            {
                "case": title,
                "date": time.strftime("%Y-%m-%d"),
                "film": film,
                "thermal_time_s": thermal_time_s,
                "minutes": minutes,
                "dies": lines,
            }
            | {"median_over_dies": medians(lines), "series": series}
        )
        # After every case, so that a run that is stopped leaves what it has.
        result = {
            "date": time.strftime("%Y-%m-%d"),
            "hardware": f"{platform.machine()}, {os.cpu_count()} cores, shared",
            "command": " ".join(["python benchmarks/track_hour.py", *sys.argv[1:]]),
            "cases": cases,
        }
        (HERE / "results" / "track_hour.json").write_text(json.dumps(result, indent=1) + "\n")
        write_stability(HERE / "results" / "track_hour.png", panels)


def medians(lines: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Median over dies of the medians, and the worst check of all."""
    return {
        mode: {
            "held_bits": float(np.median([line["held_bits_median"] for line in lines if line["mode"] == mode])),
            "held_bits_worst": min(line["held_bits_worst"] for line in lines if line["mode"] == mode),
            "fresh_bits": float(np.median([line["fresh_bits_median"] for line in lines if line["mode"] == mode])),
            "duty": max(line["duty"] for line in lines if line["mode"] == mode),
            "duty_laboratory": max(line["duty_laboratory"] for line in lines if line["mode"] == mode),
        }
        for mode in MODES
    }


if __name__ == "__main__":
    main()
