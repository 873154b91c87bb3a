"""Guard over the fixed commands of a bench file: none may make an instrument give a voltage above the limit.

It is an allow-list. A command passes when all that stands in it is proven harmless: it is read as IEEE 488.2 and SCPI
read program messages, each of its headers must be one under which nothing can drive an output (`headers.HARMLESS`), one
whose words cannot (`headers.WORDED`), or one whose plain number is within the limit (`headers.LEVELS`). What cannot be
read that way is refused, because an instrument may read it otherwise: a unit multiplier (``0.1KV``), a number glued to
letters (``S100;E``), in another base (``#H64``), in a block, a string or an expression, a word for a number (``MAX``),
a recalled state (``*RCL 1``), outputs in series (``OUTP:PAIR SER``), another unit (``UNIT:VOLT DBM``), a sweep.

Source: IEEE 488.2-1992, 7.6 and 7.7 (program message units and data); SCPI-99, vol. 1, 6.2 (headers and their paths).
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

from prism_photonics.chip.headers import (
    COMMON,
    COMMON_MASKS,
    COMMON_QUERIES,
    DRIVING,
    HARMLESS,
    LEVELS,
    MODES,
    RECALLING,
    SENSED,
    SWITCHES,
    UNLIKE_VOLTS,
    WORDED,
    Headers,
)
from prism_photonics.chip.template import Template

# What stands for a field in a command that is looked at: characters that no template can hold.
_CHANNEL, _CHANNELS, _VALUE, _OTHER = "\x01", "\x02", "\x03", "\x04"
_MARKS = {"channel": _CHANNEL, "channels": _CHANNELS, "value": _VALUE, "values": _VALUE}
_MARK = "\x01-\x04"

_UNIT = re.compile(
    r"(?P<header>\*[A-Za-z]+|:?[A-Za-z]+[\d\x01]*(:[A-Za-z]+[\d\x01]*)*)(?P<query>\??)(\s+(?P<data>.*))?"
)
_PLAIN = re.compile(r"[+-]?(\d{1,30}\.?\d{0,30}|\.\d{1,30})([eE][+-]?\d{1,3})?")
_PLAIN_V = re.compile(rf"({_PLAIN.pattern})\s*(V|v|VOLT|volt|Volt)?")
_ANY_NUMBER = re.compile(rf"({_PLAIN.pattern})\s*[A-Za-z]*|#[Hh][0-9A-Fa-f]+|#[Qq][0-7]+|#[Bb][01]+")
_LIST = re.compile(rf"\(@[\d:,!\s{_CHANNEL}{_CHANNELS}]*\)")
_WORD = re.compile(r"[A-Za-z]+")
_NUMERIC_WORD = re.compile(r"(MIN|MAX|DEF|UP|DOWN|INF|NINF|NAN)", re.IGNORECASE)
_TEXT = re.compile(r"\"[A-Za-z0-9 _.:-]*\"|'[A-Za-z0-9 _.:-]*'")
_CONSTANT = re.compile(r"VOLT(AGE)?|DC|FIX(ED)?", re.IGNORECASE)
_SENSED = re.compile(r"(?P<q>[\"']?)(CURR(ENT)?|VOLT(AGE)?)(:DC)?(?P=q)", re.IGNORECASE)
# An output's name, such as `CH1` or `P25V`.
_OUTPUT = re.compile(r"[A-Za-z]{1,8}\d{1,4}[A-Za-z]{0,2}")
_SWITCH = re.compile(r"ON|OFF|[01]", re.IGNORECASE)
# What ends a setting in older languages, such as `X` or `E`: a letter or two that hold no number.
_EXECUTE = re.compile(r"[A-Za-z]{1,2}")
# `1,005`: whoever takes the comma for a sign between thousands reads another number.
_THOUSANDS = re.compile(r"0\d{2}.*")
_DIGIT = re.compile(rf"[\d{_MARK}]")
# Test script of Keithley's instruments: no program message, so only these, as they stand.
_SCRIPT = {
    "print(errorqueue.next())", "errorqueue.clear()", "reset()", "smua.reset()", "smub.reset()",
    "smua.source.output = smua.OUTPUT_ON", "smub.source.output = smub.OUTPUT_ON",
    "smua.source.output = smua.OUTPUT_OFF", "smub.source.output = smub.OUTPUT_OFF",
    "smua.source.func = smua.OUTPUT_DCVOLTS", "smub.source.func = smub.OUTPUT_DCVOLTS",
    "print(smua.source.levelv)", "print(smub.source.levelv)", "print(smua.measure.i())", "print(smub.measure.i())",
}  # fmt: skip

# In the command that holds a setting's own field, any device's language is let through, but not these around the field.
_SETTING_SIGNS = re.compile(rf"[A-Za-z0-9 _.,:;()@\[\]{{}}='\"!?+\-{_MARK}]*")
_BEFORE_FIELD = re.compile(r"(^|[\s,=(\[:\"';])[A-Za-z]*$")
_EXPONENT_BEFORE = re.compile(rf"([\d.{_MARK}]\s*[eE]\s*|[+-]\s*)$")
_AFTER_FIELD = re.compile(r"\s*([,;)\]\"']|$)|\s+\(@|\s*(V|v|A|mW|MW|VOLTS?)\s*([,;)\"']|$)|X\s*($|;)")
_NAME = re.compile(rf"[A-Za-z]{{2,}}(\d{{1,4}}|{_CHANNEL})")

_harmless, _levels, _unlike_volts, _modes = (Headers(*names) for names in (HARMLESS, LEVELS, UNLIKE_VOLTS, MODES))
_switches, _worded, _sensed = (Headers(*names) for names in (SWITCHES, WORDED, SENSED))


@final
@dataclass(frozen=True)
class Guard:
    """Holds the fixed commands of a bench file against an allow-list of harmless ones.

    Attributes:
        limit: Largest magnitude of a number that could be a voltage, or a heater's setting.
        largest_channel: Largest channel that can stand in a ``{channel}`` field.
    """

    limit: float
    largest_channel: int = 0

    def doubt(self, command: Template, *, setting: bool = False) -> str:
        """The part of a command that is not proven harmless, as a clause for a message; empty if there is none.

        Args:
            command: The command.
            setting: Whether it carries a value that is held to its own limit whenever it is sent.
        """
        if not math.isfinite(self.limit):
            return ""
        text = "".join(literal + (_MARKS.get(field, _OTHER) if field else "") for literal, field, _ in command.pieces)
        if setting and text.count(_VALUE) > 1:
            return "sets its value twice, and two outputs may add up"
        path: tuple[str, ...] = ()
        for unit in text.split(";"):
            if not unit.strip():
                continue
            if setting and _VALUE in unit:
                doubt = self._doubt_setting(unit)
                match = _UNIT.fullmatch(unit.strip())
                path = _nodes(match["header"])[:-1] if match and not match["header"].startswith("*") else ()
            elif setting and _EXECUTE.fullmatch(unit.strip()):
                continue
            else:
                doubt, path = self._doubt_unit(unit.strip(), path)
            if doubt:
                return doubt
        return ""

    # ------------------------------------------------------------ one message unit

    def _doubt_unit(self, unit: str, path: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
        """The doubtful part of one program message unit, and the header path that holds after it."""
        if unit in _SCRIPT:
            return "", ()
        match = _UNIT.fullmatch(unit)
        if not match:
            return f"{_shown(unit)} cannot be read as a SCPI command", path
        header, query, elements = match["header"], bool(match["query"]), list(_elements(match["data"] or ""))
        if header.startswith("*"):
            return self._doubt_common(header.upper(), query, elements), path
        nodes = _nodes(header)
        readings = [nodes]
        if path and not header.startswith(":"):
            # SCPI goes on below the header before; many an instrument begins at the root all the same.
            readings.append((*path, *nodes))
        for reading in readings:
            if doubt := self._doubt_data(unit, reading, query, elements):
                return doubt, path
        return "", readings[-1][:-1]

    def _doubt_common(self, header: str, query: bool, elements: list[str]) -> str:
        if not elements and (f"{header}?" in COMMON_QUERIES if query else header in COMMON):
            return ""
        if header in COMMON_MASKS and len(elements) == 1 and _ANY_NUMBER.fullmatch(elements[0]):
            return ""
        return f"{header}{'?' if query else ''} with what follows is not known to drive nothing"

    def _doubt_data(self, unit: str, nodes: tuple[str, ...], query: bool, elements: list[str]) -> str:
        names = tuple(node.rstrip("0123456789\x01") for node in nodes)
        suffixes = [node[len(name) :] for node, name in zip(nodes, names, strict=True)]
        if names in _harmless:
            wrong = [e for e in elements if not (_readable(e) or _OUTPUT.fullmatch(e))]
            glued = [] if elements or query else [s for s in suffixes if s]
            return f"{_shown(unit)} cannot be read as a SCPI command" if wrong or glued else ""
        if names in _switches and elements:
            ok = all(any(kind.fullmatch(e) for kind in (_SWITCH, _LIST, _OUTPUT)) or e == _CHANNEL for e in elements)
            return "" if ok or query else f"{_shown(unit)} is not on or off"
        if names in _sensed and not query:
            ok = not any(suffixes) and all(_SENSED.fullmatch(e) or _LIST.fullmatch(e) for e in elements)
            return "" if ok else f"{_shown(unit)} has a meter read what is no current or voltage"
        if names in _modes and not query:
            ok = all(_CONSTANT.fullmatch(e) for e in elements) and not any(suffixes[-1:])
            return "" if ok else f"{_shown(unit)} chooses an output that is no constant voltage"
        if doubt := self._doubt_names(unit, names, query=query):
            return doubt
        level = names in _levels
        if doubt := self._doubt_suffixes(unit, names, suffixes, known=level and bool(elements), query=query):
            return doubt
        if not (level or query or names in _worded):
            return f"{_shown(unit)} stands under a header that the guard does not know, {':'.join(names)}"
        doubts = (self._doubt_element(e, first=not at, level=level, query=query) for at, e in enumerate(elements))
        return next((doubt for doubt in doubts if doubt), "")

    @staticmethod
    def _doubt_names(unit: str, names: tuple[str, ...], *, query: bool) -> str:
        """Reason for refusal if a header by itself may drive an output; empty if none."""
        upper = {name.upper() for name in names}
        if query:
            return f"{_shown(unit)} may drive an output to find its answer" if upper & DRIVING else ""
        if upper & RECALLING:
            return f"{_shown(unit)} calls up what stands elsewhere"
        return f"{_shown(unit)} has a word for a number" if any(map(_NUMERIC_WORD.fullmatch, upper)) else ""

    def _doubt_element(self, element: str, *, first: bool, level: bool, query: bool) -> str:
        """Reason to refuse an element of data: numbers pass under a level, words elsewhere, channel lists anywhere."""
        if _LIST.fullmatch(element) or (query and element in (_CHANNEL, _CHANNELS)):
            return ""
        if _WORD.fullmatch(element) and (query or not (level or _NUMERIC_WORD.match(element))):
            return ""
        if element in (_CHANNEL, _CHANNELS) and level and self.largest_channel <= self.limit:
            return ""
        number = _PLAIN_V.fullmatch(element)
        if not number or not (level or query) or (not first and _THOUSANDS.fullmatch(element)):
            return f"{_shown(element)} is no plain number in V"
        return "" if abs(float(number[1])) <= self.limit else f"{_shown(element)} is above it"

    def _doubt_suffixes(
        self, unit: str, names: tuple[str, ...], suffixes: list[str], *, known: bool, query: bool
    ) -> str:
        """Numbers glued to a header: an output's number where the header is known or asks, else perhaps a value."""
        for place, (name, suffix) in enumerate(zip(names, suffixes, strict=True)):
            if not suffix:
                continue
            last = place == len(names) - 1
            named = known or (query and len(name) > 1)
            if _CHANNEL in suffix:
                # An older language may read `V5` as a setting; one that asks, or has data behind it, is none.
                fine = named and suffix == _CHANNEL
            else:
                fine = named and len(suffix) <= 4 and (not last or int(suffix) <= self.limit)
            if not fine:
                return f"{_shown(unit)} glues a number to letters"
        return ""

    # ------------------------------------------------------------ the unit with the setting's own field

    def _doubt_setting(self, unit: str) -> str:
        """The part of a setting command that could change the checked value, or adds another beside it."""
        before, _, after = unit.partition(_VALUE)
        # A channel list is closed where it is opened, and holds channels only.
        bare_before, bare_after = (_LIST.sub(" ", part) for part in (before, after))
        if not _SETTING_SIGNS.fullmatch(unit) or "(@" in bare_before + bare_after:
            return f"{_shown(unit)} has signs that could stand for arithmetic or an open list"
        if not _BEFORE_FIELD.search(before) or _EXPONENT_BEFORE.search(before) or not _AFTER_FIELD.match(after):
            return f"{_shown(unit)}: what stands beside its value could become part of the number"
        match = _UNIT.fullmatch(unit.strip())
        level = bool(match) and self._is_level(match["header"] if match else "")
        for token in re.split(r"[\s,:;()=\[\]{}'\"?]+", f"{bare_before} {bare_after}"):
            if not _DIGIT.search(token) or _NAME.fullmatch(token):
                continue
            if re.fullmatch(f"[A-Za-z]{_CHANNEL}", token) and self.largest_channel <= self.limit:
                continue
            if token in (_CHANNEL, _CHANNELS):
                if level and self.largest_channel > self.limit:
                    return f"{_shown(unit)} has a channel where a voltage could stand"
                continue
            number = _PLAIN.fullmatch(token)
            if not number or not abs(float(token)) <= self.limit:
                return f"{_shown(token)} stands beside its value"
        return ""

    @staticmethod
    def _is_level(header: str) -> bool:
        return tuple(node.rstrip("0123456789\x01") for node in _nodes(header)) in _levels


