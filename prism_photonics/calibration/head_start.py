"""The fit's head start: most of it is done while the last settings of a survey are still being read.

A reading is one of all rows, so no row's readings are complete before the survey's last one, and there is no row to
begin with. But the first settings tell every bus's unknowns, less sharply: the fit begins from them, and the search for
the right minimum, which is most of the work, needs no more. What they gave is where the fit of all readings begins,
whether it was worked out in time or afterwards of a survey on file: numbers are the same, bit for bit.
"""

import threading
from contextlib import ExitStack
from types import TracebackType
from typing import final

from jaxtyping import Float, PRNGKeyArray
from numpy import ndarray

from prism_photonics.calibration.faults import find_faults
from prism_photonics.calibration.fit_workers import fit_workers, wanted
from prism_photonics.calibration.portions import abandonable
from prism_photonics.calibration.survey import settings_for
from prism_photonics.calibration.survey_fit import rough_start
from prism_photonics.calibration.survey_readings import fit_readings
from prism_photonics.files.datasets import Dataset
from prism_photonics.spec import ChipSpec
from prism_photonics.units import InputError


def head_start(head: Dataset, spec: ChipSpec, *, key: PRNGKeyArray) -> Float[ndarray, "all unknowns"]:
    """Unknowns of every bus of every row, from which the fit of the whole survey begins.

    Args:
        head: Its first settings, as of `survey.head_of`.
        spec: The chip.
        key: JAX random key of the fit.
    """
    readings = fit_readings(head, find_faults(head, spec), spec)
    return rough_start(head, spec, readings, key=key)


@final
class HeadStart:
    """A head start in a thread of its own; leaving its ``with`` block abandons what is not done."""

    def __init__(self, spec: ChipSpec, *, key: PRNGKeyArray) -> None:
        """For a survey of this chip, whose fit has this key."""
        self._spec, self._key = spec, key
        self._left, self._workers = threading.Event(), ExitStack()
        self._thread: threading.Thread | None = None
        self._found: Float[ndarray, "all unknowns"] | None = None
        self._error: BaseException | None = None

    def begin(self, head: Dataset) -> None:
        """Begin with a survey's first settings; the caller goes on reading."""
        # A daemon: should the program be told to end, it does not wait for a fit.
        self._thread = threading.Thread(target=self._work, args=(head,), name="head start", daemon=True)
        self._thread.start()

    def result(self) -> Float[ndarray, "all unknowns"] | None:
        """What it found, waited for; None where it never began: a survey of few settings has no head.

        Raises:
            InputError: It failed.
        """
        if self._thread is not None:
            self._thread.join()
        if self._error is None:
            return self._found
        if isinstance(self._error, InputError):
            raise self._error
        raise InputError(
            f"calibrate: the fit of the first settings failed with {type(self._error).__name__}: {self._error}; all "
            "readings are kept: go on with --resume, and report this"
        ) from self._error

    def __enter__(self) -> "HeadStart":
        # They begin while the bench reads.
        of_chip = self._spec.chip
        count = wanted(settings_for(self._spec) * of_chip.rows * of_chip.rings * of_chip.channels)
        self._workers.enter_context(fit_workers(count))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Not waited for: after Ctrl-C the rings are to be parked at once.
        self._left.set()
        self._workers.close()

    def _work(self, head: Dataset) -> None:
        try:
            with abandonable(self._left):
                self._found = head_start(head, self._spec, key=self._key)
        except BaseException as error:
            self._error = error
