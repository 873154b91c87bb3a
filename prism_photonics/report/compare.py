"""Design against measurement in one picture: resonance, Q and bits of every ring."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from prism_photonics.files import write_bytes
from prism_photonics.plotting import BLUE, GREY, RED, STYLE
from prism_photonics.report.svg import svg_bytes

MOST_NAMED = 24


@runtime_checkable
class Compared(Protocol):
    """What of a ring is drawn."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def shift_pm(self) -> float:
        """Measured minus designed resonance."""
        ...

    @property
    def q_design(self) -> float:
        """Loaded Q as designed."""
        ...

    @property
    def q_measured(self) -> float:
        """Loaded Q as measured."""
        ...

    @property
    def bits_lost(self) -> float:
        """Where it rests."""
        ...

    @property
    def bits_lost_in_place(self) -> float:
        """On its channel."""
        ...


def write_comparison(path: Path, rings: Sequence[Compared]) -> Path:
    """Draw every ring's shift, Q and lost bits, in the order of the chip; returns the path."""
    x = np.arange(len(rings))
    with mpl.rc_context(rc=STYLE):
        figure = Figure(figsize=(9.6, 7.2))
        shift, quality, bits = figure.subplots(3, 1, sharex=True)
        shift.axhline(0.0, color=GREY, lw=0.8)
        shift.plot(x, [ring.shift_pm for ring in rings], "o", ms=3.5, color=BLUE)
        shift.set(ylabel="resonance from\ndesign (pm)")
        quality.plot(x, [ring.q_design for ring in rings], "_", ms=8, color=GREY, label="designed")
        quality.plot(x, [ring.q_measured for ring in rings], "o", ms=3.5, color=BLUE, label="measured")
        quality.set(ylabel="loaded Q")
        quality.legend(fontsize=7)
        bits.axhline(0.0, color=GREY, lw=0.8)
        bits.plot(x, [ring.bits_lost for ring in rings], "o", ms=3.5, color=RED, label="where it rests")
        bits.plot(x, [ring.bits_lost_in_place for ring in rings], "o", ms=3.5, color=BLUE, label="on its channel")
        bits.set(ylabel="bits of weight lost")
        if any(math.isfinite(ring.bits_lost) for ring in rings):
            bits.legend(fontsize=7)
        every = max(1, math.ceil(len(rings) / MOST_NAMED))
        bits.set_xticks(x[::every], [ring.name for ring in rings][::every], rotation=90, fontsize=7)
        write_bytes(path, svg_bytes(figure))
    return path
