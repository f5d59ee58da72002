"""What storage promises, on a local folder and on S3 (a real HTTP server): the same tests for both."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import threading
import urllib.request
import uuid
from pathlib import Path

import pytest

from novelray.errors import DamagedError, DiskFullError, NovelRayError, StorageError
from novelray.storage import Artifacts, Plan, Store, trace

KEYS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}
PLAN = Plan("corpus", 1, {"红楼梦": "sha-of-the-book"}, {"deduplicate": True})


@pytest.fixture(scope="module")
def s3():
    """The address of an S3 server with one bucket."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    before = {name: os.environ.get(name) for name in KEYS}
    os.environ.update(KEYS)
    server.start()
    host, port = server.get_host_and_port()
    urllib.request.urlopen(urllib.request.Request(f"http://{host}:{port}/shelf", method="PUT"))
    yield f"http://{host}:{port}"
    server.stop()
    for name, value in before.items():
        os.environ.pop(name) if value is None else os.environ.update({name: value})


@pytest.fixture(params=["local", "s3"])
def store(request, tmp_path) -> Store:
    if request.param == "local":
        return Store(str(tmp_path / "store"))
    return Store(f"s3://shelf/{uuid.uuid4().hex}/data", request.getfixturevalue("s3"))


@pytest.fixture
def artifacts(store, tmp_path) -> Artifacts:
    return Artifacts(store, cache=tmp_path / "cache")


def made(artifacts: Artifacts, plan: Plan = PLAN, text: bytes = b"chapter one"):
    draft = artifacts.begin(plan)
    draft.write("chapters/0.parquet", text)
    draft.write_json("report.json", {"chapters": 1})
    return draft.commit({"chapters": 1})


def spoil(artifact, name: str, change) -> None:
    path = f"{artifact.prefix}/{name}"
    artifact.artifacts.store.write(path, change(artifact.artifacts.store.read(path)))


def flip(data: bytes) -> bytes:
    return bytes([data[0] ^ 1]) + data[1:]


# -- files --------------------------------------------------------------------------------------------------------


def test_what_is_written_is_read_listed_and_hashed(store):
    store.write("a/b/one", b"1")
    store.write("a/two", "二".encode())
    assert store.read("a/b/one") == b"1"
    assert [(e.path, e.size) for e in store.files("a")] == [("a/b/one", 1), ("a/two", 3)]
    assert [e.path for e in store.files()] == ["a/b/one", "a/two"]
    assert store.folders("a") == ["b"]
    assert store.exists("a/two")
    assert not store.exists("a/b")
    assert not store.exists("a/three")
    assert store.sha256("a/b/one").startswith("6b86b273")
    with store.open("a/two") as stream:
        stream.seek(1)
        assert stream.read() == "二".encode()[1:]


def test_a_write_replaces_the_whole_file(store):
    store.write("x", b"a long first version")
    store.write("x", b"short")
    assert store.read("x") == b"short"
    store.write("x", b"")
    assert store.read("x") == b""
    assert [e.size for e in store.files()] == [0]


def test_a_missing_file_raises_file_not_found_whatever_is_done_with_it(store, tmp_path):
    for attempt in (store.read, store.sha256, store.open, lambda path: store.get(path, tmp_path / "copy")):
        with pytest.raises(FileNotFoundError):
            attempt("no/such")
    assert not (tmp_path / "copy").exists()
    assert store.files("no") == []
    assert store.folders("no") == []


def test_delete_removes_files_and_folders_and_forgives_what_is_not_there(store):
    for path in ("run/a", "run/b/c", "run2/d"):
        store.write(path, b"x")
    store.delete("run")
    assert [e.path for e in store.files()] == ["run2/d"]
    store.delete("run2/d")
    store.delete("run2/d")
    store.delete("never")
    assert store.files() == []


def test_files_are_copied_in_and_out_byte_for_byte(store, tmp_path):
    source = tmp_path / "in.bin"
    source.write_bytes(os.urandom(9 << 20))  # more than one chunk, more than one part of a multipart upload
    store.put(source, "big/in.bin")
    store.get("big/in.bin", tmp_path / "deep" / "out.bin")
    assert (tmp_path / "deep" / "out.bin").read_bytes() == source.read_bytes()
    assert os.listdir(tmp_path / "deep") == ["out.bin"]


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs a file that fails while it is read")
def test_a_copy_whose_source_fails_leaves_nothing(store):
    with pytest.raises(StorageError):
        store.put(Path("/proc/self/mem"), "half")
    assert not store.exists("half")
    assert store.files() == []


def test_create_keeps_the_first_bytes(store):
    assert store.create("once", b"first")
    assert not store.create("once", b"second")
    assert store.read("once") == b"first"


