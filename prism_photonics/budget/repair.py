"""Repair of a spec that breaks rules: at most three edits, one each of its lines, its rings, and its light.

The rings are sized anew by the closed forms (`ring_sizing`), light and receiver by the rules (`light_sizing`), the
lines by what one free spectral range holds. What need not be changed is put back, key by key. Every repair was tried by
all rules, in the order in which its edits are made.
"""

import math
from collections.abc import Iterator
from itertools import islice, permutations

from prism_photonics.budget.finding import Cure, Finding, Judge
from prism_photonics.budget.light_sizing import Changes, size_light, with_keys
from prism_photonics.budget.ring_sizing import least_pitch_um, size_rings
from prism_photonics.budget.rules_ring import COERCIVE_SHARE
from prism_photonics.budget.settle import settle
from prism_photonics.budget.smooth_turns import arms_near_um
from prism_photonics.budget.trimming import least_heater_mW_nm
from prism_photonics.lightpath.splitter.design import smaller_trees
from prism_photonics.spec import ChipSpec
from prism_photonics.spec.geometry import uturn_design
from prism_photonics.units import SPEED_OF_LIGHT_UM_S

GROUPS = ("lines", "rings", "light")
RECIPES = (
    ("light",),
    ("rings",),
    ("rings", "light"),
    ("lines", "rings", "light"),
)
"""Groups of keys that are sized anew, few and easy ones first."""
MOVED_BY = {
    "lines": {
        "fsr_aliasing",
        "band",
        "comb_range",
        "spacing_linewidths",
        "coherence",
        "row_reach",
        "die_area",
        "score_snr",
    },
    "rings": {
        "fsr_aliasing",
        "band",
        "spacing_linewidths",
        "coherence",
        "tuning_range",
        "row_reach",
        "coercive_field",
        "electrode_gap",
        "electrode_lobe",
        "driver_step",
        "bend_radius",
        "trimming_power",
        "drift",
        "drift_common",
        "ring_power",
        "connections",
        "die_area",
    },
    "light": {
        "link_budget",
        "line_swing",
        "bus_power",
        "ring_power",
        "converter_range",
        "query_dac",
        "adc_noise",
        "score_snr",
        "drift_common",
    },
}
"""Rules on which each group has a say."""
MOST_ATTEMPTS = 24
"""Specs that are looked at for one choice of groups; design choice."""
MOST_DBM = 20.0
"""Power of a line that a repair asks for at most; design choice."""
VOLTS = (5.0, 8.0, 10.0, 12.0, 15.0, 20.0, 25.0, 30.0, 40.0, 50.0, 56.0)
"""Drive limits of drivers that can be bought; design choice."""
LIGHT_KEYS = frozenset(
    {
        "comb.line_power_dBm",
        "drive.dac_bits",
        "modulator.dac_bits",
        "detector.adc_bits",
        "detector.adc_full_scale_uA",
        "detector.bandwidth_GHz",
    }
)
"""Keys of light, receiver and converters that repairs move."""
LIGHT_STEP_dB = 0.25
"""In which light is moved no farther than it must be; design choice."""
LEAST_TRIED = -0.1
"""Headroom by the closed forms from which rings are settled and tried: the grid of the drawing moves it so much."""
RESIDUALS_PM = (10.0, 7.0, 5.0, 3.0)
"""Finer trimming that is asked for where no drive is enough; design choice."""


def repair(spec: ChipSpec, findings: list[Finding], judge: Judge) -> tuple[Cure, ...] | None:
    """At most three edits after which a spec keeps every rule, in the order in which they are made.

    Args:
        spec: The spec that breaks rules.
        findings: All rules' findings on it.
        judge: Rules' findings on another spec.

    Returns:
        The edits, each a group of keys; None where these groups cannot mend it.
    """
    broken = {found.rule for found in findings if not found.passed}
    tried: set[tuple[tuple[str, float | int | str], ...]] = set()
    for fewer_rows in (False, True):
        for recipe in RECIPES:
            if not broken <= _moved_by(recipe) or (fewer_rows and "lines" not in recipe):
                continue
            for changes in islice(_attempts(spec, recipe, judge, fewer_rows), MOST_ATTEMPTS):
                if (key := tuple(sorted(changes.items()))) not in tried and _feasible(spec, changes, judge):
                    needed = _no_farther(spec, _without_needless(spec, changes, judge), judge)
                    return _edits(spec, needed, judge)
                tried.add(key)
    return None


def of_light(cure: Cure) -> bool:
    """Whether a cure turns light, receiver and converters alone: nothing that the chip is for or stands in."""
    return all(key in LIGHT_KEYS for key in cure.keys)


