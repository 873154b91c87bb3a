"""A survey of text questions goes on where it was broken off, and its rows say how sure they are."""

import importlib
import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from examples import blocks_of

from prism_photonics.ranking.features import Bound, MeanKey
from prism_photonics.ranking.needle.models import load_model
from prism_photonics.ranking.per_layer import best_of_layers
from prism_photonics.ranking.pretrained import survey as surveying
from prism_photonics.ranking.pretrained.by_layer import covered_by_head, recall_by_layer
from prism_photonics.ranking.pretrained.cached import CachedText, Selection
from prism_photonics.ranking.pretrained.survey import Row, survey
from prism_photonics.ranking.pretrained.tasks import ask
from prism_photonics.ranking.readers import ChipReader
from prism_photonics.ranking.selectors import FeatureSelector, Oracle, RandomChoice
from prism_photonics.units import InputError

torch.set_num_threads(1)


class Letters:
    """A tokenizer of one token per letter."""

    bos_token_id = 0

    def __call__(self, text, *, add_special_tokens):
        return {"input_ids": [1 + ord(letter) % 500 for letter in text]}


class OracleUpsideDown(Oracle):
    """The blocks with least attention."""

    def score(self, queries, signatures, layer, evidence=None):
        return -super().score(queries, signatures, layer, evidence)


def asked(folder, **changes):
    selections = {"oracle": Selection(Oracle(), 32, 2), "random": Selection(RandomChoice(), 32, 2)}
    arguments = {
        "selections": selections,
        "task": "multi_key",
        "context": 700,
        "texts": range(2),
        "folder": folder,
        "of": {"seed": 0},
    } | changes
    return survey(load_model("needle")[0], Letters(), **arguments)


def test_rows_stand_beside_full_attention_with_chance_and_two_intervals(tmp_path):
    full, oracle, chance = asked(tmp_path)
    assert (full.selector, oracle.selector, chance.selector) == ("full", "oracle", "random")
    assert (full.trials, full.texts, full.delta_nll) == (8, 2, 0.0)
    assert oracle.chance == pytest.approx(2 / 21)
    assert oracle.recall == 1.0
    assert oracle.coverage > chance.coverage
    assert full.tokens_read > 700 > oracle.tokens_read
    assert all(row.low <= row.all_right <= row.high for row in (full, oracle, chance))
    assert all(row.text_low <= row.all_right <= row.text_high for row in (full, oracle, chance))
    assert full.nll_low == full.nll_high == 0.0
    assert chance.nll_low < chance.delta_nll < chance.nll_high


def test_an_interval_of_texts_covers_the_truth_of_texts_that_differ_and_not_that_of_questions_drawn_apart():
    rng, inside, apart, trials = np.random.default_rng(0), 0, 0, 200
    for _ in range(trials):
        # Questions of one text share nearly all of what they have: 25 texts of four count as 25.
        of_text = [(rng.normal(size=1) + 0.1 * rng.normal(size=4)).tolist() for _ in range(25)]
        low, high = surveying.text_interval(of_text)
        inside += low <= 0.0 <= high
        flat = np.concatenate(of_text)
        apart += abs(flat.mean()) <= 1.96 * flat.std() / len(flat) ** 0.5
    assert inside / trials == pytest.approx(0.93, abs=0.04)
    assert apart / trials < 0.8
    assert surveying.text_interval([[1.0, 1.0], [1.0]]) == (1.0, 1.0)


def test_a_survey_goes_on_where_it_stood_and_refuses_what_others_left(tmp_path, monkeypatch):
    before = asked(tmp_path, texts=range(1))

    def never(*args, **kwargs):
        raise AssertionError("a finished text was prefilled again")

    monkeypatch.setattr(surveying, "CachedText", never)
    assert asked(tmp_path, texts=range(1)) == before
    with pytest.raises(AssertionError, match="prefilled again"):
        asked(tmp_path, texts=range(2))
    with pytest.raises(InputError, match="got those of seed 0, want 1; name another folder"):
        asked(tmp_path, texts=range(1), of={"seed": 1})
    with pytest.raises(InputError, match="got those of seed 0, want None"):  # what nobody asks for decides too
        asked(tmp_path, texts=range(1), of={})
    assert asked(tmp_path, texts=range(1), selections={"oracle": Selection(Oracle(), 32, 2)}) == before[:2]
    (tmp_path / "multi_key_700_0.json").write_text("no")
    with pytest.raises(InputError, match="remove it"):
        asked(tmp_path, texts=range(1))


def test_outcomes_of_fewer_questions_are_not_mixed_with_those_of_all(tmp_path):
    asked(tmp_path, texts=range(1), selections={"oracle": Selection(Oracle(), 32, 2)})
    file = tmp_path / "multi_key_700_0.json"
    content = json.loads(file.read_text())
    content["outcomes"] = {name: outcomes[:1] for name, outcomes in content["outcomes"].items()}
    file.write_text(json.dumps(content))
    for names in ({}, {"selections": {"oracle": Selection(Oracle(), 32, 2)}}):  # more selectors, and those that stand
        with pytest.raises(InputError, match="got 1 outcomes of full, want those of 4 questions"):
            asked(tmp_path, texts=range(1), **names)


