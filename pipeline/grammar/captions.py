"""Captions of what can be seen, by one of two writers: the second one has other words for some of the same things.

Which of them wrote a caption cannot be seen, so nobody can know more than that the first is the likelier one.

Shape legend: N captions, T words, R letters.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from pipeline.dataset import END, PADDING, START, UNKNOWN, Array, Arrays, TextAnswers
from pipeline.grammar.spelling import spell, spelling_of
from pipeline.text.overlap import overlap

ALL_CHANCES = 100
COLOURS = {  # with the channels that shine
    "red": (1, 0, 0),
    "green": (0, 1, 0),
    "blue": (0, 0, 1),
    "yellow": (1, 1, 0),
    "purple": (1, 0, 1),
    "white": (1, 1, 1),
}
DIGITS = 8
Caption = list[str]


def answers_of(words: Sequence[str], synonyms: Mapping[str, str]) -> TextAnswers:
    """How captions of these words are stored: the first writer's words, then the second one's own."""
    return TextAnswers(vocabulary=[PADDING, UNKNOWN, START, END, *words, *synonyms.values()], tokenizer="spaces")


def by_writers(captions: list[Caption], second: Array, synonyms: Mapping[str, str]) -> list[Caption]:
    """The first writer's captions as they are, or, where `second` [N], in the words of the second."""
    return [
        [synonyms.get(word, word) for word in caption] if other else caption
        for caption, other in zip(captions, second, strict=True)
    ]


def stored(captions: list[Caption], answers: TextAnswers, longest: int) -> dict[str, Array]:
    """`y` [N, longest] uint16, `y_length` [N] int32 and `reference` [N, R] uint8 UTF-8."""
    index = {word: number for number, word in enumerate(answers.vocabulary)}
    y = np.zeros((len(captions), longest), np.uint16)
    for row, caption in zip(y, captions, strict=True):
        row[: len(caption)] = [index[word] for word in caption]
    spelling = spelling_of(answers.vocabulary)
    reference = np.zeros((len(captions), longest * spelling.shape[1]), np.uint8)
    spell(y, spelling, reference)
    return {"y": y, "y_length": np.array([len(caption) for caption in captions], np.int32), "reference": reference}


def ceilings(test: Arrays, answers: TextAnswers, synonyms: Mapping[str, str], first: int) -> dict[str, float]:
    """What is reached on these very captions by the reader that sees everything and takes the first writer for granted.

    first: how many of 100 captions are the first writer's, more than half of them. A caption in which both would use
    the same words is certain. Any other is the first writer's with that chance, as a whole: so are all of its n-grams,
    and no other words match more of them on average. Of a caption's words only the first that tells the writers apart
    is in doubt.
    """
    texts = captions_of(test, answers)
    second_words = set(synonyms.values())
    ambiguous = {*synonyms, *second_words}
    first_words = {second: word for word, second in synonyms.items()}
    of_second = sum(not second_words.isdisjoint(caption) for caption in texts)
    of_first = sum(not ambiguous.isdisjoint(caption) for caption in texts) - of_second
    chances = ((of_first, first), (of_second, ALL_CHANCES - first))
    nats = math.fsum(count * -math.log(chance / ALL_CHANCES) for count, chance in chances if count)
    cross_entropy = nats / sum(len(caption) + 1 for caption in texts)
    best = [" ".join(first_words.get(word, word) for word in caption) for caption in texts]
    return overlap(best, [" ".join(caption) for caption in texts]) | {
        "cross_entropy": round(cross_entropy, DIGITS),
        "perplexity": round(math.exp(cross_entropy), DIGITS),
    }


def without_looking(test: Arrays, answers: TextAnswers) -> dict[str, dict[str, float]]:
    """What is reached by whoever gives the most frequent of these captions to all that is shown."""
    texts = [" ".join(caption) for caption in captions_of(test, answers)]
    counts = Counter(texts)
    usual = min(counts, key=lambda text: (-counts[text], text))
    return {"the most frequent caption": overlap([usual] * len(texts), texts)}


def captions_of(arrays: Arrays, answers: TextAnswers) -> list[Caption]:
    """The words of stored captions."""
    rows = zip(arrays["y"].tolist(), arrays["y_length"], strict=True)
    return [[answers.vocabulary[word] for word in row[:end]] for row, end in rows]
