"""Mode tables: index, group index, confinement, coupling and bend loss of a profile's ribs, as a solver computed them.

The tables lie beside this file as text (``tables/NAME.json``), written by ``python -m prism_photonics.process.solver
NAME``. Between the nodes the values are polynomials: in width, in wavelength, and in sin² of the angle, on whose nodes
(0°, 15°, … 90°) a polynomial is as good as can be. Outside the nodes there is an error, never a number. Indices are
linear in temperature.

Angles are those between the direction of travel and crystal y, which is also the angle between the in-plane field and
crystal z: 0° sees n_e and r33 (layout y), 90° sees n_o (layout x). Other angles follow by symmetry, θ → −θ and θ → 180°
− θ.
"""

from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Literal

import numpy as np
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict

from prism_photonics.process.coupling import GapLaw
from prism_photonics.process.electrooptics import vpil_single_V_cm
from prism_photonics.process.materials import crystal_named, sellmeier
from prism_photonics.process.profile import film_name
from prism_photonics.units import PM_PER_UM, InputError, nearest

Polarization = Literal["TE", "TM"]
Scalars = float | Float[np.ndarray, "..."]

TEMPERATURE_RANGE_K = (273.0, 373.0)
RING_NODES, RING_WEIGHTS = np.polynomial.legendre.leggauss(12)
CURE = "stay inside, or add nodes in process/solver/tables.py and compute the table anew"


