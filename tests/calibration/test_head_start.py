"""A fit begins while the bench still reads: nothing that is measured or found changes by it."""

import signal
import subprocess
import sys
import threading

import jax
import numpy as np
import pytest
import xarray as xr

from prism_photonics.calibration import head_start as module
from prism_photonics.calibration import portions, reflecting_fit, survey_fit
from prism_photonics.calibration.calibration import calibrate, from_survey
from prism_photonics.calibration.descent import descend, misfits
from prism_photonics.calibration.head_start import HeadStart
from prism_photonics.calibration.record import leaves
from prism_photonics.calibration.survey import head_of, head_settings, survey_and_faults, take_survey
from prism_photonics.chip.virtual import VirtualChip
from prism_photonics.spec import ChipSpec, load_spec
from prism_photonics.units import InputError

KEY = jax.random.key(3)
SETTINGS = 14
# Only a fault waits so long.
PATIENCE_S = 120.0


@pytest.fixture(scope="module")
def readings_of_head(small):
    """Readings until the fit can begin, and all of them."""
    of_setting = small.chip.rings + 1
    return head_settings(SETTINGS) * of_setting, SETTINGS * of_setting


def counting(log, at):
    """Counts readings, and does something at some of them."""

    def read(current_A):
        log.append(f"reading {sum(entry.startswith('reading') for entry in log) + 1}")
        at.get(log[-1], lambda: None)()
        return current_A

    return read


def test_three_quarters_of_a_survey_are_its_head_and_of_a_short_one_nothing():
    assert [head_settings(settings) for settings in (32, 14, 11, 10, 4, 1)] == [24, 11, 10, 0, 0, 0]


def test_the_head_that_is_handed_over_is_that_of_the_record(spoiled, small):
    handed = []
    whole, _ = survey_and_faults(spoiled(), small, key=KEY, settings=SETTINGS, at_head=handed.append)
    assert len(handed) == 1
    assert handed[0].sizes["setting"] == head_settings(SETTINGS)
    xr.testing.assert_identical(handed[0], head_of(whole, small))


def test_who_takes_a_head_changes_no_voltage_and_no_reading(spoiled, small):
    taken = survey_and_faults(spoiled(), small, key=KEY, settings=SETTINGS, at_head=lambda head: None)[0]
    xr.testing.assert_identical(taken, take_survey(spoiled(), small, key=KEY, settings=SETTINGS))


def test_the_fit_is_begun_before_the_last_readings_and_may_end_before_them(
    spoiled, small, monkeypatch, readings_of_head
):
    first, last = readings_of_head
    log, done, fit = [], threading.Event(), module.head_start

    def logged(*args, **kwargs):
        log.append("fit begins")
        found = fit(*args, **kwargs)
        log.append("fit ends")
        done.set()
        return found

    def wait():
        assert done.wait(PATIENCE_S)

    monkeypatch.setattr(module, "head_start", logged)
    chip = spoiled(current=counting(log, {f"reading {last}": wait}))
    calibrate(chip, small, key=KEY, settings=SETTINGS)
    assert log.index(f"reading {first}") < log.index("fit begins") < log.index("fit ends")
    assert log.count("fit begins") == 1


@pytest.mark.parametrize("settings", [SETTINGS, 4])
def test_a_calibration_fitted_meanwhile_is_that_of_its_record_bit_for_bit(spoiled, small, settings):
    meanwhile = calibrate(spoiled(), small, key=KEY, settings=settings)
    survey_key, fit_key = jax.random.split(KEY)
    survey = take_survey(spoiled(), small, key=survey_key, settings=settings)
    afterwards = from_survey(survey, small, key=fit_key)
    for name, found in leaves(meanwhile).items():
        np.testing.assert_array_equal(found, leaves(afterwards)[name], err_msg=name)


def test_a_fit_that_fails_meanwhile_is_told_in_one_line_after_the_last_reading(
    spoiled, small, monkeypatch, readings_of_head
):
    def failing(*args, **kwargs):
        raise np.linalg.LinAlgError("Singular matrix")

    log = []
    monkeypatch.setattr(module, "head_start", failing)
    with pytest.raises(InputError) as caught:
        calibrate(spoiled(current=counting(log, {})), small, key=KEY, settings=SETTINGS)
    assert str(caught.value) == (
        "calibrate: the fit of the first settings failed with LinAlgError: Singular matrix; all readings are kept: go "
        "on with --resume, and report this"
    )
    assert len(log) == readings_of_head[1]


def test_what_the_fit_refuses_meanwhile_is_told_as_it_is(small, monkeypatch, survey):
    def refusing(*args, **kwargs):
        raise InputError("row 1: no")

    monkeypatch.setattr(module, "head_start", refusing)
    with HeadStart(small, key=KEY) as ahead:
        ahead.begin(survey)
        with pytest.raises(InputError, match=r"^row 1: no$"):
            ahead.result()


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, InputError])
def test_an_interrupted_survey_does_not_wait_for_its_fit(spoiled, small, monkeypatch, readings_of_head, kind):
    released, ended = threading.Event(), threading.Event()

    def endless(*args, **kwargs):
        released.wait(PATIENCE_S)
        ended.set()

    def interrupt():
        raise kind("now")

    monkeypatch.setattr(module, "head_start", endless)
    chip = spoiled(current=counting([], {f"reading {readings_of_head[1]}": interrupt}))
    with pytest.raises(kind, match="now"):
        calibrate(chip, small, key=KEY, settings=SETTINGS)
    # Control is back, for the rings to be parked, and the fit is still at work.
    assert not ended.is_set()
    released.set()
    assert ended.wait(PATIENCE_S)


