"""Block size by head: heads whose attention needs fine blocks get short ones, others share a signature among several.

Blocks are counted in the shortest size. In a head that takes four of them together the four have one signature, hence
one score, and are chosen together; the chip holds a row for every such group, so that long ones pay for short ones.

Source: block sizes by head are AB-Sparse's, arXiv 2605.12110, read as a digest; how they are shared out is ours.
"""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from prism_photonics.ranking.readers import Place
from prism_photonics.ranking.selectors import Derived, Selector
from prism_photonics.units import InputError

_CUT_PLACE = 1 << 32
"""A group that was cut in two by how its blocks came is written beyond all whole ones, with errors of its own."""


class SizedByHead(Derived):
    """Another selector's signatures of so many blocks together, as each layer's KV heads take them.

    Attributes:
        base: Signs and scores a group as one block; has one row for it, needs no training and no attention.
        sizes: Blocks that share a signature, by layer and KV head.
    """

    def __init__(self, name: str, base: Selector, sizes: Sequence[Sequence[int]]):
        super().__init__(name, base)
        if base.trained or base.evidence not in ("", "position"):
            what = "training" if base.trained else base.evidence
            raise InputError(f"{name}: got a base that needs {what} block by block, want one without; choose another")
        self.sizes = tuple(tuple(of_heads) for of_heads in sizes)
        for layer, of_heads in enumerate(self.sizes):
            for head, size in enumerate(of_heads):
                if size < 1:
                    raise InputError(
                        f"{name}: got {size} blocks for layer {layer}, KV head {head}, want at least 1; mend the sizes"
                    )

    def require_block(self, block):
        """See ``Selector.require_block``."""
        for size in sorted({size for of_heads in self.sizes for size in of_heads}):
            self.base.require_block(size * block)

    def sign(self, keys, valid, place):
        """Each block's row is its group's, beside it how many blocks back the group begins.

        Blocks that come one by one, as they are decoded, make groups of their own.
        """
        if place.pages is not None:
            raise InputError(f"{self.name}: got an engine's pages, want blocks in a row; choose another selector")
        start, blocks = place.block, keys.shape[2]
        of_heads = self._of(place.layer, keys.shape[1])
        rows: Tensor | None = None
        for size in sorted(set(of_heads)):
            before, after = start % size, -(start + blocks) % size
            together = torch.nn.functional.pad(keys, (0, 0, 0, 0, before, after)).unflatten(2, (-1, size)).flatten(3, 4)
            shown = torch.nn.functional.pad(valid, (0, 0, before, after)).unflatten(1, (-1, size)).flatten(2, 3)
            number = torch.arange(before, before + blocks, device=keys.device) // size
            firsts = [max(start, (start // size + group) * size) for group in range(shown.shape[1])]
            cut = {0} if before else set()
            cut |= {len(firsts) - 1} if after else set()
            pages = tuple(_CUT_PLACE + first if group in cut else first // size for group, first in enumerate(firsts))
            centre = place.centre.of(size) if place.centre else None
            signed = self.base.sign(together, shown, Place(place.layer, 0, place.sequence, centre, pages))
            back = start + torch.arange(blocks, device=keys.device) - torch.tensor(firsts, device=keys.device)[number]
            each = signed.index_select(2, number)
            each = torch.cat([back.to(each)[:, None].expand(*each.shape[:3], 1), each], -1)
            if rows is not None and rows.shape != each.shape:
                raise InputError(
                    f"{self.name}: got a base with other rows for longer blocks, want one row for each; choose another"
                )
            mine = torch.tensor([size == other for other in of_heads], device=keys.device)[:, None, None]
            rows = each if rows is None else torch.where(mine, each, rows)
        assert rows is not None
        return rows

    def score(self, queries, signatures, layer, evidence=None):
        """See ``Selector.score``; all blocks of a group have the reading of its row."""
        scores = self.base.score(queries, signatures[..., 1:], layer, evidence)
        place = torch.arange(signatures.shape[2], device=scores.device)
        leader = (place - signatures[..., 0].long()).clamp(min=0)
        return scores.gather(-1, leader[:, :, None].expand_as(scores))

    def cost(self, blocks, *, dims, block):
        """The mean over layers and KV heads."""
        each = [
            self.base.cost(-(-blocks // size), dims=dims, block=size * block)
            for of_heads in self.sizes
            for size in of_heads
        ]
        return {name: sum(one[name] for one in each) / len(each) for name in each[0]}

    def _of(self, layer: int, kv_heads: int) -> tuple[int, ...]:
        if not layer < len(self.sizes) or len(self.sizes[layer]) != kv_heads:
            shape = (len(self.sizes), len(self.sizes[0]) if self.sizes else 0)
            raise InputError(
                f"{self.name}: got layer {layer} of {kv_heads} KV heads, want sizes for them, not "
                f"for {shape[0]} layers of {shape[1]}; fit them on this model"
            )
        return self.sizes[layer]


def share_out(covered: Mapping[int, Float[Tensor, "layers kv_heads"]], *, rows: float) -> list[list[int]]:
    """Block sizes by head that cover most attention with so many rows for a block on average.

    From the longest blocks everywhere, the head that gains most for a further row takes the next shorter ones, as long
    as rows are left. Sizes that a head would not take for any price (its gain is not concave there) are passed over.

    Args:
        covered: Attention that chosen blocks hold, by size in blocks, on text that no table asks about; the budget of
            tokens is the same for all sizes.
        rows: Rows for a shortest block, mean of all layers and heads; 0.5 is what groups of two take.

    Returns:
        Sizes by layer and KV head.

    Raises:
        InputError: Not even the longest blocks everywhere take so few rows.
    """
    longest_first = sorted(covered, reverse=True)
    if rows * longest_first[0] < 1 - 1e-9:
        raise InputError(
            f"rows: got {rows:g} for a block, want at least {1 / longest_first[0]:g}, that of the longest groups; give "
            "more"
        )
    layers, kv_heads = covered[longest_first[0]].shape
    sizes = [[longest_first[0]] * kv_heads for _ in range(layers)]
    upgrades = []
    for layer in range(layers):
        for head in range(kv_heads):
            value = {size: float(covered[size][layer, head]) for size in longest_first}
            held = longest_first[0]
            while better := [size for size in longest_first if size < held and value[size] > value[held]]:
                gain = {size: (value[size] - value[held]) / (1 / size - 1 / held) for size in better}
                taken = max(better, key=lambda size: gain[size])
                upgrades.append((gain[taken], layer, head, held, taken))
                held = taken
    left = rows * layers * kv_heads - layers * kv_heads / longest_first[0] + 1e-9
    for _, layer, head, held, taken in sorted(upgrades, reverse=True):
        # A head's upgrades come in their order: each gains less for a row than the one before.
        if sizes[layer][head] == held and 1 / taken - 1 / held <= left:
            sizes[layer][head] = taken
            left -= 1 / taken - 1 / held
    return sizes
