"""Checks of inputs: bad signatures, queries, noise, times and counts are refused with their index."""

import operator
from typing import Any

import numpy as np
from jaxtyping import Shaped

from prism_photonics.codec.encoding import RAILS
from prism_photonics.units import InputError


def require_finite(
    name: str, values: Shaped[Any, "*shape"], *, axes: tuple[str, ...], cure: str, batched: bool = False
) -> None:
    """Raise unless every element is a finite number.

    Args:
        name: Name of the array, for the message ("signatures").
        values: The array, any unit.
        axes: Names of the last axes ("block", "dim").
        cure: How the user mends it.
        batched: Whether further axes may come before them; one of those may be empty: a step in which nobody asks.

    Raises:
        InputError: Some element is NaN or infinite (the message names the first), one of the named axes is empty, or
            the number of axes is another.
    """
    array = real_numbers(name, values)
    require_axes(name, array.shape, axes=axes, batched=batched)
    bad = np.argwhere(~np.isfinite(array))
    if len(bad) == 0:
        return
    place = bad[0]
    names = (*("batch",) * (array.ndim - len(axes)), *axes)
    named = ", ".join(f"{axis} {index}" for axis, index in zip(names, place, strict=True))
    raise InputError(f"{name} ({named}): got {array[tuple(place)]}, want a finite number; {cure}")


def require_axes(name: str, shape: tuple[int, ...], *, axes: tuple[str, ...], batched: bool) -> None:
    """Raise unless an array has these axes last, none of them empty, and others only if ``batched``."""
    if len(shape) < len(axes) or 0 in shape[-len(axes) :] or (len(shape) > len(axes) and not batched):
        want = f"{'…, ' if batched else ''}{', '.join(f'{axis}s' for axis in axes)}"
        raise InputError(f"{name}: got shape {tuple(shape)}, want ({want}), none of them 0; check the array")


def real_numbers(name: str, values: Any) -> Shaped[np.ndarray, "*shape"]:
    """Values as an array of real numbers, or a refusal: neither imaginary parts nor masks are dropped in silence."""
    try:
        array = np.asarray(values)
    except (TypeError, ValueError, RuntimeError) as error:  # of lists that are no array, of tensors NumPy cannot read
        raise InputError(
            f"{name}: got a {type(values).__name__} that NumPy cannot read ({str(error).splitlines()[0]}), want an "
            "array of real numbers; convert it first"
        ) from error
    # A library's own kinds of float, such as JAX's bfloat16, have no letter but can be cast.
    if array.dtype.kind not in "fiub" and not (array.dtype.kind == "V" and np.can_cast(array.dtype, np.float64)):
        raise InputError(f"{name}: got numbers of dtype {array.dtype}, want real numbers; convert them first")
    if isinstance(values, np.ma.MaskedArray) and bool(np.ma.is_masked(values)):
        raise InputError(f"{name}: got a masked array, want every number; fill it first")
    return array


def require_count(
    name: str, value: Any, *, least: int = 1, most: int | None = None, cure: str = "choose how many blocks to fetch"
) -> int:
    """A whole number of at least ``least`` as an int, or a refusal: 2.5 blocks are none, and neither is True."""
    # Tensors tell by their dtype that they are a truth.
    truth = isinstance(value, bool) or str(getattr(value, "dtype", "")) in ("bool", "torch.bool")
    try:
        count = least - 1 if truth else operator.index(value)
    except (TypeError, ValueError):
        count = least - 1
    if count < least or (most is not None and count > most):
        want = (
            f"a whole number of at least {least}"
            if most is None
            else f"a whole number from {least} to {most}, all there are"
        )
        raise InputError(f"{name}: got {value!r}, want {want}; {cure}")
    return count


def drawn_numbers(name: str, values: Any, *, want: tuple[int, ...]) -> Shaped[np.ndarray, "*shape"]:
    """Standard normal numbers that were handed in as an array of this shape, or a refusal."""
    array = real_numbers(name, values)
    require_shape(name, got=array.shape, want=want)
    require_drawn(name, array)
    return array


def require_drawn(name: str, values: Any) -> None:
    """Raise unless all numbers that were drawn are finite; NaN would stand in every score."""
    if not bool((abs(values) < np.inf).all()):
        raise InputError(f"{name}: got NaN or infinity, want standard normal numbers; draw them again")


