"""Small charts as SVG: bars, a stacked bar, histograms, curves. Colours are classes of the style sheet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from novelray.corpus.report.html import Html, join, tag


@dataclass(frozen=True)
class Bar:
    """A bar with its label, its number as shown, and the class that colours it."""

    label: Any
    value: float
    shown: str
    colour: str = "c0"  # "gap": nothing is there, and something should be


def picture(width: float, height: float, label: str, *shapes: Any, stretch: bool = False, class_: str = "") -> Html:
    """An SVG of the given coordinates that is as wide as its place; `stretch` lets its height stay."""
    return tag(
        "svg", tag("title", label), *shapes, viewBox=f"0 0 {_n(width)} {_n(height)}", role="img", aria_label=label,
        class_=class_ or None, preserveAspectRatio="none" if stretch else None,
    )  # fmt: skip


def strip(share: float, label: str, colour: str = "c0", target: float | None = None) -> Html:
    """A flat bar filled to `share` (0 to 1), with a tick at `target`."""
    if colour == "gap":
        frame = tag("rect", x=1, y=1, width=998, height=8, class_="gap")
        return picture(1000, 10, label, frame, stretch=True, class_="strip")
    shapes = [
        tag("rect", width=1000, height=10, class_="track"),
        tag("rect", width=_n(1000 * _within(share)), height=10, class_=colour),
    ]
    if target is not None:
        shapes.append(tag("rect", x=_n(min(994, 1000 * _within(target))), width=6, height=10, class_="tick"))
    return picture(1000, 10, label, *shapes, stretch=True, class_="strip")


def bars(items: Sequence[Bar], caption: str, top: float | None = None, target: float | None = None) -> Html:
    """Horizontal bars as a table: label, bar, number. `top`: the value of a full bar, else the largest."""
    full = top or max((bar.value for bar in items), default=0) or 1
    lines = [
        tag(
            "tr",
            tag("th", bar.label, scope="row"),
            tag("td", strip(bar.value / full, bar.shown, bar.colour, None if target is None else target / full)),
            tag("td", bar.shown, class_="num"),
        )
        for bar in items
    ]
    return tag("table", tag("caption", caption), tag("tbody", *lines), class_="bars")


def stacked(items: Sequence[Bar], label: str) -> Html:
    """One bar divided among items, each as wide as its share."""
    total = sum(max(0.0, bar.value) for bar in items) or 1
    at, shapes = 0.0, []
    for bar in items:
        width = 1000 * max(0.0, bar.value) / total
        if width > 0:
            named = tag("title", f"{bar.label} {bar.shown}")
            shapes.append(tag("rect", named, x=_n(at), width=_n(max(width, 1)), height=36, class_=bar.colour))
        at += width
    return picture(1000, 36, label, *shapes, stretch=True, class_="stacked")


@dataclass(frozen=True)
class Axis:
    """A histogram's bins: `edges` has one number more than `counts`; `ticks` are places with what stands there."""

    edges: Sequence[float]
    ticks: Sequence[tuple[float, str]]
    target: tuple[float, str] | None = None


def histogram(axis: Axis, counts: Sequence[int], label: str, titles: Sequence[str]) -> Html:
    """Counts per bin; bars beyond the target have another colour, and a dashed line marks it."""
    width, height, floor, roof = 440.0, 190.0, 164.0, 20.0
    low, high, top = axis.edges[0], axis.edges[-1], max(counts, default=0) or 1

    def place(value: float) -> float:
        return 34 + (width - 44) * (value - low) / ((high - low) or 1)

    shapes = [tag("line", x1=34, x2=width - 10, y1=_n(y), y2=_n(y), class_="grid") for y in (roof, (floor + roof) / 2)]
    for start, end, count, title in zip(axis.edges, axis.edges[1:], counts, titles, strict=False):
        if count:
            tall = max(1.5, (floor - roof) * count / top)
            beyond = axis.target is not None and start >= axis.target[0]
            wide = max(1.0, place(end) - place(start) - 1)
            rect = {"x": _n(place(start)), "y": _n(floor - tall), "width": _n(wide), "height": _n(tall)}
            shapes.append(tag("rect", tag("title", title), class_="beyond" if beyond else "c0", **rect))
    shapes.append(tag("line", x1=34, x2=width - 10, y1=floor, y2=floor, class_="axis"))
    shapes += [_label(30, roof + 4, f"{top:,}", "end"), _label(30, floor, "0", "end")]
    for at, shown in axis.ticks:
        last = place(at) > width - 30
        shapes.append(_label(width - 6 if last else place(at), floor + 17, shown, "end" if last else "middle"))
    if axis.target is not None:
        at, shown = place(axis.target[0]), axis.target[1]
        anchor = "end" if at > width * 0.6 else "start"
        shapes.append(tag("line", x1=_n(at), x2=_n(at), y1=8, y2=floor, class_="target"))
        shapes.append(_label(at + (-5 if anchor == "end" else 5), 14, shown, anchor, "mark"))
    return picture(width, height, label, *shapes, class_="histogram")


def curve(values: Sequence[float], label: str) -> Html:
    """A small curve from the first value to the last, on its own scale from 0 (or the lowest value, if below)."""
    low, high = min(0.0, *values), max(values)
    span, step = (high - low) or 1, 200 / max(1, len(values) - 1)
    points = [f"{_n(i * step)},{_n(46 - 42 * (v - low) / span)}" for i, v in enumerate(values)]
    line = " ".join(points)
    return picture(
        200, 48, label, tag("polygon", points=f"0,48 {line} 200,48", class_="area"),
        tag("polyline", points=line, class_="line"), stretch=True, class_="curve",
    )  # fmt: skip


def legend(items: Sequence[tuple[str, Any]]) -> Html:
    """Coloured squares with their names."""
    return tag("p", join(tag("span", tag("i", class_=f"key {c}"), label) for c, label in items), class_="legend")


def _label(x: float, y: float, shown: str, anchor: str, class_: str | None = None) -> Html:
    return tag("text", shown, x=_n(x), y=_n(y), text_anchor=anchor, class_=class_)


def _within(share: float) -> float:
    return min(1.0, max(0.0, share))


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
