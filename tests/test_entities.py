"""Names that can only be guessed as a whole: the source, its best readers, and what is measured of them."""

import itertools
import json
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
from exported import write_export
from onnx import TensorProto, helper

from pipeline.dataset import Array, Dataset
from pipeline.datasets import entities as source
from pipeline.predict import predict
from pipeline.runtime import Export
from pipeline.stages.generate import generate
from pipeline.tasks import entities as task
from pipeline.text.tagging import first_error, spans, tag_names

PARAMETERS = source.Parameters()
TAGS = tag_names(source.VERBS, "bio")
SENTENCES = 3000


@pytest.fixture(scope="module")
def arrays() -> dict[str, Array]:
    return dict(source.draw_split(PARAMETERS, SENTENCES, np.random.default_rng(1)))


def tags_of(arrays: dict[str, Array], tags: Array) -> list[list[str]]:
    return [[TAGS[tag] for tag in row[:length]] for row, length in zip(tags, arrays["length"], strict=True)]


def test_sentences_are_well_formed(arrays: dict[str, Array]) -> None:
    words = source.vocabulary_of(PARAMETERS)
    assert len(set(words)) == len(words)
    ends = np.arange(arrays["x"].shape[1])[None] >= arrays["length"][:, None]
    assert ((arrays["x"] == 0) == ends).all() and (arrays["x"][~ends] > 1).all()
    assert (arrays["y"][ends] == 0).all()
    assert all(first_error(tags, "bio") is None for tags in tags_of(arrays, arrays["y"]))
    for row, length in zip(arrays["x"], arrays["length"], strict=True):
        assert sum(words[word] in source.VERBS.values() for word in row[:length]) == 1
    counts = Counter(span.type for tags in tags_of(arrays, arrays["y"]) for span in spans(tags))
    assert set(counts) == set(source.VERBS)


def cases(arrays: dict[str, Array]) -> dict[tuple[str, bool], Counter[tuple[str, str]]]:
    """How often the words of a name have which tags, by the sentence's verb and whether the name is doubtful."""
    words = source.vocabulary_of(PARAMETERS)
    found: dict[tuple[str, bool], Counter[tuple[str, str]]] = defaultdict(Counter)
    for row, tags in zip(arrays["x"], tags_of(arrays, arrays["y"]), strict=True):
        text = [words[word] for word in row[: len(tags)]]
        verb = next(word for word in text if word in source.VERBS.values())
        for place, word in enumerate(text):
            if word[0].isupper() and not word.endswith("lor"):
                assert text[place + 1].endswith("lor")
                found[verb, word.endswith("s")][tags[place], tags[place + 1]] += 1
    return found


def test_names_have_the_tags_that_the_process_says(arrays: dict[str, Array]) -> None:
    kinds = list(source.VERBS)
    found = cases(arrays)
    for place, (kind, verb) in enumerate(source.VERBS.items()):
        following = kinds[(place + 1) % len(kinds)]
        assert set(found[verb, False]) == {(f"B-{kind}", f"I-{kind}")}
        doubtful = found[verb, True]
        expected = [(f"B-{kind}", f"I-{kind}"), (f"B-{following}", f"I-{following}"), (f"B-{following}", "O")]
        assert set(doubtful) == set(expected)
        for tags, chance in zip(expected, source.CHANCES, strict=True):
            assert doubtful[tags] / doubtful.total() == pytest.approx(chance / 100, abs=0.05)


def test_the_readers_are_the_best_of_all_answers_to_each_name(arrays: dict[str, Array]) -> None:
    """By brute force over all pairs of tags: the likeliest pair, and the likeliest tag of each word by itself."""
    row, at, known = source.chances(PARAMETERS, arrays)
    together, apart = source.best_together(PARAMETERS, arrays), source.best_apart(PARAMETERS, arrays)
    contradictions = 0
    for number in range(300):
        chance = defaultdict(int)
        for first, second, share in known[number].tolist():
            chance[first, second] += share
        assert sum(chance.values()) == 100
        place = row[number], slice(at[number], at[number] + 2)
        assert tuple(together[place].tolist()) == max(chance, key=chance.__getitem__)
        for word in (0, 1):
            by_tag: Counter[int] = Counter()
            for tags, share in chance.items():
                by_tag[tags[word]] += share
            assert by_tag[int(apart[place][word])] == max(by_tag.values())
        contradictions += first_error([TAGS[tag] for tag in apart[place]], "bio") is not None
    assert contradictions > 100
    assert all(first_error(tags, "bio") is None for tags in tags_of(arrays, together))


