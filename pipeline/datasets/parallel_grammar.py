"""A small language and its translation into another one, in which words stand elsewhere and take other forms.

    the old dogs that see a bank sleep often   ->   often, the dogs old, that a bank see, sleep

What is read has the verb after its subject and the adjective before its noun; what is to be written has adverbs at the
beginning, adjectives after their nouns and verbs at the end of their clauses. There, nouns have one of three classes.
An article has a form for class, number and case (subject or object), an adjective and the word for `that` for class and
number, and a verb for the number and class of its subject, which may stand far before it. A homonym has two
translations, of different classes: the verb of its clause says which is meant. Relative clauses and coordination make
sentences of 3 words up to `19 clauses - 1`.

All this a good reader knows. What nobody can know: doubtful adverbs have two translations, of which one is chosen by
chance, apart from everything else.

Shape legend: N pairs, C clauses, P noun phrases, S words that are read, T words that are to be written.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Self

import numpy as np
from pydantic import Field, model_validator

from pipeline.dataset import Array, Arrays, Description, TextAnswers
from pipeline.grammar.reader import Aligned, Reader
from pipeline.grammar.spelling import spell, spelling_of
from pipeline.grammar.words import CASES, CONJUNCTIONS, FORMS, NUMBERS, Lexicon, Read, Written, form_of, meant
from pipeline.large_arrays import zeros
from pipeline.text.overlap import overlap

WITH_ADJECTIVE, WITH_OBJECT, WITH_CERTAIN_ADVERB = 50, 70, 30  # of 100
ALL_CHANCES = 100
# The parts of a clause in the order in which they are read: noun phrases 0 to 3 are the subject, the object of its
# relative clause, the object, and the object of its relative clause; verbs 0 to 2 are those of the clause and of these.
READ = (
    *("conjunction", "article 0", "adjective 0", "noun 0"),
    *("that 0", "verb 1", "article 1", "adjective 1", "noun 1"),
    *("verb 0", "article 2", "adjective 2", "noun 2"),
    *("that 2", "verb 2", "article 3", "adjective 3", "noun 3", "adverb"),
)
WRITTEN = (
    *("conjunction", "adverb", "article 0", "noun 0", "adjective 0"),
    *("that 0", "article 1", "noun 1", "adjective 1", "verb 1"),
    *("article 2", "noun 2", "adjective 2"),
    *("that 2", "article 3", "noun 3", "adjective 3", "verb 2", "verb 0"),
)
PHRASES, VERBS = 4, 3
VERB_OF_PHRASE, SUBJECT_OF_VERB = (0, 1, 0, 2), (0, 0, 2)
CASE_OF_PHRASE = (0, 1, 1, 1)
CHUNK = 1 << 15  # pairs that are drawn at once
DIGITS = 8


class Parameters(Lexicon):
    """clauses: at most so many in a sentence. relative: how many noun phrases of 100 have a relative clause, where they
    may. doubtful: how many clauses of 100 have a doubtful adverb; commoner: how many times of 100 it has the commoner
    translation."""

    clauses: int = Field(default=2, ge=1, le=6)
    relative: int = Field(default=50, ge=0, le=100)
    doubtful: int = Field(default=15, ge=0, le=100 - WITH_CERTAIN_ADVERB)
    commoner: int = Field(default=75, gt=50, le=100)

    @model_validator(mode="after")
    def _enough_adverbs(self) -> Self:
        if self.adverbs < self.clauses:
            raise ValueError(
                f"adverbs is {self.adverbs} and clauses is {self.clauses}; allowed: at least as many adverbs, as none "
                "stands twice in a sentence"
            )
        return self

    @classmethod
    def small(cls) -> Self:
        """Parameters that tests and smoke runs shrink with."""
        return cls(nouns=6, homonyms=2, verbs=4, adjectives=3, adverbs=2, clauses=1)

    @property
    def longest(self) -> int:
        """Words of the longest sentence: the first clause has no conjunction."""
        return len(READ) * self.clauses - 1


def draw_split(parameters: Parameters, num_examples: int, rng: np.random.Generator) -> Arrays:
    """`x` [N, S] and `y` [N, T] uint16 words, `length` and `y_length` [N] int32, `reference` [N, R] uint8 UTF-8."""
    written = Written(parameters)
    spelling = spelling_of(written.words)
    width = parameters.longest
    arrays = {
        "x": zeros((num_examples, width), np.uint16),
        "length": np.zeros(num_examples, np.int32),
        "y": zeros((num_examples, width), np.uint16),
        "y_length": np.zeros(num_examples, np.int32),
        "reference": zeros((num_examples, width * spelling.shape[1]), np.uint8),
    }
    for start in range(0, num_examples, CHUNK):
        rows = slice(start, min(start + CHUNK, num_examples))
        read, answered = _draw_pairs(parameters, rows.stop - start, rng)
        for name, length, words in (("x", "length", read), ("y", "y_length", answered)):
            arrays[length][rows] = np.count_nonzero(words, axis=1)
            arrays[name][rows] = _close_up(words)[:, :width]
        spell(arrays["y"][rows], spelling, arrays["reference"][rows])
    return arrays


def _draw_pairs(parameters: Parameters, number: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Sentences and their translations, each [number, clauses * parts]: 0 where a part is not there."""
    clauses = _Clauses(parameters, number, rng)
    read, written = clauses.read(), clauses.written()
    return (
        np.stack([read[part] for part in READ], axis=2).reshape(number, -1),
        np.stack([written[part] for part in WRITTEN], axis=2).reshape(number, -1),
    )


