"""A small corpus artifact for the tests of labels, made without the corpus stage."""

from __future__ import annotations

import hashlib
import io

import pyarrow as pa
import pyarrow.parquet as pq

from novelray.storage import Artifact, Artifacts, Plan

SCHEMA = {
    "chapter_id": pa.string(), "book": pa.string(), "genre": pa.string(), "title": pa.string(), "index": pa.int32(),
    "text": pa.large_string(), "chars": pa.int32(), "language": pa.string(), "split": pa.string(),
    "digest": pa.string(), "scenes": pa.list_(pa.int32()), "perspective": pa.string(), "origin": pa.string(),
}  # fmt: skip
BOOKS = {"jianghu": "武侠", "xueshan": "武侠", "huayuan": "言情"}
SCENE = "少年提剑下山，𠮷先生问道：“你去哪里？”少年不答。\n" * 12


def text_of(book: str, index: int) -> str:
    return f"第{index + 1}章\n{book} {index}\n" + SCENE + "* * *\n" + SCENE + "* * *\n" + SCENE


def chapter(book: str, index: int, origin: str = "") -> dict:
    text = text_of(book, index)
    sha = hashlib.sha256(book.encode()).hexdigest()[:12]
    scenes = [0, *(at for at in range(1, len(text)) if text.startswith("* * *\n", at))]
    return {
        "chapter_id": f"{sha}:{index:05d}", "book": book, "genre": BOOKS[book], "title": f"第{index + 1}章",
        "index": index, "text": text, "chars": len(text), "language": "zh", "split": "train",
        "digest": hashlib.sha256(text.encode()).hexdigest()[:32], "scenes": scenes,
        "perspective": "first person", "origin": origin,
    }  # fmt: skip


def corpus(artifacts: Artifacts, inputs: dict, section: dict, chapters: int = 4) -> Artifact:
    """Three books of that many chapters, and one chapter that augmentation made."""
    draft = artifacts.begin(Plan("corpus", 1, inputs, section))
    rows = [chapter(book, index) for book in sorted(BOOKS) for index in range(chapters)]
    out = io.BytesIO()
    rows.append({**chapter("jianghu", 0, "synonyms"), "chapter_id": "0a0a0a0a0a0a:00000"})
    pq.write_table(pa.Table.from_pylist(rows, schema=pa.schema(SCHEMA)), out)
    draft.write("chapters/00000.parquet", out.getvalue())
    return draft.commit({"chapters": len(rows)})
