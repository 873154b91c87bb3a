"""Heads and dimensions of a Hugging Face config's attention."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Heads:
    """Shape of a layer's attention.

    Attributes:
        query: Query heads.
        kv: KV heads.
        dims: Dimensions of a key.
    """

    query: int
    kv: int
    dims: int

    @property
    def group(self) -> int:
        """Query heads of a KV head."""
        return self.query // self.kv


def heads_of(config: Any) -> Heads:
    """The heads of a text config; what it leaves out is as in Llama."""
    query = config.num_attention_heads
    kv, dims = getattr(config, "num_key_value_heads", None), getattr(config, "head_dim", None)
    return Heads(query, query if kv is None else kv, config.hidden_size // query if dims is None else dims)
