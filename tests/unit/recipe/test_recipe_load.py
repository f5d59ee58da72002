"""Reading recipes: overrides, variables, paths, and errors that name the key to use instead."""

from __future__ import annotations

import pytest
import yaml

from novelray.errors import RecipeError
from novelray.recipe import Recipe, dump_recipe, load_recipe

BASE = "name: tale\ntrain:\n  method: full\n"


@pytest.fixture
def write(tmp_path):
    def _write(text: str = BASE):
        path = tmp_path / "recipe.yaml"
        path.write_text(text, "utf-8")
        return path

    return _write


def refusal(path, *overrides) -> str:
    with pytest.raises(RecipeError) as caught:
        load_recipe(path, overrides)
    assert caught.value.hint
    assert caught.value.exit_code == 2
    return caught.value.message


@pytest.mark.parametrize(
    ("override", "read", "value"),
    [
        ("train.lora.rank=32", lambda r: r.train.lora.rank, 32),
        ("train.learning_rate=1e-4", lambda r: r.train.learning_rate, 1e-4),
        ("train.learning_rate=3.0E-5", lambda r: r.train.learning_rate, 3e-5),
        ("shards.group_chars=2e6", lambda r: r.shards.group_chars, 2_000_000),
        ("corpus.dedup.exact=false", lambda r: r.corpus.dedup.exact, False),
        ("train.max_steps=null", lambda r: r.train.max_steps, None),
        ("train.max_steps=", lambda r: r.train.max_steps, None),
        ("train.lora=", lambda r: r.train.lora.rank, 16),
        ("tune.lora_rank=[4, 8]", lambda r: r.tune.lora_rank, (4, 8)),
        ("train.early_stopping.patience=5", lambda r: r.train.early_stopping.patience, 5),
        ("serve.host=0.0.0.0", lambda r: r.serve.host, "0.0.0.0"),
        ("storage.endpoint=http://h:1/?a=b", lambda r: r.storage.endpoint, "http://h:1/?a=b"),
    ],
)
def test_set_overrides_nested_keys_of_every_type(write, override, read, value):
    assert read(load_recipe(write(), [override])) == value


def test_set_reaches_into_lists_and_the_last_one_wins(write):
    path = write(BASE + "  stages:\n    - {name: one}\n    - {name: two}\n")
    recipe = load_recipe(path, ["train.stages.1.epochs=3", "train.stages.1.epochs=4"])
    assert [stage.epochs for stage in recipe.train.resolved()] == [1, 4]


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("train.epochs", "KEY=VALUE"),
        ("=3", "KEY=VALUE"),
        ("train..epochs=3", "KEY=VALUE"),
        ("train.epochs=[1", "not a YAML value"),
        ("name.first=x", "not a section"),
        ("corpus.books.7=x", "not an index"),
        ("train.epoch=3", "did you mean 'epochs'"),
        ("train.epochs=0", "train.epochs: input should be greater than 0 (got 0)"),
    ],
)
def test_a_wrong_override_says_what_is_wrong(write, override, says):
    assert says in refusal(write(BASE + "corpus:\n  books: [a]\n"), override)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("trian:\n  epochs: 1\n", "trian: unknown key; did you mean 'train'?"),
        ("shards:\n  contxt: 64\n", "shards.contxt: unknown key; did you mean 'context'?"),
        ("learning_rate: 1\n", "learning_rate: unknown key; did you mean 'train.learning_rate'?"),
        ("shards:\n  learning_rates: 1\n", "did you mean 'train.learning_rate'?"),
        ("lr: 1\n", "here it is 'train.learning_rate'"),
        ("registry:\n  zzz: 1\n", "valid keys here: alias, model"),
        ("corpus:\n  heldout:\n    shares: 0.1\n", "corpus.heldout.shares: unknown key; did you mean 'share'?"),
        ("evaluate: 5\n", "evaluate: is a section with keys of its own, not the value 5"),
        ("shards:\n  tokenizer: bpe\n", "shards.tokenizer: input should be 'base' or 'train' (got 'bpe')"),
        ("tune:\n  learning_rate: [1e-4, .inf]\n", "tune.learning_rate.1: input should be a finite number"),
        ("corpus:\n  read: {encoding: klingon}\n", "no encoding is called 'klingon'"),
        ("shards:\n  context: 64\n  context: 128\n", "the key 'context' is given twice"),
        ("1: 2\n", "1:"),
    ],
)
def test_a_mistake_is_named_with_the_nearest_valid_key(write, text, says):
    assert says in refusal(write(BASE + text))


def test_an_unknown_key_inside_a_stage_is_named_with_its_place(write):
    path = write(BASE + "  stages:\n    - {name: one, epoch: 2}\n")
    assert "train.stages.0.epoch: unknown key; did you mean 'epochs'?" in refusal(path)


def test_a_value_with_several_possible_types_is_named_by_its_key_alone(write):
    said = refusal(write(BASE + "  lora: {targets: 5}\n"))
    assert "  - train.lora.targets: " in said
    assert "tuple[" not in said.split("(got")[0].split(": ")[1]