class _File(BaseModel):
    """A table on disk."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    profile: str
    provenance: dict[str, Any]
    axes: dict[str, tuple[float, ...]]
    modes: dict[str, dict[str, list[list[list[float]]]]]
    geometry_per_um: dict[str, dict[str, float]]
    coupling: dict[str, Any]
    bend: dict[str, Any]
    electrode: dict[str, tuple[float, ...]]
    checks: list[dict[str, Any]]
    convergence: dict[str, list[dict[str, Any]]]


@dataclass(frozen=True)
class ModeTable:
    """The modes of one profile. Lengths in µm, temperatures in K, angles in degrees to crystal y.

    Attributes:
        file: Content of the table's file, with ``provenance``, ``checks`` and ``convergence``.
    """

    file: _File

    @property
    def provenance(self) -> dict[str, Any]:
        """Solver, versions, date, grid, stack and hash of the script that wrote the table."""
        return self.file.provenance

    @property
    def width_um(self) -> float:
        """The profile's own rib width."""
        return self.provenance["stack"]["width_um"]

    def n_eff(
        self,
        width_um: Scalars,
        wl_um: Scalars,
        *,
        angle_deg: Scalars,
        temperature_K: Scalars = 300.0,
        polarization: Polarization = "TE",
    ) -> Scalars:
        """Effective index of the fundamental mode.

        Args:
            width_um: Width of the rib's top.
            wl_um: Vacuum wavelength.
            angle_deg: Direction of travel to crystal y, 0 to 90.
            temperature_K: Temperature, 273 to 373.
            polarization: "TE" or "TM".

        Returns:
            The index, in the broadcast shape of the arguments.

        Raises:
            InputError: An argument lies outside the table.
        """
        self._inside("temperature_K", temperature_K, TEMPERATURE_RANGE_K)
        warm = np.asarray(temperature_K) - self.provenance["temperature_K"]
        at = {"angle_deg": angle_deg, "polarization": polarization}
        n = self._mode("n_eff", width_um, wl_um, **at) + warm * self._mode("dn_dT", width_um, wl_um, **at)
        return float(n) if np.ndim(n) == 0 else n

    def n_g(
        self, width_um: Scalars, wl_um: Scalars, *, angle_deg: Scalars, polarization: Polarization = "TE"
    ) -> Scalars:
        """Group index n − λ·dn/dλ at 300 K; arguments and errors as `n_eff`."""
        return self._mode("n_g", width_um, wl_um, angle_deg=angle_deg, polarization=polarization)

    def dn_dT(
        self, width_um: Scalars, wl_um: Scalars, *, angle_deg: Scalars, polarization: Polarization = "TE"
    ) -> Scalars:
        """Thermo-optic slope of `n_eff` in 1/K, without thermal expansion."""
        return self._mode("dn_dT", width_um, wl_um, angle_deg=angle_deg, polarization=polarization)

    def confinement(
        self, width_um: Scalars, wl_um: Scalars, *, angle_deg: Scalars, polarization: Polarization = "TE"
    ) -> Scalars:
        """Share of the mode's electric energy that lies in the film (rib and slab)."""
        return self._mode("confinement", width_um, wl_um, angle_deg=angle_deg, polarization=polarization)

    def eo_overlap(
        self, width_um: Scalars, wl_um: Scalars, *, angle_deg: Scalars, polarization: Polarization = "TE"
    ) -> Scalars:
        """Electro-optic overlap dn_eff/dn, for a change dn of the film's index across the guide."""
        return self._mode("eo_overlap", width_um, wl_um, angle_deg=angle_deg, polarization=polarization)

    def te_fraction(
        self, width_um: Scalars, wl_um: Scalars, *, angle_deg: Scalars, polarization: Polarization = "TE"
    ) -> Scalars:
        """Share of the mode's transverse |E|² in the film's plane: 1 pure TE, 0 pure TM, between them a hybrid."""
        return self._mode("te_fraction", width_um, wl_um, angle_deg=angle_deg, polarization=polarization)

    def ring_average(
        self,
        quantity: str,
        *,
        wl_um: float = 1.55,
        width_um: float | None = None,
        polarization: Polarization = "TE",
    ) -> float:
        """Mean of ``n_eff``, ``n_g``, ``dn_dT``, ``confinement`` or ``eo_overlap`` over all directions of a circle."""
        width = self.width_um if width_um is None else width_um
        angles = 45.0 * (RING_NODES + 1.0)
        values = self._mode(quantity, width, wl_um, angle_deg=angles, polarization=polarization)
        return float(np.sum(RING_WEIGHTS * values) / 2.0)

    def thermal_pm_K(
        self, angle_deg: float | None = None, *, wl_um: float = 1.55, width_um: float | None = None
    ) -> float:
        """Shift of a TE resonance dλ/dT = λ/n_g·dn/dT in pm/K: of a straight, or of a circle if no angle is given."""
        width = self.width_um if width_um is None else width_um
        if angle_deg is None:
            slope, n_g = (self.ring_average(name, wl_um=wl_um, width_um=width) for name in ("dn_dT", "n_g"))
        else:
            slope, n_g = (float(f(width, wl_um, angle_deg=angle_deg)) for f in (self.dn_dT, self.n_g))
        return wl_um * slope / n_g * PM_PER_UM

    def geometry_pm_nm(self, length: Literal["width", "thickness", "etch"], angle_deg: float | None = None) -> float:
        """Shift of a TE resonance at 1.55 µm in pm per nm of a length of the rib's cross-section.

        ``thickness`` keeps the etch (the slab grows with the film). Known along crystal y (0°) and z (90°); without an
        angle the mean of the two, which is a circle's.
        """
        known = {float(angle): slope for angle, slope in self.file.geometry_per_um[length].items()}
        angles = tuple(known) if angle_deg is None else (angle_deg,)
        if not set(angles) <= set(known):
            raise InputError(f"{self._where}: slopes with {length} exist at 0° and 90°, not at {angle_deg}°; give one")
        n_g = np.mean([float(self.n_g(self.width_um, 1.55, angle_deg=angle)) for angle in angles])
        return float(1.55 * np.mean([known[angle] for angle in angles]) / n_g * PM_PER_UM * 1e-3)

    def coupling_per_um(self, gap_um: Scalars, wl_um: Scalars, *, width_um: float | None = None) -> Scalars:
        """Coupling C = π·(n_even − n_odd)/λ in rad/µm of two equal parallel ribs along layout x.

        Args:
            gap_um: Gap between the ribs' top edges.
            wl_um: Vacuum wavelength.
            width_um: Width of both ribs' tops; the profile's own if left out.

        Raises:
            InputError: An argument lies outside the table.
        """
        table = self.file.coupling
        point = {"width_um": self.width_um if width_um is None else width_um, "wl_um": wl_um, "gap_um": gap_um}
        return np.exp(self._interpolated(np.log(table["per_um"]), table["axes"], point))[()]

    def gap_law(
        self, wl_um: float = 1.55, *, gaps_um: tuple[float, float], width_um: float | None = None
    ) -> tuple[GapLaw, float]:
        """The exponential that fits C best between two gaps, and its largest relative error there."""
        gaps = np.linspace(*gaps_um, 41)
        c = self.coupling_per_um(gaps, wl_um, width_um=width_um)
        middle = float(np.mean(gaps_um))
        slope, offset = np.polyfit(gaps - middle, np.log(c), 1)
        law = GapLaw(float(np.exp(offset)), middle, float(-1.0 / slope))
        return law, float(np.max(np.abs(law.at(gaps) / c - 1.0)))

    def bend_loss_dB_cm(self, radius_um: float) -> float:
        """Radiation loss at 1.55 µm of a bend in its worse direction; at least the solver's floor (``floor_dB_cm``)."""
        radii = self.file.bend["radius_um"]
        self._inside("radius_um", radius_um, (radii[0], radii[-1]))
        logs = [np.interp(radius_um, radii, np.log(loss)) for loss in self.file.bend["loss_dB_cm"].values()]
        return float(np.exp(max(logs)))

    def bend_te_fraction(self, radius_um: float, angle_deg: Literal[0, 90]) -> float:
        """`te_fraction` of the bent mode at 1.55 µm, light along crystal y (0) or z (90): a bend mixes TE and TM."""
        radii = self.file.bend["radius_um"]
        self._inside("radius_um", radius_um, (radii[0], radii[-1]))
        return float(np.interp(radius_um, radii, self.file.bend["te_fraction"][f"{angle_deg:g}"]))

    def field_factor(self, gap_um: float) -> float:
        """Static field that the mode feels, in units of V/gap: electrodes as tall as the etch, standing on the slab."""
        gaps = self.file.electrode["gap_um"]
        return float(
            self._interpolated(np.array(self.file.electrode["field_factor"]), {"gap_um": gaps}, {"gap_um": gap_um})
        )

    def vpil_push_pull_V_cm(self, gap_um: float, *, r33_pm_V: float, wl_um: float = 1.55) -> float:
        """V_π·L of a push-pull modulator along crystal y in V·cm, from `field_factor`."""
        n_z = float(sellmeier(wl_um, crystal_named(self.provenance["crystal"]).extraordinary))
        factor = self.field_factor(gap_um)
        return vpil_single_V_cm(wl=wl_um, gap_um=gap_um, n_film=n_z, r33_pm_V=r33_pm_V, field_factor=factor) / 2.0

    @property
    def _where(self) -> str:
        return f"mode table {self.file.profile}"

    def _mode(
        self, quantity: str, width_um: Scalars, wl_um: Scalars, *, angle_deg: Scalars, polarization: str
    ) -> Scalars:
        if polarization not in self.file.modes:
            raise InputError(
                f"{self._where}: no {polarization} mode is tabulated; its modes are {', '.join(self.file.modes)} "
                "(a TM mode that leaks into the slab has no table: docs/modes.md)"
            )
        table = self.file.modes[polarization]
        if quantity not in table:
            raise InputError(f"{self._where}: unknown quantity '{quantity}'; {nearest(quantity, table)}")
        point = {"width_um": width_um, "wl_um": wl_um, "angle_deg": angle_deg}
        return self._interpolated(np.array(table[quantity]), self.file.axes, point)

    def _interpolated(
        self, values: Float[np.ndarray, "..."], axes: dict[str, Any], point: dict[str, Scalars]
    ) -> Scalars:
        """Contract ``values`` with the Lagrange weights of each axis, in the axes' order."""
        result = np.asarray(values)
        shape = np.broadcast_shapes(*(np.shape(point[name]) for name in axes))
        result = np.broadcast_to(result, shape + result.shape)
        for name, nodes in axes.items():
            self._inside(name, point[name], (nodes[0], nodes[-1]))
            stretch = _sin2 if name == "angle_deg" else np.asarray
            weights = _lagrange(stretch(np.array(nodes)), np.broadcast_to(stretch(point[name]), shape))
            axis = len(shape)
            rest = (1,) * (result.ndim - axis - 1)
            result = np.sum(result * weights.reshape(*weights.shape, *rest), axis=axis)
        return float(result) if result.ndim == 0 else result

    def _inside(self, name: str, value: Scalars, bounds: tuple[float, float]) -> None:
        value, (low, high) = np.asarray(value), bounds
        slack = 1e-9 * (high - low)  # the last bit of a difference such as 0.6 − 0.2
        outside = ~((value >= low - slack) & (value <= high + slack))
        if np.any(outside):
            raise InputError(
                f"{self._where}: {name} {float(value[outside].flat[0]):g} lies outside its {low:g} to {high:g}; {CURE}"
            )


