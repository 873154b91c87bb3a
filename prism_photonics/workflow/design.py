"""A designed chip: its ledger, its simulated weights, and its verified drawing."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import ArrayLike, Float
from numpy import ndarray

from prism_photonics.budget.feasibility import require_feasible
from prism_photonics.budget.ledger import Ledger, ledger
from prism_photonics.budget.trimming import heater_power_W
from prism_photonics.budget.workload import PAPERS, Workload
from prism_photonics.extras import asked_by
from prism_photonics.spec import ChipSpec
from prism_photonics.units import InputError

if TYPE_CHECKING:
    from prism_photonics.layout.write import LayoutFiles


def compute_ledger(spec: ChipSpec, work: Workload = PAPERS) -> Ledger:
    """Link, noise, latency, energy, and the context from which electronic selectors are beaten: printed, a table.

    Args:
        spec: The chip.
        work: The language model whose KV heads take turns (`prism_photonics.workflow.plan.read_model`), its blocks and
            signatures; without it the paper's on Qwen2.5-7B.

    Returns:
        Every entry with its source, the paper's number beside ours.
    """
    return ledger(spec, heater_power_W, work)


def simulate_weights(
    spec: ChipSpec, volts: Float[ArrayLike, "rows rings"] | float = 0.0
) -> Float[ndarray, "rows rings"]:
    """Weights ``T_through − T_drop`` of the chip as designed, by the exact row: every ring and bus phase coherently.

    Args:
        spec: The chip.
        volts: Ring voltages in V, one for all or one of each ring of each row.

    Returns:
        Weights, dimensionless in [−1, 1].

    Raises:
        InputError: Voltages of another shape, or beyond the spec's limit.
    """
    shape, limit_V = (spec.chip.rows, spec.chip.rings), spec.drive.max_voltage_V
    given = np.asarray(volts, float)
    if given.shape not in ((), shape):
        raise InputError(f"simulate_weights: volts of shape {given.shape}, want {shape} or one number; mend the shape")
    if not (np.abs(given) <= limit_V).all():
        raise InputError(
            f"simulate_weights: {np.abs(given).max():.4g} V is not within the ±{limit_V:g} V limit of "
            "drive.max_voltage_V; lower the voltages or raise the limit"
        )
    with asked_by("simulate_weights"):
        from prism_photonics.circuit.params import designed_bank
        from prism_photonics.circuit.row import bank_weights
    return bank_weights(designed_bank(spec, xp=np), np.broadcast_to(given, shape))


def row_solver_vs_sax(spec: ChipSpec, *, seed: int) -> float:
    """Largest complex difference of the row solver and SAX on a row with random offsets and bus phases."""
    with asked_by("row_solver_vs_sax"):  # here, because SAX takes a second to load
        import equinox as eqx
        import jax

        from prism_photonics.circuit.params import designed_bank
        from prism_photonics.circuit.row import row_response
        from prism_photonics.circuit.saxrow import max_field_error, sax_row_response

    rng = np.random.default_rng(seed)
    bank = designed_bank(spec, xp=np)
    rings, buses = jax.tree.map(lambda leaf: leaf[0, 0], (bank.rings, bank.buses))
    buses = eqx.tree_at(lambda b: b.phase_rad, buses, rng.uniform(0, 2 * np.pi, buses.phase_rad.shape))
    shift_pm = rng.normal(0.0, 50.0, spec.chip.channels)
    ours = row_response(bank.wl_um, rings, buses, shift_pm)
    return max_field_error(ours, sax_row_response(bank.wl_um, rings, buses, shift_pm))


def draw_chip(
    spec: ChipSpec, folder: Path | str, *, simulate: bool = True, seed: int = 0, anyway: bool = False
) -> "LayoutFiles":
    """Draw a chip, prove that the drawing is the design and keeps the film's rules, and write its files.

    Args:
        spec: The chip.
        folder: Where the files go; made if missing.
        simulate: Also compare the drawn chip's fields with the design's.
        seed: Of that comparison's random resonance shifts.
        anyway: Draw a chip that `check_spec` finds not feasible, too.

    Returns:
        The files, and what was proved.

    Raises:
        InputError: The chip is not feasible, its metal finds no room, the drawing is not the design or breaks a rule,
            or the folder cannot be written.
    """
    if not anyway:
        require_feasible(spec)
    with asked_by("draw_chip"):  # here, because a drawing tool takes seconds to load
        from prism_photonics.layout.write import require_sound, write
    return require_sound(write(spec, folder, simulate=simulate, seed=seed))
