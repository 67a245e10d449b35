"""Beam search: the few best beginnings of each answer are carried on, token by token.

After Graves, *Sequence Transduction with Recurrent Neural Networks* (2012), with the length penalty of Wu et al.
(2016). An answer is found when its end is among the best continuations of a step, as many of them as the beam is wide;
the beam is then filled up with beginnings that go on. Two things are exact here that often are not:

* A search ends as soon as nothing that could still be found can be among the answers that are asked for: probabilities
  only fall, and no text is longer than its limit.
* What greedy decoding would write is carried on, in one more slot where it falls out of the beam, so that no answer
  scores lower.

Shape legend: B sources, K beginnings of each, in slots, R = B K rows, V vocabulary, C candidates.
"""

from dataclasses import dataclass

import numpy as np

from pipeline.dataset import Array
from pipeline.decoding.decoder import END_TOKEN, NEVER_WRITTEN, START_TOKEN, Decoder, State
from pipeline.decoding.hypotheses import Best, Hypothesis, length_penalty
from pipeline.decoding.largest import largest

SHARE_KEPT = 0.75  # rows of sources that are done are computed in vain until no more than this share is left of all
GONE = -1


@dataclass(frozen=True)
class Beam:
    """width: how many beginnings of each answer are carried on. length_penalty: the exponent of that penalty. n_best:
    how many answers are given, at most as many as the beam is wide."""

    width: int = 5
    length_penalty: float = 0.6
    n_best: int = 1


def beam_search(decoder: Decoder, inputs: Array, limits: Array, beam: Beam) -> list[list[Hypothesis]]:
    """The best answers to each source of `inputs` [B, ...], the best first, of at most `limits` [B] tokens.

    An answer that has not ended at its limit is cut there and ranked as it is.
    """
    search = _Search(decoder.begin(inputs), np.asarray(limits), beam)
    tokens = np.full((len(inputs), 1), START_TOKEN, np.int32)
    while len(tokens):
        log_probability, _, state = decoder.advance(tokens, search.state)
        tokens = search.go_on(log_probability[:, -1], state)
    return [best.found for best in search.best]


