"""Two languages of which all is known: what is drawn, who translates it best, and what chance leaves to guess."""

import itertools
import math
from collections import Counter

import numpy as np
import pytest
import sacrebleu
from pydantic import ValidationError

from pipeline import large_arrays
from pipeline.dataset import Array
from pipeline.datasets import parallel_grammar as source
from pipeline.grammar.reader import Reader
from pipeline.grammar.words import Lexicon, Read, Written

PARAMETERS = source.Parameters()
SMALL = source.Parameters(nouns=2, homonyms=1, verbs=2, adjectives=1, adverbs=2, clauses=2, doubtful=70, commoner=60)
PAIRS = 2000


def drawn(parameters: source.Parameters, number: int = PAIRS, seed: int = 1) -> dict[str, Array]:
    return dict(source.draw_split(parameters, number, np.random.default_rng(seed)))


@pytest.fixture(scope="module")
def arrays() -> dict[str, Array]:
    return drawn(PARAMETERS)


def texts(arrays: dict[str, Array]) -> list[str]:
    return [bytes(row).rstrip(b"\0").decode() for row in arrays["reference"]]


def translated(sentence: str, lexicon: Lexicon) -> str:
    reader = Reader(lexicon)
    return " ".join(
        reader.written.words[word] for _, word in reader.translate(list(map(reader.read.words.index, sentence.split())))
    )


def test_pairs_are_words_without_gaps_and_the_reference_spells_them(arrays: dict[str, Array]) -> None:
    for words, length, vocabulary in (("x", "length", Read(PARAMETERS)), ("y", "y_length", Written(PARAMETERS))):
        assert len(set(vocabulary.words)) == len(vocabulary.words)
        ends = np.arange(arrays[words].shape[1]) >= arrays[length][:, None]
        first = 2 if words == "x" else 4  # no reserved token
        assert (arrays[words][ends] == 0).all() and (arrays[words][~ends] >= first).all()
        assert arrays[words].max() == len(vocabulary.words) - 1
    written = Written(PARAMETERS).words
    spelt = [
        " ".join(written[word] for word in row[:end]) for row, end in zip(arrays["y"], arrays["y_length"], strict=True)
    ]
    assert texts(arrays) == spelt
    assert arrays["length"].min() == 3 and arrays["length"].max() > 30
    assert arrays["x"].shape[1] == PARAMETERS.longest == 37


def test_a_reader_of_the_grammar_writes_all_but_what_is_chosen_by_chance(arrays: dict[str, Array]) -> None:
    words = Written(PARAMETERS)
    rarer = set(range(words.doubtful + 1, words.adjective, 2))
    chosen: Counter[bool] = Counter()
    for row, found in zip(arrays["y"].tolist(), source.translations(PARAMETERS, arrays), strict=True):
        for asked, (_, word) in zip(row, found, strict=False):
            assert asked == word or (asked in rarer and asked == word + 1)
            if words.doubtful <= word < words.adjective:
                chosen[asked == word] += 1
    assert chosen.total() / PAIRS == pytest.approx(1.5 * 0.15, abs=0.03)  # 1.5 clauses, of 100 of which 15 are in doubt
    assert chosen[True] / chosen.total() == pytest.approx(0.75, abs=0.06)


def test_the_grammar_by_hand() -> None:
    """Articles by class, number and case; adjectives and `that` by class and number; verbs by their subject."""
    lexicon = Lexicon(nouns=2, homonyms=1, verbs=2, adjectives=1, adverbs=1)
    read, written = Read(lexicon), Written(lexicon)
    nouns, verbs = read.words[read.noun :], read.words[read.verb : read.noun]
    old, surely, maybe = read.words[read.adjective], read.words[read.certain], read.words[read.doubtful]
    one, other, homonym = nouns[0], nouns[2], nouns[4]
    stems = [word[:-1] for word in written.words[written.noun :: 2]]  # the last letter is that of the class
    see, like = (word[:-1] for word in written.words[written.verb : written.noun : 6])
    sure, perhaps = written.words[written.certain], written.words[written.doubtful]
    ancient = written.words[written.adjective][:-1]
    assert [word[-1] for word in written.words[written.noun :: 2]] == ["s", "n", "l", "s"]
    assert translated(f"the {one} {verbs[0]}", lexicon) == f"os {stems[0]}s {see}s"
    assert translated(f"some {other}s {verbs[3]}", lexicon) == f"uni {stems[1]}ni {like}ni"
    assert (
        translated(f"a {old} {one} {verbs[0]} the {other}s {surely}", lexicon)
        == f"{sure} us {stems[0]}s {ancient}s onim {stems[1]}ni {see}s"
    )
    # The homonym is of the third class beside the first verb and of the first beside the second, in all its forms.
    assert translated(f"the {old} {homonym} {verbs[0]}", lexicon) == f"ol {stems[2]}l {ancient}l {see}l"
    assert translated(f"the {old} {homonym} {verbs[2]}", lexicon) == f"os {stems[3]}s {ancient}s {like}s"
    # A relative clause stands after its noun; its verb goes with that noun, and the homonym in it with its verb.
    assert (
        translated(f"the {one}s that {verbs[3]} a {homonym} {verbs[1]} {maybe}", lexicon)
        == f"{perhaps} osi {stems[0]}si kisi usm {stems[3]}s {like}si {see}si"
    )
    assert translated(f"the {one} {verbs[0]} but the {one} {verbs[0]}", lexicon).split()[3] == "au"
    with pytest.raises(AssertionError, match="is no noun"):
        translated(f"the {old} {verbs[0]}", lexicon)