class _Clauses:
    """What clauses [N, C] say: which words, of what number, and which parts there are."""

    def __init__(self, parameters: Parameters, number: int, rng: np.random.Generator) -> None:
        shape = (number, parameters.clauses)

        def drawn(*more: int) -> Array:
            """Numbers from which words are chosen by their remainder: among 2^32 it makes no difference."""
            return rng.integers(0, 1 << 32, (*shape, *more))

        self.words_read, self.words_written = Read(parameters), Written(parameters)
        there = np.arange(parameters.clauses) < rng.integers(1, parameters.clauses + 1, number)[:, None]
        has_object = there & (drawn() % ALL_CHANCES < WITH_OBJECT)
        relative = drawn(2) % ALL_CHANCES < parameters.relative
        of_subject, of_object = there & relative[..., 0], has_object & relative[..., 1]
        self.phrases = np.stack([there, of_subject, has_object, of_object], axis=2)  # [N, C, P]
        self.with_adjective = self.phrases & (drawn(PHRASES) % ALL_CHANCES < WITH_ADJECTIVE)
        self.adjective = drawn(PHRASES) % parameters.adjectives
        self.definite, self.many = drawn(PHRASES) % 2, drawn(PHRASES) % 2
        self.noun = drawn(PHRASES) % (parameters.nouns + parameters.homonyms)
        self.verbs = self.phrases[..., [0, 1, 3]]
        self.verb = drawn(VERBS) % parameters.verbs
        self.conjoined = there & (np.arange(parameters.clauses) > 0)
        self.conjunction = drawn() % CONJUNCTIONS
        kind = drawn() % ALL_CHANCES
        self.in_doubt = there & (kind < parameters.doubtful)
        self.with_adverb = there & (kind < parameters.doubtful + WITH_CERTAIN_ADVERB)
        # No adverb stands twice in a sentence as long as there are enough: then no guess about one helps with another.
        self.adverb = (drawn()[:, :1] + np.arange(parameters.clauses)) % parameters.adverbs
        self.rarer = drawn() % ALL_CHANCES >= parameters.commoner
        self.translated = meant(parameters, self.noun, self.verb[..., VERB_OF_PHRASE])
        self.form = form_of(self.translated, self.many)

    def read(self) -> dict[str, Array]:
        """The words that are read, by the parts of a clause, each [N, C]."""
        words = self.words_read
        article = words.article + np.where(self.definite == 1, 0, 1 + self.many)
        adverb = self.adverb + np.where(self.in_doubt, words.doubtful, words.certain)
        of_verbs = words.verb + NUMBERS * self.verb + self.many[..., SUBJECT_OF_VERB]
        return self._parts(
            article=article,
            adjective=words.adjective + self.adjective,
            noun=words.noun + NUMBERS * self.noun + self.many,
            verb=of_verbs,
            that=np.full_like(self.noun, words.that),
            conjunction=words.conjunction + self.conjunction,
            adverb=adverb,
        )

    def written(self) -> dict[str, Array]:
        """The words that are to be written, alike."""
        words = self.words_written
        adverb = np.where(self.in_doubt, words.doubtful + 2 * self.adverb + self.rarer, words.certain + self.adverb)
        return self._parts(
            article=words.article + CASES * (FORMS * self.definite + self.form) + np.array(CASE_OF_PHRASE),
            adjective=words.adjective + FORMS * self.adjective + self.form,
            noun=words.noun + NUMBERS * self.translated + self.many,
            verb=words.verb + FORMS * self.verb + self.form[..., SUBJECT_OF_VERB],
            that=words.that + self.form,
            conjunction=words.conjunction + self.conjunction,
            adverb=adverb,
        )

    def _parts(self, *, conjunction: Array, adverb: Array, **numbered: Array) -> dict[str, Array]:
        """Words by their parts, 0 where there is none."""
        has_relative = self.phrases[..., [1, 1, 3, 3]]
        there = {"article": self.phrases, "adjective": self.with_adjective, "noun": self.phrases, "verb": self.verbs}
        there["that"] = has_relative
        found = {
            f"{kind} {place}": np.where(there[kind][..., place], words[..., place], 0)
            for kind, words in numbered.items()
            for place in range(words.shape[2])
        }
        return found | {
            "conjunction": np.where(self.conjoined, conjunction, 0),
            "adverb": np.where(self.with_adverb, adverb, 0),
        }


