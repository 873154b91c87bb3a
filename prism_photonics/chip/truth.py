"""What a full virtual die has beyond the model that a calibration fits, each effect with a switch.

Rings scatter back and split, row ends reflect, group index and couplers disperse, tuning bends beyond second order, and
resonances flicker. Two effects more are here so that a calibration meets something that no fit knows; they are named
nowhere else, though a fit's error bars allow for a field that reaches further than it fits (`calibration.error_bars`):

- a ring is heated by the light that it takes from the bus, which tilts its resonance towards the red;
- the electrodes' stray field reaches the ring after the next.

The figures are design choices unless a source stands beside them.
"""

import math
from dataclasses import dataclass, fields
from typing import Any, final

from prism_photonics.chip.served_text import NUMBER
from prism_photonics.units import InputError, nearest

TRUTHS = ("model", "full")
"""What a virtual die is made of: what a calibration's model knows, or everything here too."""


@final
@dataclass(frozen=True)
class FullTruth:
    """Effects beyond a calibration's model, all on by default; 0 switches one off.

    Attributes:
        splitting_pm: Median distance of the two resonances of a ring that no discrete loss event hit, in pm. The halves
            of the coupling are Gaussian, so distances are Rayleigh distributed; design choice, as no figure for rings
            of thin-film lithium niobate is published.
        loss_events: Mean number of discrete events of a ring, each of which adds loss and backscatter. That loss has a
            most probable part and a tail of such events: arXiv 2604.01922, 2,233 resonances; how many, design choice.
        event_loss: Mean loss of one event over the ring's own; design choice.
        event_splitting: Mean splitting of one event over ``splitting_pm``; design choice.
        facet: Field that facets send back over that of the drawn, upright ones (`circuit.ends.facet_fields`); splitters
            and the coupler's taper weaken what a row sees of it.
        dry: Whether air lies between facets and fibres: both send back more, and interfere. Off by default: a liquid of
            the oxide's index lies there.
        splitter_dB: Of the splitter before a row, in dB.
        photodiode_dB: Of each photodiode, in dB.
        u_turn_dB: Of the bend that brings the drop bus back, in dB; none of a chip with photodiodes on either side.
        far_end_dB: Of the drop bus's end without a photodiode, in dB.
        reflections: Whether row ends reflect at all.
        dispersion: Whether group index and couplings change with the wavelength, as the film's mode tables say.
        dispersion_scatter: Standard deviation of each slope of each ring over the table's; design choice.
        end_um: Standard deviation of every way from a bus's end to where it reflects, in µm: facets are polished, and
            photodiodes placed, to a few µm; design choice.
        cubic_pm_V3: Standard deviation of a ring's tuning by the cube of its voltage, in pm/V³: at 20 V 0.08 pm.
        flicker_pm: Rms of each ring's flicker between a millisecond and an hour and a half, in pm; design choice, but
            no less than the thermal noise of the charge on its electrodes.
        flicker_exponent: α of its spectrum 1/f^α: 1.2 in rings of lithium niobate and of lithium tantalate, arXiv
            2308.15404; 0 spreads it evenly over all frequencies up to some 160 Hz, 1/2πτ of its shortest time.
        film_log: How the die's film relaxes otherwise than its profile: standard deviation of the logarithm of every
            share's odds and of every time (`chip.relaxing`). Off by default: a calibration fits one factor of all, and
            publications, of other devices, tell a film's shares within some tens of percent and its hours within a
            factor of 7.
        absorbed_pm_mW: Shift by each milliwatt that a ring takes from the bus, in pm/mW, every line at full light. Heat
            of all that a circles_8x8 ring loses would make it 2 (`budget.own_light`): a quarter of that, design choice.
        second_neighbour: Share of a ring's voltage that the ring after the next sees.
        te_tm: Angle by which half a turn mixes TE and TM over that of the film's mode table: 1 as the table has it. Off
            by default: with it one in sixteen rings of 20 µm keeps less than half of its range (`prism check`
            counts them), and no calibration mends those. Where TM's resonances lie is each ring's own; how much
            rings convert follows the film under them, too.
        second_mode: Whether ribs that hold TE1 turn light to it at couplers and where arcs begin, as the film's table
            has it. Off by default: with it hardly a shipped ring on such a film is one of one mode (`prism check` says
            what is left), and no calibration of ours knows it. Where TE1's resonances lie is each ring's own. Not
            together with ``te_tm``: no model has three modes.
    """

    splitting_pm: float = 1.0
    loss_events: float = 0.3
    event_loss: float = 0.5
    event_splitting: float = 2.0
    facet: float = 1.0
    dry: bool = False
    splitter_dB: float = -35.0
    photodiode_dB: float = -35.0
    u_turn_dB: float = -45.0
    far_end_dB: float = -40.0
    reflections: bool = True
    dispersion: bool = True
    dispersion_scatter: float = 0.1
    end_um: float = 5.0
    cubic_pm_V3: float = 1e-5
    flicker_pm: float = 0.01
    flicker_exponent: float = 1.2
    film_log: float = 0.0
    absorbed_pm_mW: float = 0.5
    second_neighbour: float = 1e-4
    te_tm: float = 0.0
    second_mode: bool = False

    def __post_init__(self) -> None:
        """Refuse what no die can have.

        Raises:
            InputError: A size that is negative or no number, a reflection of more than half the power, a spectrum
                steeper than 1/f², or both TM and TE1.
        """
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name.endswith("_dB"):
                if not value <= -3.0:
                    raise InputError(f"FullTruth: {field.name} = {value:g}, want -3 dB or less; lower it")
            elif field.name == "flicker_exponent":
                # Parts that forget exponentially fall as 1/f² at most.
                if not 0.0 <= value <= 2.0:
                    raise InputError(f"FullTruth: flicker_exponent = {value:g}, want 0 to 2; 1.2 is what was measured")
            elif field.name == "facet" and value > 2.0:
                # Dry and upright they send back up to 15 % of the power.
                raise InputError(f"FullTruth: facet = {value:g}, want 0 to 2; 1 is what an upright facet sends back")
            elif field.name == "film_log" and value > 3.0:
                raise InputError(f"FullTruth: film_log = {value:g}, want 0 to 3; 1 is a factor of e in every share")
            elif not 0.0 <= value < math.inf:
                raise InputError(f"FullTruth: {field.name} = {value:g}, want 0 or more, and finite; 0 switches it off")
        if self.te_tm and self.second_mode:
            raise InputError(
                f"FullTruth: te_tm = {self.te_tm:g} and second_mode, which are three modes; want one of the two"
            )

    @classmethod
    def none(cls) -> "FullTruth":
        """All switched off: a die as a calibration's model has it, solved by the road that knows reflections."""
        return cls(
            splitting_pm=0.0,
            loss_events=0.0,
            reflections=False,
            dispersion=False,
            cubic_pm_V3=0.0,
            flicker_pm=0.0,
            film_log=0.0,
            absorbed_pm_mW=0.0,
            second_neighbour=0.0,
            te_tm=0.0,
            second_mode=False,
        )

    def __str__(self) -> str:
        """As it stands in the name of a bench: ``full``, and behind it all digits of what differs from the default."""
        differ = [field.name for field in fields(self) if getattr(self, field.name) != field.default]
        return ",".join(["full", *(f"{name}={float(getattr(self, name))!r}".removesuffix(".0") for name in differ)])


