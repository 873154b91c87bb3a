"""Pulls of a calibration's error bars on full virtual dies: found minus hidden over the standard error.

    python benchmarks/full_pulls.py [DIES] [--json]

The standard bench, `VirtualChip(truth="full")` with everything but TM, and plain dies beside them: `prism calibrate`
finds every ring's couplings, loss, tuning and crosstalk; what is hidden is drawn anew from the seed. Gains are not
asked: what a fit calls so holds the photodiodes' saturation and the modulators' codes. Of good error bars pulls scatter
by 1; those of offsets are of one common temperature on each die. A through port is as dark on resonance for t₁ − t₂·a
as for its negative: rings that a fit takes for the other kind are counted, and the pulls of the others stand beside.
``--json`` prints what `results/full_pulls.json` keeps: the median, the robust spread (1.4826 median absolute
deviations), the root mean square, and the share within two error bars.
"""

import datetime
import json
import os
import platform
import sys
import time
from collections.abc import Callable
from itertools import product
from typing import Any

import full_die
import numpy as np
from die_pulls import figures_of

from prism_photonics.calibration.calibration import Calibration
from prism_photonics.chip.fabricate import Die, draw_die
from prism_photonics.chip.fabricate import full_die as draw_full_die
from prism_photonics.chip.truth import FullTruth
from prism_photonics.chip.virtual import VirtualChip
from prism_photonics.lightpath.ring.model import RingParams
from prism_photonics.seeds import die_key
from prism_photonics.spec import ChipSpec
from prism_photonics.threefry import generator, split
from prism_photonics.workflow.session import calibrate_chip

DIES = 5


def hidden_die(spec: ChipSpec, seed: int, truth: FullTruth | str) -> Die:
    """The die that `VirtualChip` draws."""
    of_die, of_noise = split(die_key(seed))
    die = draw_die(spec, of_die)
    if isinstance(truth, str):
        return die
    return draw_full_die(spec, die, truth, generator(of_noise).spawn(3)[2], key=of_die)


def pulls_of(fit: Calibration, die: Die) -> dict[str, np.ndarray]:
    """Pulls of what a fit and a die both have."""
    found, std, scatter, rings = fit.rows, fit.std, fit.scatter, die.bank.rings
    designed_pm_V = found.rings.slope_pm_V / (1.0 + scatter.slope * fit.estimate.slope)
    parts = {
        "kappa2_through": (np.log(1.0 - found.rings.t1**2), np.log(1.0 - rings.t1**2), scatter.kappa * std.kappa1),
        "kappa2_drop": (np.log(1.0 - found.rings.t2**2), np.log(1.0 - rings.t2**2), scatter.kappa * std.kappa2),
        "loss": (np.log(-np.log(found.rings.a)), np.log(-np.log(rings.a)), scatter.loss * std.loss),
        "offset_pm": (found.rings.offset_pm, rings.offset_pm, scatter.offset_pm * std.offset),
        "slope_pm_V": (found.rings.slope_pm_V, rings.slope_pm_V, abs(designed_pm_V) * scatter.slope * std.slope),
        "curvature_pm_V2": (
            found.rings.curvature_pm_V2,
            rings.curvature_pm_V2,
            scatter.curvature_pm_V2 * std.curvature,
        ),
        "crosstalk": (found.crosstalk, die.crosstalk, scatter.crosstalk * std.crosstalk),
    }
    return {
        name: ((np.asarray(got) - np.asarray(want)) / np.asarray(error)).ravel()
        for name, (got, want, error) in parts.items()
    }


def undercoupled(rings: RingParams) -> np.ndarray:
    """t₁ − t₂·a of every ring: the through port's amplitude on resonance, but for its width."""
    return (np.asarray(rings.t1) - np.asarray(rings.t2) * np.asarray(rings.a)).ravel()


def mirrored(fit: Calibration, die: Die) -> np.ndarray:
    """Whether the fit found a ring's t₁ − t₂·a nearer to the negative of what is hidden."""
    found, hidden = undercoupled(fit.rows.rings), undercoupled(die.bank.rings)
    return abs(found + hidden) < abs(found - hidden)


def timed(chip: VirtualChip, took_s: list[float]) -> VirtualChip:
    """The chip, whose own processor time goes into ``took_s``: what a virtual die needs for its light is no fit's."""

    def counted(ask: Callable[..., Any]) -> Callable[..., Any]:
        def asked(*args: Any, **options: Any) -> Any:
            start = time.thread_time()
            try:
                return ask(*args, **options)
            finally:
                took_s[0] += time.thread_time() - start

        return asked

    chip.measure, chip.set = counted(chip.measure), counted(chip.set)
    return chip


def main() -> None:
    """Measure and print."""
    count = next((int(word) for word in sys.argv[1:] if word.isdigit()), DIES)
    spec = ChipSpec.from_toml(full_die.BENCH)
    truths: dict[str, FullTruth | str] = {"full": FullTruth(), "model": "model"}
    pulls: dict[str, dict[str, list[np.ndarray]]] = {name: {} for name in truths}
    others: dict[str, list[np.ndarray]] = {name: [] for name in truths}
    took_s, light_s = dict.fromkeys(truths, 0.0), {name: [0.0] for name in truths}
    # Side by side, die by die: the processor's time of the two is then that of one and the same hour.
    for seed, (name, truth) in product(range(count), truths.items()):
        start = time.process_time()
        fit = calibrate_chip(timed(VirtualChip(spec, seed=seed, truth=truth), light_s[name]), seed=seed).fit
        took_s[name] += (time.process_time() - start) / count
        die = hidden_die(spec, seed, truth)
        for key, each in pulls_of(fit, die).items():
            pulls[name].setdefault(key, []).append(each)
        others[name].append(~mirrored(fit, die))
        spread = {key: round(float(np.std(each[-1])), 2) for key, each in pulls[name].items()}
        print(name, seed, spread, file=sys.stderr, flush=True)
    found: dict[str, Any] = {
        "command": f"python benchmarks/full_pulls.py {count} --json",
        "date": datetime.date.today().isoformat(),
        "hardware": f"{os.cpu_count()} cores, {platform.machine()}, CPU only",
        "dies": count,
        "cpu_s_a_die": took_s,
        # Of that, what the virtual die itself took for its currents.
        "light_cpu_s_a_die": {name: spent[0] / count for name, spent in light_s.items()},
        "drawn_facets": True,
        "pulls": {
            name: {key: figures_of(np.concatenate(each)) for key, each in of_truth.items()}
            for name, of_truth in pulls.items()
        },
        "mirrored": {name: int(sum((~each).sum() for each in kept)) for name, kept in others.items()},
        # Crosstalk is of gaps between rings.
        "pulls_of_others": {
            name: {
                key: figures_of(np.concatenate(each)[np.concatenate(others[name])])
                for key, each in of_truth.items()
                if key != "crosstalk"
            }
            for name, of_truth in pulls.items()
        },
    }
    if "--json" in sys.argv:
        print(json.dumps(found, indent=1))
    else:
        print(found)


if __name__ == "__main__":
    main()
