"""The Grafana dashboard shows what the endpoint measures: each name and label in it exists, nothing is left out."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from novelray.endpoint.metrics import METRICS

FILE = Path(__file__).parents[3] / "cluster" / "grafana" / "novelray.json"
KNOWN = {f"ray_{m.name}": m for m in METRICS}
SERIES = re.compile(r"(ray_novelray_\w+?)(_bucket|_sum|_count)?(?:\{([^}]*)\}|(?=[\[,)\s]|$))")


@pytest.fixture(scope="module")
def dashboard():
    return json.loads(FILE.read_text())


@pytest.fixture(scope="module")
def expressions(dashboard):
    return [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]


def test_every_metric_and_label_in_the_dashboard_exists(dashboard, expressions):
    queries = [v["query"] for v in dashboard["templating"]["list"] if v["type"] == "query"]
    for expression in (*expressions, *queries):
        found = SERIES.findall(expression)
        assert len(found) == expression.count("ray_novelray_"), expression
        for name, part, labels in found:
            metric = KNOWN[name]
            assert bool(part) == (metric.kind == "histogram"), expression
            used = re.findall(r"(\w+)[!=]", labels) + re.findall(r"by \((\w+)\)", expression)
            assert set(used) <= {*metric.labels, "le"}, expression
            if metric.kind == "counter" and expression in expressions:
                assert re.search(rf"(rate|increase)\({name}", expression), "a counter alone only ever rises"


def test_every_metric_has_its_place_in_the_dashboard(expressions):
    shown = {name for expression in expressions for name, _, _ in SERIES.findall(expression)}
    assert shown == set(KNOWN)


def test_panels_are_told_apart_and_do_not_overlap(dashboard):
    places = [(p["gridPos"]["x"], p["gridPos"]["y"]) for p in dashboard["panels"]]
    ids = [p["id"] for p in dashboard["panels"]]
    assert len(set(places)) == len(set(ids)) == len(places)


def test_names_and_buckets_are_as_prometheus_wants_them():
    for metric in METRICS:
        assert metric.name.endswith("_total") == (metric.kind == "counter")
        assert bool(metric.buckets) == (metric.kind == "histogram")
        assert list(metric.buckets) == sorted(set(metric.buckets))
