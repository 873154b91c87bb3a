"""Coarse to fine: score groups of blocks first, then only the blocks of the best groups."""

from typing import Literal

import torch

from prism_photonics.codec.checks import require_count
from prism_photonics.ranking.centre import token_features, widened, widened_keys, widened_queries
from prism_photonics.ranking.features import Features, MeanAndBound, SoftenedBound
from prism_photonics.ranking.learned import LearnedProjection
from prism_photonics.ranking.readers import FloatReader, Place, Reader
from prism_photonics.ranking.selectors import Selector, top_candidates
from prism_photonics.ranking.written import read_rows, write_rows
from prism_photonics.units import InputError

_COARSE_PLACE = 1 << 32
"""Groups are written beyond all blocks, so that their errors are their own."""


class Hierarchical(Selector):
    """Two levels of signatures. A group whose blocks are not all complete is always opened; one group alone too.

    Attributes:
        fine: Features of the blocks.
        coarse: Kind of a group's signature: the bound over all its keys, the mean of its mean keys (which loses
            needles: a row to be compared with), what lies between them, or a projection of both that is learned on
            groups.
        rows: Rows of a group, each for as many of its blocks; its best one counts.
        children: Blocks of a group.
        keep: Share of the groups that are opened (at least one).
        reader: Reads both levels.

    Source: the two levels are PHOTON's idea, arXiv 2512.20687, applied to selection.
    """

    def __init__(
        self,
        name: str,
        fine: Features,
        *,
        coarse: Literal["bound", "mean", "softened"] | LearnedProjection = "bound",
        rows: int = 1,
        children: int = 8,
        keep: float = 0.25,
        reader: Reader | None = None,
    ):
        if children < 2 or not 0 < keep <= 1:
            raise InputError(f"children {children}, keep {keep}: want at least 2 blocks and a share in (0, 1]")
        self.rows = require_count("rows", rows, cure="choose how many rows a group takes")
        if children % rows:
            raise InputError(
                f"rows: got {rows} for groups of {children} blocks, want a divisor; each row takes as many"
            )
        self.name, self.fine, self.coarse = name, fine, coarse
        self.children, self.keep, self.reader = children, keep, reader or FloatReader()
        self.trained = fine.trained or isinstance(coarse, LearnedProjection)
        self._base = MeanAndBound()
        if isinstance(coarse, LearnedProjection) and not isinstance(coarse.base, MeanAndBound):
            raise InputError(
                "coarse: got a projection of other features, want MeanAndBound; only those add up to groups"
            )

    def sign(self, keys, valid, place):
        """The block's share of its group's signature, then its own."""
        keys = widened_keys(keys, valid, place.layer)
        share = self._base.of_blocks(keys, valid, place.layer)
        plain = self.fine.of_blocks(keys, valid, place.layer)
        tokens = None
        if self.reader.ranged:
            tokens = token_features(self.fine, keys, valid, place.layer, centre=place.centre)
        return torch.cat([share, write_rows(self.reader, plain, valid.any(-1), place, tokens=tokens)], -1)

    def score(self, queries, signatures, layer, evidence=None):
        """Fine scores of the blocks of the opened groups; -inf for all others."""
        queries, dims = widened_queries(queries, layer), queries.shape[-1]
        width = self._base.width(dims)
        kv_heads, blocks = signatures.shape[1:3]
        asked = self.fine.of_queries(queries, kv_heads, layer)
        share, rows = signatures.tensor_split([width], -1)
        fine = read_rows(self.reader, asked, rows)
        groups = blocks // self.children
        if groups < 2:
            return fine
        each = (groups * self.rows, self.children // self.rows)
        family = share[:, :, : groups * self.children].unflatten(2, each)
        # A mean of means and a maximum of maxima: the group's own features, without its keys.
        plain = torch.cat([family[..., :dims].mean(3), family[..., dims:].amax(3)], -1)
        sketches = self._base.of_queries(queries, kv_heads, layer)
        if isinstance(self.coarse, LearnedProjection):
            plain = self.coarse.project_blocks(plain, layer)
            sketches = self.coarse.of_queries(queries, kv_heads, layer)
        elif self.coarse == "softened":
            plain, sketches = SoftenedBound().of_both(*plain.tensor_split([dims], -1)), sketches[..., dims:]
        else:
            part = slice(0, dims) if self.coarse == "mean" else slice(dims, None)
            plain, sketches = plain[..., part], sketches[..., part]
        shown = torch.ones(len(plain), each[0], dtype=torch.bool, device=plain.device)
        scores = read_rows(self.reader, sketches, write_rows(self.reader, plain, shown, Place(layer, _COARSE_PLACE)))
        scores = scores.unflatten(-1, (groups, self.rows)).amax(-1)
        kept = top_candidates(scores, self.opened(groups), torch.ones_like(scores, dtype=torch.bool))
        opened = torch.zeros_like(scores, dtype=torch.bool).scatter(-1, kept, True)
        shown = opened.repeat_interleave(self.children, -1)
        shown = torch.nn.functional.pad(shown, (0, blocks - shown.shape[-1]), value=True)
        return torch.where(shown, fine, -torch.inf)

    def opened(self, groups: int) -> int:
        """Groups whose blocks are scored."""
        return max(1, round(self.keep * groups))

    def fit(self, keys, queries, *, layer, block, scaling=None, softcap=None):
        """See ``Selector.fit``."""
        keys, queries = widened(keys), widened(queries)
        form = {"layer": layer, "scaling": scaling, "softcap": softcap}
        self.fine.fit(keys, queries, block=block, **form)
        if isinstance(self.coarse, LearnedProjection) and keys.shape[2] >= 2 * block * self.children:
            self.coarse.fit(keys, queries, block=block * self.children // self.rows, **form)

    def restart(self, number):
        """See ``Selector.restart``."""
        self.reader.restart(number)

    def cost(self, blocks, *, dims, block):
        """All groups, and the blocks of the opened ones; a group that does not fill a page still takes one."""
        flat = self.reader.cost(blocks, self.fine.width(dims))
        groups = blocks // self.children
        if groups < 2:
            return flat
        width = self.coarse.rank if isinstance(self.coarse, LearnedProjection) else dims * (1 + (self.coarse != "mean"))
        first = self.reader.cost(groups * self.rows, width)
        each = self.reader.cost(self.children, self.fine.width(dims))
        rest = self.reader.cost(blocks - groups * self.children, self.fine.width(dims))
        second = {name: min(self.opened(groups) * each[name] + rest[name], flat[name]) for name in flat}
        return {name: first[name] + second[name] for name in flat}
