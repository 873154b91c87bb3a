"""How files are damaged: bytes, lines of text, and single numbers of arrays, each by a seeded random generator."""

import io

import numpy as np

ABSURD = (np.nan, np.inf, -np.inf, 1e300, -1e300)
"""Numbers that no array of a record may hold."""
WORDS = (
    *("nan", "inf", "-1", "0", "1e300", "-1e300", "1e-300", "1e400", "true", '"text"', '""', "[]", "[[1]]", "{}"),
    *("9" * 5000, "0x" + "f" * 5000, "[" * 3000 + "]" * 3000, "{a=" * 3000 + "1" + "}" * 3000, "1979-05-27", "null"),
    *("100000000", "2147483648", "0.1", "3.5", "-0.0", "'\\u0000'", "π", "*a", "!!python/object:os.system []"),
)
"""What a value of a text file is replaced by."""


def damaged_bytes(raw, rng):
    """A copy with bits flipped, bytes lost, doubled, blanked or torn off."""
    data = bytearray(raw)
    for _ in range(int(rng.integers(1, 4))):
        if not data:
            break
        at, length = int(rng.integers(len(data))), int(rng.integers(1, 40))
        match int(rng.integers(6)):
            case 0 | 1:
                data[at] ^= 1 << int(rng.integers(8))
            case 2:
                del data[at : at + length]
            case 3:
                data[at:at] = data[at : at + length]
            case 4:
                data[at : at + length] = bytes(rng.integers(0, 256, length, dtype=np.uint8))
            case _:
                del data[at:]
    return bytes(data)


def damaged_text(text, rng, separator):
    """A copy with a value replaced, or lines lost, doubled, swapped, misspelled; ``separator`` parts key and value."""
    lines = text.split("\n")
    for _ in range(int(rng.integers(1, 3))):
        at = int(rng.integers(len(lines)))
        key, found, value = lines[at].partition(separator)
        match int(rng.integers(8)):
            case 0 | 1 | 2 | 3 if found:
                lines[at] = f"{key}{separator} {WORDS[int(rng.integers(len(WORDS)))]}"
            case 4 if key:
                letter = int(rng.integers(len(key)))
                lines[at] = key[:letter] + "x" + key[letter + 1 :] + found + value
            case 5:
                del lines[at]
                lines = lines or [""]
            case 6:
                lines.insert(at, lines[at])
            case _:
                other = int(rng.integers(len(lines)))
                lines[at], lines[other] = lines[other], lines[at]
    return "\n".join(lines)


def spoiled(array, rng):
    """An array with one number that cannot be, and what was put where."""
    copy = np.array(array, dtype=float)
    value = ABSURD[int(rng.integers(len(ABSURD)))]
    at = int(rng.integers(copy.size))
    copy.reshape(-1)[at] = value
    return copy, f"{value} at {at}"


def odd_array(array, rng):
    """An array of another type or shape, or with a number that cannot be; and what was done."""
    array = np.asarray(array)
    ways = {
        "objects": lambda: np.array([{"a": 1}, None], object),
        "text": lambda: np.full(array.shape or (1,), "a"),
        "complex": lambda: array.astype(complex),
        "times": lambda: np.zeros(array.shape, "M8[s]"),
        "fields": lambda: np.zeros(array.shape, [("a", "f8"), ("b", "i4")]),
        "one axis more": lambda: array[None],
        "one axis less": lambda: array[0] if array.ndim else array.reshape(1),
        "nothing": lambda: array[:0] if array.ndim else np.zeros(0),
        "turned": lambda: array.T[..., None],
        "a number": lambda: np.float64(1.0),
        "bytes": lambda: np.frombuffer(b"12345678", "V8"),
        "spoiled": lambda: spoiled(array if array.size else np.zeros(1), rng)[0],
    }
    name = list(ways)[int(rng.integers(len(ways)))]
    return ways[name](), name


def npy(array):
    """The bytes of an npy file; objects are pickled, as a careless writer would."""
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    return stream.getvalue()


def npz(arrays):
    """The bytes of an npz file."""
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()
