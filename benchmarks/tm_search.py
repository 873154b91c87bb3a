"""How well TM's orders are found in the buses of a die of circles, and how well what was found foretells readings.

    python benchmarks/tm_search.py [ROWS] [--json]

Rows of die 0 of `circles_8x8` on the standard bench's instruments, with all of the mode table's mixing and everything
else that a fit may know: 36 settings are read, with a noise of 1e-4 of full light, and 12 others within 14 V of rest
are foretold. Neither drift nor what no fit knows is there: how far the search itself comes is asked. The bus phases to
begin with are those of a fit without TM that starts at the true ones; with those of the plain fit it is harder. Beside
it stands a fit that starts at the truth: what the model can, and a search therefore could. Bits are those of 1.5, the
range of weights, over the rms of what is foretold. ``--json`` prints what `results/tm_search.json` keeps.
"""

import datetime
import json
import os
import platform
import sys
import time
from dataclasses import replace
from typing import Any

import full_die
import full_pulls
import jax
import numpy as np

from prism_photonics.calibration.bus import BusSurvey
from prism_photonics.calibration.descent import descend
from prism_photonics.calibration.polarized import PolarizedLight, repulsion, tm_columns
from prism_photonics.calibration.reading_model import readings_A
from prism_photonics.calibration.reflecting import beyond_columns
from prism_photonics.calibration.reflecting_fit import reflecting_survey
from prism_photonics.calibration.survey_fit import AT_THE_LINE, bus_surveys
from prism_photonics.calibration.tm_search import BLURS, tm_searched, tm_started
from prism_photonics.calibration.unknowns import columns, designed_gain_A
from prism_photonics.chip.fabricate import Die, exit_powers
from prism_photonics.chip.truth import FullTruth
from prism_photonics.lightpath.ring.model import rad_per_pm
from prism_photonics.spec import ChipSpec

TRUTH = FullTruth(te_tm=1.0, absorbed_pm_mW=0.0, second_neighbour=0.0)
NOISE, WEIGHT_RANGE = 1e-4, 1.5


def read(spec: ChipSpec, die: Die, *, settings: int, most_V: float, seed: int) -> BusSurvey:
    """Every row of a die, read at voltages that are spread over the drive."""
    rng, shape = np.random.default_rng(seed), (settings, spec.chip.rows, spec.chip.rings)
    volts = (np.argsort(rng.random(shape), axis=0) + rng.random(shape)) / settings * 2.0 * most_V - most_V
    gain_A = designed_gain_A(spec)[:, 0].T
    current_A = np.empty((settings, spec.chip.channels, spec.chip.rows))
    for m in range(settings):
        through, drop = exit_powers(die.light, die.shift_pm(volts[m], np.zeros(shape[1:])))[0][:, :, 0]
        current_A[m] = (through * die.full_A[0] - drop * die.full_A[1]).T
    current_A += NOISE * gain_A * rng.standard_normal(current_A.shape)
    own = np.broadcast_to(np.arange(spec.chip.channels), (spec.chip.rows, 1, spec.chip.channels))
    _, survey = bus_surveys(
        spec,
        volts=volts,
        current_A=current_A,
        noise_A=NOISE * np.broadcast_to(gain_A, current_A.shape),
        time_s=np.zeros(current_A.shape[:2]),
        channel_of_ring=own,
    )
    # The film has relaxed nothing.
    acting = np.broadcast_to(np.moveaxis(volts, 1, 0)[:, :, None], survey.volts.shape)
    survey = reflecting_survey(survey.moved(acting, 0.0 * survey.drift_pm), spec, node_pm=AT_THE_LINE)
    lines = np.asarray(spec.comb_design.wl_um)
    assert survey.reflecting is not None
    light = PolarizedLight.of(spec, lines, survey.rings, survey.reflecting, own_um=lines[survey.channel_of_ring])
    return replace(survey, polarized=light)


