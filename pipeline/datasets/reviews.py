"""Reviews from a small grammar, in which the order of the words decides what their counts leave open.

    i found it not very good .   critics called it awful .   we saw the film on monday .

A review is positive if its writer's own opinion is; what others call it does not count, `not` turns an opinion round,
and of two own opinions the one with an intensifier decides. The sentences stand in any order.
"""

from typing import Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from pipeline.dataset import PADDING, UNKNOWN, Array, Arrays, Description

OWN_SUBJECTS, OTHERS = ("i", "we"), ("critics", "people", "friends")
OWN_VERBS, VERBS_OF_OTHERS = ("find", "found", "consider"), ("call", "called", "name")
NEGATION, INTENSIFIERS = "not", ("very", "really", "so")
POSITIVE = ("good", "great", "funny", "moving", "clever", "brilliant", "lovely", "gripping")
NEGATIVE = ("bad", "awful", "boring", "dull", "stupid", "dreadful", "silly", "weak")
NOUNS = ("film", "plot", "cast", "ending", "music", "story")
DAYS = ("monday", "tuesday", "friday", "saturday", "sunday")
FRAME = ("it", "saw", "the", "on", ".")
VOCABULARY = (
    *(PADDING, UNKNOWN, NEGATION, *FRAME, *OWN_SUBJECTS, *OTHERS, *OWN_VERBS, *VERBS_OF_OTHERS),
    *(*INTENSIFIERS, *POSITIVE, *NEGATIVE, *NOUNS, *DAYS),
)
INDEX = {word: index for index, word in enumerate(VOCABULARY)}
LONGEST_SENTENCE = 7
NEGATIVE_LABEL, POSITIVE_LABEL = 0, 1
DIGITS = 8


class Parameters(BaseModel):
    """hearsay: the most opinions of others in a review; it has one at least. asides: the most sentences about something
    else. two_opinions: share of reviews whose writer has two. negated, intensified: share of opinions that are, the
    writer's two apart, of which one is intensified. mislabelled: share of reviews with the other label.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    hearsay: int = Field(default=3, ge=1, le=100)
    asides: int = Field(default=2, ge=0, le=100)
    two_opinions: float = Field(default=0.4, ge=0, le=1)
    negated: float = Field(default=0.4, ge=0, le=1)
    intensified: float = Field(default=0.5, ge=0, le=1)
    mislabelled: float = Field(default=0.02, ge=0, lt=0.5)

    @classmethod
    def small(cls) -> Self:
        """Parameters that tests and smoke runs shrink with."""
        return cls(hearsay=1, asides=1)

    @property
    def longest(self) -> int:
        """Words of the longest review."""
        return LONGEST_SENTENCE * (2 + self.hearsay + self.asides)


def draw_split(parameters: Parameters, num_examples: int, rng: np.random.Generator) -> Arrays:
    """`x` [N, T] uint16 words, zeros beyond `length` [N] int32, and `y` [N] uint8: 0 negative, 1 positive."""
    x = np.zeros((num_examples, parameters.longest), dtype=np.uint16)
    length, y = np.zeros(num_examples, dtype=np.int32), np.zeros(num_examples, dtype=np.uint8)
    for row in range(num_examples):
        words, label = _review(parameters, rng)
        x[row, : len(words)] = [INDEX[word] for word in words]
        length[row] = len(words)
        y[row] = 1 - label if rng.random() < parameters.mislabelled else label
    return {"x": x, "length": length, "y": y}


def _review(parameters: Parameters, rng: np.random.Generator) -> tuple[list[str], int]:
    """The words of a review, and the label that they say."""
    two = rng.random() < parameters.two_opinions
    intensified = [True, False] if two else [rng.random() < parameters.intensified]
    decisive, *second = [_opinion(OWN_SUBJECTS, OWN_VERBS, strong, parameters, rng) for strong in intensified]
    sentences = [decisive, *second]
    for _ in range(int(rng.integers(1, parameters.hearsay + 1))):
        strong = rng.random() < parameters.intensified
        sentences.append(_opinion(OTHERS, VERBS_OF_OTHERS, strong, parameters, rng))
    for _ in range(int(rng.integers(0, parameters.asides + 1))):
        subject = _one_of((*OWN_SUBJECTS, *OTHERS), rng)
        sentences.append([subject, "saw", "the", _one_of(NOUNS, rng), "on", _one_of(DAYS, rng), "."])
    order = rng.permutation(len(sentences))
    return [word for place in order for word in sentences[place]], label_of(decisive)


def _opinion(
    subjects: tuple[str, ...], verbs: tuple[str, ...], strong: bool, parameters: Parameters, rng: np.random.Generator
) -> list[str]:
    words = [_one_of(subjects, rng), _one_of(verbs, rng), "it"]
    words += [NEGATION] if rng.random() < parameters.negated else []
    words += [_one_of(INTENSIFIERS, rng)] if strong else []
    return [*words, _one_of((POSITIVE, NEGATIVE)[int(rng.integers(2))], rng), "."]


def _one_of(words: tuple[str, ...], rng: np.random.Generator) -> str:
    return words[int(rng.integers(len(words)))]


def label_of(opinion: list[str]) -> int:
    """What one sentence says."""
    positive = any(word in POSITIVE for word in opinion)
    return POSITIVE_LABEL if positive != (NEGATION in opinion) else NEGATIVE_LABEL


def read(review: list[str]) -> int:
    """The label of a review: that of its writer's opinion, of two that of the intensified one."""
    sentences = " ".join(review).removesuffix(" .").split(" . ")
    own = [words for sentence in sentences if not set(words := sentence.split()).isdisjoint(OWN_VERBS)]
    strong = [words for words in own if not set(words).isdisjoint(INTENSIFIERS)]
    (decisive,) = strong if len(own) > 1 else own
    return label_of(decisive)


