"""One fabricated die: the design with random errors as of the spec's variation."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import jax
import numpy as np
from jaxtyping import Float, PRNGKeyArray, Shaped
from numpy import ndarray

from prism_photonics.chip.film_field import film_errors_nm, film_nm
from prism_photonics.chip.full_die import Beyond, with_everything
from prism_photonics.chip.truth import FullTruth
from prism_photonics.circuit.params import BankParams, designed_bank, rings_on_film
from prism_photonics.circuit.polarized import PreparedPolarizedRow, dropped_alone, prepare_polarized_row
from prism_photonics.circuit.polarized import exit_powers as polarized_powers
from prism_photonics.circuit.prepared import PreparedRow, prepare_row, shifted
from prism_photonics.circuit.prepared import exit_powers as plain_powers
from prism_photonics.circuit.prepared_reflecting import PreparedReflectingRow, prepare_reflecting_row
from prism_photonics.circuit.prepared_reflecting import exit_powers as reflecting_powers
from prism_photonics.lightpath.arrays import power
from prism_photonics.lightpath.ring.model import electrode_volts, resonance_shift_pm
from prism_photonics.lightpath.splitter.design import outputs_of_rows, tree_levels
from prism_photonics.process.profile import Profile
from prism_photonics.spec import ChipSpec
from prism_photonics.spec.neighbours import heater_share, voltage_share
from prism_photonics.threefry import (
    Words,
    key_words,
    normals_each,
    split,
    splits,
    uniforms,
)
from prism_photonics.units import ratio_from_dB

CROSSTALK_SPREAD = 0.3
"""Relative standard deviation of crosstalk, from gap to gap of electrodes and from heater to heater: no spread is
published (design choice)."""
DRAWS = (
    "gap_through", "gap_drop", "loss", "resonance", "slope", "curvature", "phase", "splitter", "line", "responsivity",
    "crosstalk", "inl", "heater",
)  # fmt: skip
"""What is drawn of a die, in the order of its keys."""


@dataclass(frozen=True)
class Die:
    """The truth of one die, in NumPy's arrays.

    Attributes:
        bank: Its optics.
        feed_change: Share of the feed's light that reaches each row line by line, where parts of others feed it; ones.
        full_A: Photocurrent of each fully lit line if all of it reached the through or the drop photodiode, in A.
        line_W: Power of each fully lit line before the chip, in W; all rows share it.
        crosstalk: Share of a ring's voltage that its neighbour sees, across each gap.
        inl_phase_rad: Shape of each modulator driver's nonlinearity.
        heater_share: Share of each heater's shift that a ring one pitch away sees.
        beyond: What a calibration's model does not know of its rings; None where the die has nothing of it.
    """

    bank: BankParams
    feed_change: Float[ndarray, "rows buses channels"]
    full_A: Float[ndarray, "2 rows rings"]
    line_W: Float[ndarray, " rings"]
    crosstalk: Float[ndarray, "rows buses gaps"]
    inl_phase_rad: Float[ndarray, " rings"]
    heater_share: Float[ndarray, "rows rings"]
    beyond: Beyond | None = None

    @cached_property
    def light(self) -> "Light":
        """What the light of every bus meets, voltages apart."""
        return self.light_at(self.bank.wl_um)

    def light_at(self, wl_um: Float[ndarray, " wavelengths"], bus: int | slice = slice(None)) -> "Light":
        """The same at other wavelengths in µm, and of one bus of every row alone."""
        bank, beyond = self.bank, self.beyond
        dispersion, second = (None, None) if beyond is None else (beyond.dispersion, beyond.second)
        rings, buses, reflections, dispersion, second = jax.tree.map(
            lambda leaf: leaf[:, bus], (bank.rings, bank.buses, bank.reflections, dispersion, second)
        )
        if reflections is None:
            return prepare_row(wl_um, rings, buses)
        if second is not None:
            return prepare_polarized_row(wl_um, rings, buses, reflections, second=second, dispersion=dispersion)
        return prepare_reflecting_row(wl_um, rings, buses, reflections, dispersion=dispersion)

    def fed(self, wl_um: Float[ndarray, " wavelengths"], bus: int) -> Float[ndarray, "wavelengths rows"]:
        """`feed_change` of one bus at any wavelengths in µm: straight from line to line, beyond them as at the last."""
        lines_um = np.asarray(self.bank.wl_um)
        return np.stack([np.interp(wl_um, lines_um, of_row) for of_row in self.feed_change[:, bus]], axis=1)

    def shift_pm(
        self, volts: Float[ndarray, "rows rings"], drift_pm: Float[ndarray, "rows rings"]
    ) -> Float[ndarray, "rows buses channels"]:
        """Resonance shift of every ring in pm: fabrication, acting voltages in V, and so many pm of drift."""
        bank, volts = self.bank, volts.reshape(self.bank.shape)
        acting = electrode_volts(volts, self.crosstalk)
        if self.beyond is None:
            return resonance_shift_pm(bank.rings, acting) + drift_pm.reshape(bank.shape)
        acting = self.beyond.acting_V(acting, volts)
        cubic_pm = self.beyond.cubic_pm_V3 * acting**3
        shift_pm = resonance_shift_pm(bank.rings, acting) + drift_pm.reshape(bank.shape) + cubic_pm
        # Each ring alone in the light of every line, which is what it takes as long as its neighbours are elsewhere.
        taken = _taken(self.light, shift_pm)
        line_W = self.feed_change * (bank.feed.amplitude**2)[..., None] * self.line_W.reshape(bank.shape[1:])
        return shift_pm + self.beyond.absorbed_pm_W * np.moveaxis((taken * line_W).sum(-1), 0, -1)


@dataclass(frozen=True)
class DieShift:
    """How a die as a whole lies off the design: the parts of its lot, its wafer and its place, without its rings' own.

    Numbers, or one of each ring, (rows, rings), where the wafer's field changes across the die.

    Attributes:
        thickness_nm: Of the film.
        width_nm: Of the ribs.
        gap_nm: Of both couplers' gaps.
        loss_log: Natural logarithm of the factor on the rings' loss.
        tm_pm: Where TM's resonances lie, in pm off the mode table's; None where each ring's lie anywhere. Only a die
            with TM asks (`truth.FullTruth.te_tm`).
    """

    thickness_nm: Float[ndarray, "rows rings"] | float = 0.0
    width_nm: Float[ndarray, "rows rings"] | float = 0.0
    gap_nm: Float[ndarray, "rows rings"] | float = 0.0
    loss_log: Float[ndarray, "rows rings"] | float = 0.0
    tm_pm: Float[ndarray, "rows rings"] | None = None


NO_SHIFT = DieShift()
"""A die of an average wafer: what a virtual chip is."""


type Light = PreparedRow | PreparedReflectingRow | PreparedPolarizedRow
"""What light meets in rows of a die: without reflections, with them, and in two polarisations."""


def exit_powers(
    light: Light, shift_pm: Float[ndarray, "... rings"]
) -> tuple[Float[ndarray, "2 ... channels"], Float[ndarray, "2 ... channels"]]:
    """`circuit.prepared.exit_powers` of any rows."""
    if isinstance(light, PreparedPolarizedRow):
        return polarized_powers(light, shift_pm)
    if isinstance(light, PreparedReflectingRow):
        return reflecting_powers(light, shift_pm)
    return plain_powers(light, shift_pm)


def _taken(light: "Light", shift_pm: Float[ndarray, "... rings"]) -> Float[ndarray, "rings ... channels"]:
    """Share of each line that each ring, alone, takes from the through bus to the drop bus."""
    if isinstance(light, PreparedPolarizedRow):
        return dropped_alone(light, shift_pm)
    turn = shifted(light.half_turn, light.rad_pm, shift_pm) ** 2
    return (1.0 - light.t1**2) * (1.0 - light.t2**2) * abs(turn) / power(1.0 - light.t1 * light.t2 * turn)


def full_die(
    spec: ChipSpec,
    die: Die,
    truth: FullTruth,
    rng: np.random.Generator,
    *,
    shift: DieShift = NO_SHIFT,
    key: PRNGKeyArray | Words | None = None,
) -> Die:
    """A die with everything that its model lacks; ``shift`` and ``key``, which tells its film, are those of `draw_die`.

    Bends turn TE to TM as that film has it; without a key as the design's.
    """
    own_nm = film_errors_nm(spec, resonance_key(key)) if key is not None and truth.te_tm else None
    film = own_nm and (own_nm[0] + shift.thickness_nm, own_nm[1] + shift.width_nm)
    bank, beyond = with_everything(spec, die.bank, truth, rng, tm_pm=shift.tm_pm, film_nm=film)
    return replace(die, bank=bank, beyond=beyond)


def draw_die(
    spec: ChipSpec, key: PRNGKeyArray | Words, *, shift: DieShift = NO_SHIFT, film: Profile | None = None
) -> Die:
    """Draw a die: see `VariationTable` and `TrimTable` for the standard deviations.

    Args:
        spec: The chip.
        key: Of what its rings have of their own.
        shift: What lot, wafer and place have in common for all of them.
        film: The film as it came out of the foundry; the one that the chip was designed on by default.
    """
    return draw_dies(spec, key_words(key)[None], [shift], film=film).one(0)


@dataclass(frozen=True)
class Dies:
    """Several dies of one spec, drawn together.

    Attributes:
        together: All of them as one with all their rows, to be solved at once; its lines' powers and its drivers are
            the first die's.
        line_W: Power of each fully lit line of each before the chip, in W.
        inl_phase_rad: Shape of the nonlinearity of each's modulator drivers.
    """

    together: Die
    line_W: Float[ndarray, "dies rings"]
    inl_phase_rad: Float[ndarray, "dies rings"]

    def one(self, number: int) -> Die:
        """One of them."""
        all_rows, rows = self.together, self.together.bank.shape[0] // len(self.line_W)
        mine = slice(number * rows, (number + 1) * rows)
        bank = all_rows.bank
        rings, buses, feed = jax.tree.map(lambda leaf: leaf[mine], (bank.rings, bank.buses, bank.feed))
        return Die(
            bank=BankParams(bank.wl_um, rings, buses, feed),
            feed_change=all_rows.feed_change[mine],
            full_A=all_rows.full_A[:, mine],
            line_W=self.line_W[number],
            crosstalk=all_rows.crosstalk[mine],
            inl_phase_rad=self.inl_phase_rad[number],
            heater_share=all_rows.heater_share[mine],
        )


def draw_dies(
    spec: ChipSpec,
    keys: Shaped[ndarray, "dies 2"],
    shifts: Sequence[DieShift],
    *,
    film: Profile | None = None,
) -> Dies:
    """`draw_die` of several keys, as words, each with its shift: the same dies, drawn at once.

    So many small arrays, die by die, would take longer than the numbers in them.
    """
    v, profile = spec.variation, spec.profile if film is None else film
    design = designed_bank(spec, xp=np)
    if film is not None:
        design = replace(design, rings=rings_on_film(spec, film, trimmed=spec.trim.method != "none"))
    shape, (rows, buses, channels) = design.shape, design.shape
    count, of_rings = len(keys), (len(keys), *design.shape)
    words: dict[str, ndarray] = dict(zip(DRAWS, np.moveaxis(splits(keys, 16), 1, 0), strict=False))
    shapes: dict[str, tuple[int, ...]] = {
        **dict.fromkeys(("gap_through", "gap_drop", "loss", "slope", "curvature"), shape),
        "line": (buses, channels),
        "responsivity": (2, rows, buses),
        "crosstalk": (rows, buses, channels - 1),
        "heater": (rows, buses * channels),
    }
    parts = normals_each(np.stack([words[name] for name in shapes], 1), [math.prod(of) for of in shapes.values()])
    drawn = {name: part.reshape(count, *of) for (name, of), part in zip(shapes.items(), parts, strict=True)}
    # An error of the gap scales the coupler's angle C(g)·L.
    common_um, decay_um = 1e-3 * _by_bus([shift.gap_nm for shift in shifts], shape), profile.gap_law.decay_um
    gap_scale = [
        np.exp((-v.gap_nm * 1e-3 * drawn[name] - common_um) / decay_um) for name in ("gap_through", "gap_drop")
    ]
    loss_log = _by_bus([shift.loss_log for shift in shifts], shape)
    rings = {
        "t1": np.cos(np.arccos(design.rings.t1) * gap_scale[0]),
        "t2": np.cos(np.arccos(design.rings.t2) * gap_scale[1]),
        # ln a scales with the loss, so a log-normal loss is a skewed Q with a heavy tail.
        "a": design.rings.a ** np.exp(v.loss_log * drawn["loss"] + loss_log),
        "offset_pm": _resonance_errors_pm(spec, words["resonance"], shifts).reshape(of_rings),
        "slope_pm_V": design.rings.slope_pm_V * (1.0 + v.slope_relative * drawn["slope"]),
        "curvature_pm_V2": v.curvature_pm_V2 * drawn["curvature"],
    }
    # A bus of 100 µm collects many radians of index error: its phase is uniform.
    of_buses = design.buses.phase_rad.shape
    phases = uniforms(words["phase"], math.prod(of_buses), top=2.0 * np.pi)
    amplitude = design.feed.amplitude * np.sqrt(_tree_shares(spec, splits(words["splitter"], buses)))
    line_dB = v.line_power_dB * drawn["line"] - spec.modulator.loss_dB
    line_W = np.asarray(spec.comb_design.line_powers_W) * 10.0 ** (line_dB / 10.0)
    response = spec.detector.responsivity_A_W * ratio_from_dB(-spec.detector.loss_dB)
    response_A_W = response * (1.0 + v.responsivity_relative * drawn["responsivity"])
    change = _feed_change(spec)
    full_A = response_A_W[..., None] * change * (amplitude**2)[:, None, ..., None] * line_W[:, None, None]
    inl_rad = uniforms(words["inl"], buses * channels, top=2.0 * np.pi)

    def of_all(part: Any, **changed: Float[ndarray, "..."]) -> Any:
        # Of what is not drawn every die has the design's.
        kept = {name: np.broadcast_to(leaf, (count, *leaf.shape)) for name, leaf in vars(part).items()}
        return type(part)(**{name: _as_rows(leaf) for name, leaf in (kept | changed).items()})

    together = Die(
        bank=BankParams(
            design.wl_um,
            of_all(design.rings, **rings),
            of_all(design.buses, phase_rad=phases.reshape(count, *of_buses)),
            of_all(design.feed, amplitude=amplitude),
        ),
        feed_change=np.tile(change, (count, 1, 1)),
        full_A=np.moveaxis(full_A, 1, 0).reshape(2, count * rows, -1),
        line_W=line_W[0].ravel(),
        crosstalk=_as_rows(voltage_share(spec) * (1.0 + CROSSTALK_SPREAD * drawn["crosstalk"])),
        inl_phase_rad=inl_rad[0],
        heater_share=_as_rows(heater_share(spec) * (1.0 + CROSSTALK_SPREAD * drawn["heater"])),
    )
    return Dies(together, line_W.reshape(count, -1), inl_rad)


def _as_rows(of_dies: Float[ndarray, "dies rows ..."]) -> Float[ndarray, "all_rows ..."]:
    """Rows of all dies one after the other, in an array of their own."""
    dies, rows, *rest = of_dies.shape
    return np.ascontiguousarray(of_dies).reshape(dies * rows, *rest)


def _feed_change(spec: ChipSpec) -> Float[ndarray, "rows buses channels"]:
    if not spec.given_parts:
        return np.ones((spec.chip.rows, spec.chip.buses, spec.chip.channels))
    from prism_photonics.circuit.given import feed_change  # here, because SAX takes a second to load

    return feed_change(spec)


def resonance_errors_pm(
    spec: ChipSpec, key: PRNGKeyArray | Words, *, shift: DieShift = NO_SHIFT
) -> Float[ndarray, "rows rings"]:
    """Resonance minus design of every ring in pm: thickness, width and a local part, or what trimming left.

    Of a trimmed chip the shift of the whole die is gone with the rest.
    """
    return _resonance_errors_pm(spec, key_words(key)[None], [shift])[0]


def untrimmed_errors_pm(
    spec: ChipSpec, keys: Shaped[ndarray, "dies 2"], shifts: Sequence[DieShift]
) -> Float[ndarray, "dies rows rings"]:
    """The same of several of `draw_dies`' keys, before the rings were brought to their channels."""
    return _resonance_errors_pm(untrimmed(spec), splits(keys, 16)[:, DRAWS.index("resonance")], shifts)


