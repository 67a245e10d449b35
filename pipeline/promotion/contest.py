"""One comparison of the scored variants of a dataset with its champion, on the same test examples."""

from collections.abc import Collection, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from pipeline.blocks import PromotionBlock
from pipeline.dataset import Array, Dataset
from pipeline.errors import UserError
from pipeline.progress import progress_bar, say
from pipeline.promotion.candidates import PASSED, Scored
from pipeline.promotion.decisions import Candidate, Decision, Holder
from pipeline.promotion.rule import Comparison, compare, is_leaner
from pipeline.runtime import Export, megabytes
from pipeline.scoring import answer_test, latencies_ms, test_inputs

if TYPE_CHECKING:
    from pipeline.tracking.registry import Registered, Registry

NO_DOUBT = "better beyond doubt"
SCHEMA = ("layout", "classes", "vocabulary")


@dataclass(frozen=True)
class Outcome:
    """Whose export is chosen (None: the champion stays), why, and the numbers of all."""

    chosen: str | None
    reason: str
    champion: Holder | None
    champion_scored_again: bool
    candidates: list[Candidate]


class Contest:
    """Scored variants (the best first) against the champion; `barred` exports were rolled back before.

    The champion's statistics are those that its run holds or, where it was scored on another test split, made now with
    its registered export. Raises `UserError` where that export reads another kind of data.
    """

    def __init__(
        self,
        scored: Sequence[Scored],
        data: Dataset,
        settings: PromotionBlock,
        registry: "Registry",
        champion: "Registered | None",
        barred: Collection[str],
    ) -> None:
        self.scored, self.data, self.settings = scored, data, settings
        self.registry, self.champion, self.barred = registry, champion, barred
        self.task = scored[0].task
        self.gates = {one.export: one.gates(settings) for one in scored}

    def asked_before(self, decisions: Sequence[Decision]) -> Decision | None:
        """The last decision, if it was about the same models, numbers and settings, and its champion still stands."""
        decided = [decision for decision in decisions if decision.action != "restored"]
        if not decided or decided[-1].action == "rolled back":
            return None
        last, after = decided[-1], self.champion and self.champion.holder.export
        numbers = {one.export: (one.score, one.latency_ms, one.megabytes, one.gates) for one in last.candidates}
        now = {
            one.export: (one.metrics["score"], one.timing["latency_ms"], one.megabytes, self.gates[one.export])
            for one in self.scored
        }
        is_same = (last.test_split, last.settings) == (self.data.card.split_hash("test"), self.settings)
        return (
            last
            if is_same and numbers == now and after == (last.champion_after and last.champion_after.export)
            else None
        )

    def decide(self) -> Outcome:
        """Choose."""
        if self.champion is None:
            return self._first()
        with ExitStack() as self._open:
            return self._challenge(self.champion.holder)

    def _first(self) -> Outcome:
        """Without a champion the best score takes the place."""
        chosen = next(iter(self._challengers), None)
        if chosen is None:
            reason = "no champion, as no scored model may be: " + self._refusals()
        else:
            reason = f"first champion: {self.task.METRIC} {chosen.metrics['score']:.4f}, the best of those that may be"
            reason += self._refused_note()
        candidates = [
            self._candidate(one, None, "first champion" if one is chosen else self._refusal(one) or "not the best")
            for one in self.scored
        ]
        return Outcome(chosen.export if chosen else None, reason, None, False, candidates)

    def _challenge(self, champion: Holder) -> Outcome:
        statistics, again = self._champion_statistics
        score = float(self.task.metric_of(statistics.sum(axis=0)))
        champion = champion.model_copy(update={"score": round(score, 4)})
        lower = self.task.METRIC in self.task.LOWER_IS_BETTER
        comparisons = {
            one.export: compare(
                statistics,
                one.statistics,
                self.task.metric_of,
                lower,
                self.settings.confidence,
                len(self._challengers),
            )
            for one in self._challengers
        }
        verdicts = {one.export: self._verdict(one, comparisons[one.export]) for one in self._challengers}
        better = [one for one in self._challengers if verdicts[one.export] == NO_DOUBT]
        leaner = [one for one in self._challengers if verdicts[one.export].startswith("equal and ")]
        chosen = next(iter([*better, *leaner]), None)
        reason = self._reason(champion, chosen, comparisons, verdicts)
        candidates = [
            self._candidate(
                one,
                comparisons.get(one.export),
                "champion" if one.export == champion.export else self._refusal(one) or verdicts[one.export],
            )
            for one in self.scored
        ]
        return Outcome(chosen.export if chosen else None, reason, champion, again, candidates)

    def _verdict(self, one: Scored, comparison: Comparison) -> str:
        verdict = comparison.verdict(self.settings.tolerance)
        if verdict == "better":
            return NO_DOUBT
        if verdict == "worse":
            return "worse beyond doubt"
        if verdict == "undecided":
            return "neither better nor equal beyond doubt"
        sizes, times = self._sizes_and_times(one)
        how = is_leaner(sizes, times, self.settings.margin)
        measured = f"{sizes[1]:.3f} MB, not {sizes[0]:.3f}; {times[1]:.3f} ms, not {times[0]:.3f}"
        return f"equal and {how}: {measured}" if how else f"equal, but neither smaller nor faster: {measured}"

    def _reason(
        self, champion: Holder, chosen: Scored | None, comparisons: dict[str, Comparison], verdicts: dict[str, str]
    ) -> str:
        """One sentence."""
        if chosen is None:
            if comparisons:
                reason = (
                    f"none of {len(comparisons)} challengers is better beyond doubt, or equal and smaller or faster"
                )
            else:
                reason = "no challenger" + (": " + self._refusals() if self._refusals() else "")
            return f"{champion.run_name} stays: {reason}" + (self._refused_note() if comparisons else "")
        found = comparisons[chosen.export]
        return (
            f"{chosen.record.run_name} is {verdicts[chosen.export]} against {champion.run_name}: {self.task.METRIC} "
            f"{found.difference:+.4f} in its favour, {1 - found.alpha:.4g} interval {found.interval[0]:+.4f} to "
            f"{found.interval[1]:+.4f}, p {found.p:.4f}" + self._refused_note()
        )

    @cached_property
    def _challengers(self) -> list[Scored]:
        """Who may take the place, the best first."""
        current = self.champion.holder.export if self.champion else None
        return [one for one in self.scored if one.export != current and not self._refusal(one)]

    def _refusal(self, one: Scored) -> str | None:
        if one.export in self.barred:
            return "was rolled back before, and is not promoted again"
        failed = [f"{name}: {found}" for name, found in self.gates[one.export].items() if found != PASSED]
        return f"gate not passed ({'; '.join(failed)})" if failed else None

    def _refusals(self) -> str:
        current = self.champion.holder.export if self.champion else None
        refused = {one.record.run_name: self._refusal(one) for one in self.scored if one.export != current}
        return "; ".join(f"{name} {why}" for name, why in refused.items() if why)

    def _refused_note(self) -> str:
        return f"; {self._refusals()}" if self._refusals() else ""

    def _candidate(self, one: Scored, comparison: Comparison | None, verdict: str) -> Candidate:
        return Candidate(
            version="",
            run_id="",
            run_name=one.record.run_name,
            variant=one.record.variant,
            fingerprint=one.record.fingerprint,
            export=one.export,
            score=one.metrics["score"],
            latency_ms=one.timing["latency_ms"],
            megabytes=one.megabytes,
            gates=self.gates[one.export],
            comparison=comparison,
            verdict=verdict,
        )

    @cached_property
    def _champion_export(self) -> Export:
        """The champion as it is registered; fits the dataset, or is refused."""
        assert self.champion is not None
        export = Export(self._open.enter_context(self.registry.export(self.champion)))
        manifest, card = export.manifest, self.data.card
        differing = [name for name in SCHEMA if getattr(manifest.description, name) != getattr(card, name)]
        differing += ["shape"] * (tuple(manifest.stored_shape) != card.example_shape())
        differing += ["task"] * (manifest.task != self.scored[0].metrics["task"])
        if differing:
            raise UserError(
                f"promote {card.name}: the champion {self.champion.holder.run_name} is of another schema than "
                f"{self.data.folder} now ({', '.join(differing)}); give what changed a name of its own in params.yaml"
            )
        return export

    @cached_property
    def _champion_statistics(self) -> tuple[Array, bool]:
        """Statistics [N, K] of the champion, and whether they were made now."""
        assert self.champion is not None
        holder, card = self.champion.holder, self.data.card
        export = self._champion_export  # first: it refuses another schema, whatever statistics are stored
        wanted = {"task": self.scored[0].metrics["task"], "metric": self.task.METRIC}
        found = self.registry.statistics(holder, card.split_hash("test"), wanted)
        if found is not None and found.shape == self.scored[0].statistics.shape:
            return found, False
        say(f"promote {card.name}: {holder.run_name} was scored on another test split: scoring it again on this one")
        with progress_bar(f"score {holder.run_name}", card.num_examples("test")) as bar:
            answers = answer_test(export, self.data, bar.advance)
        return self.task.statistics(answers.outputs, answers.targets, export.described(card)), True

    def _sizes_and_times(self, one: Scored) -> tuple[tuple[float, float], tuple[float, float]]:
        """Megabytes and milliseconds of champion and challenger, timed now and in turn: records are of other hours."""
        champion, challenger = self._champion_export, Export(one.places.exported)
        timed = [(export, test_inputs(export, self.data)([0])) for export in (champion, challenger)]
        first, second = latencies_ms(timed)
        return (megabytes(champion.folder), one.megabytes), (first, second)
