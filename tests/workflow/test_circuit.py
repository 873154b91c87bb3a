"""What the ranking table asks of a bundle's chip."""

import json
from types import SimpleNamespace

import pytest

from prism_photonics.units import InputError
from prism_photonics.workflow.circuit import selection_energy


def energy(spec: str) -> float:
    row = {"signature_bytes": 0.0, "passes": 2}
    return selection_energy(row, SimpleNamespace(spec=spec, encoding=json.loads(spec)["modulator"]["encoding"]))[
        "energy_pJ"
    ]


def test_a_bundle_whose_spec_has_a_key_that_went_costs_what_one_without_it_does(demo):
    now = demo.model_dump_json()
    before = now.replace('"queries_per_program"', '"kv_heads_per_chip":112,"queries_per_program"')
    assert "kv_heads_per_chip" in json.loads(before)["system"]
    assert energy(before) == energy(now) > 0.0


def test_a_damaged_spec_in_a_bundle_is_refused_in_one_line(demo):
    row = {"signature_bytes": 0.0, "passes": 2}
    for spec in (demo.model_dump_json().replace('"rows":8', '"rows":"many"'), "[" * 100_000):
        with pytest.raises(InputError, match="the spec in it is damaged; export the bundle again"):
            selection_energy(row, SimpleNamespace(spec=spec, encoding="offset"))