def true_unknowns(survey: BusSurvey, die: Die) -> np.ndarray:
    """The hidden die in the unknowns of its buses; what reflects at their ends is left out."""
    assert survey.polarized is not None
    assert survey.reflecting is not None
    assert die.beyond is not None
    assert die.beyond.second is not None
    assert die.bank.reflections is not None
    tm, design, scatter = survey.polarized, survey.rings, survey.scatter
    rings, second, scattered = jax.tree.map(
        lambda leaf: leaf[:, 0], (die.bank.rings, die.beyond.second, die.bank.reflections.backscatter)
    )
    rad_pm, count = rad_per_pm(design), design.t1.shape[1]
    tm_rad = rad_per_pm(second.rings.tm) * second.rings.tm.offset_pm
    turn = 0.5 * (tm_rad - tm.step_rad - (1.0 - tm.tuning_ratio) * rad_pm * rings.offset_pm)
    # After one turn TM is as before but for its sign, which the buses' phases then have.
    turns, turn = np.divmod(turn, 2.0 * np.pi)
    sign = np.pi * (turns[:, 1:] + turns[:, :-1])
    through, drop = (die.bank.buses.phase_rad[:, 0, n, 1:-1] for n in range(2))
    tm_through, tm_drop = (second.buses.phase_rad[:, n, 1:-1] for n in range(2))
    full_A = die.full_A.reshape(2, -1, count)
    unit_pm, cubic = survey.reflecting.scatter_pm[:, None], survey.reflecting.cubic_pm_V3[:, None]
    named = {
        "kappa1": np.log((1.0 - rings.t1**2) / (1.0 - design.t1**2)) / scatter.kappa,
        "kappa2": np.log((1.0 - rings.t2**2) / (1.0 - design.t2**2)) / scatter.kappa,
        "loss": np.log(np.log(rings.a) / np.log(design.a)) / scatter.loss,
        "offset": (rings.offset_pm + 2.0 * repulsion(turn, tm.conversion_rad)[0] / rad_pm) / scatter.offset_pm,
        "slope": (rings.slope_pm_V / design.slope_pm_V - 1.0) / scatter.slope,
        "curvature": rings.curvature_pm_V2 / scatter.curvature_pm_V2,
        "crosstalk": die.crosstalk[:, 0] / scatter.crosstalk,
        "gain": np.log(full_A[0] / survey.gain_A) / scatter.gain,
        "drop_ratio": ((full_A[1] / full_A[0])[:, :1] - 1.0) / scatter.drop_ratio,
        "ccw_re": scattered.to_ccw_pm.real / unit_pm,
        "ccw_im": scattered.to_ccw_pm.imag / unit_pm,
        "cw_re": scattered.to_cw_pm.real / unit_pm,
        "cw_im": scattered.to_cw_pm.imag / unit_pm,
        "cubic": die.beyond.cubic_pm_V3[:, 0] / cubic,
        "tm_turn": turn,
        # Of the buses' phases three sums are seen.
        "phase_rad": through + drop,
        "tm_through": tm_through + drop + sign,
        "tm_drop": tm_drop - drop + sign,
    }
    places = columns(count) | beyond_columns(count) | tm_columns(count)
    flat = np.zeros((survey.count, places["tm_drop"].stop))
    for name, values in named.items():
        flat[:, places[name]] = values
    return flat


def missed(survey: BusSurvey, flat: np.ndarray) -> float:
    """Rms misfit of one bus in units of full light."""
    return float(np.sqrt(np.mean(((readings_A(survey, flat) - survey.current_A) / survey.gain_A[:, None]) ** 2)))


def one_row(survey: BusSurvey, unseen: BusSurvey, truth: np.ndarray) -> dict[str, Any]:
    """What fits without and with TM leave of one bus, and one that starts at the truth."""
    rings = survey.channel_of_ring.shape[1]
    place, bare = columns(rings)["phase_rad"], replace(survey, polarized=None)
    start = np.zeros((1, beyond_columns(rings)["end_im"].stop))
    start[:, place] = truth[:, place]
    plain, _ = descend(bare.blurred(BLURS[0]), start, steps=25, rtol=1e-3)
    plain, _ = descend(bare.blurred(BLURS[-1]), plain, steps=25, rtol=1e-3)
    begun = time.process_time()
    flat = np.zeros_like(plain)
    flat[:, place] = plain[:, place]
    found = tm_searched(survey, tm_started(survey, flat), blurs=(*BLURS, 5e-4, 2e-4))
    cpu_s = time.process_time() - begun
    best, _ = descend(survey, truth, steps=15, rtol=1e-4)
    roads = {
        "without_tm": (bare, replace(unseen, polarized=None), plain),
        "with_tm": (survey, unseen, found),
        "from_truth": (survey, unseen, best),
    }
    told: dict[str, Any] = {"cpu_s": cpu_s}
    for name, (fitted, foretold, unknowns) in roads.items():
        left = missed(foretold, unknowns)
        told[name] = {"misfit": missed(fitted, unknowns), "bits": float(np.log2(WEIGHT_RANGE / left))}
    return told


def main() -> None:
    """Measure and print."""
    spec = full_die.on_bench("circles_8x8")
    rows = [int(word) for word in sys.argv[1:] if word.isdigit()] or list(range(spec.chip.rows))
    die = full_pulls.hidden_die(spec, 0, TRUTH)
    survey = read(spec, die, settings=36, most_V=spec.drive.max_voltage_V, seed=0)
    unseen = read(spec, die, settings=12, most_V=14.0, seed=1)
    truth = true_unknowns(survey, die)
    found = {}
    for row in rows:
        some = np.array([row])
        found[row] = one_row(survey.take(some), unseen.take(some), truth[some])
        print(row, found[row], file=sys.stderr, flush=True)
    if "--json" in sys.argv:
        head = {
            "command": f"python benchmarks/tm_search.py {' '.join(map(str, rows))} --json",
            "date": datetime.date.today().isoformat(),
            "hardware": f"{os.cpu_count()} cores, {platform.machine()}",
            "chip": spec.name,
        }
        print(json.dumps({**head, "noise": NOISE, "rows": found}, indent=1))


if __name__ == "__main__":
    main()
