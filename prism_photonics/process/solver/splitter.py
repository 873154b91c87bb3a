"""The 1×2 splitter by mode matching: which length of its multimode section passes most, and how much passes.

Light in the fundamental mode of the access guide, widened by its taper, excites the even modes of the multimode
section; along it they run apart until they meet as two images, which the output tapers narrow again. By symmetry half
of the cross-section is solved, and both outputs have the same light: imbalance takes an input out of the middle.

Source: L. B. Soldano, E. C. M. Pennings, J. Lightwave Technol. 13, 615 (1995), 10.1109/50.372474, for how it works;
the numbers are solved.
"""

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from jaxtyping import Complex, Float

from prism_photonics.process.materials import Crystal
from prism_photonics.process.solver.matching import sections, slice_modes
from prism_photonics.process.solver.mesh import Grid, Stack

GRID = Grid(near=0.10, growth=0.3, far=0.3, side=2.4)
TAPER_GRID = Grid(near=0.14, growth=0.35, far=0.35, side=2.0, below=1.2, above=1.0)
MODES = 14  # of the multimode section
TAPER_SLICES = 24
STEP_UM = 0.1  # of the lengths that are looked through


@dataclass(frozen=True)
class Sizes:
    """What the splitter is drawn with but for the length of its multimode section, tops of ribs, in µm."""

    mmi_width_um: float
    taper_width_um: float
    port_pitch_um: float
    width_um: float
    total_um: float

    def wider(self, by_um: float) -> "Sizes":
        """All ribs wider, where they are."""
        return replace(
            self,
            mmi_width_um=self.mmi_width_um + by_um,
            taper_width_um=self.taper_width_um + by_um,
            width_um=self.width_um + by_um,
        )


@dataclass(frozen=True)
class Section:
    """The multimode section between the access guides' wide ends.

    Attributes:
        wl: Wavelength in µm.
        n_eff: Of its modes.
        into: Amplitude of each, of the light from the access guide.
        out: Of each to the two outputs' fundamental modes together; or to either, upper first.
    """

    wl: float
    n_eff: Float[np.ndarray, " modes"]
    into: Float[np.ndarray, " modes"]
    out: Float[np.ndarray, "modes outputs"]

    def amplitude(self, length_um: float | Float[np.ndarray, " lengths"]) -> Complex[np.ndarray, "*lengths outputs"]:
        """What leaves at each output of a section of a length, or of several."""
        along = np.exp(2j * np.pi / self.wl * np.multiply.outer(np.asarray(length_um), self.n_eff))
        return (along * self.into) @ self.out


def section(
    stack: Stack,
    crystal: Crystal,
    wl: float,
    sizes: Sizes,
    *,
    grid: Grid = GRID,
    count: int = MODES,
    angle_deg: float = 90.0,
) -> Section:
    """Solve the multimode section by half of its cross-section; ``angle_deg`` as `matching.slice_modes` has it."""
    half, access, pitch = sizes.mmi_width_um / 2.0, sizes.taper_width_um / 2.0, sizes.port_pitch_um / 2.0
    ribs = [[(0.0, access)], [(0.0, half)], [(pitch - access, pitch + access)]]
    into, along, out = sections(stack, grid, ribs)
    a, b, c = (
        slice_modes(s, crystal, wl, count=n, angle_deg=angle_deg) for s, n in ((into, 2), (along, count), (out, 2))
    )
    return Section(wl, b.n_eff, a.overlap(b)[0], b.overlap(c)[:, :1])


def displaced_section(stack: Stack, crystal: Crystal, wl: float, sizes: Sizes, *, by_um: float) -> Section:
    """The same by all of it, its input out of the middle; what either output by itself takes up, the upper first."""
    half, access, pitch = sizes.mmi_width_um / 2.0, sizes.taper_width_um / 2.0, sizes.port_pitch_um / 2.0
    ribs = [[(middle - access, middle + access)] for middle in (by_um, pitch, -pitch)]
    into, along, upper, lower = sections(stack, GRID, [ribs[0], [(-half, half)], *ribs[1:]], mirrored=False)
    a, b, up, low = (
        slice_modes(s, crystal, wl, count=n) for s, n in ((into, 1), (along, 2 * MODES), (upper, 1), (lower, 1))
    )
    out = np.concatenate([b.overlap(up), b.overlap(low)], axis=1)
    return Section(wl, b.n_eff, a.overlap(b)[0], out)


def taper(
    stack: Stack,
    crystal: Crystal,
    wl: float,
    *,
    start_um: float,
    end_um: float,
    length_um: float,
    slices: int,
    grid: Grid = TAPER_GRID,
) -> complex:
    """Amplitude of the fundamental mode through a linear taper; its slices meet at their middles' widths."""
    edges = np.linspace(start_um, end_um, slices + 1)
    widths = [start_um, *((edges[1:] + edges[:-1]) / 2.0), end_um]
    light = np.array([1.0 + 0j, 0.0, 0.0])
    for n, (wide, wider) in enumerate(pairwise(widths)):
        left, right = (
            slice_modes(s, crystal, wl, count=len(light))
            for s in sections(stack, grid, [[(0.0, wide / 2.0)], [(0.0, wider / 2.0)]])
        )
        if n > 0:  # the first one, of no length, is the guide before
            light = light * np.exp(2j * np.pi / wl * left.n_eff * length_um / slices)
        light = light @ left.overlap(right)
    return complex(light[0])


