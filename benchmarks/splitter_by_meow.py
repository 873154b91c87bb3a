"""The 1×2 splitter by another solver: finite differences and eigenmode expansion of `meow-sim`, beside our elements.

    python benchmarks/splitter_by_meow.py [SPLITTER...]

Wants `meow-sim` (0.15.0) and `scikit-fem` in an environment of their own, with this folder's package on the path: meow
asks for a SAX that is too old for the chip. Its own solver (that of tidy3d) takes a crystal whose axes lie along the
mesh. Modes are normalised here: what meow 0.15.0 does to them by default orthogonalises all of them and gives each a
mean of their indices (its issue 58).

Compared: the best length and the loss there, of the splitters drawn on ``tfln600`` and ``tfln400``, of what was drawn
before, of what a search by gradients found (`splitter_by_gradients`, its result kept), and of the one that
Luxtelligence's public kit draws for ``lnoi400`` (26.75 µm long), without access tapers. Named ones are solved anew.
"""

import json
import sys
from pathlib import Path
from typing import Any

import meow
import numpy as np
from meow.cross_section import CrossSection
from meow.fde.tidy3d import compute_modes_tidy3d
from meow.mode import inner_product, normalize

from prism_photonics.process.kits import load_kit
from prism_photonics.process.materials import SILICA, crystal_named, sellmeier
from prism_photonics.process.parts import load_parts
from prism_photonics.process.profile import load_profile
from prism_photonics.process.solver.matching import TEMPERATURE_K
from prism_photonics.process.solver.mesh import Stack
from prism_photonics.process.solver.splitter import Sizes, best_length_um, section
from prism_photonics.process.solver.tables import stack_of

WL_UM = 1.55
STEP_UM = 0.05
BEFORE = Sizes(10.0, 3.2, 5.2, 1.4, 84.0)
BEFORE_UM = 44.0
RESULTS = Path(__file__).parent / "results" / "splitter_by_meow.json"
SEARCHED = Path(__file__).parent / "results" / "splitter_by_gradients.json"


class Uniaxial(CrossSection):
    """A cross-section whose crystal has another index along the guide."""

    along: list[meow.Structure2D]

    @property
    def nz(self) -> Any:
        """Index along the guide."""
        return CrossSection(structures=self.along, mesh=self.mesh, env=self.env).nz


def cross_section(film: str, ribs: list[tuple[float, float]], half_um: float, step_um: float) -> Uniaxial:
    """Ribs (middle, width of the top) of a film, light along layout x."""
    profile = load_profile(film)
    stack, crystal = stack_of(profile), crystal_named(profile.crystal)
    warm = TEMPERATURE_K - crystal.sellmeier_K
    n_o = float(sellmeier(WL_UM, crystal.ordinary)) + warm * crystal.dn_o_dT
    n_e = float(sellmeier(WL_UM, crystal.extraordinary)) + warm * crystal.dn_e_dT
    mesh = meow.Mesh2D(x=_across(half_um, step_um), y=_up(stack, step_um))
    env = meow.Environment(wl=WL_UM)
    across, along = (_structures(stack, ribs, n) for n in (n_o, n_e))
    return Uniaxial(structures=across, along=along, mesh=mesh, env=env)


def _across(half_um: float, step_um: float) -> np.ndarray:
    return np.linspace(-half_um, half_um, 2 * round(half_um / step_um) + 1)


def _up(stack: Stack, step_um: float) -> np.ndarray:
    step = 0.6 * step_um
    growing = np.cumsum(step * 1.15 ** np.arange(14))
    slab = np.linspace(0.0, stack.slab_um, max(2, round(stack.slab_um / step)) + 1)
    rib = np.linspace(stack.slab_um, stack.thickness_um, round(stack.etch_um / step) + 1)
    return np.concatenate([-growing[::-1], slab[:-1], rib, stack.thickness_um + growing])


def _structures(stack: Stack, ribs: list[tuple[float, float]], n: float) -> list[meow.Structure2D]:
    far = 50.0
    oxide = meow.IndexMaterial(name="oxide", n=float(sellmeier(WL_UM, SILICA)))
    film = meow.IndexMaterial(name=f"film {n:.6f}", n=n)
    box = {"x_min": -far, "x_max": far, "y_min": -far, "y_max": far}
    slab = box | {"y_min": 0.0, "y_max": stack.slab_um}
    found = [
        meow.Structure2D(material=oxide, geometry=meow.Rectangle(**box), mesh_order=9),
        meow.Structure2D(material=film, geometry=meow.Rectangle(**slab), mesh_order=1),
    ]
    for x, width in ribs:
        top, foot = width / 2.0, width / 2.0 + stack.wall_um
        corners = [
            (x - foot, stack.slab_um),
            (x + foot, stack.slab_um),
            (x + top, stack.thickness_um),
            (x - top, stack.thickness_um),
        ]
        film_rib = meow.Polygon2D(poly=np.array(corners))
        found.append(meow.Structure2D(material=film, geometry=film_rib, mesh_order=1))
    return found


