"""From a corpus to the files that annotators import: which texts, for whom, in which tool's format."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from heapq import nsmallest
from itertools import combinations
from pathlib import Path
from typing import Literal

from novelray.corpus.labels import tasks
from novelray.corpus.labels.attach import Attached
from novelray.corpus.labels.kinds import Item
from novelray.corpus.labels.pieces import assigned, pieces, rank, spread
from novelray.corpus.labels.source import ChapterText, metas, texts
from novelray.corpus.labels.tasks import Text
from novelray.errors import CorpusError
from novelray.recipe.labels import LabelsSection, LayerSection
from novelray.storage import Artifact

Tool = Literal["label-studio", "doccano"]
Stretch = tuple[str, int, int]  # chapter id, start, end


@dataclass(frozen=True)
class Wanted:
    """What is asked for: a layer, how many texts, for whom, and how many of them twice."""

    layer: LayerSection
    count: int
    annotators: tuple[str, ...] = ()
    overlap: float = 0.2
    prefill: bool = True


def choose(artifact: Artifact, wanted: Wanted, section: LabelsSection, attached: Attached, seed: int) -> list[Text]:
    """Texts to show, in the order in which they should be judged; fewer than asked for where there are no more.

    Genres and books take turns. Left out are texts already judged in this layer and, for a layer that comes after
    another, those on which the annotators of that one have not agreed.
    """
    key = f"labels {seed} {wanted.layer.name}"
    allowed = _allowed(wanted.layer, attached)
    order = [one for one in spread(list(metas(artifact)), key) if allowed is None or one in allowed]
    eligible = _Eligible(artifact, section, wanted.layer, allowed, attached.judged(wanted.layer.name))
    first = order[: wanted.count]
    each = -(-wanted.count // len(first)) if first else 0
    drawn = (text for mine in eligible.by_chapter(first) for text in sorted(mine, key=_rank(key))[:each])
    found = _in_order(list(drawn), order, key)[: wanted.count]
    if len(found) < wanted.count:  # chapters judged before, or too short to be cut into as many: take any others
        eligible.done |= {text.item.key for text in found}
        rest = (text for mine in eligible.by_chapter(order) for text in mine)
        found += nsmallest(wanted.count - len(found), rest, key=_rank(key))
    return _in_order(found, order, key)


def _in_order(found: Sequence[Text], order: Sequence[str], key: str) -> list[Text]:
    """First one text of every chapter, in the order of the chapters, then the second of those that have two, ..."""
    place = {chapter: at for at, chapter in enumerate(order)}
    rounds: Counter[str] = Counter()
    keyed = []
    for text in sorted(found, key=_rank(key)):
        chapter = text.item.chapter_id
        keyed.append((rounds[chapter], place[chapter], text))
        rounds[chapter] += 1
    return [text for _, _, text in sorted(keyed, key=lambda one: one[:2])]


def _allowed(layer: LayerSection, attached: Attached) -> dict[str, list[Stretch]] | None:
    """The stretches, by chapter, on which the earlier layer was settled as this one asks; None: any."""
    if not layer.after:
        return None
    name, sign, label = layer.after.partition("=")
    found: dict[str, list[Stretch]] = {}
    for result in attached.layers:
        for row in result.resolved:
            if row.layer == name and (not sign or row.label == label):
                whole = result.layer.kind == "classification"
                place = (row.start, row.end) if whole else _item_of(result.items, row.chapter_id, row.start)
                found.setdefault(row.chapter_id, []).append((row.chapter_id, *place))
    return found


def _item_of(items: Sequence[Item], chapter_id: str, start: int) -> tuple[int, int]:
    """The item that a labelled stretch lies in."""
    item = next(i for i in items if i.chapter_id == chapter_id and i.start <= start < i.end)
    return item.start, item.end


@dataclass
class _Eligible:
    """Which texts of a corpus may be shown."""

    artifact: Artifact
    section: LabelsSection
    layer: LayerSection
    allowed: dict[str, list[Stretch]] | None
    done: set[Stretch]

    def by_chapter(self, ids: Sequence[str]) -> Iterator[list[Text]]:
        """The texts of each of these chapters."""
        for chapter in texts(self.artifact, set(ids)):
            shown = _shown(self.artifact.id, chapter, self.section, self.layer)
            yield [text for text in shown if text.item.key not in self.done and self._covered(text.item)]

    def _covered(self, item: Item) -> bool:
        if self.allowed is None:
            return True
        return any(start <= item.start and item.end <= end for _, start, end in self.allowed[item.chapter_id])


def _shown(corpus: str, chapter: ChapterText, section: LabelsSection, layer: LayerSection) -> Iterator[Text]:
    guess = next((g for g in (chapter.perspective, chapter.genre) if g in layer.labels), "")
    limit = len(chapter.text) if layer.unit == "chapter" else section.piece_chars
    scenes = () if layer.unit == "chapter" else chapter.scenes
    for start, end in pieces(chapter.text, scenes, max(limit, 1)):
        text = chapter.text[start:end]
        item = Item(corpus, chapter.chapter_id, chapter.digest, len(chapter.text), start, end, text)
        yield Text(item, chapter.book, chapter.title, guess)


def _rank(key: str) -> Callable[[Text], tuple[int, Stretch]]:
    return lambda text: (rank(key, "{}:{}:{}".format(*text.item.key)), text.item.key)


def files_for(found: Sequence[Text], tool: Tool, wanted: Wanted, section: LabelsSection) -> dict[str, bytes]:
    """File name → content: a file for each annotator, or one for all, and the set-up of the tool's project."""
    layer = wanted.layer
    shares = dict(assigned(found, wanted.annotators, wanted.overlap)) if wanted.annotators else {"": list(found)}
    files: dict[str, bytes] = {}
    for person, mine in shares.items():
        name = f"{layer.name}-{person}" if person else layer.name
        if tool == "label-studio":
            files[f"{name}.json"] = tasks.label_studio_tasks(mine, layer, wanted.prefill)
        else:
            files[f"{name}.jsonl"] = tasks.doccano_rows(mine, layer, section, wanted.prefill)
    if tool == "label-studio":
        files[f"{layer.name}.config.xml"] = tasks.label_studio_config(layer)
        return files
    files[f"{layer.name}.labels.json"] = tasks.doccano_label_types(tasks.doccano_labels(layer))
    if layer.kind == "dialogue":
        files[f"{layer.name}.relations.json"] = tasks.doccano_label_types(("speaker", "addressee"))
    return files


