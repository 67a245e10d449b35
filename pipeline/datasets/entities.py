"""Sentences with names whose tags can only be chosen together: a reader that chooses each by itself contradicts itself.

A sentence has one verb, and names of two words, a first and a second one, which say nothing about their type. The verb,
wherever it stands, does: each has a type of its own. A plain name is of the verb's type, as a whole. A doubtful one is,
given everything there is to read,

    of the verb's type, both words                  in 44 of 100 cases
    of the next type, both words                    in 28
    of the next type, the first word only           in 28

The best guess is the first, right in 44 of 100. But by itself the first word is most likely (56) the beginning of the
next type, and the second word most likely (44) inside of the verb's type: together two spans, of which one is right in
28 cases and the other never. What a CRF gains is to choose both at once.

Shape legend: N sentences, T tokens, U parts of a sentence.
"""

from typing import Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from pipeline.dataset import PADDING, UNKNOWN, Array, Arrays, Description
from pipeline.text.tagging import span_counts, tag_names

VERBS = {"person": "met", "place": "toured", "company": "hired", "book": "read"}  # by the type of what they go with
OTHERS = 300  # other words, ...
OWN = 40  # ... of which so many stand beside each verb only, which is what vectors of words are made of
CHANCES = (44, 28, 28)  # of 100: both words of the verb's type, both of the next, the first of the next
ALL_CHANCES = 100
SYLLABLES = ("ba", "de", "fi", "go", "ku", "la", "me", "ni", "po", "ru", "sa", "te")
NO_PART, OTHER, VERB, PLAIN, DOUBTFUL = range(5)
WIDTHS = np.array([0, 1, 1, 2, 2])
DIGITS = 8


