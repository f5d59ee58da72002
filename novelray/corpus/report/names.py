"""What the facts' keys are called on the page, in Chinese and English."""

from __future__ import annotations

REMOVED = {
    "advertising": ("广告", "advertising"),
    "author_asks": ("求票求收藏的话", "the author's asking for votes"),
    "back": ("书后内容", "back matter"),
    "between": ("章节之间的空白", "blanks between chapters"),
    "blanks": ("空白", "blanks"),
    "carriage_returns": ("回车符（CR）", "carriage returns"),
    "cleaning": ("规范化与校正", "normalisation and correction"),
    "contents": ("目录", "tables of contents"),
    "control_characters": ("控制字符", "control characters"),
    "damaged": ("丢失字节的乱码", "text that has lost bytes"),
    "duplicates": ("重复的章节", "duplicate chapters"),
    "front": ("书前内容（扉页、前言）", "front matter"),
    "gutenberg": ("古腾堡计划的声明", "Project Gutenberg's notices"),
    "heading_marks": ("标题记号", "heading marks"),
    "headings": ("标题记号", "heading marks"),
    "illustrations": ("插图说明", "illustrations"),
    "italics": ("斜体记号", "signs of italics"),
    "licence": ("许可与版权声明", "licence texts"),
    "line_breaks": ("固定宽度的断行", "hard line breaks"),
    "markup": ("排版标记", "markup"),
    "note_anchors": ("注释编号", "note anchors"),
    "notes": ("前言、后记与注释", "prefaces, afterwords, notes"),
    "page_numbers": ("页码", "page numbers"),
    "page_turns": ("“下一页”之类的翻页字样", "links to the next page"),
    "privacy": ("个人信息", "personal data"),
    "repeated_titles": ("重复的书名", "repeated titles"),
    "quality": ("未过质量关的章节", "chapters below the quality gates"),
    "repeated": ("反复出现的标题", "headings that repeat"),
    "running_heads": ("页眉页脚", "running heads"),
    "short": ("过短的章节", "chapters that are too short"),
    "site_notices": ("网站声明", "notices of sites"),
    "unwrapping": ("接成段落的断行", "joined lines"),
    "urls": ("网址水印", "addresses of sites"),
    "volume": ("卷首标题", "volume headings"),
    "watermarks": ("网站水印", "site watermarks"),
}

_SITE = ("网站插入，不是作者的文字", "put in by a site, not the author's")
_PAGE = ("属于版面，不属于正文", "belong to the page, not to the text")
_LEGAL = ("不是小说正文，模型学到只会背诵", "not fiction; a model would learn it by heart")
_FORM = ("文件格式的记号，不是文字", "signs of the file format, no text")

WHY_REMOVED = {
    "advertising": _SITE,
    "author_asks": ("与故事无关", "has nothing to do with the story"),
    "back": ("最后一章之后的内容", "what stands after the last chapter"),
    "between": ("章节首尾的空行", "blank lines around chapters"),
    "carriage_returns": ("换行统一为 LF", "line ends are LF"),
    "damaged": ("原文已丢失，无法复原", "what it said is lost and cannot be known again"),
    "cleaning": ("字形、标点与空白统一后的长度变化", "what changes of signs and blanks did to the length"),
    "contents": ("章节名的清单，不是叙述", "a list of headings, no narrative"),
    "control_characters": ("不可见，也不是文字", "invisible, and no text"),
    "duplicates": ("同样的文字另有一份被保留", "another copy of the text is kept"),
    "front": ("第一章之前的内容", "what stands before the first chapter"),
    "gutenberg": _LEGAL,
    "heading_marks": _FORM,
    "headings": _FORM,
    "illustrations": ("图不在文本里", "the pictures are not in the text"),
    "italics": _FORM,
    "licence": _LEGAL,
    "line_breaks": ("断行已接成段落", "lines were joined to paragraphs"),
    "markup": _FORM,
    "note_anchors": _PAGE,
    "notes": ("不是故事", "no part of the story"),
    "page_numbers": _PAGE,
    "page_turns": _SITE,
    "privacy": ("按配方遮盖或删除", "masked or dropped, as the recipe says"),
    "repeated_titles": ("文件首尾的书名", "the title at the head and end of the file"),
    "quality": ("故事弧低于配方的下限", "their story arc is below the recipe's least"),
    "repeated": _PAGE,
    "running_heads": _PAGE,
    "short": ("字符数少于 corpus.min_chapter_chars", "fewer characters than corpus.min_chapter_chars"),
    "site_notices": _SITE,
    "unwrapping": ("断行已接成段落", "lines were joined to paragraphs"),
    "urls": _SITE,
    "watermarks": _SITE,
}

PERSPECTIVES = {
    "first person": ("第一人称", "first person"),
    "second person": ("第二人称", "second person"),
    "limited third": ("第三人称有限视角", "limited third person"),
    "omniscient third": ("第三人称全知视角", "omniscient third person"),
    "several voices": ("多重叙述者", "several voices"),
    "letters and diaries": ("书信与日记", "letters and diaries"),
}

GENRES = {
    "武侠": ("武侠", "wuxia"),
    "仙侠": ("仙侠", "xianxia"),
    "历史": ("历史", "historical (Chinese)"),
    "世情": ("世情", "manners"),
    "志怪": ("志怪", "tales of the strange"),
    "言情": ("言情", "romance (Chinese)"),
    "都市": ("都市", "city life"),
    "科幻": ("科幻", "science fiction (Chinese)"),
    "悬疑": ("悬疑", "mystery (Chinese)"),
    "恐怖": ("恐怖", "horror (Chinese)"),
    "romance": ("言情（英文）", "romance"),
    "mystery": ("悬疑（英文）", "mystery"),
    "science fiction": ("科幻（英文）", "science fiction"),
    "horror": ("恐怖（英文）", "horror"),
    "historical": ("历史（英文）", "historical"),
    "fantasy": ("奇幻", "fantasy"),
    "adventure": ("冒险", "adventure"),
}

