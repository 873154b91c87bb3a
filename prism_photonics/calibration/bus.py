"""Buses with their readings, and the residuals of a set of unknowns.

Plain NumPy: a survey has a few hundred readings of a bus, for which no compiler is worth waiting. Buses are independent
circuits, so every array leads with them, and they are fitted side by side.
"""

from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Complex, Float, Int
from numpy import ndarray

from prism_photonics.calibration.polarized import UNIFORM, PolarizedLight, tm_columns, with_tm
from prism_photonics.calibration.reflecting import ReflectingLight, beyond_of
from prism_photonics.calibration.unknowns import RowModel, Scatter, Unknowns, columns, row_model
from prism_photonics.lightpath.ring.model import RingParams, rad_per_pm
from prism_photonics.lightpath.waveguide.model import PathParams, path_phase

OF_WAVELENGTHS = (
    "half_turn", "load", "through", "drop", "kappa2_through", "kappa2_drop", "p", "q", "ends", "between"
)  # fmt: skip
"""Known factors that end with wavelengths."""
# Fields that are made of arrays, which lead with buses.
OF_BUSES = ("rings", "paths", "light", "reflecting", "polarized", "ways", "dispersion", "second", "buses", "tm")


@dataclass(frozen=True)
class BusSurvey:
    """Buses as designed, with their readings.

    Unknowns travel as one flat vector a bus, in the order of `Unknowns`. A channel may be read at several wavelengths,
    all channels at equally many: its ``nodes`` stand one after the other on the axis of wavelengths.

    Attributes:
        channel_of_ring: The channel that the ring at each place serves. Rings, voltages and drift count by place.
        rings: Designed rings, leaves (buses, rings).
        paths: Designed bus segments, leaves (buses, 2, rings + 1); see `BankParams`.
        gain_A: Designed current at each wavelength, fully lit and fully passed.
        scatter: Standard deviation that one unit of each unknown stands for.
        volts: Voltages that act during each reading, in V.
        drift_pm: How far each ring has drifted meanwhile, in pm.
        current_A: Dark-corrected readings, 0 where one carries no weight.
        noise_A: Their expected standard deviations; infinite where a reading carries no weight.
        light: Known factors of the transmission: `Light.of` wavelengths, rings and paths.
        reflecting: The same of buses that reflect; their unknowns go on with those of `reflecting`. None of others.
        polarized: And of buses that carry TM too, whose unknowns go on with those of `polarized`. None of others.
        only_line: The one line whose readings these are, in place of all (`at_line`).
    """

    channel_of_ring: Int[ndarray, "buses rings"]
    rings: RingParams
    paths: PathParams
    gain_A: Float[ndarray, "buses wavelengths"]
    scatter: Scatter
    volts: Float[ndarray, "buses settings wavelengths rings"]
    drift_pm: Float[ndarray, "buses settings wavelengths rings"]
    current_A: Float[ndarray, "buses settings wavelengths"]
    noise_A: Float[ndarray, "buses settings wavelengths"]
    light: "Light"
    reflecting: ReflectingLight | None = None
    polarized: PolarizedLight | None = None
    only_line: int | None = None

    @property
    def count(self) -> int:
        """Number of buses."""
        return self.current_A.shape[0]

    @property
    def nodes(self) -> int:
        """Wavelengths of each channel."""
        wavelengths = self.current_A.shape[2]
        return wavelengths // self.rings.t1.shape[1] if self.only_line is None else wavelengths

    @property
    def line_of_wavelength(self) -> Int[ndarray, " wavelengths"]:
        """The channel that each wavelength belongs to."""
        first = 0 if self.only_line is None else self.only_line
        return first + np.arange(self.current_A.shape[2]) // self.nodes

    def at_line(self, line: int) -> "BusSurvey":
        """The same buses with the readings of one channel alone."""
        assert self.only_line is None
        seen = slice(line * self.nodes, (line + 1) * self.nodes)
        lit = {name: getattr(self, name)[..., seen] for name in ("gain_A", "current_A", "noise_A")}
        known = {name: getattr(self, name)[..., seen, :] for name in ("volts", "drift_pm")}
        return replace(self, **lit, **known, **_seen_at(self, seen), only_line=line)

    def take(self, index: Int[ndarray, " some"]) -> "BusSurvey":
        """Some of the buses, in that order; one may be taken more than once."""
        return _taken(self, index)

    def in_single_precision(self) -> "BusSurvey":
        """The same buses in numbers of half the length, which take half the time: enough to search with."""
        return _single(self)

    def blurred(self, blur: float) -> "BusSurvey":
        """The same readings with an added standard deviation, in units of full light."""
        return self.with_noise(np.hypot(self.noise_A, blur * self.gain_A[:, None, :])) if blur else self

    def with_noise(self, noise_A: Float[ndarray, "buses settings wavelengths"]) -> "BusSurvey":
        """The same readings with other standard deviations, in A."""
        return replace(self, noise_A=noise_A)

    def moved(
        self,
        volts: Float[ndarray, "buses settings wavelengths rings"],
        drift_pm: Float[ndarray, "buses settings wavelengths rings"],
    ) -> "BusSurvey":
        """The same readings, taken at other acting voltages in V and drifts in pm."""
        return replace(self, volts=volts, drift_pm=drift_pm)

    def model(self, flat: Float[ndarray, "buses unknowns"]) -> RowModel:
        """The buses that the unknowns describe."""
        unknowns = unravel(flat, self.rings.t1.shape[1])
        # A line's gain is that of all its wavelengths together.
        by_line = self.gain_A.reshape(self.count, -1, self.nodes)
        gain_A = by_line[..., 0] if self.nodes == 1 else np.exp(np.log(by_line).mean(2))
        model = row_model(unknowns, self.rings, self.paths, gain_A=gain_A, scatter=self.scatter)
        if self.reflecting is None:
            return model
        model = replace(model, beyond=beyond_of(flat, self.reflecting))
        return model if self.polarized is None else with_tm(model, flat, self.polarized, self.rings)


