"""A corpus report with something in every section, for the tests of the page. The figures are made up."""

from __future__ import annotations

import math
from typing import Any

HOSTILE = "<script>document.title='owned'</script>&\"'><img src=x onerror=alert(1)>"
LONG = "一本书名非常非常长以至于无论放在哪里都必须换行才能完整显示出来的小说"


def full_report() -> dict[str, Any]:
    """Every section filled."""
    books = [_book(*line) for line in _BOOKS]
    removed: dict[str, int] = {}
    for book in books:
        for kind, chars in book["removed_chars"].items():
            removed[kind] = removed.get(kind, 0) + chars
    duplicates = sum(book["duplicate_chars"] for book in books)
    read = sum(book["chars"] for book in books)
    kept = sum(book["kept_chars"] for book in books) - duplicates
    return {
        "name": "长夜书架",
        "novelray": "0.1.0",
        "books": books,
        "languages": {"zh": 700, "en": 310},
        "changes": {"punctuation": 48_213, "spaces": 9_120, "nfc": 311, "phone": 12, "email": 7, "id_number": 1},
        "privacy": {"phone": 12, "email": 7, "id_number": 1},
        "removed_chars": removed,
        "accounting": {
            "read": read,
            "removed": {**removed, "duplicates": duplicates},
            "kept": kept,
            "train": kept - 90_000,
            "heldout": 90_000,
        },
        "splits": {
            "train": {"chapters": 940, "chars": kept - 90_000, "books": 7},
            "heldout": {"chapters": 48, "chars": 90_000, "books": 7},
        },
        "heldout": {"by": "chapter", "share": 0.05},
        "quarantine": [
            {"book": "残卷", "file": "残卷.txt", "sha256": "0" * 64, "reason": "binary data, not text"},
            {"book": "pack", "file": "pack.zip", "sha256": "1" * 64, "reason": "would unpack to 9,000 MB: a bomb"},
        ],
        "look_at": [book["book"] for book in books if book["look"]],
        **_judged(),
        **_examples(),
        **_made(),
    }


_BOOKS: tuple[tuple[Any, ...], ...] = (
    ("长夜", "林一", "武侠", "zh", 812_000, 790_000, "回 (line)", 0.97, 0.11, 0.82, "omniscient third"),
    ("长夜-旧版", "林一", "武侠", "zh", 805_000, 771_000, "回 (inline)", 0.44, 0.12, 0.79, "omniscient third"),
    ("灯下集", "周二", "志怪", "zh", 420_500, 401_100, "none", 0.0, 0.24, 0.31, "several voices"),
    ("The Quiet Harbour", "A. W.", "romance", "en", 701_200, 640_900, "western (line)", 1.0, 0.09, 0.9, "first person"),
    ("Letters Home", "", "letters", "en", 390_000, 250_000, "western (line)", 0.7, 0.13, 0.66, "letters and diaries"),
    (LONG * 3, "", "", "zh", 99_000, 98_000, "章 (line)", 0.9, 0.08, 0.5, "limited third"),
    (HOSTILE, HOSTILE, HOSTILE, "en", 51_000, 50_000, "chapter (line)", 0.8, 0.1, 0.6, "first person"),
)  # fmt: skip


