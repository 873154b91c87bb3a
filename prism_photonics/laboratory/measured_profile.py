"""``process.toml``: what was measured of a film, laid over its profile; each number with the files it comes from."""

import json
import math
from collections.abc import Mapping, Sequence

import numpy as np

from prism_photonics.laboratory.extract import Record, law_over_gaps
from prism_photonics.laboratory.series import loss_dB_turn, scatter_of
from prism_photonics.lightpath.ring.design import RingDesign
from prism_photonics.lightpath.ring.place import coupler_um, optical_lengths_um
from prism_photonics.process.profile import film_name
from prism_photonics.spec import ChipSpec
from prism_photonics.units import UM_PER_CM, InputError, counted

MOST_OFF = 0.2
"""Relative difference of a measured group index from the film's beyond which it is another film's; design choice."""
MOST_NAMED = 3


def process_toml(records: Sequence[Record], spec: ChipSpec, ring: RingDesign) -> str:
    """The text of a measured profile, which a spec may name as its ``process``.

    Args:
        records: Measured rings of that film, all as long as ``ring``.
        spec: The chip that they were drawn for; its film is what the profile overlays.
        ring: The ring that was measured.

    Returns:
        TOML: ``base``, and the numbers that were measured. Loss of a turn goes over into dB/cm whole, bends and
        couplers included; group indices of both directions are scaled together by the ring's.

    Raises:
        InputError: The rings are not of this film.
    """
    profile, length_um = spec.profile, ring.lengths.total_um
    lines: dict[str, tuple[float, str]] = {}
    combs = [(one.file, one.rings[0].comb) for one in records]
    wl0_nm = 1e3 * profile.optics.wl0_um.value
    turns = [(file, comb.turn_at_um(wl0_nm), comb.turn_error_at_um(wl0_nm)) for file, comb in combs if comb is not None]
    if turns:
        files, measured = _named([file for file, _, _ in turns]), float(np.median([turn for _, turn, _ in turns]))
        _, designed = optical_lengths_um(profile, ring.lengths)
        ratio = measured / designed
        if abs(ratio - 1.0) > MOST_OFF:
            raise InputError(
                f"process.toml: the rings' n_g·L is {measured:.5g} µm, want {designed:.5g} µm within "
                f"{100 * MOST_OFF:.0f} % as for a "
                f"ring of {length_um:.5g} µm in {film_name(spec.process)}; give the spec and --device that were "
                "measured"
            )
        std = 0.5 * float(np.ptp([turn for _, turn, _ in turns])) if len(turns) > 1 else turns[0][2]
        for key in ("n_g_along_x", "n_g_along_y"):
            value = getattr(profile.optics, key).value * ratio
            lines[key] = (
                value,
                f"measured ± {value * std / measured:.2g}, scaled with the ring's mean over both directions: {files}",
            )
    known = [one for one in records if any(math.isfinite(r.loss_dB_turn) for r in one.rings[0].resonances)]
    if known:
        telling = [[r for r in one.rings[0].resonances if math.isfinite(r.loss_dB_turn)] for one in known]
        scatter = scatter_of(telling)
        losses = [loss_dB_turn(ring, scatter) for ring in telling]
        per = UM_PER_CM / length_um
        std = (
            np.median([s for _, s in losses])
            if len(losses) == 1
            else np.std([v for v, _ in losses], ddof=1) / np.sqrt(len(losses))
        )
        value = float(np.median([v for v, _ in losses])) * per
        if value > 0.0:
            lines["loss_dB_cm"] = (
                value,
                f"measured ± {std * per:.2g}, of a turn with its bends and couplers: {_named([o.file for o in known])}",
            )
    law = law_over_gaps(records)
    if law is not None:
        # κ² ∝ C² and C falls by e over g_d, up to the slow growth of √g_d in the effective length.
        decay_um = 2e-3 * law.decay_nm
        gap_um = 1e-3 * float(np.median(law.gap_nm))
        kappa2 = law.kappa2_0 * math.exp(-1e3 * gap_um / law.decay_nm)
        reach_um = coupler_um(ring.quarter, ring.straight_um, decay_um)
        files = _named([one.file for one in records if one.device.gap_nm is not None])
        lines["coupling_gap_um"] = gap_um, "the gap at which coupling_per_um holds"
        lines["coupling_decay_um"] = (
            decay_um,
            f"measured ± {2e-3 * law.decay_nm_std:.2g}, twice the decay of κ²: {files}",
        )
        lines["coupling_per_um"] = (
            math.asin(math.sqrt(min(kappa2, 1.0))) / reach_um,
            f"measured, scatter of κ² {100 * law.scatter:.1f} %, over an effective length of {reach_um:.4g} µm: "
            f"{files}",
        )
    return profile_text(film_name(spec.process), _what(records), lines)


def profile_text(base: str, description: str, lines: Mapping[str, tuple[float, str]]) -> str:
    """TOML of a measured profile.

    Args:
        base: The film that it overlays.
        description: What was measured.
        lines: Numbers of ``[optics]``, each with where it comes from.
    """
    text = [f'base = "{base}"', f"description = {json.dumps(description, ensure_ascii=False)}", "", "[optics]"]
    text += [
        f"{key} = {{ value = {value:.9g}, source = {json.dumps(source, ensure_ascii=False)} }}"
        for key, (value, source) in lines.items()
    ]
    return "\n".join(text) + "\n"


def _what(records: Sequence[Record]) -> str:
    return f"measured on {counted(len(records), 'sweep')} by prism extract"


def _named(files: Sequence[str]) -> str:
    more = len(files) - MOST_NAMED
    return ", ".join(files[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