def test_no_choice_among_the_translations_of_doubtful_words_scores_more() -> None:
    """By brute force over all readers that know the grammar: each doubtful adverb as either of its translations."""
    test = drawn(SMALL, 1500)
    words = Written(SMALL)
    found = [[word for _, word in each] for each in source.translations(SMALL, test)]
    references = texts(test)
    scores = {}
    for chosen in itertools.product((0, 1), repeat=SMALL.adverbs):
        other = {
            words.doubtful + 2 * adverb: words.doubtful + 2 * adverb + rarer for adverb, rarer in enumerate(chosen)
        }
        written = [" ".join(words.words[other.get(word, word)] for word in each) for each in found]
        exact = np.mean([one == another for one, another in zip(written, references, strict=True)])
        scores[chosen] = (exact, sacrebleu.corpus_bleu(written, [references]).score)
    ceilings = source.describe(SMALL, test).ceilings
    assert scores[0, 0] == pytest.approx((ceilings["exact_match"], ceilings["bleu"]))
    for metric in (0, 1):
        assert max(each[metric] for each in scores.values()) == scores[0, 0][metric]


def test_the_cross_entropy_is_that_of_the_chances_of_all_translations() -> None:
    """Every sentence's translations written out, each with its chance; those that were drawn are among them."""
    test = drawn(SMALL, 300)
    words = Written(SMALL)
    nats = tokens = 0.0
    most_likely = 0
    for row, end, found in zip(test["y"].tolist(), test["y_length"], source.translations(SMALL, test), strict=True):
        options = [
            [(word, 0.6), (word + 1, 0.4)] if words.doubtful <= word < words.adjective else [(word, 1.0)]
            for _, word in found
        ]
        chances = {
            tuple(word for word, _ in choice): math.prod(chance for _, chance in choice)
            for choice in itertools.product(*options)
        }
        assert sum(chances.values()) == pytest.approx(1)
        nats, tokens = nats - math.log(chances[tuple(row[:end])]), tokens + end + 1
        most_likely += max(chances, key=chances.__getitem__) == tuple(row[:end])
    ceilings = source.describe(SMALL, test).ceilings
    assert ceilings["cross_entropy"] == pytest.approx(nats / tokens, abs=1e-8)
    assert ceilings["perplexity"] == pytest.approx(math.exp(nats / tokens), abs=1e-7)
    assert ceilings["exact_match"] == pytest.approx(most_likely / 300)


def test_without_doubt_everything_can_be_known() -> None:
    for parameters in (SMALL.model_copy(update={"doubtful": 0}), SMALL.model_copy(update={"commoner": 100})):
        ceilings = source.describe(parameters, drawn(parameters, 200)).ceilings
        assert ceilings == {"exact_match": 1, "bleu": 100, "cross_entropy": 0, "perplexity": 1}


def test_readers_of_single_words_are_far_below(arrays: dict[str, Array]) -> None:
    """No word-by-word reader does better: a translation for each word by itself, counted on these very sentences."""
    description = source.describe(PARAMETERS, arrays)
    apart, in_order = description.references.values()
    assert apart["exact_match"] <= in_order["exact_match"] < 0.05 < 0.9 < description.ceilings["exact_match"]
    assert apart["bleu"] < in_order["bleu"] < 20 < description.ceilings["bleu"]


def test_many_pairs_are_drawn_piece_by_piece_and_need_no_memory(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    whole = drawn(SMALL, 200)
    monkeypatch.setattr(large_arrays, "LARGEST_IN_MEMORY", 100)
    monkeypatch.chdir(tmp_path)
    mapped = drawn(SMALL, 200)
    assert isinstance(mapped["reference"], np.memmap) and not list(tmp_path.iterdir())
    for name, values in whole.items():
        np.testing.assert_array_equal(mapped[name], values)
    monkeypatch.setattr(source, "CHUNK", 64)
    pieces = drawn(SMALL, 200)
    assert source.describe(SMALL, pieces).ceilings["exact_match"] > 0.3  # all of them are sentences
    first = drawn(SMALL, 64)
    np.testing.assert_array_equal(pieces["reference"][:64], first["reference"])


def test_no_adverb_stands_twice_in_a_sentence() -> None:
    words = Read(SMALL)
    for row in drawn(SMALL)["x"]:
        adverbs = row[(row >= words.certain) & (row < words.adjective)]
        assert len({*adverbs.tolist()}) == len(adverbs)
    with pytest.raises(
        ValidationError, match="adverbs is 1 and clauses is 2; allowed: at least as many adverbs, as none"
    ):
        source.Parameters(adverbs=1, clauses=2)
