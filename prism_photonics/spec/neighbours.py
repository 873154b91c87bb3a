"""What one ring does to the next, by voltage and by heat: the spec's own numbers, else what the drawn metal does."""

from prism_photonics.lightpath.ring.heater import figures
from prism_photonics.process.metal import load_metal
from prism_photonics.spec.chip_spec import ChipSpec
from prism_photonics.units import InputError


def heater_share(spec: ChipSpec) -> float:
    """Share of a heater's shift that a ring one pitch away sees: ``trim.heater_crosstalk``, or that of the drawing.

    What a milliwatt does to the next ring is the silicon's; what it does to its own ring is ``trim.heater_mW_nm``,
    which need not be the drawn heater's (trenches, an undercut).

    Raises:
        InputError: Heaters of another width than the film's table has.
    """
    if spec.trim.heater_crosstalk is not None:
        return spec.trim.heater_crosstalk
    design = spec.ring_designs[0]
    if design.heater_um <= 0.0:
        return 0.0
    solved = load_metal(spec.process).file.heater
    if design.heater_um != solved.width_um:
        raise InputError(
            f"trim.heater_crosstalk: heaters are {design.heater_um:g} µm wide, solved were {solved.width_um:g}; "
            "give it, or solve the film's metal anew (python -m prism_photonics.layout.metal_tables)"
        )
    drawn = figures(design, spec.profile, conductance_W_K_um=solved.conductance_W_K_um, rib_share=solved.rib_share)
    return drawn.crosstalk * drawn.shift_pm_mW * spec.trim.heater_mW_nm * 1e-3


def voltage_share(spec: ChipSpec) -> float:
    """Share of a ring's voltage that its neighbours see: ``variation.crosstalk_relative``, or that of their fields."""
    own = spec.variation.crosstalk_relative
    return field_share(spec) if own is None else own


def field_share(spec: ChipSpec) -> float:
    """Share of a ring's voltage that tunes the next ring of its row by the field of its electrodes: a bound.

    Raises:
        InputError: The rings stand nearer to each other than the film's table has.
    """
    ring = spec.ring_designs[0]
    apart_um = ring.pitch_um - 2.0 * ring.outer_um - max(design.straight_um for design in spec.ring_designs)
    return load_metal(spec.process).neighbour_share(apart_um)


def wire_share(spec: ChipSpec) -> float:
    """Share of another row's voltage that tunes a ring by the field of its wire beside it; 0 of a flipped die.

    No bound: the nearest track of another row, with that of the ring's own row between both. A ring's own track ends at
    the ring's contact; beyond it, where nothing stands between, the field is about twice as large.
    """
    return 0.0 if spec.flip_chip or spec.chip.rows < 3 else load_metal(spec.process).file.neighbours.track_share[1]
