"""Keys and values that grow token by token in room set aside, and the rows of them that a step reads."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

SPARE = 8
"""An eighth of the tokens is set aside on top: a token then costs eight copies on average, whatever the length."""
_LEAST = 64
"""Tokens of room at least; a design choice."""


class Growing:
    """A tensor over (batch, KV heads, tokens, dims) to which tokens are appended.

    Concatenation would copy all tokens at every step. What is handed out is a view of the room up to the last token;
    it never changes, since later tokens lie behind it. A holder that puts another tensor in its place (crops, reorders)
    is followed with one copy.
    """

    def __init__(self) -> None:
        self._room: Tensor | None = None
        self._held: Tensor | None = None

    def append(
        self, held: Float[Tensor, "*all_or_none"], fresh: Float[Tensor, "batch kv_heads more dims"]
    ) -> Float[Tensor, "batch kv_heads tokens_and_more dims"]:
        """What is held, and after it what is fresh.

        Args:
            held: What was returned last, or whatever else is held now; at first an empty tensor of one axis.
            fresh: Keys or values of the next tokens.

        Returns:
            Both, along the tokens.
        """
        # A gradient's graph may hold on to what was handed out, and would not have its room written to.
        if held.numel() == 0 or torch.is_grad_enabled():
            self._room = self._held = None
            return torch.cat([held, fresh], -2)
        start, stop = held.shape[-2], held.shape[-2] + fresh.shape[-2]
        room = self._room
        fits = (
            room is not None
            and held is self._held
            and stop <= room.shape[-2]
            and held.dtype == fresh.dtype
            # What was set aside in inference mode may not be written outside it.
            and (torch.is_inference_mode_enabled() or not room.is_inference())
        )
        if room is None or not fits:
            dtype = torch.promote_types(held.dtype, fresh.dtype)
            size = stop + max(_LEAST, stop // SPARE)
            room = torch.empty(*held.shape[:-2], size, held.shape[-1], dtype=dtype, device=held.device)
            room[..., :start, :] = held
        room[..., start:stop, :] = fresh
        self._room, self._held = room, room[..., :stop, :]
        return self._held


def rows_of(
    held: Float[Tensor, "batch kv_heads tokens dims"], index: Int[Tensor, "batch kv_heads read"]
) -> Float[Tensor, "batch kv_heads read dims"]:
    """The rows of these tokens; each is copied as a whole, and no other is touched.

    Args:
        held: Keys or values; views of a longer tensor are read where they lie.
        index: Tokens of each sequence and KV head.

    Returns:
        Their rows.
    """
    batch, heads, _, dims = held.shape
    apart = held.stride(0) if heads == 1 else held.stride(1)
    even = batch == 1 or held.stride(0) == heads * apart
    if held.requires_grad or not even or held.stride()[2:] != (dims, 1) or apart % dims:
        return held.gather(2, index[..., None].expand(*index.shape, dims))
    # All sequences and KV heads as one column of rows.
    rows = held.as_strided(((batch * heads - 1) * (apart // dims) + held.shape[2], dims), (dims, 1))
    first = torch.arange(batch * heads, device=index.device).view(batch, heads, 1) * (apart // dims)
    return rows.index_select(0, (index + first).flatten()).view(*index.shape, dims)
