"""A signature distilled from a frozen model follows its attention, in float and through the chip."""

import copy
from dataclasses import fields

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from prism_photonics.ranking.attention import BlockSparse
from prism_photonics.ranking.needle.models import load_model
from prism_photonics.ranking.needle.tokens import Vocabulary, needle_sequence
from prism_photonics.ranking.pretrained.cached import CachedText, Selection
from prism_photonics.ranking.pretrained.distilled import DistilledGate, Gate, distil, divergence
from prism_photonics.ranking.pretrained.lessons import lessons
from prism_photonics.ranking.pretrained.rotary import frequencies, turned
from prism_photonics.ranking.readers import ChipReader, Place
from prism_photonics.ranking.selectors import RandomChoice
from prism_photonics.units import InputError

torch.set_num_threads(1)
BLOCK = 16


@pytest.fixture(scope="module")
def model():
    return load_model("needle")[0]


@pytest.fixture(scope="module")
def taught(model):
    def ids(seed):
        sequence = needle_sequence(Vocabulary.needle(), tokens=512, needles=8, seed=seed)
        return [*sequence.context.tolist(), int(sequence.question[0]), int(sequence.answer[0])]

    frequency = frequencies(model)
    return [lessons(model, ids(seed), blocks=(BLOCK,), frequency=frequency, seed=seed)[BLOCK] for seed in range(4)]


@pytest.fixture(scope="module")
def gate(model, taught):
    return distil(taught[:3], rank=16, frequency=frequencies(model), kv_heads=2, steps=60)


def loss(gate, lesson):
    signatures = gate.signatures(lesson.blocks)
    scores = gate.sketches(lesson.queries, lesson.place) @ (signatures - signatures.mean(1, keepdim=True)).mT
    return min(float(divergence(gain * scores, lesson.mass, lesson.open_)) for gain in (0.05, 0.2, 0.5, 1.0))


def test_turning_back_undoes_turning_and_scores_see_only_the_distance(model):
    rng = torch.Generator().manual_seed(0)
    frequency, (query, key) = frequencies(model), torch.randn(2, 5, 32, generator=rng)
    place = torch.tensor([3.0, 50.0, 7.0, 0.0, 900.0])
    assert torch.allclose(turned(turned(key, place, frequency), -place, frequency), key, atol=1e-4)
    near = (turned(query, place + 9, frequency) * turned(key, place, frequency)).sum(-1)
    far = (turned(query, place + 59, frequency) * turned(key, place + 50, frequency)).sum(-1)
    assert torch.allclose(near, far, atol=1e-3)


def test_a_lesson_holds_the_models_own_attention_and_leaves_sink_and_window_out(taught):
    lesson = taught[0]
    assert not lesson.open_[:, -1].any()  # the last block lies in every query's window
    assert (lesson.mass[:, ~lesson.open_] == 0).all()
    assert (lesson.mass >= 0).all()
    assert (lesson.mass.sum(-1) < 2.0 + 1e-4).all()  # at most one per head of the group


def test_distilling_comes_nearer_to_the_attention_of_a_text_that_was_not_seen(model, taught, gate):
    start = distil(taught[:3], rank=16, frequency=frequencies(model), kv_heads=2, steps=1)
    assert loss(gate, taught[3]) < 0.9 * loss(start, taught[3])


def test_a_head_that_learns_its_lesson_by_heart_keeps_what_held_on_another_text(model, taught):
    # One text, many steps: what is learned by heart comes nearer to it, and farther from the others.

    def learned(steps, held_out=()):
        return distil(taught[:1], rank=16, frequency=frequencies(model), kv_heads=2, steps=steps, held_out=held_out)

    start, by_heart, kept = learned(1, [taught[1]]), learned(200), learned(200, [taught[1]])
    assert loss(by_heart, taught[0]) < loss(kept, taught[0])
    assert loss(kept, taught[3]) < 0.9 * loss(by_heart, taught[3])
    assert loss(kept, taught[1]) <= loss(start, taught[1])


def test_what_was_learned_in_few_steps_is_judged_too(model, taught):
    def learned(steps):
        known = {"rank": 16, "frequency": frequencies(model), "kv_heads": 2}
        return distil(taught[:3], **known, steps=steps, held_out=[taught[3]])

    assert loss(learned(30), taught[3]) < loss(learned(1), taught[3])


def test_a_gate_learns_through_the_chip_as_well(model, taught, demo_bundle):
    chip = demo_bundle(16)
    start = distil(taught[:3], rank=16, frequency=frequencies(model), kv_heads=2, steps=1)
    learned = distil(taught[:3], rank=16, frequency=frequencies(model), kv_heads=2, bundle=chip, steps=60)
    assert loss(learned, taught[3]) < loss(start, taught[3])


