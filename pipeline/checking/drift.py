"""An import against the version of it that was accepted: has what is to be learned from become something else?"""

from pipeline.checking.findings import DIGITS, Drift, Finding, error
from pipeline.checking.stability import allowed_psi, psi
from pipeline.checking.summary import DataSummary
from pipeline.dataset import SPLITS

LEAST_SHARE = 0.5
NAMES_SHOWN = 10
BLOCKS = "block_"


def compare(reference: DataSummary, found: DataSummary, limit: float) -> tuple[list[Drift], list[Finding]]:
    """The Population Stability Index of labels and features in each split, and what is no longer as it was accepted.

    found: in the bins of `reference`. limit: the index that is a drift, unless chance explains it.
    """
    advice = f"if it is meant to be so: python -m pipeline accept-data {found.dataset}"
    findings = _changed_schema(reference, found, advice) + _lost_examples(reference, found, advice)
    drift = [
        _measure(feature, split, before, after, reference, found, limit)
        for split in SPLITS
        for feature, before, after in _histograms(reference, found, split)
    ]
    findings += _drifted(drift, advice)
    return drift, findings


def _drifted(drift: list[Drift], advice: str) -> list[Finding]:
    """What drifted, each feature once, in the split where it did most; the blocks of an image together."""
    groups: dict[str, list[Drift]] = {}
    for measured in drift:
        if measured.drifted:
            name = BLOCKS if measured.feature.startswith(BLOCKS) else measured.feature
            groups.setdefault(name, []).append(measured)
    findings = []
    for name, members in groups.items():
        most = max(members, key=lambda measured: measured.psi / measured.allowed)
        num_blocks = len({measured.feature for measured in members})
        what = f"{num_blocks} blocks, most of all {most.feature}" if name == BLOCKS else name
        statistic = f"drift of {what} (PSI to the accepted version)"
        findings.append(error("drift", most.split, statistic, most.psi, most.allowed, advice))
    return findings


def _histograms(reference: DataSummary, found: DataSummary, split: str) -> list[tuple[str, list[int], list[int]]]:
    """Every histogram that both have, with its name; of another layout none, as nothing in it means the same."""
    if reference.layout != found.layout:
        return []
    pairs = [
        (name, feature.counts[split], found.features[name].counts[split])
        for name, feature in reference.features.items()
        if name in found.features
    ]
    if reference.names and reference.names == found.names:
        name = "symbols" if found.layout == "symbols" else "labels"
        pairs.insert(0, (name, reference.labels[split], found.labels[split]))
    return pairs


def _measure(
    feature: str,
    split: str,
    before: list[int],
    after: list[int],
    reference: DataSummary,
    found: DataSummary,
    limit: float,
) -> Drift:
    allowed = allowed_psi(reference.examples[split], found.examples[split], len(before), limit)
    return Drift(feature=feature, split=split, psi=round(psi(before, after), DIGITS), allowed=round(allowed, DIGITS))


def _changed_schema(reference: DataSummary, found: DataSummary, advice: str) -> list[Finding]:
    facts = {
        "layout": (reference.layout, found.layout),
        "shape of an example": (reference.shape, found.shape),
        "type of the values": (reference.dtype, found.dtype),
        "frames": (reference.num_steps, found.num_steps),
        "names of labels or symbols": (_shown(reference.names), _shown(found.names)),
    }
    if reference.layout == found.layout == "sequences":  # whose features are named by the columns of a table
        facts["features"] = (_renamed(reference, found), _renamed(found, reference))
    return [
        error("drift", "train", f"{fact} against the accepted version", str(after), str(before), advice)
        for fact, (before, after) in facts.items()
        if before != after
    ]


def _renamed(summary: DataSummary, other: DataSummary) -> str:
    """The features that only the first has; nothing where both have the same."""
    return _shown([name for name in summary.features if name not in other.features])


def _shown(names: list[str]) -> str:
    more = f", ... ({len(names)})" if len(names) > NAMES_SHOWN else ""
    return ", ".join(names[:NAMES_SHOWN]) + more


def _lost_examples(reference: DataSummary, found: DataSummary, advice: str) -> list[Finding]:
    return [
        error(
            "drift",
            split,
            f"examples against {reference.examples[split]} of the accepted version",
            found.examples[split],
            f"{LEAST_SHARE:.0%} of them and more",
            advice,
        )
        for split in SPLITS
        if found.examples[split] < LEAST_SHARE * reference.examples[split]
    ]
