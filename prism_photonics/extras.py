"""Packages that a plain installation leaves out, and the message that names the extra which brings them."""

import importlib
import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from prism_photonics.units import InputError

EXTRA_OF = {
    "equinox": "sim",
    "jax": "sim",
    "jaxlib": "sim",
    "jinja2": "sim",
    "matplotlib": "sim",
    "platformdirs": "sim",
    "sax": "sim",
    "scipy": "sim",
    "xarray": "sim",
    "gdsfactory": "layout",
    "kfactory": "layout",
    "klayout": "layout",
    "shapely": "layout",
    "trimesh": "layout",
    "yaml": "layout",
    "h5py": "lab",
    "pyarrow": "lab",
    "skrf": "lab",
    "pyvisa": "bench",
    "pyvisa_py": "bench",
    "accelerate": "lm",
    "gguf": "lm",
    "pip": "lm",
    "flatbuffers": "ml",
    "onnx": "ml",
    "onnxruntime": "ml",
    "torch": "ml",
    "transformers": "ml",
    "skfem": "modes",
    "faiss": "ann",
    "hnswlib": "ann",
    "dask": "explore",
    "distributed": "explore",
    "optuna": "explore",
}
"""The extra of ``pip install 'prism_photonics[…]'`` that brings each optional package."""


class MissingExtraError(ModuleNotFoundError, InputError):
    """Raised where a part of the toolkit lacks its packages; the message says how to install them."""


@contextmanager
def asked_by(what: str) -> Iterator[None]:
    """Imports in a ``with`` statement; a package that is missing is told as the extra to install.

    Args:
        what: Who asks, for the message.

    Raises:
        MissingExtraError: A package that is imported there is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise explained(error, what=what) from None


def load(module: str, *, what: str) -> Any:
    """Import one of our modules by its full name, as in `asked_by`."""
    with asked_by(what):
        return importlib.import_module(module)


def require(*packages: str, what: str) -> None:
    """Refuse to go on without packages of an extra; nothing is imported.

    Raises:
        MissingExtraError: One of them is not installed.
    """
    for package in packages:
        if importlib.util.find_spec(package) is None:
            raise _missing(package, what=what)


def explained(error: ModuleNotFoundError, *, what: str) -> ModuleNotFoundError:
    """The same error, told as an extra to install where it is one; an unknown module's stays as it is."""
    package = (error.name or "").partition(".")[0]
    if isinstance(error, MissingExtraError) or package not in EXTRA_OF:
        return error
    return _missing(package, what=what)


def _missing(package: str, *, what: str) -> MissingExtraError:
    return MissingExtraError(
        f"{what}: got no module '{package}', want it installed; pip install 'prism_photonics[{EXTRA_OF[package]}]'",
        name=package,
    )
