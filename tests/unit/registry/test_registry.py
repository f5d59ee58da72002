"""The registry: versions stay, aliases move, and a wrong reference is answered with the right one."""

from __future__ import annotations

import hashlib

import pytest

from novelray.errors import DamagedError, NovelRayError
from novelray.registry import HEADINGS, Registry, rows
from novelray.storage import Store


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.fixture
def registry(tmp_path) -> Registry:
    return Registry(Store(str(tmp_path)))


def test_a_version_is_named_by_its_content_and_keeps_what_it_came_from(registry):
    about = {"recipe": "tale", "base": "scratch:nano", "scores": {"after": {"perplexity": 12.5}}}
    version = registry.register("tale", "model-1", digest("one"), about)
    assert version.id == f"tale@{digest('one')[:12]}"
    again = registry.resolve(version.id)
    assert again == version
    assert (again.artifact, again.about, again.digest) == ("model-1", about, digest("one"))


def test_the_same_content_twice_is_one_version_the_first(registry):
    first = registry.register("tale", "model-1", digest("one"), {"recipe": "a"})
    assert registry.register("tale", "model-2", digest("one"), {"recipe": "b"}) == first
    assert registry.list() == [first]


def test_where_an_alias_pointed_before_is_remembered(registry):
    one, two = (registry.register("tale", f"model-{n}", digest(n), {}) for n in "12")
    assert registry.moved_from("tale", "latest") is None
    for version, before in ((one, None), (two, one.digest), (one, two.digest)):
        registry.alias("tale", "latest", version.digest)
        assert registry.moved_from("tale", "latest") == before


def test_an_alias_moves_and_versions_stay(registry):
    one = registry.register("tale", "model-1", digest("one"), {})
    two = registry.register("tale", "model-2", digest("two"), {})
    registry.alias("tale", "prod", one.digest)
    assert registry.resolve("tale@prod") == one
    assert registry.alias("tale", "prod", two.short) == two
    assert registry.resolve("tale@prod") == two
    assert registry.resolve(one.id) == one


def test_a_bare_name_means_latest_or_else_the_last_registered(registry):
    one = registry.register("tale", "model-1", digest("one"), {})
    two = registry.register("tale", "model-2", digest("two"), {})
    assert registry.resolve("tale") == two
    registry.alias("tale", "latest", one.digest)
    assert registry.resolve("tale") == one


def test_a_reference_may_give_the_whole_digest_or_its_first_digits(registry):
    one = registry.register("tale", "model-1", digest("one"), {})
    for given in (one.digest, one.short, one.digest[:6]):
        assert registry.resolve(f"tale@{given}") == one


def test_an_alias_wins_over_digits_that_look_like_it(registry):
    one = registry.register("tale", "model-1", digest("one"), {})
    two = registry.register("tale", "model-2", digest("two"), {})
    registry.alias("tale", one.digest[:6], two.digest)
    assert registry.resolve(f"tale@{one.digest[:6]}") == two


@pytest.mark.parametrize(
    ("reference", "says", "hint"),
    [
        ("tail", "no model 'tail'", "Did you mean tale?"),
        ("Tale@prod", "no model 'Tale'", "Did you mean tale?"),
        ("../tale", "no model '../tale'", "There are: tale"),
        ("", "no model ''", "There are: tale"),
        ("tale@prd", "no version tale@prd", "Did you mean tale@prod?"),
        ("tale@", "no version tale@", "tale@prod"),
        ("tale@0000000000", "no version tale@0000000000", "tale@"),
        ("tale@a", "no version tale@a", "tale@prod"),
    ],
)
def test_a_wrong_reference_is_answered_with_the_nearest_and_what_there_is(registry, reference, says, hint):
    registry.alias("tale", "prod", registry.register("tale", "model-1", digest("one"), {}).digest)
    with pytest.raises(NovelRayError) as caught:
        registry.resolve(reference)
    assert says in caught.value.message
    assert hint in caught.value.hint


def test_too_few_digits_for_two_versions_are_refused(registry):
    for tail in ("a", "b"):
        registry.register("tale", "model-1", "abcdef" + tail * 58, {})
    with pytest.raises(NovelRayError, match="could be 2 versions"):
        registry.resolve("tale@abcdef")
    assert registry.resolve("tale@abcdefb").digest.endswith("b")


def test_two_contents_that_would_share_an_id_are_refused(registry):
    registry.register("tale", "model-1", "a" * 63 + "b", {})
    with pytest.raises(NovelRayError, match="other content"):
        registry.register("tale", "model-2", "a" * 64, {})


def test_an_empty_registry_says_so(registry):
    assert registry.list() == []
    with pytest.raises(NovelRayError, match="It is empty"):
        registry.resolve("tale")


@pytest.mark.parametrize("name", ["", "A", "a/b", "../x", "a b", "x" * 64])
def test_names_that_are_no_names_are_refused(registry, name):
    with pytest.raises(NovelRayError, match="is not a valid model name"):
        registry.register(name, "model-1", digest("one"), {})
    one = registry.register("tale", "model-1", digest("one"), {})
    with pytest.raises(NovelRayError, match="is not a valid alias"):
        registry.alias("tale", name, one.digest)


def test_an_alias_that_looks_like_a_version_is_refused(registry):
    one = registry.register("tale", "model-1", digest("one"), {})
    with pytest.raises(NovelRayError, match="looks like a digest"):
        registry.alias("tale", "0123456789ab", one.digest)


def test_an_alias_to_nothing_is_refused(registry):
    registry.register("tale", "model-1", digest("one"), {})
    with pytest.raises(NovelRayError, match="no version"):
        registry.alias("tale", "prod", digest("two"))


@pytest.mark.parametrize("change", [lambda d: d[:-20], lambda d: d.replace(b"model-1", b"model-2"), lambda d: b"\xff"])
def test_a_corrupted_version_is_reported_by_its_file(registry, change):
    one = registry.register("tale", "model-1", digest("one"), {})
    path = f"registry/tale/versions/{one.digest}.json"
    registry.store.write(path, change(registry.store.read(path)))
    for ask in (lambda: registry.resolve(one.id), registry.list, lambda: rows(registry)):
        with pytest.raises(DamagedError, match=path):
            ask()


def test_a_corrupted_alias_is_reported_by_its_file(registry):
    one = registry.register("tale", "model-1", digest("one"), {})
    registry.alias("tale", "prod", one.digest)
    path = "registry/tale/aliases/prod.json"
    registry.store.write(path, registry.store.read(path).replace(one.digest.encode(), digest("two").encode()))
    with pytest.raises(DamagedError, match=path):
        registry.resolve("tale@prod")


def test_a_table_row_says_what_a_version_is_and_came_from(registry):
    scores = {"before": {"perplexity": 812.34}, "after": {"perplexity": 31.2}}
    one = registry.register("tale", "model-1", digest("one"), {"recipe": "tale", "base": "b@1", "scores": scores})
    registry.alias("tale", "prod", one.digest)
    registry.alias("tale", "latest", one.digest)
    two = registry.register("tale", "model-2", digest("two"), {})
    table = [dict(zip(HEADINGS, row, strict=True)) for row in rows(registry)]
    assert [row["version"] for row in table] == [two.id, one.id]
    assert table[1]["aliases"] == "latest prod"
    assert table[1]["perplexity"] == "812.3 → 31.2"
    assert (table[1]["base"], table[1]["artifact"]) == ("b@1", "model-1")
    assert rows(registry, "tale") == rows(registry)
    assert rows(registry, "other") == []
