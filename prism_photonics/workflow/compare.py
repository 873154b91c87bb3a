"""``prism simulate --measured``: a chip's design against what was measured of it, ring by ring."""

import io
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float
from numpy import ndarray

from prism_photonics.circuit.params import ring_params
from prism_photonics.files.arrays import open_file
from prism_photonics.laboratory.die_profile import designs_of
from prism_photonics.laboratory.outcome import plain
from prism_photonics.lightpath.ring.design import RingDesign
from prism_photonics.lightpath.ring.figures import extreme_transmissions, linewidth_um
from prism_photonics.lightpath.ring.model import RingParams
from prism_photonics.lightpath.ring.place import resonance_um
from prism_photonics.spec import ChipSpec
from prism_photonics.units import InputError, counted

FILE = "extract.nc"
WANTED = ("name", "wl_nm", "q_loaded", "kappa2_through", "loss_dB_turn", "extinction_dB", "length_um")
CURE = "extract the die by prism extract --manifest"
GRID_UM = 1e-3
OUT_OF_REACH = 8.0
SETTINGS = 401
"""Voltages at which the reachable weights are looked for."""


@dataclass(frozen=True)
class ComparedRing:
    """One ring, designed and measured.

    Attributes:
        name: In the manifest.
        wl_design_nm: Resonance as designed, of the order nearest to the measured one.
        wl_measured_nm: Resonance as measured: of a row's ring the one nearest to its channel.
        shift_pm: Measured minus designed.
        q_design: Loaded Q.
        q_measured: The same, the median over its resonances.
        depth_design_dB: Depth of the dip behind the ring.
        depth_measured_dB: The same, the median.
        range_design: Weights that its channel can be given by the driver's voltages, highest minus lowest; NaN for a
            test ring, which serves no channel.
        range_measured: The same of the measured ring, where it rests.
        bits_lost: log2 of both, as it is.
        bits_lost_in_place: The same, once the ring has been brought to its channel.
    """

    name: str
    wl_design_nm: float
    wl_measured_nm: float
    shift_pm: float
    q_design: float
    q_measured: float
    depth_design_dB: float
    depth_measured_dB: float
    range_design: float
    range_measured: float
    bits_lost: float
    bits_lost_in_place: float


@dataclass(frozen=True)
class Comparison:
    """A chip, designed and measured.

    Attributes:
        rings: Those that were measured.
        missing: Names of those that were not.
        folder: Where they were measured.
    """

    rings: tuple[ComparedRing, ...]
    missing: tuple[str, ...]
    folder: Path

    def summary(self) -> dict[str, Any]:
        """Medians over the rings of rows, and the worst of them."""
        rows = [ring for ring in self.rings if math.isfinite(ring.range_design)] or list(self.rings)
        bits, placed = ([getattr(ring, name) for ring in rows] for name in ("bits_lost", "bits_lost_in_place"))
        return {
            "measured": len(self.rings),
            "missing": len(self.missing),
            "shift_pm_median": float(np.median([ring.shift_pm for ring in rows])),
            "shift_pm_rms": float(np.sqrt(np.mean([ring.shift_pm**2 for ring in rows]))),
            "q_measured_over_design_median": float(np.median([ring.q_measured / ring.q_design for ring in rows])),
            "bits_lost_median": _of(np.median, bits),
            "bits_lost_worst": _of(np.max, bits),
            "bits_lost_in_place_median": _of(np.median, placed),
            "bits_lost_in_place_worst": _of(np.max, placed),
        }

    def to_json(self) -> dict[str, Any]:
        """The comparison as plain data; what a ring does not tell is None."""
        rings = [asdict(ring) for ring in self.rings]
        return plain(
            {"folder": str(self.folder), **self.summary(), "missing_rings": list(self.missing), "rings": rings}
        )

    def lines(self) -> list[str]:
        """A table for a person."""
        head = (
            f"{'ring':<22}{'resonance nm':>14}{'shift pm':>10}{'Q design':>10}{'measured':>10}{'depth dB':>10}"
            f"{'measured':>10}{'bits lost':>11}{'in place':>10}"
        )
        told = [head]
        for ring in self.rings:
            bits = "".join(
                f"{_bits(value):>{width}}" for value, width in ((ring.bits_lost, 11), (ring.bits_lost_in_place, 10))
            )
            told.append(
                f"{ring.name:<22}{ring.wl_measured_nm:>14.3f}{ring.shift_pm:>+10.0f}{ring.q_design:>10,.0f}"
                f"{ring.q_measured:>10,.0f}{ring.depth_design_dB:>10.1f}{ring.depth_measured_dB:>10.1f}{bits}"
            )
        if self.missing:
            few = ", ".join(self.missing[:4]) + (" …" if len(self.missing) > 4 else "")
            told.append(f"not measured: {counted(len(self.missing), 'ring')}: {few}")
        whole = self.summary()
        told.append(
            f"shift {whole['shift_pm_median']:+.0f} pm in the median, {whole['shift_pm_rms']:.0f} pm rms; Q is "
            f"{whole['q_measured_over_design_median']:.2f} of the design's"
        )
        if whole["bits_lost_median"] is not None:
            told.append(
                f"bits of weight lost: {_bits(whole['bits_lost_median'])} in the median where the rings rest, worst "
                f"{_bits(whole['bits_lost_worst'])}; brought to their channels "
                f"{_bits(whole['bits_lost_in_place_median'])}, worst {_bits(whole['bits_lost_in_place_worst'])}"
            )
        return told


