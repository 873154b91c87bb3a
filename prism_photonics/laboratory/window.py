"""A stretch of a measured spectrum about one resonance, or about the rings of one bus: rings × envelope × ripple.

    through = exp(E(λ)) · ∏ T_k(λ)          drop = exp(F(λ)) · D_k(λ) + floor

E and F are what grating couplers, facets and meters do: a polynomial in wavelength, and sinusoids where facets or
gratings face each other. They are free of each other: two ports of a chip never have one gain.

Where the rings stand between the two facets, the light that goes there and back passes them twice: its sinusoid behind
the rings is weakened and turned by ∏ th_k², which moves a dip by up to some hundredths of its width,

    E(λ) = polynomial + Re[(c + j·s)·H·e^{−2πj(λ − λc)/period}]        H = ∏ th_k², or 1 for ripple of laser and fibres

from |1 − r·H·e^{jθ}|⁻² between facets, to first order in the reflected power r.

A laser whose wavelength jitters by ε about what it says reads P(λ + ε), in the mean the convolution of P with the
jitter's Gaussian, ⟨P⟩ = P + ½·σ²·P″ + …: it fills narrow, deep dips as a splitting of some picometres would. What the
wavelength does within one reading (a meter that integrates while the laser sweeps, many fast jitters in one average)
fills them alike, but moves no reading: it is not seen in their scatter, and has to be known.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from prism_photonics.laboratory.response import RingShape, ring_response
from prism_photonics.lightpath.phasor import phasor

RING = len(RingShape._fields)
RIPPLE = 3  # cosine, sine, period
NODES, SHARES = np.polynomial.hermite_e.hermegauss(5)
"""Of the mean over jitter, by Gauss and Hermite: right to 1e-4 of a dip up to a jitter of 0.15 linewidths, to 2e-3 up
to a quarter."""
SHARES = SHARES / np.sum(SHARES)
FEW, FEW_SHARES = np.array([-np.sqrt(3.0), 0.0, np.sqrt(3.0)]), np.array([1.0, 4.0, 1.0]) / 6.0
"""The same of three, for jitters that are small: right to 384·(σ/FWHM)⁶ of a dip, 6e-6 at `SMALL`."""
SMALL = 0.05
"""Of a linewidth."""


@dataclass(frozen=True, eq=False)
class Window:
    """Measured powers in a stretch of wavelengths; NaN where there is no reading.

    Attributes:
        wl_nm: Wavelengths, ascending, in nm.
        through: Power behind the rings over its own baseline; empty where it was not measured.
        drops: Powers at drop ports, each over its own peak.
        drop_of: The ring that each drop port belongs to.
        fsr_nm: Free spectral range of each ring there, in nm.
        slope_per_nm: Change of ln κ² per nm.
        dropped: Whether the rings have drop buses, measured or not.
        drop_over: What each drop port's powers were divided by, over what the through port's were.
        jitter_nm: Standard deviation of the laser's wavelength about ``wl_nm``, from reading to reading.
        blur_nm: The same within each reading.
        narrowest_nm: Width of its narrowest line; 0 where it is not known.
    """

    wl_nm: Float[ndarray, " wl"]
    through: Float[ndarray, " any"]
    drops: tuple[Float[ndarray, " wl"], ...]
    drop_of: tuple[int, ...]
    fsr_nm: tuple[float, ...]
    slope_per_nm: float = 0.0
    dropped: bool = True
    drop_over: tuple[float, ...] = ()
    jitter_nm: float = 0.0
    blur_nm: float = 0.0
    narrowest_nm: float = 0.0

    @property
    def spread_nm(self) -> float:
        """Standard deviation of all wavelengths that readings at one place are made of."""
        return float(np.hypot(self.jitter_nm, self.blur_nm))

    @property
    def traces(self) -> Float[ndarray, "ports wl"]:
        """The measured ports, the through port first."""
        return np.array([self.through, *self.drops] if len(self.through) else self.drops)

    @property
    def centre_nm(self) -> float:
        """The middle of the stretch, in nm."""
        return 0.5 * float(self.wl_nm[0] + self.wl_nm[-1])

    @property
    def half_nm(self) -> float:
        """Half its width, in nm."""
        return 0.5 * float(self.wl_nm[-1] - self.wl_nm[0])


@dataclass(frozen=True, eq=False)
class WindowModel:
    """The model of a window: how its numbers lie in one vector, which of them are free, and what they predict.

    Attributes:
        window: The stretch.
        orders: Degree of each port's polynomial.
        ripples: Number of sinusoids of each port.
        free: Which numbers are fitted.
        around: Of each sinusoid of the through port, whether it is of facets around the rings.
    """

    window: Window
    orders: tuple[int, ...]
    ripples: tuple[int, ...]
    free: Bool[ndarray, " numbers"]
    around: tuple[bool, ...] = ()

    @classmethod
    def plain(cls, window: Window, *, through_order: int = 3, drop_order: int = 1, equal: bool = True) -> "WindowModel":
        """Without ripple and splitting; ``equal`` ties the two couplers of a ring together."""
        orders = (*((through_order,) if len(window.through) else ()), *(drop_order for _ in window.drops))
        ripples = tuple(0 for _ in orders)
        model = cls(window, orders, ripples, np.zeros(0, bool))
        free = np.ones(model.size, bool)
        for k in range(len(window.fsr_nm)):
            free[RING * k + 2] = window.dropped and not equal
            free[RING * k + 4 : RING * k + 6] = False
        return replace(model, free=free)

    @property
    def rings(self) -> int:
        """Number of rings."""
        return len(self.window.fsr_nm)

    @property
    def size(self) -> int:
        """Number of all numbers, free or not."""
        return RING * self.rings + sum(self._length(port) for port in range(len(self.orders)))

    def ring(self, p: Float[ndarray, " numbers"], k: int) -> RingShape:
        """The k-th ring of a vector."""
        return RingShape(*p[RING * k : RING * (k + 1)])

    def widths_nm(self, p: Float[ndarray, " numbers"]) -> list[float]:
        """Width of each ring's line, to first order."""
        widths = []
        for k, fsr_nm in enumerate(self.window.fsr_nm):
            ring = self.ring(p, k)
            couplers = np.exp(ring.log_kappa2) * (1.0 + np.exp(ring.log_ratio) * self.window.dropped)
            widths.append(float(fsr_nm * abs(couplers + ring.loss) / (2.0 * np.pi)))
        return widths

    def envelope(self, port: int) -> slice:
        """Where a port's polynomial, floor (drop ports) and ripples lie."""
        start = RING * self.rings + sum(self._length(before) for before in range(port))
        return slice(start, start + self._length(port))

    def freed(self, numbers: Sequence[int]) -> "WindowModel":
        """With more numbers free."""
        free = self.free.copy()
        free[list(numbers)] = True
        return replace(self, free=free)

    def with_ripple(self, port: int, p: Float[ndarray, " numbers"], period_nm: float) -> tuple["WindowModel", ndarray]:
        """The model with one more sinusoid at a port, and the vector with it at zero."""
        end = self.envelope(port).stop
        ripples = tuple(count + (n == port) for n, count in enumerate(self.ripples))
        free = np.insert(self.free, end, [True] * RIPPLE)
        # A period that is longer than the stretch is not told from the polynomial.
        free[end + 2] = period_nm < self.window.half_nm
        around = (*self.around, False) if port < self._behind else self.around
        return replace(self, ripples=ripples, free=free, around=around), np.insert(p, end, [0.0, 0.0, period_nm])

    def periods_nm(self, p: Float[ndarray, " numbers"]) -> Float[ndarray, " sinusoids"]:
        """Periods of the through port's sinusoids."""
        numbers = p[self.envelope(0)]
        return numbers[len(numbers) - RIPPLE * len(self.around) :].reshape(-1, RIPPLE)[:, 2]

    def turned(self, n: int) -> "WindowModel":
        """With the other kind of the through port's n-th sinusoid."""
        return replace(self, around=tuple(kind != (k == n) for k, kind in enumerate(self.around)))

    def evaluate(
        self, p: Float[ndarray, " numbers"], wl_nm: Float[ndarray, " wl"]
    ) -> tuple[Float[ndarray, "ports wl"], Float[ndarray, "ports numbers wl"], Float[ndarray, "ports wl"]]:
        """What the vector predicts at the ports, in the mean over the laser's jitter and its blur.

        Returns:
            Powers, their derivatives by every number, and by the wavelength of the light in the rings, per nm.
        """
        spread_nm = self.window.spread_nm
        if spread_nm == 0.0:
            return self._at(p, wl_nm)
        few = spread_nm < SMALL * self.window.narrowest_nm
        nodes, shares = (FEW, FEW_SHARES) if few else (NODES, SHARES)
        found = self._at(p, (wl_nm[:, None] + spread_nm * nodes).ravel())
        powers, jacobian, slopes = (each.reshape(*each.shape[:-1], len(wl_nm), len(nodes)) @ shares for each in found)
        return powers, jacobian, slopes

    def filled(self, p: Float[ndarray, " numbers"]) -> Float[ndarray, "ports wl"]:
        """By how much the jitter moves powers in the mean, to its second order ½·σ²·P″, at the window's wavelengths."""
        w = self.window
        if w.jitter_nm == 0.0:
            return np.zeros((len(self.orders), len(w.wl_nm)))
        powers, _, _ = self._at(p, (w.wl_nm[:, None] + w.spread_nm * NODES).ravel())
        # ⟨P·(x² − 1)⟩ = σ²·⟨P″⟩ under a Gaussian; the jitter's share of σ².
        share = (w.jitter_nm / w.spread_nm) ** 2
        return powers.reshape(len(powers), len(w.wl_nm), len(NODES)) @ (0.5 * share * SHARES * (NODES**2 - 1.0))

    def _at(
        self, p: Float[ndarray, " numbers"], wl_nm: Float[ndarray, " wl"]
    ) -> tuple[Float[ndarray, "ports wl"], Float[ndarray, "ports numbers wl"], Float[ndarray, "ports wl"]]:
        """The same for light of exactly these wavelengths."""
        w = self.window
        responses = [
            ring_response(
                wl_nm,
                self.ring(p, k),
                fsr_nm=w.fsr_nm[k],
                slope_per_nm=w.slope_per_nm,
                dropped=w.dropped,
                drop=k in w.drop_of,
                d_field=any(self.around),
            )
            for k in range(self.rings)
        ]
        ports = len(self.orders)
        powers, slopes = np.zeros((ports, len(wl_nm))), np.zeros((ports, len(wl_nm)))
        jacobian = np.zeros((ports, self.size, len(wl_nm)))
        behind, basis = self._behind, self._basis(wl_nm)
        twice = np.prod([r.field**2 for r in responses], axis=0) if any(self.around) else None
        for port in range(ports):
            log_gain, by_gain = self._gain(p, port, wl_nm, basis, twice=twice if port < behind else None)
            gain = np.exp(log_gain)
            if port < behind:
                whole = np.prod([r.through for r in responses], axis=0)
                powers[port] = gain * whole
                wave = self._around(p, wl_nm) if twice is not None else None
                for k, r in enumerate(responses):
                    rest = np.prod([o.through for n, o in enumerate(responses) if n != k], axis=0)
                    by_ring = gain * rest * r.d_through
                    if wave is not None:
                        others = np.prod([o.field**2 for n, o in enumerate(responses) if n != k], axis=0)
                        by_ring = by_ring + powers[port] * np.real(2.0 * wave * others * r.field * r.d_field)
                    jacobian[port, RING * k : RING * (k + 1)] = by_ring[:RING]
                    slopes[port] += by_ring[RING]
            else:
                k = w.drop_of[port - behind]
                r = responses[k]
                jacobian[port, RING * k : RING * (k + 1)] = gain * r.d_drop[:RING]
                slopes[port] = gain * r.d_drop[RING]
                powers[port] = gain * r.drop
            at = self.envelope(port)
            jacobian[port, at] = powers[port] * by_gain
            if port >= behind:
                floor = at.start + self.orders[port] + 1
                powers[port] = powers[port] + p[floor]
                jacobian[port, floor] = 1.0
        return powers, jacobian, slopes

    def baseline(self, p: Float[ndarray, " numbers"], port: int) -> Float[ndarray, " wl"]:
        """What the port would receive without a ring, at the window's wavelengths (at the drop port, if all were
        dropped).
        """
        wl_nm = self.window.wl_nm
        return np.exp(self._gain(p, port, wl_nm, self._basis(wl_nm))[0])

    @property
    def _behind(self) -> int:
        """Number of ports behind the rings."""
        return int(len(self.window.through) > 0)

    def _length(self, port: int) -> int:
        drop = port >= self._behind
        return self.orders[port] + 1 + drop + RIPPLE * self.ripples[port]

    def _basis(self, wl_nm: ndarray) -> ndarray:
        """Legendre's polynomials over the window, of all degrees that a port has."""
        away = (wl_nm - self.window.centre_nm) / self.window.half_nm
        return np.polynomial.legendre.legvander(away, max(self.orders)).T

    def _gain(
        self, p: ndarray, port: int, wl_nm: ndarray, basis: ndarray, *, twice: ndarray | None = None
    ) -> tuple[ndarray, ndarray]:
        """Logarithm of a port's gain and its derivatives by that port's numbers; without rings where ``twice``, what
        they do to light that passes them twice, is not given.
        """
        at = self.envelope(port)
        numbers, away_nm = p[at], wl_nm - self.window.centre_nm
        order = self.orders[port]
        by = np.zeros((len(numbers), len(wl_nm)))
        by[: order + 1] = basis[: order + 1]
        log_gain = numbers[: order + 1] @ by[: order + 1]
        start = len(numbers) - RIPPLE * self.ripples[port]
        for k, n in enumerate(range(start, len(numbers), RIPPLE)):
            cosine, sine, period_nm = numbers[n : n + RIPPLE]
            angle = 2.0 * np.pi * away_nm / period_nm
            wave = phasor(angle)
            by[n], by[n + 1] = np.real(wave), np.imag(wave)
            if twice is not None and self.around[k]:
                turned = twice * np.conj(wave)
                by[n], by[n + 1] = np.real(turned), -np.imag(turned)
            log_gain = log_gain + cosine * by[n] + sine * by[n + 1]
            by[n + 2] = (cosine * by[n + 1] - sine * by[n]) * angle / period_nm
        return log_gain, by

    def _around(self, p: ndarray, wl_nm: ndarray) -> ndarray:
        """The sinusoids of facets around the rings, before the rings weaken and turn them."""
        numbers, away_nm = p[self.envelope(0)], wl_nm - self.window.centre_nm
        sinusoids = numbers[len(numbers) - RIPPLE * self.ripples[0] :].reshape(-1, RIPPLE)
        return np.sum(
            [
                (cosine + 1j * sine) * np.exp(-2j * np.pi * away_nm / period_nm)
                for (cosine, sine, period_nm), kind in zip(sinusoids, self.around, strict=True)
                if kind
            ],
            axis=0,
        )