class _Search:
    """The beginnings of all sources that are still searched for.

    state: of their rows. tokens: [R, L], what was written in `num_steps` steps, and room. totals: [B, K]
    log-probabilities, -inf where there is no beginning. greedy: [B] the slot of the greedy one, or `GONE`. sources: [B]
    which of the sources that were given these are; `best` has the answers of all of them.
    """

    def __init__(self, state: State, limits: Array, beam: Beam) -> None:
        num_sources = len(limits)
        self.state, self.limits, self.beam = state, limits, beam
        self.longest_penalty = length_penalty(limits, beam.length_penalty)
        self.best = [Best(beam.n_best) for _ in range(num_sources)]
        self.sources = np.arange(num_sources)
        self.num_steps = 0
        self.tokens = np.zeros((num_sources, int(limits.max())), np.int32)
        self.totals = np.zeros((num_sources, 1))
        self.greedy = np.zeros(num_sources, np.intp)

    def go_on(self, log_probability: Array, state: State) -> Array:
        """Take one step, by what may follow each row [R, V] and the state after it; returns the tokens to read next.

        That is [R, 1], of no rows when all is found.
        """
        log_probability[:, NEVER_WRITTEN] = -np.inf
        num_sources, num_slots = self.totals.shape
        parents, tokens, totals = self._candidates(log_probability)
        ends = tokens == END_TOKEN
        self._keep_ended(parents, totals, ends)
        # Beginnings that go on, the best first; where there are too few, some that do not.
        places = np.argsort(ends, axis=1, kind="stable")[:, : self.beam.width]
        flat = places + np.arange(num_sources)[:, None] * ends.shape[1]
        parents, tokens = parents.take(flat), tokens.take(flat)
        totals = np.where(ends.take(flat), -np.inf, totals.take(flat))
        parents, tokens, totals = self._with_greedy(log_probability, parents, tokens, totals)
        rows = parents + np.arange(num_sources)[:, None] * num_slots
        self._write(rows, tokens, totals)
        done = self._done()
        if done.all():
            return self.tokens[:0, :1]
        if (~done).mean() <= SHARE_KEPT:
            self._leave_out(done, rows, state)
        elif rows.shape[1] != num_slots:
            self.state = state.take(rows.ravel())
        elif (parents != np.arange(num_slots)).any():
            self.state = state.reorder(rows.ravel())
        else:
            self.state = state
        return self.tokens[:, self.num_steps - 1 : self.num_steps]

    def _candidates(self, log_probability: Array) -> tuple[Array, Array, Array]:
        """The best continuations of each source, the best first: their parents' slots, tokens and totals [B, C].

        As many as fill the beam where every beginning also ends. Of each beginning one more than the beam's
        width is enough: others cannot be among them.
        """
        num_sources, vocabulary_size = len(self.totals), log_probability.shape[1]
        width = min(self.beam.width + 1, vocabulary_size)
        top = largest(log_probability, width)
        gains = log_probability.take(top + np.arange(len(top))[:, None] * vocabulary_size)
        totals = (self.totals.reshape(-1, 1) + gains).reshape(num_sources, -1)
        order = np.argsort(-totals, axis=1, kind="stable")[:, : self.beam.width + self.totals.shape[1]]
        flat = order + np.arange(num_sources)[:, None] * totals.shape[1]
        return order // width, top.take(flat), totals.take(flat)

    def _keep_ended(self, parents: Array, totals: Array, ends: Array) -> None:
        """Keep the answers whose ends are among the best candidates."""
        width = self.beam.width
        found = ends[:, :width] & (totals[:, :width] > -np.inf)
        for source, place in np.argwhere(found).tolist():
            self._keep(source, parents[source, place], totals[source, place], self.num_steps + 1)

    def _with_greedy(
        self, log_probability: Array, parents: Array, tokens: Array, totals: Array
    ) -> tuple[Array, Array, Array]:
        """The beginnings [B, K] that go on, and, in one more slot, greedy ones that are not among them: [B, K + 1].

        What ends greedily is an answer.
        """
        fallen_out = []
        for source in np.flatnonzero(self.greedy != GONE).tolist():
            slot = self.greedy[source]
            row = log_probability[source * self.totals.shape[1] + slot]
            token = row.argmax()
            total = self.totals[source, slot] + row[token]
            if token == END_TOKEN:
                self._keep(source, slot, total, self.num_steps + 1)
                self.greedy[source] = GONE
                continue
            there = np.flatnonzero((parents[source] == slot) & (tokens[source] == token))
            self.greedy[source] = there[0] if len(there) else parents.shape[1]
            if not len(there):
                fallen_out.append((source, slot, token, total))
        if not fallen_out:
            return parents, tokens, totals
        nothing = np.zeros((len(parents), 1), np.intp)
        parents, tokens = (np.concatenate([each, nothing], axis=1) for each in (parents, tokens))
        totals = np.concatenate([totals, nothing - np.inf], axis=1)
        for source, *found in fallen_out:
            parents[source, -1], tokens[source, -1], totals[source, -1] = found
        return parents, tokens, totals

    def _keep(self, source: int, slot: int, total: float, length: int) -> None:
        """Keep what is written in a slot as an answer of `length`, unless it is known."""
        best = self.best[self.sources[source]]
        score = total / length_penalty(length, self.beam.length_penalty)
        if score > best.least:
            text = self.tokens[source * self.totals.shape[1] + slot, : self.num_steps].copy()
            if not any(np.array_equal(text, other.tokens) for other in best.found):
                best.add(Hypothesis(text, float(total), float(score)))

    def _write(self, rows: Array, tokens: Array, totals: Array) -> None:
        """Put the tokens [B, K] behind what is written in `rows` [B, K]."""
        self.tokens = self.tokens.take(rows.ravel(), axis=0)
        self.tokens[:, self.num_steps] = tokens.ravel()
        self.totals = totals
        self.num_steps += 1

    def _done(self) -> Array:
        """Which sources [B] have all their answers; what has come to its limit is cut and kept."""
        for source in np.flatnonzero(self.limits == self.num_steps).tolist():
            for slot in np.flatnonzero(self.totals[source] > -np.inf).tolist():
                self._keep(source, slot, self.totals[source, slot], self.num_steps)
            self.totals[source] = -np.inf
        least = np.array([self.best[source].least for source in self.sources])
        done: Array = self.totals.max(axis=1) / self.longest_penalty <= least
        self.totals[done] = -np.inf
        self.greedy[done] = GONE
        return done

    def _leave_out(self, done: Array, rows: Array, state: State) -> None:
        """Go on with the other sources alone."""
        left = ~done
        self.state = state.take(rows[left].ravel())
        self.tokens = self.tokens[np.repeat(left, rows.shape[1])]
        self.totals, self.greedy, self.sources = self.totals[left], self.greedy[left], self.sources[left]
        self.limits, self.longest_penalty = self.limits[left], self.longest_penalty[left]