def compare_measured(spec: ChipSpec, folder: Path) -> Comparison:
    """Hold a designed chip against the folder of an extracted die.

    What a difference costs is told in bits of weight: a ring's channel can be given the weights that its transmission
    runs through while the driver goes from −max to +max. The fewer of them, the more the whole row must be scaled
    down, log2(range designed / range measured) bits.

    Raises:
        InputError: No extracted die is there, or that of another chip.
    """
    path = folder / FILE
    data = _read(path)
    was = str(data.attrs.get("spec_hash", spec.hash))
    if was != spec.hash:
        raise InputError(
            f"{path}: measured was {data.attrs.get('chip', 'another chip')} (spec {was[:12]}), this is {spec.name} "
            f"(spec {spec.hash[:12]}); give the spec that was drawn"
        )
    designs = {**_row_designs(spec), **{name: (design, None) for name, design in designs_of(spec).items()}}
    names = np.asarray(data["name"].values, str)
    unknown = sorted(set(names) - designs.keys())
    if unknown:
        raise InputError(
            f"{path}: got ring {unknown[0]}, {spec.name} has none of this name; give the spec that was drawn"
        )
    rings = []
    for name, (design, channel_nm) in designs.items():
        at = np.flatnonzero(names == name)
        if not len(at):
            continue
        length_um = float(data["length_um"].values[at[0]])
        if abs(length_um - design.length_um) > GRID_UM:
            raise InputError(
                f"{path}: {name} was drawn {length_um:.4f} µm long, in {spec.name} it is {design.length_um:.4f} µm; "
                "give the spec that was drawn"
            )
        rings.append(
            _compared(
                spec,
                name,
                design,
                channel_nm=channel_nm,
                measured={key: data[key].values[at] for key in WANTED[1:]},
            )
        )
    if not rings:
        raise InputError(f"{path}: got no ring of {spec.name}, want those of its rows or test structures; {CURE}")
    seen = {ring.name for ring in rings}
    return Comparison(tuple(rings), tuple(name for name in designs if name not in seen), folder)


def _read(path: Path) -> xr.Dataset:
    if not path.is_file():
        raise InputError(f"{path.parent}: got no {FILE}, want the folder of an extracted die; {CURE}")
    with open_file(str(path), path, want="what prism extract wrote") as stream:
        raw = stream.read()
    try:
        data = xr.load_dataset(io.BytesIO(raw), engine="scipy")
    except Exception as error:
        raise InputError(f"{path}: damaged ({type(error).__name__}), want what prism extract wrote; {CURE}") from error
    missing = [name for name in WANTED if name not in data]
    if missing:
        raise InputError(f"{path}: got no {missing[0]} of its rings, want a die whose rings have names; {CURE}")
    return data


def _row_designs(spec: ChipSpec) -> dict[str, tuple[RingDesign, float | None]]:
    """Designs of the rows' rings by the manifest's names, each with its channel."""
    found: dict[str, tuple[RingDesign, float | None]] = {}
    for bus in range(spec.chip.buses):
        bank = f"bank_{bus}/" if spec.chip.buses > 1 else ""
        for row in range(spec.chip.rows):
            for channel, design in enumerate(spec.ring_designs):
                found[f"{bank}row_{row}/ring_{channel}"] = design, 1e3 * spec.comb_design.wl_um[channel]
    return found


