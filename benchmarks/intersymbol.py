"""Error of a score by the symbols before it, against symbol rate and Q, on the demonstrator's row in time.

    python benchmarks/intersymbol.py [--json] [EYE.png]

One designed row of demo_8x8, its rings within ± one linewidth of their lines and random bus phases; random queries of
48 symbols through a modulator of 35 GHz and photodiodes of 80 GHz. *optics* ends there; *receiver* has the spec's
amplifier of 1 GHz behind it. The coupling of both buses is scaled for other Qs. The figure is the rms of sampled minus
settled scores over the settled scores' standard deviation. With a file's name, the eye of the spec's row at 0.5 GHz.
"""

import datetime
import json
import sys

import jax
import numpy as np
from calibration_speed import machine

import prism_photonics as pp
from prism_photonics.budget.symbol import PHOTODIODE_GHZ, intersymbol_share, symbol_s
from prism_photonics.circuit.params import designed_bank
from prism_photonics.circuit.row import row_response
from prism_photonics.circuit.transient import Receivers, Transient, transmit
from prism_photonics.lightpath.ring.model import fwhm_pm

RATES_GHZ = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0)
COUPLINGS = (1.0, 2.0, 0.5, 0.25)
SYMBOLS = 48


def sent(coupling: float, rate_GHz: float, amplifier_Hz: float) -> tuple[Transient, float]:
    """A query after a query through the row, and the loaded Q of its first ring."""
    spec = pp.load_spec("demo_8x8")
    bank = designed_bank(spec, xp=np)
    rng = np.random.default_rng(0)
    rings, buses = jax.tree.map(lambda leaf: leaf[0, 0], (bank.rings, bank.buses))
    t1, t2 = (np.sqrt(1.0 - coupling * (1.0 - t**2)) for t in (rings.t1, rings.t2))
    rings = type(rings)(**(vars(rings) | {"t1": t1, "t2": t2}))
    buses = type(buses)(**(vars(buses) | {"phase_rad": rng.uniform(0.0, 2.0 * np.pi, buses.phase_rad.shape)}))
    width_pm = np.asarray(fwhm_pm(rings))
    # Drawn rings rest beside their lines; each is brought to within a linewidth of its own.
    shifts = -spec.ring.bias_pm + rng.uniform(-1.0, 1.0, bank.shape[2]) * width_pm

    def respond(wl):
        fields = row_response(wl, rings, buses, shifts)
        return np.asarray(fields.through), np.asarray(fields.drop)

    light = rng.uniform(0.0, 1.0, (SYMBOLS, bank.shape[2]))
    chain = Receivers(spec.system.modulator_bandwidth_GHz * 1e9, PHOTODIODE_GHZ * 1e9, amplifier_Hz)
    q = float(1e6 * bank.wl_um[0] / width_pm[0])
    return transmit(light, bank.wl_um, respond, symbol_s=1e-9 / rate_GHz, receivers=chain), q


def main() -> None:
    """Measure and print."""
    spec = pp.load_spec("demo_8x8")
    lines = []
    for coupling in COUPLINGS:
        for rate_GHz in RATES_GHZ:
            (optics, q), (receiver, _) = (sent(coupling, rate_GHz, amplifier) for amplifier in (1e15, 1e9))
            lines.append(
                {
                    "q_loaded": q,
                    "rate_GHz": rate_GHz,
                    "optics": optics.intersymbol_error,
                    "receiver": receiver.intersymbol_error,
                }
            )
    derived = {"symbol_ns": symbol_s(spec) * 1e9, "budget": intersymbol_share(spec)}
    there, _ = sent(1.0, 1.0 / derived["symbol_ns"], 1e9)
    derived |= {"transient": there.intersymbol_error, "delay_ns": there.delay_s * 1e9}
    files = [word for word in sys.argv[1:] if word.endswith(".png")]
    for file in files:
        sent(1.0, 0.5, 1e9)[0].plot_eye().figure.savefig(file, dpi=120)
    if "--json" in sys.argv:
        told = {"date": datetime.date.today().isoformat(), "hardware": machine()}
        told |= {"command": "python benchmarks/intersymbol.py --json"}
        print(json.dumps(told | {"derived": derived, "lines": lines}, indent=2))
        return
    for line in lines:
        print("  ".join(f"{key} {value:.3g}" for key, value in line.items()))
    print(derived)


if __name__ == "__main__":
    main()
