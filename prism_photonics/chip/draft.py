"""A bench file for a chip of one's own: channel maps from its spec, and marks where its instruments are filled in."""

from collections.abc import Mapping, Sequence

from prism_photonics.chip.benchfile import MARK
from prism_photonics.chip.draft_commands import COMMANDS, SERVED_COMMANDS, SWEPT_COMMANDS
from prism_photonics.chip.heaters import has_heaters, heater_limit_mW
from prism_photonics.chip.laser import COMB, LIGHTS, TUNABLE_LASER
from prism_photonics.chip.serve import resource_name
from prism_photonics.chip.served import SAMPLE_S, SETTLE_S
from prism_photonics.chip.served_laser import DROP_GAIN, FINEST_STEP_NM, RANGES, SLOWEST_NM_S
from prism_photonics.chip.tunable import TunableLaser
from prism_photonics.spec import ChipSpec
from prism_photonics.units import InputError, nearest

VOLTAGE, HEATER, LIGHT, LASER, METER = ROLES = (
    "voltage_source", "heater_source", "light_source", "laser", "current_meter",
)  # fmt: skip
"""Roles of instruments, as the bench file names them."""
_RESOURCE = "VISA resource, such as TCPIP::10.0.0.5::5025::SOCKET"
_SETTLE = {
    VOLTAGE: "time in s in which an output settles, such as 0.002",
    HEATER: "time in s in which the die comes to rest, such as 0.01",
    LIGHT: "time in s in which a modulator settles, such as 0.001",
    LASER: "time in s in which it comes to another wavelength, such as 0.3",
    METER: "time in s in which its input settles, such as 0.001",
}
# Design choices: twice the settling time of a served chip; what its laser logs is off at most, by ten sigma; and a time
# in which a busy machine has compiled its first reading.
_SERVED_SETTLE_S, SERVED_ERROR_PM, SERVED_TIMEOUT_S = 2 * SETTLE_S, 2.0, 60.0
_LASER_KEYS = {
    "shortest_nm": "end of its range in nm, such as 1500.0",
    "longest_nm": "end of its range in nm, such as 1600.0",
    "wavelength_error_pm": "its stated error in pm, such as 10.0",
    "jitter_pm": "rms error of one wavelength of a sweep in pm, such as 1.0",
    "smallest_step_pm": "finest step of its triggers in pm, such as 0.1; what is finer is stepped to",
    "slowest_nm_s": "slowest continuous sweep in nm/s, such as 0.5",
    "fastest_nm_s": "fastest continuous sweep in nm/s, such as 50.0; 0.0 if it only steps",
    "sweep_s": "dead time of a sweep in s, such as 1.0",
    "wavelength_unit": "unit of the wavelength that it reads back: nm, um, m or pm",
    "log_unit": "unit of the wavelengths that it logs: nm, um, m, pm or 0.1pm",
    "log_format": "ascii, float32, float64 or int32",
}


def draft(spec: ChipSpec, *, resources: Mapping[str, Sequence[str]] | None = None, light: str = COMB) -> str:
    """Text of a bench file for instruments, marked where it is to be filled in.

    Args:
        spec: The chip.
        resources: VISA resources of the instruments of a role, see `ROLES`; several of one role share its rows or
            lines evenly, in order. One each by default, whose resource is to be filled in.
        light: ``comb``, or ``tunable_laser`` for one laser and a pair of meter channels for each row.

    Returns:
        TOML. `BenchFile.from_toml` refuses it in one line until the last mark has been filled in.

    Raises:
        InputError: More instruments of a role than rows or lines, heaters of a chip that has none, instruments of the
            other kind of light, or a resource that is not printable ASCII.
    """
    resources = resources or {}
    other = LIGHT if require_light(light) == TUNABLE_LASER else LASER
    if resources.get(other):
        raise InputError(
            f"{other} {resources[other][0]}: a bench whose light is '{light}' has none; leave it out, or give the "
            "other --light"
        )
    if resources.get(HEATER) and not has_heaters(spec):
        raise InputError(
            f"heater source {resources[HEATER][0]}: {spec.name} has no heaters (trim.method = '{spec.trim.method}'); "
            "leave it out"
        )
    head = [
        f"# Bench of {spec.name}: {spec.chip.rows} rows of {spec.chip.rings} rings. Fill in every {MARK} from your",
        "# instruments' manuals; 'prism bench check' says in one line what is left. docs/bench.md explains every key.",
    ]
    return _text(spec, head, resources, served=False, light=light)


