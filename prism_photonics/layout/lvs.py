"""Layout versus schematic in four layers: netlist, fields, islands, pads. A sound drawing passes all of them.

(a) *structural*: the netlist extracted from the drawing equals the design's; (b) *simulation*: every row of it, with
random resonance shifts, gives the design's complex fields; (c) *islands*: ribs and metals are as many as they must be,
counted on the polygons, since ports are metadata and can lie; (d) *nets*: each ring's electrodes meet on one pad only,
each contact of a photodiode on its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import klayout.db as kdb

from prism_photonics.layout.check import Checks, check
from prism_photonics.layout.extract import extract
from prism_photonics.layout.polygons import refusing_damage
from prism_photonics.netlist import Netlist, from_spec
from prism_photonics.process.layers import load_deck
from prism_photonics.spec import ChipSpec

FIELD_TOLERANCE = 1e-9  # of the field in the fibre; 2 nm of one ring's length show as 2e-4 and more
SHIFT_PM = 50.0  # spread of the random resonance shifts


@dataclass(frozen=True)
class Lvs:
    """Result of the comparison of layout and schematic.

    Attributes:
        structural: How the drawn netlist departs from the design's, one sentence each.
        simulation_max_error: Largest complex field difference, field in the fibre = 1; NaN where it was not asked for
            or the netlist is not the design's.
        checks: Islands and pads.
        seed: Of the random shifts.
    """

    structural: tuple[str, ...]
    simulation_max_error: float
    checks: Checks
    seed: int

    @property
    def simulated(self) -> bool:
        """Whether the fields were compared."""
        return self.simulation_max_error == self.simulation_max_error

    @property
    def faults(self) -> tuple[str, ...]:
        """Everything that is wrong, over all layers."""
        wrong = [*self.structural, *self.checks.violations]
        if self.simulated and not self.simulation_max_error <= FIELD_TOLERANCE:
            wrong.append(f"fields differ by {self.simulation_max_error:.1e}, tolerance {FIELD_TOLERANCE:g}")
        return tuple(wrong)

    def to_json(self) -> Mapping[str, Any]:
        """The content of ``lvs.json``."""
        return {
            "structural": len(self.structural),
            "simulation_max_error": self.simulation_max_error if self.simulated else None,
            "rib_islands": self.checks.rib_islands,
            "metal_islands": self.checks.metal_nets,
            "nets": self.checks.ring_nets,
            "faults": list(self.faults),
            "seed": self.seed,
        }


def lvs(gds: Path | str | kdb.Layout, spec: ChipSpec, *, seed: int = 0, simulate: bool = True) -> tuple[Lvs, Netlist]:
    """Hold a drawing against its design; also returns the extracted netlist.

    Args:
        gds: The drawing.
        spec: The design.
        seed: Of the random resonance shifts.
        simulate: Compare the fields too; that loads JAX and compiles one row.

    Raises:
        InputError: The file cannot be read, is no chip of ours, or a leaf cell is not what its metadata says.
    """
    design, drawn = from_spec(spec), extract(gds, deck=load_deck(spec.process))
    with refusing_damage(gds):
        structural = tuple(design.differences(drawn))
    checks = check(gds, spec)
    # A netlist that is not the design's need not be a chip that can be simulated; one that is cannot be to blame for
    # what the simulation raises.
    error = simulation_error(drawn, spec, seed=seed) if simulate and not structural else float("nan")
    return Lvs(structural, error, checks, seed), drawn


def simulation_error(drawn: Netlist, spec: ChipSpec, *, seed: int) -> float:
    """Largest complex difference of a drawn netlist's fields (SAX) and the design's (row solver), over all rows.

    Raises:
        InputError: A detector or a row of the netlist is not connected as the design needs it.
    """
    import equinox as eqx
    import jax
    import jax.numpy as jnp
    import numpy as np

    from prism_photonics.circuit.params import designed_bank
    from prism_photonics.circuit.row import bank_fields
    from prism_photonics.circuit.saxrow import max_field_error
    from prism_photonics.layout.simulate import drawn_fields

    bank = designed_bank(spec)
    shift_pm = np.random.default_rng(seed).normal(0.0, SHIFT_PM, (spec.chip.rows, spec.chip.rings))
    shifted = eqx.tree_at(lambda b: b.rings.offset_pm, bank, jnp.asarray(shift_pm).reshape(bank.shape))
    design = jax.jit(bank_fields)(shifted, bank.wl_um, jnp.zeros(shift_pm.shape))
    simulated = drawn_fields(
        drawn,
        spec.profile,
        loss_dB_cm=spec.waveguide.loss_dB_cm,
        wl=np.asarray(bank.wl_um),
        shift_pm=shift_pm,
    )
    return max_field_error(design, simulated)
