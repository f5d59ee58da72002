"""From several people's answers to one: ground truth first, else what more than half of them said, else nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from novelray.corpus.labels.agreement import Verdict, same_name
from novelray.corpus.labels.kinds import Annotation, Span
from novelray.corpus.labels.stretches import agreed, contested
from novelray.recipe.labels import UTTERANCE, LayerSection

EXCERPT = 60  # characters of a text that a disagreement is shown with
UNRESOLVED = "none: no majority"


@dataclass(frozen=True)
class Resolved:
    """An answer that is used. Offsets are in the chapter; `agreement` is the share of annotators who gave it."""

    chapter_id: str
    layer: str
    kind: str
    label: str
    start: int
    end: int
    speaker: str
    addressee: str
    annotators: int
    agreement: float


@dataclass(frozen=True)
class Disagreement:
    """Annotators who said different things of one place, and what came of it."""

    layer: str
    about: str
    chapter_id: str
    start: int
    end: int
    values: dict[str, str]
    result: str
    excerpt: str


class Resolver:
    """Resolves the items of one layer; counts what became of them in `outcomes`."""

    def __init__(self, layer: LayerSection, verdicts: Mapping[str, Verdict]) -> None:
        self.layer, self._verdicts = layer, verdicts
        self.outcomes: Counter[str] = Counter()  # items by how they were settled
        self.resolved: list[Resolved] = []
        self.disagreements: list[Disagreement] = []

    def add(self, answers: Sequence[Annotation]) -> None:
        """Settle one item from everyone's answers to it."""
        truths = [one for one in answers if one.truth]
        before = len(self.disagreements)
        if self.layer.kind == "classification":
            self._classify(answers, truths or answers, bool(truths))
        else:
            self._mark(answers, truths or answers, bool(truths))
        differ = len(self.disagreements) > before
        how = "one annotator" if len(answers) == 1 else "disagreement" if differ else "agreement"
        self.outcomes["ground truth" if truths else how] += 1

    def _classify(self, answers: Sequence[Annotation], judges: Sequence[Annotation], truth: bool) -> None:
        item = answers[0].item
        if self.layer.multiple:
            questions = [{one.annotator: (label if label in one.choices else "") for one in answers}
                         for label in self.layer.labels]  # fmt: skip
        else:
            questions = [{one.annotator: min(one.choices) for one in answers}]
        names = {one.annotator for one in judges}
        for values in questions:
            value, share = _majority([v for who, v in values.items() if who in names])
            if len(set(values.values())) > 1:
                about = next(v for v in values.values() if v) if self.layer.multiple else self.layer.name
                self._disagree(answers, about, item.start, item.end, values, _result(value, truth))
            if value:
                self._use(value, Span(item.start, item.end, value), answers, share, truth)

    def _mark(self, answers: Sequence[Annotation], judges: Sequence[Annotation], truth: bool) -> None:
        if self.layer.kind == "dialogue":
            return self._speak(answers, judges, truth)
        for label in self.layer.labels:
            for start, end, share in self._stretches(answers, judges, truth, label):
                self._use(label, Span(start, end, label), answers, share, truth)

    def _stretches(
        self,
        answers: Sequence[Annotation],
        judges: Sequence[Annotation],
        truth: bool,
        about: str,
    ) -> list[tuple[int, int, float]]:
        """What the judges marked as `about`; the stretches on which the answers differ are listed."""
        item = answers[0].item
        bounds = item.start, item.end
        found = agreed([_marked(one, about) for one in judges], *bounds)
        marked = [_marked(one, about) for one in answers]
        for start, end in contested(marked, *bounds):
            values = {
                one.annotator: about if any(s.start < end and s.end > start for s in spans) else ""
                for one, spans in zip(answers, marked, strict=True)
            }
            kept = any(first < end and last > start for first, last, _ in found)
            self._disagree(answers, about, start, end, values, _result(about if kept else None, truth))
        return found

    def _speak(self, answers: Sequence[Annotation], judges: Sequence[Annotation], truth: bool) -> None:
        for start, end, share in self._stretches(answers, judges, truth, UTTERANCE):
            said = {one.annotator: span for one in answers if (span := _at(one.spans, start, end)) is not None}
            names = {one.annotator for one in judges}
            settled = {
                part: self._part(part, said, names, answers, (start, end), truth)
                for part in ("label", "speaker", "addressee")
            }
            if self._verdicts[UTTERANCE].used or truth:
                self._keep(settled["label"] or UTTERANCE, Span(start, end, **settled), answers, share)

    def _part(
        self,
        part: str,
        said: Mapping[str, Span],
        judges: set[str],
        answers: Sequence[Annotation],
        place: tuple[int, int],
        truth: bool,
    ) -> str:
        """The tone ("label"), speaker or addressee of an utterance that is used, else ""."""
        values = {who: getattr(span, part) for who, span in said.items()}
        value, _ = _majority([v for who, v in values.items() if who in judges], same_name)
        if len({same_name(v) for v in values.values()}) > 1:
            self._disagree(answers, "tone" if part == "label" else part, *place, values, _result(value, truth))
        verdict = self._verdicts.get(value or "" if part == "label" else part)
        return value if value and (truth or (verdict is not None and verdict.used)) else ""

    def _use(self, facet: str, span: Span, answers: Sequence[Annotation], share: float, truth: bool) -> None:
        if truth or self._verdicts[facet].used:
            self._keep(facet, span, answers, share)

    def _keep(self, label: str, span: Span, answers: Sequence[Annotation], share: float) -> None:
        self.resolved.append(
            Resolved(
                answers[0].item.chapter_id, self.layer.name, self.layer.kind, label, span.start, span.end,
                span.speaker, span.addressee, len(answers), round(share, 4),
            )
        )  # fmt: skip

    def _disagree(
        self,
        answers: Sequence[Annotation],
        about: str,
        start: int,
        end: int,
        values: Mapping[str, str],
        result: str,
    ) -> None:
        item = answers[0].item
        text = item.text[start - item.start : end - item.start]
        excerpt = " ".join(text[: 4 * EXCERPT].split())[:EXCERPT]
        self.disagreements.append(
            Disagreement(self.layer.name, about, item.chapter_id, start, end, dict(values), result, excerpt)
        )


def _majority(values: Sequence[str], same: Callable[[str], str] = str) -> tuple[str | None, float]:
    """The value that more than half gave, in its commonest spelling, and their share; None where there is none."""
    tally = Counter(same(value) for value in values)
    if not tally:
        return None, 0.0
    top, count = min(tally.items(), key=lambda one: (-one[1], one[0]))
    if 2 * count <= len(values):
        return None, count / len(values)
    spellings = Counter(value for value in values if same(value) == top)
    return min(spellings, key=lambda value: (-spellings[value], value)), count / len(values)


def _result(value: str | None, truth: bool) -> str:
    if value is None:
        return UNRESOLVED if not truth else "ground truth: nothing"
    return f"{'ground truth' if truth else 'majority'}: {value or 'nothing'}"


def _marked(one: Annotation, about: str) -> list[Span]:
    """A person's spans with a label; all of them for utterances, which have tones instead."""
    return [span for span in one.spans if about in (span.label, UTTERANCE)]


def _at(spans: Sequence[Span], start: int, end: int) -> Span | None:
    """The span that covers most of a stretch."""
    common = {span: min(span.end, end) - max(span.start, start) for span in spans}
    best = max(common, key=lambda span: (common[span], -span.start), default=None)
    return best if best is not None and common[best] > 0 else None
