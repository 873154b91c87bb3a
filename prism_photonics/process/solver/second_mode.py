"""``python -m prism_photonics.process.solver.second_mode NAME``: the first two TE modes of a guide, into their table.

Couplings of like to like: the supermodes of two ribs on one mesh, turned back into the modes of either rib alone by
their overlaps, brought to the nearest orthogonal matrix; what the propagation constants are in that basis couples. Of
unlike modes that matrix holds, besides, what the basis itself turns along a coupler, so it is not used for them.

Tails of bends: the bend's field in a strip beside the rib over the straight guide's, both of unit power.
"""

import sys
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from prism_photonics.process.materials import Crystal, crystal_named
from prism_photonics.process.profile import load_profile
from prism_photonics.process.second_mode import FILMS
from prism_photonics.process.solver.__main__ import lines
from prism_photonics.process.solver.junction import BENT, Guide, Side
from prism_photonics.process.solver.junction import GRID as BEND_GRID
from prism_photonics.process.solver.matching import TEMPERATURE_K, SliceModes, sections, slice_modes
from prism_photonics.process.solver.mesh import Grid, Stack
from prism_photonics.process.solver.tables import WL0_UM, stack_of

FOLDER = Path(__file__).resolve().parent.parent / "second_mode_tables"
GRID = Grid(near=0.06, growth=0.25, far=0.3, side=2.0, below=1.3, above=1.1)
FINER = Grid(near=0.045, growth=0.2, far=0.22, side=2.5, below=1.6, above=1.4)
GAPS_UM = (0.40, 0.45, 0.50, 0.55, 0.60, 0.70, 0.80)
LAW_GAP_UM = 0.6
WL_STEP_UM = 0.01
RADII_UM = (60.0, 30.0, 20.0, 15.0)
TAILS_UM = (0.2, 0.3)  # from the top edge: the middle of a gap of 0.4 and of 0.6 µm
STRIP_UM = 0.06
ALONE, TOGETHER = 6, 12  # modes asked for: TE0, TM0, TE1, TM1 and two more of each rib
# Least share of its field in which a bend's mode is the straight guide's: of bends that hold TE1 0.89 and more, of ones
# that let it go, so that the nearest mode is another, 0.03.
HELD = 0.5


def main(name: str) -> None:
    """Solve the film ``name`` and write its table."""
    profile = load_profile(name)
    crystal, stack = crystal_named(profile.crystal), stack_of(profile)
    gaps = [{"gap_um": gap_um} | couplings(stack, crystal, gap_um) for gap_um in GAPS_UM]
    table = {
        "film": name,
        "provenance": {
            "solver": "supermodes on vectorial finite elements (prism_photonics.process.solver.second_mode)",
            "versions": {package: version(package) for package in ("scikit-fem", "scipy", "numpy")},
            "date": datetime.now(UTC).date().isoformat(),
            "script": "python -m prism_photonics.process.solver.second_mode",
            "grid": asdict(GRID),
            "stack": asdict(stack),
            "crystal": crystal.name,
            "temperature_K": TEMPERATURE_K,
        },
        "wl_um": WL0_UM,
        "angle_deg": {f"{angle:g}": guide(stack, crystal, angle) for angle in (0.0, 90.0)},
        "gaps": gaps,
        "laws": {what: fitted(gaps, what) for what in ("first", "second")},
        "bends": bends(stack, crystal, RADII_UM),
        "convergence": {
            "couplings per um": couplings(stack, crystal, GAPS_UM[0]),
            "finer, wider": couplings(stack, crystal, GAPS_UM[0], grid=FINER),
        },
    }
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{name}.json").write_text(lines(table) + "\n", encoding="utf-8")


def couplings(stack: Stack, crystal: Crystal, gap_um: float, *, grid: Grid = GRID) -> dict[str, float]:
    """Couplings of two ribs' TE0 and of their TE1 in rad/µm.

    Args:
        stack: The film with the width of both ribs.
        crystal: Its crystal.
        gap_um: Between the top edges.
        grid: Element sizes.
    """
    half = 0.5 * stack.width_um
    one, other = (-half, half), (half + gap_um, half + gap_um + stack.width_um)
    solved = sections(stack, grid, [[one], [other], [one, other]], mirrored=False)
    alone = [te_modes(slice_modes(section, crystal, WL0_UM, count=ALONE), 2) for section in solved[:2]]
    both = te_modes(slice_modes(solved[2], crystal, WL0_UM, count=TOGETHER), 4)
    u, _, v = np.linalg.svd(np.concatenate([guide.overlap(both) for guide in alone]))
    turn = u @ v
    found = 2.0 * np.pi / WL0_UM * ((turn * both.n_eff) @ turn.T)
    return {what: round(abs(float(found[n, n + 2])), 7) for n, what in enumerate(("first", "second"))}


