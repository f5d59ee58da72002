"""The shell of the command line: what a person sees, and the exit code a script sees."""

import subprocess
import sys
from pathlib import Path

import pytest
import typer

from novelray import __version__
from novelray.cli.main import app, main
from novelray.errors import CancelledError, ClusterError, DamagedError, DiskFullError, NovelRayError, StorageError


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("NOVELRAY_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def failing(monkeypatch):
    """A command line whose verb `plan` raises what it is told to."""

    def arrange(error):
        def run_stage(name, recipe, **options):
            raise error

        monkeypatch.setattr("novelray.fleet.stages.run_stage", run_stage)

    return arrange


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text("name: tiny\ntrain: {method: full}\n")
    return str(path)


def test_version_is_printed(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"novelray {__version__}\n"


def test_help_names_every_verb_of_the_design(capsys):
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    verbs = "init doctor recipe trace corpus plan train tune evaluate serve deploy run submit status logs cancel list"
    assert [v for v in verbs.split() if f" {v} " not in shown] == []


def test_help_imports_nothing_heavy():
    code = (
        "import sys\nfrom novelray.cli.main import main\nmain(['--help'])\n"
        "heavy = {'torch', 'ray', 'transformers', 'pyarrow', 'pydantic', 'numpy', 'yaml', 'sqlalchemy', 'fastapi'}\n"
        "print('HEAVY', sorted(heavy & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip().endswith("HEAVY []")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NovelRayError("bad input", "mend it"), 2),
        (StorageError("away", "again"), 3),
        (ClusterError("no answer", "again"), 3),
        (DamagedError("torn", "make anew"), 4),
        (CancelledError("stopped", "go on"), 130),
    ],
)
def test_an_error_of_the_family_shows_what_and_hint_and_its_exit_code(failing, recipe, capsys, error, code):
    failing(error)
    assert main(["plan", recipe]) == code
    shown = capsys.readouterr().err
    assert error.message in shown
    assert error.hint in shown
    assert "Traceback" not in shown


def test_markup_in_an_error_is_shown_as_it_is(failing, recipe, capsys):
    failing(NovelRayError("the key [bold]x[/bold] in books[0]", "quote it"))
    main(["plan", recipe])
    assert "the key [bold]x[/bold] in books[0]" in capsys.readouterr().err


def test_a_defect_shows_one_line_and_keeps_the_traceback_in_a_private_file(failing, recipe, capsys, own_home):
    failing(ZeroDivisionError("division by zero"))
    assert main(["plan", recipe]) == 4
    shown = capsys.readouterr().err
    assert "Traceback" not in shown
    assert "ZeroDivisionError: division by zero" in shown
    (log,) = (own_home / "logs").glob("*.log")
    assert str(log) in shown
    assert "raise error" in log.read_text()
    assert log.stat().st_mode & 0o077 == 0


def test_a_defect_is_told_even_when_the_log_cannot_be_written(failing, recipe, capsys, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NOVELRAY_HOME", str(tmp_path / "file" / "below"))
    failing(ZeroDivisionError("division by zero"))
    assert main(["plan", recipe]) == 4
    assert "could not be written" in capsys.readouterr().err


def test_control_c_exits_130_and_says_that_work_is_kept(failing, recipe, capsys):
    failing(KeyboardInterrupt())
    assert main(["plan", recipe]) == 130
    assert "Cancelled" in capsys.readouterr().err


def test_an_error_that_a_worker_raised_is_told_as_itself(failing, recipe, capsys):
    wrapped = RuntimeError("ray::worker() (pid=1)\nTraceback ...")
    wrapped.cause = StorageError("the bucket is away", "try again")
    failing(wrapped)
    assert main(["plan", recipe]) == 3
    assert "the bucket is away" in capsys.readouterr().err


def test_a_full_disk_is_told_as_one(failing, recipe, capsys):
    failing(OSError(28, "No space left on device"))
    assert main(["plan", recipe]) == DiskFullError.exit_code
    assert "disk is full" in capsys.readouterr().err


def test_an_unknown_verb_is_the_users_mistake(capsys):
    assert main(["trian"]) == 2
    assert "No such command" in capsys.readouterr().err


def test_a_verb_may_choose_its_exit_code(failing, recipe):
    failing(typer.Exit(3))
    assert main(["plan", recipe]) == 3


def test_every_verb_explains_itself(capsys):
    names = [c.name or c.callback.__name__ for c in app.registered_commands]
    for name in names:
        assert main([name, "--help"]) == 0, name
    assert "Traceback" not in capsys.readouterr().out


def test_each_stage_verb_calls_its_stage_with_the_overridden_recipe(monkeypatch, recipe):
    called = []
    monkeypatch.setattr("novelray.fleet.stages.run_stage", lambda name, recipe, **_: called.append((name, recipe.seed)))
    stages = ["corpus", "plan", "train", "update", "tune", "evaluate", "serve", "run"]
    for stage in stages:
        assert main([stage, recipe, "--set", "seed=7", "--set", "name=other"]) == 0
    assert called == [(stage, 7) for stage in stages]


def test_the_console_script_exits_with_mains_code(tmp_path):
    script = Path(sys.executable).with_name("novelray")
    done = subprocess.run([script, "recipe", "check", tmp_path / "none.yaml"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "There is no recipe" in done.stderr


@pytest.mark.parametrize("verb", ["train", "run"])
def test_fresh_means_a_new_run_and_without_it_a_changed_recipe_is_refused(verb, recipe, monkeypatch):
    seen = []
    monkeypatch.setattr(
        "novelray.fleet.stages.run_stage", lambda name, loaded, **_: seen.append(loaded.train.on_change)
    )
    assert main([verb, recipe]) == main([verb, recipe, "--fresh"]) == 0
    assert seen == ["refuse", "restart"]
