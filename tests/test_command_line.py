import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from condlesson import __main__, recording, runs
from condlesson.__main__ import main
from condlesson.data import SUBSET_DIR
from condlesson.runs import load_model, run_name
from condlesson.training import TrainConfig

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
    assert TrainConfig(**{name: getattr(args, name) for name in __main__.DEFAULTS}) == TrainConfig()
    assert args.device == ("cuda" if torch.cuda.is_available() else "cpu")
    assert not args.weights
    assert not args.download


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
    "line", ["", "runs", "train", "train --data a", "train --variant film --data a --out b", "fly"]
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
    for name in (*TrainConfig.__dataclass_fields__, "data", "download", "out", "weights", "device"):
        assert f"--{name.replace('_', '-')} " in shown.stdout.replace("\n", " ").replace("]", " ")


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
