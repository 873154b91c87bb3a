"""Several rows for one block: a signature for each part of it, of which the best one counts.

Rows against block size is the chip's own trade: a block of 64 tokens with a row for every 16 is found as a block of 16
is, is fetched as a block of 64 is, and takes four rows. A second stage may read the keys of the best rows instead of
those of the best blocks: the parts' attention then adds up to their block's.
"""

import torch

from prism_photonics.codec.checks import require_count
from prism_photonics.ranking.readers import Place
from prism_photonics.ranking.selectors import Derived, Selector
from prism_photonics.units import InputError


class SeveralRows(Derived):
    """Another selector's signatures of the parts of each block; a block is worth its best part.

    Attributes:
        base: Signs and scores the parts.
        rows: Parts of a block; None where ``tokens`` says how many there are.
        tokens: Tokens of a part, for blocks of any size; a shorter block is one part. None where ``rows`` is given.
        overlap: Whether each part reaches to the middle of the next, as the compressed blocks of InfLLM-V2 do: three
            means of 32 tokens in a block of 64. Only with ``rows``.
        added: Whether the parts' scores are shares of attention, of which a block holds the sum; a part that its base
            leaves out adds nothing. By default scores are readings, of which the best counts.

    Source: the maximum over overlapping means is InfLLM-V2's, arXiv 2509.24663, read as a digest.
    """

    def __init__(
        self,
        name: str,
        base: Selector,
        *,
        rows: int | None = None,
        tokens: int | None = None,
        overlap: bool = False,
        added: bool = False,
    ):
        super().__init__(name, base)
        if (rows is None) == (tokens is None) or (overlap and rows is None):
            raise InputError(
                f"{name}: got rows {rows}, tokens {tokens}: want one of them, and rows where they overlap; say how a "
                "block is cut"
            )
        if overlap and added:
            raise InputError(
                f"{name}: got parts that overlap and are added, want one of them: tokens would count twice"
            )
        self.overlap, self.added = overlap, added
        self.rows = None if rows is None else require_count("rows", rows, cure="choose how many rows a block takes")
        self.tokens = None if tokens is None else require_count("tokens", tokens, cure="choose the tokens of a row")

    def rows_of(self, block: int) -> int:
        """Rows that a block takes.

        Raises:
            InputError: Equal parts do not fill the block.
        """
        if self.rows is None:
            assert self.tokens is not None
            size, parts = min(self.tokens, block), max(1, block // self.tokens)
        else:
            size, parts = self.rows + self.overlap, self.rows
        if block % size:
            raise InputError(
                f"{self.name}: got blocks of {block} tokens, want a multiple of {size}; choose other blocks, or leave "
                "this selector out"
            )
        return parts

    def part(self, block: int) -> tuple[int, int]:
        """Tokens of a part, and tokens from the start of one to the start of the next."""
        stride = block // (self.rows_of(block) + self.overlap)
        return stride * (1 + self.overlap), stride

    def require_block(self, block):
        """See ``Selector.require_block``."""
        self.base.require_block(self.part(block)[0])

    def sign(self, keys, valid, place):
        """See ``Selector.sign``; a part of padding is marked, and never counts."""
        rows, (size, stride) = self.rows_of(keys.shape[3]), self.part(keys.shape[3])
        parts = keys.unfold(3, size, stride).transpose(-1, -2).flatten(2, 3)
        shown = valid.unfold(2, size, stride).flatten(1, 2)
        pages = None
        # Parts that overlap do not follow one another: a base that needs their places refuses them.
        if self.overlap or place.pages is not None:
            pages = tuple(rows * index + row for index in place.indices(keys.shape[2]) for row in range(rows))
        within = Place(place.layer, rows * place.block, place.sequence, place.centre, pages)
        written = self.base.sign(parts, shown, within)
        marked = shown.any(-1)[:, None, :, None].expand(*written.shape[:3], 1).to(written)
        each = torch.cat([written, marked], -1).unflatten(2, (-1, rows)).flatten(3)
        # How many rows a block has lies beside them: blocks of several sizes may be asked of one selector.
        return torch.cat([torch.full_like(each[..., :1], rows), each], -1)

    def score(self, queries, signatures, layer, evidence=None):
        """See ``Selector.score``."""
        rows = int(signatures[0, 0, 0, 0]) if signatures.numel() else 1
        written, marked = signatures[..., 1:].unflatten(3, (rows, -1)).flatten(2, 3).tensor_split([-1], -1)
        scores = self.base.score(queries, written, layer, evidence).masked_fill(marked.mT == 0, -torch.inf)
        parts = scores.unflatten(-1, (-1, rows))
        if not self.added:
            return parts.amax(-1)
        held = parts > -torch.inf
        return torch.where(held.any(-1), torch.where(held, parts, 0.0).sum(-1), -torch.inf)

    def fit(self, keys, queries, *, layer, block, scaling=None, softcap=None):
        """See ``Selector.fit``."""
        self.base.fit(keys, queries, layer=layer, block=self.part(block)[0], scaling=scaling, softcap=softcap)

    def cost(self, blocks, *, dims, block):
        """See ``Selector.cost``."""
        return self.base.cost(blocks * self.rows_of(block), dims=dims, block=self.part(block)[0])
