import json
import re
import shutil
import sys
from dataclasses import replace
from functools import partial

import pytest

from condlesson.__main__ import main
from condlesson.experiment import command, plan, recording, runs, sweeps, verifying
from condlesson.experiment.judge_records import load_judge_record
from condlesson.experiment.judges import KINDS
from tests.command_line.conftest import CONFIG, TRAIN

pytestmark = pytest.mark.usefixtures("one_thread")


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


def test_runs_are_listed_and_trained_without_the_training_extras(
    recorded, tmp_path, monkeypatch, capsys
):
    for name in ("tqdm", "torchvision"):
        monkeypatch.setitem(sys.modules, name, None)
    assert main(["runs", "list", "--dir", str(recorded)]) == 0
    assert main([*TRAIN, "--out", str(tmp_path)]) == 0
    first, *_, last = capsys.readouterr().err.splitlines()
    assert first == "For a bar with the time left: pip install 'condlesson[train]'"
    assert re.fullmatch(r"none-seed.*: step (\d+) of \1, loss [\d.]+, train [\d.]+, val .*", last)


def test_a_folder_without_runs_is_a_fault(tmp_path, capsys):
    assert main(["runs", "verify", "--dir", str(tmp_path)]) == 1
    assert "must hold recorded runs, got none" in capsys.readouterr().err


# --- sweeps -----------------------------------------------------------------------------------


def lines_of(capsys, *words):
    assert main(["runs", *words]) == 0
    return capsys.readouterr().out.splitlines()


def test_missing_prints_a_command_for_each_run(tmp_path, capsys):
    lines = lines_of(capsys, "missing", "--dir", str(tmp_path), "--data", "mnist")
    commands = [runs.train_command(c, tmp_path, data="mnist") for c in sweeps.sweep()]
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
    seen = []
    monkeypatch.setattr(sweeps, "sweep", lambda tier: [CONFIG])
    monkeypatch.setattr(recording, "record", lambda config, data, out, **options: seen.append(data))
    for name in ("download_mnist", "load_mnist"):
        monkeypatch.setattr(command, name, lambda root, name=name: f"{name} {root}")
    words = ["runs", "make", "--dir", str(tmp_path), "--data", "a"]
    assert main([*words, "--download"]) == main(words) == 0
    assert seen == ["download_mnist a", "load_mnist a"]


def test_make_writes_the_parts_that_the_book_needs(monkeypatch, tmp_path):
    seen = []
    last, before = plan.SEEDS[-1], plan.SEEDS[-2]
    configs = [
        replace(plan.STUDY, variant=v, seed=s)
        for v, s in (("adagn", last), ("none", last), ("none", before))
    ]
    monkeypatch.setattr(sweeps, "sweep", lambda tier: configs)
    monkeypatch.setattr(command, "load_mnist", lambda root: None)
    monkeypatch.setattr(
        recording, "record", lambda *_, weights, outputs, **__: seen.append((weights, outputs))
    )
    assert main(["runs", "make", "--dir", str(tmp_path), "--data", "a"]) == 0
    assert seen == [(True, True), (False, True), (False, False)]


def test_make_needs_no_folder_for_the_quick_tier(monkeypatch, tmp_path, capsys):
    seen = []
    monkeypatch.setattr(recording, "record", lambda config, data, out, **_: seen.append(data))
    assert main(["runs", "make", "--dir", str(tmp_path), "--tier", "quick"]) == 0
    assert [len(data.train_images) for data in seen] == [4096] * len(seen)
    assert capsys.readouterr().out.count("--data subset") == len(seen) > 1


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


# --- judges -----------------------------------------------------------------------------------


def test_a_judge_is_trained_and_recorded(tmp_path, monkeypatch, capsys):
    brief = partial(recording.record_judge, steps=2)
    monkeypatch.setattr(recording, "record_judge", brief)
    out = tmp_path / "judges"
    assert main(["judge", "noise", "--data", "subset", "--out", str(out)]) == 0
    assert capsys.readouterr().out.startswith("noise: median_error ")
    assert load_judge_record("noise", out).steps == 2


def test_the_books_folder_must_have_its_judges(monkeypatch, capsys):
    monkeypatch.setattr(verifying, "verify", lambda folder, every: [])
    monkeypatch.setattr(verifying, "verify_classes", lambda: [])
    monkeypatch.setattr(verifying, "verify_judges", lambda: ["a judge is out of date."])
    assert main(["runs", "verify"]) == 1
    assert "condlesson: a judge is out of date." in capsys.readouterr().err


def test_missing_judges_are_made_for_the_book(monkeypatch, tmp_path, capsys):
    made = []
    monkeypatch.setattr("condlesson.__main__.runs.RECORDED_DIR", tmp_path)
    monkeypatch.setattr("condlesson.__main__.sweeps.missing", lambda expected, folder: [])
    monkeypatch.setattr(
        "condlesson.__main__._record_judge", lambda *told: made.append((*told[:1], *told[2:]))
    )
    assert main(["runs", "make", "--dir", str(tmp_path)]) == 1
    expected = f"--data must name the folder of MNIST, for {len(KINDS)} missing runs."
    assert expected in capsys.readouterr().err
    assert main(["runs", "make", "--dir", str(tmp_path), "--data", "subset"]) == 0
    assert made == [(kind, "subset", False) for kind in KINDS]
