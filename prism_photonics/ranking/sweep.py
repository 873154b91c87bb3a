"""Where the hardware begins to cost: the photonic selectors under fewer bits, more drift, less light."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from prism_photonics.export.read import Bundle
from prism_photonics.ranking.features import Bound, MeanKey
from prism_photonics.ranking.impair import impaired, reading_snr_dB
from prism_photonics.ranking.needle.tokens import Vocabulary
from prism_photonics.ranking.readers import ChipReader
from prism_photonics.ranking.selectors import FeatureSelector, Selector
from prism_photonics.ranking.table import Point, TableRow, table

BITS = (2, 3, 4, 5, 6, 8, 10)
DRIFT = (0.0, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
"""Standard deviation of a weight's drift, weight units."""
TIME_S = (0.0, 0.1, 1.0, 10.0, 100.0, 1000.0)
"""Time since programming, on chips whose drift was measured."""
LIGHT = (1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001)
"""Optical power on the detectors over the chip's own."""


@dataclass(frozen=True)
class SweepRow(TableRow):
    """A row of the table at one setting of one impairment.

    Attributes:
        impairment: "bits" (converters and signatures alike), "drift", "time" or "light"; "none" for the float rows.
        setting: Bits, drift in weight units, time since programming in s, or light over the chip's own.
        snr_dB: Signal of one fully lit channel of weight 1 over the noise of a reading, 20·log₁₀.
    """

    impairment: str
    setting: float
    snr_dB: float


def sweep(
    name: str,
    model: Any,
    vocabulary: Vocabulary,
    *,
    bundle: Bundle,
    dual_rail: Bundle,
    point: Point,
    seed: int = 0,
    bits: tuple[int, ...] = BITS,
    drift: tuple[float, ...] = DRIFT,
    time_s: tuple[float, ...] = TIME_S,
    light: tuple[float, ...] = LIGHT,
    tell: Callable[[str], None] = lambda _: None,
) -> list[SweepRow]:
    """Mean key and bound on the impaired chip, float beside them, all on the same sequences.

    Args:
        name: The model's name in the rows.
        model: A causal language model of Hugging Face.
        vocabulary: Its needle vocabulary.
        bundle: The chip of the mean key.
        dual_rail: The chip of the bound.
        point: Context, block size, k.
        seed: Seed of sequences, errors and noise.
        bits: Resolutions.
        drift: Drifts, weight units.
        time_s: Times since programming; each chip is read at those at which its drift was measured.
        light: Powers over the chip's own.
        tell: Told what is being done.

    Returns:
        Float rows first, then the settings in order.
    """
    plan: list[tuple[str, float, dict[str, Any], int]] = [
        ("bits", float(value), {"bits": value}, value) for value in bits
    ]
    plan += [("drift", value, {"drift": value}, 0) for value in drift]
    plan += [("time", value, {}, 0) for value in time_s]
    plan += [("light", value, {"light": value}, 0) for value in light]
    selectors: dict[str, Selector] = {
        "mean_key": FeatureSelector("mean_key", MeanKey()),
        "bound": FeatureSelector("bound", Bound()),
    }
    kind: dict[str, tuple[str, str, float, float]] = {
        label: (label, "none", 0.0, 999.0) for label in ("full", "mean_key", "bound")
    }
    for impairment, setting, changes, levels in plan:
        for label, features, chip in (("photonic_mean_key", MeanKey(), bundle), ("photonic_bound", Bound(), dual_rail)):
            if impairment == "time" and not 0 < setting <= chip.longest_s:
                continue
            worse = impaired(chip, **changes)
            halves = label == "photonic_bound" and worse.encoding == "dual_rail"
            key = f"{label} {impairment} {setting:g}"
            age_s = setting if impairment == "time" else 0.0
            reader = ChipReader(worse, seed=seed, levels=levels, halves=halves, t_since_program_s=age_s)
            selectors[key] = FeatureSelector(label, features, reader)
            kind[key] = (label, impairment, setting, reading_snr_dB(worse))
    rows = table(name, model, vocabulary, selectors=selectors, points=[point], seed=seed, tell=tell)
    finished = []
    for row in rows:
        label, impairment, setting, snr_dB = kind[row.selector]
        numbers: dict[str, Any] = vars(row) | {"selector": label}
        finished.append(SweepRow(**numbers, impairment=impairment, setting=setting, snr_dB=snr_dB))
    return finished
