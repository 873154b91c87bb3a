"""Behavioral model of a measured chip, and its bundle."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import final

from prism_photonics.behavior.fit import fit
from prism_photonics.behavior.model import BehavioralModel
from prism_photonics.characterize.drift_study import DriftStudy
from prism_photonics.export.read import Bundle, load
from prism_photonics.export.write import write
from prism_photonics.spec import ChipSpec
from prism_photonics.workflow.accuracy import Accuracy


@final
@dataclass(frozen=True, repr=False)
class FittedBehavior:
    """A behavioral model with the spec of the chip that it was fitted to.

    Attributes:
        model: Weight errors, drift, gain, offset and read noise.
        spec: The chip's spec: with it a reader of the bundle can tell what a query costs.
    """

    model: BehavioralModel
    spec: ChipSpec

    @property
    def report(self) -> Mapping[str, float]:
        """The fit's figures, and its held-out checks: ``…_held_out_ratio`` of 1 is perfect."""
        return self.model.report

    def save(self, folder: str | Path) -> Bundle:
        """Write the bundle, and read it back.

        Args:
            folder: The bundle's folder; made if missing, an earlier bundle in it is replaced.

        Returns:
            The bundle as any reader has it.

        Raises:
            InputError: The folder cannot be written, or the model holds NaN or infinity.
        """
        return load(write(self.model, folder, spec=self.spec.model_dump_json()))

    def __repr__(self) -> str:
        """Fitted errors and their held-out ratios in one line."""
        report = self.report
        return (
            f"<FittedBehavior of {self.spec.name}: weight error {report['weight_error_rms']:.2g}, read noise "
            f"{report['noise_rms']:.2g} rms; held out {report['weight_error_held_out_ratio']:.2f} and "
            f"{report['noise_held_out_ratio']:.2f} of the fit>"
        )


def fit_behavior(accuracy: Accuracy, drift: DriftStudy | None = None) -> FittedBehavior:
    """Fit the behavioral model that a chip's held-out measurements support.

    Args:
        accuracy: Result of `CalibrationSession.validate`.
        drift: Result of `CalibrationSession.study_drift`; without it the model holds for the moment of programming.

    Returns:
        The model, ready to be saved as a bundle.

    Raises:
        InputError: Too few targets, settings or repeats, or readings that are not codes of the converter.
    """
    return FittedBehavior(fit(accuracy.validation, drift), accuracy.spec)
