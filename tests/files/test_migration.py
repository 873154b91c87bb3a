"""A file of the schema before is brought up to date; older and newer ones are named as such."""

import pytest

from prism_photonics.files.migration import migrated
from prism_photonics.units import InputError

STEPS = {3: lambda old: [*old, "3 to 4"], 4: lambda old: [*old, "4 to 5"]}


def read(found, wanted="ours.record/5"):
    return migrated("file", found, wanted, ["as read"], steps=STEPS, cure="make it again")


def test_every_step_from_its_own_number_on_is_taken():
    assert read("ours.record/5") == ["as read"]
    assert read("ours.record/4") == ["as read", "4 to 5"]
    assert read("ours.record/3") == ["as read", "3 to 4", "4 to 5"]


@pytest.mark.parametrize(
    ("found", "says"),
    [
        ("ours.record/2", "file: schema 'ours.record/2' is older than 'ours.record/3', the oldest .* make it again"),
        ("ours.record/6", "file: schema 'ours.record/6' is newer than 'ours.record/5', .* update prism_photonics"),
        ("theirs.record/5", "file: schema 'theirs.record/5', this version reads 'ours.record/5'; make it again"),
        ("oursXrecord/5", "this version reads"),
        ("ours.record/five", "this version reads"),
        ("ours.record/-1", "this version reads"),
        ("ours.record/" + "9" * 5000, "this version reads"),
        (None, "schema None, this version reads"),
        (5, "schema 5, this version reads"),
    ],
)
def test_another_schema_is_refused_in_one_line(found, says):
    with pytest.raises(InputError, match=says) as caught:
        read(found)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_a_schema_without_steps_names_itself_as_the_oldest():
    with pytest.raises(InputError, match=r"older than 'ours\.record/5', the oldest"):
        migrated("file", "ours.record/4", "ours.record/5", None, steps={}, cure="")