def by_meow(film: str, sizes: Sizes, step_um: float = STEP_UM) -> tuple[np.ndarray, np.ndarray]:
    """Lengths in µm and the share of the light that leaves by both outputs."""
    half, pitch = sizes.mmi_width_um / 2.0 + 2.6, sizes.port_pitch_um
    slices = [
        ([(0.0, sizes.taper_width_um)], 1),
        ([(0.0, sizes.mmi_width_um)], 24),
        ([(side * pitch / 2.0, sizes.taper_width_um) for side in (1.0, -1.0)], 2),
    ]
    a, b, c = (
        compute_modes_tidy3d(
            cross_section(film, ribs, half, step_um),
            num_modes=count,
            post_process=lambda modes: [normalize(mode, inner_product) for mode in modes],
        )
        for ribs, count in slices
    )
    into, out = _overlaps(a, b)[0], _overlaps(b, c)
    lengths = np.arange(10.0, 90.0, 0.1)
    n_eff = np.array([complex(mode.neff) for mode in b])
    through = (np.exp(2j * np.pi / WL_UM * np.outer(lengths, n_eff)) * into) @ out
    return lengths, (np.abs(through) ** 2).sum(-1)


def _overlaps(a: list[Any], b: list[Any]) -> np.ndarray:
    return np.array([[0.5 * (inner_product(x, y) + inner_product(y, x)) for y in b] for x in a])


def compared(name: str, film: str, sizes: Sizes, drawn_um: float) -> dict[str, Any]:
    """Best length, and losses there and as drawn, by both solvers."""
    profile = load_profile(film)
    ours = section(stack_of(profile), crystal_named(profile.crystal), WL_UM, sizes)
    lengths, power = by_meow(film, sizes)
    best = int(power.argmax())
    loss_dB = -10.0 * np.log10(power)
    return {
        "splitter": name,
        "drawn_um": drawn_um,
        "best_um": {"elements": best_length_um(ours, sizes), "meow": round(float(lengths[best]), 1)},
        "least_loss_dB": {
            "elements": _dB(ours.amplitude(best_length_um(ours, sizes))),
            "meow": round(float(loss_dB[best]), 4),
        },
        "loss_as_drawn_dB": {
            "elements": _dB(ours.amplitude(drawn_um)),
            "meow": round(float(np.interp(drawn_um, lengths, loss_dB)), 4),
        },
    }


def _dB(amplitude: np.ndarray) -> float:
    return round(float(-10.0 * np.log10((np.abs(amplitude) ** 2).sum())), 4)


def _of(design: Any, width_um: float) -> Sizes:
    total_um = 2.0 * design["mmi_length_um"]  # lengths of a second image are none of ours
    return Sizes(design["mmi_width_um"], design["taper_width_um"], design["port_pitch_um"], width_um, total_um)


def main() -> None:
    """Solve what is asked for, keep the others, and write as it comes."""
    searched = json.loads(SEARCHED.read_text(encoding="utf-8"))["searches"][0]["end"]
    wide, thin = (load_parts(film).splitter_sizes for film in ("tfln600", "tfln400"))
    kit = load_kit("lnoi400").splitter.design
    splitters = {
        "drawn on tfln600": ("tfln600", _of(wide, 1.4), wide["mmi_length_um"]),
        "drawn on tfln600 before": ("tfln600", BEFORE, BEFORE_UM),
        "found by gradients": ("tfln600", _of(searched, 1.4), searched["mmi_length_um"]),
        "of the kit lnoi400": ("lnoi400", _of(kit, 1.0), kit["mmi_length_um"]),
        "drawn on tfln400": ("tfln400", _of(thin, 1.2), thin["mmi_length_um"]),
    }
    found = {one["splitter"]: one for one in json.loads(RESULTS.read_text(encoding="utf-8"))}
    for name in [name for name in sys.argv[1:] if name in splitters] or splitters:
        found[name] = compared(name, *splitters[name])
        print(found[name], file=sys.stderr, flush=True)
        kept = [found[each] for each in splitters if each in found]
        RESULTS.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
