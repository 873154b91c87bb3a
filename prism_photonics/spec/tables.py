"""The tables of a spec file: every key with its unit, its range and what it means. ChipSpec puts them together."""

import math
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from prism_photonics.lightpath.waveguide.design import QuarterTurn
from prism_photonics.process.layers import METAL2_SPACE_UM


class Table(BaseModel):
    """A table that knows its keys: an unknown one, a missing one, or a number of another type is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=True)

    def model_copy[T: BaseModel](self: T, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> T:
        """A copy with some values changed; what was worked out from the old ones is not taken along.

        Args:
            update: Values by key; they are not validated.
            deep: Whether values are copied too.
        """
        copied = super().model_copy(update=update, deep=deep)
        for name in [name for name in vars(copied) if name not in type(self).model_fields]:
            del vars(copied)[name]
        return copied


def _white(number: float) -> bool:
    """A key of a noise's spectrum at its default."""
    return number == 0.0


def _unused(value: float | int | str | None) -> bool:
    return value is None


class ChipTable(Table):
    """How many rows, buses and channels.

    A row may have several buses, each with the same wavelengths and its own modulators, splitter tree, rings and
    detector pair; the photocurrents of a row's buses are summed electrically.
    """

    rows: int = Field(ge=1, le=4096, description="1 to 4096; the splitter tree has the next power of two of outputs")
    channels: int = Field(ge=1, le=256, description="rings per bus")
    buses: int = Field(default=1, ge=1, le=64)
    # Left out of a dump at its default: specs that are older than the key keep their hash.
    pad_lines: Literal[1, 2] = Field(
        default=2,
        exclude_if=lambda lines: lines == 2,
        description="of a die bonded along its edges: 2 staggered lines of pads a side, or 1 for a probe card",
    )

    @property
    def rings(self) -> int:
        """Rings of one row, and modulated channels of the query: buses × channels per bus, bus by bus."""
        return self.buses * self.channels


class CombTable(Table):
    """The laser comb, on one of two grids.

    Equal in frequency, as the lines of every frequency comb and of lasers on the ITU grid: ``spacing_GHz`` with
    ``first_channel_THz`` or ``first_itu_channel``. Channel 0 has the highest frequency: channels count towards longer
    wavelengths. Equal in wavelength, for lasers that are set one by one: ``first_wl_nm`` and ``spacing_nm``.
    """

    # What a grid does not use is left out of a dump: specs that are older than the keys keep their hash.
    first_wl_nm: float | None = Field(default=None, ge=1400, le=1700, exclude_if=_unused)
    spacing_nm: float | None = Field(default=None, gt=0.01, le=20, exclude_if=_unused)
    first_channel_THz: float | None = Field(default=None, ge=177, le=214, exclude_if=_unused)
    first_itu_channel: int | None = Field(
        default=None, ge=1, le=100, exclude_if=_unused, description="100 GHz grid: 190 THz + 0.1 THz × this"
    )
    spacing_GHz: float | None = Field(default=None, gt=1, le=2500, exclude_if=_unused)
    line_power_dBm: float = Field(ge=-60, le=30, description="mean of the lines, in dB")
    tilt_dB: float = Field(ge=-20, le=20, description="last line over first")
    rin_dB_Hz: float = Field(ge=-200, le=-80, description="of one line, independent of the others")
    rin_common_dB_Hz: float = Field(ge=-200, le=-80, description="the share that all lines have in common")
    linewidth_MHz: float = Field(ge=0, le=1e5)
    # Left out of a dump at its default, as in [detector]: specs that are older than the key keep their hash.
    rin_corner_kHz: float = Field(
        default=0.0, ge=0, le=1e6, exclude_if=_white, description="intensity noise is 1/f below; 0 for white"
    )

    @model_validator(mode="after")
    def _one_grid(self) -> "CombTable":
        nm = [key for key in ("first_wl_nm", "spacing_nm") if getattr(self, key) is not None]
        firsts = [key for key in ("first_channel_THz", "first_itu_channel") if getattr(self, key) is not None]
        hertz = firsts + ["spacing_GHz"] * (self.spacing_GHz is not None)
        if nm and hertz:
            raise ValueError(
                f"'{nm[0]}' and '{hertz[0]}' belong to two grids; give first_wl_nm and spacing_nm for lines equal in "
                "wavelength, or first_channel_THz (or first_itu_channel) and spacing_GHz for lines equal in frequency"
            )
        if len(firsts) == 2:
            raise ValueError("'first_channel_THz' and 'first_itu_channel' both place channel 0; give one of them")
        if len(nm) == 1:
            lacks = "spacing_nm" if self.spacing_nm is None else "first_wl_nm"
            raise ValueError(f"missing key 'comb.{lacks}'; '{nm[0]}' needs it")
        if not nm and self.spacing_GHz is None:
            raise ValueError(
                "missing key 'comb.spacing_GHz'; add it with first_channel_THz or first_itu_channel (lines equal in "
                "frequency: frequency combs, ITU lasers), or first_wl_nm and spacing_nm (lines equal in wavelength)"
            )
        if not nm and not firsts:
            raise ValueError(
                "missing key 'comb.first_channel_THz' (or 'comb.first_itu_channel'); 'spacing_GHz' needs it"
            )
        return self

    @property
    def spacing_key(self) -> str:
        """Which key holds the spacing: ``spacing_GHz`` or ``spacing_nm``."""
        return "spacing_nm" if self.spacing_GHz is None else "spacing_GHz"

    @property
    def spacing_text(self) -> str:
        """The spacing with its unit."""
        key = self.spacing_key
        return f"{getattr(self, key):g} {key.removeprefix('spacing_')}"