def draft_served(spec: ChipSpec, port: int, *, light: str = COMB) -> str:
    """Text of a complete bench file for ``prism bench serve`` of this chip at a port of this machine.

    Args:
        spec: The chip.
        port: The TCP port.
        light: Kind of light that is served.
    """
    option = "" if require_light(light) == COMB else f" --light {light}"
    head = [f"# Bench of {spec.name}, served: 'prism bench serve SPEC --port {port}{option}' answers here."]
    return _text(spec, head, {role: [resource_name(port)] for role in ROLES}, served=True, light=light)


def require_light(light: str) -> str:
    """A kind of light.

    Raises:
        InputError: There is none of that name.
    """
    if light not in LIGHTS:
        raise InputError(f"--light {light}: unknown kind of light; {nearest(light, LIGHTS)}")
    return light


def _text(spec: ChipSpec, head: list[str], resources: Mapping[str, Sequence[str]], *, served: bool, light: str) -> str:
    name = spec.name[:57]
    lines = [
        *head,
        f'name = "{name}_{"served" if served else "bench"}"',
        "safe_voltage_V = 0.0  # where the rings are parked, whatever ends a job",
    ]
    if light == TUNABLE_LASER:
        lines += ["", "[light]", 'kind = "tunable_laser"  # one line at a time, at full power; a "comb" has modulators']
    other = LIGHT if light == TUNABLE_LASER else LASER
    for role in ROLES:
        if role == other or (role == HEATER and not has_heaters(spec)):
            continue
        given: Sequence[str | None] = resources.get(role) or [None]
        count, what = {LIGHT: (spec.chip.rings, "lines"), LASER: (1, "bench")}.get(role, (spec.chip.rows, "rows"))
        if len(given) > count:
            raise InputError(
                f"{role}: {len(given)} instruments for {count} {what}; give at most one for each, and split a row's "
                "rings by hand in the file"
            )
        for i, resource in enumerate(given):
            first, last = i * count // len(given), (i + 1) * count // len(given) - 1
            lines += _instrument(spec, role, resource, span=f"[{first}, {last}]", served=served, light=light)
    return "\n".join(lines) + "\n"


def _instrument(spec: ChipSpec, role: str, resource: str | None, *, span: str, served: bool, light: str) -> list[str]:
    """Lines of one instrument's table."""
    if resource is not None and not (resource.isascii() and resource.isprintable()):
        raise InputError(f"{role} {resource!r}: not printable ASCII; give a {_RESOURCE}")
    idn = _quoted(f"prism_photonics,{spec.name}") if served else _mark("part of its answer to *IDN?, such as its type")
    settle = str(_SERVED_SETTLE_S if role in (VOLTAGE, HEATER) else 0.0) if served else _mark(_SETTLE[role])
    lines = ["", f"[[{role}]]", f"resource = {_mark(_RESOURCE) if resource is None else _quoted(resource)}"]
    if served:
        lines.append(f"timeout_s = {SERVED_TIMEOUT_S}  # its first reading compiles the chip's model")
    lines += [f"idn = {idn}", f"settle_s = {settle}", *_own_keys(spec, role, served=served, light=light)]
    lines += _channels(spec, role, span=span, served=served, light=light)
    error = _quoted("SYST:ERR?") if served else _mark("such as SYST:ERR?; nothing where it has no such question")
    lines += ["", f"[{role}.commands]", f"error = {error}  # asked after every command"]
    swept = SWEPT_COMMANDS if light == TUNABLE_LASER else {}
    for name, text in (swept.get(role) or COMMANDS[role]).items():
        several = [text] if isinstance(text, str) else text
        given = [_quoted(one) if served else _mark(f"such as {one}") for one in several]
        lines.append(f"{name} = {given[0] if isinstance(text, str) else '[' + ', '.join(given) + ']'}")
    if served and role == VOLTAGE:
        for name, (text, why) in SERVED_COMMANDS.items():
            lines.append(f"{name} = {_quoted(text)}" + (f"  # {why}" if why else ""))
    return lines


