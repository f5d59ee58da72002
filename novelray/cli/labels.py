"""`novelray labels`: texts for annotators out, their answers back, and how far they agree."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from novelray.cli.options import AsJson, Overrides, RecipeArgument

if TYPE_CHECKING:
    from rich.table import Table

    from novelray.corpus.labels.attach import Attached, LayerResult
    from novelray.recipe import Recipe
    from novelray.recipe.labels import LayerSection
    from novelray.storage import Artifact, Artifacts

app = typer.Typer(help="Annotation: export to Label Studio or Doccano, measure agreement.", no_args_is_help=True)

MAX_PAIRS = 6  # pairs of annotators that get a column each
CorpusOption = Annotated[str, typer.Option("--corpus", metavar="ID", help="A corpus, instead of the recipe's.")]


def add_to(parent: typer.Typer) -> None:
    """Add the verbs as `labels ...`."""
    parent.add_typer(app, name="labels", rich_help_panel="Stages")


@app.command()
def export(
    recipe: RecipeArgument,
    to: Annotated[Literal["label-studio", "doccano"], typer.Option(help="The annotation tool.")] = "label-studio",
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the files.")] = Path("annotation"),
    layer: Annotated[str, typer.Option("--layer", "-l", help="A layer of corpus.labels.layers; the first.")] = "",
    sample: Annotated[int, typer.Option(min=1, help="How many texts.")] = 100,
    annotator: Annotated[list[str] | None, typer.Option(help="A file for this person. Repeatable.")] = None,
    overlap: Annotated[float, typer.Option(min=0, max=1, help="Share of the texts that two annotators get.")] = 0.2,
    prefill: Annotated[
        bool | None,
        typer.Option(
            help="With our own guesses to correct. In Doccano they count as answers, so there the default is no."
        ),
    ] = None,
    corpus: CorpusOption = "",
    overrides: Overrides = None,
) -> None:
    """Write texts for annotators: fairly drawn from genres and books, of about a scene each."""
    from novelray.corpus.labels.export import Wanted, check_people, choose, files_for, most_common, write_new
    from novelray.corpus.labels.source import corpus_of
    from novelray.fleet.console import say

    loaded = _load(recipe, overrides)
    asked, people = _layer(loaded, layer), check_people(annotator or ())
    artifact = corpus_of(loaded, _artifacts(loaded), corpus)
    wanted = Wanted(asked, sample, people, overlap, to == "label-studio" if prefill is None else prefill)
    attached = _attached(loaded, artifact)
    found = choose(artifact, wanted, loaded.corpus.labels, attached, loaded.seed)
    if not found:
        raise _nothing(asked, attached)
    for path in write_new(out, files_for(found, to, wanted, loaded.corpus.labels)):
        say(f"labels: wrote {path}")
    fewer = f", {sample - len(found)} fewer than asked for: there are no more" if len(found) < sample else ""
    say(f"labels: {len(found)} texts of {len({t.book for t in found})} books for the layer {asked.name!r}{fewer}")
    least = loaded.corpus.labels.min_common
    if people and (shared := most_common(found, wanted)) < least:
        say(
            f"labels: no two annotators get more than {shared} of them in common, and corpus.labels.min_common asks "
            f"for {least}: these texts alone show no agreement. Raise --overlap or --sample"
        )


@app.command()
def agreement(
    recipe: RecipeArgument,
    disagreements: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write every disagreement there, as .csv or .jsonl.")
    ] = None,
    corpus: CorpusOption = "",
    as_json: AsJson = False,
    overrides: Overrides = None,
) -> None:
    """Cohen's kappa of each label and pair of annotators, and which labels the corpus will use."""
    from novelray.corpus.labels.source import corpus_of, find_corpus
    from novelray.corpus.labels.table import write_disagreements
    from novelray.fleet.show import print_json

    loaded = _load(recipe, overrides)
    artifacts = _artifacts(loaded)
    artifact = corpus_of(loaded, artifacts, corpus) if corpus else find_corpus(loaded, artifacts)
    attached = _attached(loaded, artifact)
    if disagreements:
        write_disagreements(disagreements, attached.disagreements)
    if as_json:
        print_json(attached.report)
    else:
        _show(attached, artifact, disagreements)


