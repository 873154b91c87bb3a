"""A virtual die by its name, as benches and records have it: ``virtual:0``, or ``untrimmed:3,full,splitting_pm=5``.

One that was trimmed as a file says is ``trimmed:FILE``; the file names the untrimmed die.
"""

from typing import TYPE_CHECKING, NamedTuple

from prism_photonics.chip.truth import FullTruth, named_truth
from prism_photonics.files.fields import shown
from prism_photonics.seeds import LARGEST_SEED
from prism_photonics.units import InputError

if TYPE_CHECKING:
    from prism_photonics.chip.virtual import VirtualChip
    from prism_photonics.spec import ChipSpec


TRIMMED = "trimmed"
"""The kind of bench that a virtual die is which was trimmed as a file says."""


class NamedDie(NamedTuple):
    """What a name says of a virtual die.

    Attributes:
        seed: Which die.
        trimmed: Whether its rings were brought to their channels.
        truth: What it is made of, as `VirtualChip` takes it.
        trimming: What was done to an untrimmed one, a ``trimming.csv``; empty where nothing was.
    """

    seed: int
    trimmed: bool
    truth: str | FullTruth
    trimming: str = ""

    def chip(self, spec: "ChipSpec", *, light: str = "comb") -> "VirtualChip":
        """The die, under a kind of light."""
        from prism_photonics.chip.trimming import read_trimming
        from prism_photonics.chip.virtual import VirtualChip

        trimming = read_trimming(self.trimming, spec) if self.trimming else None
        return VirtualChip(spec, seed=self.seed, trimmed=self.trimmed, light=light, truth=self.truth, trimming=trimming)


def named_die(bench: str) -> NamedDie:
    """The virtual die that a bench's name means.

    Raises:
        InputError: The name is no virtual die's.
    """
    kind, _, which = bench.partition(":")
    if kind == TRIMMED and which:
        from prism_photonics.chip.trimming import trimming_of

        untrimmed = trimming_of(which)
        if not untrimmed.startswith("untrimmed:"):
            raise InputError(
                f"--bench {bench}: is a trimming of {shown(untrimmed)}, want one of a virtual die; give that chip's "
                "bench.toml, and this file as --trimming"
            )
        return named_die(untrimmed)._replace(trimming=which)
    seed, behind, of_truth = which.partition(",")
    if kind not in ("virtual", "untrimmed") or not (seed.isascii() and seed.isdigit()):
        raise InputError(
            f"--bench {bench}: unknown bench; use virtual:SEED, such as virtual:0 or virtual:0,full, trimmed:FILE, "
            "recorded:FOLDER, or a bench.toml"
        )
    if len(seed) > len(str(LARGEST_SEED)) or int(seed) > LARGEST_SEED:
        raise InputError(f"--bench {bench}: the seed is out of range, want 0 to {LARGEST_SEED}; use a smaller one")
    return NamedDie(int(seed), kind == "virtual", named_truth(of_truth, bench=bench) if behind else "model")