def describe(parameters: Parameters, test: Arrays) -> Description:
    """The ceiling is what a reader of whole sentences gets right, the reference what the best one of counts does."""
    texts = [[VOCABULARY[word] for word in row[:end]] for row, end in zip(test["x"], test["length"], strict=True)]
    right = np.array([read(words) for words in texts]) == test["y"]
    return Description(
        text=f"reviews of one or two own opinions, up to {parameters.hearsay} of others and {parameters.asides} asides",
        layout="texts",
        classes=["negative", "positive"],
        vocabulary=list(VOCABULARY),
        tokenizer="words",
        padded=True,
        ceilings={"accuracy": round(float(right.mean()), DIGITS)},
        references={"counting words, at best": {"accuracy": round(counting_accuracy(test), DIGITS)}},
        disjoint=False,
    )


def counting_accuracy(test: Arrays) -> float:
    """What the best reader gets right who knows how often each word occurs and nothing else.

    All opinions of a review are drawn alike, so each is as likely as any other to be the one that decides: it holds one
    of the a positive words with chance a / (a + b), b being the negative ones, and one of the n negations with chance
    n / (a + b); neither says anything of the other, nor do the other words. The review is thus more likely positive
    where (a - b) (a + b - 2 n) is above 0. Where it is 0, both labels are as likely, and half of them are got right.
    """
    positive, negative, negations = (_occurrences(test, words) for words in (POSITIVE, NEGATIVE, (NEGATION,)))
    tendency = (positive - negative) * (positive + negative - 2 * negations)
    right = np.where(tendency == 0, 0.5, (tendency > 0) == (test["y"] == POSITIVE_LABEL))
    return float(right.mean())


def _occurrences(test: Arrays, words: tuple[str, ...]) -> Array:
    """How often any of some words occurs in each text: [N]."""
    return np.isin(test["x"], [INDEX[word] for word in words]).sum(axis=1)