def _resonance_errors_pm(
    spec: ChipSpec, words: Shaped[ndarray, "dies 2"], shifts: Sequence[DieShift]
) -> Float[ndarray, "dies rows rings"]:
    v, optics = spec.variation, spec.profile.optics
    shape, of_parts = (len(words), spec.chip.rows, spec.chip.rings), splits(words, 3)
    size = spec.chip.rows * spec.chip.rings
    if spec.trim.method != "none":
        return spec.trim.residual_pm * normals_each(of_parts[:, 2:], [size])[0].reshape(shape)
    *film, local = (part.reshape(shape) for part in normals_each(of_parts, [size] * 3))
    thickness_nm, width_nm = film_nm(spec, *film)
    common_pm = optics.thickness_pm_nm.value * _each([shift.thickness_nm for shift in shifts]) + (
        optics.width_pm_nm.value * _each([shift.width_nm for shift in shifts])
    )
    return (
        optics.thickness_pm_nm.value * thickness_nm
        + optics.width_pm_nm.value * width_nm
        + v.resonance_local_pm * local
        + common_pm
    )


def _by_bus(
    shifts: Sequence[Float[ndarray, "rows rings"] | float], shape: tuple[int, int, int]
) -> Float[ndarray, "dies rows buses channels"]:
    rings = (len(shifts), shape[0], shape[1] * shape[2])
    return np.broadcast_to(_each(shifts), rings).reshape(len(shifts), *shape)


