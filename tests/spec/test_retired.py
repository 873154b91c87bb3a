"""A key that went: refused where a spec's file names it, read where a record holds it, and no chip's hash moves."""

import hashlib
import json

import pytest

from prism_photonics.spec import ChipSpec
from prism_photonics.spec.retired import RETIRED, told
from prism_photonics.units import InputError

KEYS = [(table, key) for table, keys in RETIRED.items() for key in keys]


def as_before(spec, *, heads=112):
    """The spec's content as versions wrote it that had the key, and its hash by them."""
    content = spec.model_dump(mode="json")
    content["system"]["kv_heads_per_chip"] = heads
    hashed = {"spec": {**content, "process": spec.profile.name}, "profile": spec.profile.model_dump(mode="json")}
    canonical = json.dumps(hashed, sort_keys=True, separators=(",", ":"))
    return json.dumps(content), hashlib.sha256(canonical.encode()).hexdigest()


@pytest.mark.parametrize(("table", "key"), KEYS)
def test_a_spec_that_names_it_is_refused_with_what_to_do_instead(layouts, table, key):
    text = (layouts / "demo_8x8" / "spec.toml").read_text(encoding="utf-8")
    with pytest.raises(InputError) as caught:
        ChipSpec.from_text(text.replace(f"[{table}]", f"[{table}]\n{key} = 3\n#"), where="chip.toml")
    message = str(caught.value)
    assert message.startswith(f"chip.toml: '{table}.{key}' is a key no more; take the line out: ")
    assert "prism budget --model config.json" in message
    assert "\n" not in message


def test_the_key_is_unknown_in_another_table(layouts):
    text = (layouts / "demo_8x8" / "spec.toml").read_text(encoding="utf-8")
    with pytest.raises(InputError, match=r"unknown key 'ring\.kv_heads_per_chip'"):
        ChipSpec.from_text(text.replace("[ring]", "[ring]\nkv_heads_per_chip = 3\n#"))


def test_the_chip_keeps_the_hash_that_it_had_with_the_usual_value(demo):
    assert demo.hash == as_before(demo)[1]


def test_a_spec_of_before_is_read_as_the_one_without_it(demo):
    for heads in (112, 8):
        text, hashed = as_before(demo, heads=heads)
        spec = ChipSpec.from_json(text)
        assert spec == demo
        assert spec.hash_as_told(told(text)) == hashed
    assert as_before(demo, heads=8)[1] != demo.hash
    assert ChipSpec.from_json(demo.model_dump_json()) == demo
    assert told(demo.model_dump_json()) == {"system": {}}


@pytest.mark.parametrize(
    "text", ["{", "[]", "3", '{"system": 3}', '{"system": {"kv_heads_per_chip": 112, "heads": 1}}']
)
def test_what_is_no_spec_is_no_spec_of_before(text):
    with pytest.raises(ValueError, match=r"."):
        ChipSpec.from_json(text)
