"""What is made, kept and rejected against the budget. It decides from sizes, ids and digests; it never sees text.

Work goes in rounds: the ledger names chapters that would fill the budget, is told what came of them, and names more in
place of those that were rejected. What it keeps never adds up to more than the budget, whatever comes back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from novelray.corpus.augment.budget import Pick, Source, choose, ranked

Key = tuple[str, str]  # method and language
IN_TRAINING, IN_HELDOUT, OVER_BUDGET = "already in the corpus", "in the held-out set", "over the budget"
LEAST_WORTH = 0.1  # of a pick, however many of those before it were rejected


@dataclass(frozen=True)
class Outcome:
    """What came of a pick. `reason`: why it was rejected, "" for a sound piece of `chars` characters."""

    pick: Pick
    chars: int
    digest: str
    reason: str
    similarity: float | None = None


@dataclass
class Tally:
    """What a method did."""

    made: int = 0
    kept: int = 0
    chars: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    similarities: list[float] = field(default_factory=list)


class Ledger:
    """The budget of one corpus, and what it was spent on."""

    def __init__(
        self, sources: Sequence[Source], allowances: Mapping[Key, int], story_chars: int, seed: int,
        training: Collection[str], heldout: Collection[str],
    ) -> None:  # fmt: skip
        """`allowances`: characters by (method, language). `training`, `heldout`: digests of chapters.

        `story_chars`: what a synthetic story is expected to have at most, which has no source to go by.
        """
        self.allowances, self.left = dict(allowances), dict(allowances)
        self.tallies = {method: Tally() for method, _ in sorted(allowances)}
        self._orders = {key: _in_order(sources, key, seed) for key in allowances}
        self._story_chars = story_chars
        self._tried: dict[Key, set[str]] = {key: set() for key in allowances}
        self._taken: set[str] = set()  # a chapter gives one piece; a rejected one is free for other methods
        self._digests, self._heldout = set(training), frozenset(heldout)
        self._sizes: dict[Key, list[tuple[int, int]]] = {key: [] for key in allowances}
        self._sound: dict[Key, list[bool]] = {key: [] for key in allowances}

    def next_round(self) -> list[Pick]:
        """Chapters whose pieces are expected to fill what is left; none when no more fit. Each has an outcome due."""
        picks = []
        for key in sorted(self.allowances):
            ratio, size = self._expected(key)
            used = self._tried[key] | self._taken
            for source in choose(self._orders[key], self.allowances[key], self.left[key], ratio, size, used):
                picks.append(Pick(key[0], source))
                self._tried[key].add(source.chapter_id)
                self._taken.add(source.chapter_id)
        return picks

    def settle(self, outcomes: Sequence[Outcome]) -> list[Outcome]:
        """Decide on a round's outcomes, given in the order of its picks. Returns those that are kept."""
        kept = []
        for outcome in outcomes:
            source, tally = outcome.pick.source, self.tallies[outcome.pick.method]
            key = (outcome.pick.method, source.language)
            tally.made += 1
            reason = outcome.reason or self._objection(outcome, key)
            self._sound[key].append(not reason or reason == OVER_BUDGET)
            if outcome.chars:
                self._sizes[key].append((outcome.chars, source.chars))
            if reason:
                tally.rejected[reason] += 1
                self._taken.discard(source.chapter_id)
                continue
            self.left[key] -= outcome.chars
            self._digests.add(outcome.digest)
            tally.kept, tally.chars = tally.kept + 1, tally.chars + outcome.chars
            if outcome.similarity is not None:
                tally.similarities.append(outcome.similarity)
            kept.append(outcome)
        return kept

    def _objection(self, outcome: Outcome, key: Key) -> str:
        if outcome.digest in self._heldout:
            return IN_HELDOUT
        if outcome.digest in self._digests:
            return IN_TRAINING
        return OVER_BUDGET if outcome.chars > self.left[key] else ""

    def _expected(self, key: Key) -> tuple[float, float | None]:
        """Characters that a pick is worth, per character of its source, or for stories of each, as seen so far."""
        sizes, sound = self._sizes[key], self._sound[key]
        worth = max(LEAST_WORTH, sum(sound) / len(sound)) if sound else 1.0
        if key[0] == "synthetic":
            size = sum(made for made, _ in sizes) / len(sizes) if sizes else self._story_chars
            return worth, worth * size
        return worth * (sum(made for made, _ in sizes) / sum(of for _, of in sizes) if sizes else 1.0), None


def _in_order(sources: Sequence[Source], key: Key, seed: int) -> list[Source]:
    return ranked([s for s in sources if s.language == key[1]], key[0], seed)