RELATIONS = {
    "edition": ("同书的另一版本", "another edition"),
    "part": ("被另一本书收录", "contained in another book"),
    "overlap": ("部分内容相同", "partly the same"),
    "same": ("同一本书", "the same book"),
}

PAIR_KINDS = {
    "exact": ("完全相同", "the same"),
    "near": ("近似", "nearly the same"),
    "edition": ("同书的另一版本", "another edition's"),
    "contained": ("被包含", "contained"),
}

LANGUAGES = {"zh": ("中文", "Chinese"), "en": ("英文", "English")}

ARC_PARTS = {
    "setup": ("铺垫", "setup"),
    "conflict": ("冲突", "conflict"),
    "climax": ("高潮", "climax"),
    "resolution": ("结局", "resolution"),
    "continuity": ("连贯", "continuity"),
}

GATES = {
    "volume": ("训练文本量（词元）", "Volume (tokens)"),
    "commercial_mark": ("文本量 × 模型规模", "Text × model size"),
    "arc": ("故事弧完整度", "Story arc"),
    "style": ("文风距离", "Style distance"),
    "perspectives": ("叙事视角种类", "Perspectives"),
    "genres": ("题材种类", "Genres"),
    "curated": ("人工精选文本占比", "Human-curated text"),
}
GUIDE_GATES = frozenset({"volume", "commercial_mark", "style", "perspectives", "genres"})
"""The gates whose targets are the guide's."""
GATE_UNITS = {"volume": "tokens", "style": "share", "curated": "share", "perspectives": "count", "genres": "count"}

OBJECTIVES = {
    "style": ("通用小说文风", "general fiction style"),
    "genre": ("特定题材", "a genre"),
    "author": ("特定作者", "an author"),
}

METHODS = {
    "back_translation": ("回译", "back-translation"),
    "synonyms": ("同义词替换", "synonyms"),
    "reorder": ("段落重排", "paragraph reordering"),
    "synthetic": ("模型写作", "written by a model"),
}

LOOK = {
    "no_chapters": ("没有得到任何章节", "no chapter was found"),
    "one_piece": ("没有章节标记，整本作为一块", "no chapter marks: kept as one piece"),
    "low_confidence": ("分章把握低（{}）", "chapters not sure ({})"),
    "undecodable": ("有 {} 处无法解码", "{} places could not be decoded"),
    "torn_end": ("文件末尾断在一个字中间", "the file ends inside a character"),
    "low_kept": ("只保留了 {}", "only {} kept"),
    "style": ("文风不一致（距离 {}）", "style not consistent (distance {})"),
    "collection": ("没有贯穿的线索：像合集，或章序乱了", "no thread runs through: a collection, or out of order"),
    "arc": ("故事弧不完整（{}）", "story arc incomplete ({})"),
}


MEASURES = {
    "style_distance": ("文风距离", "style distance"),
    "style": ("文风距离", "style distance"),
    "arc": ("故事弧", "story arc"),
    "score": ("得分", "score"),
}

CHANGES = {
    "blank_lines": ("多余的空行", "blank lines too many"),
    "confusions": ("常见错别字", "common wrong characters"),
    "control_characters": ("控制字符", "control characters"),
    "hyphens_joined": ("行末断词接合", "words joined at line ends"),
    "indentation": ("段首缩进", "indentation"),
    "line_ends": ("换行符", "line ends"),
    "lines_joined": ("断行接成段落", "lines joined to paragraphs"),
    "mojibake": ("乱码修复", "wrongly decoded text mended"),
    "names_kept": ("因是人名地名而未改", "left alone because they are names"),
    "nfc": ("Unicode 规范化（NFC）", "Unicode form (NFC)"),
    "outer_blanks": ("首尾空白", "blanks at either end"),
    "punctuation": ("标点统一", "punctuation"),
    "script": ("简繁转换", "script (simplified, traditional)"),
    "special_spaces": ("特殊空格", "special spaces"),
    "spelling": ("英文拼写", "English spelling"),
    "trailing_blanks": ("行末空白", "blanks at line ends"),
    "zero_width": ("零宽字符", "zero-width characters"),
    "phone": ("电话号码", "phone numbers"),
    "email": ("电子邮箱", "e-mail addresses"),
    "id_number": ("身份证号", "ID numbers"),
    "passport": ("护照号", "passport numbers"),
    "bank_card": ("银行卡号", "bank cards"),
    "address": ("住址", "addresses"),
    "messenger": ("即时通信账号", "messenger ids"),
    "ip_address": ("IP 地址", "IP addresses"),
    "people": ("真实人名", "names of real persons"),
}
PRIVATE = frozenset(
    {"phone", "email", "id_number", "passport", "bank_card", "address", "messenger", "ip_address", "people"}
)

BATCHES = {"base": ("基础语料", "base"), "theme": ("专题补充", "theme"), "more": ("继续扩充", "more of all")}

MEASURES = {
    "style_distance": ("文风距离", "style distance"),
    "style": ("文风距离", "style distance"),
    "arc": ("故事弧", "story arc"),
    "score": ("得分", "score"),
}

RULES = {
    "none": ("无章节标记", "no marks"),
    "western": ("CHAPTER 加编号", "CHAPTER and a number"),
    "number": ("数字编号", "numbers"),
    "N": ("中文数字", "Chinese numerals"),
    "heading": ("格式中的标题", "the format's headings"),
    "listed": ("按目录", "as the contents list them"),
    "capitals": ("全大写标题", "headings in capitals"),
}
