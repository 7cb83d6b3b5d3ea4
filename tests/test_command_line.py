import json
import os
import shutil
import subprocess
import sys
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from condlesson import __main__
from condlesson.__main__ import main
from condlesson.data import SUBSET_DIR
from condlesson.experiment import recording, runs, sweeps
from condlesson.experiment.judge_records import load_judge_record
from condlesson.experiment.runs import load_model, run_name
from condlesson.notebooks import export, pages
from condlesson.training import TIERS, TrainConfig, TrainState

pytestmark = pytest.mark.usefixtures("one_thread")

SRC = Path(__file__).parents[1] / "src"
CONFIG = TrainConfig(
    variant="none",
    seed=3,
    width=8,
    images=32,
    epochs=2,
    batch_size=16,
    val_images=32,
    learning_rate=3e-4,
    num_timesteps=500,
    precision="float32",
)
OPTIONS = (
    "--variant none --seed 3 --width 8 --images 32 --epochs 2 --batch-size 16 --val-images 32 "
    "--learning-rate 3e-4 --num-timesteps 500 --precision float32 --device cpu --threads 1"
)
TRAIN = ["train", *OPTIONS.split(), "--data", str(SUBSET_DIR)]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory, one_thread, few_lies):
    folder = tmp_path_factory.mktemp("recorded")
    assert main([*TRAIN, "--weights", "--out", str(folder)]) == 0
    return folder


