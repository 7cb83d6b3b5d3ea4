import sys
from dataclasses import fields, replace
from types import SimpleNamespace

import pytest
import torch

from condlesson import __main__
from condlesson.__main__ import main
from condlesson.data import SUBSET_DIR
from condlesson.experiment import command, recording, runs
from condlesson.experiment.progress import ProgressBar
from condlesson.experiment.runs import load_model, run_name
from condlesson.training import TIERS, TrainConfig, TrainState
from tests.command_line.conftest import CONFIG, TRAIN

pytestmark = pytest.mark.usefixtures("one_thread")


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
    assert command.config_of(args) == TrainConfig()
    assert args.device == ("cuda" if torch.cuda.is_available() else "cpu")
    assert not args.weights
    assert not args.download


@pytest.mark.parametrize("tier", TIERS)
def test_a_tier_is_a_size_and_options_change_it(tier):
    words = f"train --tier {tier} --seed 9 --variant none --width 24 --out b".split()
    config = command.config_of(__main__._parser().parse_args(words))
    assert config == replace(TIERS[tier], seed=9, variant="none", width=24)


def test_every_option_of_the_configuration_has_a_help():
    assert set(command.HELP) == {f.name for f in fields(TrainConfig)}


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
    progress = ProgressBar(CONFIG, None)
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
    progress = ProgressBar(CONFIG, SimpleNamespace(is_main_process=False))
    progress.show(TrainState.start(CONFIG))
    progress.close()
    assert capsys.readouterr().err == ""


def test_train_downloads_only_where_it_is_told(monkeypatch, tmp_path, capsys):
    def fetch(root):
        raise RuntimeError(f"the network is down, {root}")

    monkeypatch.setattr(command, "download_mnist", fetch)
    assert main([*TRAIN, "--download", "--out", str(tmp_path)]) == 1
    assert f"condlesson: the network is down, {SUBSET_DIR}" in capsys.readouterr().err


FAULTS = {
    "runs list --dir nowhere": "nowhere must be a folder of recorded runs",
    "runs verify --dir nowhere": "nowhere must be a folder of recorded runs",
    "train --data nowhere --out out": "train-images-idx3-ubyte[.gz] is neither in nowhere",
    "train --epochs 0 --data nowhere --out out": "epochs must be at least 1, got 0.",
    "train --seed -1 --data nowhere --out out": "seed must be 0 or more, got -1.",
    f"train --images 4097 --data {SUBSET_DIR} --out out": "images must be at most 4096, got 4097.",
    f"train --images 128 --val-images 1025 --data {SUBSET_DIR} --out out": "at most 1024, got 1025",
    f"train --threads -1 --data {SUBSET_DIR} --out out": "threads must be 1 to 256, got -1.",
    f"train --threads 0 --data {SUBSET_DIR} --out out": "threads must be 1 to 256, got 0.",
    f"train --threads 100000 --data {SUBSET_DIR} --out out": "threads must be 1 to 256, got",
    f"train --data {SUBSET_DIR} --out=": "out must have a value, got an empty one.",
    "train --data= --out out": "data must have a value, got an empty one.",
    "train --variant simple --label-dropout 0.5 --data nowhere --out out": (
        "label_dropout must be left out for simple, which is told no class, got 0.5."
    ),
    "train --learning-rate 1e40 --data nowhere --out out": "learning_rate must be above 0 and at",
    "train --batch-size 1 --image-size 4 --data nowhere --out out": "batch_size must be at least 2",
    "train --dataset glyphs --data nowhere --out out": "--data must be left out with --dataset",
    "train --tier quick --download --out out": "--data must name a folder for --download",
    f"train --images 128 --final-images 1025 --data {SUBSET_DIR} --out out": (
        "final_images must be at most 1024, got 1025."
    ),
    "notebooks file": "file must be a folder, got a file.",
    "notebooks out --with-solutions": "--with-solutions must come with --archive",
    "runs list --dir=": "dir must have a value, got an empty one.",
    "runs collect a --out=": "out must have a value, got an empty one.",
    f"train --width {10**22} --data {SUBSET_DIR} --out out": "width must be at most 1,024",
    f"train --num-timesteps 100 --data {SUBSET_DIR} --out out": "alpha_bar would still be 0.36",
    f"train --variant simple --num-timesteps 500 --data {SUBSET_DIR} --out out": (
        "num_timesteps must be 1000 for simple, whose clock counts to that, got 500."
    ),
    f"train --variant fourier --num-timesteps 500 --data {SUBSET_DIR} --out out": "for fourier",
    f"train --device nonsense --data {SUBSET_DIR} --out out": "device must be one of cpu",
    f"train --device meta --data {SUBSET_DIR} --out out": "device must be one of cpu",
    f"train --data {SUBSET_DIR} --out file": "file",
}


@pytest.mark.fault(
    "a command cannot do what it is asked",
    "one line with rule, value and cure, and status 1",
)
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


@pytest.mark.fault("Ctrl-C in a training", "it says how to go on")
def test_control_c_says_how_to_go_on(monkeypatch, tmp_path, capsys):
    def interrupted(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(recording, "record", interrupted)
    assert main([*TRAIN, "--out", str(tmp_path)]) == 130
    assert "goes on from the run's last checkpoint" in capsys.readouterr().err


def test_help_tells_every_option(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit, match="0"):
        main(["train", "--help"])
    shown = capsys.readouterr()
    assert shown.err == ""
    text = " ".join(shown.out.split())
    options = text.partition("options:")[2].split(" --")[2:]  # each from its name to the next
    names = [f.name for f in fields(TrainConfig)]
    names += ["tier", "data", "download", "out", "again", "weights"]
    names += ["outputs", "device", "threads"]
    assert {option.split()[0] for option in options} == {n.replace("_", "-") for n in names}
    assert [option for option in options if "default" not in option] == []
    assert "--learning-rate X of Adam; default: 0.001 (quick), 0.0002 (small)," in text
    assert "--num-timesteps N T, the steps of the noise schedule; default: 1000 --" in text


def test_what_is_recorded_is_not_trained_again(recorded, capsys):
    (before,) = [path.read_bytes() for path in recorded.glob("*.json")]
    for weights in ([], ["--weights"]):
        assert main([*TRAIN, *weights, "--out", str(recorded)]) == 0
        assert "is recorded in" in capsys.readouterr().out
    assert [path.read_bytes() for path in recorded.glob("*.json")] == [before]


def test_version_is_told(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out.startswith("condlesson 0.")


def test_a_machine_without_bfloat16_is_told(tmp_path, capsys, monkeypatch):
    seconds = {torch.bfloat16: 7.0, torch.float32: 1.0}
    monkeypatch.setattr(command, "_convolution_seconds", seconds.get)
    monkeypatch.setattr(recording, "record", lambda config, *_, **__: None)
    train = [*TRAIN, "--out", str(tmp_path)]
    assert main([*train, "--precision", "bfloat16"]) == 0
    assert "7 times as long as in float32 on this machine" in capsys.readouterr().err
    assert main([*train, "--precision", "float32"]) == 0
    seconds[torch.bfloat16] = 0.5
    assert main([*train, "--precision", "bfloat16"]) == 0
    assert not capsys.readouterr().err


def test_the_time_of_bfloat16_leaves_the_random_numbers_alone():
    before = torch.get_rng_state()
    assert command._convolution_seconds(torch.bfloat16) > 0
    assert torch.equal(torch.get_rng_state(), before)
