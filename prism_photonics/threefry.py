"""JAX's random numbers, drawn by NumPy: the same keys give the same numbers, and nothing is compiled for them.

JAX compiles a program for each shape that is drawn, and takes seconds for what is a fraction of a millisecond of work.

Source: J. K. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC'11 (2011), 10.1145/2063384.2063405
(Threefry-2×32, 20 rounds), counted as ``jax.random`` counts with ``jax_threefry_partitionable``, its default.
"""

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Int, Shaped
from numpy import ndarray

from prism_photonics.units import InputError

if TYPE_CHECKING:
    from jaxtyping import PRNGKeyArray

Words = Shaped[ndarray, "2"]
"""A key as NumPy has it."""
IMPLEMENTATION = "threefry2x32"
_NORMAL = NormalDist()
_ROTATIONS = tuple(
    tuple((np.uint32(bits), np.uint32(32 - bits)) for bits in four) for four in ((13, 15, 26, 6), (17, 29, 16, 24))
)
_PARITY = np.uint32(0x1BD11BDA)
_MANTISSA_BITS, _ONE = 52, np.float64(1.0).view(np.uint64)


def make_key(seed: int) -> "PRNGKeyArray":
    """The key that ``jax.random.key`` makes of a seed.

    Args:
        seed: A whole number from 0, below 2⁶³.
    """
    return _wrapped(np.array([seed >> 32, seed & 0xFFFFFFFF], dtype=np.uint32))


def key_words(key: "PRNGKeyArray | Words") -> Shaped[ndarray, "... 2"]:
    """The two words of each key; words are keys too, and `split` then gives words: JAX is asked for nothing.

    Raises:
        InputError: The key is of another generator.
    """
    if isinstance(key, ndarray):
        return key
    # Here, so that whoever needs no random number does not load JAX.
    import jax

    words = np.asarray(jax.random.key_data(key))
    if words.shape[-1:] != (2,):
        raise InputError(
            f"key: {jax.random.key_impl(key)}, want {IMPLEMENTATION}; make it by "
            f"jax.random.key(seed, impl='{IMPLEMENTATION}')"
        )
    return words


def generator(key: "PRNGKeyArray | Words") -> np.random.Generator:
    """NumPy's generator, seeded by a key's words: for many numbers that need not be JAX's."""
    return np.random.default_rng(key_words(key))


def split[K](key: K, count: int = 2) -> list[K]:
    """Independent keys, those of ``jax.random.split``: keys of a key, words of words."""
    given: Any = key
    words = np.stack(_hashed(given, (count,)), axis=-1)
    made: list[Any] = list(words) if isinstance(given, ndarray) else [_wrapped(one) for one in words]
    return made


def splits(words: Shaped[ndarray, "*some 2"], count: int = 2) -> Shaped[ndarray, "*some count 2"]:
    """`split` of many keys, as words."""
    counts = np.arange(count, dtype=np.uint64)
    return np.stack(_hashed_words((words[..., :1], words[..., 1:]), counts), axis=-1)


def seed_words(seeds: Sequence[int]) -> Shaped[ndarray, "seeds 2"]:
    """The words of the keys that `make_key` makes of seeds."""
    return np.array([(seed >> 32, seed & 0xFFFFFFFF) for seed in seeds], dtype=np.uint32).reshape(-1, 2)


def uniform(key: "PRNGKeyArray | Words", shape: tuple[int, ...], *, top: float = 1.0) -> Float[ndarray, "..."]:
    """Numbers of [0, top), those of ``jax.random.uniform``."""
    return np.asarray(_zero_to_one(_hashed(key, shape)) * top)


def normal(key: "PRNGKeyArray | Words", shape: tuple[int, ...]) -> Float[ndarray, "..."]:
    """Standard normal numbers, those of ``jax.random.normal`` to the last digit but one."""
    return _normal_of(_zero_to_one(_hashed(key, shape)), shape)


def normals(keys: Sequence["PRNGKeyArray | Words"], shapes: Sequence[tuple[int, ...]]) -> list[Float[ndarray, "..."]]:
    """`normal` of each key with its shape, drawn together: the hash of few numbers takes as long as that of many."""
    sizes = [math.prod(shape) for shape in shapes]
    words = np.repeat(np.stack([key_words(key) for key in keys], 1), sizes, 1)
    counts = np.concatenate([np.arange(size, dtype=np.uint64) for size in sizes])
    drawn = _normal_of(_zero_to_one(_hashed_words((words[0], words[1]), counts)), counts.shape)
    return [part.reshape(shape) for part, shape in zip(np.split(drawn, np.cumsum(sizes)[:-1]), shapes, strict=True)]