def test_no_way_to_tag_doubtful_names_scores_more(arrays: dict[str, Array]) -> None:
    """Every pair of tags for all doubtful names, relative to the verb's type: the reader's is the one with most F1."""
    row, at, known = source.chances(PARAMETERS, arrays)
    doubtful = known[:, 1, 2] > 0
    best = source.entity_f1(arrays, source.best_together(PARAMETERS, arrays), TAGS)
    scores = {}
    for first, second in itertools.product([None, *itertools.product((0, 1), (1, 2))], repeat=2):
        tags = source.best_together(PARAMETERS, arrays)
        for word, chosen in enumerate((first, second)):
            verb = (known[doubtful, 0, 0] - 1) // 2
            value = 0 if chosen is None else 2 * ((verb + chosen[0]) % len(source.VERBS)) + chosen[1]
            tags[row[doubtful], at[doubtful] + word] = value
        scores[first, second] = source.entity_f1(arrays, tags, TAGS)
    assert max(scores.values()) == scores[(0, 1), (0, 2)] == best


def test_the_ceiling_is_what_the_task_measures_of_the_best_reader(arrays: dict[str, Array]) -> None:
    description = source.describe(PARAMETERS, arrays)
    real = np.arange(arrays["x"].shape[1])[None] < arrays["length"][:, None]
    targets = np.where(real, arrays["y"].astype(np.int32), -1)
    together, apart = (
        task.measure(np.eye(len(TAGS), dtype=np.float32)[tags], targets, description)
        for tags in (source.best_together(PARAMETERS, arrays), source.best_apart(PARAMETERS, arrays))
    )
    (reference,) = description.references.values()
    assert description.ceilings["entity_f1"] == pytest.approx(together["entity_f1"], abs=1e-7)
    assert reference["entity_f1"] == pytest.approx(apart["entity_f1"], abs=1e-7)
    assert description.ceilings["token_accuracy"] == pytest.approx(apart["token_accuracy"], abs=1e-7)
    # As expected: half of the names are doubtful, of which 44 of 100 are guessed together, 28 apart, with two spans.
    assert together["entity_f1"] == pytest.approx((50 + 22) / 100, abs=0.02)
    assert apart["entity_f1"] == pytest.approx(2 * (50 + 14) / (100 + 150), abs=0.02)
    assert apart["token_accuracy"] > together["token_accuracy"]


OUTPUTS = np.eye(5, dtype=np.float32)[[[1, 2, 0, 3, 0], [1, 2, 3, 0, 0], [0, 0, 0, 0, 0]]]
TARGETS = np.array([[1, 2, 0, 3, -1], [1, 0, 3, -1, -1], [0, -1, -1, -1, -1]], np.int32)


@pytest.fixture
def description() -> "source.Description":
    return source.Description(
        text="names",
        layout="texts",
        classes=tag_names(["a", "b"], "bio"),
        vocabulary=["<pad>", "<unk>", "x", "y"],
        tokenizer="spaces",
        padded=True,
    )


def test_known_answers_have_known_scores(description: "source.Description") -> None:
    found = task.measure(OUTPUTS, TARGETS, description)
    assert found["precision"] == pytest.approx(3 / 4) and found["recall"] == pytest.approx(3 / 4)
    assert found["entity_f1"] == pytest.approx(3 / 4)
    assert found["f1_a"] == pytest.approx(1 / 2) and found["f1_b"] == pytest.approx(1)
    assert found["token_accuracy"] == pytest.approx(7 / 8)
    rows = task.statistics(OUTPUTS, TARGETS, description)
    assert rows.tolist() == [[2, 2, 2], [1, 2, 2], [0, 0, 0]]
    assert task.metric_of(rows.sum(axis=0)) == pytest.approx(found["entity_f1"])
    assert task.metric_of(np.zeros((4, 3))).tolist() == [0] * 4