def test_a_gate_that_was_written_and_read_is_the_same_and_another_file_is_told(model, gate, tmp_path):
    gate.save(tmp_path / "gate.safetensors")
    read = Gate.load(tmp_path / "gate.safetensors")
    for each in fields(Gate):
        assert torch.equal(torch.as_tensor(getattr(read, each.name)), torch.as_tensor(getattr(gate, each.name)))
    none = {name: getattr(gate, name)[:, :0] for name in ("of_blocks", "block_mean", "block_scale")}
    for damage, told in (
        ({"block": torch.tensor(0)}, "block: got 0"),
        ({"of_blocks": gate.of_blocks[:, :-1]}, "of one gate"),
        ({"query_scale": gate.query_scale * torch.nan}, "want finite"),
        ({"kv_heads": torch.tensor(3)}, "got 4 heads in layers of 3"),
        (none | {"frequency": gate.frequency[:0]}, "want finite"),
    ):
        named = {each.name: torch.as_tensor(getattr(gate, each.name)).contiguous() for each in fields(Gate)}
        save_file({name: each.contiguous() for name, each in (named | damage).items()}, tmp_path / "other.safetensors")
        with pytest.raises(InputError, match=told):
            Gate.load(tmp_path / "other.safetensors")
    with pytest.raises(InputError, match="no readable safetensors file"):
        Gate.load(tmp_path / "none.safetensors")
    keys = torch.randn(1, 2, 3, BLOCK, 16)
    with pytest.raises(InputError, match="got 2 KV heads of 16 dimensions, want 2 of 32 in each of 2 layers"):
        DistilledGate("gate", read).sign(keys, torch.ones(1, 3, BLOCK, dtype=torch.bool), Place(0))


def test_a_gate_serves_only_a_model_with_its_layers_and_heads(model, gate, tmp_path):
    gate.save(file := tmp_path / "gate.safetensors")
    assert gate.shape == (2, 2, 2, 32)
    assert Gate.load(file, config=model.config).shape == gate.shape
    for name in ("num_hidden_layers", "num_key_value_heads", "num_attention_heads", "head_dim"):
        other = copy.deepcopy(model.config)
        setattr(other, name, 1 if name == "num_hidden_layers" else 4 if "key_value" in name else 8)
        with pytest.raises(InputError, match=r"got a gate of .* \(2, 2, 2, 32\), want .*distil one from this model"):
            Gate.load(file, config=other)
    keys, place = torch.randn(1, 2, 3, BLOCK, 32), torch.full((1, 1), 60.0)
    signed = DistilledGate("gate", gate).sign(keys, torch.ones(1, 3, BLOCK, dtype=torch.bool), Place(0))
    with pytest.raises(InputError, match="gate: got 8 query heads, want 4"):
        DistilledGate("gate", gate).score(torch.randn(1, 8, 1, 32), signed, 0, place)


def test_the_hook_and_the_cached_text_choose_the_same_blocks(model, gate):
    ids = np.random.default_rng(1).integers(3, 500, 200).tolist()
    selector = DistilledGate("gate", gate)
    sparse = BlockSparse(model, selector, block=BLOCK, k=3, sink=4, window=64)
    cache = sparse.cache()
    with torch.no_grad():
        model(torch.tensor([ids]), past_key_values=cache)
        logits = model(torch.tensor([[7]]), past_key_values=cache).logits[0, -1].log_softmax(-1)
    sparse.detach()
    answer = CachedText(model, ids).question([7]).answer([11], Selection(selector, BLOCK, 3))
    assert answer.nll == pytest.approx(-float(logits[11]), abs=1e-4)


def test_read_by_a_chip_it_covers_more_attention_than_chance(model, gate, demo_bundle):
    sequence = needle_sequence(Vocabulary.needle(), tokens=512, needles=8, seed=50)
    text = CachedText(model, sequence.context.tolist())
    chip, chance = DistilledGate("chip", gate, ChipReader(demo_bundle(16))), RandomChoice()
    covered = {chip: 0.0, chance: 0.0}
    for asked, answer in zip(sequence.question.tolist(), sequence.answer.tolist(), strict=True):
        for each in covered:
            said = text.question([asked]).answer([answer], Selection(each, BLOCK, 4))
            covered[each] += float(said.coverage.mean())
    assert covered[chip] > 1.2 * covered[chance]


def test_other_blocks_padding_and_ranks_that_do_not_fit_are_refused(model, taught, gate):
    selector, keys = DistilledGate("gate", gate), torch.randn(1, 2, 3, 8, 32)
    with pytest.raises(InputError, match="blocks of 8 tokens, want 16"):
        selector.sign(keys, torch.ones(1, 3, 8, dtype=torch.bool), Place(0))
    with pytest.raises(InputError, match="padding"):
        selector.sign(torch.randn(1, 2, 3, 16, 32), torch.zeros(1, 3, 16, dtype=torch.bool), Place(0))
    with pytest.raises(InputError, match="rank: got 33"):
        distil(taught, rank=33, frequency=frequencies(model), kv_heads=2)
