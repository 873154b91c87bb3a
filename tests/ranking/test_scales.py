"""Channel scales follow what is written, and cost few readings: blocks at other scales want other light."""

import numpy as np
import pytest
import torch

from prism_photonics.ranking.centre import Centre, token_features
from prism_photonics.ranking.features import Bound, MeanKey
from prism_photonics.ranking.keys import KeyCache
from prism_photonics.ranking.readers import FloatReader, Place
from prism_photonics.ranking.selectors import FeatureSelector

BLOCKS, TOKENS, DIMS = 64, 16, 32


def whole(keys):
    return torch.ones(keys.shape[0], *keys.shape[2:4], dtype=torch.bool)


class Counting(FloatReader):
    """Dot products of what has a range, as a chip's has, and how many readings they took."""

    ranged = True
    readings = 0

    def read(self, queries, state):
        """Count, then read."""
        self.readings += 1
        return super().read(queries, state)


@pytest.mark.parametrize(("features", "most"), [(MeanKey, 9), (Bound, 18)])
def test_scales_that_follow_page_by_page_cost_few_readings_more_and_none_where_all_is_written_at_once(features, most):
    cache = KeyCache.load(None)
    keys = torch.as_tensor(np.asarray(cache.keys, np.float32)).unflatten(2, (BLOCKS, TOKENS))
    queries = torch.as_tensor(np.asarray(cache.queries, np.float32))
    for each in (slice(0, 4), slice(4, 8)):
        reader, centre = Counting(), Centre()
        selector, valid = FeatureSelector("s", features(), reader), whole(keys[each])
        pages = [
            selector.sign(keys[each, :, n : n + 1], valid[:, n : n + 1], Place(0, n, centre=centre))
            for n in range(BLOCKS)
        ]
        selector.score(queries[each], torch.cat(pages, 2), 0)
        assert 1 < reader.readings <= most
        reader.readings = 0
        selector.score(queries[each], selector.sign(keys[each], valid, Place(0)), 0)
        assert reader.readings == 1


def test_pages_of_channels_of_every_width_settle_on_a_few_sets_of_scales():
    g = torch.Generator().manual_seed(0)
    width = torch.exp(torch.randn(DIMS, generator=g))
    keys = width * (torch.randn(1, 2, 256, 16, DIMS, generator=g) + 0.5 * torch.randn(1, 2, 256, 1, DIMS, generator=g))
    for features in (MeanKey(), Bound()):
        centre, scales = Centre(), []
        for page in keys.split(1, 2):
            blocks, shown = features.of_blocks(page, whole(page), 0), whole(page).any(-1)
            centre.take(blocks, shown)
            scales.append(centre.scales(blocks, shown, token_features(features, page, whole(page), 0)))
        for head in torch.stack(scales, 2)[0]:
            assert len(head.unique(dim=0)) <= 6
