"""A small chip as if calibrated and ranked: what the report draws, without an hour at the bench."""

from types import SimpleNamespace

import numpy as np
import pytest


@pytest.fixture(scope="session")
def told(small):
    """The arguments of `write_report` for a chip that is exactly as designed."""
    from prism_photonics.budget.feasibility import check
    from prism_photonics.calibration.calibration import blank_calibration, summary
    from prism_photonics.characterize.accuracy import Validation

    rng = np.random.default_rng(0)
    rows, channels = small.chip.rows, small.chip.channels
    commanded = rng.uniform(-0.8, 0.8, (8, rows, channels))
    calibration = blank_calibration(small, triggers=157)
    validation = Validation(
        commanded=commanded,
        measured=commanded + np.where(rng.random(commanded.shape) < 0.5, -1.0, 1.0) * 1e-3,
        measured_std=np.full(commanded.shape, 1e-5),
        light=np.ones((4, channels)),
        weights=np.zeros((4, rows, channels)),
        reads=np.zeros((4, 8, rows)),
        adc_full_scale=np.full(rows, 2.0),
        weight_low=-0.8,
        weight_high=0.8,
        adc_bits=12,
        dac_bits=10,
        encoding="two_shot",
        spec_hash=small.hash,
        residual_rms=1e-4,
        leak=1e-3,
    )
    shares = {"chance": 0.125, "k": 8, "blocks": 64}
    line = {
        "hit_low": 0.8,
        "hit_high": 0.95,
        "recall_error": 0.01,
        "recall_vs_ideal_error": 0.01,
        "mass_coverage": 0.9,
        "trials": 99,
        **shares,
    }
    lines = [
        {"scorer": scorer, "kv_head": head, "hit": hit, "recall": hit - 0.2, "recall_vs_ideal": hit - 0.1, **line}
        for scorer, hit in (("ideal", 0.91), ("behavioral", 0.9), ("chip", 0.89))
        for head in (0, 1, "all")
    ]
    by_scorer = {"ideal": 0.91, "behavioral": 0.9, "chip": 0.89}
    result = {
        "row_solver_vs_sax_max_error": 1.5e-12,
        "layout_vs_design_max_error": 2.5e-13,
        "feed": [],
        "die": "virtual:0",
        "accuracy_bits": validation.accuracy_bits,
        "readings_per_ring": calibration.readings_per_ring,
        "recall_vs_ideal": by_scorer | shares,
        "needle_hit": by_scorer | shares,
        "by_kv_head": lines,
        "calibration": summary(calibration),
        "behavior": {
            "weight_error_held_out_ratio": 1.01,
            "noise_held_out_ratio": 0.99,
            "weight_error_rms": 1e-3,
            "noise_rms": 5e-3,
        },
        "out_of_reach": 0,
        "readings_clipped": 0,
        "warnings": list(check(small).warnings),
        "feasibility": check(small).to_json(),
        "keys": "keys <b>&amp; more</b>.npz",
        "seed": 3,
        "spec_hash": small.hash,
        "time_s": {"check": 0.1, "rank": 2.0},
    }
    return SimpleNamespace(spec=small, summary=result, calibration=calibration, validation=validation)
