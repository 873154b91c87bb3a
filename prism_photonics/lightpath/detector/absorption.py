"""What a bonded photodiode absorbs and reflects, in the plane of its guide's way and height.

Mode matching with all modes of a fine grid: field across the plane (TE), rib and mesas taken to be wide, which the rib
under the drawn absorber is (5 µm). Light that leaves upwards and downwards is taken up by stretched coordinates.

The layers above the film are a usual diode of the kind, n side down; the thicknesses of the published one (Photonics
Research 10, 1338 (2022)) are not at hand, so that these are design choices. InGaAs absorbs 7,000 /cm at 1.55 µm.

Source: indices of InP and InGaAs at 1.55 µm as textbooks have them; slanted ends: D. Marcuse, J. Lightwave Technol. 7,
336 (1989), Gaussian beam.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Complex, Float
from numpy import ndarray

from prism_photonics.lightpath.detector.diode import ABSORBER_UM, LOWER_UM, SLANT_DEG, WIDE_UM
from prism_photonics.process.materials import SILICA, crystal_named, sellmeier
from prism_photonics.process.profile import Profile

WL_UM = 1.55
INGAAS_PER_CM = 7000.0
INP, INGAAS, GOLD, ADHESIVE = 3.17, 3.56 + 1j * INGAAS_PER_CM * 1e-4 * WL_UM / (4.0 * math.pi), 0.52 + 10.7j, 1.54
ADHESIVE_UM, LOWER_MESA_UM = 0.05, 0.25
# Above the lower mesa, in µm: drift layer, absorber, p layer, p contact layer, metal.
UPPER_MESA = ((0.25, INP), (0.15, INGAAS), (0.30, INP), (0.05, INGAAS), (0.15, GOLD))
ABSORBER = 1  # which of them gives the photocurrent
GAUSSIAN = 0.703  # radius of the Gaussian beam most like the mode of a wide rib, over half its width

Layers = Sequence[tuple[float, float | complex]]
BELOW_UM, ABOVE_UM, STRETCHED_UM = 4.0, 4.5, 2.5
STRETCH = 0.95
GUIDED = 1e-6  # 1/µm: what loses more is no guided mode of a film without loss


@dataclass(frozen=True)
class Absorption:
    """Shares of the power that arrives in the guide.

    Attributes:
        absorbed: In the absorber, which is what gives current.
        reflected_dB: Into the guide's mode, ends upright.
        slanted_dB: The same with the ends as they are drawn.
        passed: In the guide beyond the diode.
    """

    absorbed: float
    reflected_dB: float
    slanted_dB: float
    passed: float


def diode_absorption(
    profile: Profile, *, absorber_um: float = ABSORBER_UM[1] - ABSORBER_UM[0], adhesive_um: float = ADHESIVE_UM,
    lower_um: float = LOWER_MESA_UM, step_um: float = 0.02,
) -> Absorption:  # fmt: skip
    """The drawn diode on a film.

    Args:
        profile: The film.
        absorber_um: Length of the upper mesa along the guide.
        adhesive_um: Between film and III–V.
        lower_um: Thickness of the lower mesa.
        step_um: Of the grid in height.
    """
    film = ((profile.film.thickness_um.value, float(sellmeier(WL_UM, crystal_named(profile.crystal).ordinary))),)
    lower = (*film, (adhesive_um, ADHESIVE), (lower_um, INP))
    whole = (*lower, *UPPER_MESA)
    ahead, behind = ABSORBER_UM[0] - LOWER_UM[0], LOWER_UM[1] - ABSORBER_UM[1]
    found = Plane((film, lower, whole, lower, film), (0.0, ahead, absorber_um, behind, 0.0), step_um)
    reflected_dB = 10.0 * math.log10(found.reflected)
    beam_um = GAUSSIAN * WIDE_UM / 2.0
    turned = 2.0 * math.pi * found.index * beam_um * math.radians(SLANT_DEG) / WL_UM
    absorbed = found.absorbed(2, len(lower) + ABSORBER)
    return Absorption(absorbed, reflected_dB, reflected_dB - 10.0 * math.log10(math.e) * turned**2, found.passed)


class Plane:
    """Sections one after another, each a stack of layers on oxide and under it, solved together.

    The first section's fundamental mode arrives; nothing comes from behind the last.

    Args:
        sections: Of each the layers, bottom to top: thickness in µm and index.
        lengths_um: Of each section; the first and the last have none.
        step_um: Of the grid in height.

    Attributes:
        index: Of the mode that arrives.
        reflected: Share of the power that goes back in that mode.
        passed: Share that leaves in the last section's guided modes.
    """

    def __init__(self, sections: Sequence[Layers], lengths_um: Sequence[float], step_um: float):
        self._k0, self._step, self._sections = 2.0 * math.pi / WL_UM, step_um, sections
        self._z_um = np.arange(-BELOW_UM + step_um / 2.0, ABOVE_UM, step_um)
        self._lengths_um = lengths_um
        solved = {id(layers): self._modes(layers) for layers in sections}
        self._modes_of = [solved[id(layers)] for layers in sections]
        self._forward, self._back = self._amplitudes()
        self.index = float(np.real(self._modes_of[0][0][0]) / self._k0)
        self.reflected = float(abs(self._back[0][0]) ** 2)
        self._arriving = self._flux(0, self._forward[0])
        self.passed = self._guided()

    def absorbed(self, section: int, layer: int) -> float:
        """Share that one layer of a section takes: ``k0²·∫ Im ε·|E|²`` over the flux that arrives."""
        propagation, shapes = self._modes_of[section]
        length_um = self._lengths_um[section]
        bottom_um = sum((thick for thick, _ in self._sections[section][:layer]), 0.0)
        thick_um, index = self._sections[section][layer]
        inside = self._share(bottom_um, bottom_um + thick_um) > 0.0
        weight = (self._share(bottom_um, bottom_um + thick_um) * complex(index**2).imag)[inside]
        slices = 20 * math.ceil(length_um)
        taken = 0.0
        # What comes back is known at the far end, where it is not what a lossy mode was long ago.
        back = self._returning[section]
        for n in range(slices):
            x_um = (n + 0.5) * length_um / slices
            amplitude = self._forward[section] * np.exp(1j * propagation * x_um)
            amplitude += back * np.exp(1j * propagation * (length_um - x_um))
            field = shapes[inside] @ amplitude
            taken += float(weight @ np.abs(field) ** 2)
        return self._k0**2 * taken * self._step * length_um / slices / self._arriving

    def _share(self, low_um: float, high_um: float) -> Float[ndarray, "z"]:
        """Share of each cell of the grid that lies between two heights."""
        half = self._step / 2.0
        overlap = np.minimum(self._z_um + half, high_um) - np.maximum(self._z_um - half, low_um)
        return np.clip(overlap / self._step, 0.0, 1.0)

    def _modes(self, layers: Layers) -> tuple[Complex[ndarray, "modes"], Complex[ndarray, "z modes"]]:
        """Propagation constants in 1/µm and fields of all modes, ``∫E² = 1``; the guided one of least loss first."""
        epsilon = np.full(self._z_um.size, complex(sellmeier(WL_UM, SILICA)) ** 2)
        bottom_um = 0.0
        for thick_um, index in layers:
            share = self._share(bottom_um, bottom_um + thick_um)
            epsilon = epsilon * (1.0 - share) + share * index**2
            bottom_um += thick_um
        cells = self._stretch(self._z_um)
        walls = self._stretch(np.append(self._z_um - self._step / 2.0, self._z_um[-1] + self._step / 2.0))
        walls = walls / self._step**2
        n = np.arange(self._z_um.size)
        operator = np.zeros((n.size, n.size), complex)
        operator[n, n] = self._k0**2 * epsilon - (walls[:-1] + walls[1:]) * cells
        operator[n[1:], n[:-1]] = walls[1:-1] * cells[1:]
        operator[n[:-1], n[1:]] = walls[1:-1] * cells[:-1]
        squares, fields = np.linalg.eig(operator)
        propagation = np.sqrt(squares)
        propagation = np.where(np.real(propagation) + np.imag(propagation) < 0.0, -propagation, propagation)
        order = np.argsort(-np.real(squares))
        propagation, fields = propagation[order], fields[:, order]
        norm = np.sqrt((fields**2 * self._weight[:, None]).sum(0))
        return propagation, fields / norm

    @property
    def _weight(self) -> Complex[ndarray, "z"]:
        return self._step / self._stretch(self._z_um)

    def _stretch(self, z_um: Float[ndarray, "n"]) -> Complex[ndarray, "n"]:
        deep = np.maximum(-BELOW_UM + STRETCHED_UM - z_um, z_um - ABOVE_UM + STRETCHED_UM)
        return 1.0 / (1.0 + 1j * STRETCH * (np.maximum(deep, 0.0) / STRETCHED_UM) ** 2)

    def _joint(self, one: int, other: int) -> tuple[Complex[ndarray, "modes modes"], Complex[ndarray, "modes modes"]]:
        """Reflection and transmission where one section meets another: E and ∂E/∂x are the same on both sides."""
        (k1, f1), (k2, f2) = self._modes_of[one], self._modes_of[other]
        overlap = (f1 * self._weight[:, None]).T @ f2
        through = np.linalg.solve(overlap.T @ (k1[:, None] * overlap) + np.diag(k2), 2.0 * overlap.T * k1)
        return overlap @ through - np.eye(k1.size), through

    def _amplitudes(self) -> tuple[list[Complex[ndarray, "modes"]], list[Complex[ndarray, "modes"]]]:
        """Amplitudes at the western end of every section, eastwards and westwards."""
        count, size = len(self._sections), self._z_um.size
        passes = [np.exp(1j * k * length) for (k, _), length in zip(self._modes_of, self._lengths_um, strict=True)]
        onward: list[Complex[ndarray, "modes modes"]] = []
        seen = np.zeros((size, size), complex)  # what a section's eastern end sends back
        ends = [seen]
        for one, other in reversed(list(pairwise(range(count)))):
            reflected, through = self._joint(one, other)
            reflected_back, through_back = self._joint(other, one)
            back = passes[other][:, None] * seen * passes[other]
            step = np.linalg.solve(np.eye(size) - reflected_back @ back, through)
            seen = reflected + through_back @ back @ step
            onward.insert(0, step)
            ends.insert(0, seen)
        arriving = np.zeros(size, complex)
        arriving[0] = 1.0
        forward, self._returning, back_at_west = [arriving], [], []
        for section in range(count):
            at_east = passes[section] * forward[section]
            self._returning.append(ends[section] @ at_east)
            back_at_west.append(passes[section] * self._returning[section])
            if section + 1 < count:
                forward.append(onward[section] @ at_east)
        return forward, back_at_west

    def _guided(self) -> float:
        """Share of the power in the last section's guided modes, which without loss carry ``k·|a|²`` each."""
        propagation, _ = self._modes_of[-1]
        guided = (np.real(propagation) > self._k0 * sellmeier(WL_UM, SILICA)) & (np.imag(propagation) < GUIDED)
        power = np.real(propagation) * np.abs(self._forward[-1]) ** 2
        return float(power[guided].sum() / np.real(self._modes_of[0][0][0]))

    def _flux(self, section: int, amplitude: Complex[ndarray, "modes"]) -> float:
        """Power that runs east, between the stretched heights."""
        propagation, shapes = self._modes_of[section]
        field, slope = shapes @ amplitude, shapes @ (1j * propagation * amplitude)
        plain = (self._z_um > -BELOW_UM + STRETCHED_UM) & (self._z_um < ABOVE_UM - STRETCHED_UM)
        return float((np.imag(np.conj(field) * slope)[plain]).sum() * self._step)
