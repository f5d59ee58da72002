"""A text as paragraphs and what stands between them, and which paragraphs belong together.

A paragraph is a line, or where a text is set with lines of a fixed length and blank lines between its paragraphs, what
stands between two blank lines.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

BLANK_SHARE = 20
_LINE = re.compile(r"(\n\s*)")
_BLANK = re.compile(r"(\n[^\S\n]*\n\s*)")

_QUOTE = re.compile(r"[“「『\"]")
_OTHER_SPEECH = re.compile(r"[曰道云说說][:：]|^(?:——|—|–|- )|(?:^|(?<=\s))[‘'](?=\w)")
_OPEN_END = tuple(":：,，、;；—–-")
_CLOSED = re.compile(r"[。！？!?…．.~～*＊][”’」』》）)\"'\]\s]*$")

_LEADS_ZH = """
    他 她 它 牠 祂 他们 她们 它们 他們 她們 它們 此 其 这 這 那 彼 于是 於是 但 可是 可惜 然而 然后 然後 而 却 卻
    不过 不過 因此 因为 因為 所以 接着 接著 随后 隨後 随即 隨即 之后 之後 后来 後來 那么 那麼 只见 只見 只听 只聽
    又 再 便 遂 乃 果然 原来 原來 当下 當下 忽 正 说着 說著 说罢 說罢 說罷 话说 話說 却说 卻說 且说 且說 言罢 言罷
    闻言 聞言 听罢 聽罷 次日 翌日 第二天 第二日 次早 次晨 当晚 當晚 当夜 當夜 是夜 这时 這時 此时 此時 过了 過了
    不久 不一会 不一會 不一时 不一時 半晌 良久 一时 一時 少时 少時 片刻 须臾 須臾 立刻 马上 馬上 终于 終於 最后
    最後 同时 同時 另外 况且 況且 何况 何況 否则 否則 如此 既然 虽然 雖然 尽管 儘管 反而 反正 总之 總之 总算 總算
    甚至 并且 並且 而且 此外 与此 與此 众人 眾人 二人 两人 兩人 三人
"""
_LEADS_EN = """
    he she it they him her his hers its their theirs them this that these those such same and but or nor so yet
    then however nevertheless nonetheless therefore thus hence meanwhile still moreover besides furthermore
    otherwise instead indeed accordingly consequently afterwards afterward later next presently soon suddenly
    immediately finally eventually thereupon whereupon upon when after before having until since because although
    though both neither either another again there here now thereafter once
"""
_LED = re.compile(
    rf"[\s“「『\"‘']*(?:(?:{'|'.join(sorted(_LEADS_ZH.split(), key=len, reverse=True))})"
    rf"|(?:at last|at length|at once|in the meantime|the next|the following|the (?:other|latter|former)|by this|by then"
    rf"|with (?:this|that)|on (?:this|that)|{'|'.join(_LEADS_EN.split())})\b)",
    re.IGNORECASE,
)


def has_blank_lines(text: str) -> bool:
    """Whether a text's paragraphs are divided by blank lines and may themselves have several lines."""
    return text.count("\n\n") * BLANK_SHARE > text.count("\n")


def split_paragraphs(text: str, blank: bool) -> tuple[list[str], list[str]]:
    """Paragraphs p and gaps g with text = g[0] + p[0] + g[1] + ... + p[n-1] + g[n]; indents belong to the gaps."""
    core = text.strip()
    if not core:
        return [], [text]
    start = len(text) - len(text.lstrip())
    parts = (_BLANK if blank else _LINE).split(core)
    return parts[::2], [text[:start], *parts[1::2], text[start + len(core) :]]


def join_paragraphs(paragraphs: Sequence[str], gaps: Sequence[str]) -> str:
    """The inverse of `split_paragraphs`."""
    return gaps[0] + "".join(p + g for p, g in zip(paragraphs, gaps[1:], strict=True))


def is_speech(paragraph: str) -> bool:
    """Whether a paragraph holds speech: a quotation mark, a verb of saying with a colon, a leading dash."""
    return (_QUOTE.search(paragraph) or _OTHER_SPEECH.search(paragraph)) is not None


def blocks(paragraphs: Sequence[str]) -> list[list[int]]:
    """Paragraphs by number, in groups that have to stay together and in order.

    Speech stays with the speech before it, also across one paragraph of narration; a paragraph that begins with a
    pronoun, a connective or a time that refers back stays with the one before; one that ends open takes the next.
    """
    speech = [is_speech(p) for p in paragraphs]
    last = len(paragraphs) - 1
    talk = [s or (0 < i < last and speech[i - 1] and speech[i + 1]) for i, s in enumerate(speech)]
    found: list[list[int]] = []
    for i, paragraph in enumerate(paragraphs):
        if i and ((talk[i] and talk[i - 1]) or _LED.match(paragraph) or _is_open(paragraphs[i - 1])):
            found[-1].append(i)
        else:
            found.append([i])
    return found


def _is_open(paragraph: str) -> bool:
    end = paragraph[-12:]
    return end.endswith(_OPEN_END) or _CLOSED.search(end) is None