class ModulatorTable(Table):
    """The query modulators, off chip."""

    loss_dB: float = Field(ge=0, le=30)
    extinction_dB: float = Field(ge=3, le=80, description="full over dark transmission")
    v_pi_V: float = Field(gt=0, le=50, description="drive from dark to full")
    dac_bits: int = Field(ge=1, le=24, description="codes of the drive from dark to full")
    dac_inl_lsb: float = Field(ge=0, le=100, description="largest integral nonlinearity")
    encoding: Literal["offset", "two_shot", "dual_rail"]


_PART: Any = Field(
    default=None,
    exclude_if=_unused,
    description="Touchstone or csv of the simulated or measured part, beside the spec; its loss is read off it",
)
_ON_FAULT: Any = Field(
    default="refuse",
    exclude_if=lambda on_fault: on_fault == "refuse",
    description="parameters that break a law are refused, or 'project'ed onto such that keep it",
)


class CouplerTable(Table):
    """The edge coupler: its loss, or its scattering parameters by file (o1 fibre, o2 chip)."""

    loss_dB: float = Field(ge=0, le=30, description="that of sparameters at its worst line where they are given")
    # Left out of a dump at their defaults: specs that are older than the keys keep their hash.
    sparameters: str | None = _PART
    on_fault: Literal["refuse", "project"] = _ON_FAULT
    # Left out of a dump at its default: specs that are older than the key keep their hash.
    fibre_pitch_um: float = Field(
        default=127.0,
        ge=127,
        le=1000,
        exclude_if=lambda pitch: pitch == 127.0,
        description="of the fibre array: 127 or 250 are what can be bought",
    )


class SplitterTable(Table):
    """The 1×2 splitters of the tree: their loss, or their scattering parameters by file (o1 in; o2, o3 out)."""

    excess_loss_dB: float = Field(
        ge=0,
        le=10,
        description="that of sparameters, of the worse output at its worst line, where they are given; "
        "the simulated splitter's at its worst line where it is left out",
    )
    # Left out of a dump at their defaults: specs that are older than the keys keep their hash.
    sparameters: str | None = _PART
    on_fault: Literal["refuse", "project"] = _ON_FAULT


