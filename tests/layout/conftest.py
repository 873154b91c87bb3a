import re
from pathlib import Path

import pytest

from prism_photonics.layout.write import LayoutFiles, write
from prism_photonics.spec import ChipSpec

LAYOUTS = Path(__file__).parents[2] / "layouts"
DEMO, CIRCLES = (LAYOUTS / name / "spec.toml" for name in ("demo_8x8", "circles_8x8"))


def sized(rows: int, channels: int, *, process: str = "tfln600", **ring: float) -> ChipSpec:
    """The chip of circles with another number of rows and channels, on another film, or with other keys."""
    text = CIRCLES.read_text(encoding="utf-8").replace('process = "tfln600"', f'process = "{process}"')
    for key, value in {"rows": rows, "channels": channels, **ring}.items():
        text, count = re.subn(rf"^{key} = [-\d.]+", f"{key} = {value}", text, flags=re.M)
        assert count == 1, key
    return ChipSpec.from_text(text)


@pytest.fixture(scope="session")
def spec() -> ChipSpec:
    return ChipSpec.from_toml(DEMO)


@pytest.fixture(scope="session")
def tiny() -> ChipSpec:
    return sized(2, 2)


@pytest.fixture(scope="session")
def files(spec: ChipSpec, tmp_path_factory: pytest.TempPathFactory) -> LayoutFiles:
    """The 8×8 chip, drawn and written once."""
    return write(spec, tmp_path_factory.mktemp("demo") / "made" / "on_demand")
