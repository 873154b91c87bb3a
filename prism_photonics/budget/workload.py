"""What is ranked: how long blocks are, what a signature has, how many blocks are fetched, for how many KV heads."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from prism_photonics.units import InputError

if TYPE_CHECKING:  # the command line takes its defaults from here, without NumPy
    from prism_photonics.spec import ChipSpec


@dataclass(frozen=True)
class Workload:
    """The ranking that a ledger is drawn up for; by default that of arXiv 2603.21576 on Qwen2.5-7B.

    Attributes:
        block_tokens: Tokens of a block.
        dims: Dimensions of a block's signature.
        chosen: Blocks that are fetched for a query, k.
        head_dim: Dimensions of a key.
        kv_heads: KV heads of all layers, whose signatures take turns; ``None`` takes the spec's
            ``system.kv_heads_per_chip``.

    Raises:
        InputError: A number below 1, or signatures of more dimensions than keys.
    """

    block_tokens: int = 128
    dims: int = 32
    chosen: int = 32
    head_dim: int = 128
    kv_heads: int | None = None

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value is not None and value < 1:
                raise InputError(f"workload: {name} = {value}; want 1 or more")
        if self.dims > self.head_dim:
            raise InputError(
                f"workload: signatures of {self.dims} dimensions from keys of {self.head_dim}; want at most as many"
            )

    def heads_of(self, spec: "ChipSpec") -> int:
        """KV heads that take turns on a chip."""
        return self.kv_heads or spec.system.kv_heads_per_chip


PAPERS = Workload()
"""Blocks of 128 tokens, signatures of 32 dimensions, 32 blocks fetched (arXiv 2603.21576)."""