def test_a_selector_that_is_asked_for_later_stands_as_if_it_had_been_there(tmp_path):
    chosen = {"oracle": Selection(Oracle(), 32, 2), "random": Selection(RandomChoice(), 32, 2)}
    asked(tmp_path / "later", selections={"random": chosen["random"]})
    later, before = asked(tmp_path / "later", selections=chosen), asked(tmp_path / "before", selections=chosen)
    assert [row.all_right for row in later] == [row.all_right for row in before]
    assert [row.delta_nll for row in later] == pytest.approx([row.delta_nll for row in before], abs=1e-4)


def test_a_survey_that_was_broken_off_goes_on_with_the_numbers_of_a_whole_one(tmp_path, demo_bundle):
    def drawing():
        chip = FeatureSelector("chip", MeanKey(), ChipReader(demo_bundle(32)))
        return {"random": Selection(RandomChoice(), 32, 2), "chip": Selection(chip, 32, 2)}

    whole = asked(tmp_path / "whole", selections=drawing())
    asked(tmp_path / "broken", selections=drawing(), texts=range(1))
    assert asked(tmp_path / "broken", selections=drawing()) == whole


def test_the_better_signature_of_each_layer_is_chosen_on_text_that_is_not_judged():
    model, form = load_model("needle")[0], {"context": 700, "texts": range(1)}
    made = {"oracle": Oracle(), "worst": OracleUpsideDown(), "m": FeatureSelector("m", MeanKey())}
    made["b"] = FeatureSelector("b", Bound())
    recall = recall_by_layer(model, Letters(), {name: Selection(each, 32, 2) for name, each in made.items()}, **form)
    assert recall["oracle"] == pytest.approx([1.0, 1.0])
    assert max(recall["worst"]) < 0.2
    for one, other in (("oracle", "worst"), ("m", "b")):
        chosen = best_of_layers("best", made, {name: recall[name] for name in (one, other)})
        for layer, each in enumerate(chosen.of_layer):
            better = one if recall[one][layer] >= recall[other][layer] else other
            assert each is made[better]
        again = recall_by_layer(model, Letters(), {"best": Selection(chosen, 32, 2)}, **form)["best"]
        # Later layers see what the first one has let through.
        assert again[0] == pytest.approx(max(recall[one][0], recall[other][0]), abs=1e-6)
    covered = covered_by_head(model, Letters(), {name: Selection(made[name], 32, 2) for name in made}, **form)
    assert covered["oracle"].shape == (2, model.config.num_key_value_heads)
    # The first layer sees the same under all of them.
    assert all((covered["oracle"][0] >= each[0]).all() for each in covered.values())
    assert (covered["oracle"][0] > covered["worst"][0] + 0.1).all()
    judged = recall_by_layer(model, Letters(), {"m": Selection(made["m"], 32, 2)}, **form, train=False)
    assert judged["m"] != recall["m"]


def test_the_example_of_block_size_by_head_shares_rows_out_and_asks_with_them(demo_bundle, monkeypatch):
    monkeypatch.setattr("prism_photonics.export.load", lambda _: demo_bundle(64))
    (code,) = [block for _, block in blocks_of(Path(__file__).parents[2] / "docs" / "rank.md") if "share_out" in block]
    names = {"model": load_model("needle")[0], "tokenizer": Letters(), "Selection": Selection}
    exec(compile(code, "docs/rank.md", "exec"), names)
    sizes = [size for of_heads in names["sizes"] for size in of_heads]
    assert sum(1 / size for size in sizes) / len(sizes) <= 0.5
    assert [len(of_heads) for of_heads in names["sizes"]] == [2, 2]
    asked = ask("multi_key", names["tokenizer"], tokens=2048, seed=0)
    text = CachedText(names["model"], asked.context)
    said = text.question(asked.questions[0]).answer(asked.answers[0], names["selection"])
    # Eight blocks of 32 with sink, window, what follows the last block, and question.
    assert 8 * 32 < said.tokens_read < 8 * 32 + 200


def test_a_chips_row_has_what_full_attention_and_float_said_to_the_same_questions_beside_it(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    table = importlib.import_module("smollm2_table")

    def row(selector, right, nll):
        judged = (right, 0.0, 0.0, 0.0, 0.0, 0.0, nll, 0.0, 0.0, 0.0, 0.0, 0.0)
        return Row("multi_key", 64, selector, 8, 0.1, 4, 1, *judged)

    found = [
        row("full", 0.9, 0.0),
        row("bound 64", 0.5, 1.0),
        row("photonic_bound 64", 0.4, 1.2),
        row("bound 128", 0.1, 2.0),
    ]
    said = {"full_all_right": 0.9, "exact_all_right": 0.5, "exact_delta_nll": 1.0}
    assert table.beside(found[2], found, {}) == said
    # Asked anew by another chip, what float said to the same questions is the kept row's; of fewer texts it is not.
    kept = {row.selector: asdict(row) for row in found}
    assert table.beside(found[2], [found[0], found[2]], table.in_float(kept)) == said
    fewer = replace(found[2], trials=2)
    assert table.beside(fewer, [replace(found[0], trials=2), fewer], table.in_float(kept)) == {"full_all_right": 0.9}
    assert "photonic_bound 64" not in table.in_float(kept)
    table.require_same_questions(kept, found)
    with pytest.raises(SystemExit, match=r"full attention: got all_right = 0\.7, want 0\.9"):
        table.require_same_questions(kept, [replace(found[0], all_right=0.7)])
    assert table.beside(found[1], found, {}) == {}
    assert table.beside(found[2], found[:1] + found[2:], {}) == {"full_all_right": 0.9}
