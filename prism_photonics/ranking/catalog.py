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
from prism_photonics.ranking.sign_codes import SignCodes
from prism_photonics.ranking.two_stage import TwoStage
from prism_photonics.units import InputError, nearest

NAMES = (
    *("oracle", "mean_key", "bound", "random_projection", "pca"),
    *("photonic_mean_key", "photonic_bound", "photonic_learned"),
    *("hierarchical", "hierarchical_mean", "hierarchical_learned", "hierarchical_rows", "photonic_hierarchical"),
    *("bound_per_head", "bound_of_halves", "photonic_bound_of_halves", "infllm_like", "two_stage"),
    *("soft_rows", "photonic_soft_rows", "soft_rows_refined", "photonic_soft_rows_refined"),
    *("salca_like", "sign_codes", "indexer_like", "streaming_llm", "h2o", "random"),
)

ROW_TOKENS = 16
"""Tokens of a row where longer blocks take more rows; design choice, see docs/rank.md."""
SURVIVORS = 0.5
"""Share of the blocks whose keys are read after softened rows; design choice: a quarter finds fewer of several keys."""


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
        names: Of ``NAMES``.
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
        InputError: An unknown name.
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

    def soft(name: str, reader: Reader | None = None) -> Selector:
        rows = SeveralRows(name, FeatureSelector(name, SoftenedBound(), reader), tokens=ROW_TOKENS)
        return PerHead(name, rows, group=group)

    def refined(name: str, reader: Reader | None = None) -> Selector:
        return TwoStage(name, soft(name, reader), survivors=SURVIVORS)

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
        "two_stage": lambda name: TwoStage(name, bound()),
        "soft_rows": soft,
        "photonic_soft_rows": lambda name: soft(name, railed(5)),
        "soft_rows_refined": refined,
        "photonic_soft_rows_refined": lambda name: refined(name, railed(6)),
        "sign_codes": lambda name: SignCodes(name, seed=seed),
        "indexer_like": TokenIndexer,
        "salca_like": lambda name: SalcaLike(),
        "streaming_llm": lambda name: Streaming(),
        "h2o": lambda name: HeavyHitters(),
        "random": lambda name: RandomChoice(seed),
    }
    made = {}
    for name in names:
        if name not in makers:
            raise InputError(f"selector '{name}': unknown, want some of {', '.join(NAMES)}; {nearest(name, NAMES)}")
        made[name] = makers[name](name)
    return made


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
