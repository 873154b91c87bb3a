"""Rows that several selectors read: a chip is written once, whatever is made of its readings afterwards."""

import hashlib

import torch
from torch import Tensor

from prism_photonics.ranking.selectors import Derived, Selector


class WrittenOnce(Derived):
    """Another selector that remembers what it has signed of one sequence, until another's turn or a restart.

    Attributes:
        base: Signs.
    """

    def __init__(self, base: Selector):
        super().__init__(base.name, base)
        self._kept: dict[tuple[object, ...], Tensor] = {}
        self._sequence = 0

    def sign(self, keys, valid, place):
        """See ``Selector.sign``; the same keys at the same place are not signed again."""
        if place.centre is not None:  # a running centre moves with every signing
            return self.base.sign(keys, valid, place)
        if place.sequence != self._sequence:  # all selectors are asked of a sequence before the next: no more is held
            self._kept.clear()
            self._sequence = place.sequence
        seen = place.layer, place.block, place.pages, keys.shape, keys.dtype, _bits(keys), _bits(valid)
        if seen not in self._kept:
            self._kept[seen] = self.base.sign(keys, valid, place)
        return self._kept[seen]

    def score(self, queries, signatures, layer, evidence=None):
        """See ``Selector.score``."""
        return self.base.score(queries, signatures, layer, evidence)

    def restart(self, number):
        """See ``Selector.restart``; another die may have its turn, so nothing is remembered."""
        self._kept.clear()
        super().restart(number)

    def cost(self, blocks, *, dims, block):
        """See ``Selector.cost``."""
        return self.base.cost(blocks, dims=dims, block=block)


class SharedRows(Derived):
    """A selector that reads what another has written, with read noise of its own.

    Attributes:
        base: Scores; its reader must be of the chip that ``writer`` writes.
        writer: Signs for all that share it.
    """

    def __init__(self, base: Selector, writer: WrittenOnce):
        super().__init__(base.name, base)
        self.writer = writer

    def sign(self, keys, valid, place):
        """See ``Selector.sign``."""
        return self.writer.sign(keys, valid, place)

    def score(self, queries, signatures, layer, evidence=None):
        """See ``Selector.score``."""
        return self.base.score(queries, signatures, layer, evidence)

    def restart(self, number):
        """See ``Selector.restart``."""
        self.writer.restart(number)
        super().restart(number)

    def cost(self, blocks, *, dims, block):
        """See ``Selector.cost``."""
        return self.base.cost(blocks, dims=dims, block=block)


def _bits(tensor: Tensor) -> bytes:
    """What a tensor holds, in short."""
    held = tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy()
    return hashlib.blake2b(held, digest_size=16).digest()