def best_length_um(found: Section, sizes: Sizes) -> float:
    """Length of the section at which most passes, on a grid of `STEP_UM`."""
    lengths = np.arange(STEP_UM, sizes.total_um, STEP_UM)
    return round(float(lengths[np.argmax(_power(found, lengths))]), 3)


def splitter_table(
    stack: Stack, crystal: Crystal, sizes: Sizes, *, wl0: float, wls: tuple[float, ...]
) -> dict[str, Any]:
    """All that is known of a splitter: its lengths, S against wavelength, loss against errors of the making."""
    middle = section(stack, crystal, wl0, sizes)
    length_um = best_length_um(middle, sizes)
    taper_um = round((sizes.total_um - length_um) / 2.0, 3)

    def through(wl: float, slices: int = TAPER_SLICES) -> complex:
        at = {"start_um": sizes.width_um, "end_um": sizes.taper_width_um, "length_um": taper_um, "slices": slices}
        return taper(stack, crystal, wl, **at)

    def loss_dB(wrong: Stack, drawn: Sizes) -> float:
        return _dB(_power(section(wrong, crystal, wl0, drawn), np.array([length_um]))[0])

    tapers = {wl: through(wl) for wl in wls}
    spectrum = {wl: complex(section(stack, crystal, wl, sizes).amplitude(length_um)[0]) for wl in wls}
    errors = {
        "width_nm": ((-20, 20), lambda nm: (stack, sizes.wider(nm * 1e-3))),
        "etch_nm": ((-10, 10), lambda nm: (replace(stack, etch_um=stack.etch_um + nm * 1e-3), sizes)),
        "thickness_nm": (
            (-10, 10),
            lambda nm: (replace(stack, thickness_um=stack.thickness_um + nm * 1e-3), sizes),
        ),
        "wall_deg": ((-5, 5), lambda deg: (replace(stack, wall_deg=stack.wall_deg + deg), sizes)),
    }
    displaced = {}
    for nm in (20.0,):
        upper, lower = np.abs(displaced_section(stack, crystal, wl0, sizes, by_um=nm * 1e-3).amplitude(length_um)) ** 2
        displaced[f"{nm:g}"] = {"imbalance": float((upper - lower) / (upper + lower)), "loss_dB": _dB(upper + lower)}
    finer = replace(GRID, near=0.05, growth=0.2)
    return {
        "sizes": {
            "mmi_width_um": sizes.mmi_width_um,
            "mmi_length_um": length_um,
            "taper_length_um": taper_um,
            "taper_width_um": sizes.taper_width_um,
            "port_pitch_um": sizes.port_pitch_um,
        },
        "width_um": sizes.width_um,
        "wl_um": list(wls),
        "s21": {
            part: [float(getattr(tapers[wl] ** 2 * spectrum[wl], part)) / np.sqrt(2.0) for wl in wls]
            for part in ("real", "imag")
        },
        "loss_dB": [_dB(abs(tapers[wl] ** 2 * spectrum[wl]) ** 2) for wl in wls],
        "taper_dB": [_dB(abs(tapers[wl]) ** 2) for wl in wls],
        "length_dB": {
            f"{off:+g}": _dB(_power(middle, np.array([length_um + off]))[0]) for off in (-2.0, -1.0, 0.0, 1.0, 2.0)
        },
        "errors_dB": {
            kind: {f"{step:+g}": loss_dB(*build(step)) for step in steps} for kind, (steps, build) in errors.items()
        },
        "input_displaced_nm": displaced,
        "convergence": [
            {
                "varied": what,
                "best_um": best_length_um(found, sizes),
                "loss_dB": _dB(_power(found, np.array([length_um]))[0]),
            }
            for what, found in (
                ("as computed", middle),
                ("elements of half the size", section(stack, crystal, wl0, sizes, grid=finer)),
                ("half again as many modes", section(stack, crystal, wl0, sizes, count=3 * MODES // 2)),
                ("a window 1 µm wider", section(stack, crystal, wl0, sizes, grid=replace(GRID, side=GRID.side + 1.0))),
            )
        ]
        + [{"varied": "tapers of half as many slices", "taper_dB": _dB(abs(through(wl0, TAPER_SLICES // 2)) ** 2)}],
    }


def _power(found: Section, lengths: Float[np.ndarray, " lengths"]) -> Float[np.ndarray, " lengths"]:
    return (np.abs(found.amplitude(lengths)) ** 2).sum(-1)


def _dB(power: Any) -> float:
    return round(float(-10.0 * np.log10(power)), 5)
