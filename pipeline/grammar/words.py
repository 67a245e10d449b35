"""The words of the two languages of `parallel_grammar`: what is read, and what it is translated to.

Nouns of the second language have one of three classes. An article has a form for class, number and case there, an
adjective and the word for `that` for class and number, a verb for the number and class of its subject. A homonym is one
noun of the first language and two neighbours, thus of different classes, of the second.
"""

from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field

from pipeline.dataset import END, PADDING, START, UNKNOWN, Array

CLASSES, NUMBERS, CASES, CONJUNCTIONS = 3, 2, 2, 2
Number = TypeVar("Number", int, Array)  # one, or one for each of many words
FORMS = CLASSES * NUMBERS
CONSONANTS_READ, CONSONANTS_WRITTEN, VOWELS = "bdfgklmn", "prstvzhj", "aeiou"


class Lexicon(BaseModel):
    """How many words of each kind there are; adverbs: so many certain, and so many doubtful ones."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    nouns: int = Field(default=44, ge=1, le=200)
    homonyms: int = Field(default=6, ge=0, le=100)
    verbs: int = Field(default=20, ge=2, le=200)
    adjectives: int = Field(default=12, ge=1, le=200)
    adverbs: int = Field(default=6, ge=1, le=100)


class Words:
    """The vocabulary of one language: `words`, and where in it each kind begins."""

    def __init__(self, *reserved: str) -> None:
        self.words = [*reserved]

    def add(self, words: list[str]) -> int:
        """Append words of one kind; returns where they begin."""
        self.words += words
        return len(self.words) - len(words)


class Read(Words):
    """What is read. Verbs and nouns come by twos, of one and of many; kinds stand in the order of `ends`."""

    def __init__(self, lexicon: Lexicon) -> None:
        super().__init__(PADDING, UNKNOWN)
        nouns, verbs, adjectives, adverbs = _shared_out(
            CONSONANTS_READ,
            *(lexicon.nouns + lexicon.homonyms, lexicon.verbs, lexicon.adjectives, 2 * lexicon.adverbs),
        )
        self.article = self.add(["the", "a", "some"])
        self.that = self.add(["that"])
        self.conjunction = self.add(["and", "but"])
        self.certain = self.add([f"{stem}ly" for stem in adverbs[: lexicon.adverbs]])
        self.doubtful = self.add([f"{stem}ly" for stem in adverbs[lexicon.adverbs :]])
        self.adjective = self.add(adjectives)
        self.verb = self.add([stem + ending for stem in verbs for ending in ("t", "n")])
        self.noun = self.add([stem + ending for stem in nouns for ending in ("", "s")])
        self.ends = {
            "article": self.that,
            "that": self.conjunction,
            "conjunction": self.certain,
            "adverb": self.adjective,
            "adjective": self.verb,
            "verb": self.noun,
            "noun": len(self.words),
        }


class Written(Words):
    """What is written, forms beside each other; of each doubtful adverb the commoner translation before the other."""

    def __init__(self, lexicon: Lexicon) -> None:
        super().__init__(PADDING, UNKNOWN, START, END)
        nouns, verbs, adjectives, adverbs = _shared_out(
            CONSONANTS_WRITTEN,
            *(lexicon.nouns + 2 * lexicon.homonyms, lexicon.verbs, lexicon.adjectives, 3 * lexicon.adverbs),
        )
        forms = [kind + number for kind in "snl" for number in ("", "i")]
        self.article = self.add([a + form + case for a in "uo" for form in forms for case in ("", "m")])
        self.that = self.add([f"ki{form}" for form in forms])
        self.conjunction = self.add(["ei", "au"])
        self.certain = self.add([f"{stem}q" for stem in adverbs[: lexicon.adverbs]])
        self.doubtful = self.add([f"{stem}q" for stem in adverbs[lexicon.adverbs :]])
        self.adjective = self.add([stem + form for stem in adjectives for form in forms])
        self.verb = self.add([stem + form for stem in verbs for form in forms])
        self.noun = self.add(
            [stem + forms[form_of(noun, many)] for noun, stem in enumerate(nouns) for many in range(NUMBERS)]
        )


def meant(lexicon: Lexicon, noun: Number, verb: Number) -> Number:
    """Which noun of the second language one of the first is, beside a verb: of homonyms one of two."""
    beyond = noun - lexicon.nouns
    return noun + (beyond >= 0) * (beyond + verb % 2)


def form_of(noun: Number, many: Number) -> Number:
    """The number of the forms that go with a noun of the second language, of one or of many."""
    return NUMBERS * (noun % CLASSES) + many


def _shared_out(consonants: str, *numbers: int) -> list[list[str]]:
    """So many stems of two or three syllables for each kind of word, none of them twice."""
    syllables = [consonant + vowel for vowel in VOWELS for consonant in consonants]
    stems = [first + second for first in syllables for second in syllables]
    stems += [first + stem for first in syllables for stem in stems] if sum(numbers) > len(stems) else []
    spread = iter(stems[:: len(stems) // sum(numbers)])
    return [[next(spread) for _ in range(number)] for number in numbers]
