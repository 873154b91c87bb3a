"""Accuracy of a calibrated chip on held-out targets, with the spec that it was made to."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, final

from prism_photonics.calibration.calibration import Calibration
from prism_photonics.calibration.record import read_record
from prism_photonics.characterize.accuracy import Validation
from prism_photonics.plotting import drawn
from prism_photonics.programming.tiles import WeightRange
from prism_photonics.spec import ChipSpec

if TYPE_CHECKING:
    from matplotlib.axes import Axes

VALIDATION_FILE, CALIBRATION_FILE = "validation.nc", "calibration.nc"


@final
@dataclass(frozen=True, repr=False)
class Accuracy:
    """Held-out measurements of a calibrated chip.

    Attributes:
        validation: Targets, measured weights and single reads, as arrays.
        spec: The chip's spec.
    """

    validation: Validation
    spec: ChipSpec

    @property
    def accuracy_bits(self) -> float:
        """``log2((w_max − w_min)/σ)``, σ the rms of measured minus commanded weights: open loop, all rings moving."""
        return self.validation.accuracy_bits

    @property
    def absolute_bits(self) -> float:
        """The same with what one tunable laser missed its lines by left in; equal to `accuracy_bits` with a comb."""
        return self.validation.absolute_bits

    @property
    def precision_bits(self) -> float:
        """``log2((w_max − w_min)/σ)``, σ the rms change of repeated targets over the session; NaN if not measured."""
        return self.validation.precision_bits

    @property
    def weight_range(self) -> WeightRange:
        """The effective weights that every ring reaches: what signatures of −1 and +1 are written as."""
        return WeightRange(self.validation.weight_low, self.validation.weight_high)

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draw measured against commanded weights of the unseen targets.

        Args:
            ax: Matplotlib axes to draw into; new ones by default.

        Returns:
            The axes.
        """
        return drawn("accuracy", self.validation, ax=ax)

    def save(self, folder: str | Path) -> Path:
        """Write the measurements into a record's folder, as ``validation.nc``.

        Raises:
            InputError: The folder cannot be written.
        """
        path = Path(folder) / VALIDATION_FILE
        self.validation.write(path)
        return path

    def __repr__(self) -> str:
        """The figures in one line."""
        low, high = self.validation.weight_low, self.validation.weight_high
        return (
            f"<Accuracy of {self.spec.name}: {self.accuracy_bits:.2f} bits open loop, repeatable to "
            f"{self.precision_bits:.2f} bits; weights {low:.3f} to {high:.3f}, "
            f"{len(self.validation.commanded)} targets>"
        )


def bits_of_others(fit: Calibration, validation: Validation) -> dict[str, float]:
    """For reports, ``accuracy_bits`` without the rings whose lines no fit explains; of most chips there are none."""
    spoiled = fit.spoiled
    told = spoiled.any() and not (spoiled | validation.excluded).all()
    return {"accuracy_bits_of_other_rings": validation.bits_without(spoiled)} if told else {}


def load_calibration(record: str | Path) -> tuple[Calibration, ChipSpec]:
    """The fitted chip in a record's folder, and its spec: enough to program weights and to plot.

    Args:
        record: Folder that ``prism calibrate``, or `CalibrationSession.save`, wrote.

    Returns:
        The calibration as made, and the spec.

    Raises:
        InputError: A damaged record.
    """
    fit, spec, _ = read_record(Path(record) / CALIBRATION_FILE)
    return fit, spec


def load_accuracy(record: str | Path) -> Accuracy:
    """The held-out measurements in a record's folder.

    Args:
        record: Folder that ``prism calibrate``, or `CalibrationSession.save` and `Accuracy.save`, wrote.

    Returns:
        The measurements.

    Raises:
        InputError: A damaged record, or files of two specs.
    """
    _, spec = load_calibration(record)
    return Accuracy(Validation.read(Path(record) / VALIDATION_FILE, spec), spec)
