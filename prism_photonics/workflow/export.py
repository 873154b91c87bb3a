"""Export of a record as a bundle, and its check against the photocurrents of a die that the fit never saw.

The die is fabricated from the same spec with another seed and calibrated as the first one was. What the model takes
over from that calibration is what any user of a chip has to know of it: its weight range, its light and dark levels.
The statistics of errors and noise stay those of the first die.
"""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from prism_photonics.calibration.calibration import Calibration
from prism_photonics.calibration.record import read_record
from prism_photonics.characterize.accuracy import common_range
from prism_photonics.characterize.drift_study import DriftStudy
from prism_photonics.chip.abstract import AbstractChip
from prism_photonics.chip.named_die import named_die
from prism_photonics.chip.truth import FullTruth
from prism_photonics.chip.virtual import VirtualChip
from prism_photonics.codec.centring import centre_score
from prism_photonics.export.formats import add_formats
from prism_photonics.export.read import Bundle
from prism_photonics.programming.tiles import WeightRange, program_tiles
from prism_photonics.ranking.compare import BLOCK, K
from prism_photonics.ranking.keys import KeyCache
from prism_photonics.ranking.recall import recall_at_k
from prism_photonics.ranking.signatures import centred_at_full_span, mean_key, query_sketch
from prism_photonics.spec import ChipSpec
from prism_photonics.units import InputError
from prism_photonics.workflow.accuracy import CALIBRATION_FILE, load_accuracy
from prism_photonics.workflow.behavior import fit_behavior
from prism_photonics.workflow.scores import cut_bank, score_bank, slice_dims
from prism_photonics.workflow.session import calibrate_chip

ScoreBank = Callable[[np.ndarray, np.ndarray, int], np.ndarray]
"""(signatures (blocks, dims), queries (queries, dims), number of the bank) -> scores (queries, blocks)."""
BANKS, BLOCKS, QUERIES = 4, 256, 64
REPEATS = 64
SEQUENCES = 4
DOUBLE_PRECISION = (
    "selector.stablehlo takes double precision, which JAX has switched off by default: call it with "
    "JAX_ENABLE_X64=1, or export it without --dtype"
)
KS_SAMPLES = 1000
"""Scores of each side that the Kolmogorov–Smirnov test compares; many more would tell any two samples apart."""


def chip_bank(
    chip: AbstractChip,
    calibration: Calibration,
    spec: ChipSpec,
    weight_range: WeightRange,
    *,
    held: Float[np.ndarray, "rows channels"] | float = 0.0,
) -> ScoreBank:
    """A scorer that programs and reads a chip tile by tile; excluded rings hold so much (`Validation.held_weights`).

    Each block is written as ``ranking.signatures.centred_at_full_span`` says.
    """

    def bank_scores(signatures: np.ndarray, queries: np.ndarray, _: int) -> np.ndarray:
        bank = cut_bank(signatures, spec)
        programmed = program_tiles(calibration, bank.tiles, weight_range=weight_range, held=held)
        return score_bank(chip, calibration, programmed, bank, queries=queries, spec=spec)[0]

    return bank_scores


def bundle_bank(bundle: Bundle, *, seed: int) -> ScoreBank:
    """A scorer by the bundle; every bank has its own errors and noise."""

    def score_bank(signatures: np.ndarray, queries: np.ndarray, number: int) -> np.ndarray:
        unit, scale, centre, wide = centred_at_full_span(signatures)
        programmed = bundle.program(unit, seed * 2**20 + number, signature_scale=1.0)
        read = bundle.read(queries * wide, programmed, key=seed * 2**20 + number)
        return read * scale + centre_score(queries, centre, halves=False)

    return score_bank


def on_die(bundle: Bundle, calibration: Calibration) -> Bundle:
    """The bundle's statistics on another die: its weight range, its dark light, and noise scaled to its light.

    Noise currents are the same in A, so in units of weight the receiver's goes with the inverse of the light and shot
    noise with the inverse of its root; the converter's full scale tells the light, for it is the same in A too.

    Args:
        bundle: The model of one die.
        calibration: Of the other.

    Returns:
        The model of the other.
    """
    low, high = common_range(calibration)
    full_scale = calibration.adc_full_scale_A / np.asarray(calibration.unit_A)
    dimmer = float(full_scale.mean() / bundle.adc_full_scale.mean())
    return dataclasses.replace(
        bundle,
        adc_full_scale=full_scale,
        weight_centre=np.asarray((low + high) / 2.0),
        weight_span=np.asarray((high - low) / 2.0),
        leak=np.asarray(calibration.weight_leak),
        noise_floor=np.asarray(bundle.noise_floor * dimmer),
        noise_shot=np.asarray(bundle.noise_shot * dimmer**0.5),
    )


