"""A calibrated chip on its bench: its fit, the survey behind it, and the tracker that corrects its drift."""

import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, final

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from prism_photonics.calibration.calibration import Calibration, from_survey, summary
from prism_photonics.calibration.faults import Fault
from prism_photonics.calibration.head_start import HeadStart
from prism_photonics.calibration.record import write_record
from prism_photonics.calibration.spectra import spectra_and_faults
from prism_photonics.calibration.stages import stages
from prism_photonics.calibration.survey import survey_and_faults
from prism_photonics.characterize.accuracy import measure_weights, numbers_only, validate
from prism_photonics.characterize.closed_loop import Trimmed, trim
from prism_photonics.characterize.drift_study import DriftStudy, study_drift
from prism_photonics.chip.abstract import AbstractChip
from prism_photonics.drift.tracker import Tracker
from prism_photonics.files.datasets import Dataset
from prism_photonics.plotting import drawn
from prism_photonics.programming.reach import without_far_rings
from prism_photonics.programming.solve import Programmed, common_range, program
from prism_photonics.programming.tiles import WeightRange, program_tiles
from prism_photonics.seeds import calibration_keys, drift_key, require_seed, trim_key, validation_key
from prism_photonics.units import InputError
from prism_photonics.workflow.accuracy import CALIBRATION_FILE, Accuracy
from prism_photonics.workflow.scores import cut_bank, score_bank

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DAY_S = 86_400.0