def _own_keys(spec: ChipSpec, role: str, *, served: bool, light: str) -> list[str]:
    """Lines of the keys that only this role has."""
    if role == VOLTAGE:
        return [
            f"max_voltage_V = {spec.drive.max_voltage_V!r}  # lower it if this instrument gives less; above "
            "drive.max_voltage_V of the spec nothing is sent"
        ]
    if role == HEATER:
        return [
            f"max_power_mW = {heater_limit_mW(spec):.6g}  # lower it if a heater bears less",
            'unit = "mW"  # of commands.set: mW, or V or A with the heaters\' resistance_ohm',
        ]
    if role == LASER:
        return _served_laser(spec) if served else [f"{key} = {_mark(text)}" for key, text in _LASER_KEYS.items()]
    if role == LIGHT:
        return []
    sample = SAMPLE_S if served else _mark("integration time of one sample in s, such as 1e-3")
    powers = "; or W, mW, uW, nW or dBm with its responsivity_A_W" if light == TUNABLE_LASER else ""
    lines = [f"sample_s = {sample}", f'unit = "A"  # of the numbers that it answers: A, mA, uA, nA or pA{powers}']
    if light != TUNABLE_LASER:
        return lines
    if not served:
        return [
            *lines,
            f"ranges_A = {_mark('full scales in A from the most sensitive on, such as [1e-6, 1e-5, 1e-4]')}",
            f"log_format = {_mark('of its log: ascii, float32 or float64')}",
        ]
    rail_A = spec.detector_design.adc_full_scale_A
    scales = ", ".join(f"{rail_A * 10.0**-k:.6g}" for k in reversed(range(RANGES)))
    return [*lines, f"ranges_A = [{scales}]  # full scales, for commands.range", 'log_format = "float64"']


def _served_laser(spec: ChipSpec) -> list[str]:
    sheet = TunableLaser().range_for(spec)
    return [
        f"shortest_nm = {sheet.shortest_nm:.9g}",
        f"longest_nm = {sheet.longest_nm:.9g}",
        f"wavelength_error_pm = {SERVED_ERROR_PM}  # a wavelength that it reads back or logs further off is refused",
        f"jitter_pm = {sheet.jitter_pm}",
        f"smallest_step_pm = {1e3 * FINEST_STEP_NM}  # a finer one is stepped to",
        f"slowest_nm_s = {SLOWEST_NM_S}",
        f"fastest_nm_s = {sheet.speed_nm_s}",
        f"sweep_s = {sheet.dead_s}  # dead time of each sweep",
        'log_format = "float64"',
    ]


def _channels(spec: ChipSpec, role: str, *, span: str, served: bool, light: str) -> list[str]:
    """The channel map of one instrument."""
    if role == LASER:
        return []
    if role == METER and light == TUNABLE_LASER:
        gains = f"[1.0, {DROP_GAIN}]" if served else _mark("what makes both photodiodes alike, such as [1.0, 1.0]")
        return [
            f'channels = [{{ rows = {span}, balanced = ["ch1", "ch2"], gains = {gains} }}]'
            "  # through and drop port of its first row; the next row has the next two"
        ]
    rings = f"rings = [0, {spec.chip.rings - 1}], "
    places = {LIGHT: f"lines = {span}, ", METER: f"rows = {span}, "}.get(role, f"rows = {span}, {rings}")
    return [f"channels = [{{ {places}first_channel = 1 }}]  # one after the other from this channel on"]


def _quoted(text: str) -> str:
    """Printable ASCII as a string of TOML."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _mark(what: str) -> str:
    return _quoted(f"{MARK}: {what}")