def held_out(
    chip_scores: ScoreBank, model_scores: ScoreBank, *, dims: int, seed: int, sequences: int = SEQUENCES
) -> dict[str, float]:
    """Compare a chip with a model on Gaussian and on real signatures, and their read noise.

    Args:
        chip_scores: Programs and reads the chip.
        model_scores: The same by the model.
        dims: Dimensions of the Gaussian signatures.
        seed: Seed of signatures and queries.
        sequences: Sequences of the built-in cache that are scored, with all their KV heads.

    Returns:
        For each set: ``check_NAME_ks`` (the Kolmogorov–Smirnov statistic of the score errors over the query's and the
        block's scale), ``check_NAME_ks_p`` (its p-value), ``check_NAME_recall_chip`` and ``check_NAME_recall_model``
        against exact scores. And ``check_noise_ratio``: read noise of the model over that of the chip.
    """
    # SciPy's statistics take longer to load than a chip is calibrated in.
    from scipy import stats

    rng = np.random.default_rng([seed, 0xC4EC])
    report: dict[str, float] = {}
    gaussian = [(rng.standard_normal((BLOCKS, dims)), rng.standard_normal((QUERIES, dims))) for _ in range(BANKS)]
    for name, banks, k in (("gaussian", gaussian, BLOCKS // 8), ("real", _real_banks(sequences), K)):
        errors: dict[str, list[np.ndarray]] = {"chip": [], "model": []}
        recalls: dict[str, list[np.ndarray]] = {"chip": [], "model": []}
        for number, (signatures, queries) in enumerate(banks):
            exact = queries @ signatures.T
            _, scale, _, wide = centred_at_full_span(signatures)
            units = np.abs(queries * wide).max(1)[:, None] * scale
            for who, scored in (("chip", chip_scores), ("model", model_scores)):
                scores = scored(signatures, queries, number)
                errors[who].append(((scores - exact) / np.where(units > 0, units, 1.0)).ravel())
                recalls[who].append(recall_at_k(scores, exact, k=k))
        chip, model = (np.concatenate(errors[who]) for who in ("chip", "model"))
        few_chip, few_model = (rng.choice(part, min(KS_SAMPLES, part.size), replace=False) for part in (chip, model))
        # (statistic, p-value)
        whole, tested = tuple(stats.ks_2samp(chip, model)), tuple(stats.ks_2samp(few_chip, few_model))
        report |= {
            f"check_{name}_ks": float(whole[0]),
            f"check_{name}_ks_p": float(tested[1]),
            f"check_{name}_error_rms_ratio": float(np.sqrt((model**2).mean() / (chip**2).mean())),
            f"check_{name}_recall_chip": float(np.concatenate(recalls["chip"]).mean()),
            f"check_{name}_recall_model": float(np.concatenate(recalls["model"]).mean()),
        }
    signatures, queries = rng.standard_normal((32, dims)), rng.standard_normal((4, dims))
    repeated = np.repeat(queries, REPEATS, axis=0)
    chip_std, model_std = (
        np.sqrt(scored(signatures, repeated, BANKS).reshape(len(queries), REPEATS, -1).var(axis=1, ddof=1).mean())
        for scored in (chip_scores, model_scores)
    )
    return report | {"check_noise_ratio": float(model_std / chip_std)}


def check_on_other_die(
    bundle: Bundle, spec: ChipSpec, *, seed: int, truth: str | FullTruth = "model"
) -> dict[str, float]:
    """Fabricate and calibrate a die that the bundle's fit never saw, and compare.

    Args:
        bundle: The model of another die of the same spec.
        spec: The chip.
        seed: The die; also the seed of its calibration and of the check.
        truth: What the die is made of, as of `VirtualChip`.

    Returns:
        What `held_out` returns, with ``check_die``.
    """
    chip = VirtualChip(spec, seed=seed, truth=truth)
    calibration = calibrate_chip(chip, seed=seed).fit
    weight_range = WeightRange(*common_range(calibration))
    measured = chip_bank(chip, calibration, spec, weight_range)
    model = bundle_bank(on_die(bundle, calibration), seed=seed)
    return {"check_die": float(seed)} | held_out(measured, model, dims=slice_dims(spec), seed=seed)


def export_record(
    record: Path,
    out: Path,
    *,
    formats: tuple[str, ...] = (),
    dims: int | None = None,
    k: int = K,
    dtype: str | None = None,
    per_block: bool = False,
    die: int | None = None,
) -> dict[str, Any]:
    """Fit the behavioral model of a calibrated chip and write its bundle.

    Args:
        record: Folder with ``calibration.nc`` and ``validation.nc``; ``drift.nc`` is used if it is there.
        out: The bundle folder.
        formats: Further forms, keys of ``export.formats.FORMATS``.
        dims: Dimensions of a signature in those forms.
        k: Blocks chosen per query in those forms.
        dtype: Precision of those forms, see ``export.formats.add_formats``.
        per_block: Whether graphs write each block at a scale of its own.
        die: Also check the model on this virtual die, and write the outcome into the bundle's report.

    Returns:
        The bundle, its files, a note on what a caller of them must know, and its report.

    Raises:
        InputError: A damaged record, records of several specs, or a place that cannot be written.
    """
    accuracy = load_accuracy(record)
    drift = DriftStudy.read(record / "drift.nc", accuracy.spec) if (record / "drift.nc").exists() else None
    bench = "" if die is None else read_record(record / CALIBRATION_FILE)[2].get("bench", "")
    seen = named_die(bench) if bench.startswith("virtual:") else None
    if seen is not None and seen.seed == die:
        raise InputError(f"--check {die}: the fit saw this very die, want another seed; choose another number")
    model = fit_behavior(accuracy, drift)
    bundle = model.save(out)
    if die is not None:
        checked = dict(model.report) | check_on_other_die(
            bundle, accuracy.spec, seed=die, truth="model" if seen is None else seen.truth
        )
        model = dataclasses.replace(model, model=dataclasses.replace(model.model, report=checked))
        model.save(out)
    files = add_formats(out, formats, dims=dims, k=k, dtype=dtype, per_block=per_block) if formats else []
    note = {"note": DOUBLE_PRECISION} if "stablehlo" in formats and dtype == "float64" else {}
    return {
        "bundle": str(out),
        "files": [str(file) for file in files],
        **note,
        **{name: float(value) for name, value in model.report.items()},
    }


def _real_banks(sequences: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Mean keys and query sketches of the built-in cache, one bank per sequence and KV head."""
    cache = KeyCache.load(None)
    signatures, sketches = mean_key(cache.keys, block=BLOCK), query_sketch(cache.queries, cache.keys.shape[1])
    return [(signatures[bank], sketches[bank]) for bank in np.ndindex(sequences, signatures.shape[1])]