class RingTable(Table):
    """The microrings: geometry and resonance bias."""

    radius_um: float = Field(ge=1, le=1000)
    straight_um: float = Field(
        ge=0, le=500, description="least length of the coupling straights; the channel adds to it"
    )
    gap_through_um: float = Field(gt=0.05, le=3)
    gap_drop_um: float = Field(gt=0.05, le=3)
    arm_um: float = Field(
        default=0.0, ge=0, le=2000, description="racetrack: straight length of each side, with electrodes"
    )
    # Left out of a dump at its default: specs that are older than the key keep their hash.
    euler_p: float = Field(
        default=0.0,
        ge=0,
        le=1,
        exclude_if=lambda share: share == 0.0,
        description="share of each quarter turn's angle in its two ramps of curvature: 0 for arcs; else radius_um is "
        "that of the arcs with their ends",
    )
    ramp: Literal["linear", "raised_cosine"] = Field(
        default="linear",
        exclude_if=lambda ramp: ramp == "linear",
        description="how curvature grows along them: linear, a clothoid, or as a raised cosine, which turns less light "
        "to other modes",
    )
    pitch_um: float = Field(gt=0, le=5000)
    lobe_half_angle_deg: float = Field(gt=0, le=90)
    electrode_gap_um: float = Field(gt=0, le=50)
    electrode_width_um: float = Field(gt=0, le=100)
    bias_pm: float = Field(ge=-5000, le=5000, description="resonance minus channel at 0 V, as designed")
    neck_um: float = Field(
        default=0.0,
        ge=0,
        le=20,
        exclude_if=lambda width: width == 0.0,
        description="width to which both buses narrow between rings, so that a second mode is let go; 0 for none",
    )

    @model_validator(mode="after")
    def _has_ramps(self) -> "RingTable":
        if self.cosine and not self.euler_p:
            raise ValueError("'ramp' shapes ramps: euler_p = 0 has none; give euler_p, up to 1, or no 'ramp'")
        return self

    @property
    def cosine(self) -> bool:
        """Whether its ramps are of a raised cosine."""
        return self.ramp == "raised_cosine"

    def turn(self, radius_um: Any) -> QuarterTurn:
        """A quarter turn of a radius, or of many, with the ramps of the table's."""
        return QuarterTurn(radius_um, self.euler_p, self.cosine)

    def radius_for_um(self, sharpest_um: float) -> float:
        """Radius, to 10 nm, of turns with the table's ramps that are no sharper in their middle than a given radius."""
        return math.ceil(1e2 * sharpest_um / self.turn(1.0).least_radius_um - 1e-6) / 1e2

    @property
    def least_pitch_um(self) -> float:
        """Ring and electrodes, and the least space between the wires that rise on either side, in µm."""
        # One more guided wavelength, under a µm, may be added to the straights to reach the channel.
        around = self.electrode_gap_um + 2.0 * self.electrode_width_um
        return 2.0 * self.radius_um + around + self.straight_um + 1.0 + METAL2_SPACE_UM


class TrimTable(Table):
    """Trimming of the fabricated resonances to their channels, once (permanent) or continuously (heater)."""

    method: Literal["none", "permanent", "heater"]
    residual_pm: float = Field(ge=0, le=1e4, description="rms that is left, ring by ring; unused without trimming")
    heater_mW_nm: float = Field(ge=0, le=1e4, description="power per nm of red shift; unused without heaters")
    # Left out of a dump at its default: specs that are older than the key keep their hash.
    heater_crosstalk: float | None = Field(
        default=None,
        ge=0,
        le=0.2,
        exclude_if=_unused,
        description="share of a heater's shift that a ring one pitch away sees; the drawn heater's where left out",
    )


class DriveTable(Table):
    """The ring drivers."""

    max_voltage_V: float = Field(gt=0, le=200, description="largest magnitude, either sign")
    dac_bits: int = Field(ge=1, le=24)
    settle_us: float = Field(ge=0, le=1e7, description="from a code to a settled ring")
    output_ohm: float | None = Field(
        default=None,
        gt=0,
        le=1e12,
        exclude_if=_unused,
        description="of a ring driver; settle_us must leave it time to charge the drawn metal",
    )


class WaveguideTable(Table):
    """Buses and routing."""

    loss_dB_cm: float = Field(ge=0, le=100, description="the film's where it is left out")
    bend_radius_um: float = Field(ge=1, le=2000)
    # Left out of a dump where there is none: specs that are older than the key keep their hash.
    euler_p: float | None = Field(
        default=None,
        ge=0,
        le=1,
        exclude_if=_unused,
        description="share of a bend's angle in clothoids that lead into and out of it, 0 for arcs of a circle; where "
        "it is left out, what the film's solver says for this radius",
    )


class DetectorTable(Table):
    """The balanced receiver of each row."""

    responsivity_A_W: float = Field(gt=0, le=10)
    loss_dB: float = Field(ge=0, le=30)
    dark_current_nA: float = Field(ge=0, le=1e6)
    tia_noise_pA_rtHz: float = Field(ge=0, le=1e6)
    feedback_ohm: float = Field(gt=0, le=1e9)
    temperature_K: float = Field(gt=0, le=500)
    bandwidth_GHz: float = Field(gt=0, le=1000)
    adc_bits: int = Field(ge=1, le=24)
    adc_full_scale_uA: float = Field(gt=0, le=1e6)
    cmrr_dB: float = Field(ge=0, le=100, description="rejection of fast noise common to both photodiodes")
    saturation_mA: float = Field(gt=0, le=1e6, description="a photodiode gives I/(1 + I/this)")
    # Left out of a dump at their defaults: specs that are older than the keys keep their hash.
    tia_corner_kHz: float = Field(
        default=0.0, ge=0, le=1e6, exclude_if=_white, description="the amplifier's noise is 1/f below; 0 for white"
    )
    tia_rise_GHz: float = Field(
        default=0.0, ge=0, le=1e4, exclude_if=_white, description="the amplifier's noise goes as f² above; 0 for white"
    )
    sides: Literal["east", "both"] = Field(
        default="east",
        exclude_if=lambda sides: sides == "east",
        description="'east': the drop bus turns back over its row; 'both': drop photodiodes stand in the west",
    )
    tm: Literal["detected", "lost"] = Field(
        default="detected",
        exclude_if=lambda tm: tm == "detected",
        description="whether photodiodes see light that bends turned to TM; the default is a design choice",
    )


