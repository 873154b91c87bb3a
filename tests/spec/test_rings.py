"""Specs that ask for the same rings share them; no key of a spec lends another's."""

from collections.abc import Iterator
from typing import Any

import pytest

from prism_photonics.process.profile import profile_names
from prism_photonics.spec import ChipSpec, load_spec
from prism_photonics.spec.rings import rings_of
from prism_photonics.spec.tables import RingTable
from prism_photonics.units import InputError

NAMED = {
    "process": profile_names(),
    "trim.method": ["none", "heater", "permanent"],
    "ring.ramp": ["linear", "raised_cosine"],
}


def others(value: Any) -> Iterator[Any]:
    """The other of two; more and less of a number."""
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int | float):
        yield from (value + 1, value - 1, value * 1.01, value * 0.99, value + 1e-3)


def changed(spec: ChipSpec) -> Iterator[tuple[str, ChipSpec]]:
    """Specs that differ in one key, with its name: all that can be read."""
    told = spec.model_dump()
    for table, keys in told.items():
        for key, value in keys.items() if isinstance(keys, dict) else [("", keys)]:
            name = f"{table}.{key}".rstrip(".")
            for other in NAMED.get(name, others(value)):
                try:
                    yield name, ChipSpec.model_validate(told | {table: {**keys, key: other} if key else other})
                except (InputError, ValueError):
                    continue


def test_a_shape_of_ramps_without_ramps_is_refused(circles, altered):
    with pytest.raises((InputError, ValueError), match="euler_p = 0 has none; give euler_p, up to 1"):
        altered(circles, ring={"ramp": "raised_cosine"})
    assert altered(circles, ring={"ramp": "raised_cosine", "euler_p": 1.0}).ring.cosine


# What a dump leaves out at its default no spec of arcs says.
@pytest.mark.parametrize(("chip", "unsaid"), [("circles_8x8", {"euler_p", "ramp", "neck_um"}), ("demo_8x8", set())])
def test_no_spec_that_differs_in_one_key_is_lent_the_rings_of_another(chip, unsaid):
    base = load_spec(chip)
    found = list(changed(base))
    assert len(found) > 150
    rings_of.cache_clear()
    asked = [(name, spec, spec.ring_designs) for name, spec in found]
    for name, spec, rings in asked:
        rings_of.cache_clear()
        assert ChipSpec.model_validate(spec.model_dump()).ring_designs == rings, name
    others_than_base = {name for name, _, rings in asked if rings != base.ring_designs}
    assert others_than_base == {
        *(f"ring.{key}" for key in RingTable.model_fields.keys() - unsaid),
        *{"process", "trim.method", "chip.channels", "comb.first_wl_nm", "comb.spacing_nm"},
    }
