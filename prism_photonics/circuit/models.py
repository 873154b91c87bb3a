"""SAX models of the drawn devices, whose settings are the fields of the designs."""

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import Any

import jax.numpy as jnp
import numpy as np

from prism_photonics.circuit.params import path_params, ring_params, vernier_params
from prism_photonics.lightpath.coupler.design import EdgeCouplerDesign
from prism_photonics.lightpath.coupler.saxmodel import edge_coupler
from prism_photonics.lightpath.defaults import default_settings
from prism_photonics.lightpath.detector.design import DetectorSiteDesign, PhotodiodeSiteDesign
from prism_photonics.lightpath.ring.design import OLDER, RingDesign
from prism_photonics.lightpath.ring.model import ring_fields
from prism_photonics.lightpath.sizes import number, require_film, require_mode, require_number, require_sizes
from prism_photonics.lightpath.splitter.design import SplitterDesign
from prism_photonics.lightpath.splitter.saxmodel import splitter
from prism_photonics.lightpath.vernier.design import VernierDesign
from prism_photonics.lightpath.vernier.model import vernier_fields
from prism_photonics.lightpath.waveguide.design import (
    BranchDesign,
    Lengths,
    StraightDesign,
    TerminatorDesign,
    UTurnDesign,
)
from prism_photonics.lightpath.waveguide.model import transmission
from prism_photonics.lightpath.waveguide.turned import bends_passed
from prism_photonics.process.necks import first_dB, neck
from prism_photonics.process.profile import Profile
from prism_photonics.saxlib import sax
from prism_photonics.units import InputError, nearest

Model = Callable[..., sax.SDict]
# What a ring takes beyond its design: a shift by fabrication, its voltage, and which way its electrodes' field points:
# 1 as drawn, −1 where the cell is turned by half a turn.
TUNING: Mapping[str, float | None] = {"shift_pm": 0.0, "volts_V": None, "polarity": 1.0}
TUNING_OF_TWO: Mapping[str, float | None] = {"shift1_pm": 0.0, "shift2_pm": 0.0, "volts_V": None, "polarity": 1.0}


def device_models(profile: Profile, *, loss_dB_cm: float) -> dict[str, Model]:
    """SAX models of every drawn device, by component name, and of a ``guide`` given by its `Lengths`.

    The settings are exactly the fields of each device's design, with the film's defaults (`default_settings`). A ring
    also takes ``shift_pm``, its resonance shift by fabrication, ``volts_V``, and ``polarity``. A setting that a model
    does not take, and a size that cannot be drawn on the film, is an error.

    Args:
        profile: The film stack.
        loss_dB_cm: Waveguide loss.

    Returns:
        Models for `strict_circuit`, ports as in the drawing.
    """
    optics = _Optics(profile, loss_dB_cm)
    defaults = default_settings(profile)
    described: tuple[tuple[str, type, Callable[..., sax.SDict], Mapping[str, float | None]], ...] = (
        ("straight", StraightDesign, optics.along, {}),
        ("uturn", UTurnDesign, optics.bent, {}),
        ("branch", BranchDesign, optics.bent, {}),
        ("ring", RingDesign, optics.ring, TUNING),
        ("vernier", VernierDesign, optics.vernier, TUNING_OF_TWO),
        ("splitter", SplitterDesign, optics.splitter, {}),
        ("edge_coupler", EdgeCouplerDesign, optics.edge_coupler, {}),
        ("terminator", TerminatorDesign, optics.dark, {}),
        ("detector", DetectorSiteDesign, optics.dark_pair, {}),
        ("photodiode", PhotodiodeSiteDesign, optics.dark, {}),
        ("guide", Lengths, optics.guide, {}),
    )
    no_length = {"x_um": 0.0, "y_um": 0.0, "bend_um": 0.0}
    return {
        name: _model(name, design, respond, defaults={**defaults.get(name, no_length), **extra}, profile=profile)
        for name, design, respond, extra in described
    }


def required_settings(model: Model) -> frozenset[str]:
    """The fields of a device's design, which a netlist must give: they have defaults for a user at a prompt only."""
    return getattr(model, "required", frozenset())


def _model(
    name: str,
    design: type,
    respond: Callable[..., sax.SDict],
    *,
    defaults: Mapping[str, float | None],
    profile: Profile,
) -> Model:
    """A function of the wavelength and of keywords, as SAX reads it from the signature."""
    sizes = [field.name for field in fields(design)]

    def model(**settings: Any) -> sax.SDict:
        for key in settings.keys() - defaults.keys() - {"wl"}:
            raise InputError(f"{name}: the model takes no setting '{key}'; {nearest(key, defaults)}")
        _require_numbers(name, settings)
        chosen = {**defaults, "wl": 1.55, **settings}
        # SAX hands numbers over as JAX's arrays: of these each step of a ring's geometry would be a program of its own.
        plain = {key: number(value) for key, value in chosen.items() if np.ndim(value) == 0}
        chosen |= {key: value for key, value in plain.items() if value is not None}
        made = design(**{key: chosen.pop(key) for key in sizes})
        require_sizes(name, made)
        require_film(name, made, profile)
        require_mode(name, made, profile)
        wl = jnp.asarray(chosen.pop("wl"))
        return respond(made, wl, **chosen)

    model.__name__ = model.__qualname__ = name
    model.__doc__ = f"SAX model of the {name}: wavelength in µm, and the fields of `{design.__name__}`."
    kind = inspect.Parameter.KEYWORD_ONLY
    parameters = [inspect.Parameter(key, kind, default=value) for key, value in {"wl": 1.55, **defaults}.items()]
    vars(model)["__signature__"] = inspect.Signature(parameters)
    vars(model)["required"] = frozenset(sizes) - frozenset(OLDER if design is RingDesign else ())
    return model


