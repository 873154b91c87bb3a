"""Foundry profiles: the numbers of one film stack, each with its source, read from TOML."""

import math
import tomllib
from functools import cache, lru_cache
from importlib import resources
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from prism_photonics.files.fields import shown
from prism_photonics.files.toml import read_toml
from prism_photonics.process.coupling import GapLaw
from prism_photonics.process.electrooptics import PockelsTensor
from prism_photonics.units import InputError, nearest


class Sourced(BaseModel):
    """A number and where it comes from (a DOI, an arXiv id, or "design choice")."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    value: float = Field(allow_inf_nan=False)
    source: str = Field(min_length=4)


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Film(_Table):
    """Cross-section of the rib waveguide, in µm; the rib's width is its top's, its walls rise at ``wall_deg``."""

    thickness_um: Sourced
    etch_um: Sourced
    rib_width_um: Sourced
    wall_deg: Sourced
    min_bend_radius_um: Sourced


class Optics(_Table):
    """Mode indices at ``wl0_um`` by direction of travel, loss, ring–bus coupling, and what moves a resonance.

    ``coupling_*`` describe two parallel ribs (`prism_photonics.process.coupling.GapLaw`); ``thickness_pm_nm`` (etch
    kept) and ``width_pm_nm`` are ring averages, as is ``thermal_pm_K``.
    """

    wl0_um: Sourced
    n_eff_along_x: Sourced
    n_g_along_x: Sourced
    n_eff_along_y: Sourced
    n_g_along_y: Sourced
    n_eff_TM_along_y: Sourced
    n_eff_TE_along_y_vectorial: Sourced
    loss_dB_cm: Sourced
    coupling_per_um: Sourced
    coupling_gap_um: Sourced
    coupling_decay_um: Sourced
    thermal_pm_K: Sourced
    thermal_along_x_pm_K: Sourced
    thermal_along_y_pm_K: Sourced
    thickness_pm_nm: Sourced
    width_pm_nm: Sourced


class ElectroOptics(_Table):
    """Pockels tensor, V_π·L and the field limit."""

    r33_pm_V: Sourced
    r13_pm_V: Sourced
    r51_pm_V: Sourced
    r22_pm_V: Sourced
    vpil_push_pull_V_cm: Sourced
    electrode_gap_um: Sourced
    coercive_field_V_um: Sourced


class Relaxation(_Table):
    """How a held bias fades: two exponential parts, and the charge that a past bias leaves behind.

    A share is the part of the electro-optic shift that is lost once its time has long passed.
    """

    fast_share: Sourced
    fast_s: Sourced
    slow_share: Sourced
    slow_h: Sourced
    memory_share: Sourced
    memory_h: Sourced


class Profile(_Table):
    """One film stack. Lengths in µm; layout x runs along crystal z, so light along layout y sees r33."""

    name: str
    description: str
    crystal: Literal["LiNbO3", "LiTaO3"]
    film: Film
    optics: Optics
    electrooptics: ElectroOptics
    relaxation: Relaxation

    @property
    def least_gap_um(self) -> float:
        """Narrowest gap between the tops of two ribs whose walls do not meet above the slab."""
        return 2.0 * self.film.etch_um.value / math.tan(math.radians(self.film.wall_deg.value))

    @property
    def gap_law(self) -> GapLaw:
        """Coupling of two parallel ribs against their gap."""
        o = self.optics
        return GapLaw(o.coupling_per_um.value, o.coupling_gap_um.value, o.coupling_decay_um.value)

    @property
    def tensor(self) -> PockelsTensor:
        """The Pockels coefficients in pm/V."""
        eo = self.electrooptics
        return PockelsTensor(eo.r33_pm_V.value, eo.r13_pm_V.value, eo.r51_pm_V.value, eo.r22_pm_V.value)


def profile_names() -> list[str]:
    """Names of the profiles that ship with the package."""
    folder = resources.files(__package__) / "profiles"
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


def load_profile(name: str) -> Profile:
    """Read a shipped profile by name, or a measured one (`read_measured`) by the path of its ``.toml``.

    Raises:
        InputError: The name is unknown; the message names the nearest one. Or the file is no measured profile.
    """
    return read_measured(name) if is_path(name) else _shipped(name)


def is_path(name: str) -> bool:
    """Whether a spec's ``process`` is a file of its own, and no film that ships."""
    return name.endswith(".toml")


def film_name(name: str) -> str:
    """The shipped film that a process is, or that a measured one overlays.

    Raises:
        InputError: The measured profile cannot be read.
    """
    return load_profile(name).name if is_path(name) else name


class Measured(_Table):
    """A measured profile: a shipped film's name, and the numbers that replace the film's, each with its source."""

    base: str
    description: str = ""
    film: dict[str, Sourced] = Field(default_factory=dict)
    optics: dict[str, Sourced] = Field(default_factory=dict)
    electrooptics: dict[str, Sourced] = Field(default_factory=dict)
    relaxation: dict[str, Sourced] = Field(default_factory=dict)


@lru_cache(maxsize=64)
def read_measured(path: str) -> Profile:
    """Read a measured profile, as ``prism extract`` writes it: its numbers laid over those of the film that it names.

    It is read once a process: a chip does not change while it is designed.

    Args:
        path: The TOML file: ``base``, and any of a profile's tables with the entries that were measured.

    Returns:
        A whole profile under the base film's name, whose drawing rules and mode table it keeps.

    Raises:
        InputError: It cannot be read, or holds a key that no profile has.
    """
    table = read_toml(path, what="measured profile", name="process.toml")
    try:
        measured = Measured.model_validate(table)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise InputError(
            f"{path}: {shown(where)}: {first['msg']}; want base and [optics] as prism extract writes them"
        ) from None
    base = _shipped(measured.base)
    content = base.model_dump()
    for name in ("film", "optics", "electrooptics", "relaxation"):
        for key, number in getattr(measured, name).items():
            if key not in content[name]:
                raise InputError(f"{path}: [{name}] has no key {shown(key)}; {nearest(key[:100], content[name])}")
            content[name][key] = number.model_dump()
    if measured.description:
        content["description"] = f"{base.description}; {measured.description}"
    return Profile.model_validate(content)


@cache
def _shipped(name: str) -> Profile:
    if name not in profile_names():
        near = nearest(name[:100], profile_names())
        guess = f"{near} " if near.startswith("did") else ""
        known = ", ".join(sorted(profile_names()))
        raise InputError(f"process: unknown profile '{name[:100]}'; {guess}Known: {known}")
    text = (resources.files(__package__) / "profiles" / f"{name}.toml").read_text(encoding="utf-8")
    return Profile.model_validate(tomllib.loads(text))
