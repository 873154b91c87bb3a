"""A virtual die by its name, as benches and records have it: ``virtual:0``, or ``untrimmed:3,full,splitting_pm=5``."""

from typing import TYPE_CHECKING, NamedTuple

from prism_photonics.chip.truth import FullTruth, named_truth
from prism_photonics.seeds import LARGEST_SEED
from prism_photonics.units import InputError

if TYPE_CHECKING:
    from prism_photonics.chip.virtual import VirtualChip
    from prism_photonics.spec import ChipSpec


class NamedDie(NamedTuple):
    """What a name says of a virtual die.

    Attributes:
        seed: Which die.
        trimmed: Whether its rings were brought to their channels.
        truth: What it is made of, as `VirtualChip` takes it.
    """

    seed: int
    trimmed: bool
    truth: str | FullTruth

    def chip(self, spec: "ChipSpec", *, light: str = "comb") -> "VirtualChip":
        """The die, under a kind of light."""
        from prism_photonics.chip.virtual import VirtualChip

        return VirtualChip(spec, seed=self.seed, trimmed=self.trimmed, light=light, truth=self.truth)


def named_die(bench: str) -> NamedDie:
    """The virtual die that a bench's name means.

    Raises:
        InputError: The name is no virtual die's.
    """
    kind, _, which = bench.partition(":")
    seed, behind, of_truth = which.partition(",")
    if kind not in ("virtual", "untrimmed") or not (seed.isascii() and seed.isdigit()):
        raise InputError(
            f"--bench {bench}: unknown bench; use virtual:SEED, such as virtual:0 or virtual:0,full, recorded:FOLDER, "
            "or a bench.toml"
        )
    if len(seed) > len(str(LARGEST_SEED)) or int(seed) > LARGEST_SEED:
        raise InputError(f"--bench {bench}: the seed is out of range, want 0 to {LARGEST_SEED}; use a smaller one")
    return NamedDie(int(seed), kind == "virtual", named_truth(of_truth, bench=bench) if behind else "model")
