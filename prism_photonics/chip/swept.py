"""One sweep of a bench's laser past its meters: in stretches where both can, point by point where they cannot."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from prism_photonics.chip.laser import Sweep
from prism_photonics.chip.laserfile import Laser
from prism_photonics.chip.lasing import TunedLaser
from prism_photonics.chip.metering import Meters
from prism_photonics.chip.sweeping import SweepRun, runs


@dataclass
class Tally:
    """Counts of a bench's operations, as `walltime.wall_times_s` takes them."""

    settings: int = 0
    heatings: int = 0
    lights: int = 0
    triggers: int = 0
    samples: int = 0
    sweeps: int = 0
    points: int = 0
    swept_nm: float = 0.0
    swept_samples: int = 0


def take_sweep(
    wavelength_nm: Float[ndarray, " points"],
    *,
    laser: TunedLaser,
    entry: Laser,
    meters: Meters,
    averages: int,
    bus: int,
    clock_s: Callable[[], float],
    tally: Tally,
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
        tally: Counts what was done.

    Raises:
        BenchError: A sweep that stopped half way, missing points, a wavelength further off than the laser's stated
            error, or a saturated meter.
    """
    parts = []
    for run in runs(wavelength_nm, entry, averages=averages, sample_s=meters.sample_s, logs=meters.log):
        if run.speed_nm_s:
            parts.append(_swept(run, laser=laser, meters=meters, bus=bus, clock_s=clock_s, tally=tally))
        else:
            parts += _stepped(run, laser=laser, meters=meters, bus=bus, clock_s=clock_s, tally=tally)
    return Sweep(
        wavelength_nm=np.concatenate([part.wavelength_nm for part in parts]),
        current_A=np.concatenate([part.current_A for part in parts]),
        time_s=np.concatenate([part.time_s for part in parts]),
    )


def _swept(
    run: SweepRun, *, laser: TunedLaser, meters: Meters, bus: int, clock_s: Callable[[], float], tally: Tally
) -> Sweep:
    laser.light_up(bus=bus)
    logged: list[ndarray] = []
    ended: list[float] = []

    def take() -> None:
        laser.sweep(run)
        ended[:] = [clock_s()]
        logged[:] = [laser.logged_nm(run)]

    current_A, taken = meters.sweep(run, take)
    tally.sweeps += taken
    tally.points += taken * run.points
    tally.swept_nm += taken * float(run.wavelength_nm[-1] - run.wavelength_nm[0])
    tally.swept_samples += taken * run.points * run.averages
    # The last point is the last thing that happened; the others were before it, as fast as the laser went.
    before_s = (run.wavelength_nm[-1] - run.wavelength_nm) / run.speed_nm_s
    return Sweep(logged[0], current_A, np.maximum(ended[0] - before_s, 0.0))


def _stepped(
    run: SweepRun, *, laser: TunedLaser, meters: Meters, bus: int, clock_s: Callable[[], float], tally: Tally
) -> Iterator[Sweep]:
    for wavelength_nm in run.wavelength_nm:
        read_nm = laser.step(float(wavelength_nm), bus=bus)
        current_A, taken = meters.read(run.averages)
        tally.points += taken
        tally.swept_samples += taken * run.averages
        yield Sweep(np.array([read_nm]), current_A[None], np.array([clock_s()]))