def uniforms(words: Shaped[ndarray, "*some 2"], size: int, *, top: float = 1.0) -> Float[ndarray, "*some size"]:
    """So many numbers of each of many keys: those of `uniform`."""
    counts = np.arange(size, dtype=np.uint64)
    return _zero_to_one(_hashed_words((words[..., :1], words[..., 1:]), counts)) * top


def normals_each(words: Shaped[ndarray, "*some parts 2"], sizes: Sequence[int]) -> list[Float[ndarray, "..."]]:
    """`normals` of many dies' keys at once: one of each part, so many numbers of each, (some, size)."""
    repeated = np.repeat(words, sizes, axis=-2)
    counts = np.concatenate([np.arange(size, dtype=np.uint64) for size in sizes])
    share = _zero_to_one(_hashed_words((repeated[..., 0], repeated[..., 1]), counts))
    return np.split(_normal_of(share, share.shape), np.cumsum(sizes)[:-1], axis=-1)


def _normal_of(share: Any, shape: tuple[int, ...]) -> Float[ndarray, "..."]:
    low = np.nextafter(-1.0, 0.0)
    u = np.asarray(np.maximum(low, share * (1.0 - low) + low))
    # √2·erf⁻¹(u), from the nearer tail: 1 − |u| is exact. The standard library has it to the last digits, and importing
    # SciPy takes longer than drawing a chip.
    tails = (0.5 * (1.0 - np.abs(u))).ravel().tolist()
    size = np.array([_NORMAL.inv_cdf(tail) for tail in tails]).reshape(shape)
    return -np.sign(u) * size


def shuffled(key: "PRNGKeyArray", values: Int[ndarray, "..."]) -> Int[ndarray, "..."]:
    """Values shuffled along the first axis, each place of the other axes for itself: ``jax.random.permutation``."""
    # So many rounds that values of equal sorting keys in all of them do not occur.
    rounds = math.ceil(3 * math.log(max(1, values.size)) / math.log(2**32 - 1))
    for _ in range(rounds):
        key, round_key = split(key)
        high, low = _hashed(round_key, values.shape)
        values = np.take_along_axis(values, np.argsort(high ^ low, axis=0, kind="stable"), axis=0)
    return values


def _zero_to_one(words: tuple[Any, Any]) -> Any:
    """Random bits as the mantissas of numbers from 1 to 2, less one."""
    high, low = (word.astype(np.uint64) for word in words)
    bits = (high << np.uint64(32)) | low
    return ((bits >> np.uint64(64 - _MANTISSA_BITS)) | _ONE).view(np.float64) - 1.0


def _hashed(key: "PRNGKeyArray | Words", shape: tuple[int, ...]) -> tuple[Any, Any]:
    """Two random words for each place of an array, which count as one number from 0."""
    first, second = key_words(key)
    return _hashed_words((first, second), np.arange(math.prod(shape), dtype=np.uint64).reshape(shape))


def _hashed_words(words: tuple[Any, Any], counts: Shaped[ndarray, "..."]) -> tuple[Any, Any]:
    """The same of counts, under one key's words or under those of each count."""
    first, second = words
    keys = (first, second, first ^ second ^ _PARITY)
    # Words wrap around by design; in place, as few numbers take no longer than the calls.
    with np.errstate(over="ignore"):
        x = np.asarray((counts >> np.uint64(32)).astype(np.uint32) + keys[0])
        y = np.asarray(counts.astype(np.uint32) + keys[1])
        turned = np.empty_like(y)
        for group in range(5):
            for left, right in _ROTATIONS[group % 2]:
                np.add(x, y, out=x)
                np.left_shift(y, left, out=turned)
                np.right_shift(y, right, out=y)
                np.bitwise_or(y, turned, out=y)
                np.bitwise_xor(x, y, out=y)
            x += keys[(group + 1) % 3]
            y += keys[(group + 2) % 3] + np.uint32(group + 1)
    return x, y


def _wrapped(words: Shaped[ndarray, " 2"]) -> "PRNGKeyArray":
    import jax

    return jax.random.wrap_key_data(jax.numpy.asarray(words), impl=IMPLEMENTATION)
