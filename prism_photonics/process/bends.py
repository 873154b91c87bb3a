"""What a curve in a guide turns of the light to other modes, from a table of the film's straight guide.

A bend of curvature κ is to the straight guide's first mode a coupling κ·a_k·Δβ_k to each other mode k, Δβ_k the
difference of their propagation constants and a_k the table's. So what a curve κ(s) leaves in mode k is, in first order,

    P_k = |a_k·Δβ_k·∫ κ(s)·exp(j·Δβ_k·s) ds|²:

of a circle's arc what its two ends make, (a_k/R)² each, by their phase between nothing and four times one's; of a curve
whose curvature grows over a beat 2π/Δβ_k or more next to nothing. Where a film guides a second mode the light is in it,
and is lost at the next part that has no use for it; where not, it is radiated.

The tables lie beside this file as text (``bend_tables/NAME.json``), written by ``python -m
prism_photonics.process.solver.bends NAME``.

Source: first order of coupled local modes (A. W. Snyder, J. D. Love, Optical Waveguide Theory, ch. 28).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from prism_photonics.process.film_tables import film_table

STRIDE = 16  # steps of a curve that are summed together
PHASES = 32  # in one beat of the curve's ends, over which light is averaged


class _Direction(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    n_eff: float
    line_n_eff: tuple[float, ...]
    line_um: tuple[float, ...]
    slab_n_eff: float


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    film: str
    provenance: Mapping[str, Any]
    wl_um: float
    radius_um: float
    angle_deg: Mapping[str, _Direction]
    junction_dB: Mapping[str, Mapping[str, float]]
    convergence_dB: Mapping[str, float]


@dataclass(frozen=True)
class Turned:
    """Share of a guide's light that a curve turns to other modes.

    Attributes:
        drawn: As drawn.
        mean: Over the phase at which its two ends meet, which the making moves.
        most: At the worst phase.
    """

    drawn: Any
    mean: Any
    most: Any


@dataclass(frozen=True)
class BendTable:
    """What bends do to the light of one film's guide.

    Attributes:
        file: Content of the table's file, with ``provenance`` and the solver's convergence.
    """

    file: _File

    @property
    def second_mode(self) -> bool:
        """Whether the straight guide holds the mode that takes most; without one what bends turn is radiated."""
        return all(way.line_n_eff[0] > way.slab_n_eff for way in self.file.angle_deg.values())

    @property
    def beat_um(self) -> float:
        """Beat of the first mode with the one that takes most, along layout x, in µm."""
        along = self.file.angle_deg["90"]
        return self.file.wl_um / (along.n_eff - along.line_n_eff[0])

    def junction_dB(self, radius_um: float) -> float:
        """Loss of one junction of a straight guide and a bend in dB, in the worse direction."""
        share = max(sum((a / radius_um) ** 2 for a in way.line_um) for way in self.file.angle_deg.values())
        return -10.0 * math.log10(1.0 - min(share, 1.0 - 1e-12))

    def turned(
        self, curvature_1_um: Any, step_um: Any, xp: ModuleType = np, *, angles_deg: Sequence[float] = (0.0, 90.0)
    ) -> Turned:
        """What a curve between straight guides turns, in the worst of some directions.

        Args:
            curvature_1_um: Along the curve in 1/µm, in steps of equal length; either sign. The last axis is the way,
                those before it curves side by side.
            step_um: Length of a step, of each curve.
            xp: The array library of the curve's numbers, ``jax.numpy`` under JAX.
            angles_deg: Directions of travel to crystal y, 0 and 90 (layout x).
        """
        ways = [self._along(self.file.angle_deg[f"{angle:g}"], curvature_1_um, step_um, xp) for angle in angles_deg]
        drawn, mean, most = (xp.max(xp.stack(shares), axis=0) for shares in zip(*ways, strict=True))
        return Turned(drawn, mean, most)

    def _along(self, way: _Direction, curvature_1_um: Any, step_um: Any, xp: ModuleType) -> tuple[Any, Any, Any]:
        curve, step = xp.asarray(curvature_1_um), xp.asarray(step_um)[..., None, None]
        steps = curve.shape[-1]
        exact = 2.0 * np.pi / self.file.wl_um * (way.n_eff - np.array(way.line_n_eff))[:, None]
        # Half a beat more or less over the length of the curve, and no more than half of Δβ where the curve is short.
        off = np.pi / xp.maximum(exact * step * steps, 2.0 * np.pi) * np.linspace(-1.0, 1.0, PHASES + 1)
        d_beta = exact * (1.0 + off)
        within_um = step * xp.sinc(d_beta * step / (2.0 * np.pi))
        # Phases of a stride's steps times those of the strides' beginnings: a few exponentials in place of one a step.
        strides = -(-steps // STRIDE)
        padded = xp.pad(curve, [*[(0, 0)] * (curve.ndim - 1), (0, strides * STRIDE - steps)])
        by_stride = padded.reshape(*curve.shape[:-1], 1, strides, STRIDE)
        phase = (d_beta * step)[..., None]
        along = _turning(phase * (np.arange(STRIDE) + 0.5), xp) @ xp.swapaxes(by_stride, -1, -2)
        turns = within_um * (_turning(phase * (STRIDE * np.arange(strides)), xp) * along).sum(axis=-1)
        share = (xp.abs(np.array(way.line_um)[:, None] * d_beta * turns) ** 2).sum(axis=-2)
        return share[..., PHASES // 2], share[..., 1:].mean(axis=-1), share.max(axis=-1)


def _turning(phase: Any, xp: ModuleType) -> Any:
    """exp(j·phase), in a third of the time that numpy takes over a complex number's exponential."""
    return xp.cos(phase) + 1j * xp.sin(phase)


def load_bends(process: str) -> BendTable:
    """The table of a film by its name, or of the film that a measured profile overlays.

    Raises:
        InputError: No such film, or the measured profile cannot be read.
    """
    return BendTable(film_table(process, "bend_tables", _File))