def _load(path: Path, overrides: list[str] | None) -> Recipe:
    from novelray.errors import CorpusError
    from novelray.recipe import load_recipe

    recipe = load_recipe(path, overrides or ())
    if not recipe.corpus.labels.layers:
        raise CorpusError(
            "The recipe asks annotators nothing: corpus.labels.layers is empty.",
            "Add a layer, such as {name: genre, labels: [romance, mystery]}; docs/labels.md shows more.",
        )
    return recipe


def _layer(recipe: Recipe, name: str) -> LayerSection:
    from novelray.errors import CorpusError

    layers = recipe.corpus.labels.layers
    found = recipe.corpus.labels.layer(name) if name else layers[0]
    if found is None:
        raise CorpusError(f"There is no layer {name!r}.", f"The recipe has: {', '.join(one.name for one in layers)}.")
    return found


def _artifacts(recipe: Recipe) -> Artifacts:
    from novelray.storage import Artifacts, Store

    section = recipe.storage
    return Artifacts(Store(section.root, section.endpoint), Path(section.cache) if section.cache else None)


def _attached(recipe: Recipe, artifact: Artifact | None) -> Attached:
    """What the label files say, held against the corpus's chapters where there is one."""
    from novelray.corpus.labels import attach, labels_of, read_files
    from novelray.corpus.labels.source import known

    section = recipe.corpus.labels
    labels = labels_of(read_files(section.files, recipe.storage.endpoint), section)
    return attach(labels, known(artifact) if artifact is not None else None)


def _nothing(layer: LayerSection, attached: Attached) -> Exception:
    from novelray.errors import CorpusError

    judged = len(attached.judged(layer.name))
    if layer.after:
        return CorpusError(
            f"There is no text for the layer {layer.name!r}. It comes after {layer.after!r}: no text is settled so, "
            f"or all that are have been judged ({judged}).",
            "See how far that layer is with: novelray labels agreement RECIPE",
        )
    return CorpusError(f"There is no text left: all {judged} are judged in the layer {layer.name!r}.", "")


def _show(attached: Attached, artifact: Artifact | None, written: Path | None) -> None:
    from novelray.fleet.console import console, say

    for bad in attached.quarantine:
        say(f"labels: set aside {bad.file}: {bad.reason}")
    for (file, reason), count in sorted(attached.problems.items()):
        say(f"labels: {file}: {count} × {reason}")
    for result in attached.layers:
        say(f"labels: {_summary(result)}")
        if result.items:
            console().print(_table(result), soft_wrap=False)
    count = len(attached.disagreements)
    listed = f", written to {written}" if written else "; list them with --disagreements FILE" if count else ""
    say(f"labels: {count} {'disagreement' if count == 1 else 'disagreements'}{listed}")
    if artifact is None:
        say("labels: no corpus of this recipe is built yet, so that the chapters could not be checked")


def _summary(result: LayerResult) -> str:
    people = ", ".join(result.annotators) or "nobody yet"
    outcomes = "".join(f"; {how}: {count}" for how, count in result.outcomes.items())
    return f"{result.layer.name} ({result.layer.kind}): {len(result.items)} texts by {people}{outcomes}"


def _table(result: LayerResult) -> Table:
    """A row for each label: mean kappa, kappa of each pair, and whether it is used."""
    from rich.table import Column, Table
    from rich.text import Text

    pairs = sorted({(pair.first, pair.second) for pair in result.pairs})
    names = [Column(Text(f"{one} · {other}")) for one, other in pairs[:MAX_PAIRS]]  # Text: a name is no markup
    table = Table("label", "given", "mean κ", *names, "used", "why")
    for verdict in result.verdicts.values():
        cells = list(_cells(result, verdict.label, pairs))
        mean = "" if verdict.mean is None else f"{verdict.mean:.2f}"
        used = Text("yes", "green") if verdict.used else Text("no", "red" if verdict.given else "dim")
        table.add_row(Text(verdict.label), str(verdict.given), mean, *cells, used, verdict.reason)
    return table


def _cells(result: LayerResult, label: str, pairs: list[tuple[str, str]]) -> Iterator[str]:
    found = {(p.first, p.second): p for p in result.pairs if p.label == label}
    for names in pairs[:MAX_PAIRS]:
        pair = found.get(names)
        value = None if pair is None else pair.kappa.value
        yield "" if pair is None or not pair.common else f"{'—' if value is None else f'{value:.2f}'} ({pair.common})"
