"""How llama.cpp cuts text into words before it merges bytes: fixed rules by name, of which a file can name one.

A file has the vocabulary and the merges of a tokenizer, and not the rule by which it cuts words. So the rule is found
by trying: the one with which this very vocabulary gives the ids that its own tokenizer gives, on the sample stories and
on a text of hard cases.
"""

from __future__ import annotations

import json
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

import novelray

_ENGLISH = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|"
_WORDS = r"[^\r\n\p{L}\p{N}]?\p{L}+"
_MARKS = r"[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+"
_REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)"
_LLAMA3 = _ENGLISH + _WORDS + r"|\p{N}{1,3}" + _REST
_HAN = "[一-龥\u0800-一가-\ud7ff]+"
_CASED = (
    "A-Za-z\u00b5\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u01ba\u01bc-\u01bf\u01c4-\u0293\u0295-\u02af\u0370-\u0373"
    "\u0376\u0377\u037b-\u037d\u037f\u0386\u0388-\u038a\u038c\u038e-\u03a1\u03a3-\u03f5\u03f7-\u0481\u048a-\u052f"
    "\u0531-\u0556\u10a0-\u10c5\u13a0-\u13f5\u13f8-\u13fd\u1c90-\u1cba\u1cbd-\u1cbf\u1d00-\u1d2b\u1d6b-\u1d77"
    "\u1d79-\u1d9a\u1e00-\u1f15\u1f18-\u1f1d\u1f20-\u1f45\u1f48-\u1f4d\u1f50-\u1f57\u1f59\u1f5b\u1f5d"
    "\u1f5f-\u1f7d\u1f80-\u1fb4\u1fb6-\u1fbc\u1fbe\u1fc2-\u1fc4\u1fc6-\u1fcc\u1fd0-\u1fd3\u1fd6-\u1fdb"
    "\u1fe0-\u1fec\u1ff2-\u1ff4\u1ff6-\u1ffc\u2102\u2107\u210a-\u2113\u2115\u2119-\u211d\u2124\u2126\u2128"
    "\u212a-\u212d\u212f-\u2134\u2139\u213c-\u213f\u2145-\u2149\u214e\u2183\u2184\u2c00-\u2c7b\u2c7e-\u2ce4"
    "\u2ceb-\u2cee\u2cf2\u2cf3\ua640-\ua66d\ua680-\ua69b\ua722-\ua76f\ua771-\ua787\ua78b-\ua78e\uab70-\uabbf"
    "\ufb00-\ufb06\ufb13-\ufb17\uff21-\uff3a\uff41-\uff5a\U00010400-\U0001044f\U000104b0-\U000104d3"
    "\U000104d8-\U000104fb\U00010c80-\U00010cb2\U00010cc0-\U00010cf2\U000118a0-\U000118df\U0001e900-\U0001e943"
)
"""Letters that have a case, as DeepSeek-LLM's tokenizer lists them."""

RULES: dict[str, tuple[str, ...]] = {
    "gpt-2": (_GPT2,),
    "llama-bpe": (_LLAMA3,),
    "qwen2": (_ENGLISH + _WORDS + r"|\p{N}" + _REST,),
    "deepseek-llm": (
        r"[\r\n]", rf"\s?[{_CASED}]+", r"\s?[!-/:-~！-／：-～‘-‟\u3000-。]+", r"\s+$", _HAN, r"\p{N}+",
    ),
    "deepseek-coder": (r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", _HAN, r"\p{N}"),
    "deepseek-v3": (
        r"\p{N}{1,3}", "[一-龥\u3040-ゟ゠-ヿ]+",
        r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"
        r"| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    ),
    "smaug-bpe": (_LLAMA3,),
    "smollm": (r"\p{N}", _GPT2),
    "qwen35": (_ENGLISH + _MARKS + r"|\p{N}" + _REST.replace(r"\p{L}", r"\p{L}\p{M}"),),
}  # fmt: skip
"""`tokenizer.ggml.pre` → the expressions that cut a text, one after the other; those of llama.cpp's llama-vocab.cpp."""

WHOLE_WORDS = ("llama-bpe",)
"""Rules under which a word that is a token is that token, whatever the merges say."""

HARD = (
    "2024年3月15日，第１２３回。 She'd paid 1,234.56 for it—they're gone!\n\n  “他……走了？”「好」\r\n"
    "\tif x == 10:  # 注\nIt’s  three   spaces, ÀÉÎ naïve x\u0301y 🙂🚣 ﬁn. don't DON'T\n\n\n"
    "　　全角空格。A1b2C3 100000000 \u200b end  "
)


def nearest_rule(backend: Tokenizer) -> tuple[str, float]:
    """The rule that comes nearest to a tokenizer, and the share of tokens that are others with it (0: none).

    One that cuts the same words is taken first: with a vocabulary at hand others can give the same ids by chance.
    """
    texts, spec = probe(), json.loads(backend.to_str())
    own = [encoding.ids for encoding in backend.encode_batch(texts, add_special_tokens=False)]
    alike = [name for name in RULES if _cuts_alike(backend, spec, name, texts)]
    tried = {name: _share(spec, name, texts, own) for name in alike or RULES}
    best = min(tried, key=lambda name: tried[name])
    return best, tried[best]


def _cuts_alike(backend: Tokenizer, spec: dict[str, Any], rule: str, texts: list[str]) -> bool:
    """Whether a rule cuts the same words, and takes whole ones as tokens if and only if the tokenizer does."""
    ours, theirs = backend.pre_tokenizer, with_rule(spec, rule).pre_tokenizer
    if ours is None or bool(spec["model"].get("ignore_merges")) != (rule in WHOLE_WORDS):
        return False
    return all(ours.pre_tokenize_str(text) == theirs.pre_tokenize_str(text) for text in texts)


def _share(spec: dict[str, Any], rule: str, texts: list[str], own: list[list[int]]) -> float:
    """The share of the tokens of `own` that are others under a rule."""
    tried = [encoding.ids for encoding in with_rule(spec, rule).encode_batch(texts, add_special_tokens=False)]
    return sum(_changed(a, b) for a, b in zip(own, tried, strict=True)) / max(1, sum(map(len, own)))


def with_rule(spec: dict[str, Any], rule: str) -> Tokenizer:
    """The tokenizer of a `tokenizer.json` as llama.cpp runs it under a rule: no normaliser, nothing added."""
    splits = [{"type": "Split", "pattern": {"Regex": e}, "behavior": "Isolated", "invert": False} for e in RULES[rule]]
    bytes_ = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    model = {**spec["model"], "ignore_merges": rule in WHOLE_WORDS}
    cut = {"type": "Sequence", "pretokenizers": [*splits, bytes_]}
    return Tokenizer.from_str(
        json.dumps({**spec, "model": model, "normalizer": None, "pre_tokenizer": cut, "post_processor": None})
    )


def probe() -> list[str]:
    """Paragraphs of the sample stories in Chinese and English, with the line ends behind them, and the hard cases."""
    samples = Path(novelray.__file__).parent / "samples"
    stories = [text for path in sorted(samples.glob("*/*.txt")) if (text := _utf8(path))]
    return [HARD, *(part + "\n\n" for story in stories for part in story.split("\n\n")[::4])]


def _utf8(path: Path) -> str | None:
    """The text of a file in UTF-8; some of the samples are in other encodings, or damaged, on purpose."""
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError:
        return None


def _changed(own: list[int], other: list[int]) -> int:
    """How many tokens of `own` have no counterpart in `other`."""
    if own == other:
        return 0
    return len(own) - sum(block.size for block in SequenceMatcher(None, own, other, False).get_matching_blocks())