def test_a_store_travels_to_another_process(store):
    store.write("x", b"1")
    assert pickle.loads(pickle.dumps(store)).read("x") == b"1"


def test_a_relative_root_means_the_same_folder_on_every_worker(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store = Store("data")
    store.write("x", b"1")
    sent = pickle.dumps(store)
    monkeypatch.chdir("/")
    assert pickle.loads(sent).read("x") == b"1"
    assert store.uri == str(tmp_path / "data")


def test_readers_meet_the_old_bytes_or_the_new_ones_and_nothing_between(store):
    versions = [bytes([i]) * 200_000 for i in range(8)]
    store.write("x", versions[0])
    done = threading.Event()

    def rewrite() -> None:
        for version in versions[1:]:
            store.write("x", version)
        done.set()

    writer = threading.Thread(target=rewrite)
    writer.start()
    seen = []
    while not done.is_set():
        seen.append(store.read("x"))
    writer.join()
    assert seen
    assert all(data in versions for data in seen)


def test_what_a_killed_writer_left_is_not_listed(tmp_path):
    store = Store(str(tmp_path))
    code = f"""
import os, shutil
from novelray.storage import Store
shutil.copyfileobj = lambda source, target, size: (target.write(b"ha"), target.flush(), os._exit(9))
Store({str(tmp_path)!r}).write("run/file", b"half")
"""
    assert subprocess.run([os.sys.executable, "-c", code]).returncode == 9
    assert len(os.listdir(tmp_path / "run")) == 1  # the part is there
    assert store.files() == []
    assert not store.exists("run/file")


# -- refusals -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("uri", ["ftp://host/x", "s3://", "s3:///no-bucket"])
def test_a_root_that_cannot_be_is_refused_with_what_to_write(uri):
    with pytest.raises(StorageError) as caught:
        Store(uri)
    assert uri in caught.value.message
    assert "s3://" in caught.value.hint


def test_a_missing_bucket_is_told_and_never_created(s3):
    store = Store("s3://no-such-bucket/x", s3)
    with pytest.raises(StorageError, match="no-such-bucket"):
        store.write("a", b"1")
    assert b"no-such-bucket" not in urllib.request.urlopen(s3).read()


def test_a_server_that_does_not_answer_is_told_and_worth_a_retry(s3):
    store = Store("s3://shelf/x", "http://127.0.0.1:9")  # the discard port, where nothing listens
    with pytest.raises(StorageError) as caught:
        store.write("a", b"1")
    assert caught.value.exit_code == 3
    assert "s3://shelf/x" in caught.value.message


def test_a_root_that_is_a_file_is_told(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageError, match="file"):
        Store(str(tmp_path / "file")).write("a", b"1")


@pytest.fixture
def small_disk(tmp_path):
    """A real filesystem of one megabyte."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("mounting a small disk needs root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_its_own_error_and_the_old_bytes_stay(small_disk, tmp_path):
    store = Store(str(small_disk))
    store.write("x", b"old")
    big = tmp_path / "big"
    big.write_bytes(bytes(2 << 20))
    for attempt in (lambda: store.write("x", bytes(2 << 20)), lambda: store.put(big, "x")):
        with pytest.raises(DiskFullError) as caught:
            attempt()
        assert str(small_disk) in caught.value.message
        assert caught.value.exit_code == 3
        assert store.read("x") == b"old"
    assert os.listdir(small_disk) == ["x"]  # no half file takes up what little room there is
    store.write("y", bytes(500_000))


def test_a_full_cache_disk_names_the_cache(small_disk, s3, tmp_path):
    artifacts = Artifacts(Store(f"s3://shelf/{uuid.uuid4().hex}", s3), cache=small_disk / "cache")
    artifact = made(artifacts, text=bytes(2 << 20))
    with pytest.raises(DiskFullError, match=str(small_disk)):
        artifact.local()


# -- artifacts ----------------------------------------------------------------------------------------------------


def test_an_artifact_is_there_from_its_manifest_on_and_not_before(artifacts):
    draft = artifacts.begin(PLAN)
    draft.write("chapters/0.parquet", b"x")
    assert artifacts.find(PLAN.id) is None
    assert list(artifacts.all()) == []
    artifact = draft.commit({"chapters": 1})
    assert artifacts.find(PLAN.id) == artifact
    assert [a.id for a in artifacts.all()] == [PLAN.id]
    assert artifact.read("chapters/0.parquet") == b"x"
    assert artifact.counts == {"chapters": 1}


def test_the_manifest_is_written_after_every_file(artifacts):
    order = []
    write = artifacts.store.write

    class Watched(type(artifacts.store)):
        def write(self, path, data):
            order.append(path)
            write(path, data)

        def create(self, path, data):
            order.append(path)
            return super().create(path, data)

    watched = Artifacts(Watched(artifacts.store.uri, artifacts.store.endpoint), artifacts.cache)
    made(watched)
    assert [path.rsplit("/", 1)[1] for path in order][:3] == ["0.parquet", "report.json", "manifest.json"]


def test_a_killed_attempt_is_invisible_and_the_next_one_starts_clean(artifacts):
    killed = artifacts.begin(PLAN)
    killed.write("chapters/9.parquet", b"half")
    artifact = made(artifacts)
    assert set(artifact.manifest.files) == {"chapters/0.parquet", "report.json"}
    assert not (artifact.local() / "chapters" / "9.parquet").exists()


def test_what_a_killed_attempt_left_is_removed_with_the_next_commit(tmp_path):
    artifacts = Artifacts(Store(str(tmp_path)))
    artifacts.begin(PLAN).write("chapters/9.parquet", b"half")
    artifact = made(artifacts)
    assert artifacts.store.folders(f"artifacts/{PLAN.id}") == [artifact.manifest.attempt]


def test_in_an_object_store_an_attempt_that_may_be_committing_is_left_alone(s3, monkeypatch):
    artifacts = Artifacts(Store(f"s3://shelf/{uuid.uuid4().hex}", s3))
    other = artifacts.begin(PLAN)
    other.write("chapters/9.parquet", b"x")
    made(artifacts)
    assert artifacts.store.exists(f"{other.prefix}/chapters/9.parquet")
    monkeypatch.setattr("novelray.storage.artifacts.LIVE_S", -60)
    artifacts.begin(PLAN)._remove_lost_attempts()
    assert not artifacts.store.exists(f"{other.prefix}/chapters/9.parquet")


def test_the_first_commit_wins_and_the_second_adopts_it(artifacts):
    first, second = artifacts.begin(PLAN), artifacts.begin(PLAN)
    first.write("a", b"first")
    second.write("a", b"second")
    won = first.commit()
    if not artifacts.store.is_local:
        assert artifacts.store.exists(f"{second.prefix}/a")
    adopted = second.commit()
    assert adopted == won
    assert adopted.read("a") == b"first"
    assert not artifacts.store.exists(f"{second.prefix}/a")


def test_of_many_commits_at_once_on_a_local_disk_one_wins_and_all_return_it(tmp_path):
    artifacts = Artifacts(Store(str(tmp_path)))
    drafts = [artifacts.begin(PLAN) for _ in range(8)]
    for number, draft in enumerate(drafts):
        draft.write("a", b"%d" % number)
    barrier, results = threading.Barrier(8), []

    def commit(draft) -> None:
        barrier.wait()
        results.append(draft.commit())

    threads = [threading.Thread(target=commit, args=(draft,)) for draft in drafts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 8
    assert len({artifact.manifest.attempt for artifact in results}) == 1
    results[0].verify()


def test_same_inputs_section_and_version_give_the_same_id_and_nothing_else_does():
    assert Plan("corpus", 1, {"红楼梦": "sha-of-the-book"}, {"deduplicate": True}).id == PLAN.id
    for other in (
        Plan("shards", 1, PLAN.inputs, PLAN.section),
        Plan("corpus", 2, PLAN.inputs, PLAN.section),
        Plan("corpus", 1, {"红楼梦": "another"}, PLAN.section),
        Plan("corpus", 1, PLAN.inputs, {"deduplicate": False}),
    ):
        assert other.id != PLAN.id


def test_the_content_digest_does_not_depend_on_the_run_that_made_it(artifacts, tmp_path):
    elsewhere = Artifacts(Store(str(tmp_path / "elsewhere")))
    assert made(artifacts).manifest.digest() == made(elsewhere).manifest.digest()
    assert made(artifacts).manifest.digest() != made(elsewhere, Plan("x", 1), b"other").manifest.digest()


@pytest.mark.parametrize(
    ("change", "says"), [(flip, "does not match"), (lambda data: data[:-1], "does not match"), (None, "is missing")]
)
@pytest.mark.parametrize("way", ["read", "local", "verify"])
def test_damage_is_reported_with_the_name_of_the_file_by_every_way_of_reading(artifacts, change, says, way):
    artifact = made(artifacts)
    if change is None:
        artifacts.store.delete(f"{artifact.prefix}/chapters/0.parquet")
    else:
        spoil(artifact, "chapters/0.parquet", change)
    with pytest.raises(DamagedError, match=rf"chapters/0\.parquet {says}") as caught:
        artifact.read("chapters/0.parquet") if way == "read" else getattr(artifact, way)()
    assert artifact.id in caught.value.message
    assert caught.value.exit_code == 4


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data[: len(data) // 2],
        lambda data: b"",
        lambda data: b"\xff" + data[1:],
        lambda data: data.replace(b"sha-of-the-book", b"sha-of-another."),
    ],
)
def test_a_torn_or_altered_manifest_is_reported(artifacts, change):
    made(artifacts)
    path = f"artifacts/{PLAN.id}/manifest.json"
    artifacts.store.write(path, change(artifacts.store.read(path)))
    with pytest.raises(DamagedError, match=r"manifest\.json") as caught:
        artifacts.find(PLAN.id)
    assert PLAN.id in caught.value.message


def test_an_artifact_of_a_newer_version_is_refused_and_not_called_damaged(artifacts):
    made(artifacts)
    path = f"artifacts/{PLAN.id}/manifest.json"
    newer = json.loads(artifacts.store.read(path)) | {"format": 99}
    artifacts.store.write(path, json.dumps(newer).encode())
    with pytest.raises(NovelRayError, match="format 99") as caught:
        artifacts.find(PLAN.id)
    assert not isinstance(caught.value, DamagedError)


def test_after_the_damaged_artifact_is_deleted_the_stage_makes_it_anew(artifacts):
    artifact = made(artifacts)
    spoil(artifact, "report.json", flip)
    artifacts.store.delete(f"artifacts/{artifact.id}")
    assert made(artifacts).read_json("report.json") == {"chapters": 1}


def test_a_damaged_copy_in_the_cache_is_fetched_again(s3, tmp_path):
    artifacts = Artifacts(Store(f"s3://shelf/{uuid.uuid4().hex}", s3), cache=tmp_path / "cache")
    artifact = made(artifacts)
    copy = artifact.local() / "chapters" / "0.parquet"
    for damage in (b"chapter 0ne", b"chap", None):
        copy.unlink() if damage is None else copy.write_bytes(damage)
        assert (artifact.local() / "chapters" / "0.parquet").read_bytes() == b"chapter one"


def test_a_local_artifact_is_used_where_it_lies(tmp_path):
    artifacts = Artifacts(Store(str(tmp_path / "store")), cache=tmp_path / "cache")
    assert str(made(artifacts).local()).startswith(str(tmp_path / "store"))
    assert not (tmp_path / "cache").exists()


def test_a_name_that_is_no_file_of_the_artifact_says_which_there_are(artifacts):
    with pytest.raises(DamagedError) as caught:
        made(artifacts).read("nothing")
    assert "report.json" in caught.value.hint


def test_an_unknown_artifact_says_which_store_was_asked(artifacts):
    with pytest.raises(NovelRayError, match="no artifact corpus-123"):
        artifacts.get("corpus-123")


def test_a_folder_is_added_whole(artifacts, tmp_path):
    folder = tmp_path / "model"
    (folder / "deep").mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "deep" / "weights").write_bytes(b"w")
    draft = artifacts.begin(Plan("model", 1))
    draft.add_folder(folder, below="final/")
    assert set(draft.commit().manifest.files) == {"final/config.json", "final/deep/weights"}


def test_trace_walks_from_a_model_to_the_books(artifacts):
    corpus = made(artifacts)
    shards = made(artifacts, Plan("shards", 1, {"corpus": corpus.id}))
    model = made(artifacts, Plan("model", 1, {"shards": shards.id, "base": "digest-of-a-base"}))
    links = [(link.depth, link.role, link.id, link.manifest is not None) for link in trace(artifacts, model.id)]
    assert links == [
        (0, "", model.id, True),
        (1, "shards", shards.id, True),
        (2, "corpus", corpus.id, True),
        (3, "红楼梦", "sha-of-the-book", False),
        (1, "base", "digest-of-a-base", False),
    ]


def test_a_commit_whose_files_the_winner_removes_meanwhile_adopts_the_winner(tmp_path):
    class Overtaken(Store):
        def sha256(self, path):
            made(Artifacts(Store(str(tmp_path))), text=b"the winner")
            return super().sha256(path)

    late = Artifacts(Overtaken(str(tmp_path))).begin(PLAN)
    late.write("a", b"late")
    assert late.commit().read("chapters/0.parquet") == b"the winner"


def test_an_adapter_is_found_by_name_and_fetched_for_serving(artifacts, tmp_path):
    from support.adapters import register

    from novelray.endpoint.styles import RegisteredAdapters

    made_here = tmp_path / "made"
    made_here.mkdir()
    (made_here / "adapter_config.json").write_text("{}")
    version = register(artifacts, "wuxia", made_here, {"base": "model-1"}, "live")
    found = RegisteredAdapters(artifacts, ("wuxia",), "my-novel@1", "model-1")
    assert [m.id for m in found.look().models] == [version.id]
    assert (Path(found.folder(version.id)) / "adapter_config.json").read_text() == "{}"
