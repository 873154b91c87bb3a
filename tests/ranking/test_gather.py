"""What a decode step reads, and that attending to the gathered tokens is attending under the mask."""

import pytest
import torch

from prism_photonics.ranking.gather import Reach, attend_gathered, gather_tokens
from prism_photonics.units import InputError


def test_the_reach_holds_sink_window_and_the_open_block_and_offers_the_rest():
    valid = torch.ones(1, 19, dtype=torch.bool)
    reach = Reach.at_end(valid, block=4, sink=2, window=5)
    assert reach.always[0].nonzero()[:, 0].tolist() == [0, 1, 14, 15, 16, 17, 18]
    # Block 3 is half in the window; all four complete blocks have something left to offer.
    assert reach.candidates.tolist() == [[True, True, True, True]]
    assert Reach.at_end(valid, block=4, sink=4, window=8).candidates.tolist() == [[False, True, True, False]]


def test_a_padded_sequence_has_its_sink_at_its_own_first_token():
    valid = torch.ones(1, 16, dtype=torch.bool)
    valid[0, :6] = False
    reach = Reach.at_end(valid, block=4, sink=3, window=2)
    assert reach.always[0].nonzero()[:, 0].tolist() == [6, 7, 8, 14, 15]
    assert reach.candidates.tolist() == [[False, False, True, True]]


def test_chosen_blocks_add_their_valid_tokens_once_and_minus_one_adds_none():
    valid = torch.ones(1, 16, dtype=torch.bool)
    valid[0, :2] = False
    reach = Reach.at_end(valid, block=4, sink=1, window=1)
    chosen = torch.tensor([[[0, -1], [2, 3]]])
    mask = reach.tokens(chosen, valid)
    assert mask[0, 0].nonzero()[:, 0].tolist() == [2, 3, 15]
    assert mask[0, 1].nonzero()[:, 0].tolist() == [2, 8, 9, 10, 11, 12, 13, 14, 15]


def test_gathered_indices_ascend_and_short_rows_are_padded():
    mask = torch.tensor([[[True, False, True, True], [False, True, False, False]]])
    index, real = gather_tokens(mask)
    assert index[0, 0].tolist() == [0, 2, 3]
    assert index[0, 1, 0] == 1
    assert real.tolist() == [[[True, True, True], [True, False, False]]]


@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
def test_gathering_equals_masking(share):
    generator = torch.Generator().manual_seed(0)
    query = torch.randn(2, 4, 1, 8, generator=generator)
    keys, values = torch.randn(2, 2, 50, 8, generator=generator), torch.randn(2, 2, 50, 6, generator=generator)
    mask = torch.rand(2, 2, 50, generator=generator) < share
    mask[..., -1] = True
    logits = torch.einsum("bhgd,bhtd->bhgt", query.reshape(2, 2, 2, 8), keys) * 0.3
    weight = logits.masked_fill(~mask[:, :, None], -torch.inf).softmax(-1)
    want = torch.einsum("bhgt,bhtd->bhgd", weight, values).reshape(2, 1, 4, 6)
    assert attend_gathered(query, keys, values, mask, scaling=0.3).numpy() == pytest.approx(want.numpy(), abs=2e-6)


def test_tokens_outside_the_mask_are_not_touched():
    query, keys, values = torch.ones(1, 2, 1, 4), torch.ones(1, 1, 10, 4), torch.ones(1, 1, 10, 4)
    mask = torch.zeros(1, 1, 10, dtype=torch.bool)
    mask[..., 3:5] = True
    keys[..., 5:, :], values[..., :3, :] = torch.nan, torch.nan
    assert torch.equal(attend_gathered(query, keys, values, mask, scaling=1.0), torch.ones(1, 1, 2, 4))


def test_an_impossible_reach_is_refused():
    with pytest.raises(InputError, match="a query reads itself"):
        Reach.at_end(torch.ones(1, 4, dtype=torch.bool), block=4, sink=0, window=0)
