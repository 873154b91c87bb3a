"""The selectors by name, as the command line and the table know them."""

from collections.abc import Iterable, Mapping, Sequence

from prism_photonics.export.read import Bundle
from prism_photonics.ranking.evict import HeavyHitters, Streaming
from prism_photonics.ranking.features import (
    Bound,
    MeanAndBound,
    MeanKey,
    PrincipalProjection,
    RandomProjection,
    SoftenedBound,
)
from prism_photonics.ranking.hierarchical import Hierarchical
from prism_photonics.ranking.indexer import TokenIndexer
from prism_photonics.ranking.learned import LearnedProjection
from prism_photonics.ranking.per_head import PerHead
from prism_photonics.ranking.readers import ChipReader, Reader
from prism_photonics.ranking.salca import SalcaLike
from prism_photonics.ranking.selectors import FeatureSelector, Oracle, RandomChoice, Selector
from prism_photonics.ranking.several_rows import SeveralRows
from prism_photonics.ranking.shared_rows import SharedRows, WrittenOnce
from prism_photonics.ranking.sign_codes import SignCodes
from prism_photonics.ranking.two_stage import TwoStage
from prism_photonics.units import InputError, nearest

NAMES = (
    *("oracle", "mean_key", "bound", "random_projection", "pca"),
    *("photonic_mean_key", "photonic_bound", "photonic_learned"),
    *("hierarchical", "hierarchical_mean", "hierarchical_learned", "hierarchical_rows", "photonic_hierarchical"),
    *("bound_per_head", "bound_of_halves", "photonic_bound_of_halves", "infllm_like", "two_stage"),
    *("soft_rows", "photonic_soft_rows", "soft_rows_refined", "photonic_soft_rows_refined"),
    *("soft_parts_refined", "photonic_soft_parts_refined"),
    *("salca_like", "sign_codes", "indexer_like", "streaming_llm", "h2o", "random"),
)

ROW_TOKENS = 16
"""Tokens of a row where longer blocks take more rows; design choice, see docs/rank.md."""
SURVIVORS = 0.5
"""Share of the keys that are read after softened rows; design choice: a quarter finds fewer of several needles."""
QUARTER = 0.25
"""The same after bounds of blocks; design choice."""