def group_of(key: str) -> str:
    """Which of `GROUPS` a key belongs to."""
    table, _, name = key.partition(".")
    if table == "chip" or (table == "comb" and name != "line_power_dBm"):
        return "lines"
    return "rings" if table in ("ring", "drive", "waveguide", "trim") else "light"


def line_options(spec: ChipSpec) -> Iterator[Changes]:
    """Lines for a spec's rings, few buses first: channels by buses, spacing within one free spectral range, first line.

    Yields:
        Keys of ``[chip]`` and ``[comb]``; a grid equal in frequency stays one, an ITU grid keeps to 25 GHz.
    """
    profile, rings = spec.profile, spec.chip.rings
    wl_um = profile.optics.wl0_um.value
    n_g = 0.5 * (profile.optics.n_g_along_x.value + profile.optics.n_g_along_y.value)
    # Of the smallest ring that the film allows, its shortest straights included.
    turn = spec.ring.turn(spec.ring.radius_for_um(profile.film.min_bend_radius_um.value))
    (arm_um,) = arms_near_um(spec, spec.ring, turn.radius_um, (0.0,))
    fsr_nm = 1e3 * wl_um**2 / (n_g * (4.0 * turn.length_um + 2.0 * arm_um + 4.0))
    even = 2 if spec.modulator.encoding == "dual_rail" else 1
    for channels in range(rings, 0, -1):
        buses = rings // channels
        if rings % channels or channels % even or channels > 256 or buses > 64:
            continue
        own_nm, most_nm = spec.comb_design.spacing_um * 1e3, 0.99 * fsr_nm / channels
        split: Changes = {"chip.channels": channels, "chip.buses": buses}
        for spacing_nm in dict.fromkeys((min(own_nm, most_nm), most_nm, 0.6 * most_nm)):
            yield split | _grid_keys(spec, channels, spacing_nm, exact=spacing_nm == own_nm)


def _grid_keys(spec: ChipSpec, channels: int, spacing_nm: float, *, exact: bool) -> Changes:
    """Keys of the comb for a spacing, and for a first line that keeps the comb within the mode tables."""
    comb, middle_um = spec.comb, spec.profile.optics.wl0_um.value
    band_nm = (channels - 1) * spacing_nm
    if comb.spacing_GHz is None:
        keys: Changes = {} if exact else {"comb.spacing_nm": max(math.floor(spacing_nm * 100.0) / 100.0, 0.02)}
        assert comb.first_wl_nm is not None
        if abs(comb.first_wl_nm + 0.5 * band_nm - 1e3 * middle_um) + 0.5 * band_nm > 45.0:
            keys["comb.first_wl_nm"] = round(1e3 * middle_um - 0.5 * band_nm, 1)
        return keys
    step_GHz = 25.0 if comb.first_itu_channel is not None else 5.0
    wide_GHz = spacing_nm * 1e-3 / middle_um**2 * SPEED_OF_LIGHT_UM_S * 1e-9
    keys = {} if exact else {"comb.spacing_GHz": max(math.floor(wide_GHz / step_GHz), 1) * step_GHz}
    middle_THz = SPEED_OF_LIGHT_UM_S / middle_um * 1e-12
    first_THz = middle_THz + 0.5 * (channels - 1) * wide_GHz * 1e-3
    own_THz = SPEED_OF_LIGHT_UM_S / spec.comb_design.wl_um[0] * 1e-12
    if abs(own_THz - first_THz) + 0.5 * (channels - 1) * wide_GHz * 1e-3 > 5.5:
        if comb.first_itu_channel is not None:
            keys["comb.first_itu_channel"] = round((first_THz - 190.0) / 0.1)
        else:
            keys["comb.first_channel_THz"] = round(first_THz, 1)
    return keys