@dataclass(frozen=True)
class Light:
    """Known factors of each bus's transmission at each wavelength; see `circuit.prepared` for the terms.

    Attributes:
        half_turn: e^{jφ/2} of the untuned rings, without their loss.
        load: Transmissions p·q of both buses between a ring and the next one, without the phases that are unknown.
        through: Power transmission of the through bus alone.
        drop: Power transmission of both buses before the first ring.
        rad_pm: Round-trip phase of one pm of resonance shift, in rad/pm.
    """

    half_turn: Complex[ndarray, "buses rings wavelengths"]
    load: Complex[ndarray, "buses gaps wavelengths"]
    through: Float[ndarray, "buses wavelengths"]
    drop: Float[ndarray, "buses wavelengths"]
    rad_pm: Float[ndarray, "buses rings"]

    @classmethod
    def of(cls, wl_um: Float[ndarray, " wavelengths"], rings: RingParams, paths: PathParams) -> "Light":
        """Compute them from wavelengths in µm, which all buses share, and designed rings and segments."""

        def turned(path: RingParams | PathParams) -> Float[ndarray, "..."]:
            return path_phase(wl_um, path.opl_um[..., None], path.gpl_um[..., None], path.wl0_um[..., None])

        passed = paths.amplitude[..., None] * np.exp(1j * turned(paths))
        both = passed[:, 0] * passed[:, 1]
        return cls(
            half_turn=np.exp(0.5j * turned(rings)),
            load=both[:, 1:-1],
            through=np.abs(np.prod(passed[:, 0], axis=1)) ** 2,
            drop=np.abs(both[:, 0]) ** 2,
            rad_pm=np.asarray(rad_per_pm(rings)),
        )


def unravel(flat: Float[ndarray, "buses unknowns"], rings: int) -> Unknowns:
    """The unknowns of flat vectors; leaves lead with buses."""
    named = {name: flat[:, place] for name, place in columns(rings).items()}
    return Unknowns(**named | {"drop_ratio": named["drop_ratio"][:, 0]})


def ravel(unknowns: Unknowns) -> Float[ndarray, "buses unknowns"]:
    """The flat vectors of unknowns whose leaves lead with buses."""
    parts = [np.asarray(getattr(unknowns, field.name)) for field in fields(unknowns)]
    return np.concatenate([part if part.ndim == 2 else part[:, None] for part in parts], axis=1)


def prior_weight(rings: int, *, unknowns: int | None = None) -> Float[ndarray, " unknowns"]:
    """1 for unknowns with a prior, 0 for phases; of all unknowns of a bus, by default those of `Unknowns`."""
    places = columns(rings)
    weight = np.ones(places["drop_ratio"].stop if unknowns is None else unknowns)
    weight[places["phase_rad"]] = 0.0
    of_tm = tm_columns(rings)
    if weight.size == of_tm["tm_drop"].stop:
        for name in UNIFORM:
            weight[of_tm[name]] = 0.0
    return weight


def _taken(whole, index: Int[ndarray, " some"]):
    """A dataclass of arrays, and of such, with some of its buses; numbers stay."""
    changed = {}
    for field in fields(whole):
        leaf = getattr(whole, field.name)
        if isinstance(leaf, ndarray):
            changed[field.name] = leaf[index]
        elif field.name in OF_BUSES and leaf is not None:
            changed[field.name] = _taken(leaf, index)
    return replace(whole, **changed)


def _seen_at(survey: BusSurvey, seen: slice) -> dict[str, Any]:
    """Known factors of a bus's transmission at some of its wavelengths."""

    def some(light: Any) -> Any:
        names = [name for name in OF_WAVELENGTHS if hasattr(light, name)]
        return None if light is None else replace(light, **{name: getattr(light, name)[..., seen] for name in names})

    return {name: some(getattr(survey, name)) for name in ("light", "reflecting", "polarized")}


def _single(whole):
    """A dataclass of arrays, and of such, in single precision."""
    changed = {}
    for field in fields(whole):
        leaf = getattr(whole, field.name)
        if isinstance(leaf, ndarray) and leaf.dtype.kind in "fc":
            changed[field.name] = leaf.astype(np.complex64 if leaf.dtype.kind == "c" else np.float32)
        elif is_dataclass(leaf):
            changed[field.name] = _single(leaf)
    return replace(whole, **changed)
