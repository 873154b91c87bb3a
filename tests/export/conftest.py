"""A made-up chip's bundle on disk."""

import pytest

from prism_photonics.export.write import write


@pytest.fixture
def bundle_path(make_model, tmp_path):
    return write(make_model(), tmp_path / "bundle")
