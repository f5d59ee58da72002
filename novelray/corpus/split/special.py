"""Headings without a number: prologues and extra chapters that are story, and notes that are not."""

from __future__ import annotations

import re


def _words(*lines: str) -> list[str]:
    return " ".join(lines).split()


STORY_WORDS = _words(
    "楔子 序章 序曲 序幕 引子 引言 引首 缘起 緣起 尾声 尾聲 终章 終章 末章 终曲 大结局 大結局",
    "番外 外传 外傳 间章 間章 幕间 幕間",
)
NOTE_WORDS = _words(
    "自序 原序 代序 总序 總序 序言 序文 序 前言 弁言 凡例 导读 導讀 导言 導言 题记 題記 后记 後記 后序 後序 后语 後語",
    "跋 附录 附錄 译后记 譯後記 译序 譯序 译者序 譯者序 译者前言 译者的话 譯者的話 译者注 编后记 編後記 编者按 編者按",
    "编者的话 編者的話 出版说明 出版說明 作者的话 作者的話 作者有话说 作者有話說 作者按 致读者 致讀者 致谢 致謝",
    "鸣谢 鳴謝 内容简介 內容簡介 内容提要 作者简介 作者簡介 上架感言 完本感言 完结感言 完結感言",
)
_ANNOUNCING = _words("请假 請假 推荐 新书 关于 求 跪求 单章 停更 断更 感言 致 写在 月末 年终")
APPENDICES = ("附录", "附錄", "appendix")

STORY_ENGLISH = ("prologue", "epilogue", "interlude", "side story", "bonus chapter", "extra chapter")
NOTE_ENGLISH = (
    "preface", "foreword", "afterword", "introduction", "appendix", "acknowledgments", "acknowledgements",
    "author's note", "editor's note", "translator's note", "publisher's note", "transcriber's note",
    "about the author", "footnotes", "endnotes",
)  # fmt: skip

FIRST_HANZI = "".join(sorted({word[0] for word in (*STORY_WORDS, *NOTE_WORDS, *_ANNOUNCING)}))


def _spellings(word: str) -> tuple[str, str, str]:
    return word.upper(), word.title().replace("'S", "'s"), word.capitalize()


ENGLISH_WORDS = sorted(
    {s for word in (*STORY_ENGLISH, *NOTE_ENGLISH) for s in _spellings(word)}
    | {"THE END", "The End", "FINIS", "Finis", "END"}
)

_LONGEST_FIRST = {"key": len, "reverse": True}
_NUM = "[零〇一二三四五六七八九十百0-9]"
_ZH_STORY = re.compile(
    rf"((?:{'|'.join(sorted(STORY_WORDS, key=len, reverse=True))})[篇卷]?(?:[之·・]?{_NUM}{{1,4}}|[上中下])?)"
    rf"(?![\u4e00-\u9fff])([.:：、·・ \t\u3000—－()（）\[\]【】-]*)(.*)"
)
_ZH_NOTE = re.compile(
    rf"((?:{'|'.join(sorted(NOTE_WORDS, key=len, reverse=True))})[一二三四五六0-9]?)(?![\u4e00-\u9fff])"
    rf"([.:：、 \t\u3000—-]*)(.*)"
)
_EN = re.compile(
    rf"((?i:({'|'.join(STORY_ENGLISH)})(?:[ \t]+[0-9]{{1,3}})?|"
    r"preface|foreword|afterword|introduction|appendix|acknowledge?ments|"
    r"(?:(?:an? |the )?(?:author|editor|translator|publisher|transcriber)(?:['’]?s['’]?)? notes?)|about the author|"
    r"footnotes|endnotes))\b([.:\s—–-]*)(.*)"
)  # fmt: skip
_ANNOUNCEMENT = re.compile(
    r"(?:[（(【]?(?:请假|請假)(?:条|條|通知|说明|一天|两天|几天|单|了)?|"
    r".{0,6}(?:上架|完本|完结|完結|新书|月末|年终)感言.{0,4}|感言|"
    r"(?:推荐|推薦|推)(?:一本|两本|几本|朋友的?|一下)?(?:好友|基友|朋友)?的?(?:新|好)?(?:书|書|小说).{0,12}|"
    r"新书.{0,12}(?:发布|已发|上传|预告|推荐|求支持|开了|来了|通知)|"
    r"(?:关于)?.{0,6}(?:停更|断更|加更|更新|入V|入v|上架)(?:时间)?的?(?:通知|说明|公告|问题|事宜|那些事)|"
    r"(?:求|跪求)(?:月票|推荐票|票|订阅|首订|收藏|支持).{0,6}|"
    r"(?:单章|公告|通知|致歉|道歉|抱歉|作者的话|致读者|致书友|写在(?:最后|前面|后面|上架前|完本后)).{0,6})"
    r"[！!。.~～…）)】]*"
)
_PERHAPS_STORY = re.compile("^(?:公告|通知|致歉|道歉|抱歉)|[。…～~]$")  # as a line of its own; as a title it is none
_THE_END = re.compile(
    r"(?:THE END|The End|FINIS|Finis|END|"
    r"[（(【]?(?:全书完|全書完|全文完|全书终|全書終|全剧终|全劇終|大结局完|完结|完|终|終)[）)】]?)[.!。！]?"
)
SHORT_TITLE = 30


def special(line: str, alone: float) -> tuple[str, str] | None:
    """("extra" or "note", the word that says so) for a line that is a heading without a number."""
    found: tuple[str, re.Match[str]] | None = None
    if match := _ZH_STORY.fullmatch(line):
        found = "extra", match
    elif match := _ZH_NOTE.fullmatch(line):
        found = "note", match
    if found:
        rest = found[1][3]
        return (found[0], found[1][1]) if _is_title(rest) else None
    if is_announcement(line) and not _PERHAPS_STORY.search(line):
        return "note", "announcement"
    english = _EN.fullmatch(line)
    if english is None or alone < 1.0 or not english[1][0].isupper():
        return None
    word, separator, rest = english[1].lower(), english[3].strip(), english[4]
    is_production = "transcriber" in word and bool(separator)  # the note itself may follow
    prose = rest and (not english[3] or rest[0].islower() or rest.endswith((".", ",")) or len(rest) > SHORT_TITLE)
    if prose and not is_production:
        return None  # "Introduction that I had brought with me"
    return ("extra" if english[2] else "note"), word


def _is_title(rest: str) -> bool:
    return len(rest) <= SHORT_TITLE and not any(mark in rest for mark in "。；") and rest.count("，") <= 2


def is_announcement(title: str) -> bool:
    """Whether a web novel's chapter of this title only speaks to its readers (a day off, another book, votes)."""
    return len(title) <= SHORT_TITLE and bool(_ANNOUNCEMENT.fullmatch(title))


def is_the_end(line: str) -> bool:
    """Whether a line says that the story is over."""
    return len(line) <= 12 and bool(_THE_END.fullmatch(line))
