"""The pieces that are made from the chapters of one file: the pure work of one task."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from novelray.corpus.augment.backtranslation import Translate, back_translate
from novelray.corpus.augment.check import (
    Limits,
    fault_of_copy,
    fault_of_meaning,
    fault_of_story,
    fault_of_translation,
    limits_of,
)
from novelray.corpus.augment.ngrams import sketch
from novelray.corpus.augment.paragraphs import has_blank_lines, split_paragraphs
from novelray.corpus.augment.piece import EXCERPT, INHERITED, STORY_INHERITED, excerpts, piece_id, table_of
from novelray.corpus.augment.reorder import reorder
from novelray.corpus.augment.similarity import Measure, Tfidf, copied
from novelray.corpus.augment.story import as_story, fill
from novelray.corpus.augment.synonyms import replace_words
from novelray.corpus.augment.thesaurus import Thesaurus
from novelray.corpus.dedup import text_digest
from novelray.recipe.augment import AugmentSection, MethodName, SyntheticSection

Row = dict[str, Any]
Write = Callable[[Sequence[str], Sequence[int]], list[str]]
CHARS_A_TOKEN = {"zh": 1, "ja": 1}
"""Characters that a token stands for at least; in alphabets 3."""


@dataclass(frozen=True)
class Tools:
    """What the methods draw on; each only where a method of the recipe needs it.

    `translators`: by language, there and back. `write`: prompts and seeds to stories. `measure`: of meaning, instead
    of TF-IDF.
    """

    thesaurus: Thesaurus = field(default_factory=Thesaurus)
    translators: Mapping[str, tuple[Translate, Translate]] = field(default_factory=dict)
    write: Write | None = None
    measure: Measure | None = None


def seed_of(seed: int, method: MethodName, chapter_id: str) -> int:
    """The 63-bit seed of a piece."""
    return xxhash.xxh3_64_intdigest(f"piece {seed} {method} {chapter_id}".encode()) >> 1


def make_unit(
    table: pa.Table,
    jobs: Sequence[tuple[MethodName, str]],
    section: AugmentSection,
    seed: int,
    longest: int,
    tools: Tools,
) -> pa.Table:
    """A piece, sound or rejected, for each (method, chapter id) of `jobs`, in their order; see piece.PIECES.

    `table`: the chapters of one file, all of them. `longest`: characters of a chapter, at most.
    """
    wanted = pa.array(sorted({chapter for _, chapter in jobs}), pa.string())
    chosen = table.filter(pc.is_in(table.column("chapter_id"), value_set=wanted)).to_pylist()
    chapters = {row["chapter_id"]: row for row in chosen}
    measure = tools.measure or Tfidf(_training_texts(table))
    made: dict[tuple[MethodName, str], Row] = {}
    for row in _stories(jobs, chapters, section, seed, tools, measure):
        made["synthetic", row["source"]] = row
    settings = {m.method: m for m in section.chosen}
    for method, chapter in jobs:
        if method != "synthetic":
            source = chapters[chapter]
            limits = limits_of(settings[method], tools.measure is not None, source["language"])
            changed = _changed(method, source, section, seed, tools)
            made[method, chapter] = _judged(method, changed, source, limits, longest, measure)
    return table_of([made[job] for job in jobs])


def _training_texts(table: pa.Table) -> list[tuple[str, str]]:
    train = table.filter(pc.equal(table.column("split"), "train"))
    return list(zip(train.column("text").to_pylist(), train.column("language").to_pylist(), strict=True))


def _changed(method: MethodName, chapter: Row, section: AugmentSection, seed: int, tools: Tools) -> Row:
    """The piece without its measures."""
    heading, scenes = _scenes(chapter)
    rng = random.Random(seed_of(seed, method, chapter["chapter_id"]))
    language, blank, kept = chapter["language"], has_blank_lines(chapter["text"]), 0
    if method == "reorder":
        scenes = reorder(scenes, blank, section.reorder.distance, rng)
    elif method == "synonyms":
        options = section.synonyms
        scenes = replace_words(scenes, language, tools.thesaurus, options.rate, options.dialogue, rng)
    else:
        pair = next(p for p in section.back_translation if p.language == language)
        limit = pair.max_tokens * CHARS_A_TOKEN.get(language, 3) * 3 // 4
        scenes, kept = back_translate(scenes, language, blank, *tools.translators[language], limit)
    starts = [0, *accumulate([len(heading) + len(scenes[0]), *map(len, scenes[1:-1])])][: len(scenes)]
    return {
        **{name: chapter[name] for name in INHERITED if name in chapter},
        **_identity(method, chapter["chapter_id"], seed), **_content(heading + "".join(scenes), "".join(scenes)),
        "scenes": starts, "untranslated": kept,
    }  # fmt: skip


def _scenes(chapter: Row) -> tuple[str, list[str]]:
    """The chapter's heading, which nothing changes, and the text of its scenes."""
    text, title = chapter["text"], chapter["title"]
    start = len(title) if title and text.startswith(title) else 0
    cuts = [start, *sorted({s for s in chapter.get("scenes") or () if start < s < len(text)}), len(text)]
    return text[:start], [text[a:b] for a, b in pairwise(cuts)]


