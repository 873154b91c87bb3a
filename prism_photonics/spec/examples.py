"""The chips that ship, by name: `load_spec` reads one of them, or the spec file at a path."""

from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from prism_photonics.spec.chip_spec import ChipSpec
from prism_photonics.units import InputError, nearest

# In the source tree the specs lie beside their READMEs and records; the wheel has copies in this package.
SOURCE_TREE = Path(__file__).parents[2]
SOURCE_FOLDERS = ("layouts", "calibration")


def load_spec(name_or_path: str | Path) -> ChipSpec:
    """Read and check a shipped spec by its name, or a spec file by its path.

    Args:
        name_or_path: A name of `example_names`, such as ``"demo_8x8"``, or a path. A name comes first: a file called
            like one is ``"./demo_8x8"``.

    Raises:
        InputError: There is no such file and no such name (the message lists all), or the spec is not valid.
    """
    given = str(name_or_path)
    if given in (shipped := _shipped()):
        return ChipSpec.from_text(shipped[given].read_text(encoding="utf-8"), where=given)
    path = Path(name_or_path)
    if len(path.parts) == 1 and not path.suffix and not path.is_file():
        names = ", ".join(sorted(shipped))
        near = nearest(given, shipped)
        guess = f"{near} " if near.startswith("did") else ""
        raise InputError(
            f"{given}: no spec of this name ships; {guess}Shipped: {names}; or give the path of a spec.toml"
        )
    return ChipSpec.from_toml(path)


def example_names() -> tuple[str, ...]:
    """Names of the shipped specs, in alphabetical order."""
    return tuple(sorted(_shipped()))


def example_text(name: str) -> str:
    """The file of a shipped spec, with its comments: what one's own spec begins as.

    Raises:
        InputError: No spec of this name ships.
    """
    if name not in (shipped := _shipped()):
        raise InputError(f"{name}: no spec of this name ships; {nearest(name, shipped)}")
    return shipped[name].read_text(encoding="utf-8")


def _shipped() -> dict[str, Traversable | Path]:
    """File of every shipped spec by name: the package's own, else the source tree's."""
    packed = resources.files(__package__) / "examples"
    if packed.is_dir():
        return {entry.name.removesuffix(".toml"): entry for entry in packed.iterdir() if entry.name.endswith(".toml")}
    return {
        spec.parent.name: spec
        for folder in SOURCE_FOLDERS
        for spec in sorted(SOURCE_TREE.glob(f"{folder}/*/spec.toml"))
    }