def _require_numbers(name: str, settings: Mapping[str, Any]) -> None:
    """Refuse a word for a number, a shift or voltage that is none, and a polarity that is not a turn's.

    Sizes are held against their limits elsewhere; what JAX traces, and arrays, are not looked at.
    """
    for key, value in settings.items():
        plain = require_number(name, key, value)
        if key == "polarity" and plain is not None and abs(plain) != 1.0:
            raise InputError(f"{name}: polarity = {plain:g}; want 1 (as drawn) or -1 (turned by half a turn)")
        if plain is not None and not math.isfinite(plain):
            raise InputError(f"{name}: {key} = {plain:g}; want a finite number")


def _volts(volts_V: Any, polarity: Any) -> Any:
    """The voltage as the electrodes stand to the crystal; none is none."""
    return 0.0 if volts_V is None else polarity * volts_V


class _Optics:
    """SAX models of the designs, on a film of given propagation loss."""

    def __init__(self, profile: Profile, loss_dB_cm: float):
        self._profile, self._loss_dB_cm = profile, loss_dB_cm

    def along(self, design: Any, wl: Any) -> sax.SDict:
        return self.guide(design.lengths, wl)

    def bent(self, design: UTurnDesign | BranchDesign, wl: Any) -> sax.SDict:
        passed = jnp.sqrt(bends_passed(self._profile, design, jnp))
        return sax.reciprocal({("o1", "o2"): passed * self._transmission(design.lengths, wl)})

    def guide(self, lengths: Lengths, wl: Any) -> sax.SDict:
        return sax.reciprocal({("o1", "o2"): self._transmission(lengths, wl)})

    def ring(self, design: RingDesign, wl: Any, *, shift_pm: Any, volts_V: Any, polarity: Any) -> sax.SDict:
        params = ring_params(self._tunable("ring", design, volts_V), self._profile, loss_dB_cm=self._loss_dB_cm)
        fields = ring_fields(wl, params, shift_pm + _volts(volts_V, polarity) * params.slope_pm_V)
        # Half a pitch of bus on each of the four sides.
        stubs = self._transmission(Lengths(x_um=design.pitch_um), wl) * self._necks(design)
        return sax.reciprocal(
            {
                ("o1", "o2"): stubs * fields.through,
                ("o1", "o3"): stubs * fields.drop,
                ("o2", "o4"): stubs * fields.drop,
                ("o3", "o4"): stubs * fields.drop_bus,
            }
        )

    def vernier(
        self, design: VernierDesign, wl: Any, *, shift1_pm: Any, shift2_pm: Any, volts_V: Any, polarity: Any
    ) -> sax.SDict:
        tuned = self._tunable("vernier", design, volts_V)
        pair = vernier_params(tuned, self._profile, loss_dB_cm=self._loss_dB_cm)
        by_volts = [
            _volts(volts_V, polarity) * ring_params(ring, self._profile, loss_dB_cm=self._loss_dB_cm).slope_pm_V
            for ring in tuned.rings
        ]
        fields = vernier_fields(wl, pair, shift1_pm + by_volts[0], shift2_pm + by_volts[1])
        stubs = self._transmission(Lengths(x_um=design.pitch_um), wl)
        return sax.reciprocal(
            {
                ("o1", "o2"): stubs * fields.through,
                ("o1", "o4"): stubs * fields.drop,
                ("o3", "o2"): stubs * fields.drop,
                ("o3", "o4"): stubs * fields.drop_bus,
            }
        )

    def splitter(self, design: SplitterDesign, wl: Any) -> sax.SDict:
        return splitter(wl=wl, excess_loss_dB=design.excess_loss_dB)

    def edge_coupler(self, design: EdgeCouplerDesign, wl: Any) -> sax.SDict:
        return edge_coupler(wl=wl, loss_dB=design.loss_dB)

    def dark(self, design: Any, wl: Any) -> sax.SDict:
        """All light that enters ends here."""
        return {("o1", "o1"): jnp.zeros_like(wl, dtype=complex)}

    def dark_pair(self, design: Any, wl: Any) -> sax.SDict:
        nothing = jnp.zeros_like(wl, dtype=complex)
        return {("o1", "o1"): nothing, ("o2", "o2"): nothing}

    def _transmission(self, lengths: Lengths, wl: Any) -> Any:
        return transmission(wl, path_params(lengths, self._profile, loss_dB_cm=self._loss_dB_cm))

    def _necks(self, design: RingDesign) -> Any:
        """Field that the two necks of a bus leave."""
        film, width_um = self._profile.name, number(design.neck_um)
        lost_dB = first_dB(film, design.neck_um, jnp) if width_um is None else neck(film, width_um).first_dB
        return 10.0 ** (-2.0 * lost_dB / 20.0)

    def _tunable[Tuned: (RingDesign, VernierDesign)](self, device: str, design: Tuned, volts_V: Any) -> Tuned:
        """The design with plain electrodes: their angle is integrated over, so it must not be traced (`jit`).

        Raises:
            InputError: There is a voltage, but no tuning is known for these electrodes.
        """
        angle, gap = number(design.lobe_half_angle_deg), number(design.electrode_gap_um)
        known = self._profile.electrooptics.electrode_gap_um.value
        ramps = [number(getattr(design, field, 0.0)) for field in ("euler_p", "cosine")]
        if volts_V is not None and (angle is None or gap is None or abs(gap - known) > 1e-9 or None in ramps):
            raise InputError(
                f"{device}: volts_V is given, but the tuning of {self._profile.name} is known for electrode_gap_um = "
                f"{known:g} and a plain lobe_half_angle_deg, euler_p and cosine; give these, or shift_pm"
            )
        return replace(design, lobe_half_angle_deg=60.0 if angle is None else angle)