@cache
def load_modes(profile_name: str) -> ModeTable:
    """Read the mode table of a shipped profile; a measured one keeps its film's.

    Raises:
        InputError: There is no table of that name; the message names the nearest one.
    """
    profile_name = film_name(profile_name)
    folder = resources.files(__package__) / "tables"
    names = [entry.name.removesuffix(".json") for entry in folder.iterdir() if entry.name.endswith(".json")]
    if profile_name not in names:
        raise InputError(f"process: no mode table '{profile_name}'; {nearest(profile_name, names)}")
    return ModeTable(_File.model_validate_json((folder / f"{profile_name}.json").read_text(encoding="utf-8")))


def _sin2(angle_deg: Scalars) -> Float[np.ndarray, "..."]:
    return np.asarray(np.sin(np.radians(angle_deg)) ** 2)


def _lagrange(
    nodes: Float[np.ndarray, " nodes"], at: Float[np.ndarray, "*points"]
) -> Float[np.ndarray, "*points nodes"]:
    """Weights of the nodes' values in the polynomial through all of them."""
    weights = [
        np.prod([np.ones_like(at), *((at - other) / (node - other) for j, other in enumerate(nodes) if j != i)], axis=0)
        for i, node in enumerate(nodes)
    ]
    return np.stack(weights, axis=-1)