def bends(
    stack: Stack, crystal: Crystal, radii_um: tuple[float, ...], *, grid: Grid = BEND_GRID
) -> list[dict[str, Any]]:
    """Indices and tails of TE0 and TE1 in bends along layout x, of those radii that hold both."""
    guide = Guide(stack, crystal, WL0_UM, angle_deg=90.0, grid=grid)
    straight = guide.straight(ALONE)
    in_plane = np.flatnonzero([guide.problem.te_fraction(mode) > 0.5 for mode in straight.modes])[:2]
    found = []
    for radius_um in radii_um:
        bent = guide.bent(1.0 / radius_um, BENT)
        overlap = np.abs(straight.overlap(bent)[in_plane])
        mine = np.argmax(overlap, axis=1)
        if overlap.max(axis=1).min() ** 2 < HELD:
            continue
        edges_um = [side * 0.5 * stack.width_um for side in (1.0, -1.0)]
        tails = {
            f"{out_um:g}": [
                # On the outer side: there the bend's tail is the longer one.
                max(
                    abs(in_strip(guide, (straight, int(one)), (bent, int(other)), at_um=edge + np.sign(edge) * out_um))
                    for edge in edges_um
                )
                for one, other in zip(in_plane, mine, strict=True)
            ]
            for out_um in TAILS_UM
        }
        found.append(
            {
                "radius_um": radius_um,
                "n_eff": [round(float(bent.modes[one].n_eff.real), 6) for one in mine],
                "tail": {at: [round(float(value), 4) for value in values] for at, values in tails.items()},
            }
        )
    return found


def in_strip(guide: Guide, one: tuple[Side, int], other: tuple[Side, int], *, at_um: float) -> float:
    """Field of the other mode over that of the first, both normed alike, in a strip across the guide.

    Args:
        guide: What both were solved on.
        one: Modes of it, and which of them is meant.
        other: The same, bent or straight.
        at_um: Middle of the strip, from that of the rib.
    """
    basis = guide.problem.t
    x = np.asarray(basis.global_coordinates())[0]
    strip = np.exp(-(((x - at_um) / STRIP_UM) ** 2)) * basis.dx
    first, second = (np.asarray(basis.interpolate(side.electric(mode)))[0] for side, mode in (one, other))
    return float(np.real((first.conj() * second * strip).sum() / (abs(first) ** 2 * strip).sum()))


def fitted(gaps: list[dict[str, float]], what: str) -> dict[str, float]:
    """The exponential through one coupling, and its largest relative miss where the light is, up to `LAW_GAP_UM`."""
    near = [row for row in gaps if row["gap_um"] <= LAW_GAP_UM]
    at, value = (np.array([row[key] for row in near]) for key in ("gap_um", what))
    slope, offset = np.polyfit(at - LAW_GAP_UM, np.log(value), 1, w=np.sqrt(value))
    missed = np.abs(np.exp(offset + slope * (at - LAW_GAP_UM)) / value - 1.0).max()
    return {
        "coupling_per_um": round(float(np.exp(offset)), 7),
        "gap_um": LAW_GAP_UM,
        "decay_um": round(float(-1.0 / slope), 5),
        "residual": round(float(missed), 4),
    }


def guide(stack: Stack, crystal: Crystal, angle_deg: float) -> dict[str, list[float]]:
    """Indices and group indices of TE0 and TE1 in a straight guide."""
    half = 0.5 * stack.width_um
    (section,) = sections(stack, GRID, [[(-half, half)]], mirrored=False)

    def at(wl_um: float) -> Float[np.ndarray, " modes"]:
        return te_modes(slice_modes(section, crystal, wl_um, count=ALONE, angle_deg=angle_deg), 2).n_eff

    low, here, high = (at(WL0_UM + step) for step in (-WL_STEP_UM, 0.0, WL_STEP_UM))
    group = here - WL0_UM * (high - low) / (2.0 * WL_STEP_UM)
    return {"n_eff": [round(float(n), 6) for n in here], "n_g": [round(float(n), 5) for n in group]}


def te_modes(modes: SliceModes, count: int) -> SliceModes:
    """The first modes with the field in the film's plane; of two hybrids the one that has more of it."""
    mine = np.flatnonzero(modes.te_fraction > 0.5)[:count]
    return SliceModes(modes.n_eff[mine], modes.te_fraction[mine], modes.electric[mine], modes.magnetic[mine])


def _main(arguments: list[str]) -> Any:
    if len(arguments) != 1 or arguments[0] not in FILMS:
        sys.exit(f"give one film: {', '.join(FILMS)}")
    return main(arguments[0])


if __name__ == "__main__":
    _main(sys.argv[1:])
