"""One fabricated die: the design with random errors as of the spec's variation."""

from dataclasses import dataclass, replace
from functools import cached_property

import jax
import numpy as np
from jaxtyping import Float, PRNGKeyArray
from numpy import ndarray

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
from prism_photonics.spec.cache import cached_by_spec
from prism_photonics.threefry import Words, key_words, normal, normals, split, uniform
from prism_photonics.units import ratio_from_dB

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
        full_A: Photocurrent of each fully lit line if all of it reached the through or the drop photodiode, in A.
        line_W: Power of each fully lit line before the chip, in W; all rows share it.
        crosstalk: Share of a ring's voltage that its neighbour sees, across each gap.
        inl_phase_rad: Shape of each modulator driver's nonlinearity.
        heater_share: Share of each heater's shift that a ring one pitch away sees.
        beyond: What a calibration's model does not know of its rings; None where the die has nothing of it.
    """

    bank: BankParams
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
        line_W = (bank.feed.amplitude**2)[..., None] * self.line_W.reshape(bank.shape[1:])
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
    spec: ChipSpec, die: Die, truth: FullTruth, rng: np.random.Generator, *, shift: DieShift = NO_SHIFT
) -> Die:
    """A die with everything that its model lacks; ``shift`` is that of `draw_die`."""
    bank, beyond = with_everything(spec, die.bank, truth, rng, tm_pm=shift.tm_pm)
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
    v, profile = spec.variation, spec.profile if film is None else film
    design = designed_bank(spec, xp=np)
    if film is not None:
        design = replace(design, rings=rings_on_film(spec, film, trimmed=spec.trim.method != "none"))
    shape, (rows, buses, channels) = design.shape, design.shape
    # As words: so many keys of JAX's would take longer than the numbers themselves.
    keys: dict[str, Words] = dict(zip(DRAWS, split(key_words(key), 16), strict=False))
    sizes: dict[str, tuple[int, ...]] = {
        **dict.fromkeys(("gap_through", "gap_drop", "loss", "slope", "curvature"), shape),
        "line": (buses, channels),
        "responsivity": (2, rows, buses),
        "crosstalk": (rows, buses, channels - 1),
        "heater": (rows, buses * channels),
    }
    drawn = dict(zip(sizes, normals([keys[name] for name in sizes], list(sizes.values())), strict=True))
    # An error of the gap scales the coupler's angle C(g)·L.
    common_um, decay_um = 1e-3 * _by_bus(shift.gap_nm, shape), profile.gap_law.decay_um
    gap_scale = [
        np.exp((-v.gap_nm * 1e-3 * drawn[name] - common_um) / decay_um) for name in ("gap_through", "gap_drop")
    ]
    rings = replace(
        design.rings,
        t1=np.cos(np.arccos(design.rings.t1) * gap_scale[0]),
        t2=np.cos(np.arccos(design.rings.t2) * gap_scale[1]),
        # ln a scales with the loss, so a log-normal loss is a skewed Q with a heavy tail.
        a=design.rings.a ** np.exp(v.loss_log * drawn["loss"] + _by_bus(shift.loss_log, shape)),
        offset_pm=resonance_errors_pm(spec, keys["resonance"], shift=shift).reshape(shape),
        slope_pm_V=design.rings.slope_pm_V * (1.0 + v.slope_relative * drawn["slope"]),
        curvature_pm_V2=v.curvature_pm_V2 * drawn["curvature"],
    )
    # A bus of 100 µm collects many radians of index error: its phase is uniform.
    phases = uniform(keys["phase"], design.buses.phase_rad.shape, top=2.0 * np.pi)
    shares = np.stack([_tree_shares(spec, bus_key) for bus_key in split(keys["splitter"], buses)], axis=1)
    feed = replace(design.feed, amplitude=design.feed.amplitude * np.sqrt(shares))
    line_dB = v.line_power_dB * drawn["line"] - spec.modulator.loss_dB
    line_W = np.asarray(spec.comb_design.line_powers_W) * 10.0 ** (line_dB / 10.0)
    response = spec.detector.responsivity_A_W * ratio_from_dB(-spec.detector.loss_dB)
    response_A_W = response * (1.0 + v.responsivity_relative * drawn["responsivity"])
    full_A = response_A_W[..., None] * (feed.amplitude**2)[..., None] * line_W
    return Die(
        bank=BankParams(design.wl_um, rings, replace(design.buses, phase_rad=phases), feed),
        full_A=full_A.reshape(2, rows, -1),
        line_W=line_W.ravel(),
        # No published spread of electrode crosstalk: 30 % from gap to gap is a design choice.
        crosstalk=v.crosstalk_relative * (1.0 + 0.3 * drawn["crosstalk"]),
        inl_phase_rad=uniform(keys["inl"], (buses * channels,), top=2.0 * np.pi),
        # No published spread of this either: 30 % from heater to heater is a design choice.
        heater_share=spec.trim.heater_crosstalk * (1.0 + 0.3 * drawn["heater"]),
    )


def resonance_errors_pm(
    spec: ChipSpec, key: PRNGKeyArray | Words, *, shift: DieShift = NO_SHIFT
) -> Float[ndarray, "rows rings"]:
    """Resonance minus design of every ring in pm: thickness, width and a local part, or what trimming left.

    Of a trimmed chip the shift of the whole die is gone with the rest.
    """
    v, optics = spec.variation, spec.profile.optics
    shape, of_parts = (spec.chip.rows, spec.chip.rings), split(key, 3)
    if spec.trim.method != "none":
        return spec.trim.residual_pm * normal(of_parts[2], shape)
    *film, local = normals(of_parts, [shape] * 3)
    thickness_nm, width_nm = _film_nm(spec, *film)
    common_pm = optics.thickness_pm_nm.value * shift.thickness_nm + optics.width_pm_nm.value * shift.width_nm
    return (
        optics.thickness_pm_nm.value * thickness_nm
        + optics.width_pm_nm.value * width_nm
        + v.resonance_local_pm * local
        + common_pm
    )


def film_errors_nm(
    spec: ChipSpec, key: PRNGKeyArray | Words
) -> tuple[Float[ndarray, "rows rings"], Float[ndarray, "rows rings"]]:
    """Thickness and width of every ring off its die's mean, in nm; the key is that of `resonance_errors_pm`."""
    return _film_nm(spec, *normals(split(key, 3)[:2], [(spec.chip.rows, spec.chip.rings)] * 2))


