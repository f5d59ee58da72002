import pytest

from novelray.cli.main import main
from novelray.registry import Registry
from novelray.storage import Store

DIGEST = "ab" * 32


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text("name: tale\nstorage: {root: ./store}\ntrain: {method: full}\n")
    registry = Registry(Store(str(tmp_path / "store")))
    scores = {"before": {"perplexity": 80.5}, "after": {"perplexity": 20.25}}
    registry.register("tale", "model-0123456789abcdef", DIGEST, {"base": "scratch:nano", "scores": scores})
    return str(path)


def test_a_version_is_listed_whole_however_narrow_the_terminal_is(recipe, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "70")
    assert main(["models", "list", recipe]) == 0
    cells = [line.split("│")[1].strip() for line in capsys.readouterr().out.splitlines() if line.startswith("│")]
    assert "".join(cells) == "tale@abababababab"


def test_an_alias_moves_to_the_version_that_is_named(recipe, capsys, tmp_path):
    assert main(["models", "alias", recipe, "tale@abababababab", "live"]) == 0
    assert "tale@live is tale@abababababab" in capsys.readouterr().out
    assert Registry(Store(str(tmp_path / "store"))).resolve("tale@live").digest == DIGEST


def test_a_version_that_is_not_there_is_told_with_those_that_are(recipe, capsys):
    assert main(["models", "alias", recipe, "tale@cdcdcdcdcdcd", "live"]) == 2
    assert "tale@abababababab" in capsys.readouterr().err
