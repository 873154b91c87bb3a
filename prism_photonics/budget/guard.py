"""Refusal of specs whose numbers leave the range of floating point, in one line, by every report on a spec."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from prism_photonics.spec import ChipSpec
from prism_photonics.units import InputError


@contextmanager
def floating_point_of(spec: ChipSpec) -> Iterator[None]:
    """Arithmetic on a spec in which an overflow, a division by zero or an invalid number is the spec's fault.

    Raises:
        InputError: Something within left what floating point holds.
    """
    try:
        with np.errstate(over="raise", divide="raise", invalid="raise"):
            yield
    except (ArithmeticError, ValueError) as error:
        # `math` raises a plain ValueError; those of its own kind, such as an InputError, say something else.
        if isinstance(error, ValueError) and type(error) is not ValueError:
            raise
        # With its cause: should the fault be ours after all, the traceback tells.
        raise InputError(
            f"{spec.name}: a number of the spec is so extreme that it leaves what floating point holds ({error}); "
            "bring it to a usual size"
        ) from error


def require_finite(spec: ChipSpec, where: str, *numbers: float | None) -> None:
    """Refuse a spec of which a report's number is infinite or none.

    Args:
        spec: The spec.
        where: Origin of the numbers, such as ``"rule drift"``.
        numbers: The numbers; None stands for one that there is not.

    Raises:
        InputError: One of them is not finite.
    """
    if not all(number is None or np.isfinite(number) for number in numbers):
        raise InputError(
            f"{spec.name}: a number of the spec is so extreme that {where} has no finite answer; bring it to a usual "
            "size"
        )