def ring_options(spec: ChipSpec, judge: Judge) -> Iterator[Changes]:
    """Rings for a spec's lines, those first that keep its line shape, then its drive, its radius and its trimming."""
    yield from _same_shape(spec, judge)
    ring, own_V = spec.ring, spec.drive.max_voltage_V
    trimmed: Changes = {"trim.method": "permanent"} if spec.trim.method == "none" else {}
    most_V = COERCIVE_SHARE * spec.profile.electrooptics.coercive_field_V_um.value * ring.electrode_gap_um
    higher = [volts for volts in VOLTS if own_V < volts <= most_V]
    finer = [pm for pm in RESIDUALS_PM if pm < spec.trim.residual_pm]
    least_um = ring.radius_for_um(spec.profile.film.min_bend_radius_um.value)
    radius = [ring.radius_um] if ring.radius_um >= least_um else None
    tries: list[tuple[Changes, list[float], list[float] | None]] = []
    for trim in ({},) if not trimmed else ({}, trimmed):
        for volts in ([min(own_V, most_V)], higher):
            tries += [(trim, volts, radii) for radii in (radius, None) if volts and (radii or radii is None)]
    tries += [(trimmed | {"trim.residual_pm": pm}, [min(own_V, most_V), *higher], None) for pm in finer]
    # The most that any of them can do: one look instead of all.
    freest = with_keys(spec, trimmed | ({"trim.residual_pm": finer[-1]} if finer else {}))
    if size_rings(freest, voltages_V=[max([own_V, *higher])]).headroom < LEAST_TRIED:
        return
    for trim, volts, radii in tries:
        changed = with_keys(spec, trim)
        choice = size_rings(changed, voltages_V=volts, radii_um=radii, arms_um=(0.0,))
        if choice.headroom < LEAST_TRIED:
            continue
        keys = trim | choice.keys | _routing(changed, judge)
        try:
            sized = with_keys(changed, keys)
            keys |= settle(sized, judge, keys=keys)
            yield keys | driver_and_heat(with_keys(sized, keys), judge)
        except ValueError:
            continue


def _same_shape(spec: ChipSpec, judge: Judge) -> Iterator[Changes]:
    """What mends rules on drawing, drivers and trimming, gaps and straights left as they are."""
    ring, film = spec.ring, spec.profile
    radius_um = max(ring.radius_um, ring.radius_for_um(film.film.min_bend_radius_um.value))
    electrode_um = film.electrooptics.electrode_gap_um.value
    most_V = COERCIVE_SHARE * film.electrooptics.coercive_field_V_um.value * electrode_um
    keys: Changes = {
        "ring.radius_um": radius_um,
        "ring.electrode_gap_um": electrode_um,
        "drive.max_voltage_V": min(spec.drive.max_voltage_V, math.floor(most_V * 10.0) / 10.0),
        "ring.pitch_um": max(
            ring.pitch_um, least_pitch_um(spec, radius_um=radius_um, straight_um=ring.straight_um + 1.0)
        ),
        **_routing(spec, judge),
    }
    for trim in ({},) if spec.trim.method != "none" else ({}, {"trim.method": "permanent"}):
        try:
            changed = with_keys(spec, keys | trim)
            lobe_deg = min(ring.lobe_half_angle_deg, math.floor(changed.ring_designs[0].widest_lobe_deg * 10.0) / 10.0)
            lobed: Changes = keys | trim | {"ring.lobe_half_angle_deg": max(lobe_deg, 0.1)}
            yield lobed | driver_and_heat(with_keys(spec, lobed), judge)
        except ValueError:
            continue


def _attempts(spec: ChipSpec, recipe: tuple[str, ...], judge: Judge, fewer_rows: bool) -> Iterator[Changes]:
    later = _moved_by(("light",)) if "light" in recipe else frozenset[str]()
    for lines in _line_choices(spec, fewer_rows) if "lines" in recipe else iter(({},)):
        try:
            lined = with_keys(spec, lines)
        except ValueError:
            continue
        for rings in ring_options(lined, judge) if "rings" in recipe else iter(({},)):
            changes = lines | rings
            ringed = with_keys(spec, changes)
            left = {found.rule for found in judge(ringed) if not found.passed}
            if left <= later:
                if "light" in recipe:
                    changes |= size_light(ringed, judge, most_dBm=max(MOST_DBM, spec.comb.line_power_dBm))
                    changes |= _package(with_keys(spec, changes), judge)
                yield changes
            elif "die_area" in left:
                break


def _line_choices(spec: ChipSpec, fewer_rows: bool) -> Iterator[Changes]:
    """Lines for all rows, or else for as many as trees of fewer levels have outputs: rows between save no light."""
    for rows in (spec.chip.rows, *(smaller_trees(spec.chip.rows) if fewer_rows else ())):
        yield from ({"chip.rows": rows} | lines for lines in line_options(spec))


def _moved_by(recipe: tuple[str, ...]) -> frozenset[str]:
    """Rules on whose value or limit the groups of a recipe have a say."""
    return frozenset().union(*(MOVED_BY[group] for group in recipe))


def _routing(spec: ChipSpec, judge: Judge) -> Changes:
    """Routing bends that the film allows, and that leave room for bumps from row to row."""
    sharper = uturn_design(spec).quarter.least_radius_um / spec.waveguide.bend_radius_um
    least_um = max(spec.profile.film.min_bend_radius_um.value / sharper, 30.0 if spec.flip_chip else 0.0)
    least_um = math.ceil(1e3 * least_um - 1e-6) / 1e3  # on the drawing's grid
    return {"waveguide.bend_radius_um": least_um} if spec.waveguide.bend_radius_um < least_um else {}