def run_child(*words, **env):
    return subprocess.run(
        [sys.executable, "-m", "condlesson", *words],
        env={**os.environ, "PYTHONPATH": str(SRC), "OMP_NUM_THREADS": "1", **env},
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_train_records_what_it_is_told(recorded):
    (run,) = runs.list_runs(recorded)
    assert run.config == CONFIG
    assert run.provenance["threads"] == 1
    assert not load_model(run, recorded).training
    assert len(list(recorded.iterdir())) == 2


def test_train_says_how_it_goes(recorded, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(recording, "LIE_IMAGES", 2)
    assert main([*TRAIN, "--out", str(tmp_path)]) == 0
    (run,) = runs.list_runs(tmp_path)
    shown = capsys.readouterr()
    line = f"{run_name(CONFIG)}: validation loss {run.val_loss[-1]:.5f}, recorded in {tmp_path}\n"
    assert shown.out == line
    assert "4/4" in shown.err
    assert f"val={run.val_loss[-1]:.4f}" in shown.err
    assert run.val_loss == runs.list_runs(recorded)[0].val_loss
    assert run.weights is None


def test_defaults_are_those_of_the_configuration():
    args = __main__._parser().parse_args(["train", "--data", "a", "--out", "b"])
    assert __main__._config(args) == TrainConfig()
    assert args.device == ("cuda" if torch.cuda.is_available() else "cpu")
    assert not args.weights
    assert not args.download


@pytest.mark.parametrize("tier", TIERS)
def test_a_tier_is_a_size_and_options_change_it(tier):
    words = f"train --tier {tier} --seed 9 --variant none --width 24 --out b".split()
    config = __main__._config(__main__._parser().parse_args(words))
    assert config == replace(TIERS[tier], seed=9, variant="none", width=24)


def test_every_option_of_the_configuration_has_a_help():
    assert set(__main__.HELP) == {f.name for f in fields(TrainConfig)}


def test_the_quick_tier_takes_the_shipped_images(monkeypatch, tmp_path):
    seen = []

    def record(config, data, out, **options):
        seen.append((config, len(data.train_images)))

    monkeypatch.setattr(recording, "record", record)
    assert main(["train", "--tier", "quick", "--out", str(tmp_path)]) == 0
    assert seen == [(TIERS["quick"], 4096)]


def test_progress_shows_the_losses_of_a_run_that_goes_on(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    state = TrainState.start(CONFIG)
    progress = __main__._Progress(CONFIG, None)
    state.step, state.losses = 3, [torch.tensor(0.5), torch.tensor(0.25)]
    state.train_loss, state.val_loss = [0.75], [0.125]
    progress.show(state)
    state.step = 4
    progress.show(state)  # too soon
    progress.close()
    shown = capsys.readouterr().err
    assert "3/4" in shown
    assert "loss=0.3750, train=0.7500, val=0.1250" in shown
    assert "4/4" not in shown


def test_only_one_process_shows_progress(capsys):
    progress = __main__._Progress(CONFIG, SimpleNamespace(is_main_process=False))
    progress.show(TrainState.start(CONFIG))
    progress.close()
    assert capsys.readouterr().err == ""


def test_train_downloads_only_where_it_is_told(monkeypatch, tmp_path, capsys):
    def fetch(root):
        raise RuntimeError(f"the network is down, {root}")

    monkeypatch.setattr(__main__, "download_mnist", fetch)
    assert main([*TRAIN, "--download", "--out", str(tmp_path)]) == 1
    assert f"condlesson: the network is down, {SUBSET_DIR}" in capsys.readouterr().err


def test_list_shows_a_line_for_each_run(recorded, capsys):
    assert main(["runs", "list", "--dir", str(recorded)]) == 0
    (run,) = runs.list_runs(recorded)
    (line,) = capsys.readouterr().out.splitlines()
    assert line.split()[:3] == [run.name, "val", f"{run.val_loss[-1]:.5f}"]
    assert line.endswith(run.recorded_on)


def test_list_prints_json(recorded, capsys):
    assert main(["runs", "list", "--json", "--dir", str(recorded)]) == 0
    (shown,) = json.loads(capsys.readouterr().out)
    (run,) = runs.list_runs(recorded)
    expected = {"variant": "none", "seed": 3, "images": 32, "epochs": 2, "width": 8}
    assert expected.items() <= shown.items()
    assert (shown["train_loss"], shown["val_loss"]) == (run.train_loss, run.val_loss)
    assert len(shown["train_loss"]) == len(shown["val_loss"]) == len(shown["seconds"]) == 2
    assert shown["device"] == run.provenance["device"]
    assert shown["device_type"] == "cpu"
    assert shown["weights"] is True


def test_list_of_nothing_is_json_too(tmp_path, capsys):
    assert main(["runs", "list", "--json", "--dir", str(tmp_path)]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_list_reads_the_shipped_runs_by_default(capsys):
    assert main(["runs", "list", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert [run["name"] for run in shown] == [run.name for run in runs.list_runs()]


def test_verify_passes_a_good_folder(recorded, capsys):
    assert main(["runs", "verify", "--dir", str(recorded)]) == 0
    assert capsys.readouterr().out == "1 recorded runs are whole and current.\n"


def test_verify_names_every_fault(tmp_path, capsys):
    for name in ("one", "two"):
        (tmp_path / f"{name}.json").write_text("{}")
    assert main(["runs", "verify", "--dir", str(tmp_path)]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    lines = shown.err.splitlines()
    assert [line.split(" is damaged")[0] for line in lines] == [
        "condlesson: run one",
        "condlesson: run two",
    ]


FAULTS = {
    "runs list --dir nowhere": "nowhere must be a folder of recorded runs",
    "runs verify --dir nowhere": "nowhere must be a folder of recorded runs",
    "train --data nowhere --out out": "train-images-idx3-ubyte[.gz] is neither in nowhere",
    "train --epochs 0 --data nowhere --out out": "epochs must be at least 1, got 0.",
    "train --seed -1 --data nowhere --out out": "seed must be 0 or more, got -1.",
    f"train --images 4097 --data {SUBSET_DIR} --out out": "images must be at most 4096, got 4097.",
    f"train --images 128 --val-images 1025 --data {SUBSET_DIR} --out out": "at most 1024, got 1025",
    f"train --threads -1 --data {SUBSET_DIR} --out out": "threads",
    f"train --device nonsense --data {SUBSET_DIR} --out out": "nonsense",
    f"train --data {SUBSET_DIR} --out file": "file",
}


@pytest.mark.parametrize("line", FAULTS)
def test_a_fault_is_one_line_and_status_1(line, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(recording, "canary_losses", lambda config: [1.0])
    (tmp_path / "file").touch()
    assert main(line.split()) == 1
    message = capsys.readouterr().err.splitlines()[-1]
    assert message.startswith("condlesson: ")
    assert FAULTS[line] in message


@pytest.mark.parametrize(
    "line",
    [
        *["", "fly", "runs", "runs collect", "runs collect a", "runs missing --tier huge"],
        *["train", "train --data a", "train --out b", "train --variant film --data a --out b"],
    ],
)
def test_a_wrong_command_is_status_2(line, capsys):
    with pytest.raises(SystemExit) as stop:
        main(line.split())
    assert stop.value.code == 2
    assert "usage: condlesson" in capsys.readouterr().err


def test_control_c_says_how_to_go_on(monkeypatch, tmp_path, capsys):
    def interrupted(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(recording, "record", interrupted)
    assert main([*TRAIN, "--out", str(tmp_path)]) == 130
    assert "goes on from the run's last checkpoint" in capsys.readouterr().err


def test_help_tells_every_option():
    shown = run_child("train", "--help", COLUMNS="80")
    assert shown.returncode == 0
    assert shown.stderr == ""
    text = " ".join(shown.stdout.split())
    options = text.partition("options:")[2].split(" --")[2:]  # each from its name to the next
    names = [f.name for f in fields(TrainConfig)]
    names += ["tier", "data", "download", "out", "again", "weights"]
    names += ["outputs", "device", "threads"]
    assert {option.split()[0] for option in options} == {n.replace("_", "-") for n in names}
    assert [option for option in options if "default" not in option] == []
    assert "--learning-rate X of Adam; default: 0.0002" in text


def test_runs_are_listed_without_the_training_extras(recorded, monkeypatch, capsys):
    for name in ("tqdm", "torchvision"):
        monkeypatch.setitem(sys.modules, name, None)
    assert main(["runs", "list", "--dir", str(recorded)]) == 0
    assert main([*TRAIN, "--again", "--out", str(recorded)]) == 1
    assert "tqdm" in capsys.readouterr().err


def test_what_is_recorded_is_not_trained_again(recorded, capsys):
    (before,) = [path.read_bytes() for path in recorded.glob("*.json")]
    for weights in ([], ["--weights"]):
        assert main([*TRAIN, *weights, "--out", str(recorded)]) == 0
        assert "is recorded in" in capsys.readouterr().out
    assert [path.read_bytes() for path in recorded.glob("*.json")] == [before]


def test_a_folder_without_runs_is_a_fault(tmp_path, capsys):
    assert main(["runs", "verify", "--dir", str(tmp_path)]) == 1
    assert "must hold recorded runs, got none" in capsys.readouterr().err


def test_version_is_told(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out.startswith("condlesson 0.")


# --- sweeps -----------------------------------------------------------------------------------


def lines_of(capsys, *words):
    assert main(["runs", *words]) == 0
    return capsys.readouterr().out.splitlines()


def test_missing_prints_a_command_for_each_run(tmp_path, capsys):
    lines = lines_of(capsys, "missing", "--dir", str(tmp_path), "--data", "mnist")
    commands = [runs.train_command(c, tmp_path, data="mnist") for c in runs.expected_runs()]
    assert lines == commands


def test_missing_says_that_nothing_is(monkeypatch, recorded, capsys):
    monkeypatch.setattr(sweeps, "sweep", lambda tier: [CONFIG])
    assert lines_of(capsys, "missing", "--dir", str(recorded)) == []
    (line,) = lines_of(capsys, "missing", "--all", "--dir", str(recorded))
    assert line == runs.train_command(CONFIG, recorded)


def test_make_trains_what_is_missing(monkeypatch, tmp_path, capsys):
    few = [replace(CONFIG, seed=seed, epochs=1, images=16, val_images=8) for seed in (1, 2)]
    monkeypatch.setattr(sweeps, "sweep", lambda tier: few)
    monkeypatch.setattr(recording, "LIE_IMAGES", 2)
    words = ["runs", "make", "--dir", str(tmp_path), "--data", "subset"]
    assert main(words) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith("Missing 2 of 2: condlesson train ")]
    assert [run.config for run in runs.list_runs(tmp_path)] == few
    assert main(words) == 0
    assert capsys.readouterr().out == f"Nothing is missing in {tmp_path}.\n"


def test_make_stops_at_the_first_fault(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(sweeps, "sweep", lambda tier: [CONFIG, replace(CONFIG, seed=4)])
    words = ["runs", "make", "--dir", str(tmp_path)]
    assert main(words) == 1
    assert "--data must name the folder of MNIST, for 2 missing runs." in capsys.readouterr().err
    assert main([*words, "--data", str(tmp_path)]) == 1
    shown = capsys.readouterr()
    assert "Missing 1 of 2" in shown.out
    assert "Missing run 2" not in shown.out
    assert "train-images-idx3-ubyte[.gz] is neither in" in shown.err


def test_make_hands_the_download_on(monkeypatch, tmp_path):
    monkeypatch.setattr(sweeps, "sweep", lambda tier: [CONFIG])
    monkeypatch.setattr(__main__, "_train", lambda args: 7 if args.download else 8)
    words = ["runs", "make", "--dir", str(tmp_path), "--data", "a"]
    assert (main([*words, "--download"]), main(words)) == (7, 8)


def test_collect_says_what_it_found(recorded, tmp_path, capsys):
    (run,) = runs.list_runs(recorded)
    job, out = shutil.copytree(recorded, tmp_path / "job"), tmp_path / "out"
    (job / "other.checkpoint").touch()
    assert lines_of(capsys, "collect", str(recorded), str(job), "--out", str(out)) == [
        f"{run.name}: new",
        f"{run.name}: found again, the same",
        f"{job / 'other.checkpoint'}: not finished, left where it is",
        f"1 runs are in {out}.",
    ]
    assert sorted(path.name for path in out.iterdir()) == [f"{run.name}.json", f"{run.name}.npz"]


# --- several processes ------------------------------------------------------------------------


@pytest.mark.slow
def test_two_processes_train_what_one_does(tmp_path):
    """With group norm; batch norm knows the images of its own process only."""
    options = OPTIONS.replace("--variant none", "--variant adagn").split()
    words = ["train", *options, "--data", "subset", "--out"]
    assert main([*words, str(tmp_path / "one")]) == 0
    launch = "accelerate.commands.launch --multi_gpu --num_processes 2 --num_machines 1"
    launch += " --mixed_precision no --dynamo_backend no --main_process_port 0 -m condlesson"
    done = subprocess.run(
        [sys.executable, "-m", *launch.split(), *words, str(tmp_path / "two")],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(SRC), *sys.path])},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    (one,), (two,) = (runs.list_runs(tmp_path / name) for name in ("one", "two"))
    assert (one.provenance.get("processes"), two.provenance["processes"]) == (None, 2)
    assert two.train_loss == pytest.approx(one.train_loss, rel=1e-4)
    assert two.val_loss == pytest.approx(one.val_loss, rel=1e-4)
    assert done.stdout.count("validation loss") == 1
    assert runs.verify(tmp_path / "two") == []


# --- notebooks --------------------------------------------------------------------------------


@pytest.fixture
def small_book(tmp_path, monkeypatch):
    """One page in the place of the book's."""
    (tmp_path / "a.md").write_text("---\nkernelspec:\n  name: python3\n---\n\n# A page\n")
    (tmp_path / "references.bib").touch()
    monkeypatch.setattr(export, "Book", lambda: pages.Book(tmp_path))
    monkeypatch.setattr(export, "measure", lambda paths: {path.stem: {} for path in paths})
    return tmp_path


def test_notebooks_are_written(small_book, tmp_path, capsys):
    folder = tmp_path / "out"
    assert main(["notebooks", str(folder)]) == 0
    assert capsys.readouterr().out == f"2 notebooks are in {folder}.\n"
    made = {path.relative_to(folder).as_posix() for path in folder.rglob("*.ipynb")}
    assert made == {"exercises/a.ipynb", "solutions/a.ipynb"}


def test_notebooks_are_packed(small_book, tmp_path, capsys):
    archive = tmp_path / "a.zip"
    assert main(["notebooks", str(tmp_path / "out"), "--archive", str(archive)]) == 0
    assert str(archive) in capsys.readouterr().out
    assert archive.is_file()


def test_notebooks_that_somebody_worked_in_stay(small_book, tmp_path, capsys):
    command = ["notebooks", str(tmp_path / "out")]
    assert main(command) == main(command) == 0
    notebook = tmp_path / "out" / "exercises" / "a.ipynb"
    made = notebook.read_text()
    notebook.write_text("their work")
    assert main(command) == 1
    assert "a.ipynb must not differ from what would be" in capsys.readouterr().err
    assert notebook.read_text() == "their work"
    assert main([*command, "--overwrite"]) == 0
    assert notebook.read_text() == made


def test_a_page_that_cannot_be_a_notebook_is_named(small_book, tmp_path, capsys):
    with (small_book / "a.md").open("a") as page:
        page.write("\n```{tab-set}\n```\n")
    assert main(["notebooks", str(tmp_path / "out")]) == 1
    assert "condlesson: a.md, line 8: the directive {tab-set}" in capsys.readouterr().err


# --- judges -----------------------------------------------------------------------------------


def test_a_judge_is_trained_and_recorded(tmp_path, monkeypatch, capsys):
    brief = partial(recording.record_judge, steps=2)
    monkeypatch.setattr(recording, "record_judge", brief)
    out = tmp_path / "judges"
    assert main(["judge", "noise", "--data", "subset", "--out", str(out)]) == 0
    assert capsys.readouterr().out.startswith("noise: median_error ")
    assert load_judge_record("noise", out).steps == 2


def test_the_books_folder_must_have_its_judges(monkeypatch, capsys):
    monkeypatch.setattr("condlesson.__main__.runs.verify", lambda folder: [])
    monkeypatch.setattr("condlesson.__main__.verify_judges", lambda: ["a judge is out of date."])
    assert main(["runs", "verify"]) == 1
    assert "condlesson: a judge is out of date." in capsys.readouterr().err


def test_missing_judges_are_made_for_the_book(monkeypatch, tmp_path, capsys):
    made = []
    monkeypatch.setattr("condlesson.__main__.runs.RECORDED_DIR", tmp_path)
    monkeypatch.setattr("condlesson.__main__.sweeps.missing", lambda expected, folder: [])
    monkeypatch.setattr("condlesson.__main__._judge", lambda args: made.append(args.kind) or 0)
    assert main(["runs", "make", "--dir", str(tmp_path)]) == 1
    assert "--data must name the folder of MNIST, for 2 missing runs." in capsys.readouterr().err
    assert main(["runs", "make", "--dir", str(tmp_path), "--data", "subset"]) == 0
    assert made == ["digits", "noise"]