def test_spans_are_listed_and_read_out(description: "source.Description") -> None:
    rows = task.predictions(OUTPUTS, TARGETS, description)
    assert list(zip(*rows.values(), strict=True)) == [
        (0, 0, 2, "a", "a"),
        (0, 3, 4, "b", "b"),
        (1, 0, 1, "a", "none"),
        (1, 0, 2, "none", "a"),
        (1, 2, 3, "b", "b"),
    ]
    first, *_, nothing = task.readable(OUTPUTS, description, [["New", "York", "is", "Ann"], ["p"] * 3, ["q"]])
    assert first == {"texts": ["New York", "Ann"], "types": ["a", "b"], "starts": [0, 3], "ends": [2, 4]}
    assert task.sentence(first) == "New York (a, tokens 1-2)  Ann (b, token 4)"
    assert task.sentence(nothing) == "nothing found"


def test_figures_show_wrong_texts_first(description: "source.Description") -> None:
    words = np.where(TARGETS >= 0, 2, 0)
    drawn = task.figures(OUTPUTS, TARGETS, description, lambda rows: words[rows])
    assert set(drawn) == {"texts", "types"}
    marked = [([], []), ([1], [1]), ([1], [2]), ([1], [1])]
    assert task.texts_shown(marked) == [2, 1, 3, 0]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset, and an export in which each word has scores of pairs: the likeliest tag after each by itself is wrong.

    `Baban` begins a person; `Babalor` is more likely a place's second word than a person's, but that may not follow.
    """
    root = tmp_path_factory.mktemp("entities")
    parameters = source.Parameters.small()
    generate("entities", source, parameters, 1, {"train": 9, "validation": 3, "test": 5}, root / "data" / "entities")
    dataset = Dataset(root / "data" / "entities")
    words, size = dataset.card.vocabulary or [], len(TAGS)
    scores = np.zeros((len(words), size, size), np.float32)
    scores[:, :, 0] = 1
    scores[words.index("Baban"), :, TAGS.index("B-person")] = 3
    scores[words.index("Babalor"), :, TAGS.index("I-place")] = 5
    scores[words.index("Babalor"), :, TAGS.index("I-person")] = 4
    for kind in source.VERBS:
        inside, may = TAGS.index(f"I-{kind}"), [TAGS.index(f"{letter}-{kind}") for letter in "BI"]
        scores[:, [tag for tag in range(size) if tag not in may], inside] = -1e4
    write_export(
        root / "models" / "named" / "export",
        dataset.card,
        {"words": [None, None], "pair_scores": [None, None, size, size]},
        [helper.make_node("Gather", ["table", "words"], ["pair_scores"])],
        {"table": scores},
        reads=TensorProto.INT32,
        variant="named",
        view="tokens_to_labels",
        task="entities",
        model="tagger",
        num_parameters=0,
        fingerprint="0" * 64,
    )
    return root


def test_an_export_of_pair_scores_answers_with_the_best_tags_of_the_whole_text(project: Path) -> None:
    export = Export(project / "models" / "named" / "export")
    texts = np.array(["met Baban Babalor", "Babalor", "nobody Baban Babalor Baban"])
    outputs = export.run(export.accept(texts))
    assert outputs.shape == (3, 4, len(TAGS)) and set(np.unique(outputs)) == {0, 1}
    assert export.run_graphs(export.accept(texts)).shape == (3, 4, len(TAGS), len(TAGS))
    answers = export.answer(texts)
    assert [answer["texts"] for answer in answers] == [["Baban Babalor"], [], ["Baban Babalor", "Baban"]]
    assert answers[2] == {
        "texts": ["Baban Babalor", "Baban"],
        "types": ["person", "person"],
        "starts": [1, 3],
        "ends": [3, 4],
    }


def test_predict_reads_text_and_names_what_it_found(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    Path("texts.txt").write_text("we met Baban Babalor\n\nnobody\n")
    assert list(predict("named", "texts.txt", None, as_json=False)) == [
        "texts.txt:1: Baban Babalor (person, tokens 3-4)",
        "texts.txt:3: nothing found",
    ]
    found = json.loads(next(predict("named", "texts.txt", None, as_json=True)))
    assert found["types"] == ["person"] and found["starts"] == [2]


def test_the_served_model_says_what_it_answers(project: Path) -> None:
    from pipeline.tracking.model import signature

    found = signature(Export(project / "models" / "named" / "export"))
    assert [column.name for column in found.outputs] == list(task.COLUMNS)
    assert [str(column.type) for column in found.outputs] == ["Array(string)"] * 2 + ["Array(long)"] * 2
