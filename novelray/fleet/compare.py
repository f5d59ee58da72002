"""Runs against each other as one HTML page: losses by step and by tokens, what was set differently, losses by genre and
author. Nothing outside the page and no script; it looks like the corpus report."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from novelray.corpus.report.charts import picture
from novelray.corpus.report.html import Html, join, tag
from novelray.corpus.report.style import STYLE
from novelray.fleet.runs import cells
from novelray.telemetry.runs import Point, Run

COLOURS = 7
WIDTH, HEIGHT, LEFT, RIGHT, TOP, FLOOR = 620.0, 360.0, 52.0, 14.0, 12.0, 322.0
DOTS, STROKES = 60, 300  # the most points drawn of a held-out and of a training curve
SETTLED = 0.1  # share of a run after which its losses are all to be seen: they begin far above the rest
OWN_STYLE = """
.losses{height:auto}.losses text{font:12px var(--sans);fill:var(--soft)}
.losses polyline{fill:none;stroke-linejoin:round}.training{stroke-width:1.2;opacity:.5}.heldout{stroke-width:2.2}
.dashed{stroke-dasharray:7 4}
#runs th,#runs td{padding:7px;min-width:0}#runs tbody th{min-width:150px}
""" + "".join(f".s{n}{{stroke:var(--c{n})}}" for n in range(COLOURS))
HEADINGS = ("run", "name", "model", "stage", "method", "steps", "held-out loss", "perplexity", "tokens/s", "MFU",
            "memory", "last event", "state")  # fmt: skip
NUMBERS = range(5, 11)


def page(runs: Sequence[Run]) -> str:
    """The page for these runs; each keeps its colour all over it."""
    head = tag(
        "head", tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", http_equiv="Content-Security-Policy", content="default-src 'none'; style-src 'unsafe-inline'"),
        tag("title", "Runs compared"), tag("style", Html(STYLE + OWN_STYLE)),
    )  # fmt: skip
    drawn = [chart(runs, lambda p: p.step, "steps"), chart(runs, lambda p: p.tokens, "trained tokens")]
    sections = [
        ("runs", "The runs", _table(HEADINGS, [_row(number, run) for number, run in enumerate(runs)], NUMBERS)),
        ("loss", "Loss, in nats per token", join([_how_to_read(), tag("div", *drawn, class_="columns")])),
        ("settings", "Settings that differ", _settings(runs)),
        ("genre", "Held-out loss by genre", _groups(runs, "by_genre")),
        ("author", "Held-out loss by author", _groups(runs, "by_author")),
    ]
    main = tag(
        "main", *(tag("section", tag("h2", title), content, id=key) for key, title, content in sections if content)
    )
    header = tag("header", tag("h1", tag("small", "NovelRay"), "Runs compared"))
    return "<!doctype html>\n" + tag("html", head, tag("body", header, main), lang="en") + "\n"


def label_of(run: Run) -> str:
    """A run's name for people."""
    return " ".join(filter(None, (run.name, run.stage))) or run.id