@final
class CalibrationSession:
    """A calibrated chip. Its voltages are set through this object, which follows its drift.

    Attributes:
        chip: The chip on its bench.
        spec: Its spec.
        survey: The readings that the fit came from.
        fit: The fitted chip, as calibrated.
        tracker: Sets the chip's voltages, and tracks its temperature where drift matters.
        faults: Faults that survey and fit show; rings lost by them are left out.
        seed: The seed of survey and fit.
        fit_wait_s: How long the chip waited for the fit after the survey's last reading, in s of the wall clock.
    """

    def __init__(
        self,
        chip: AbstractChip,
        fit: Calibration,
        survey: Dataset,
        *,
        faults: tuple[Fault, ...],
        seed: int,
        tracker: Tracker | None = None,
        fit_wait_s: float = 0.0,
    ) -> None:
        """Begin where a survey has just ended, or with the tracker given; see `calibrate_chip` and `load`."""
        self.chip, self.spec, self.fit, self.survey, self.seed = chip, chip.spec, fit, survey, seed
        self.faults, self.fit_wait_s = faults, fit_wait_s
        self.tracker = Tracker.after_survey(chip, fit, chip.spec, survey) if tracker is None else tracker
        self._applied: ndarray | None = None
        self._expected: ndarray | None = None

    @classmethod
    def load(cls, record: str | Path, chip: AbstractChip, *, since_s: float = DAY_S) -> "CalibrationSession":
        """Go on with a chip that was calibrated before, such as yesterday.

        Rings that heaters held during the calibration are heated as they were. Every line is then read at fixed
        voltages, which gives the drift since, and weights that are programmed with it must be true. Their voltages
        stand until others are applied.

        Args:
            record: Folder that ``prism calibrate``, or `save`, wrote.
            chip: The chip on its bench; a bench that is not open yet is opened.
            since_s: About how long ago it was calibrated, in s, its rings without voltage since; by default a day.
                The readings make up for an error of it.

        Returns:
            The calibrated chip, followed from now on.

        Raises:
            InputError: A damaged record, a chip of another spec, another die, or a time that is negative or no number.
        """
        from prism_photonics.workflow.recorded import open_record

        found = open_record(Path(record), chip, since_s=since_s)
        return cls(chip, found.calibration, found.survey, faults=found.faults, seed=found.seed, tracker=found.tracker)

    # ------------------------------------------------------------ what is known

    @property
    def readings_per_ring(self) -> float:
        """Readings that the survey took per ring of a row: all rows are read at once."""
        return self.fit.readings_per_ring

    @property
    def weight_range(self) -> WeightRange:
        """The effective weights that every ring in use reaches, a margin kept in hand."""
        return WeightRange(*common_range(self.tracker.calibration))

    @property
    def warnings(self) -> tuple[str, ...]:
        """Faults of the chip, and rows whose readings the fit does not explain, one sentence each."""
        return (*(str(fault) for fault in self.faults), *self.fit.doubts())

    # ------------------------------------------------------------ programming

    def program(self, weights: Float[ndarray, "*pages rows rings"]) -> Programmed:
        """Voltages that realise effective weights within the drive limit.

        Args:
            weights: Wanted effective weights of every ring, one page or several; `weight_range` says what all reach.

        Returns:
            Voltages, the weights predicted there, and what is out of reach.

        Raises:
            InputError: NaN or infinite weights, or a wrong shape.
        """
        return program(self.tracker.calibration, weights)

    def apply(self, programmed: Programmed, *, page: int = 0) -> None:
        """Set programmed voltages on the chip, corrected for what has drifted since it was calibrated.

        As soon as that is more than the survey's noise, the chip is followed (the session says so): some single lines
        are read before each setting. Weights that are to stay true while they are held want `hold`.

        Args:
            programmed: Result of `program`.
            page: Which of its pages.

        Raises:
            InputError: There is no such page, or the chip refuses a voltage.
        """
        if not 0 <= page < len(programmed.volts):
            raise InputError(f"apply: page {page}, want 0 to {len(programmed.volts) - 1}; choose another")
        self._applied = volts = programmed.volts[page]
        self._expected = programmed.predicted[page]
        self.tracker.catch_up()
        self.tracker.set(volts)
        self.tracker.correct(volts)

    def hold(self, programmed: Programmed, *, page: int = 0) -> Tracker:
        """Set programmed voltages, and keep their weights true at every ``refresh()`` of what is returned.

        A refresh reads a few single lines at the held weights, estimates temperature, each ring's wander and what the
        film has relaxed, and corrects the voltages within the drive limit. It is wanted every half second or so, for
        as long as the weights are held; whatever sets other voltages ends the hold.

        Args:
            programmed: Result of `program`.
            page: Which of its pages.

        Returns:
            The tracker that holds them: ``refresh()`` reads and corrects, ``pinned`` names rings at the drive limit.

        Raises:
            InputError: There is no such page, or the chip refuses a voltage.
        """
        self.tracker.follow()
        self.apply(programmed, page=page)
        return self.tracker

    def measure_weights(self) -> Float[ndarray, "rows rings"]:
        """The applied weights by photocurrent, one channel lit at a time, followed while they are read.

        Returns:
            Effective weights; 0 for excluded rings of which no number was read.

        Raises:
            InputError: Nothing was applied, or a reading of a ring in use is no number.
        """
        if self._applied is None:
            raise InputError("measure_weights: no weights are on the chip; apply what was programmed first")
        self.tracker.catch_up()
        hold, fit = partial(self.tracker.correct, self._applied), self.tracker.calibration
        with np.errstate(invalid="ignore"):
            found = measure_weights(
                self.chip,
                fit,
                self.spec,
                hold=hold,
                most=self.tracker.most_samples,
                lead=self.tracker.lead,
                expected=self._expected,
            )
        return numbers_only(fit, found.weights[None])[0]

    def scores(
        self,
        signatures: Float[ndarray, "blocks dims"],
        queries: Float[ndarray, "queries dims"],
        accuracy: Accuracy | None = None,
    ) -> Float[ndarray, "queries blocks"]:
        """Program signatures tile by tile and score queries on them by photocurrent.

        What all signatures share, their median, is not written: its score is computed and added, see
        ``codec.centring``.

        Args:
            signatures: One signature per block, any unit and any number of either.
            queries: Queries of as many dimensions, any unit.
            accuracy: Result of `validate`, with which the weights of excluded rings are subtracted.

        Returns:
            Scores in units of query times signature; minus infinity for a block on a row without a usable ring.

        Raises:
            InputError: NaN, or dimensions that differ.
        """
        fit, bank = self.tracker.calibration, cut_bank(np.asarray(signatures, float), self.spec)
        span = self.weight_range if accuracy is None else accuracy.weight_range
        held = 0.0 if accuracy is None else accuracy.validation.held_weights()
        self._applied = None
        self.tracker.catch_up()
        return score_bank(
            self.chip,
            fit,
            program_tiles(fit, bank.tiles, weight_range=span, held=held),
            bank,
            queries=np.asarray(queries, float),
            spec=self.spec,
            tracker=self.tracker,
        )[0]

    # ------------------------------------------------------------ characterizing

    def validate(self, *, seed: int = 0) -> Accuracy:
        """Measure the chip on random targets and queries that the calibration never saw.

        Args:
            seed: Of targets and queries.

        Returns:
            The measurements, and what they say of the chip's accuracy.

        Raises:
            InputError: The rings have no weight in common, or a reading of a ring in use is no number.
        """
        key, self._applied = validation_key(seed), None
        self.tracker.catch_up()
        return Accuracy(validate(self.chip, self.fit, self.spec, key=key, tracker=self.tracker), self.spec)

    def trim(self, *, seed: int = 0) -> Trimmed:
        """Program random targets, measure them, and correct their voltages in closed loop.

        Args:
            seed: Of the targets.

        Returns:
            The measurements; ``closed_loop_bits`` says what the corrections gain.

        Raises:
            InputError: The rings have no weight in common, or a reading of a ring in use is no number.
        """
        key, self._applied = trim_key(seed), None
        self.tracker.catch_up()
        return trim(self.chip, self.fit, self.spec, key=key, tracker=self.tracker)

    def study_drift(self, *, seed: int = 0) -> DriftStudy:
        """Watch how programmed weights move in half an hour; a real chip is waited for, a virtual one's clock moved.

        Args:
            seed: Of the targets.

        Returns:
            The changes, which `fit_behavior` takes.

        Raises:
            InputError: The rings have no weight in common, or a reading of a ring in use is no number.
        """
        key, self._applied = drift_key(seed), None
        self.tracker.catch_up()
        return study_drift(self.chip, self.fit, self.spec, key=key, tracker=self.tracker)

    # ------------------------------------------------------------ keeping and showing

    def save(
        self, folder: str | Path, *, bench: str | None = None, wall_times_s: Mapping[str, float] | None = None
    ) -> Path:
        """Write the record as ``prism calibrate`` does: ``calibration.nc`` and the stages with their plots.

        Args:
            folder: The record's folder.
            bench: Name of the bench, such as ``virtual:0``; by default its label.
            wall_times_s: Time in s that it takes on the bench's instruments, by what takes it, to be kept too.

        Returns:
            The calibration's file.

        Raises:
            InputError: The folder cannot be written.
        """
        from prism_photonics.report.stages import write_stages

        path = Path(folder) / CALIBRATION_FILE
        bench = self.chip.label if bench is None else bench
        times = {} if wall_times_s is None else {"wall_times_s": dict(wall_times_s)}
        write_record(path, self.fit, self.survey, self.spec, bench=bench, seed=self.seed, **times)
        write_stages(Path(folder) / "stages", self.fit, self.survey)
        return path

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draw the fitted weight of every ring against its voltage.

        Args:
            ax: Matplotlib axes to draw into; new ones by default.

        Returns:
            The axes.
        """
        return drawn("tuning_curves", self.fit, ax=ax, spec=self.spec)

    def plot_resonances(self, ax: "Axes | None" = None) -> "Axes":
        """Draw how far every ring rests from its channel, with standard errors.

        Args:
            ax: Matplotlib axes to draw into; new ones by default.

        Returns:
            The axes.
        """
        return drawn("resonances", stages(self.fit, self.survey)["resonance"], ax=ax)

    def __repr__(self) -> str:
        """The figures in one line."""
        figures = summary(self.fit)
        return (
            f"<CalibrationSession of {self.chip!r}: {self.readings_per_ring:.1f} readings per ring, misfit "
            f"{figures['residual_rms']:.1e} of a weight (χ² {figures['chi2']:.2f}), "
            f"{len(figures['excluded_rings'])} rings left out, drift {'followed' if self.tracker.active else 'small'}>"
        )


def calibrate_chip(
    chip: AbstractChip,
    *,
    seed: int = 0,
    settings: int | None = None,
    averages: int | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> CalibrationSession:
    """Calibrate a chip from its photocurrents: a survey, then least squares through the exact row.

    On a bench with one tunable laser the survey is one of short spectra about every line.

    The numbers are those of ``prism calibrate --seed``: one and the same seed gives the same survey voltages, the same
    fit and, handed to `CalibrationSession.validate` and its like, the same targets.

    Args:
        chip: The chip; a bench that is not open yet is opened.
        seed: Of survey voltages and fit starts.
        settings: Voltage settings of the survey, each of one reading per channel; by default as many as the spec needs.
        averages: Converter samples per reading; by default as the spec's noise asks. A laser's spectra have their own.
        tell: Told of a laser's progress in a line now and then.

    Returns:
        The calibrated chip: its fit, its survey, and its drift tracker.

    Raises:
        InputError: The seed is no whole number, the chip does not answer, or it is too broken to be calibrated.
    """
    seed = require_seed(seed, where="calibrate_chip")
    survey_key, fit_key = calibration_keys(seed)
    chip.open()
    if chip.laser is not None:
        survey, faults = spectra_and_faults(chip, chip.spec, key=survey_key, settings=settings, tell=tell)
        read_s = time.perf_counter()
        fit = from_survey(survey, chip.spec, key=fit_key, faults=faults)
        waited_s = time.perf_counter() - read_s
        fit, faults = without_far_rings(fit, chip.spec, faults)
        return CalibrationSession(chip, fit, survey, faults=faults, seed=seed, fit_wait_s=waited_s)
    with HeadStart(chip.spec, key=fit_key) as ahead:
        survey, faults = survey_and_faults(
            chip, chip.spec, key=survey_key, settings=settings, averages=averages, at_head=ahead.begin
        )
        read_s = time.perf_counter()
        fit = from_survey(survey, chip.spec, key=fit_key, faults=faults, start=ahead.result())
    waited_s = time.perf_counter() - read_s
    fit, faults = without_far_rings(fit, chip.spec, faults)
    return CalibrationSession(chip, fit, survey, faults=faults, seed=seed, fit_wait_s=waited_s)