def make_selectors(
    names: Iterable[str],
    bundle: Bundle,
    *,
    dual_rail: Bundle | None = None,
    others: Sequence[Bundle] = (),
    dims: int,
    group: int = 1,
    seed: int = 0,
) -> dict[str, Selector]:
    """Selectors by name, each with its own random numbers.

    Args:
        names: Of ``NAMES``. Those of two stages take a share of the keys that the second one reads, after a colon:
            ``soft_rows_refined:0.75``.
        bundle: The chip of the photonic ones.
        dual_rail: The chip of the photonic bound, with two channels per dimension; by default the same chip, which
            then takes twice the slices.
        others: Further dies of the bundle's design, which take turns with it from text to text.
        dims: Dimensions of a key; the projections keep half of them.
        group: Query heads of a KV head.
        seed: Seed of projections, programming errors and noise.

    Returns:
        The selectors.

    Raises:
        InputError: An unknown name, or a share that is none or belongs to no second stage.
    """
    wide = dual_rail or bundle
    halves = wide.encoding == "dual_rail"
    half = max(1, dims // 2)

    def signed(number: int) -> Reader:
        return ChipReader(bundle, seed=seed + number, others=others)

    def railed(number: int) -> Reader:
        return ChipReader(wide, seed=seed + number, halves=halves, others=others if wide is bundle else ())

    def bound(reader: Reader | None = None) -> Selector:
        return FeatureSelector("bound", Bound(), reader)

    def per_head(name: str, base: Selector, rows: int, *, overlap: bool = False) -> Selector:
        return PerHead(name, SeveralRows(name, base, rows=rows, overlap=overlap), group=group)

    # Softened rows are written once, whoever reads them; each selector reads with noise of its own.
    written = WrittenOnce(FeatureSelector("soft_rows", SoftenedBound(), railed(5)))

    def softened(name: str, reader: Reader | None) -> Selector:
        one = FeatureSelector(name, SoftenedBound(), reader)
        return SharedRows(one, written) if reader else one

    def soft(name: str, reader: Reader | None = None) -> Selector:
        return PerHead(name, SeveralRows(name, softened(name, reader), tokens=ROW_TOKENS), group=group)

    def refined(name: str, share: float = SURVIVORS, reader: Reader | None = None) -> Selector:
        return TwoStage(name, soft(name, reader), survivors=share)

    def parts(name: str, share: float = SURVIVORS, reader: Reader | None = None) -> Selector:
        each = PerHead(name, softened(name, reader), group=group)
        return SeveralRows(name, TwoStage(name, each, survivors=share), tokens=ROW_TOKENS, added=True)

    makers = {
        "oracle": lambda name: Oracle(),
        "mean_key": lambda name: FeatureSelector(name, MeanKey()),
        "bound": lambda name: FeatureSelector(name, Bound()),
        "random_projection": lambda name: FeatureSelector(name, RandomProjection(MeanKey(), half, seed)),
        "pca": lambda name: FeatureSelector(name, PrincipalProjection(MeanKey(), half)),
        "photonic_mean_key": lambda name: FeatureSelector(name, MeanKey(), signed(0)),
        "photonic_bound": lambda name: FeatureSelector(name, Bound(), railed(1)),
        "photonic_learned": lambda name: FeatureSelector(
            name, LearnedProjection(MeanAndBound(), dims, bundle, seed=seed), signed(2)
        ),
        "hierarchical": lambda name: Hierarchical(name, Bound()),
        "hierarchical_mean": lambda name: Hierarchical(name, MeanKey(), coarse="mean"),
        "hierarchical_learned": lambda name: Hierarchical(
            name, Bound(), coarse=LearnedProjection(MeanAndBound(), 2 * dims, first=dims, seed=seed)
        ),
        "hierarchical_rows": lambda name: Hierarchical(name, Bound(), coarse="softened", rows=2),
        "photonic_hierarchical": lambda name: Hierarchical(name, Bound(), reader=railed(3)),
        "bound_per_head": lambda name: PerHead(name, bound(), group=group),
        "bound_of_halves": lambda name: per_head(name, bound(), 2),
        "photonic_bound_of_halves": lambda name: per_head(name, bound(railed(4)), 2),
        "infllm_like": lambda name: per_head(name, FeatureSelector(name, MeanKey()), 3, overlap=True),
        "soft_rows": soft,
        "photonic_soft_rows": lambda name: soft(name, railed(5)),
        "sign_codes": lambda name: SignCodes(name, seed=seed),
        "indexer_like": TokenIndexer,
        "salca_like": lambda name: SalcaLike(),
        "streaming_llm": lambda name: Streaming(),
        "h2o": lambda name: HeavyHitters(),
        "random": lambda name: RandomChoice(seed),
    }
    two_stages = {
        "two_stage": lambda name, share=QUARTER: TwoStage(name, bound(), survivors=share),
        "soft_rows_refined": refined,
        "photonic_soft_rows_refined": lambda name, share=SURVIVORS: refined(name, share, railed(6)),
        "soft_parts_refined": parts,
        "photonic_soft_parts_refined": lambda name, share=SURVIVORS: parts(name, share, railed(7)),
    }
    made = {}
    for name in names:
        kind, colon, share = name.partition(":")
        if kind not in makers | two_stages:
            raise InputError(f"selector '{kind}': unknown, want some of {', '.join(NAMES)}; {nearest(kind, NAMES)}")
        if not colon:
            made[name] = (makers | two_stages)[kind](name)
        elif kind not in two_stages:
            raise InputError(f"selector '{name}': got a share of keys, want none: {kind} has no second stage; drop it")
        else:
            made[name] = two_stages[kind](name, _share(name, share))
    return made


def _share(name: str, text: str) -> float:
    """The share of keys that a second stage reads."""
    try:
        share = float(text)
    except ValueError:
        share = 0.0
    if not 0 < share <= 1:
        raise InputError(f"selector '{name}': got a share of '{text}', want a number above 0 and up to 1, such as 0.5")
    return share


def that_take(blocks: Iterable[int], made: Mapping[str, Selector]) -> tuple[dict[str, Selector], list[str]]:
    """The selectors that sign blocks of all these sizes, and one line for each of the others."""
    sizes, fit, refused = tuple(blocks), {}, []
    for name, selector in made.items():
        try:
            for size in sizes:
                selector.require_block(size)
        except InputError as error:
            refused.append(str(error))
        else:
            fit[name] = selector
    return fit, refused
