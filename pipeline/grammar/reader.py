"""A reader of the first language of `parallel_grammar`, who translates sentence by sentence as the grammar says.

It knows nothing of how sentences are drawn. Of a doubtful adverb it gives the commoner translation.
"""

from dataclasses import dataclass

from pipeline.grammar.words import CASES, FORMS, NUMBERS, Lexicon, Read, Written, form_of, meant

Aligned = list[tuple[int, int]]  # words to be written, each with the place of the word that was read for it
SUBJECT, OBJECT = 0, 1  # cases


@dataclass(frozen=True)
class Phrase:
    """The places of the words of a noun phrase, and its relative clause."""

    article: int
    adjective: int | None
    noun: int
    relative: "Relative | None"


@dataclass(frozen=True)
class Relative:
    """The places of `that` and of the verb, and the object."""

    that: int
    verb: int
    seen: Phrase


class Reader:
    """Translates sentences of some lexicon."""

    def __init__(self, lexicon: Lexicon) -> None:
        self.lexicon, self.read, self.written = lexicon, Read(lexicon), Written(lexicon)

    def translate(self, sentence: list[int]) -> Aligned:
        """The translation of a sentence of words by their index; `AssertionError` where it is none."""
        self.sentence, self.place = sentence, 0
        found = self._clause()
        while self.place < len(sentence):
            place = self._take("conjunction")
            found += [(place, self.written.conjunction + sentence[place] - self.read.conjunction)]
            found += self._clause()
        return found

    def _clause(self) -> Aligned:
        subject, verb = self._phrase(), self._take("verb")
        seen = self._phrase() if self._next_is("article") else None
        found = self._adverb(self._take("adverb")) if self._next_is("adverb") else []
        found += self._noun_phrase(subject, verb, SUBJECT)
        found += self._noun_phrase(seen, verb, OBJECT) if seen else []
        return [*found, self._verb(verb, self._form(subject, verb))]

    def _phrase(self) -> Phrase:
        article = self._take("article")
        adjective = self._take("adjective") if self._next_is("adjective") else None
        noun = self._take("noun")
        has_relative = self._next_is("that")
        relative = Relative(self._take("that"), self._take("verb"), self._phrase()) if has_relative else None
        return Phrase(article, adjective, noun, relative)

    def _noun_phrase(self, phrase: Phrase, verb: int, case: int) -> Aligned:
        form, (noun, many) = self._form(phrase, verb), self._noun(phrase, verb)
        definite = self.sentence[phrase.article] == self.read.article
        found = [
            (phrase.article, self.written.article + CASES * (FORMS * definite + form) + case),
            (phrase.noun, self.written.noun + NUMBERS * noun + many),
        ]
        if phrase.adjective is not None:
            adjective = self.sentence[phrase.adjective] - self.read.adjective
            found.append((phrase.adjective, self.written.adjective + FORMS * adjective + form))
        if phrase.relative:
            found.append((phrase.relative.that, self.written.that + form))
            found += self._noun_phrase(phrase.relative.seen, phrase.relative.verb, OBJECT)
            found.append(self._verb(phrase.relative.verb, form))
        return found

    def _noun(self, phrase: Phrase, verb: int) -> tuple[int, int]:
        """Which noun is meant, beside its verb, and whether of one or of many."""
        noun, many = divmod(self.sentence[phrase.noun] - self.read.noun, NUMBERS)
        return meant(self.lexicon, noun, self._stem_of(verb)), many

    def _form(self, phrase: Phrase, verb: int) -> int:
        return form_of(*self._noun(phrase, verb))

    def _stem_of(self, verb: int) -> int:
        return (self.sentence[verb] - self.read.verb) // NUMBERS

    def _verb(self, verb: int, form: int) -> tuple[int, int]:
        return verb, self.written.verb + FORMS * self._stem_of(verb) + form

    def _adverb(self, place: int) -> Aligned:
        in_doubt = self.sentence[place] - self.read.doubtful
        if in_doubt < 0:
            return [(place, self.written.certain + self.sentence[place] - self.read.certain)]
        return [(place, self.written.doubtful + 2 * in_doubt)]

    def _next_is(self, kind: str) -> bool:
        return self.place < len(self.sentence) and self._kind(self.sentence[self.place]) == kind

    def _take(self, kind: str) -> int:
        assert self._next_is(kind), f"word {self.place} of {self.sentence} is no {kind}"
        self.place += 1
        return self.place - 1

    def _kind(self, word: int) -> str:
        return next(kind for kind, end in self.read.ends.items() if word < end)
