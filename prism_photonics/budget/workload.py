"""What is ranked: how long blocks are, what a signature has, how many blocks are fetched, for which language model."""

from dataclasses import dataclass

from prism_photonics.units import InputError


@dataclass(frozen=True)
class ModelShape:
    """What of a language model the ranking of its KV cache depends on.

    Attributes:
        name: Where it was read.
        layers: Layers that attend to the whole context; layers with a window, or without attention, rank nothing.
        other_layers: All other layers.
        kv_heads: KV heads of such a layer; 1 where the cache holds a latent that all heads share.
        query_heads: Query heads of such a layer.
        head_dim: Dimensions of a key in the cache.
        value_dim: Dimensions of its value; 0 where the cache holds a latent that is both.
        longest_tokens: Places that the model was made for; 0 where its configuration says none.
    """

    name: str
    layers: int
    other_layers: int
    kv_heads: int
    query_heads: int
    head_dim: int
    value_dim: int
    longest_tokens: int = 0

    @property
    def all_kv_heads(self) -> int:
        """KV heads of all layers that rank."""
        return self.layers * self.kv_heads

    @property
    def token_bytes(self) -> float:
        """Key and value of one token and KV head, in bf16."""
        return 2.0 * (self.head_dim + self.value_dim)


QWEN_7B = ModelShape("Qwen2.5-7B", 28, 0, kv_heads=4, query_heads=28, head_dim=128, value_dim=128, longest_tokens=2**17)
"""The model where no other is named: 28 layers of 4 KV heads, asked by 28 query heads (arXiv 2412.15115, table 1)."""
TOKENS_S = 1e3
"""Tokens a second of a sequence where no rate is told; `QWEN_7B`'s 112 heads then ask the 112 kHz of the shipped specs
(design choice).
"""


@dataclass(frozen=True)
class Workload:
    """The ranking that a ledger or a plan is drawn up for; by default that of arXiv 2603.21576.

    Attributes:
        block_tokens: Tokens of a block.
        dims: Dimensions of a block's signature.
        chosen: Blocks that are fetched for a query, k.
        model: The language model, whose KV heads take turns on a chip.

    Raises:
        InputError: A number below 1, or signatures of more dimensions than the model's keys.
    """

    block_tokens: int = 128
    dims: int = 32
    chosen: int = 32
    model: ModelShape = QWEN_7B

    def __post_init__(self) -> None:
        numbers = {name: value for name, value in vars(self).items() if name != "model"}
        for name, value in (numbers | {"head_dim": self.head_dim, "kv_heads": self.kv_heads}).items():
            if value < 1:
                raise InputError(f"workload: {name} = {value}; want 1 or more")
        if self.dims > self.head_dim:
            raise InputError(
                f"workload: signatures of {self.dims} dimensions from keys of {self.head_dim} ({self.model.name}); "
                "want at most as many, or a model of longer keys (--model)"
            )

    @property
    def head_dim(self) -> int:
        """Dimensions of a key."""
        return self.model.head_dim

    @property
    def kv_heads(self) -> int:
        """KV heads of all layers, whose signatures take turns."""
        return self.model.all_kv_heads


PAPERS = Workload()
"""Blocks of 128 tokens, signatures of 32 dimensions, 32 blocks fetched (arXiv 2603.21576), on `QWEN_7B`."""
