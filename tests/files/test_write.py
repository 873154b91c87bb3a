"""A file appears whole, as readable as its user wants, or not at all."""

import os
import stat

import pytest

from prism_photonics.files import make_folder, write_bytes, write_text
from prism_photonics.units import InputError

NOBODY = 65534


@pytest.fixture
def ordinary_user():
    """Act as somebody who may not do everything: root writes where no permission is given."""
    if os.geteuid() == 0:
        os.seteuid(NOBODY)
        yield
        os.seteuid(0)
    else:
        yield


@pytest.fixture
def locked(tmp_path):
    """A folder that can be read and not written."""
    folder = tmp_path / "locked"
    folder.mkdir()
    (folder / "old").write_text("old")
    folder.chmod(0o555)
    yield folder
    folder.chmod(0o755)


def test_a_file_and_its_folders_are_made(tmp_path):
    write_text(tmp_path / "a" / "b" / "c.txt", "λ = 1.55 µm\n")
    assert (tmp_path / "a" / "b" / "c.txt").read_bytes() == "λ = 1.55 µm\n".encode()
    assert os.listdir(tmp_path / "a" / "b") == ["c.txt"]


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_a_file_is_as_readable_as_the_umask_says(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        write_bytes(tmp_path / "file", b"x")
        assert os.umask(umask) == umask  # left as it was
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == mode


def test_an_older_file_is_replaced_and_kept_when_writing_fails(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_bytes(path, b"old")
    write_bytes(path, b"new")
    assert path.read_bytes() == b"new"

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match=r"file: cannot be written \(No space left on device\); choose a folder"):
        write_bytes(path, b"newer")
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["file"]


def test_trying_a_folder_leaves_nothing_in_it(tmp_path):
    make_folder(tmp_path / "new" / "folder")
    make_folder(tmp_path / "new" / "folder")
    assert os.listdir(tmp_path / "new" / "folder") == []


@pytest.mark.parametrize("place", ["file", "file/below", "file/below/further"])
def test_a_file_in_the_place_of_a_folder_is_named_as_the_reason(tmp_path, place):
    (tmp_path / "file").write_text("in the way")
    message = r"cannot be written \(a file stands where a folder should\); choose a folder that can be written"
    with pytest.raises(InputError, match=message):
        make_folder(tmp_path / place)
    with pytest.raises(InputError, match=message):
        write_bytes(tmp_path / place / "out", b"x")


def test_a_folder_without_permission_is_refused_before_and_while_writing(locked, ordinary_user):
    message = r"cannot be written \(Permission denied\); choose a folder that can be written"
    with pytest.raises(InputError, match=message):
        make_folder(locked)
    with pytest.raises(InputError, match=message):
        make_folder(locked / "below")
    with pytest.raises(InputError, match=message):
        write_bytes(locked / "old", b"new")