PROGRAM = """
import os, sys, threading
import jax
from prism_photonics.calibration import head_start
from prism_photonics.calibration.calibration import calibrate
from prism_photonics.chip.signals import hold_signals
from prism_photonics.chip.virtual import VirtualChip
from prism_photonics.spec import ChipSpec, load_spec

def endless(*args, **kwargs):
    print("fit begins", flush=True)
    os.kill(os.getpid(), int(sys.argv[2]))
    threading.Event().wait()

spec = ChipSpec.model_validate_json(sys.argv[1])
head_start.head_start = endless
hold_signals()
try:
    calibrate(VirtualChip(spec), spec, key=jax.random.key(0), settings=14)
finally:
    print("parked", flush=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_program_that_is_told_to_end_parks_and_ends_although_its_fit_never_would(small, number):
    told = [sys.executable, "-c", PROGRAM, small.model_dump_json(), str(int(number))]
    ended = subprocess.run(told, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert ended.stdout.split("\n")[:2] == ["fit begins", "parked"], ended.stderr
    assert ended.returncode in (-number, 128 + number)


def test_numbers_do_not_depend_on_how_many_cores_share_the_buses(twelve_buses, monkeypatch):
    survey, flat = twelve_buses
    monkeypatch.setattr(portions.in_portions, "__kwdefaults__", {"readings": 2 * survey.current_A[0].size})
    found = []
    for cores in (1, 3):
        monkeypatch.setattr(portions, "cores", lambda cores=cores: cores)
        found.append(descend(survey, flat, steps=5, rtol=1e-3))
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("cores", [1, 3])
def test_portions_come_in_order_whole_and_their_errors_come_out(twelve_buses, monkeypatch, cores):
    survey, _ = twelve_buses
    monkeypatch.setattr(portions, "cores", lambda: cores)
    (numbers,) = portions.in_portions(survey, lambda some: (some,), readings=1)
    np.testing.assert_array_equal(numbers, np.arange(12))

    def failing(some):
        raise ValueError(f"bus {some[0]}")

    with pytest.raises(ValueError, match="bus 0"):
        portions.in_portions(survey, failing, readings=1)


@pytest.mark.parametrize("cores", [1, 3])
def test_work_that_nobody_waits_for_ends_at_the_next_portion(twelve_buses, monkeypatch, cores):
    survey, _ = twelve_buses
    left, begun = threading.Event(), []
    monkeypatch.setattr(portions, "cores", lambda: cores)

    def work(some):
        begun.append(int(some[0]))
        left.set()
        return (some,)

    with portions.abandonable(left), pytest.raises(portions.AbandonedError):
        portions.in_portions(survey, work, readings=1)
    assert len(begun) <= cores
    # Other work goes on.
    assert len(portions.in_portions(survey, work, readings=1)[0]) == 12


def drifting(name):
    """Two rows of four buses on the standard bench, where they drift while they are surveyed: spec and survey."""
    chip = {"chip": {"rows": 2, "buses": 4}, "detector": {"adc_full_scale_uA": 300.0}}
    bench = load_spec("standard_8x8").model_dump()
    data = load_spec(name).model_dump() | {table: bench[table] for table in ("drive", "detector", "drift")}
    spec = ChipSpec.model_validate(data | {table: data[table] | values for table, values in chip.items()})
    return spec, survey_and_faults(VirtualChip(spec, seed=1), spec, key=jax.random.key(1))[0]


def test_a_fit_begins_where_the_rings_were_while_the_first_settings_were_read(monkeypatch):
    """What they drifted by then is theirs where no drift is known yet; without it χ² begins at some thousand."""
    spec, survey = drifting("standard_8x8")
    begun, fit = [], survey_fit.fit_buses

    def logged(buses, rng, **options):
        begun.append((buses, options["start"]))
        return fit(buses, rng, **options)

    monkeypatch.setattr(survey_fit, "fit_buses", logged)
    from_survey(survey, spec, key=jax.random.key(2))
    (_, nothing), (buses, start) = begun
    assert nothing is None
    assert np.median((misfits(buses, start) ** 2).mean((1, 2))) < 2.0


def test_drift_that_is_not_settled_yet_does_not_ask_for_rings_that_reflect(monkeypatch):
    """Most buses of circles leave χ² of 4 and more of a survey's head, of a die on which nothing reflects."""
    spec, survey = drifting("circles_8x8")
    tried, asked = [], []

    def told(survey_of, plain, rng, **options):
        asked.append(plain.chi2)
        return reflecting_fit.fuller(survey_of, plain, rng, **options)

    monkeypatch.setattr(survey_fit, "fuller", told)
    monkeypatch.setattr(reflecting_fit, "fit_reflecting", lambda *_, **__: tried.append("reflecting"))
    head = head_of(survey, spec)
    assert head is not None
    module.head_start(head, spec, key=jax.random.key(2))
    assert np.mean(asked[-1] > reflecting_fit.LACKING) > 0.5
    assert not tried
