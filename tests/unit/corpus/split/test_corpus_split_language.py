"""The language of a text, by its script and its commonest words."""

from __future__ import annotations

import pytest

from novelray.corpus.language import language_of


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("那一日天色将晚，众人各自散去。", "zh"),
        ("卻說玄德引兵來到城下。", "zh"),
        ("He had not a word to say to anyone.", "en"),
        ("“It’s the café,” he said to her, “and it is not far.”", "en"),
        ("Il n'est pas dans la maison, et elle le sait.", "fr"),
        ("Er ist nicht zu Hause, und das ist der Grund.", "de"),
        ("No se sabe por qué, pero el hombre era más alto.", "es"),
        ("Il signore che non era con gli altri, ma come.", "it"),
        ("その日は雨が降っていました。", "ja"),
        ("그날은 비가 내렸다.", "ko"),
        ("В тот день шёл дождь.", "ru"),
        ("1914 — 1918 !!!", "und"),
        ("", "und"),
        ("xyzzy plugh frobnicate", "und"),
        ("他说 OK，然后走了，再也没有回来过。", "zh"),
        ("\ud800 broken and the rest of it is in English", "en"),
    ],
)
def test_languages_are_told_apart(text, language):
    assert language_of(text) == language
