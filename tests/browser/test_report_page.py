"""The report's page in a real Chromium: it shows what it should, runs nothing, fits, and can be read.

A harness page holds the report in frames of given widths and measures them from outside; the report has no script.
"""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from support.corpus_report import HOSTILE, full_report

from novelray.corpus.report import page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
]

FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--disable-dev-shm-usage",
    "--window-size=1400,1000",
]  # fmt: skip
LIGHT, DARK = 1, 0  # Chromium's preferredColorScheme
WIDTHS = (1280, 400)

MEASURE = Path(__file__).with_name("measure_report.js")


def looked_at(report, folder, scheme):
    """What Chromium shows of the page, per width and language."""
    frames = "".join(
        f'<iframe srcdoc="{html.escape(page(report, "zh"))}" style="width:{width}px;height:900px;border:0"></iframe>'
        for width in WIDTHS
    )
    harness = folder / f"harness-{scheme}.html"
    harness.write_text(
        f"<!doctype html><meta charset=utf-8><body>{frames}<script>{MEASURE.read_text('utf-8')}</script>", "utf-8"
    )
    command = [CHROMIUM, *FLAGS, f"--user-data-dir={folder / 'profile'}", "--dump-dom",
               f"--blink-settings=preferredColorScheme={scheme}", harness.as_uri()]  # fmt: skip
    done = subprocess.run(command, capture_output=True, timeout=120, check=True)
    told = re.search("RESULT(.*)END", done.stdout.decode(), re.S)
    assert told, done.stdout[-2000:]
    return json.loads(html.unescape(told[1]))


@pytest.fixture(scope="module")
def views(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    return {scheme: looked_at(full_report(), folder, scheme) for scheme in (LIGHT, DARK)}


def every(views):
    return [view for found in views.values() for view in found]


def test_the_page_fits_wide_and_narrow_screens_in_both_languages(views):
    for view in every(views):
        assert view["scroll"] <= view["width"], (view["width"], view["language"], view["beyond"][:5])
        assert not view["beyond"]
    assert all(view["boxes"] > 0 for view in every(views) if view["width"] == 400)


def test_the_language_is_switched_without_a_script(views):
    for view in every(views):
        shown = {"zh": "够用吗", "en": "Is it enough"}
        other = shown.pop("en" if view["language"] == "zh" else "zh")
        assert len(view["headings"]) == 12
        assert shown.popitem()[1] in view["headings"][0]
        assert other not in view["text"]


def test_a_title_with_a_script_is_shown_and_does_not_run(views):
    for view in every(views):
        assert HOSTILE[:40] in view["text"]
        assert "owned" not in view["title"]
        assert view["scripts"] == view["images"] == 0


def test_nothing_is_loaded(views):
    assert all(view["loaded"] == 0 for view in every(views))


def test_every_text_has_contrast_in_light_and_dark(views):
    for view in every(views):
        assert view["texts"] > 500
        assert not view["faint"], view["faint"][:5]
    assert views[LIGHT][0]["ground"] > 0.8
    assert views[DARK][0]["ground"] < 0.05


def test_every_chart_has_an_extent(views):
    for view in every(views):
        assert view["charts"] > 50
        assert not view["flat"], view["flat"][:5]
