"""One sweep of a bench's laser past its meters: in stretches where both can, point by point where they cannot."""

from collections.abc import Callable, Iterator

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from prism_photonics.chip.laser import Sweep
from prism_photonics.chip.laserfile import Laser
from prism_photonics.chip.lasing import TunedLaser
from prism_photonics.chip.metering import Meters
from prism_photonics.chip.plan import MeasurementPlan
from prism_photonics.chip.sweeping import SweepRun, runs

Count = Callable[[MeasurementPlan], None]
"""Takes what was done, as soon as it was."""


def take_sweep(
    wavelength_nm: Float[ndarray, " points"],
    *,
    laser: TunedLaser,
    entry: Laser,
    meters: Meters,
    averages: int,
    bus: int,
    clock_s: Callable[[], float],
    count: Count,
    apart: bool = False,
) -> Sweep:
    """The balanced currents of all rows at wavelengths in nm.

    Args:
        wavelength_nm: Checked wavelengths.
        laser: The laser.
        entry: Its table.
        meters: The meters.
        averages: Converter samples of each point.
        bus: The bus that is lit.
        clock_s: The bench's clock.
        count: Is told of each stretch.
        apart: Read not the balanced currents, but all rows' through ports and then all their drop ports.

    Raises:
        BenchError: A sweep that stopped half way, missing points, a wavelength further off than the laser's stated
            error, or a saturated meter.
    """
    parts = []
    for run in runs(wavelength_nm, entry, averages=averages, sample_s=meters.sample_s, logs=meters.log):
        if run.speed_nm_s:
            parts.append(_swept(run, laser=laser, meters=meters, bus=bus, clock_s=clock_s, count=count, apart=apart))
        else:
            parts += _stepped(run, laser=laser, meters=meters, bus=bus, clock_s=clock_s, count=count, apart=apart)
    return Sweep(
        wavelength_nm=np.concatenate([part.wavelength_nm for part in parts]),
        current_A=np.concatenate([part.current_A for part in parts]),
        time_s=np.concatenate([part.time_s for part in parts]),
    )


def _swept(
    run: SweepRun,
    *,
    laser: TunedLaser,
    meters: Meters,
    bus: int,
    clock_s: Callable[[], float],
    count: Count,
    apart: bool,
) -> Sweep:
    laser.light_up(bus=bus)
    logged: list[ndarray] = []
    ended: list[float] = []

    def take() -> None:
        laser.sweep(run)
        ended[:] = [clock_s()]
        logged[:] = [laser.logged_nm(run)]

    current_A, taken = meters.sweep(run, take, apart=apart)
    swept_nm, samples = float(run.wavelength_nm[-1] - run.wavelength_nm[0]), run.points * run.averages
    count(MeasurementPlan(sweeps=1, points=run.points, swept_nm=swept_nm, swept_samples=samples) * taken)
    # The last point is the last thing that happened; the others were before it, as fast as the laser went.
    before_s = (run.wavelength_nm[-1] - run.wavelength_nm) / run.speed_nm_s
    return Sweep(logged[0], current_A, np.maximum(ended[0] - before_s, 0.0))


def _stepped(
    run: SweepRun,
    *,
    laser: TunedLaser,
    meters: Meters,
    bus: int,
    clock_s: Callable[[], float],
    count: Count,
    apart: bool,
) -> Iterator[Sweep]:
    for wavelength_nm in run.wavelength_nm:
        read_nm = laser.step(float(wavelength_nm), bus=bus)
        current_A, taken = meters.read(run.averages, apart=apart)
        count(MeasurementPlan(points=1, swept_samples=run.averages) * taken)
        yield Sweep(np.array([read_nm]), current_A[None], np.array([clock_s()]))