def _book(
    title: str, author: str, genre: str, language: str, chars: int, kept: int, rule: str, confidence: float,
    style: float, score: float, perspective: str,
) -> dict[str, Any]:  # fmt: skip
    gone, parts = chars - kept, ("setup", "conflict", "climax", "resolution")
    twin = title.endswith("旧版")
    return {
        "book": title, "file": f"{title[:20]}.txt", "title": title, "author": author, "genre": genre, "format": "txt",
        "encoding": "utf-8", "language": language, "languages": {language: 120}, "bytes": chars * 2, "tail_bytes": 0,
        "replaced": 0, "rule": rule, "confidence": confidence, "cut": 0, "short_chapters": 0,
        "numbering": ["13 missing before 第十四回"] if twin else [], "chapters": 120, "volumes": 2, "scenes": 360,
        "chars": chars, "kept_chars": kept, "duplicates": 118 if twin else 0,
        "duplicate_chars": kept - 9_000 if twin else 0, "heldout": 6,
        "removed_chars": {"gutenberg": gone // 2, "contents": gone // 3, "front": gone - gone // 2 - gone // 3},
        "changes": {"punctuation": 12}, "style_distance": style, "perspective": perspective,
        "arc": {**dict.fromkeys(parts, score), "continuity": 0.7, "total": score,
                "detail": {"tension": [math.sin(i / 9) + 1 for i in range(40)]}},
        "look": [{"code": "low_confidence", "value": confidence}] if twin else [],
    }  # fmt: skip


def _judged() -> dict[str, Any]:
    def gate(name: str, value: float, target: float, passed: bool | None, **detail: Any) -> dict[str, Any]:
        return {"name": name, "value": value, "target": target, "passed": passed, "explanation": f"About {name}.",
                "detail": {"better": "less" if name == "style" else "more", **detail}}  # fmt: skip

    told = {
        "first person": 210_000,
        "omniscient third": 420_000,
        "several voices": 80_000,
        "letters and diaries": 60_000,
    }
    genres = {"武侠": 900_000, "romance": 300_000}
    curated = {"curated": 250_000, "not": 100_000, "unknown": 900_000}
    growth = [
        {"batch": 1, "kind": "base", "tokens": 77_900_000, "at_most": 117_900_000},
        {"batch": 2, "kind": "theme", "tokens": 10_000_000, "perspective": "second person"},
        {"batch": 3, "kind": "theme", "tokens": 10_000_000, "genre": "new"},
        {"batch": 4, "kind": "more", "tokens": 5_000_000},
    ]
    books = {line[0]: 0.1 for line in _BOOKS}
    gates = [
        gate("arc", 0.74, 0.5, True, books=books, collections=["灯下集"]),
        gate("style", 0.11, 0.15, True, books=books, above=["灯下集"]),
        gate("perspectives", 4, 5, False, characters=told, missing=["second person", "limited third"]),
        gate("genres", 2, 3, False, characters=genres, guessed=["romance"]),
        gate("curated", 0.2, 0.0, True, characters=curated),
        gate("volume", 2_100_000, 80_000_000, False, objective="style", estimated=True, growth=growth),
        gate("commercial_mark", 0.0, 500.0, None, tokens=2_100_000),
    ]
    return {
        "objective": {"name": "style", "tokens": 2_100_000, "wanted": 80_000_000, "estimated": True, "enough": False},
        "gates": gates,
        "quality": {
            "style_target": 0.15, "arc_target": 0.5, "perspectives": told, "genres": genres, "curated": curated,
            "chapter_chars": {"edges": [0, 2_000, 4_000, 6_000], "counts": [120, 800, 68]},
        },
        "growth": {"batches": growth},
    }  # fmt: skip


def _examples() -> dict[str, Any]:
    passage = {
        "book": "灯下集",
        "chapter_id": "abc:00003",
        "title": "第三",
        "lang": "zh",
        "excerpt": "夜深，灯还亮着。",
    }
    return {
        "examples": {
            "changes": [{"book": "长夜", "before": "他说,“走吧.”", "after": "他说，“走吧。”"}],
        },
        "excerpts": {
            "worst": [{**passage, "score": 0.41, "measure": "style_distance", "why": "far from the rest of the book"}],
            "best": [{**passage, "score": 0.03, "measure": "style_distance", "why": "close", "why_zh": "与全书一致"}],
        },
        "duplicates": {
            "chapters": [
                {"removed": f"bbb:{i:05d}", "kept": f"aaa:{i:05d}", "kind": "near", "similarity": 0.99 - i / 500,
                 "book": "长夜-旧版", "kept_book": "长夜"} for i in range(118)
            ],
            "files": [{"removed": "copy.txt", "kept": "长夜.txt"}],
            "books": [{"kept": "长夜", "other": "长夜-旧版", "relation": "edition", "removed": 118, "share": 0.98,
                       "why": "curated by people"}],
        },
    }  # fmt: skip


def _made() -> dict[str, Any]:
    return {
        "augment": {
            "share": 0.5, "used": 0.31, "pieces": 91, "chars": 620_000,
            "languages": {"zh": {"original": 1_500_000, "allowed": 750_000, "augmented": 500_000},
                          "en": {"original": 500_000, "allowed": 250_000, "augmented": 120_000}},
            "methods": {
                "synonyms": {
                    "made": 90, "kept": 71, "rejected": {"its meaning changed": 19}, "chars": 500_000,
                    "mean_similarity": 0.93,
                    "examples": [{"source": "aaa:00001", "book": "长夜", "title": "第一回", "before": "他很高兴。",
                                  "after": "他很快活。", "similarity": 0.9}],
                },
                "reorder": {"made": 20, "kept": 20, "rejected": {}, "chars": 120_000, "examples": []},
            },
        },
        "labels": {
            "min_kappa": 0.6, "labelled_chapters": 12,
            "layers": [{
                "layer": "mood", "kind": "classification", "items": 40, "annotators": ["a", "b"], "used": True,
                "labels": [
                    {"label": "sad", "given": 30, "mean": 0.81, "pairs": 1, "used": True, "reason": "mean kappa 0.81"},
                    {"label": "odd", "given": 9, "mean": 0.2, "pairs": 1, "used": False,
                     "reason": "mean kappa 0.20 is below 0.60"},
                ],
                "kappa": [{"label": "sad", "annotators": ["a", "b"], "common": 40, "kappa": 0.81, "agreement": 0.9},
                          {"label": "odd", "annotators": ["a", "b"], "common": 40, "kappa": 0.2, "agreement": 0.6}],
            }],
            "disagreements": [{"layer": "mood", "about": "mood", "chapter_id": "aaa:00001", "start": 0, "end": 9,
                               "values": {"a": "sad", "b": "odd"}, "result": "none: no majority",
                               "excerpt": "雨停了。"}],
            "disagreements_total": 7,
        },
    }  # fmt: skip