def _close_up(words: Array) -> Array:
    """The same words one after another, the zeros behind them."""
    return np.take_along_axis(words, np.argsort(words == 0, axis=1, kind="stable"), axis=1)


def describe(parameters: Parameters, test: Arrays) -> Description:
    """The ceilings are what the reader reaches on these very pairs that knows the grammar and guesses what is likelier.

    Nothing but the translations of doubtful adverbs is by chance. Each is drawn apart from all others and the commoner
    one has more than half of the chances, so the most likely translation of a sentence is that with the commoner ones;
    `exact_match` counts how often it is the one that was drawn. Because no adverb stands twice in a sentence, every
    n-gram with doubtful words in it occurs there once, and is most likely right with the commoner ones: in `bleu`, too,
    nobody who writes as many words does better on average. `cross_entropy` is that of the chances themselves.
    """
    read, written = Read(parameters), Written(parameters)
    references = _texts(written.words, [row[:end] for row, end in zip(test["y"], test["y_length"], strict=True)])
    aligned = translations(parameters, test)
    likely = _likeliest(test, aligned)
    by_word = [
        [likely[sentence[place]] for place, _ in found] for sentence, found in zip(test["x"], aligned, strict=True)
    ]
    in_order = [
        [likely[word] for word in sentence[:end]] for sentence, end in zip(test["x"], test["length"], strict=True)
    ]
    best = [[word for _, word in found] for found in aligned]
    nats = nats_per_word(parameters, test)
    return Description(
        text=f"sentences of up to {parameters.clauses} clauses and {parameters.longest} words, and their translations, "
        "of which some words are chosen by chance",
        layout="texts",
        vocabulary=read.words,
        tokenizer="spaces",
        answers=TextAnswers(vocabulary=written.words, tokenizer="spaces"),
        padded=True,
        ceilings=overlap(_texts(written.words, best), references)
        | {"cross_entropy": round(nats, DIGITS), "perplexity": round(math.exp(nats), DIGITS)},
        references={
            "each word's likeliest translation": overlap(_texts(written.words, in_order), references),
            "the same, in the right order": overlap(_texts(written.words, by_word), references),
        },
        disjoint=False,  # of short sentences some come twice
    )


def translations(parameters: Parameters, arrays: Arrays) -> list[Aligned]:
    """What the reader that knows the grammar makes of each sentence."""
    reader = Reader(parameters)
    rows = zip(arrays["x"].tolist(), arrays["length"], strict=True)
    return [reader.translate(sentence[:end]) for sentence, end in rows]


def nats_per_word(parameters: Parameters, arrays: Arrays) -> float:
    """The mean of -log of the chances with which the words of translations were chosen, their ends being words, too."""
    words = Written(parameters)
    place = arrays["y"].astype(np.int64) - words.doubtful
    drawn = np.bincount(place[(place >= 0) & (place < 2 * parameters.adverbs)] % 2, minlength=2).tolist()
    chances = (parameters.commoner, ALL_CHANCES - parameters.commoner)
    nats = math.fsum(
        count * -math.log(chance / ALL_CHANCES) for count, chance in zip(drawn, chances, strict=True) if count
    )
    return nats / (int(arrays["y_length"].sum()) + len(arrays["y"]))


def _likeliest(arrays: Arrays, aligned: list[Aligned]) -> dict[int, int]:
    """For each word that is read the translation that it has most often; of equal ones the first in the vocabulary."""
    counts: defaultdict[int, Counter[int]] = defaultdict(Counter)
    for sentence, found in zip(arrays["x"].tolist(), aligned, strict=True):
        for place, word in found:
            counts[sentence[place]][word] += 1
    return {word: min(found, key=lambda each: (-found[each], each)) for word, found in counts.items()}


def _texts(words: list[str], sentences: Iterable[Iterable[int]]) -> list[str]:
    return [" ".join(words[word] for word in sentence) for sentence in sentences]
