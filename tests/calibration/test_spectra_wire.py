"""Spectra over the wire: a search and a survey that are killed, resumed, recorded, and answered from the recording."""

import tomllib

import jax
import numpy as np
import pytest

from prism_photonics.calibration.spectra import spectra_and_faults
from prism_photonics.chip.bench import BenchChip
from prism_photonics.chip.benchfile import BenchFile
from prism_photonics.chip.draft import draft_served
from prism_photonics.chip.journal import JournaledChip
from prism_photonics.chip.recorded import RecordedChip, recording
from prism_photonics.chip.serve import serving
from prism_photonics.chip.served import ServedChip
from prism_photonics.chip.tunable import TunableLaser
from prism_photonics.chip.virtual import VirtualChip
from prism_photonics.seeds import calibration_keys
from prism_photonics.units import InputError
from prism_photonics.workflow.search import search_rings

KEY = jax.random.key(0)


@pytest.fixture(scope="module")
def heated(small, altered):
    """Two rows of two rings with heaters, quiet enough that time tells nothing."""
    return altered(
        small,
        name="heated_2x2",
        chip={"channels": 2},
        trim={"method": "heater", "heater_mW_nm": 5.0},
        drive={"max_voltage_V": 20.0},
        drift={"temperature_K": 0.0, "gradient_K": 0.0, "wander_pm_rthour": 0.0},
    )


class Killed(BaseException):
    """As by ``kill -9``: nobody catches it."""


def job(chip, tell=lambda line: None):
    """Search, heat, and four settings of spectra."""
    found = search_rings(chip, tell=tell)
    return found, spectra_and_faults(chip, chip.spec, key=calibration_keys(0)[0], settings=4, tell=tell)[0]


@pytest.fixture(scope="module")
def wired(heated, tmp_path_factory):
    """Search and survey over the wire, killed twice and resumed, and the folder of their recording."""
    folder = tmp_path_factory.mktemp("wired")
    die = VirtualChip.fabricate(heated, KEY, trimmed=False, laser=TunableLaser())
    box = ServedChip(die, idn=f"prism_photonics,{heated.name},test", time_scale=0.0)
    sweeps: list[int] = []
    with serving(box) as resource:
        bench = BenchFile.model_validate(
            tomllib.loads(draft_served(heated, int(resource.split("::")[2]), light="tunable_laser"))
        )

        def run(most):
            with (
                BenchChip(heated, bench) as held,
                JournaledChip(held, heated, folder / "journal.jsonl", identity={}, resume=True) as chip,
                recording(chip, folder / "kept", seed=0, untrimmed=True) as kept,
            ):
                real, taken = held._sweep, []

                def sweep(wavelength_nm, averages, bus, *, apart=False):
                    if len(taken) == most:
                        raise Killed
                    taken.append(bus)
                    return real(wavelength_nm, averages, bus, apart=apart)

                held._sweep = sweep
                try:
                    return job(kept)
                finally:
                    sweeps.append(len(taken))

        for most in (3, 8):
            with pytest.raises(Killed):
                run(most)
        found, survey = run(-1)
    assert (box.over_voltage_attempts, box.over_power_attempts) == (0, 0)
    return found, survey, folder / "kept", sweeps


def test_a_killed_search_and_survey_go_on_where_they_were(wired):
    found, survey, _, sweeps = wired
    # Each sweep was taken once: of every place two, one at rest, cold and warm, some looks, and one a setting.
    assert sum(sweeps) == found.plan.sweeps + 4
    assert sweeps[:2] == [3, 8]
    assert (found.dips >= 2).all()
    assert np.isfinite(survey.spectrum_A.values).all()


def test_the_recording_answers_the_same_job_to_the_last_bit(wired, heated):
    found, survey, folder, _ = wired
    said: list[str] = []
    again, resurveyed = job(RecordedChip(heated, folder), tell=said.append)
    # Whoever waits is told how far it is.
    assert said[0] == "search: 4 of 4 rings found by 5 sweeps"
    assert said[-1] == "spectra about 2 lines: 4 of 4 settings"
    assert again.dataset().identical(found.dataset())
    assert resurveyed.identical(survey)


def test_the_recording_refuses_what_was_never_swept(wired, heated):
    _, _, folder, _ = wired
    with pytest.raises(InputError, match="was never taken at these voltages"):
        spectra_and_faults(RecordedChip(heated, folder), heated, key=calibration_keys(1)[0], settings=4)