def full_truth(truth: "str | FullTruth") -> FullTruth | None:
    """What a die is made of, by name or as it is; None for what a calibration's model knows.

    Raises:
        InputError: There is no such kind of truth.
    """
    if isinstance(truth, FullTruth):
        return truth
    if truth not in TRUTHS:
        raise InputError(f"VirtualChip: truth = {truth!r}, want 'model', 'full' or a FullTruth; choose one")
    return FullTruth() if truth == "full" else None


def named_truth(text: str, *, bench: str) -> FullTruth:
    """The truth that a bench's name says behind its seed: ``full``, or ``full,splitting_pm=5,dispersion=0``.

    Args:
        text: What follows the seed and its comma.
        bench: The whole name, for error messages.

    Raises:
        InputError: It is no such text.
    """
    kind, *changes = text.split(",")
    if kind != "full":
        raise InputError(f"--bench {bench}: {kind!r} behind the seed, want full; write virtual:SEED,full")
    known = {field.name: field.type for field in fields(FullTruth)}
    values: dict[str, Any] = {}
    for change in changes:
        name, _, number = change.partition("=")
        if name not in known:
            raise InputError(f"--bench {bench}: no effect {name!r}; {nearest(name, known)}")
        if not NUMBER.fullmatch(number):
            raise InputError(f"--bench {bench}: {name} = {number!r}, want a number; write {name}=0 to switch it off")
        values[name] = float(number)
        if known[name] is bool:
            if values[name] not in (0.0, 1.0):
                raise InputError(f"--bench {bench}: {name} = {number}, want 0 or 1; it is on or off")
            values[name] = bool(values[name])
    return FullTruth(**values)
