"""One guard round the outside readers: what they raise at damaged files, of a dozen types, is one line."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prism_photonics.units import InputError


@contextmanager
def refusing_damage(path: Path, *, got: str, want: str, cure: str) -> Iterator[None]:
    """Turn whatever an outside reader raises into a refusal of the file.

    Args:
        path: The file.
        got: What it should have been, as in ``MATLAB 5 file``.
        want: What is wanted in it.
        cure: What to do.

    Raises:
        InputError: The reader raised; a refusal of ours passes as it is.
    """
    try:
        yield
    except InputError:
        raise
    except Exception:
        raise InputError(f"{path}: got no readable {got} (truncated or damaged), want {want}; {cure}") from None
