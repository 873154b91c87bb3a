"""Fields of a calibration record: every array of its survey and of its fit, with its range, for one spec."""

from dataclasses import replace

import numpy as np

from prism_photonics.files.datasets import Dataset
from prism_photonics.files.fields import SPEC_HASH, YES_NO, Field, Number, Text, require_range
from prism_photonics.spec import ChipSpec
from prism_photonics.units import InputError

# Far beyond any chip, and far from where squares and exponentials overflow: what lies outside is no measurement.
LARGEST_CURRENT_A = 1e3
LARGEST_TIME_S = 1e10
LARGEST_COUNT = 1e12
LARGEST_SIGMA = 1e12  # a phase that no reading tells has no prior to bound its error

ATTRIBUTES: dict[str, Field] = {
    "spec": Text(wanted="the spec as JSON"),
    "spec_hash": Text(SPEC_HASH, "a spec's hash, 64 hexadecimal digits"),
    "extra": Text(wanted="further attributes as JSON"),
    "triggers": Number(low=0, high=LARGEST_COUNT, whole=True),
    "lost_readings": Number(low=0, high=LARGEST_COUNT, whole=True),
    "averages": Number(low=1, high=LARGEST_COUNT, whole=True),
    "probes": Number(low=0, high=LARGEST_COUNT, whole=True, optional=True),
}

_SIGMAS, _STD = (
    Number(low=-LARGEST_SIGMA, high=LARGEST_SIGMA, unit="standard deviations"),
    Number(low=0, high=LARGEST_SIGMA),
)
_AMPLITUDE = Number(low=0, high=1)
_PATH_UM = Number(low=0, high=1e8, unit="µm", above=True)
_ANY_SHIFT_PM = Number(low=-1e7, high=1e7, unit="pm")
_SHARE = Number(low=-1, high=1)
_CURRENT_A = Number(low=-LARGEST_CURRENT_A, high=LARGEST_CURRENT_A, unit="A")
_GAIN_A = Number(low=0, high=LARGEST_CURRENT_A, unit="A", above=True)
_WAVELENGTH_UM = Number(low=0.2, high=20, unit="µm")

