"""The closed form of coherent interference against the exact row: two roads to the same error."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prism_photonics.budget.coherence import coherence
from prism_photonics.budget.ring import ring_figures
from prism_photonics.circuit.params import designed_bank
from prism_photonics.circuit.row import bank_powers_shifted
from prism_photonics.lightpath.ring.model import ring_fields
from prism_photonics.spec import ChipSpec

DRAWS = 400


@pytest.fixture(scope="module", params=["demo_8x8", "bank_32x256"])
def spec(request, layouts, altered):
    full = ChipSpec.from_toml(layouts / request.param / "spec.toml")
    # One row of one bus shows it all; no loss, as the closed form has none.
    return altered(full, chip={"rows": 1, "buses": 1}, waveguide={"loss_dB_cm": 0.0})


@pytest.fixture(scope="module")
def exact(spec):
    """Weights of rows with random bus phases: programmed, neighbours parked, all drifted by 1 pm; then single rings."""
    rng = np.random.default_rng(0)
    bank, ring = designed_bank(spec), ring_figures(spec)
    count, limit = spec.chip.channels, spec.ranking.weight_limit
    biases = np.array([ring_figures(spec, c).bias_pm for c in range(count)])
    weights = rng.uniform(-limit, limit, (DRAWS, count))
    travel = ring.detunings_pm(weights)
    parked = float(np.mean(travel)) * np.ones((DRAWS, count))
    phases = jnp.asarray(rng.uniform(0, 2 * np.pi, (DRAWS, *bank.buses.phase_rad.shape)))

    @jax.jit
    @jax.vmap
    def row(phase, detuning_pm):
        phased = eqx.tree_at(lambda b: b.buses.phase_rad, bank, phase)
        through, drop = bank_powers_shifted(phased, (detuning_pm - biases)[None, None])
        return (through - drop)[0]

    def beside(others):
        """Each line's weight with its own ring programmed and the others elsewhere."""
        columns = [
            row(phases, jnp.asarray(np.where(np.arange(count) == c, travel, others)))[:, c] for c in range(count)
        ]
        return np.stack(columns, 1)

    def alone(detuning_pm):
        fields = ring_fields(
            bank.wl_um, jax.tree.map(lambda leaf: leaf[0, 0], bank.rings), jnp.asarray(detuning_pm - biases)
        )
        return np.asarray(jnp.abs(fields.through) ** 2 - jnp.abs(fields.drop) ** 2)

    programmed, moved = (np.asarray(row(phases, jnp.asarray(at))) for at in (travel, travel + 1.0))
    return programmed, beside(parked), moved, alone(travel), alone(travel + 1.0)


def rms(x):
    return float(np.sqrt(np.mean(np.square(x))))


def test_the_uncalibrated_error_is_the_closed_forms(spec, exact):
    programmed, _, _, alone, _ = exact
    assert coherence(spec).uncalibrated == pytest.approx(rms(programmed - alone), rel=0.1)


def test_what_a_table_per_ring_leaves_is_the_closed_forms(spec, exact):
    programmed, parked, *_ = exact
    assert coherence(spec).tabled == pytest.approx(rms(programmed - parked), rel=0.1)


def test_what_a_picometre_of_drift_does_to_the_interference_is_the_closed_forms(spec, exact):
    programmed, _, moved, alone, far = exact
    assert coherence(spec).per_pm == pytest.approx(rms((moved - far) - (programmed - alone)), rel=0.25)


def test_at_10_3_linewidths_it_is_the_six_percent_of_the_physics_page(demo, altered):
    # Channels far apart in a ring's range, as where images play no part: the sum over neighbours alone.
    spacing_nm = 10.3 * ring_figures(demo).fwhm_pm * 1e-3
    wide = altered(demo, comb={"spacing_nm": spacing_nm}, ranking={"weight_limit": 0.9})
    assert coherence(wide).uncalibrated == pytest.approx(0.063, rel=0.1)


def test_a_row_of_one_ring_has_nobody_to_interfere_with(demo, altered):
    alone = coherence(altered(demo, chip={"channels": 1}))
    assert (alone.uncalibrated, alone.tabled, alone.per_pm) == (0.0, 0.0, 0.0)
