"""Keys that grow in room set aside: always what concatenation gives, and what was handed out never changes."""

import copy

import pytest
import torch

from prism_photonics.ranking.growing import Growing, rows_of


def drawn(tokens, seed=0, *, batch=2, heads=3, dims=4):
    return torch.randn(batch, heads, tokens, dims, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def test_tokens_one_by_one_are_those_of_concatenation_across_every_growth():
    growing, held, want = Growing(), torch.tensor([]), torch.tensor([])
    for seed, tokens in enumerate((5, *([1] * 150), 40, 1)):
        fresh = drawn(tokens, seed)
        held, want = growing.append(held, fresh), torch.cat([want, fresh], -2)
        assert torch.equal(held, want)


@torch.no_grad()
def test_a_step_copies_no_earlier_token_while_there_is_room():
    growing = Growing()
    first = growing.append(growing.append(torch.tensor([]), drawn(100)), drawn(1, 1))
    second = growing.append(first, drawn(1, 2))
    assert second.data_ptr() == first.data_ptr()


@torch.no_grad()
def test_what_was_handed_out_never_changes_whatever_is_put_in_its_place():
    growing = Growing()
    held = growing.append(growing.append(torch.tensor([]), drawn(10)), drawn(1, 1))
    before = held.clone()
    cropped = growing.append(held[..., :7, :], drawn(3, 2))  # as after drafts that were taken back
    assert torch.equal(cropped, torch.cat([before[..., :7, :], drawn(3, 2)], -2))
    turned = growing.append(cropped.flip(0), drawn(1, 3))
    assert torch.equal(turned, torch.cat([cropped.flip(0), drawn(1, 3)], -2))
    assert torch.equal(held, before)


@torch.no_grad()
def test_copies_grow_apart():
    growing = Growing()
    held = growing.append(growing.append(torch.tensor([]), drawn(10)), drawn(1, 1))
    memo = {}
    other, kept = copy.deepcopy((growing, held), memo)
    mine, theirs = growing.append(held, drawn(1, 2)), other.append(kept, drawn(1, 3))
    assert torch.equal(mine[..., :-1, :], theirs[..., :-1, :])
    assert torch.equal(mine[..., -1:, :], drawn(1, 2))
    assert torch.equal(theirs[..., -1:, :], drawn(1, 3))


def test_room_of_inference_mode_is_not_written_outside_it_and_gradients_pass():
    growing = Growing()
    with torch.inference_mode():
        held = growing.append(growing.append(torch.tensor([]), drawn(10)), drawn(1, 1))
    with torch.no_grad():
        outside = growing.append(held, drawn(1, 2))
    assert torch.equal(outside, torch.cat([held.clone(), drawn(1, 2)], -2))
    fresh = drawn(1, 3).requires_grad_()
    growing.append(outside.clone(), fresh).sum().backward()
    assert torch.equal(fresh.grad, torch.ones_like(fresh))


@pytest.mark.parametrize(("batch", "heads"), [(1, 1), (1, 3), (2, 1), (2, 3)])
@pytest.mark.parametrize("lies", ["whole", "in room", "expanded", "transposed", "other sequences between"])
def test_rows_are_those_of_gathering_however_the_keys_lie(batch, heads, lies):
    keys = drawn(20, batch=batch, heads=heads)
    held = {
        "whole": keys,
        "in room": keys[:, :, :17],
        "expanded": keys[:, :1, :17].expand(-1, heads, -1, -1),
        "transposed": keys.transpose(1, 2).contiguous().transpose(1, 2),
        "other sequences between": torch.cat([keys, keys + 1.0], 1)[:, :heads],
    }[lies]
    index = torch.randint(0, 17, (batch, heads, 9), generator=torch.Generator().manual_seed(1))
    assert torch.equal(rows_of(held, index), held.gather(2, index[..., None].expand(-1, -1, -1, 4)))