_PLACE, _GAP, _SEGMENT = ("row", "bus", "place"), ("row", "bus", "gap"), ("row", "bus", "way", "segment")
_LANE, _ROW = ("row", "bus"), ("row",)
_FIT: dict[str, tuple[tuple[str, ...], Number]] = {
    "rows.rings.t1": (_PLACE, _AMPLITUDE),
    "rows.rings.t2": (_PLACE, _AMPLITUDE),
    "rows.rings.a": (_PLACE, _AMPLITUDE),
    "rows.rings.opl_um": (_PLACE, _PATH_UM),
    "rows.rings.gpl_um": (_PLACE, _PATH_UM),
    "rows.rings.offset_pm": (_PLACE, _ANY_SHIFT_PM),
    "rows.rings.slope_pm_V": (_PLACE, Number(low=-1e5, high=1e5, unit="pm/V")),
    "rows.rings.curvature_pm_V2": (_PLACE, Number(low=-1e5, high=1e5, unit="pm/V²")),
    "rows.rings.wl0_um": (_PLACE, _WAVELENGTH_UM),
    "rows.buses.opl_um": (_SEGMENT, Number(low=0, high=1e8, unit="µm")),
    "rows.buses.gpl_um": (_SEGMENT, Number(low=0, high=1e8, unit="µm")),
    "rows.buses.amplitude": (_SEGMENT, _AMPLITUDE),
    "rows.buses.phase_rad": (_SEGMENT, Number(low=-LARGEST_SIGMA, high=LARGEST_SIGMA, unit="rad")),
    "rows.buses.wl0_um": (_SEGMENT, _WAVELENGTH_UM),
    "rows.crosstalk": (_GAP, _SHARE),
    "rows.gain_A": (_PLACE, _GAIN_A),
    "rows.drop_ratio": (_LANE, Number(low=-1e3, high=1e3)),
    "wl_um": (("line",), _WAVELENGTH_UM),
    "dark_A": (_ROW, _CURRENT_A),
    "leak": ((), _AMPLITUDE),
    "light_scale": (("channel",), Number(low=0, high=1, above=True)),
    "unit_A": (_ROW, _GAIN_A),
    "residual_rms": (_LANE, Number(low=0, high=1e9)),
    "chi2": (_LANE, Number(low=0, high=1e30)),
    "excluded": (("row", "channel"), YES_NO),
    "channel_of_ring": (_PLACE, Number(low=0, high=1e6, whole=True)),
    "film": ((), Number(low=-1e3, high=1e3)),
}
_OF_RINGS, _OF_PATHS = (
    [name.removeprefix(f"rows.{part}.") for name in _FIT if name.startswith(f"rows.{part}.")]
    for part in ("rings", "buses")
)
BEYOND = "rows.beyond"
"""Where a record holds what the readings asked for beyond the plain row; of most chips nothing."""
_END, _WAY = ("row", "bus", "end"), ("row", "bus", "end", "reflector")
_SLOPE = Number(low=-1e9, high=1e9, unit="1/µm")
_BEYOND: dict[str, tuple[tuple[str, ...], Number]] = {
    **{f"{BEYOND}.{name}_pm": (_PLACE, _ANY_SHIFT_PM) for name in ("ccw_re", "ccw_im", "cw_re", "cw_im")},
    f"{BEYOND}.cubic_pm_V3": (_PLACE, Number(low=-1e5, high=1e5, unit="pm/V³")),
    f"{BEYOND}.end_re": (_END, _SHARE),
    f"{BEYOND}.end_im": (_END, _SHARE),
    f"{BEYOND}.ways.opl_um": (_WAY, Number(low=0, high=1e8, unit="µm")),
    f"{BEYOND}.ways.gpl_um": (_WAY, Number(low=0, high=1e8, unit="µm")),
    f"{BEYOND}.ways.amplitude": (_WAY, _AMPLITUDE),
    f"{BEYOND}.ways.phase_rad": (_WAY, Number(low=-LARGEST_SIGMA, high=LARGEST_SIGMA, unit="rad")),
    f"{BEYOND}.ways.wl0_um": (_WAY, _WAVELENGTH_UM),
    **{
        f"{BEYOND}.dispersion.{name}": (_PLACE, _SLOPE)
        for name in ("gpl_slope", "ln_kappa2_through_per_um", "ln_kappa2_drop_per_um")
    },
}
TM = f"{BEYOND}.tm"
"""Where a record holds TM; of most chips nothing."""
_TM: dict[str, tuple[tuple[str, ...], Number]] = {
    **{f"{TM}.rings.tm.{name}": _FIT[f"rows.rings.{name}"] for name in _OF_RINGS},
    # Of a coupler that passes more than half a beat there may be less than nothing.
    **{f"{TM}.rings.tm.{name}": (_PLACE, _SHARE) for name in ("t1", "t2")},
    f"{TM}.rings.conversion_rad": (_PLACE, Number(low=-np.pi, high=np.pi, unit="rad")),
    f"{TM}.rings.tuning_ratio": (_PLACE, Number(low=0, high=1e3)),
    **{f"{TM}.buses.{name}": _FIT[f"rows.buses.{name}"] for name in _OF_PATHS},
}
LEFT = "left"
"""Where a record holds what the fit leaves, line by line; those of before have none."""
_LINE = ("row", "bus", "line")
_LEFT: dict[str, tuple[tuple[str, ...], Number]] = {
    f"{LEFT}.chi2": (_LINE, Number(low=0, high=1e30)),
    f"{LEFT}.shares": ((*_LINE, "effect"), _AMPLITUDE),
}
APART = f"{LEFT}.apart"
"""Where a record holds which lines were set apart (`spoiled_lines`); of most chips none."""
_APART: dict[str, tuple[tuple[str, ...], Number]] = {APART: (_LINE, YES_NO)}
_UNKNOWNS = ("kappa1", "kappa2", "loss", "offset", "slope", "curvature", "phase_rad", "crosstalk", "gain", "drop_ratio")


def sizes(spec: ChipSpec) -> dict[str, int]:
    """Lengths of the axes that follow from a spec."""
    chip = spec.chip
    return {
        "row": chip.rows,
        "bus": chip.buses,
        "place": chip.channels,
        "line": chip.channels,
        "ring": chip.rings,
        "channel": chip.rings,
        "gap": chip.channels - 1,
        "way": 2,
        "segment": chip.channels + 1,
        "end": 4,
        "reflector": 1,
        "effect": 4,
    }