def test_all_problems_are_told_at_once_and_each_once(write):
    said = refusal(write("train:\n  method: full\n  epochs: 0\nserve:\n  prt: 1\n"))
    assert "3 problems" in said
    for line in ("name: is required", "train.epochs:", "serve.prt: unknown key; did you mean 'port'?"):
        assert said.count(line) == 1


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"name: [", "not valid YAML, line"),
        (b"", "not a mapping"),
        (b"- a\n- b\n", "not a mapping"),
        (b"name: \xff\xfe", "cannot be read"),
        (b"name: a\nx: !!python/object:os.system {}\n", "not valid YAML, line 2"),
        (b"? [a, b]\n: 1\n", "not valid YAML"),
    ],
)
def test_a_file_that_is_no_recipe_gives_an_error_of_ours(tmp_path, content, says):
    path = tmp_path / "recipe.yaml"
    path.write_bytes(content)
    assert says in refusal(path)


def test_a_missing_recipe_and_a_folder_say_what_to_do(tmp_path):
    with pytest.raises(RecipeError, match="novelray init"):
        load_recipe(tmp_path / "none.yaml")
    with pytest.raises(RecipeError, match="is a folder"):
        load_recipe(tmp_path)


def test_variables_come_from_the_environment_with_defaults(write, monkeypatch):
    monkeypatch.setenv("NR_ROOT", "s3://bucket/x")
    monkeypatch.delenv("NR_RATE", raising=False)
    text = "name: tale\nstorage: {root: '${NR_ROOT}'}\ntrain: {method: full, learning_rate: '${NR_RATE:-1e-3}'}\n"
    recipe = load_recipe(write(text))
    assert recipe.storage.root == "s3://bucket/x"
    assert recipe.train.learning_rate == 1e-3
    monkeypatch.setenv("NR_RATE", "0.05")
    assert load_recipe(write(text)).train.learning_rate == 0.05
    monkeypatch.delenv("NR_ROOT")
    assert "${NR_ROOT}, which is not set" in refusal(write(text))


def test_paths_are_relative_to_the_recipe_and_uris_stay(write, tmp_path, monkeypatch):
    monkeypatch.chdir("/")
    monkeypatch.setenv("HOME", "/home/x")
    (tmp_path / "bases" / "mine").mkdir(parents=True)
    path = write(
        "name: t\nmodel: {base: bases/mine}\nstorage: {root: ../data, cache: ~/c}\n"
        "corpus: {books: [a, /b/c, '~/d', 's3://b/e', '*.txt', '~no-such-user/f']}\n"
        "serve: {guard: {terms: {file: blocked.txt}}}\n"
    )
    recipe = load_recipe(path)
    assert recipe.serve.guard.terms.file == str(tmp_path / "blocked.txt")
    assert recipe.storage.root == str(tmp_path.parent / "data")
    assert recipe.storage.cache == "/home/x/c"
    assert recipe.model.base == str(tmp_path / "bases" / "mine")
    assert recipe.corpus.books[:5] == (str(tmp_path / "a"), "/b/c", "/home/x/d", "s3://b/e", str(tmp_path / "*.txt"))


def test_hub_ids_scratch_models_and_versions_are_not_paths(write):
    for base in ("Qwen/Qwen2.5-1.5B", "scratch:mini", "tale@0123456789ab", "tale@latest"):
        assert load_recipe(write(BASE), [f"model.base={base}"]).model.base == base


def test_empty_sections_mean_their_defaults(write):
    recipe = load_recipe(write(BASE + "  lora:\n  early_stopping:\nserve:\ncorpus:\n  heldout:\n"))
    assert recipe == load_recipe(write(BASE))


def test_a_dumped_recipe_loads_as_an_equal_one(write, tmp_path):
    path = write(
        "name: tale\nseed: 7\ncorpus: {books: [书架, 's3://b/书']}\nserve: {keys: 'sqlite:///$${HOME}/k'}\n"
        "train:\n  method: full\n  learning_rate: 1e-3\n  lora: {rank: 4, dropout: 0.1}\n"
        "  early_stopping: {patience: 2}\n"
        "  stages:\n    - {name: first, books: ['西*']}\n    - {name: second, method: lora, lora: {rank: 8}}\n"
    )
    recipe = load_recipe(path)
    dumped = tmp_path / "elsewhere" / "dumped.yaml"
    dumped.parent.mkdir()
    dumped.write_text(dump_recipe(recipe), "utf-8")
    again = load_recipe(dumped)
    assert again == recipe
    assert again.train.resolved() == recipe.train.resolved()
    assert again.serve.keys == "sqlite:///${HOME}/k"
    assert dump_recipe(again) == dump_recipe(recipe)
    assert set(yaml.safe_load(dump_recipe(recipe))["serve"]) == set(type(recipe.serve).model_fields)


def test_a_recipe_cannot_be_changed_after_it_was_checked():
    recipe = Recipe.model_validate({"name": "tale", "train": {"method": "full"}})
    with pytest.raises(ValueError, match="frozen"):
        recipe.train.epochs = 2