class VariationTable(Table):
    """Fabrication scatter: standard deviations about the design of one die before trimming.

    No published within-die statistics exist for TFLN rings, so these are design choices.
    """

    thickness_nm: float = Field(ge=0, le=100, description="of the film, correlated over the die")
    width_nm: float = Field(ge=0, le=100, description="of the ribs, correlated over the die")
    correlation_length_um: float = Field(gt=0, le=1e6)
    resonance_local_pm: float = Field(ge=0, le=1e4, description="ring by ring")
    gap_nm: float = Field(ge=0, le=100)
    loss_log: float = Field(ge=0, le=3, description="sigma of ln(ring loss): a skewed distribution")
    slope_relative: float = Field(ge=0, le=0.3)
    curvature_pm_V2: float = Field(ge=0, le=10)
    crosstalk_relative: float | None = Field(
        default=None,
        ge=0,
        le=0.2,
        exclude_if=_unused,
        description="share of a ring's voltage that its neighbours see; that of the drawn electrodes where left out",
    )
    splitter_imbalance: float = Field(ge=0, le=0.3)
    responsivity_relative: float = Field(ge=0, le=0.3)
    line_power_dB: float = Field(ge=0, le=3)


class DriftTable(Table):
    """Drift of the chip after its calibration; the film's relaxation is the profile's."""

    temperature_K: float = Field(ge=0, le=50, description="rms of the die's common temperature")
    gradient_K: float = Field(ge=0, le=50, description="rms of the difference across the die, along x and y")
    thermal_time_s: float = Field(gt=0, le=1e9, description="correlation time of both")
    wander_pm_rthour: float = Field(ge=0, le=1e4, description="random walk of every ring by itself")


class RankingTable(Table):
    """Requirements of the ranking: limits of the feasibility report."""

    required_snr_dB: float = Field(ge=-20, le=100)
    weight_limit: float = Field(gt=0, le=1, description="the reachable weights must cover ± this")
    spacing_linewidths: float = Field(ge=0, le=1000, description="least channel spacing")


class SystemTable(Table):
    """System around the chip: query rate, energy of the electronics, efficiency of the light source.

    Only the ledger (`prism budget`) reads it; no optics depends on it.
    """

    query_rate_Hz: float = Field(gt=0, le=1e10, description="queries per second that share the static power")
    queries_per_program: float = Field(ge=1, le=1e12, description="queries between two loads of all weights")
    laser_wall_plug: float = Field(gt=0, le=1, description="optical over electrical power of the comb")
    tec_W: float = Field(ge=0, le=1000, description="thermoelectric cooler")
    driver_uW_ring: float = Field(ge=0, le=1e6, description="static power of one ring driver")
    ring_fF: float | None = Field(
        default=None,
        gt=0,
        le=1e6,
        exclude_if=_unused,
        description="electrodes of one ring with their wire and pad; those of the drawn metal where left out",
    )
    modulator_bandwidth_GHz: float = Field(gt=0, le=1000)
    modulator_pJ_symbol: float = Field(ge=0, le=1e6)
    dac_fJ_step: float = Field(ge=0, le=1e6, description="per conversion and code: 2^bits codes")
    adc_fJ_step: float = Field(ge=0, le=1e6, description="per conversion and code: 2^bits codes")
    tia_mW: float = Field(ge=0, le=1e5, description="one row's amplifier, always on")
    topk_pJ_row: float = Field(ge=0, le=1e6, description="selecting the largest scores, per row")
    topk_ns: float = Field(ge=0, le=1e6)
    host_link_pJ_bit: float = Field(ge=0, le=1e4)
    host_link_ns: float = Field(ge=0, le=1e6, description="query to the chip and indices back")
