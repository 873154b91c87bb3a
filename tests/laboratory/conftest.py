"""Writing a file whose name says nothing, and reading it."""

import pytest

from prism_photonics.laboratory.read import read_sweep
from prism_photonics.units import InputError


@pytest.fixture
def read(tmp_path):
    """Reads a text or bytes from a file without a telling name."""

    def reading(content, **options):
        path = tmp_path / "measured.dat"
        path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
        return read_sweep(path, **options)

    return reading


@pytest.fixture
def refused(read, tmp_path):
    """The one line that refuses a file, without the folder that it lies in."""

    def refusing(content, **options):
        with pytest.raises(InputError) as caught:
            read(content, **options)
        line = str(caught.value).replace(f"{tmp_path}/", "")
        assert "\n" not in line
        assert "Feynman" not in line
        return line

    return refusing
