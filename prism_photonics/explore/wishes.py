"""Wishes: what a new chip shall do and what may be spent on it. `prism design` makes a spec of them.

A wish that is left out leaves freedom: the most robust choice is then taken.
"""

from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from prism_photonics.explore.needed_snr import snr_for_bits_dB, snr_for_recall_dB
from prism_photonics.files.complaint import gravest, place_of, wrong_value
from prism_photonics.files.fields import shown
from prism_photonics.files.toml import read_toml
from prism_photonics.process.profile import load_profile
from prism_photonics.spec import ChipSpec, load_spec
from prism_photonics.units import InputError, nearest

DEFAULT_SNR_dB = 15.0
"""Required score SNR where neither recall nor bits are wished: arXiv 2603.21576."""
LARGEST_ROWS = 4096
"""Rows of the largest splitter tree that a spec may hold."""


class Wishes(BaseModel):
    """What a chip shall do, and what may be spent on it."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=True)

    name: str = Field(default="designed", pattern=r"^[a-z][a-z0-9_]{0,63}$", description="of the chip")
    dims: int = Field(ge=1, le=1024, description="values of a signature; each needs a channel, two with dual_rail")
    rows: int = Field(ge=1, le=LARGEST_ROWS, description="blocks that are ranked at once")
    process: str = Field(description="film, such as tfln600")
    base: str = Field(default="demo_8x8", description="spec that all other numbers are taken from")
    encoding: Literal["offset", "two_shot", "dual_rail"] | None = Field(default=None, description="of the query")
    max_voltage_V: float | None = Field(default=None, gt=0, le=200, description="of the ring drivers, either sign")
    itu_grid_GHz: float | None = Field(default=None, ge=6.25, le=800, description="lines stand on this grid")
    first_itu_channel: int | None = Field(default=None, ge=1, le=100, description="of the line of highest frequency")
    spacing_GHz: float | None = Field(default=None, gt=1, le=2500, description="of lines equal in frequency")
    spacing_nm: float | None = Field(default=None, gt=0.01, le=20, description="of lines equal in wavelength")
    weight_limit: float = Field(default=0.75, ge=0.05, le=0.98, description="reach: weights cover ± this")
    recall: float | None = Field(default=None, gt=0, lt=1, description="share of the true best k that is chosen")
    k: int | None = Field(default=None, ge=1, description="of recall: how many rows are chosen")
    bits: float | None = Field(default=None, ge=1, le=12, description="of a score, as noise of a uniform converter")
    required_snr_dB: float | None = Field(default=None, ge=0, le=60, description="of a score")
    most_buses: int = Field(default=64, ge=1, le=64, description="of a row")
    most_line_power_dBm: float = Field(default=13.0, ge=-30, le=30, description="laser power that may be bought")
    most_area_mm2: float = Field(default=858.0, gt=0, le=858, description="of the die; 858 is a stepper field")
    least_bandwidth_GHz: float = Field(default=0.1, ge=0.01, le=100, description="of the receiver: how fast it is read")
    trimming: Literal["none", "permanent", "heater"] = Field(default="permanent", description="of the rings")
    residual_pm: float = Field(default=14.0, ge=0.0, le=1000, description="rms that the trimming leaves")

    @model_validator(mode="after")
    def _agree(self) -> "Wishes":
        grids = [key for key in ("itu_grid_GHz", "spacing_GHz", "spacing_nm") if getattr(self, key) is not None]
        if len(grids) > 1:
            raise ValueError(f"'{grids[0]}' and '{grids[1]}' both space the lines; give one of them")
        if self.first_itu_channel is not None and "spacing_nm" in grids:
            raise ValueError(
                "'first_itu_channel' is a frequency and 'spacing_nm' spaces lines in wavelength; give itu_grid_GHz or "
                "spacing_GHz"
            )
        asked = [key for key in ("recall", "bits", "required_snr_dB") if getattr(self, key) is not None]
        if len(asked) > 1:
            raise ValueError(f"'{asked[0]}' and '{asked[1]}' both say how quiet the scores shall be; give one of them")
        if (self.recall is None) != (self.k is None):
            raise ValueError("'recall' needs 'k', how many rows are chosen, and 'k' needs 'recall'; give both or none")
        if self.k is not None and self.k >= self.rows:
            raise ValueError(f"k = {self.k}: all of rows = {self.rows} would be chosen; choose fewer or wish more rows")
        if self.encoding == "dual_rail" and self.dims > 512:
            raise ValueError(f"dims = {self.dims}: dual_rail needs two channels a value; wish at most 512")
        return self

    @classmethod
    def from_toml(cls, path: str | Path) -> "Wishes":
        """Read a file of wishes.

        Raises:
            InputError: It cannot be read, or holds an unknown key, a value out of range or a contradiction.
        """
        return cls.of(read_toml(path, what="wishes", name="wishes.toml"), where=str(path))

    @classmethod
    def of(cls, wishes: dict[str, Any], *, where: str = "wishes") -> "Wishes":
        """Check wishes given as a table; ``where`` names them in errors.

        Raises:
            InputError: An unknown key, a value out of range, a contradiction, an unknown film or base.
        """
        try:
            checked = cls.model_validate(wishes)
        except ValidationError as error:
            raise InputError(f"{where}: {_explained(error)}") from None
        load_profile(checked.process)
        _ = checked.base_spec
        return checked

    @cached_property
    def base_spec(self) -> ChipSpec:
        """The spec that all other numbers are taken from."""
        return load_spec(self.base)

    @property
    def snr_dB(self) -> float:
        """Required SNR of a score."""
        if self.recall is not None:
            assert self.k is not None
            return snr_for_recall_dB(self.recall, k=self.k, rows=self.rows)
        if self.bits is not None:
            return snr_for_bits_dB(self.bits)
        return DEFAULT_SNR_dB if self.required_snr_dB is None else self.required_snr_dB

    def text(self) -> str:
        """As a file of wishes."""
        given = self.model_dump(exclude_none=True)
        return "".join(f"{key} = {_toml(value)}\n" for key, value in given.items())


def _toml(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)


def _explained(error: ValidationError) -> str:
    """The gravest complaint, as one line: where, got, want, cure."""
    first = gravest(error)
    key = place_of(first)
    if first["type"] == "extra_forbidden":
        return f"unknown wish {shown(key)}; {nearest(key[:100], Wishes.model_fields)}"
    if first["type"] == "missing":
        return f"missing wish '{key}' ({Wishes.model_fields[key].description}); add it"
    if first["type"] == "value_error":
        return first["msg"].removeprefix("Value error, ")
    meaning = Wishes.model_fields[key].description if key in Wishes.model_fields else None
    return f"{wrong_value(first, shown(first['input']))}; mend the value ({meaning or 'its unit is in the key'})"