def chart(runs: Sequence[Run], place: Callable[[Point], int], unit: str) -> Html | None:
    """Training and held-out loss of all runs over steps or tokens; None where no run knows its place there."""
    points = [p for run in runs for p in (*run.training, *run.heldout) if place(p)]
    if not points:
        return None
    right = max(map(place, points))
    low, high = _range(runs)

    def x(value: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * value / right

    def y(loss: float) -> float:
        return FLOOR - (FLOOR - TOP) * (loss - low) / (high - low)

    clip = f"inside-{unit.split()[-1]}"
    frame = tag("rect", x=LEFT, y=0, width=WIDTH - LEFT, height=FLOOR + 4)
    curves = [shape for n, run in enumerate(runs) for shape in _curves(n, run, place, x, y)]
    label = f"Loss by {unit}"
    return picture(
        WIDTH, HEIGHT, label, tag("clipPath", frame, id=clip), *_axes(x, y, right, (low, high), unit),
        tag("g", *curves, clip_path=f"url(#{clip})"), class_="losses",
    )  # fmt: skip


def _curves(
    number: int, run: Run, place: Callable[[Point], int], x: Callable[[float], float], y: Callable[[float], float]
) -> Iterable[Html]:
    style = f"s{number % COLOURS}" + (" dashed" if number >= COLOURS else "")
    for points, kind, most in ((run.training, "training", STROKES), (run.heldout, "heldout", DOTS)):
        placed = thinned([(place(p), p.loss) for p in points if place(p)], most)
        line = " ".join(f"{x(at):.1f},{y(loss):.1f}" for at, loss in placed)
        if line:
            yield tag("polyline", tag("title", f"{label_of(run)}, {kind}"), points=line, class_=f"{kind} {style}")
    for p in run.heldout[:: -(-len(run.heldout) // DOTS) or 1]:
        if place(p):
            said = f"{label_of(run)}: held-out loss {p.loss:.4f} after {p.step:,} steps, {p.tokens:,} tokens"
            at = {"cx": f"{x(place(p)):.1f}", "cy": f"{y(p.loss):.1f}"}
            yield tag("circle", tag("title", said), r=3, class_=f"c{number % COLOURS}", **at)


def thinned(points: Sequence[tuple[int, float]], most: int) -> list[tuple[float, float]]:
    """At most so many points: the means of equal parts of the curve."""
    size = -(-len(points) // most) or 1
    parts = (points[i : i + size] for i in range(0, len(points), size))
    return [(sum(p[0] for p in part) / len(part), sum(p[1] for p in part) / len(part)) for part in parts]


def _range(runs: Sequence[Run]) -> tuple[float, float]:
    """The losses between which the curves are drawn, with a little room."""
    shown: list[float] = []
    for run in runs:
        points = [*run.training, *run.heldout]
        shown += [p.loss for p in points if p.step > SETTLED * run.step] or [p.loss for p in points]
    low, high = min(shown), max(shown)
    room = 0.04 * (high - low) or 0.1
    return low - room, high + room


def _axes(
    x: Callable[[float], float], y: Callable[[float], float], right: float, losses: tuple[float, float], unit: str
) -> Iterable[Html]:
    for value in ticks(*losses, 6):
        yield tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=f"{y(value):.1f}", y2=f"{y(value):.1f}", class_="grid")
        yield tag("text", f"{value:.4g}", x=LEFT - 7, y=f"{y(value) + 4:.1f}", text_anchor="end")
    yield tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=FLOOR, y2=FLOOR, class_="axis")
    for value in ticks(0, right, 6):
        last = x(value) > WIDTH - RIGHT - 24
        anchor = "end" if last else "middle"
        yield tag("text", short(value), x=f"{WIDTH - 2 if last else x(value):.1f}", y=FLOOR + 17, text_anchor=anchor)
    yield tag("text", unit, x=(WIDTH + LEFT) / 2, y=HEIGHT - 4, text_anchor="middle")


def ticks(low: float, high: float, most: int) -> list[float]:
    """Round numbers from `low` to `high`, at most about so many."""
    rough = (high - low) / most
    power = 10.0 ** _exponent(rough)
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    first = -(-low // step)
    return [round((first + i) * step, 10) for i in range(int((high - first * step) / step + 1e-9) + 1)]


def _exponent(value: float) -> int:
    return int(f"{value:e}".partition("e")[2])


def short(value: float) -> str:
    """1500000 → 1.5 M."""
    for size, name in ((1e9, " B"), (1e6, " M"), (1e3, " K")):
        if value >= size:
            return f"{value / size:.3g}{name}"
    return f"{value:.3g}"


def _how_to_read() -> Html:
    return tag(
        "p", "Thick lines with dots are the held-out loss, thin lines the training loss. Point at a dot for its value. "
        "The first steps may lie above the picture.", class_="intro",
    )  # fmt: skip


def _row(number: int, run: Run) -> list[Any]:
    key = tag("i", class_=f"key c{number % COLOURS}")
    first, *rest = cells(run)
    return [join([key, first]), *rest, run.state]


def _settings(runs: Sequence[Run]) -> Html | None:
    names = dict.fromkeys(name for run in runs for name in run.settings)
    differ = [n for n in names if len({str(run.settings.get(n)) for run in runs}) > 1]
    if not differ:
        return None
    return _table(("setting", *_heads(runs)), [[n, *(run.settings.get(n, "") for run in runs)] for n in differ])


def _groups(runs: Sequence[Run], kind: str) -> Html | None:
    """A row per genre or author, at the last validation of each run."""
    found = [run.groups.get(kind, {}) for run in runs]
    names = list(dict.fromkeys(name for groups in found for name in groups))
    if not names:
        return None
    lines = [[n, *(f"{g[n]['loss']:.4f}" if n in g else "" for g in found)] for n in names]
    return _table((kind.removeprefix("by_"), *_heads(runs)), lines, range(1, len(runs) + 1))


def _heads(runs: Sequence[Run]) -> list[Html]:
    keys = (tag("i", class_=f"key c{number % COLOURS}") for number in range(len(runs)))
    return [join([key, f"{label_of(run)} ({run.id[-6:]})"]) for key, run in zip(keys, runs, strict=True)]


def _table(heads: Sequence[Any], lines: Sequence[Sequence[Any]], numbers: Iterable[int] = ()) -> Html:
    right = set(numbers)

    def cell(place: int, value: Any) -> Html:
        if place == 0:
            return tag("th", value, scope="row")
        return tag("td", value, class_="num" if place in right else None)

    top = tag(
        "tr", *(tag("th", head, scope="col", class_="num" if n in right else None) for n, head in enumerate(heads))
    )
    body = (tag("tr", *(cell(place, value) for place, value in enumerate(line))) for line in lines)
    return tag("div", tag("table", tag("thead", top), tag("tbody", *body)), class_="scroll", tabindex="0")
