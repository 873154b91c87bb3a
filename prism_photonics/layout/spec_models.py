"""SAX models of the PDK's cells that take a spec: its row, with every ring's voltage, and its splitter tree."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax.numpy as jnp

from prism_photonics.circuit.models import Model, device_models
from prism_photonics.circuit.saxrow import strict_circuit
from prism_photonics.netlist import TOP, from_spec
from prism_photonics.process.profile import Profile
from prism_photonics.saxlib import sax
from prism_photonics.spec import ChipSpec, load_spec
from prism_photonics.spec.cache import cached_by_spec
from prism_photonics.units import InputError


def spec_of(spec: Path | str, profile: Profile) -> ChipSpec:
    """The chip of a spec file, which has to be of the PDK's film.

    Raises:
        InputError: It is of another film, or cannot be read.
    """
    chosen = load_spec(spec)
    if chosen.profile.name != profile.name:
        raise InputError(
            f"{spec}: a chip of {chosen.profile.name}, this PDK is of {profile.name}; activate "
            f"make_pdk({chosen.profile.name!r})"
        )
    return chosen


def part_of(spec: ChipSpec, part: str) -> str:
    """The cell of a chip's netlist that is its ``row``, its ``tree`` or its ``circuit``.

    Raises:
        InputError: A chip of one row has no tree.
    """
    if part != "tree":
        return {"row": "row", "circuit": TOP}[part]
    netlist = from_spec(spec)
    bank = netlist.cells[next(iter(netlist.banks.values()))]
    if part not in bank.instances:
        raise InputError(f"{spec.name}: a chip of one row has no tree; give a spec of more rows")
    return bank.instances[part].component


def spec_models(profile: Profile) -> dict[str, Model]:
    """Models of ``row`` and ``tree`` by the spec file that the cells take.

    A row also takes ``volts_V`` and ``shift_pm``, its rings' resonance shift by fabrication: one number for all, or one
    of each ring. Of a whole circuit all light ends in photodiodes: it has no model.
    """
    models: dict[str, Model] = {"row": partial(_row, profile), "tree": partial(_tree, profile)}
    for name, model in models.items():
        vars(model)["__name__"] = name
    return models


def _row(
    profile: Profile,
    *,
    wl: sax.FloatArrayLike = 1.55,
    spec: Path | str = "",
    volts_V: Any = 0.0,
    shift_pm: Any = 0.0,
) -> sax.SDict:
    """SAX model of a spec's row: wavelength in µm, volts and shifts in pm of its rings."""
    circuit, rings = _circuit(_given(spec, profile, "row"), "row")
    each = {"volts_V": jnp.asarray(volts_V, dtype=float), "shift_pm": jnp.asarray(shift_pm, dtype=float)}
    for key, value in each.items():
        if value.shape not in ((), (len(rings),)):
            raise InputError(f"row: {key} of shape {value.shape}; want one number or {len(rings)}, one of each ring")
    spread = {key: jnp.broadcast_to(value, (len(rings),)) for key, value in each.items()}
    return circuit(wl=wl, **{ring: {key: spread[key][c] for key in spread} for c, ring in enumerate(rings)})


def _tree(profile: Profile, *, wl: sax.FloatArrayLike = 1.55, spec: Path | str = "") -> sax.SDict:
    """SAX model of a spec's splitter tree: wavelength in µm."""
    circuit, _ = _circuit(_given(spec, profile, "tree"), "tree")
    return circuit(wl=wl)


def _given(spec: Path | str, profile: Profile, part: str) -> ChipSpec:
    if not str(spec):
        raise InputError(f"{part}: no spec; give spec = 'NAME' or a file, as the cell takes it")
    return spec_of(spec, profile)


@cached_by_spec
def _circuit(spec: ChipSpec, part: str) -> tuple[Callable[..., sax.SDict], list[str]]:
    """The part's circuit, and its rings' names in the order of their channels."""
    netlist, name = from_spec(spec), part_of(spec, part)
    models = device_models(spec.profile, loss_dB_cm=spec.waveguide.loss_dB_cm)
    rings = [own for own, placed in netlist.cells[name].instances.items() if placed.component == "ring"]
    return strict_circuit(netlist.to_sax(name), models), sorted(rings, key=lambda ring: int(ring.split("_")[-1]))
