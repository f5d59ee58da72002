"""Chapters, synonym lists and tiny models for the tests of augmentation."""

from __future__ import annotations

import random
from pathlib import Path

import pyarrow as pa

from novelray.corpus.augment.piece import table_of
from novelray.corpus.dedup import text_digest
from novelray.corpus.language import language_of
from novelray.corpus.schema import CHAPTERS

NARRATION = [
    "清晨的雾气从河面上慢慢升起来", "老桥下的水声比往常要轻一些",
    "渡口的船家已经开始收拾缆绳", "远处的山影渐渐露出了轮廓",
    "集市上的摊贩陆续摆出了货物", "茶馆门前的灯笼还没有来得及熄灭",
    "几只白鹭落在浅滩上安静地觅食", "石阶上的青苔被露水浸得发亮",
    "风里带着新米和柴火的香气", "学堂里传来了孩子们读书的声音",
    "药铺的伙计正在门口晾晒草药", "城墙根下的野菊花开得正好",
]  # fmt: skip
RETURNED = [
    "清晨的雾气慢慢从河面上升起", "老桥下的水声比平时轻一些",
    "渡口的船夫已经开始收拾绳索", "远处的山影渐渐露出了形状",
    "集市上的小贩陆续摆出了货品", "茶馆门前的灯笼还没有熄灭",
    "几只白鹭在浅滩上静静地觅食", "石阶上的青苔因为露水而发亮",
    "风里带着新米和柴火的味道", "学校里传来了孩子们念书的声音",
    "药铺的学徒正在门口晒草药", "城墙下的野菊花开得正好",
]  # fmt: skip
PIVOT = [
    "Mist rose slowly from the river.", "The water ran softly under the bridge.", "The ferrymen gathered their ropes.",
    "The hills came out of the dark.", "The traders laid out their goods.", "The lanterns were still burning.",
    "White egrets fed in the shallows.", "Moss shone with dew on the steps.", "The wind smelled of new rice.",
    "Children were reading in the school.", "The boy at the chemist's dried his herbs.", "Asters bloomed by the wall.",
]  # fmt: skip


HANZI = "".join(chr(code) for code in range(0x4E00, 0x5600))


def chapter(number: int, book: str = "河镇", split: str = "train", paragraphs: int = 12, **changes) -> dict:
    """A Chinese chapter of paragraphs of narration, each two sentences in an order of its own, with some dialogue."""
    lines = []
    for i in range(paragraphs):
        a, b = (number * 5 + i * 7) % 12, (number * 3 + i * 5 + number // 12) % 12
        lines.append(f"{NARRATION[a]}。{NARRATION[b]}。")
        if i == paragraphs // 2:
            lines += [f"“第{number}封信到了吗？”她问。", "“还没有。”他说。"]
    title = f"第{number}章 渡口"
    text = "\n".join([title, *lines])
    row = {
        "chapter_id": f"{book.encode().hex()[:12]:0<12}:{number:05d}", "book": book, "author": "某人", "genre": "乡土",
        "title": title, "index": number, "text": text, "chars": len(text), "language": language_of(text),
        "split": split, "digest": text_digest(text[len(title) :]), "scenes": [0],
    }  # fmt: skip
    return row | changes


def stranger(number: int, split: str = "heldout", changed: float = 0.0, hanzi: str = "", **changes) -> dict:
    """A Chinese chapter that its number decides, unlike any other, with a share of its characters changed."""
    rng, other = random.Random(number), random.Random(-1 - number)
    sentences = ["".join(rng.choices(hanzi or HANZI, k=rng.randint(8, 20))) for _ in range(60)]
    text = "。\n".join(sentences)
    text = "".join(other.choice(HANZI) if c.isalnum() and other.random() < changed else c for c in text)
    return chapter(number, split=split) | {
        "text": f"第{number}章 渡口\n{text}。", "chars": len(text) + len(f"第{number}章 渡口\n。"),
        "digest": text_digest(f"\n{text}。"),
    } | changes  # fmt: skip


def table(rows: list[dict]) -> pa.Table:
    """Rows as a table of chapters."""
    return table_of(rows).select(CHAPTERS.names).cast(CHAPTERS)


def synonyms(folder: Path) -> Path:
    """A list of synonyms for the words of `chapter`."""
    path = folder / "synonyms.txt"
    pairs = (
        "清晨=早晨 拂晓;慢慢=缓缓 徐徐;往常=平时;开始=着手;收拾=整理;渐渐=逐渐;轮廓=形状;陆续=相继;"
        "货物=货品;熄灭=熄掉;安静=宁静;香气=香味;声音=声响;门口=门前;远处=远方"
    )
    lines = ["# word<TAB>synonyms", *(pair.replace("=", "\t") for pair in pairs.split(";"))]
    path.write_text("\n".join(lines), "utf-8")
    return path


def tiny_translators(folder: Path) -> tuple[Path, Path]:
    """Two T5 models that know how to take the sentences of `chapter` into English, and back in other words."""
    from novelray.shards.tokenizer import save_tokenizer, train_bpe

    tokenizer = train_bpe([*NARRATION, *RETURNED, *PIVOT] * 4, 1200)
    full = [f"{sentence}。" for sentence in NARRATION]
    back = [f"{sentence}。" for sentence in RETURNED]
    for name, pairs in (("forward", zip(full, PIVOT, strict=True)), ("back", zip(PIVOT, back, strict=True))):
        if not (folder / name / "config.json").is_file():
            save_tokenizer(tokenizer, folder / name)
            _trained(tokenizer, list(pairs)).save_pretrained(folder / name)
    return folder / "forward", folder / "back"


def _trained(tokenizer, pairs):
    import torch
    from transformers import T5Config, T5ForConditionalGeneration

    torch.manual_seed(1)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # so small a model is slower on several, the more so on a busy machine
    config = T5Config(
        vocab_size=len(tokenizer), d_model=64, d_kv=16, d_ff=128, num_layers=1, num_heads=4, dropout_rate=0.0,
        pad_token_id=tokenizer.pad_token_id, eos_token_id=tokenizer.eos_token_id,
        decoder_start_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    model = T5ForConditionalGeneration(config)
    sources = tokenizer([s for s, _ in pairs], padding=True, return_tensors="pt")
    targets = tokenizer([t + tokenizer.eos_token for _, t in pairs], padding=True, return_tensors="pt")["input_ids"]
    labels = targets.masked_fill(targets == tokenizer.pad_token_id, -100)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(300):
        loss = model(input_ids=sources["input_ids"], attention_mask=sources["attention_mask"], labels=labels).loss
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if loss.item() < 0.002:
            break
    torch.set_num_threads(threads)
    return model.eval()
