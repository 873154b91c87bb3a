"""The needle task and its models: sequences say what they promise, the models recall, the recipe learns."""

import json

import numpy as np
import pytest
import torch

from prism_photonics.ranking.gate import full_attention, watching
from prism_photonics.ranking.needle import Vocabulary, needle_sequence
from prism_photonics.ranking.needle.models import load_model
from prism_photonics.ranking.needle.tokens import filler
from prism_photonics.ranking.needle.train import (
    STAGES,
    Batch,
    Stage,
    fresh_model,
    needle_batch,
    repeated_batch,
    selection_loss,
    train,
)
from prism_photonics.ranking.probe import Probe
from prism_photonics.units import InputError

WORDS = Vocabulary.needle()


def test_every_key_stands_once_in_the_context_with_its_value_after_it():
    sequence = needle_sequence(WORDS, tokens=512, needles=16, seed=3)
    assert sequence.context.shape == (512,)
    assert sequence.context[0] == WORDS.start
    assert sequence.context[-1] == WORDS.separator
    for key, value, place in zip(sequence.question, sequence.answer, sequence.answer_position, strict=True):
        assert np.flatnonzero(sequence.context == key).tolist() == [place - 1]
        assert sequence.context[place] == value
    again = needle_sequence(WORDS, tokens=512, needles=16, seed=3)
    assert (again.context == sequence.context).all()
    assert (needle_sequence(WORDS, tokens=512, needles=16, seed=4).context != sequence.context).any()


def test_filler_stays_with_a_topic():
    tokens = filler(WORDS, 20000, np.random.default_rng(0))
    topic = (tokens - 259) // 15
    assert np.isin(tokens, WORDS.filler).all()
    # 0.85² from both being of the topic, a little from chance.
    assert np.mean(topic[1:] == topic[:-1]) == pytest.approx(0.74, abs=0.03)
    assert len(np.unique(topic)) >= 16


def test_too_many_needles_and_small_vocabularies_are_refused():
    with pytest.raises(InputError, match="want 1 to 15 in 64 tokens"):
        needle_sequence(WORDS, tokens=64, needles=16, seed=0)
    with pytest.raises(InputError, match="at least 64"):
        Vocabulary.of_any(40)
    other = Vocabulary.of_any(1000)
    assert len(np.intersect1d(other.keys, other.values)) == len(np.intersect1d(other.filler, other.keys)) == 0


@pytest.mark.parametrize("name", ["needle", "needle:plain"])
def test_the_built_in_models_recall_every_needle_with_full_attention(name):
    model, vocabulary = load_model(name)
    assert sum(p.numel() for p in model.parameters()) == 131_904
    probe = Probe(model, needle_sequence(vocabulary, tokens=1024, needles=32, seed=5))
    told, steps = probe.ask()
    assert (told.argmax(-1).numpy() == probe.sequence.answer).all()
    assert steps[1].mass.shape == (1, 2, 32, 64)


def test_a_probe_tells_what_the_model_itself_tells(tiny):
    model = tiny("qwen3", vocab_size=512)
    sequence = needle_sequence(WORDS, tokens=96, needles=5, seed=1)
    told, steps = Probe(model, sequence).ask(block=8)
    for number, question in enumerate(sequence.question):
        ids = torch.as_tensor([*sequence.context, question])[None]
        with torch.no_grad():
            want = model(ids).logits[0, -1].log_softmax(-1)
        assert told[number].numpy() == pytest.approx(want.numpy(), abs=2e-4)
    assert all(float(step.mass.sum(-1).max()) < 1 for step in steps)


