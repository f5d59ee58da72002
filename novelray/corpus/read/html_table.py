"""Which elements of HTML are blocks, and what in a document is no text of the book, as data."""

from __future__ import annotations

import re

BLOCKS = frozenset(
    """
    address article aside blockquote body center dd details dialog div dl dt fieldset figure footer header hgroup li
    main ol p pre section summary table tbody tfoot thead tr ul h1 h2 h3 h4 h5 h6 hr
    """.split()  # noqa: SIM905
)
LEFT_OUT = frozenset(
    """
    head script style nav noscript template svg math form button select textarea input iframe object embed audio video
    canvas map footer figcaption title meta link rp rt -comment
    """.split()  # noqa: SIM905
)
NESTED = BLOCKS - frozenset("p li dd dt tr td th body hr".split()) | {"span"}  # noqa: SIM905
"""Elements that stay open until they are closed; the others end where the next one begins."""
VOID = frozenset("area base br col embed hr img input link meta param source track wbr".split())  # noqa: SIM905
CLASSES_LEFT_OUT = re.compile(
    r"(?:^|[\s_-])(?:pagenum|pageno|page-?number|pagebreak|caption|figcenter|figleft|figright|fnanchor|noteref|"
    r"footnote-?ref|sr-only)(?:$|[\s_-])",
    re.I,
)
ROLES_LEFT_OUT = frozenset(("noteref", "doc-noteref", "pagebreak", "doc-pagebreak", "toc", "doc-toc", "navigation"))
HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.I)
NOTE_NUMBER = re.compile(r"\s*\[?[0-9*†‡]{1,4}\]?\s*")
CHARSET = re.compile(
    rb"<meta[^<>]{0,200}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_:.-]{2,40})|"
    rb"<\?xml[^<>]{0,100}encoding=[\"']([A-Za-z0-9_.-]{2,40})"
)
UNUSUAL = frozenset(("punycode", "idna", "unicode_escape", "unicode-escape", "raw_unicode_escape", "utf-7", "utf_7"))
"""Names of Python's that no document means."""
MEANT = {
    "iso-8859-1": "cp1252", "latin-1": "cp1252", "latin1": "cp1252", "ascii": "cp1252", "us-ascii": "cp1252",
    "gb2312": "gb18030", "gbk": "gb18030", "gb_2312-80": "gb18030", "x-gbk": "gb18030", "big5": "big5hkscs",
}  # fmt: skip
"""What a charset's name means in practice, as browsers have it."""