def voltage(spec: ChipSpec, axes: tuple[str, ...]) -> Number:
    """Ring voltages that a chip may have seen."""
    # A voltage on the DAC's grid may miss the limit by a rounding.
    most = spec.drive.max_voltage_V * (1.0 + 1e-9)
    return Number(axes, low=-most, high=most, unit="V")


def survey_fields(spec: ChipSpec) -> dict[str, Number]:
    """The arrays of a survey."""
    return {
        "volts_V": voltage(spec, ("setting", "row", "ring")),
        "current_A": replace(_CURRENT_A, axes=("setting", "channel", "row"), gaps=True),
        "dark_A": replace(_CURRENT_A, axes=("setting", "row"), gaps=True),
        "noise_A": replace(_GAIN_A, axes=("setting", "channel", "row"), gaps=True),
        "channel_of_ring": Number(_PLACE, low=0, high=spec.chip.channels - 1, whole=True),
        "time_s": Number(("setting", "channel"), low=0, high=LARGEST_TIME_S, unit="s"),
        "heater_mW": Number(("row", "ring"), low=0, high=1e6, unit="mW", optional=True),
    }


def fit_fields(
    scatter: tuple[str, ...],
    *,
    reflecting: bool = False,
    tm: bool = False,
    left: bool = False,
    apart: bool = False,
) -> dict[str, Number]:
    """The arrays of a fit; ``scatter`` names the standard deviations that follow from the spec."""
    axes = {"phase_rad": _GAP, "crosstalk": _GAP, "drop_ratio": _LANE}
    parts = ((_BEYOND, reflecting), (_TM, tm), (_LEFT, left), (_APART, apart))
    table = dict(_FIT)
    for part, there in parts:
        table |= part if there else {}
    for name in _UNKNOWNS:
        table[f"estimate.{name}"] = (axes.get(name, _PLACE), _SIGMAS)
        table[f"std.{name}"] = (axes.get(name, _PLACE), _STD)
    table |= {f"scatter.{name}": ((), replace(_STD, above=True)) for name in scatter}
    # A bus of one ring has no gaps between rings.
    return {f"fit.{name}": replace(field, axes=on, empty="gap" in on) for name, (on, field) in table.items()}


def require_survey(source: str, dataset: Dataset, *, cure: str) -> None:
    """Refuse an inconsistent survey: decreasing time, lines served twice, or a wrong count of lost readings.

    Raises:
        InputError: It names the first thing that is wrong.
    """
    backwards = np.flatnonzero(np.diff(dataset.time_s.values.ravel()) < 0.0)
    if backwards.size:
        setting, channel = np.unravel_index(backwards[0] + 1, dataset.time_s.shape)
        raise InputError(
            f"{source}: time_s runs backwards at setting {setting}, channel {channel}, want times that never fall; "
            f"{cure}"
        )
    require_permutations(source, "channel_of_ring", dataset.channel_of_ring.values, cure=cure)
    lost = sum(int((~np.isfinite(dataset[name].values)).sum()) for name in ("current_A", "dark_A"))
    said = dataset.attrs["lost_readings"]
    if lost != said:
        raise InputError(
            f"{source}: current_A and dark_A hold {lost} readings that are no numbers, want {said} as the record has "
            f"counted; {cure}"
        )
    # What a reading that gave no number may be off by is no number either, and only that.
    unsure = np.argwhere(~np.isfinite(dataset.noise_A.values) & np.isfinite(dataset.current_A.values))
    if unsure.size:
        setting, channel, row = unsure[0]
        raise InputError(
            f"{source}: noise_A = {dataset.noise_A.values[setting, channel, row]:g} at setting {setting}, channel "
            f"{channel}, row {row}, where current_A is a number, want one above 0; {cure}"
        )
    settings = len(dataset.volts_V)
    probes = Number(low=0, high=settings, whole=True)
    require_range(source, "probes", np.asarray(dataset.attrs.get("probes", 0)), probes, cure=cure)


def require_permutations(source: str, name: str, served: np.ndarray, *, cure: str) -> None:
    """Refuse rings of a bus two of which serve one channel.

    Raises:
        InputError: It names the row and the bus.
    """
    odd = np.argwhere((np.sort(served, axis=-1) != np.arange(served.shape[-1])).any(-1))
    if odd.size:
        row, bus = odd[0]
        raise InputError(
            f"{source}: {name} = {served[row, bus].tolist()} at row {row}, bus {bus}, want every channel once; {cure}"
        )
