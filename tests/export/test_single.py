"""A decode step's single query takes a road of its own, and gets the answer that it gets among other queries."""

import copy

import numpy as np
import pytest
import torch

from prism_photonics.codec.encoding import RAILS, SHOTS
from prism_photonics.export import single
from prism_photonics.export.single import answer_single
from prism_photonics.export.torch import PhotonicSelector
from prism_photonics.export.write import write
from prism_photonics.units import InputError

torch.set_num_threads(1)
GAINS = {"ideal gains": np.ones(8), "gains of each row": np.linspace(0.97, 1.04, 8)}


@pytest.fixture
def bundle_path(make_model, tmp_path):
    """A chip as calibration leaves one: rows with gains of their own, lines without noise of their own."""
    return write(make_model(noise_rin=0.0, score_gain=GAINS["gains of each row"]), tmp_path / "bundle")


def programmed(bundle_path, *, banks=(), dims=30):
    selector = PhotonicSelector.from_bundle(bundle_path, 4, dtype=torch.float64)
    rng = torch.Generator().manual_seed(0)
    signatures = 3.0 + torch.randn(*banks, 20, dims, generator=rng, dtype=torch.float64)
    selector.program(signatures, selector.draw_error(signatures, rng, bank_axes=len(banks)), bank_axes=len(banks))
    return selector, torch.randn(*banks, 2, dims, generator=rng, dtype=torch.float64)


@pytest.mark.parametrize("gains", GAINS)
@pytest.mark.parametrize(("noisy", "line_noise"), [(False, 0.0), (True, 0.0), (True, 0.05)])
@pytest.mark.parametrize("scheme", SHOTS)
def test_a_query_alone_is_answered_as_among_others(make_model, tmp_path, monkeypatch, scheme, noisy, line_noise, gains):
    monkeypatch.setattr(single, "SQUARED_AT_ONCE", 7 * 8)  # weights of 7 blocks: the last of 20 are fewer
    path = write(make_model(encoding=scheme, noise_rin=line_noise, score_gain=GAINS[gains]), tmp_path / "bundle")
    selector, queries = programmed(path, banks=(1, 1), dims=30 // RAILS[scheme])
    noise = selector.draw_noise(queries) if noisy else None
    scores, chosen = selector(queries, noise)
    for number in range(2):
        query, drawn = queries[..., number : number + 1, :], noise[..., number : number + 1, :, :] if noisy else None
        alone = selector(query, drawn)
        assert answer_single(selector, query, drawn) is not None  # the road that this file is about
        assert alone[0] == pytest.approx(scores[..., number : number + 1, :], abs=1e-9)
        assert torch.equal(alone[1], chosen[..., number : number + 1, :])


def test_a_query_of_zeros_goes_to_the_lowest_blocks(bundle_path):
    selector, queries = programmed(bundle_path)
    assert selector(torch.zeros_like(queries[0]))[1].tolist() == [0, 1, 2, 3]


def test_a_single_query_or_noise_that_is_not_finite_is_refused(bundle_path):
    selector, queries = programmed(bundle_path)
    with pytest.raises(InputError, match="query"):
        selector(torch.full_like(queries[0], torch.nan))
    noise = selector.draw_noise(queries[0])
    noise[0, 3] = torch.inf
    with pytest.raises(InputError, match="noise"):
        selector(queries[0], noise)


def test_a_gradient_still_passes_through_a_single_query(bundle_path):
    selector, queries = programmed(bundle_path)
    query = queries[0].requires_grad_()
    selector(query)[0].sum().backward()
    assert query.grad.abs().max() > 0


def test_signatures_written_anew_are_the_ones_that_are_read(bundle_path):
    selector, queries = programmed(bundle_path)
    before = selector(queries[0])[0]
    assert answer_single(selector, queries[0], None) is not None
    copied = copy.deepcopy(selector)
    selector.program(torch.randn(20, 30, dtype=torch.float64, generator=torch.Generator().manual_seed(1)))
    after = selector(queries[0])[0]
    assert (after - before).abs().max() > 0.1
    assert after == pytest.approx(selector(queries)[0][0], abs=1e-9)
    assert torch.equal(copied(queries[0])[0], before)
    copied.load_state_dict(selector.state_dict())
    assert torch.equal(copied(queries[0])[0], after)


def test_numbers_that_are_changed_in_place_are_seen_in_a_copy_as_well(bundle_path):
    selector, queries = programmed(bundle_path)
    before = selector(queries[0])[0]
    copied = copy.deepcopy(selector)
    for each in (selector, copied):
        each.signature_scale.mul_(2.0)
        each.centre.zero_()
        alone = each(queries[0])[0]
        assert answer_single(each, queries[0], None) is not None
        assert (alone - before).abs().max() > 0.1
        assert alone == pytest.approx(each(queries)[0][0], abs=1e-9)
