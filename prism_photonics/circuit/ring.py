"""One add-drop ring by itself: geometry and film in, spectrum, linewidth and tuning curve out."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, final

import jax.numpy as jnp
import numpy as np
from jaxtyping import ArrayLike, Float
from numpy import ndarray

from prism_photonics.circuit.params import ring_params
from prism_photonics.lightpath.ring.design import RingDesign
from prism_photonics.lightpath.ring.model import RingParams, fsr_um, fwhm_pm, resonance_shift_pm, ring_fields
from prism_photonics.lightpath.ring.place import resonance_um
from prism_photonics.plotting import drawn
from prism_photonics.process.profile import Profile, load_profile
from prism_photonics.spec import ChipSpec
from prism_photonics.units import PM_PER_UM, InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@final
@dataclass(frozen=True)
class Ring:
    """An add-drop ring between two straight buses, with electro-optic tuning. The defaults are those of `circles_8x8`.

    Attributes:
        radius_um: Bend radius of the four quarter turns.
        straight_um: Length of each of the two coupling straights.
        gap_through_um: Edge-to-edge gap to the through bus.
        gap_drop_um: Edge-to-edge gap to the drop bus.
        arm_um: Length of each arm of a racetrack; 0 for a circle.
        euler_p: Share of each quarter turn's angle in its two ramps of curvature; `radius_um` is then that of the arcs
            with their ends.
        cosine: Whether curvature grows along them as a raised cosine, or evenly.
        lobe_half_angle_deg: Half the angular width of each electrode lobe.
        electrode_gap_um: Distance between the edges of inner and outer electrode.
        loss_dB_cm: Propagation loss.
        process: The film stack, by name.
        near_wl_um: Its resonance is the one nearest to this wavelength.
    """

    radius_um: float = 20.0
    straight_um: float = 2.6
    gap_through_um: float = 0.40
    gap_drop_um: float = 0.40
    arm_um: float = 0.0
    lobe_half_angle_deg: float = 48.5
    electrode_gap_um: float = 5.4
    loss_dB_cm: float = 0.27
    process: str = "tfln600"
    near_wl_um: float = 1.55
    euler_p: float = 0.0
    cosine: bool = False

    def __post_init__(self) -> None:
        """Refuse what is no ring.

        Raises:
            InputError: A length that is not positive, a gap at which the ribs touch, or an unknown film.
        """
        above = {"radius_um": 0.0, "near_wl_um": 0.0, "electrode_gap_um": 0.0}
        above |= dict.fromkeys(("gap_through_um", "gap_drop_um"), self.profile.least_gap_um)
        for name, least in above.items():
            if not least < getattr(self, name) < math.inf:
                raise InputError(f"Ring: {name} = {getattr(self, name):g}, want more than {least:.3g}; raise it")
        if not 0.0 <= self.euler_p <= 1.0:
            raise InputError(f"Ring: euler_p = {self.euler_p:g}, want 0 (arcs) to 1 (ramps alone)")
        for name in ("straight_um", "arm_um", "lobe_half_angle_deg", "loss_dB_cm"):
            if not 0.0 <= getattr(self, name) < math.inf:
                raise InputError(f"Ring: {name} = {getattr(self, name):g}, want 0 or more; raise it")

    @classmethod
    def from_spec(cls, spec: ChipSpec, channel: int = 0) -> "Ring":
        """The ring that serves one channel of a chip, as designed.

        Raises:
            InputError: The chip has no such channel.
        """
        if not 0 <= channel < spec.chip.channels:
            raise InputError(
                f"Ring: channel {channel} of {spec.name}, want 0 to {spec.chip.channels - 1}; choose another"
            )
        design = spec.ring_designs[channel]
        return cls(
            radius_um=design.radius_um,
            straight_um=design.straight_um,
            gap_through_um=design.gap_through_um,
            gap_drop_um=design.gap_drop_um,
            arm_um=design.arm_um,
            lobe_half_angle_deg=design.lobe_half_angle_deg,
            electrode_gap_um=design.electrode_gap_um,
            loss_dB_cm=spec.waveguide.loss_dB_cm,
            process=spec.process,
            near_wl_um=spec.comb_design.wl_um[channel] + spec.ring.bias_pm / PM_PER_UM,
            euler_p=design.euler_p,
            cosine=design.cosine != 0.0,
        )

    @property
    def profile(self) -> Profile:
        """The film stack."""
        return load_profile(self.process)

    @cached_property
    def design(self) -> RingDesign:
        """The geometry as the layout draws it."""
        electrode_width_um, margin_um = 8.0, 10.0
        across = 2.0 * (self.radius_um + self.electrode_gap_um / 2.0 + electrode_width_um) + self.straight_um
        return RingDesign(
            radius_um=self.radius_um,
            straight_um=self.straight_um,
            gap_through_um=self.gap_through_um,
            gap_drop_um=self.gap_drop_um,
            width_um=self.profile.film.rib_width_um.value,
            pitch_um=across + margin_um,
            lobe_half_angle_deg=self.lobe_half_angle_deg,
            electrode_gap_um=self.electrode_gap_um,
            electrode_width_um=electrode_width_um,
            arm_um=self.arm_um,
            euler_p=self.euler_p,
            cosine=float(self.cosine),
        )

    @cached_property
    def params(self) -> RingParams:
        """The optics that the solver takes."""
        return ring_params(self.design, self.profile, loss_dB_cm=self.loss_dB_cm)

    @property
    def fwhm_pm(self) -> float:
        """Full width of the drop peak at half maximum, in pm."""
        return float(fwhm_pm(self.params))

    @property
    def fsr_nm(self) -> float:
        """Free spectral range in nm."""
        return 1e3 * float(fsr_um(self.params))

    @property
    def q_loaded(self) -> float:
        """Loaded quality factor λ/FWHM."""
        return self.resonance_um() * PM_PER_UM / self.fwhm_pm

    @property
    def tuning_pm_V(self) -> float:
        """Shift of the resonance per volt, in pm/V."""
        return float(self.params.slope_pm_V)

    def resonance_um(self, volts: float = 0.0) -> float:
        """Wavelength of the resonance nearest to ``near_wl_um``, at a voltage, in µm."""
        at_rest = resonance_um(self.profile, self.design.lengths, near_um=self.near_wl_um)
        return at_rest + float(resonance_shift_pm(self.params, jnp.asarray(volts))) / PM_PER_UM

    def spectrum(
        self, wl_um: Float[ArrayLike, "*wl"], volts: float = 0.0
    ) -> tuple[Float[ndarray, "*wl"], Float[ndarray, "*wl"]]:
        """Power transmissions at wavelengths in µm and a voltage in V.

        Returns:
            (through, drop), each of the shape of ``wl_um``.
        """
        shift_pm = resonance_shift_pm(self.params, jnp.asarray(volts))
        fields = ring_fields(jnp.asarray(wl_um), self.params, shift_pm)
        through, drop = (np.square(np.abs(np.asarray(field))) for field in (fields.through, fields.drop))
        # A square of one number is a NumPy scalar.
        return np.asarray(through), np.asarray(drop)

    def weight(self, volts: Float[ArrayLike, "*volts"], wl_um: float | None = None) -> Float[ndarray, "*volts"]:
        """Weight ``T_through − T_drop`` at voltages in V.

        Args:
            volts: Ring voltages in V.
            wl_um: The channel's wavelength in µm; by default where the ring rests.

        Returns:
            Weights of the shape of ``volts``, in [−1, 1].
        """
        wl = self.resonance_um() if wl_um is None else wl_um
        fields = ring_fields(wl, self.params, resonance_shift_pm(self.params, jnp.asarray(volts)))
        return np.asarray(np.abs(np.asarray(fields.through)) ** 2 - np.abs(np.asarray(fields.drop)) ** 2)

    def plot_spectrum(self, ax: "Axes | None" = None, *, volts: float = 0.0) -> "Axes":
        """Draw through and drop transmission about the resonance.

        Args:
            ax: Matplotlib axes to draw into; new ones by default.
            volts: Ring voltage in V.

        Returns:
            The axes.
        """
        return drawn("ring_spectrum", self, ax=ax, volts=volts)

    def plot_tuning(self, ax: "Axes | None" = None, *, max_voltage_V: float = 20.0) -> "Axes":
        """Draw the weight against the voltage, at the wavelength where the ring rests.

        Args:
            ax: Matplotlib axes to draw into; new ones by default.
            max_voltage_V: Largest voltage, either sign, in V.

        Returns:
            The axes.
        """
        return drawn("ring_tuning", self, ax=ax, max_voltage_V=max_voltage_V)

    def __str__(self) -> str:
        """Its figures, one a line."""
        return (
            f"ring of {self.radius_um:g} µm in {self.process}\n"
            f"  resonance {1e3 * self.resonance_um():>10.3f} nm\n"
            f"  linewidth {self.fwhm_pm:>10.1f} pm\n"
            f"  Q loaded  {self.q_loaded:>10,.0f}\n"
            f"  FSR       {self.fsr_nm:>10.2f} nm\n"
            f"  tuning    {self.tuning_pm_V:>10.2f} pm/V"
        )
