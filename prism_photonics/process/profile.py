"""Foundry profiles: the numbers of one film stack, each with its source, read from TOML."""

import math
import tomllib
from functools import cache
from importlib import resources
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

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


@cache
def load_profile(name: str) -> Profile:
    """Read a shipped profile by name.

    Raises:
        InputError: The name is unknown; the message names the nearest one.
    """
    if name not in profile_names():
        near = nearest(name[:100], profile_names())
        guess = f"{near} " if near.startswith("did") else ""
        known = ", ".join(sorted(profile_names()))
        raise InputError(f"process: unknown profile '{name[:100]}'; {guess}Known: {known}")
    text = (resources.files(__package__) / "profiles" / f"{name}.toml").read_text(encoding="utf-8")
    return Profile.model_validate(tomllib.loads(text))
