"""The doctor's judgements, and an examination of this machine."""

import json
import os

import pytest

from novelray.cli.main import main
from novelray.fleet import checks, doctor
from novelray.fleet.checks import GIB
from novelray.storage import Store
from novelray.storage.probe import probe


@pytest.mark.parametrize(("version", "state"), [((3, 10), "fail"), ((3, 11), "ok"), ((3, 13), "ok"), ((3, 14), "fail")])
def test_python_3_11_to_3_13_is_accepted(version, state):
    assert checks.python_version(version).state == state


def test_a_missing_package_fails_with_the_command_that_mends_it():
    (finding,) = checks.packages({"ray": "2.60.0"}, ["ray", "peft"], {})
    assert finding.state == "fail"
    assert finding.mend == "pip install peft"


def test_another_version_than_the_tested_one_is_a_warning_and_a_build_tag_is_not():
    pins = {"ray": "2.60.0", "torch": "2.13.0"}
    assert checks.packages({"ray": "2.60.0", "torch": "2.13.0+cpu"}, ["ray", "torch"], pins)[0].state == "ok"
    (finding,) = checks.packages({"ray": "2.59.0", "torch": "2.13.0"}, ["ray", "torch"], pins)
    assert finding.state == "warn"
    assert "ray 2.59.0 (tested: 2.60.0)" in finding.what


@pytest.mark.parametrize(("mode", "state"), [(None, "warn"), (0o644, "warn"), (0o640, "warn"), (0o600, "ok")])
def test_a_token_is_there_and_nobody_elses_to_read(mode, state):
    finding = checks.token("/home/me/.ray/auth_token", mode)
    assert finding.state == state
    assert ("chmod 600" in finding.mend) == (state != "ok")


@pytest.mark.parametrize(
    ("free", "state"), [(1 * GIB, "fail"), (5 * GIB, "warn"), (40 * GIB, "warn"), (99 * GIB, "ok")]
)
def test_disks_are_judged_by_what_is_free_and_by_rays_own_limit(free, state):
    assert checks.disk("storage disk", "/data", free, 1000 * GIB).state == state


def test_small_shared_memory_says_how_much_is_wanted():
    assert checks.shared_memory(20 * GIB, 24 * GIB).state == "ok"
    finding = checks.shared_memory(GIB // 16, 64 * GIB)
    assert finding.state == "warn"
    assert "--shm-size=19g" in finding.mend


@pytest.mark.parametrize(
    ("driver", "visible", "cuda", "state"),
    [
        (None, 0, None, "ok"),
        (["H100"], 0, None, "fail"),
        (["H100"], 0, "13.0", "fail"),
        (["H100", "H100"], 1, "13.0", "warn"),
        (["H100"], 1, "13.0", "ok"),
    ],
)
def test_gpus_that_torch_does_not_see_are_found(driver, visible, cuda, state):
    assert checks.gpus(driver, visible, cuda).state == state


def test_a_taken_port_is_no_fault():
    assert checks.port(8265, "Ray", is_free=True).state == "ok"
    assert checks.port(8265, "Ray", is_free=False).state == "warn"


def test_a_terminal_without_utf8_or_fonts_is_told():
    assert [f.state for f in checks.terminal("UTF-8", True)] == ["ok"]
    assert [f.state for f in checks.terminal("ANSI_X3.4-1968", False)] == ["warn", "warn"]
    assert [f.state for f in checks.terminal("utf-8", None)] == ["ok"]


def test_a_missing_extra_is_optional_and_says_how_to_get_it():
    (finding,) = checks.extras({"modelscope": ["modelscope"], "dev": []})
    assert finding.state == "ok"
    assert finding.mend == 'pip install "novelray[modelscope]"'


def test_requirements_are_told_apart_by_extra():
    lines = ["ray[data,default]", "PyYAML>=6", 'types-PyYAML; extra == "dev"', "torch==2.13.0 ; python_version > '3'"]
    assert doctor.requirements(lines) == (["ray", "pyyaml", "torch"], {"dev": ["types-pyyaml"]})


def test_storage_that_is_a_file_is_not_writable(tmp_path):
    (tmp_path / "file").write_text("")
    assert probe(Store(str(tmp_path / "file" / "below"))) is not None
    assert probe(Store(str(tmp_path / "new"))) is None
    assert list((tmp_path / "new").iterdir()) == []


def test_the_examination_of_this_machine_finds_its_packages(tmp_path, capsys, monkeypatch):
    (tmp_path / "recipe.yaml").write_text("name: tiny\ntrain: {method: full}\n")
    assert main(["doctor", "--recipe", str(tmp_path / "recipe.yaml"), "--json"]) in (0, 2)
    findings = {f["name"]: f for f in json.loads(capsys.readouterr().out)}
    assert findings["python"]["state"] == "ok"
    assert findings["storage"]["state"] == "ok"
    assert {"ray token", "gpus", "port 8000", "storage disk"} <= set(findings)


def test_a_broken_storage_makes_the_doctor_exit_2_and_shows_the_mend(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    (tmp_path / "recipe.yaml").write_text("name: tiny\ntrain: {method: full}\nstorage: {root: file/below}\n")
    assert main(["doctor", "--recipe", str(tmp_path / "recipe.yaml")]) == 2
    shown = capsys.readouterr().out
    assert "FAIL" in shown
    assert "storage.root" in shown


def test_a_recipe_with_a_fault_is_a_finding_and_the_rest_is_examined_all_the_same(tmp_path, capsys):
    (tmp_path / "recipe.yaml").write_text("nam: tiny\n")
    assert main(["doctor", "--recipe", str(tmp_path / "recipe.yaml"), "--json"]) == 2
    findings = {f["name"]: f["state"] for f in json.loads(capsys.readouterr().out)}
    assert findings["recipe"] == "fail"
    assert findings["python"] == "ok"


def test_the_doctor_reads_a_tokens_mode(tmp_path, monkeypatch):
    token = tmp_path / "token"
    token.write_text("x")
    os.chmod(token, 0o644)
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(token))
    monkeypatch.delenv("RAY_AUTH_TOKEN", raising=False)
    assert doctor._token().state == "warn"
    os.chmod(token, 0o600)
    assert doctor._token().state == "ok"
