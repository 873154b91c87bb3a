"""A fast slice of the long run (`python -m fuzz`): damaged files end in one line, and nothing wrong is taken."""

import collections

import pytest

from fuzz import good
from fuzz.kinds import KINDS
from fuzz.run import one

EACH = 12
# These draw, fabricate or compile first, or take long each; the long run has them.
SLOW = ("drawings", "schematics", "signatures", "packed_spectra")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fuzz")
    good.make(folder)
    return folder


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in SLOW])
def test_damaged_files_are_refused_in_one_line_or_mean_what_they_meant(files, kind):
    case = KINDS[kind](files)
    found = [one(case, seed) for seed in range(EACH)]
    assert [(seed, *each) for seed, each in enumerate(found) if each[0] not in ("refused", "taken")] == []
    assert collections.Counter(outcome for outcome, _ in found)["refused"] > EACH // 3