def _each(shifts: Sequence[Float[ndarray, "rows rings"] | float]) -> Float[ndarray, "dies rows rings"]:
    """Shifts of dies, numbers or one of each ring."""
    return np.stack([np.atleast_2d(shift) for shift in np.broadcast_arrays(*shifts)])


def resonance_key(key: PRNGKeyArray | Words) -> Words:
    """Of `draw_die`'s key, that of the die's resonances: the same errors can be asked for before trimming."""
    return split(key_words(key), 16)[DRAWS.index("resonance")]


def untrimmed(spec: ChipSpec) -> ChipSpec:
    """The same chip before its rings were brought to their channels."""
    return spec.model_copy(update={"trim": spec.trim.model_copy(update={"method": "none"})})


def trimmed_by(
    die: Die, shift_pm: Float[ndarray, "rows buses channels"], *, residual_pm: float, rng: np.random.Generator
) -> Die:
    """A die whose rings a trimming moved permanently, each by so many pm, which it misses by a standard deviation.

    What is to be left alone, by 0 pm, is.
    """
    moved_pm = shift_pm + np.where(shift_pm != 0.0, residual_pm * rng.standard_normal(shift_pm.shape), 0.0)
    rings = replace(die.bank.rings, offset_pm=die.bank.rings.offset_pm + moved_pm)
    return replace(die, bank=replace(die.bank, rings=rings))


def _tree_shares(spec: ChipSpec, words: Shaped[ndarray, "dies buses 2"]) -> Float[ndarray, "dies rows buses"]:
    """Power of each row relative to an even split: every splitter of the tree has its own imbalance."""
    shares, levels = np.ones((*words.shape[:-1], 1)), tree_levels(spec.chip.rows)
    sizes = [2**level for level in range(levels)]
    drawn = normals_each(splits(words, levels + 1)[..., 1:, :], sizes) if levels else []
    for one in drawn:
        imbalance = spec.variation.splitter_imbalance * one
        halves = np.stack([1.0 - imbalance, 1.0 + imbalance], -1)
        shares = (shares[..., None] * halves).reshape(*words.shape[:-1], -1)
    return np.moveaxis(shares[..., outputs_of_rows(spec.chip.rows)], -1, 1)
