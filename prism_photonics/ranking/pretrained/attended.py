"""Attention of the last tokens of several sequences that share all tokens before, with what each may read.

Products with the shared keys are one matrix product, whatever the number of sequences, and are formed once: the exact
attention, by which choices are judged, and the attention over what was chosen come from the same ones.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from prism_photonics.ranking.interface import Call
from prism_photonics.ranking.signatures import group_size
from prism_photonics.units import InputError


class Attended:
    """One layer's attention call on a cache that its sequences share.

    Attributes:
        queries: The call's queries.
    """

    def __init__(
        self, call: Call, keys: Float[Tensor, "1 kv_heads past dims"], values: Float[Tensor, "1 kv_heads past dims"]
    ):
        form, self.queries = call.form(), call.query
        if form.softcap is not None or form.sinks is not None:
            raise InputError(
                f"{type(call.module).__name__}: got a softcap or sinks, want plain softmax attention here; use "
                "'prism rank'"
            )
        sequences, heads, steps, dims = call.query.shape
        self._past, self._values, self._own_values = keys.shape[2], values[0], call.value
        kv_heads = keys.shape[1]
        self._grouped = (sequences, kv_heads, group_size(heads, kv_heads=kv_heads), steps)
        grouped = form.scaling * call.query.view(*self._grouped, dims)
        past = (grouped.transpose(0, 1).reshape(kv_heads, -1, dims) @ keys[0].mT).view(
            kv_heads, sequences, -1, keys.shape[2]
        )
        own = grouped @ call.key[:, :, None].mT
        hidden = torch.ones(steps, steps, dtype=torch.bool).triu(1)
        past = past.transpose(0, 1).reshape(*self._grouped, -1)
        self._logits = torch.cat([past, own.masked_fill(hidden, -torch.inf)], -1)
        self._exact = self._logits.softmax(-1)
        self._weight = self._exact.clone()

    def block_mass(self, sequence: int, *, block: int, blocks: int) -> Float[Tensor, "1 kv_heads steps blocks"]:
        """Exact attention of one sequence's queries over the first blocks, averaged over each KV head's group."""
        weight = self._exact[sequence].mean(1)[..., : blocks * block]
        return weight.unflatten(-1, (blocks, block)).sum(-1)[None]

    def show(self, sequence: int, shown: Bool[Tensor, "kv_heads steps tokens"]) -> float:
        """Let one sequence read only these tokens, and of them what lies before each query.

        Returns:
            Mean tokens that a query reads.
        """
        steps = shown.shape[1]
        shown = shown & ~torch.ones(steps, shown.shape[2], dtype=torch.bool).triu(self._past + 1)
        self._weight[sequence] = self._logits[sequence].masked_fill(~shown[:, None], -torch.inf).softmax(-1)
        return float(shown.sum(-1).float().mean())

    def output(self) -> Float[Tensor, "sequences steps heads value_dims"]:
        """The attention's outputs, in the layout of transformers."""
        sequences, kv_heads, group, steps = self._grouped
        past, own = self._weight.split([self._past, steps], -1)
        shared = past.transpose(0, 1).reshape(kv_heads, -1, self._past) @ self._values
        shared = shared.view(kv_heads, sequences, group, steps, -1).transpose(0, 1)
        out = shared + own @ self._own_values[:, :, None]
        return out.flatten(1, 2).transpose(1, 2).contiguous()