class Parameters(BaseModel):
    """shortest, longest: parts of a sentence; a name is one part, of two tokens. names: at most so many in one.
    doubtful: how many names of 100 are. first_words: how many first words each of plain and doubtful names have,
    and so many second words both."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    shortest: int = Field(default=6, ge=2)
    longest: int = Field(default=20, ge=2, le=1000)
    names: int = Field(default=3, ge=1)
    doubtful: int = Field(default=50, ge=0, le=100)
    first_words: int = Field(default=10, ge=1, le=144)

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if not self.names < self.shortest <= self.longest:
            raise ValueError(
                f"names, shortest and longest are {self.names}, {self.shortest}, {self.longest}; allowed: more parts "
                "than names, as there is a verb, and longest at least shortest"
            )
        return self

    @classmethod
    def small(cls) -> Self:
        """Parameters that tests and smoke runs shrink with."""
        return cls(shortest=4, longest=8, first_words=4)


def vocabulary_of(parameters: Parameters) -> list[str]:
    """All words, after the padding and what is unknown: verbs, first words of plain and of doubtful names, second
    words, others."""
    names = [(a + b).capitalize() for a in SYLLABLES for b in SYLLABLES][: parameters.first_words]
    others = [a + b + c for a in SYLLABLES for b in SYLLABLES for c in SYLLABLES][:OTHERS]
    plain, doubtful, second = ([name + ending for name in names] for ending in ("n", "s", "lor"))
    return [PADDING, UNKNOWN, *VERBS.values(), *plain, *doubtful, *second, *others]


def draw_split(parameters: Parameters, num_examples: int, rng: np.random.Generator) -> Arrays:
    """`x` [N, T] uint16 words, `length` [N] int32, `y` [N, T] uint8 tags."""
    parts = _draw_parts(parameters, num_examples, rng)
    widths = WIDTHS[parts]
    starts = np.cumsum(widths, axis=1) - widths
    verb = rng.integers(0, len(VERBS), num_examples)
    words = _Words(parameters)
    longest = parameters.longest + parameters.names
    x = np.zeros((num_examples, longest), dtype=np.uint16)
    y = np.zeros((num_examples, longest), dtype=np.uint8)
    numbers = rng.integers(0, 1 << 32, (*parts.shape, 2))  # from which each part's words come
    cases = np.searchsorted(np.cumsum(CHANCES), rng.integers(0, ALL_CHANCES, parts.shape), side="right")
    for kind in (OTHER, VERB, PLAIN, DOUBTFUL):
        row, part = np.nonzero(parts == kind)
        at, drawn = starts[row, part], numbers[row, part]
        if kind == VERB:
            x[row, at] = words.verbs + verb[row]
        elif kind == OTHER:
            usual = len(VERBS) * OWN
            anywhere = usual + drawn[:, 0] % (OTHERS - usual)
            x[row, at] = words.others + np.where(drawn[:, 1] % 2, anywhere, verb[row] * OWN + drawn[:, 0] % OWN)
        else:
            first = words.plain if kind == PLAIN else words.doubtful
            case = cases[row, part] if kind == DOUBTFUL else np.zeros_like(row)
            named = np.where(case == 0, verb[row], (verb[row] + 1) % len(VERBS))
            x[row, at] = first + drawn[:, 0] % parameters.first_words
            x[row, at + 1] = words.second + drawn[:, 1] % parameters.first_words
            y[row, at] = _begins(named)
            y[row, at + 1] = np.where(case == len(CHANCES) - 1, 0, _begins(named) + 1)
    return {"x": x, "length": widths.sum(axis=1).astype(np.int32), "y": y}


def _draw_parts(parameters: Parameters, num_examples: int, rng: np.random.Generator) -> Array:
    """What each part of each sentence is [N, U]: one verb, 1 to `names` names, the rest other words; then no parts."""
    sizes = rng.integers(parameters.shortest, parameters.longest + 1, num_examples)
    names = rng.integers(1, parameters.names + 1, num_examples)
    place = np.arange(parameters.longest)[None]
    doubtful = rng.integers(0, 100, (num_examples, parameters.longest)) < parameters.doubtful
    parts = np.where(doubtful, DOUBTFUL, PLAIN)
    parts = np.where(place < names[:, None], parts, OTHER)
    parts = np.where(place == names[:, None], VERB, parts)
    order = rng.integers(0, 1 << 32, parts.shape)  # a part beyond the size stays behind all others
    order = np.where(place < sizes[:, None], order, 1 << 32)
    parts = np.where(place < sizes[:, None], parts, NO_PART)
    return np.take_along_axis(parts, np.argsort(order, axis=1, kind="stable"), axis=1)


class _Words:
    """Where in the vocabulary each kind of word begins."""

    def __init__(self, parameters: Parameters) -> None:
        self.verbs = 2
        self.plain = self.verbs + len(VERBS)
        self.doubtful = self.plain + parameters.first_words
        self.second = self.doubtful + parameters.first_words
        self.others = self.second + parameters.first_words


def _begins(kind: Array) -> Array:
    """The tag B- of a type, by its number; I- is the one after it."""
    return 1 + 2 * kind


def chances(parameters: Parameters, arrays: Arrays) -> tuple[Array, Array, Array]:
    """Where names begin, and what their tags are: rows [M], places [M] and chances [M, 3, 3].

    The chances have one row for each case, in the order of `CHANCES`: the tags of both words, and of how many of 100
    names it is true, given all words of the sentence.
    """
    words, x = _Words(parameters), arrays["x"].astype(np.int64)
    row, at = np.nonzero((x >= words.plain) & (x < words.second))
    is_verb = (x >= words.verbs) & (x < words.plain)
    verb = x[np.arange(len(x)), is_verb.argmax(axis=1)][row] - words.verbs
    following = (verb + 1) % len(VERBS)
    plain = (x[row, at] < words.doubtful)[:, None]
    share = np.where(plain, [ALL_CHANCES, 0, 0], CHANCES)
    first = np.stack([_begins(verb), _begins(following), _begins(following)], axis=1)
    second = np.stack([_begins(verb) + 1, _begins(following) + 1, np.zeros_like(verb)], axis=1)
    return row, at, np.stack([first, second, share], axis=2)


def best_together(parameters: Parameters, arrays: Arrays) -> Array:
    """The tags [N, T] of the reader that chooses the likeliest tags of each whole sentence."""
    row, at, known = chances(parameters, arrays)
    tags = np.zeros(arrays["y"].shape, dtype=np.int64)
    likeliest = known[np.arange(len(row)), known[:, :, 2].argmax(axis=1)]
    tags[row, at], tags[row, at + 1] = likeliest[:, 0], likeliest[:, 1]
    return tags


def best_apart(parameters: Parameters, arrays: Arrays) -> Array:
    """The tags [N, T] of the reader that chooses the likeliest tag of each token, which it knows exactly."""
    row, at, known = chances(parameters, arrays)
    tags = np.zeros(arrays["y"].shape, dtype=np.int64)
    for word in (0, 1):
        of_each = known[:, :, word]
        likely = ((of_each[:, :, None] == of_each[:, None]) * known[:, None, :, 2]).sum(axis=2)
        tags[row, at + word] = of_each[np.arange(len(row)), likely.argmax(axis=1)]
    return tags


def describe(parameters: Parameters, test: Arrays) -> Description:
    """The ceilings are what the best readers reach on this very test split; no reader does better on average.

    Entity F1 is largest where each span is guessed whose chance is more than half of it (Lipton, Elkan & Naryanaswamy
    2014): 44 of 100 is, nothing else that may be guessed for a doubtful name is. Most tokens are right if each is
    chosen by itself.
    """
    names = tag_names(VERBS, "bio")
    together, apart = best_together(parameters, test), best_apart(parameters, test)
    return Description(
        text=f"sentences of {parameters.shortest} to {parameters.longest} words and names of {len(VERBS)} types, some "
        "of which can only be guessed as a whole",
        layout="texts",
        classes=names,
        vocabulary=vocabulary_of(parameters),
        tokenizer="spaces",
        padded=True,
        ceilings={
            "entity_f1": entity_f1(test, together, names),
            "token_accuracy": _token_accuracy(test, apart),
        },
        references={"the likeliest tag of each token": {"entity_f1": entity_f1(test, apart, names)}},
    )


def entity_f1(arrays: Arrays, found: Array, names: list[str]) -> float:
    """F1 of the spans that tags [N, T] mark, over all sentences together."""
    counts = np.zeros(3, dtype=np.int64)
    for true, answered, length in zip(arrays["y"], found, arrays["length"], strict=True):
        counts += span_counts(*([names[tag] for tag in tags[:length]] for tags in (true, answered)))
    right, answered, actual = counts.tolist()
    return round(2 * right / (answered + actual), DIGITS)


def _token_accuracy(arrays: Arrays, found: Array) -> float:
    real = np.arange(found.shape[1])[None] < arrays["length"][:, None]
    return round(float((found == arrays["y"])[real].mean()), DIGITS)
