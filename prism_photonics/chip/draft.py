"""A bench file for a chip of one's own: channel maps from its spec, and marks where its instruments are filled in."""

from collections.abc import Mapping, Sequence

from prism_photonics.chip.benchfile import MARK
from prism_photonics.chip.heaters import has_heaters, heater_limit_mW
from prism_photonics.chip.serve import resource_name
from prism_photonics.chip.served import SAMPLE_S, SETTLE_S
from prism_photonics.spec import ChipSpec
from prism_photonics.units import InputError

VOLTAGE, HEATER, LIGHT, METER = ROLES = ("voltage_source", "heater_source", "light_source", "current_meter")
"""Roles of instruments, as the bench file names them."""
_RESOURCE = "VISA resource, such as TCPIP::10.0.0.5::5025::SOCKET"
_SETTLE = {
    VOLTAGE: "time in s in which an output settles, such as 0.002",
    HEATER: "time in s in which the die comes to rest, such as 0.01",
    LIGHT: "time in s in which a modulator settles, such as 0.001",
    METER: "time in s in which its input settles, such as 0.001",
}
# Design choice: twice the settling time of a served chip.
_SERVED_SETTLE_S = 2 * SETTLE_S
_COMMANDS = {
    VOLTAGE: {"set": "SOUR:VOLT {values:.12g},(@{channels})", "query": "SOUR:VOLT? (@{channels})"},
    HEATER: {"set": "SOUR:HEAT {values},(@{channels})"},
    LIGHT: {"set": "SOUR:TRAN {values:.12g},(@{channels})"},
    METER: {"average": "SENS:AVER:COUN {averages}", "trigger": "INIT", "read": "FETC? (@{channels})"},
}
_SERVED_COMMANDS = {
    "lock": ("SYST:LOCK:REQ?", "has the instrument alone"),
    "unlock": ("SYST:LOCK:REL", ""),
    "wait": ("DIAG:WAIT {seconds}", "moves the simulated chip's clock; a real bench has none"),
    "clock": ("DIAG:CLOC?", ""),
}


def draft(spec: ChipSpec, *, resources: Mapping[str, Sequence[str]] | None = None) -> str:
    """Text of a bench file for instruments, marked where it is to be filled in.

    Args:
        spec: The chip.
        resources: VISA resources of the instruments of a role, see `ROLES`; several of one role share its rows or
            lines evenly, in order. One each by default, whose resource is to be filled in.

    Returns:
        TOML. `BenchFile.from_toml` refuses it in one line until the last mark has been filled in.

    Raises:
        InputError: More instruments of a role than rows or lines, heaters of a chip that has none, or a resource that
            is not printable ASCII.
    """
    resources = resources or {}
    if resources.get(HEATER) and not has_heaters(spec):
        raise InputError(
            f"heater source {resources[HEATER][0]}: {spec.name} has no heaters (trim.method = '{spec.trim.method}'); "
            "leave it out"
        )
    head = [
        f"# Bench of {spec.name}: {spec.chip.rows} rows of {spec.chip.rings} rings. Fill in every {MARK} from your",
        "# instruments' manuals; 'prism bench check' says in one line what is left. docs/bench.md explains every key.",
    ]
    return _text(spec, head, resources, served=False)


def draft_served(spec: ChipSpec, port: int) -> str:
    """Text of a complete bench file for ``prism bench serve`` of this chip at a port of this machine.

    Args:
        spec: The chip.
        port: The TCP port.
    """
    head = [f"# Bench of {spec.name}, served: 'prism bench serve SPEC --port {port}' answers here."]
    return _text(spec, head, {role: [resource_name(port)] for role in ROLES}, served=True)


def _text(spec: ChipSpec, head: list[str], resources: Mapping[str, Sequence[str]], *, served: bool) -> str:
    name = spec.name[:57]
    lines = [
        *head,
        f'name = "{name}_{"served" if served else "bench"}"',
        "safe_voltage_V = 0.0  # where the rings are parked, whatever ends a job",
    ]
    for role in ROLES:
        if role == HEATER and not has_heaters(spec):
            continue
        given: Sequence[str | None] = resources.get(role) or [None]
        count, what = (spec.chip.rings, "lines") if role == LIGHT else (spec.chip.rows, "rows")
        if len(given) > count:
            raise InputError(
                f"{role}: {len(given)} instruments for {count} {what}; give at most one for each, and split a row's "
                "rings by hand in the file"
            )
        for i, resource in enumerate(given):
            first, last = i * count // len(given), (i + 1) * count // len(given) - 1
            lines += _instrument(spec, role, resource, span=f"[{first}, {last}]", served=served)
    return "\n".join(lines) + "\n"


def _instrument(spec: ChipSpec, role: str, resource: str | None, *, span: str, served: bool) -> list[str]:
    """Lines of one instrument's table."""
    if resource is not None and not (resource.isascii() and resource.isprintable()):
        raise InputError(f"{role} {resource!r}: not printable ASCII; give a {_RESOURCE}")
    rings = f"rings = [0, {spec.chip.rings - 1}], "
    channels = {LIGHT: f"lines = {span}, ", METER: f"rows = {span}, "}.get(role, f"rows = {span}, {rings}")
    idn = _quoted(f"prism_photonics,{spec.name}") if served else _mark("part of its answer to *IDN?, such as its type")
    settle = str(_SERVED_SETTLE_S if role in (VOLTAGE, HEATER) else 0.0) if served else _mark(_SETTLE[role])
    lines = ["", f"[[{role}]]", f"resource = {_mark(_RESOURCE) if resource is None else _quoted(resource)}"]
    lines += [f"idn = {idn}", f"settle_s = {settle}"]
    if role == VOLTAGE:
        lines.append(
            f"max_voltage_V = {spec.drive.max_voltage_V!r}  # lower it if this instrument gives less; above "
            "drive.max_voltage_V of the spec nothing is sent"
        )
    if role == HEATER:
        lines.append(f"max_power_mW = {heater_limit_mW(spec):.6g}  # lower it if a heater bears less")
        lines.append('unit = "mW"  # of commands.set: mW, or V or A with the heaters\' resistance_ohm')
    if role == METER:
        lines.append(f"sample_s = {SAMPLE_S if served else _mark('integration time of one sample in s, such as 1e-3')}")
        lines.append('unit = "A"  # of the numbers that it answers: A, mA, uA, nA or pA')
    lines.append(f"channels = [{{ {channels}first_channel = 1 }}]  # one after the other from this channel on")
    lines += [
        "",
        f"[{role}.commands]",
        'error = "SYST:ERR?"  # asked after every command; "" where it has no such question',
    ]
    for name, text in _COMMANDS[role].items():
        lines.append(f"{name} = {_quoted(text) if served else _mark(f'such as {text}')}")
    if served and role == VOLTAGE:
        for name, (text, why) in _SERVED_COMMANDS.items():
            lines.append(f"{name} = {_quoted(text)}" + (f"  # {why}" if why else ""))
    return lines


def _quoted(text: str) -> str:
    """Printable ASCII as a string of TOML."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _mark(what: str) -> str:
    return _quoted(f"{MARK}: {what}")
