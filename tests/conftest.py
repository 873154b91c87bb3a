"""Settings that must stand before JAX or matplotlib is first imported, and the chips that many tests share."""

import functools
import gc
import os
import signal
from contextlib import suppress
from pathlib import Path

import numpy as np
import programs
import pytest
import typecheck

os.environ["MPLBACKEND"] = "Agg"
os.environ["JAX_PLATFORMS"] = "cpu"  # the same digits on every machine
# Nearly all the suite's time goes into compiling what then runs for milliseconds: LLVM and the fusion of kernels make
# that run faster and compile several times as long. The arithmetic stays IEEE's; only roundings may fall differently.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
# No test depends on what an earlier run left on this machine.
os.environ["PRISM_CACHE_DIR"] = "off"
# One thread per worker: pytest-xdist already fills the cores. A program in pieces that several threads compile takes up
# to twice the processor time of one in one piece.
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_cpu_multi_thread_eigen=false --xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1",
)
# XLA says of every program that it loads that it may be for another processor: it compares its own hints of tuning.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# For the workers, which this process starts: NumPy looks once, when it is loaded, and has been here.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# What JAX traces are many small objects, few of which are ever garbage: Python's own pace of looking for it takes a
# twelfth of the suite's time.
gc.set_threshold(20_000, 20, 20)

# Before anything of the package is imported.
typecheck.install()

# JAX makes MLIR's context anew for every program that it lowers, which is a quarter of the time of a small one, and a
# megabyte that stays. One serves all. The function is JAX's own affair: where it is gone, the tests take longer.
with suppress(ImportError, AttributeError):
    from jax._src.interpreters import mlir

    mlir.make_ir_context = functools.cache(mlir.make_ir_context)

# A shell that starts a command in the background makes it ignore Ctrl-C; the tests of parking send one.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

LAYOUTS = Path(__file__).parents[1] / "layouts"


def pytest_configure(config):
    """Programs are compiled once for all processes, and for later runs of this checkout until something changes."""
    folder = config.rootpath / ".pytest_cache" / "d" / "programs"
    if not hasattr(config, "workerinput"):
        programs.make_room(folder)
    programs.keep(folder)


def pytest_collection_modifyitems(items):
    """Files with slow tests come first, then those of no room: the last file of a parallel run is a short one."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    here = Path(__file__).parent
    items.sort(key=lambda item: (item.path not in slow, item.path.parent != here))


@pytest.fixture(scope="session")
def layouts():
    """The folder of the chips that ship with the project."""
    return LAYOUTS


@pytest.fixture(scope="session")
def altered():
    """A spec with some values changed: ``altered(demo, chip={"rows": 2})``."""

    def make(spec, **changes):
        data = spec.model_dump()
        for name, value in changes.items():
            data[name] = data[name] | value if isinstance(value, dict) else value
        return type(spec).model_validate(data)

    return make


@pytest.fixture(scope="session")
def demo():
    """The 8×8 demonstrator."""
    # Imported here: the run-time type check is laid over the package after this file is read.
    from prism_photonics.spec import ChipSpec

    return ChipSpec.from_toml(LAYOUTS / "demo_8x8" / "spec.toml")


@pytest.fixture(scope="session")
def circles():
    """The same 8×8 of the paper's own rings, which mix modes."""
    from prism_photonics.spec import ChipSpec

    return ChipSpec.from_toml(LAYOUTS / "circles_8x8" / "spec.toml")


@pytest.fixture(scope="session")
def paper():
    """The paper's own 32×256 point."""
    from prism_photonics.spec import ChipSpec

    return ChipSpec.from_toml(LAYOUTS / "paper_32x256" / "spec.toml")


# Fewer rows share less light.
SMALL = {
    "name": "small_2x3",
    "chip": {"rows": 2, "channels": 3},
    "comb": {"line_power_dBm": -3.0},
    "drive": {"max_voltage_V": 10.0},
}


@pytest.fixture(scope="session")
def small(demo, altered):
    """Two rows of three channels, for what is fabricated or compiled often."""
    return altered(demo, **SMALL)


@pytest.fixture(scope="session")
def small_circles(circles, altered):
    """`small` of circles, whose rings mix modes."""
    return altered(circles, **SMALL)


@pytest.fixture(scope="session")
def two_bus(small, altered):
    """Two rows of two buses with three channels each."""
    return altered(small, name="two_bus_2x2x3", chip={"buses": 2}, drive={"max_voltage_V": 20.0})


