"""Volume and growth; what was set aside; what is held out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from novelray.corpus.report import names
from novelray.corpus.report.charts import Bar, bars, stacked
from novelray.corpus.report.html import Html, clip, items, join, mapping, number, rows, tag
from novelray.corpus.report.sections.common import (
    Nothing,
    block,
    explanation,
    guide_badge,
    objective_name,
    paragraph,
)  # fmt: skip
from novelray.corpus.report.tables import Column, cut, table
from novelray.corpus.report.translate import told
from novelray.corpus.report.words import Words

LINES = 100


def volume(report: Mapping[str, Any], w: Words) -> Html | Nothing:
    """Tokens against the minimum, and the batches that lead there."""
    growth, objective = mapping(report.get("growth")), mapping(report.get("objective"))
    tokens = number(objective.get("tokens", growth.get("tokens")))
    wanted = number(objective.get("wanted", growth.get("wanted")))
    if tokens is None or not wanted:
        return Nothing(w("没有词元数，无法与目标比较。", "No number of tokens to hold against an objective."))
    return join([_bars(tokens, wanted, objective, report, w), _batches(growth, tokens, w)])


def _bars(
    tokens: float,
    wanted: float,
    objective: Mapping[str, Any],
    report: Mapping[str, Any],
    w: Words,
) -> Html:
    shown = [Bar(w("训练文本", "training text"), tokens, w.count(tokens), "c0")]
    aim = objective_name(report, w)
    shown.append(Bar(w(f"目标“{aim}”的下限", f"least for {aim or 'the objective'}"), wanted, w.count(wanted), "c8"))
    rates = mapping(objective.get("chars_per_token"))
    told = w.listed([f"{w.name(names.LANGUAGES, key)} {w.score(rate)}" for key, rate in rates.items()])
    how = w(f"词元数按每词元字符数估算：{told}。", f"Tokens are estimated from characters per token: {told}.")
    rest = paragraph(how, class_="note") if told else None
    chart = bars(shown, w("词元", "Tokens"))
    return block(w("词元与下限", "Tokens and the minimum"), chart, paragraph(guide_badge(w), class_="note"), rest)


def _batches(growth: Mapping[str, Any], tokens: float, w: Words) -> Html | None:
    batches = rows(growth.get("batches"))
    if not batches:
        return None
    columns = [
        Column(w("批次", "Batch")), Column(w("内容", "What"), wide=True), Column(w("词元", "Tokens"), numeric=True),
        Column(w("累计", "Total"), numeric=True),
    ]  # fmt: skip
    at, lines, parts = tokens, [], [Bar(w("现有", "now"), tokens, w.big(tokens), "c0")]
    for place, batch in enumerate(batches, 1):
        size, most = number(batch.get("tokens")) or 0, number(batch.get("at_most"))
        at += size
        what = _theme(batch, w)
        count = w.count(size) + (w(f"，至多 {w.count(most)}", f", at most {w.count(most)}") if most else "")
        lines.append([w.count(batch.get("batch", place)), what, count, w.count(at)])
        parts.append(Bar(what, size, w.big(size), f"c{1 + (place - 1) % 7}"))
    heading = w("分批扩充", "Growing in batches")
    intro = w("先补足基础语料，再按缺少的视角与题材专题补充。",
              "First a base, then batches for the perspectives and genres that are missing.")  # fmt: skip
    shown = table(columns, lines[:LINES], heading)
    return block(heading, stacked(parts, heading), shown, paragraph(guide_badge(w), class_="note"), intro=intro)


def _theme(batch: Mapping[str, Any], w: Words) -> str:
    """What a batch is of."""
    name = w.name(names.BATCHES, batch.get("kind", "more"))
    if batch.get("perspective"):
        return name + w("：", ": ") + w.name(names.PERSPECTIVES, batch["perspective"])
    if batch.get("genre"):
        new = w("一个新题材", "a new genre")
        return name + w("：", ": ") + (new if batch["genre"] == "new" else w.name(names.GENRES, batch["genre"]))
    return name


def quarantine(report: Mapping[str, Any], w: Words) -> Html | Nothing:
    """What could not be read, why, and what to do."""
    found = rows(report.get("quarantine"))
    if not found:
        return Nothing(w("所有文件都读进来了。", "Every file was read."))
    columns = [
        Column(w("文件", "File")),
        Column(w("原因", "Reason"), wide=True),
        Column(w("怎么办", "What to do"), wide=True),
    ]
    lines = ([_file(q), told(q.get("reason"), w, 300), remedy(q, w)] for q in found[:LINES])
    intro = w("这些文件没有进入语料；其余照常处理。", "These files are not in the corpus; all others are.")
    heading = w("被隔离的文件", "Files set aside")
    shown = table(columns, lines, heading)
    return join([paragraph(intro, class_="intro"), shown, cut(w, min(len(found), LINES), len(found))])


def _file(item: Mapping[str, Any]) -> Html:
    member = item.get("member")
    return join(
        [clip(item.get("file") or item.get("book") or "?", 120), tag("small", clip(member, 120)) if member else None]
    )


REMEDIES = (
    (("encrypt", "password"), "去掉密码后重新放上书架。", "Put it on the shelf without its password."),
    (("binary", "not text", "no text"), "确认它是一本书；如是扫描件，打开 corpus.read.ocr。",
     "Check that it is a book; for scanned pages set corpus.read.ocr."),
    (("decod", "encoding"), "用 corpus.read.encoding 指明编码，或另存为 UTF-8。",
     "Name its encoding in corpus.read.encoding, or save it as UTF-8."),
    (("bomb", "unpack", "larger than"), "确认来源可信后再提高 corpus.read.max_unpacked_mb。",
     "Raise corpus.read.max_unpacked_mb only if you trust where it comes from."),
    (("truncat", "damaged", "corrupt", "cut off", "broken"), "重新下载或重新导出。", "Fetch or export it again."),
    (("permission", "denied"), "给运行者读取权限。", "Give the account that runs this the right to read it."),
    (("empty",), "删去它，或换上完整的文件。", "Remove it, or put the whole file in its place."),
    (("scan", "ocr", "image"), "安装 novelray[ocr] 并打开 corpus.read.ocr。",
     "Install novelray[ocr] and set corpus.read.ocr."),
    (("name", "path", "outside"), "压缩包内的路径不安全，请重新打包。", "Pack it again without such paths."),
)  # fmt: skip


def remedy(item: Mapping[str, Any], w: Words) -> str:
    """What to do about a file that was set aside: what is given, else what its reason suggests."""
    given = explanation(item, "what_to_do", w)
    if given:
        return given
    reason = str(item.get("reason", "")).lower()
    for signs, zh, en in REMEDIES:
        if any(sign in reason for sign in signs):
            return w(zh, en)
    return w("修好或移走这个文件，再运行一次。", "Mend or remove the file, then run again.")


def heldout(report: Mapping[str, Any], w: Words) -> Html | Nothing:
    """How much is kept out of training, and how it was chosen."""
    splits, facts = mapping(report.get("splits")), mapping(report.get("heldout"))
    if not splits:
        return Nothing(w("没有划分。", "No split was made."))
    columns = [
        Column(w("部分", "Split")), Column(w("书", "Books"), numeric=True), Column(w("章", "Chapters"), numeric=True),
        Column(w("字符", "Characters"), numeric=True), Column(w("占比", "Share"), numeric=True),
    ]  # fmt: skip
    whole = sum(number(mapping(split).get("chars")) or 0 for split in splits.values()) or 1
    named = {"train": w("训练", "train"), "heldout": w("留出", "held out")}
    lines = (
        [named.get(key, key), w.count(mapping(s).get("books")), w.count(mapping(s).get("chapters")),
         w.count(mapping(s).get("chars")), w.share((number(mapping(s).get("chars")) or 0) / whole)]
        for key, s in splits.items()
    )  # fmt: skip
    heading = w("训练与留出", "Train and held out")
    return join([_choice(facts, w), table(columns, lines, heading)])


def _choice(facts: Mapping[str, Any], w: Words) -> Html:
    by, share = facts.get("by"), number(facts.get("share"))
    said = w(
        "留出的文字从不参与训练与增强，只用于测量。",
        "Held-out text is never trained on or augmented; it is there to measure.",
    )
    if by == "book":
        books = [clip(book, 60) for book in items(facts.get("books"))[:20]]
        said += (
            w("整本留出", " Whole books are held out")
            + (w("：", ": ") + w.listed(books) if books else "")
            + w("。", ".")
        )
    elif by == "chapter" and share is not None:
        said += w(f"每本书留出 {w.share(share)} 的章。", f" {w.share(share)} of the chapters of each book.")
    return paragraph(said, class_="intro")