def _identity(method: MethodName, source: str, seed: int) -> Row:
    number = f"{seed_of(seed, method, source):016x}"
    return {
        "chapter_id": piece_id(source, method), "split": "train", "origin": method, "source": source, "seed": number,
    }  # fmt: skip


def _content(text: str, body: str) -> Row:
    return {"text": text, "chars": len(text), "digest": text_digest(body) or text_digest(text)}


def _judged(method: MethodName, piece: Row, chapter: Row, limits: Limits, longest: int, measure: Measure) -> Row:
    """The piece with its measures, and why it is rejected."""
    text, source, language = piece["text"], chapter["text"], chapter["language"]
    if text == source:
        return {**piece, "text": "", "reason": "nothing to change"}
    reason = "longer than a chapter may be" if len(text) > longest else ""
    if method == "back_translation":
        reason = reason or fault_of_translation(text, source, language)
    similarity = round(measure(text, source, language), 4)
    same = round(copied(_paragraphs(text), _paragraphs(source)), 4)
    reason = reason or fault_of_copy(similarity, same, limits)
    before, after = excerpts(source, text)
    return {
        **piece, "text": "" if reason else text, "reason": reason, "similarity": similarity, "copied": same,
        "before": before, "after": after,
    }  # fmt: skip


def _paragraphs(text: str) -> list[str]:
    return split_paragraphs(text, has_blank_lines(text))[0]


def _stories(
    jobs: Sequence[tuple[MethodName, str]],
    chapters: Mapping[str, Row],
    section: AugmentSection,
    seed: int,
    tools: Tools,
    measure: Measure,
) -> list[Row]:
    """A story for each `synthetic` job; all are written at once. Whether one copies the corpus is looked at later."""
    asked = [chapters[chapter] for method, chapter in jobs if method == "synthetic"]
    if not asked:
        return []
    assert tools.write is not None
    prompts = [fill(section.synthetic.prompt, chapter, section.synthetic.opening_chars) for chapter in asked]
    seeds = [seed_of(seed, "synthetic", chapter["chapter_id"]) for chapter in asked]
    settings = next(m for m in section.chosen if m.method == "synthetic")
    rows = []
    for chapter, prompt, answer in zip(asked, prompts, tools.write(prompts, seeds), strict=True):
        text = as_story(answer, section.synthetic.max_chars)
        limits = limits_of(settings, tools.measure is not None, chapter["language"])
        row = _judged_story(text, chapter, section.synthetic, limits, measure)
        row |= _identity("synthetic", chapter["chapter_id"], seed)
        rows.append({**row, "prompt": prompt, "before": prompt[-EXCERPT:], "after": text[:EXCERPT]})
    return rows


def _judged_story(text: str, chapter: Row, options: SyntheticSection, limits: Limits, measure: Measure) -> Row:
    """The story with its measures, and why it is rejected."""
    language = chapter["language"]
    similarity = round(measure(text, chapter["text"], language), 4)
    reason = fault_of_story(text, language, options.min_chars, options.max_repetition)
    reason = reason or fault_of_meaning(similarity, limits)
    return {
        **{name: chapter[name] for name in STORY_INHERITED if name in chapter},
        **_content("" if reason else text, text), "title": chapter["book"], "scenes": [0], "reason": reason,
        "similarity": similarity, "sketch": [] if reason else sketch(text, language).tolist(),
    }  # fmt: skip