@pytest.fixture(scope="session")
def made_up_survey():
    """``made_up_survey(spec)``: a survey of a chip that nobody measured."""
    import xarray as xr

    def make(spec):
        rows, rings, rng = spec.chip.rows, spec.chip.rings, np.random.default_rng(3)
        order = np.broadcast_to(np.arange(spec.chip.channels), (rows, spec.chip.buses, spec.chip.channels))
        most, current_A = spec.drive.max_voltage_V, 1e-5 * rng.uniform(-1.0, 1.0, (4, rings, rows))
        return xr.Dataset(
            {
                "volts_V": (("setting", "row", "ring"), rng.uniform(-most, most, (4, rows, rings))),
                "current_A": (("setting", "channel", "row"), current_A),
                "noise_A": (("setting", "channel", "row"), np.full_like(current_A, 1e-9)),
                "dark_A": (("setting", "row"), np.zeros((4, rows))),
                "channel_of_ring": (("row", "bus", "place"), order),
                "time_s": (("setting", "channel"), np.arange(4.0 * rings).reshape(4, rings)),
            },
            attrs={"averages": 1},
        )

    return make


@pytest.fixture(scope="session")
def made_up(small, made_up_survey, tmp_path_factory):
    """A whole record and bundle of a chip that nobody measured: the files are right, the numbers are made up."""
    from prism_photonics.behavior.fit import fit
    from prism_photonics.calibration.calibration import blank_calibration
    from prism_photonics.calibration.record import write_record
    from prism_photonics.characterize.accuracy import Validation
    from prism_photonics.codec.encoding import quantizer_step
    from prism_photonics.export.write import write

    folder = tmp_path_factory.mktemp("made_up")
    rows, channels, rng = small.chip.rows, small.chip.channels, np.random.default_rng(0)
    calibration = blank_calibration(small, triggers=7)
    write_record(
        folder / "record" / "calibration.nc", calibration, made_up_survey(small), small, bench="virtual:0", seed=0
    )
    commanded = rng.uniform(-0.5, 0.5, (8, rows, channels))
    step = float(quantizer_step(small.detector.adc_bits, -2.0, 2.0))
    validation = Validation(
        commanded=commanded,
        measured=commanded + 1e-3 * rng.standard_normal(commanded.shape),
        measured_std=np.full(commanded.shape, 1e-5),
        light=rng.uniform(0.0, 1.0, (6, channels)),
        weights=rng.uniform(-0.5, 0.5, (6, rows, channels)),
        reads=step * np.rint(20.0 * rng.standard_normal((6, 32, rows))),
        adc_full_scale=np.full(rows, 2.0),
        weight_low=-0.5,
        weight_high=0.5,
        adc_bits=small.detector.adc_bits,
        dac_bits=small.modulator.dac_bits,
        encoding=small.modulator.encoding,
        spec_hash=small.hash,
        residual_rms=1e-4,
        leak=1e-3,
    )
    validation.write(folder / "record" / "validation.nc")
    write(fit(validation), folder / "bundle")
    return folder


@pytest.fixture(scope="session")
def make_model():
    """A made-up chip as a behavioral model, with numbers of the size that a calibrated 8×8 chip has."""
    import jax.numpy as jnp

    # Imported here: the run-time type check is laid over the package after this file is read.
    from prism_photonics.behavior.model import BehavioralModel
    from prism_photonics.export.schema import ideal

    def make(**changes):
        settings = {
            "rows": 8,
            "channels": 8,
            "dac_bits": 8,
            "adc_bits": 8,
            "encoding": "offset",
            "spec_hash": "0" * 64,
            "report": {"weight_error_held_out_ratio": 1.0},
            "noise_floor": 0.01,
            "noise_shot": 0.005,
            "noise_rin": 0.003,
            "noise_common": 0.002,
            "leak": 0.001,
            "weight_centre": 0.15,
            "weight_span": 0.6,
        } | changes
        settings = {
            "weight_bias": np.linspace(-0.002, 0.003, settings["channels"]),
            "weight_error_std": np.linspace(0.002, 0.006, settings["channels"]),
            "adc_full_scale": np.linspace(5.5, 6.5, settings["rows"]),
        } | settings
        settings = ideal(settings["rows"], settings["channels"]) | settings
        return BehavioralModel(
            **{k: jnp.asarray(v) if isinstance(v, float | np.ndarray) else v for k, v in settings.items()}
        )

    return make