def test_the_mass_of_a_probe_is_that_of_the_numpy_room(selectable):
    from prism_photonics.ranking.mass import attention_mass

    model, vocabulary = selectable
    probe = Probe(model, needle_sequence(vocabulary, tokens=256, needles=4, seed=2))
    _, steps = probe.ask(block=16)
    # The question's own key and all but its own token are left out there: its mass is on the context alone.
    numpy_mass = attention_mass(
        steps[1].queries.numpy(),
        probe.keys[1].numpy(),
        query_position=np.full((1, 4), 255),
        block=16,
        scale=32**-0.5,
    )
    renormalised = steps[1].mass / steps[1].mass.sum(-1, keepdim=True)
    assert renormalised.numpy() == pytest.approx(numpy_mass, abs=1e-4)


def test_a_folder_that_is_no_model_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"no config\.json there, want needle"):
        load_model(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "qwen2"}')
    with pytest.raises(InputError, match="cannot be loaded"):
        load_model(tmp_path)


def test_training_batches_ask_for_needles_of_their_own_haystack():
    rng = np.random.default_rng(0)
    batch = needle_batch(Stage(128, 16, 24), 3, rng)
    for line, needle in zip(batch.ids, batch.needle, strict=True):
        assert (line[batch.position + 1] == line[needle]).all()
        assert (line[batch.position] == line[needle - 1]).all()
        assert (needle < batch.haystack + 1).all()
    copied = repeated_batch(64, 2, rng)
    segment = int(copied.position.min())
    assert (copied.ids[:, copied.position] == copied.ids[:, copied.position - segment]).all()


def test_the_start_is_structured_one_head_attends_to_the_previous_token():
    model = fresh_model(0).eval()
    seen = []

    def attend(call):
        seen.append((call.query[:, 0] @ call.key[:, 0].mT * call.form().scaling).tril().softmax(-1))
        return call.dense()[0]

    with torch.no_grad(), watching(model, attend):
        model(torch.randint(3, 512, (1, 40), generator=torch.Generator().manual_seed(0)), use_cache=False)
    assert list(full_attention(model)) == [0, 1]
    assert float(seen[0][0].diagonal(-1)[5:].mean()) > 0.5


def test_the_selection_loss_falls_as_the_needles_block_stands_out_and_teaches_keys_and_queries():
    batch = needle_batch(Stage(128, 8, 8), 2, np.random.default_rng(1))
    generator = torch.Generator().manual_seed(0)
    queries = torch.randn(2, 4, 128, 8, generator=generator, requires_grad=True)
    keys = torch.randn(2, 2, 128, 8, generator=generator, requires_grad=True)
    gain = torch.zeros((), requires_grad=True)
    loss = selection_loss(queries, keys, batch, block=16, log_gain=gain)
    found = torch.autograd.grad(loss, (queries, keys, gain))
    assert all(float(gradient.abs().max()) > 0 for gradient in found)
    lower = selection_loss(queries - 0.5 * found[0], keys - 0.5 * found[1], batch, block=16, log_gain=gain)
    assert lower.item() < loss.item()
    perfect = torch.zeros(2, 2, 128, 8)
    asked = torch.zeros(2, 4, 128, 8)
    asked[:, :, batch.position] = 10.0
    only = batch.needle[0, 0] // 16
    perfect[:, :, only * 16 : (only + 1) * 16] = 1.0
    same = Batch(batch.ids, batch.position, torch.full_like(batch.needle, int(only) * 16), batch.haystack)
    assert selection_loss(asked, perfect, same, block=16, log_gain=gain).item() < 1e-6


def test_a_short_training_lowers_the_loss_and_leaves_a_model_that_loads(tmp_path):
    said = []
    result = train(tmp_path / "m", kind="plain", seconds=1.5, seed=1, tell=said.append)
    assert json.loads((tmp_path / "m" / "needle.json").read_text()) == result
    assert result["steps"] >= 2
    assert result["longest_stage"] == 64
    model, vocabulary = load_model(tmp_path / "m")
    assert (vocabulary.keys == WORDS.keys).all()
    assert sum(p.numel() for p in model.parameters()) == 131_904
    with pytest.raises(InputError, match="selectable or plain"):
        train(tmp_path / "x", kind="other")
    assert [stage.tokens for stage in STAGES][-1] == 8192
