"""Where the user's caches lie."""

import platformdirs
import pytest

from prism_photonics.cache_folder import PLACE, cache_folder


def test_a_folder_that_is_named_serves(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for asked, found in (("here", tmp_path / "here"), ("~/there", tmp_path / "home" / "there")):
        monkeypatch.setenv(PLACE, asked)
        assert cache_folder() == found


@pytest.mark.parametrize("asked", ["", "off", "OFF"])
def test_a_cache_that_is_off_for_programs_leaves_the_platforms_own_folder_for_models(monkeypatch, tmp_path, asked):
    monkeypatch.setattr(platformdirs, "user_cache_dir", lambda name, appauthor: str(tmp_path / name))
    monkeypatch.setenv(PLACE, asked)
    assert cache_folder() == tmp_path / "prism_photonics"
