"""Signatures for a paged KV cache, by the serving engine's own page numbers.

An engine keeps keys in physical pages that any request may own, and asks for one score per (request, page). A page is
a block: it is signed once, when it is full, and its signature stays at its physical place until the page is written
anew. Nothing here knows an engine; docs/serving.md shows the few lines that one needs, and tests run them.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from prism_photonics.codec.checks import require_count
from prism_photonics.ranking.centre import Centre
from prism_photonics.ranking.readers import Place
from prism_photonics.ranking.selectors import Selector, top_candidates
from prism_photonics.units import InputError


class PagedSignatures:
    """One selector's signatures of all physical pages of all layers.

    Attributes:
        selector: Signs and scores; needs no evidence and no training.
        pages: Physical pages of the cache.
    """

    def __init__(self, selector: Selector, pages: int):
        if selector.evidence or selector.trained:
            what = selector.evidence or "training"
            raise InputError(f"selector {selector.name}: needs {what}, which an engine does not give; choose another")
        if pages < 1:
            raise InputError(f"pages: got {pages}, want at least 1; give the number of physical pages of the cache")
        self.selector, self.pages = selector, pages
        self._written: dict[int, Tensor] = {}
        self._known: dict[int, Tensor] = {}
        self._centres: dict[int, Centre] = {}
        self._page = 0

    def sign(self, layer: int, pages: Int[Tensor, " n"], keys: Float[Tensor, "n tokens kv_heads dims"]) -> None:
        """Sign full pages; one that was signed before is signed anew.

        Args:
            layer: Layer of the model.
            pages: Physical page numbers.
            keys: Their post-RoPE keys, in the layout of a key buffer.

        Raises:
            InputError: A page that the cache does not have.
        """
        if not len(pages):
            return
        numbers = tuple(pages.tolist())
        if not 0 <= min(numbers) <= max(numbers) < self.pages:
            raise InputError(
                f"layer {layer}, pages: got {min(numbers)} to {max(numbers)}, want 0 to {self.pages - 1}; leave out "
                "what pads a step"
            )
        self._page = keys.shape[1]
        # A chip draws the programming error of a page from its number.
        centre = self._centres.setdefault(layer, Centre())
        place = Place(layer, centre=centre, pages=numbers)
        valid = torch.ones(1, *keys.shape[:2], dtype=torch.bool, device=keys.device)
        fresh = self.selector.sign(keys.movedim(2, 0)[None], valid, place)[0]
        if layer not in self._written:
            # Head by head, as they are read.
            self._written[layer] = fresh.new_zeros(len(fresh), self.pages, fresh.shape[-1])
            self._known[layer] = torch.zeros(self.pages, dtype=torch.bool, device=fresh.device)
        lay_down(self._written[layer], pages, fresh)
        self._known[layer][pages] = True

    def signed(self, layer: int) -> bool:
        """Whether any page of a layer is signed."""
        return layer in self._written

    def scores(
        self, layer: int, pages: Int[Tensor, "requests listed"], queries: Float[Tensor, "requests heads dims"]
    ) -> Float[Tensor, "requests kv_heads listed"]:
        """Scores of the pages of each request, per KV head.

        Args:
            layer: Layer of the model.
            pages: Physical pages of each request in logical order; anything below zero stands for none.
            queries: Post-RoPE queries of the step.

        Returns:
            Scores up to one number per request and KV head, minus infinity where there is no page or an unsigned one.
            An engine that chooses for all heads of a request at once adds them up; ours are chosen per KV head.

        Raises:
            InputError: No page of the layer is signed.
        """
        if not self.signed(layer):
            raise InputError(f"layer {layer}: got queries, want signed pages before them; call sign() first")
        real = pages.clamp(min=0)
        known = self._known[layer][real] & (pages >= 0)
        # A page that is signed stands in for one that is not: scores are relative to the first row's reference, and
        # selectors read their layout from a row. The request's own if it has one, any other's if not.
        own = real.gather(1, known.int().argmax(1, keepdim=True))
        spare = torch.where(known.any(1, keepdim=True), own, self._known[layer].int().argmax())
        real = torch.where(known, real, spare)
        state = self._written[layer].index_select(1, real.flatten()).unflatten(1, real.shape).transpose(0, 1)
        scores = self.selector.score(queries[:, :, None], state, layer)[:, :, 0]
        return scores.masked_fill(~known[:, None], -torch.inf)

    def cut(
        self,
        layer: int,
        pages: Int[Tensor, "requests listed"],
        tokens: Int[Tensor, " requests"],
        queries: Float[Tensor, "requests heads dims"],
        *,
        k: int,
        recent: int = 1,
    ) -> tuple[Int[Tensor, "requests kept"], Int[Tensor, " requests"]]:
        """The page table of a decode step, cut down to what ``kept`` names.

        Keys carry their positions, so attention over the shorter table is attention over those pages. Arguments and
        errors as of ``kept``.

        Returns:
            The shorter table, -1 behind a request's last page, and the tokens that each request then reads.
        """
        order, left = self.kept(layer, pages, tokens, queries, k=k, recent=recent)
        return torch.where(order < 0, -1, pages.gather(1, order.clamp(min=0))), left

    def kept(
        self,
        layer: int,
        pages: Int[Tensor, "requests listed"],
        tokens: Int[Tensor, " requests"],
        queries: Float[Tensor, "requests heads dims"],
        *,
        k: int,
        recent: int = 1,
    ) -> tuple[Int[Tensor, "requests kept"], Int[Tensor, " requests"]]:
        """Which pages of its table each request reads: the first, the latest ones, and the k best others.

        An engine's table serves all KV heads of a request, so scores are added over the heads. Pages stay in their
        order.

        Args:
            layer: Layer of the model.
            pages: Page table: physical pages in logical order; what lies behind a request's last page is ignored.
            tokens: Tokens of each request, the one that asks among them.
            queries: Post-RoPE queries of the step.
            k: Pages chosen beside the first and the latest.
            recent: Latest pages, full or not, that are read in any case.

        Returns:
            Their places in the table, -1 behind a request's last page, and the tokens that each request then reads.

        Raises:
            InputError: No page of the layer is signed, or k or recent is none.
        """
        k, recent = require_count("k", k), require_count("recent", recent)
        scores = self.scores(layer, pages, queries).sum(1)
        held = -(-tokens // self._page)[:, None]
        place = torch.arange(pages.shape[1], device=pages.device)
        always = (place == 0) | (place >= held - recent)
        # A full page that was never signed cannot be ranked: it is read.
        always = (always | (scores == -torch.inf)) & (place < held)
        best = top_candidates(scores, k, (place < held) & ~always)
        read = torch.zeros(len(pages), pages.shape[1] + 1, dtype=torch.bool, device=pages.device)
        read = read.scatter(1, torch.where(best < 0, pages.shape[1], best), True)[:, :-1] | always
        kept = read.sum(1)
        order = torch.where(read, place, pages.shape[1]).sort(1).values[:, : int(kept.max())]
        # All pages but a request's last one are full.
        left = tokens - (held[:, 0] - kept) * self._page
        return torch.where(order < pages.shape[1], order, -1), left


def lay_down(
    written: Float[Tensor, "kv_heads all_pages row"],
    pages: Int[Tensor, " n"],
    rows: Float[Tensor, "kv_heads n row"],
) -> None:
    """Put rows at their pages."""
    rows = rows.detach().to(written.dtype).contiguous()
    if written.device.type != "cpu":
        written[:, pages] = rows
        return
    # NumPy copies whole rows of one KV head after the other faster than those of all at once, and than torch does.
    # It has no bfloat16; what is copied is bits.
    bits = torch.uint8 if written.dtype == torch.bfloat16 else written.dtype
    to, places = written.view(bits).numpy(), pages.numpy()
    for head, of_head in zip(to, rows.view(bits).numpy(), strict=True):
        head[places] = of_head