def require_dims(name: str, *, got: int, want: int) -> None:
    """Raise unless a query has as many dimensions as the signatures it is scored against."""
    if got != want:
        raise InputError(f"{name}: got {got} dimensions, want {want}; use one projection for query and signatures")


def require_shape(name: str, *, got: tuple[int, ...], want: tuple[int, ...]) -> None:
    """Raise unless an array of noise has the shape that the model draws."""
    if tuple(got) != tuple(want):
        raise InputError(
            f"{name}: got shape {tuple(got)}, want {tuple(want)}; draw standard normal numbers of that shape"
        )


def require_scale(scale: float, *, largest: float, place: str) -> None:
    """Raise unless a given signature scale is positive and no signature exceeds it."""
    if not (np.isfinite(scale) and scale > 0):
        raise InputError(
            f"signature_scale: got {scale}, want a positive number; leave it out to use the largest magnitude"
        )
    if largest > scale * (1 + 1e-12):
        raise InputError(
            f"signatures ({place}): magnitude {largest:g} exceeds signature_scale {scale:g}; "
            "raise the scale or leave it out"
        )


def own_scales(signature_scale: Any) -> bool:
    """Whether each block is to be written at a scale of its own.

    Raises:
        InputError: A word that is not "block".
    """
    if not isinstance(signature_scale, str):
        return False
    if signature_scale != "block":
        raise InputError(f"signature_scale: got '{signature_scale[:40]}', want a number or 'block'; or leave it out")
    return True


def require_span(left: float, *, shared: float) -> None:
    """Raise where signatures differ by more than their floating point holds.

    Args:
        left: Largest magnitude once their mean is taken off.
        shared: Largest magnitude of that mean.
    """
    if not (np.isfinite(left) and np.isfinite(shared)):
        raise InputError("signatures: got differences beyond the largest float, want less; scale them down")


def require_centre(centre: Shaped[np.ndarray, "*axes"], *, want: tuple[int, ...]) -> None:
    """Raise unless a vector to take off has the shape of one signature and is finite."""
    if tuple(centre.shape) != tuple(want) or not np.isfinite(centre).all():
        raise InputError(
            f"centre: got shape {tuple(centre.shape)}, want finite numbers of shape {tuple(want)}, one signature; "
            "leave it out to use the mean"
        )


def one_time(time_s: Any) -> Any:
    """A time since programming that is one number, without axes."""
    size = getattr(time_s, "size", 1)
    if isinstance(time_s, str | bytes | bool) or time_s is None or size != 1:
        raise InputError(f"t_since_program_s: got {time_s!r}, want one number in seconds; give a time for all queries")
    return time_s.reshape(()) if getattr(time_s, "ndim", 0) else time_s


def require_drift(time_s: float, *, longest_s: float, drawn: bool) -> None:
    """Raise unless a time since programming is one that was measured, and the drift's numbers are at hand."""
    if isinstance(time_s, str) or time_s is None or not 0.0 <= time_s < np.inf:
        raise InputError(f"t_since_program_s: got {time_s}, want 0 or more, in seconds")
    if time_s > longest_s:
        known = (
            f"at most {longest_s:g} s, what was measured" if longest_s > 0 else "0: this chip's drift was not measured"
        )
        raise InputError(
            f"t_since_program_s: got {time_s:g}, want {known}; study the drift for longer, or program anew"
        )
    if time_s > 0 and not drawn:
        raise InputError(
            f"t_since_program_s: got {time_s:g}, want numbers to drift by; hand drift and common_drift to program()"
        )


def require_rails(shape: tuple[int, ...], *, encoding: str) -> None:
    """Raise unless signatures are (blocks, dims), or (blocks, 2, dims) where two rails carry a value."""
    if len(shape) == 2 or (len(shape) == 3 and shape[1] == RAILS[encoding] == 2):
        return
    want = "(blocks, dims) or (blocks, 2, dims)" if RAILS[encoding] == 2 else "(blocks, dims)"
    raise InputError(f"signatures: got shape {shape}, want {want} for encoding '{encoding}'; check the array")


def largest_magnitude(signatures: Shaped[np.ndarray, "blocks *rails dims"]) -> tuple[float, str]:
    """The largest magnitude of all signatures, and where it is; 0 of an empty batch."""
    if signatures.size == 0:
        return 0.0, "none"
    place = np.unravel_index(np.argmax(np.abs(signatures)), signatures.shape)
    return float(np.abs(signatures[place])), f"block {place[0]}, dim {place[-1]}"