def _compared(
    spec: ChipSpec, name: str, design: RingDesign, *, channel_nm: float | None, measured: dict[str, ndarray]
) -> ComparedRing:
    ring = ring_params(design, spec.profile, loss_dB_cm=spec.waveguide.loss_dB_cm, xp=np)
    wl_nm = measured["wl_nm"]
    near = int(np.argmin(np.abs(wl_nm - (channel_nm if channel_nm is not None else np.median(wl_nm)))))
    at_nm = float(wl_nm[near])
    designed_nm = 1e3 * float(resonance_um(spec.profile, design.lengths, near_um=1e-3 * at_nm))
    width_um = linewidth_um(ring.t1, ring.t2, ring.a, wl_um=1e-3 * at_nm, gpl_um=ring.gpl_um)
    depth, _ = extreme_transmissions(ring.t1, ring.t2, ring.a)
    kappa2, loss_dB = (float(np.nanmedian(measured[key])) for key in ("kappa2_through", "loss_dB_turn"))
    ranges = (math.nan,) * 3
    if channel_nm is not None and math.isfinite(kappa2) and math.isfinite(loss_dB):
        made = RingParams(
            t1=np.asarray(np.sqrt(1.0 - kappa2)),
            t2=np.asarray(np.sqrt(1.0 - kappa2)),
            a=np.asarray(10.0 ** (-loss_dB / 20.0)),
            **{key: getattr(ring, key) for key in ("opl_um", "gpl_um", "slope_pm_V", "wl0_um")},
            offset_pm=np.zeros(()),
            curvature_pm_V2=np.zeros(()),
        )
        bias_pm = 1e3 * (designed_nm - channel_nm)
        rest_pm = 1e3 * (at_nm - channel_nm)
        ranges = tuple(
            _weight_range(spec, each, off_pm) for each, off_pm in ((ring, bias_pm), (made, rest_pm), (made, bias_pm))
        )
    return ComparedRing(
        name=name,
        wl_design_nm=designed_nm,
        wl_measured_nm=at_nm,
        shift_pm=1e3 * (at_nm - designed_nm),
        q_design=float(1e-3 * at_nm / width_um),
        q_measured=float(np.nanmedian(measured["q_loaded"])),
        depth_design_dB=float(-10.0 * np.log10(max(float(depth), 1e-12))),
        depth_measured_dB=float(np.nanmedian(measured["extinction_dB"])),
        range_design=ranges[0],
        range_measured=ranges[1],
        bits_lost=math.log2(ranges[0] / ranges[1]),
        bits_lost_in_place=math.log2(ranges[0] / ranges[2]),
    )


def _weight_range(spec: ChipSpec, ring: RingParams, off_pm: float) -> float:
    """Highest minus lowest weight that a ring ``off_pm`` above its channel gives it within the driver's voltages."""
    limit_V = spec.drive.max_voltage_V
    shift_pm = off_pm + float(ring.slope_pm_V) * np.linspace(-limit_V, limit_V, SETTINGS)
    # The deepest point may lie between two settings.
    if shift_pm.min() < 0.0 < shift_pm.max():
        shift_pm = np.append(shift_pm, 0.0)
    weights = _weights(ring, shift_pm)
    return float(weights.max() - weights.min())


def _weights(ring: RingParams, off_pm: Float[ndarray, " settings"]) -> Float[ndarray, " settings"]:
    """T_through − T_drop of a ring so far from its resonance."""
    phi = 2.0 * np.pi * float(ring.gpl_um) * 1e-6 * off_pm / float(ring.wl0_um) ** 2
    x = float(ring.a) * np.exp(1j * phi)
    both = 1.0 - float(ring.t1) * float(ring.t2) * x
    through = np.abs((float(ring.t1) - float(ring.t2) * x) / both) ** 2
    drop = (1.0 - float(ring.t1) ** 2) * (1.0 - float(ring.t2) ** 2) * float(ring.a) / np.abs(both) ** 2
    return through - drop


def _bits(value: float) -> str:
    """Bits as a table has them; beyond `OUT_OF_REACH` the channel is out of the driver's reach."""
    if not math.isfinite(value):
        return "–"
    return f"> {OUT_OF_REACH:g}" if value > OUT_OF_REACH else f"{value:.2f}"


def _of(function: Any, values: list[float]) -> float | None:
    known = [value for value in values if math.isfinite(value)]
    return float(function(known)) if known else None