def is_unlike_volts(command: Template) -> bool:
    """Whether a setting's header says that what it sets is no voltage."""
    header = re.match(r":?[A-Za-z\d:]+(?=\s)", command.pieces[0][0])
    return bool(header) and tuple(n.rstrip("0123456789") for n in _nodes(header[0] if header else "")) in _unlike_volts


def _nodes(header: str) -> tuple[str, ...]:
    return tuple(header.removeprefix(":").split(":"))


def _elements(data: str) -> Iterator[str]:
    """Program data, split at the commas outside parentheses and quotes."""
    depth, quote, element = 0, "", ""
    for sign in data:
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "\"'":
            quote = sign
        elif sign in "()":
            depth += 1 if sign == "(" else -1
        if sign == "," and not depth and not quote:
            yield element.strip()
            element = ""
        else:
            element += sign
    if element.strip() or data.strip():
        yield element.strip()


def _readable(element: str) -> bool:
    """Whether it is program data of a kind that cannot hide a command."""
    kinds = (_ANY_NUMBER, _WORD, _TEXT, _LIST)
    return element in (_CHANNEL, _CHANNELS, _OTHER) or any(kind.fullmatch(element) for kind in kinds)


def _shown(text: str) -> str:
    named = {_CHANNEL: "{channel}", _CHANNELS: "{channels}", _VALUE: "{value}", _OTHER: "{…}"}
    text = "".join(named.get(sign, sign) for sign in text.strip())
    return repr(text if len(text) <= 60 else f"{text[:57]}…")