def most_common(found: Sequence[Text], wanted: Wanted) -> int:
    """How many of the texts the two annotators get who share the most."""
    keys = [{text.item.key for text in mine} for _, mine in assigned(found, wanted.annotators, wanted.overlap)]
    return max((len(one & other) for one, other in combinations(keys, 2)), default=0)


def check_people(people: Sequence[str]) -> tuple[str, ...]:
    """The names, which become part of file names. Raises CorpusError for one that cannot, or is there twice."""
    for person in people:
        if not re.fullmatch(r"[^\W_][\w.-]{0,39}", person):
            raise CorpusError(f"{person!r} cannot be part of a file's name.", "Use letters, digits, dots and dashes.")
    if len(set(people)) < len(people):
        raise CorpusError("An annotator is named twice.", "Name each once with --annotator.")
    return tuple(people)


def write_new(folder: Path, files: dict[str, bytes]) -> list[Path]:
    """Write the files. Raises CorpusError when one of them is there, for someone may be working with it."""
    there = [name for name in files if (folder / name).exists()]
    if there:
        raise CorpusError(
            f"{folder / there[0]} is there already, and someone may be working with it.",
            "Name another folder with --out.",
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            (folder / name).write_bytes(data)
    except OSError as error:
        raise CorpusError(f"Nothing can be written to {folder}: {error.strerror}.", "Name another folder.") from None
    return [folder / name for name in files]