def driver_and_heat(spec: ChipSpec, judge: Judge) -> Changes:
    """Drivers with the codes that small weights need, heaters that the package can cool."""
    found = {finding.rule: finding for finding in judge(spec, ("driver_step", "trimming_power"))}
    changes: Changes = {}
    step = found["driver_step"]
    if not step.passed:
        changes["drive.dac_bits"] = spec.drive.dac_bits + math.ceil(math.log2(step.value / step.limit) + 1e-9)
    heat = found["trimming_power"]
    if not heat.passed:
        needed_mW_nm = float(f"{0.95 * spec.trim.heater_mW_nm * heat.limit / heat.value:.2g}")
        # Nobody has built better ones: then it is too many rings for heaters.
        if needed_mW_nm >= least_heater_mW_nm(spec):
            changes["trim.heater_mW_nm"] = needed_mW_nm
    return changes


def _package(spec: ChipSpec, judge: Judge) -> Changes:
    """A package that holds its temperature well enough, where rings alone do not do."""
    (common,) = judge(spec, ("drift_common",))
    if common.passed or common.value <= 0.0:
        return {}
    return {"drift.temperature_K": float(f"{0.95 * spec.drift.temperature_K * common.limit / common.value:.2g}")}


def _feasible(spec: ChipSpec, changes: Changes, judge: Judge) -> bool:
    try:
        return all(found.passed for found in judge(with_keys(spec, changes)))
    except (ValueError, ArithmeticError):
        return False


def _without_needless(spec: ChipSpec, changes: Changes, judge: Judge) -> Changes:
    """The changes without those that no rule needs: first whole groups are put back, then single keys."""
    data = spec.model_dump()

    def own(key: str) -> object:
        table, name = key.split(".")
        return data[table].get(name)

    needed = {key: value for key, value in changes.items() if value != own(key)}
    groups = [tuple(key for key in needed if group_of(key) == group) for group in GROUPS]
    # A bus of fewer lines and more buses belong together: a row keeps its rings.
    pairs = (("chip.channels", "chip.buses"), ("ring.gap_through_um", "ring.gap_drop_um"))
    singles = [(key,) for key in needed if key not in (*pairs[0], *pairs[1])]
    for keys in (*groups, *pairs, *singles):
        fewer = {key: value for key, value in needed.items() if key not in keys}
        if len(fewer) < len(needed) and _feasible(spec, fewer, judge):
            needed = fewer
    return needed


def _no_farther(spec: ChipSpec, changes: Changes, judge: Judge) -> Changes:
    """The changes with light, and with rows where room or heat is short, no farther from the spec's own than they must.

    Light was sized for headroom, rows for the next tree.
    """
    nearest = dict(changes)
    if isinstance(power_dBm := changes.get("comb.line_power_dBm"), float):
        away_dB = power_dBm - spec.comb.line_power_dBm
        steps = range(1, math.floor(abs(away_dB) / LIGHT_STEP_dB))
        powers = (round(spec.comb.line_power_dBm + math.copysign(LIGHT_STEP_dB * n, away_dB), 2) for n in steps)
        nearest |= _nearest(spec, changes, "comb.line_power_dBm", list(powers), judge=judge)
    if isinstance(rows := changes.get("chip.rows"), int):
        nearest |= _nearest(spec, nearest, "chip.rows", list(range(spec.chip.rows - 1, rows, -1)), judge=judge)
    return nearest


def _nearest(spec: ChipSpec, changes: Changes, key: str, values: list[float | int], *, judge: Judge) -> Changes:
    """The first of ever farther values of one key with which the changes keep every rule, by halving; else its own."""
    low, high = -1, len(values)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _feasible(spec, changes | {key: values[middle]}, judge) else (middle, high)
    return {key: values[high]} if high < len(values) else {}


def _edits(spec: ChipSpec, changes: Changes, judge: Judge) -> tuple[Cure, ...] | None:
    """The changes group by group, in an order in which each leaves a valid spec, those first that break no more."""
    groups = [group for group in GROUPS if any(group_of(key) == group for key in changes)]
    best: tuple[int, tuple[Cure, ...]] | None = None
    for order in permutations(groups):
        done: Changes = {}
        broken = 0
        edits = []
        for group in order:
            keys = tuple(key for key in changes if group_of(key) == group)
            done |= {key: changes[key] for key in keys}
            try:
                broken += sum(not found.passed for found in judge(with_keys(spec, done)))
            except (ValueError, ArithmeticError):
                break
            edits.append(Cure(keys, tuple(changes[key] for key in keys)))
        else:
            if best is None or broken < best[0]:
                best = broken, tuple(edits)
    return None if best is None else best[1]
