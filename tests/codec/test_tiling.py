"""Tiles cover every signature once, and their partial scores add up to the whole."""

import numpy as np
import pytest

from prism_photonics.codec.tiling import scores_by_tile, tiles
from prism_photonics.units import InputError


@pytest.mark.parametrize(("blocks", "dims"), [(64, 32), (8, 8), (1, 1), (13, 30)])
def test_partial_scores_add_up_to_the_exact_scores(blocks, dims):
    rng = np.random.default_rng(0)
    signatures, queries = rng.standard_normal((blocks, dims)), rng.standard_normal((5, dims))
    scores = scores_by_tile(
        lambda page, piece, tile, part: part @ tile.T, signatures, queries=queries, rows=8, channels=8
    )
    assert scores == pytest.approx(queries @ signatures.T, abs=1e-12)


def test_each_tile_is_programmed_once_and_read_by_all_queries():
    programmed = []

    def score_tile(page, piece, tile, part):
        programmed.append((page, piece))
        assert tile.shape == (8, 8)
        assert part.shape == (256, 8)
        return part @ tile.T

    scores_by_tile(score_tile, np.ones((64, 32)), queries=np.ones((256, 32)), rows=8, channels=8)
    assert programmed == [(page, piece) for page in range(8) for piece in range(4)]


def test_block_b_is_row_b_mod_rows_of_its_page_and_padding_is_zero():
    signatures = np.arange(13 * 30, dtype=float).reshape(13, 30) + 1
    grid = tiles(signatures, rows=8, channels=8)
    assert grid.shape == (2, 4, 8, 8)
    assert grid[1, 2, 10 - 8] == pytest.approx(signatures[10, 16:24])
    assert (grid[1, :, 5:] == 0).all()
    assert (grid[:, 3, :, 6:] == 0).all()


def test_shapes_that_do_not_fit_are_refused_with_the_tile_named():
    with pytest.raises(InputError, match="at least 1 × 1"):
        tiles(np.ones((4, 4)), rows=0, channels=8)
    with pytest.raises(InputError, match="got 3 dimensions, want 4"):
        scores_by_tile(lambda *a: None, np.ones((4, 4)), queries=np.ones((1, 3)), rows=8, channels=8)
    with pytest.raises(InputError, match="page 0, slice 0: got shape"):
        scores_by_tile(lambda *a: np.zeros(3), np.ones((4, 4)), queries=np.ones((1, 4)), rows=8, channels=8)