def _film_nm(
    spec: ChipSpec, thickness: Float[ndarray, "rows rings"], width: Float[ndarray, "rows rings"]
) -> tuple[Float[ndarray, "rows rings"], Float[ndarray, "rows rings"]]:
    v = spec.variation
    return v.thickness_nm * _correlated(spec, thickness), v.width_nm * _correlated(spec, width)


def _by_bus(
    shift: Float[ndarray, "rows rings"] | float, shape: tuple[int, int, int]
) -> Float[ndarray, "rows buses channels"]:
    return np.broadcast_to(shift, (shape[0], shape[1] * shape[2])).reshape(shape)


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


def film_shift_pm(
    spec: ChipSpec, of_die: PRNGKeyArray | Words, sites_um: Float[ndarray, "sites 2"], key: PRNGKeyArray | Words
) -> Float[ndarray, " sites"]:
    """How far the film of a die moves resonances at other places than its rings': the field that these see goes on.

    Args:
        spec: The chip.
        of_die: The key that `draw_die` drew the die from.
        sites_um: Places x, y, counted from the ring of row 0 and channel 0.
        key: Of what the rings do not tell of those places.

    Returns:
        Shifts in pm by thickness and width, before trimming.
    """
    v, optics = spec.variation, spec.profile.optics
    thickness_key, width_key, _ = split(resonance_key(of_die), 3)
    shape, length_um = (spec.chip.rows, spec.chip.rings), v.correlation_length_um
    known = []
    for at_um, there_um in zip(_sites_um(spec), (sites_um[:, 1], sites_um[:, 0]), strict=True):
        kernel = np.exp(-((at_um[:, None] - there_um[None]) ** 2) / (2.0 * length_um**2))
        known.append(np.linalg.solve(_factor(at_um, length_um), kernel))
    apart2 = ((sites_um[:, None] - sites_um[None]) ** 2).sum(-1)
    # A Gaussian field given its values at the rings: mean and covariance in closed form.
    covariance = np.exp(-apart2 / (2.0 * length_um**2)) - (known[0].T @ known[0]) * (known[1].T @ known[1])
    values, vectors = np.linalg.eigh(covariance)
    own = vectors * np.sqrt(np.maximum(values, 0.0))
    shift_pm = np.zeros(len(sites_um))
    sizes = (optics.thickness_pm_nm.value * v.thickness_nm, optics.width_pm_nm.value * v.width_nm)
    for field_key, own_key, size_pm in zip((thickness_key, width_key), split(key, 2), sizes, strict=True):
        mean = np.einsum("rs,rc,cs->s", known[0], normal(field_key, shape), known[1])
        shift_pm += size_pm * (mean + own @ normal(own_key, (len(sites_um),)))
    return shift_pm


def _correlated(spec: ChipSpec, white: Float[ndarray, "rows rings"]) -> Float[ndarray, "rows rings"]:
    """Unit-variance Gaussian field over the die with correlation ``exp(−d²/2ℓ²)``, sampled at the rings."""
    rows, rings = _factors(spec)
    return rows @ white @ rings.T


@cached_by_spec
def _factors(spec: ChipSpec) -> tuple[Float[ndarray, "rows rows"], Float[ndarray, "rings rings"]]:
    """The kernel is separable: one factor per direction instead of one for all pairs of rings."""
    rows, rings = (_factor(at_um, spec.variation.correlation_length_um) for at_um in _sites_um(spec))
    return rows, rings


def _sites_um(spec: ChipSpec) -> tuple[Float[ndarray, " rows"], Float[ndarray, " rings"]]:
    return np.arange(spec.chip.rows) * spec.row_pitch_um, np.arange(spec.chip.rings) * spec.ring.pitch_um


def _factor(where_um: Float[ndarray, " sites"], length_um: float) -> Float[ndarray, "sites sites"]:
    distance2 = (where_um[:, None] - where_um[None]) ** 2
    covariance = np.exp(-distance2 / (2.0 * length_um**2))
    return np.linalg.cholesky(covariance + 1e-6 * np.eye(where_um.size))


def _tree_shares(spec: ChipSpec, key: PRNGKeyArray | Words) -> Float[ndarray, " rows"]:
    """Power of each row relative to an even split: every splitter of the tree has its own imbalance."""
    shares, levels = np.ones(1), tree_levels(spec.chip.rows)
    drawn = normals(split(key, levels + 1)[1:], [(2**level,) for level in range(levels)]) if levels else []
    for one in drawn:
        imbalance = spec.variation.splitter_imbalance * one
        shares = (shares[:, None] * np.stack([1.0 - imbalance, 1.0 + imbalance], -1)).reshape(-1)
    return shares[outputs_of_rows(spec.chip.rows)]
