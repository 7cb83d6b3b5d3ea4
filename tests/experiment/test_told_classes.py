"""What a network makes of classes: measured as it is said, and guarded as a record."""

import json
import shutil
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from condlesson.__main__ import main
from condlesson.experiment import plan, told_classes
from condlesson.experiment.outputs import from_bytes
from condlesson.experiment.records import RunError
from condlesson.experiment.runs import Run
from condlesson.experiment.told_classes import (
    CONFIG,
    Measured,
    coarse,
    load_classes,
    measure_classes,
    record_classes,
    verify_classes,
)
from condlesson.training import make_model

pytestmark = pytest.mark.usefixtures("one_thread")

FEW = Measured((0.0, 1.0, 3.0), ((0, 400), (400, 1000)), 3.0, 2, 1, 2, 6, 2, 1, 2)


class Listens(torch.nn.Module):
    """Predicts its told class, or -1 for none, everywhere."""

    def forward(self, x_t, t, labels=None):
        said = torch.full((len(x_t),), -1) if labels is None else labels
        said = torch.where(said == 10, -1, said)
        return said.view(-1, 1, 1, 1).expand_as(x_t) / 10


@pytest.fixture(scope="module")
def measured(subset):
    return measure_classes(Listens(), subset, FEW)


def test_as_much_is_measured_as_is_said(measured):
    shapes = {name: values.shape for name, values in measured.items()}
    assert shapes == {
        "scales": (3,),
        "labels": (10,),
        "intervals": (2, 2),
        "kept": (3, 2, 10, 28, 28),
        "anew": (3, 2, 10, 28, 28),
        "in_interval": (2, 2, 10, 28, 28),
        "equal_cost": (2, 10, 28, 28),
        "timesteps": (2,),
        "errors": (2, 2, 6),
        "lied_timesteps": (2,),
        "class_lies": (2, 10, 10),
        "time_lies": (2, 2, 2),
    }
    assert measured["timesteps"].tolist() == measured["lied_timesteps"].tolist() == [250, 750]


def test_scales_start_from_the_same_noise_and_sets_from_others(measured):
    drawn = from_bytes(measured["kept"].reshape(-1, 28, 28)).view(3, 2, 10, -1)
    # At scale 0 the network predicts -0.1 for every class: all differ by their noise alone.
    assert not torch.equal(drawn[0, 0], drawn[0, 1])
    # Class 0 at scale 1 is told 0.0; guided by 3, 0.0 + 2 (0.0 + 0.1): less noise is left.
    assert drawn[2, :, 0].mean() < drawn[1, :, 0].mean() < drawn[0, :, 0].mean()


@pytest.mark.parametrize("way", ["kept", "anew"])
def test_the_noise_is_kept_or_computed_anew_as_is_said(subset, way, monkeypatch):
    asked = []

    def sample(model, x_T, schedule, *, num_steps, noise_from_x_0):  # noqa: N803
        asked.append((model.scale, model.interval, num_steps, noise_from_x_0))
        return x_T

    monkeypatch.setattr(told_classes, "sample_ddim", sample)
    measure_classes(Listens(), subset, FEW)
    per_scale = [(scale, None, 2, way == "anew") for scale in FEW.scales for _ in range(FEW.sets)]
    assert [one for one in asked if one in per_scale] == per_scale
    assert asked[-6:] == [
        *[(3.0, interval, 2, True) for interval in FEW.intervals for _ in range(FEW.sets)],
        *[(1.0, None, 4, True)] * FEW.sets,
    ]


def test_images_are_kept_in_few_grey_levels(measured):
    assert set(np.unique(measured["anew"])) <= {17 * level for level in range(16)}
    assert coarse(np.arange(256, dtype=np.uint8)).tolist() == [
        17 * round(k / 17) for k in range(256)
    ]


def test_errors_are_those_of_a_network_that_says_what_it_is_told(measured):
    # The noise has a mean square of 1 and a mean of about 0, so the error is 1 + said^2.
    told = measured["class_lies"].mean(axis=(0, 1))
    assert told == pytest.approx(1 + (np.arange(10) / 10) ** 2, abs=0.1)
    with_class, without = measured["time_lies"]
    assert np.allclose(without, without[:1])  # it hears no time
    assert without.mean() == pytest.approx(1.01, abs=0.1)
    assert with_class.mean() > without.mean()
    assert measured["errors"][:, 1].mean() == pytest.approx(1.01, abs=0.1)


@pytest.fixture(scope="module")
def run():
    others = {field.name: None for field in fields(Run)}
    return Run(**others | {"config": CONFIG, "weights": {"sha256": "a" * 64}})


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return make_model(replace(CONFIG, width=8)).eval()


@pytest.fixture(scope="module")
def path(run, model, subset, tmp_path_factory):
    """A record of an untrained narrow network."""
    few = replace(FEW, scales=(1.0,))
    return record_classes(run, model, subset, tmp_path_factory.mktemp("classes"), few)


@pytest.fixture
def recorded(path, run, model, tmp_path, monkeypatch):
    """A copy of it, as if it were the plan's."""
    monkeypatch.setattr(told_classes, "read_expected", lambda config, folder: run)
    monkeypatch.setattr(told_classes, "load_model", lambda run, folder: model)
    monkeypatch.setattr(told_classes, "ALL", replace(FEW, scales=(1.0,)))
    return Path(shutil.copytree(path.parent, tmp_path / "classes")) / path.name


def test_a_record_is_read_as_it_was_written_and_is_current(recorded, run):
    assert load_classes(folder=recorded.parent)["anew"].shape == (1, 2, 10, 28, 28)
    assert load_classes(run, recorded.parent)["labels"].tolist() == list(range(10))
    assert verify_classes(recorded.parent) == []


def changed(path, **fields):
    record = json.loads(path.read_text())
    path.write_text(json.dumps(record | fields))


FAULTS = {
    "is not recorded": lambda path: path.unlink(),
    r"is damaged \(Expecting": lambda path: path.write_text("{"),
    "is damaged .*canary must be a list": lambda path: changed(path, canary=None),
    "is damaged .*must have name": lambda path: changed(path, more=1),
    "is damaged .*name must be": lambda path: changed(path, file="../x.npz"),
    "is damaged .*canary must be a list of 7": lambda path: changed(path, canary=[0.5] * 4),
    "was changed after": lambda path: changed(path, canary=[0.5] * 7),
    "damaged|was changed": lambda path: path.with_suffix(".npz").write_bytes(b"PK"),
}


@pytest.mark.fault(
    "the record of what a network makes of classes is missing, cut short or changed",
    "reading it says what is wrong, and the command that makes it again",
)
@pytest.mark.parametrize("message", FAULTS)
def test_a_fault_is_named_with_its_cure(recorded, message):
    FAULTS[message](recorded)
    with pytest.raises(RunError, match=f"({message}).*Make it with: condlesson classes --data"):
        load_classes(folder=recorded.parent)
    assert verify_classes(recorded.parent)


def test_other_weights_and_other_code_are_noticed(recorded, run, monkeypatch):
    other = replace(run, weights={"sha256": "b" * 64})
    with pytest.raises(RunError, match="was made from other weights"):
        load_classes(other, recorded.parent)
    monkeypatch.setattr(told_classes, "load_model", lambda run, folder: Listens())
    (problem,) = verify_classes(recorded.parent)
    assert "is out of date. Loss 0 of its canary was" in problem


def test_a_record_of_other_sizes_is_out_of_date(recorded, monkeypatch):
    monkeypatch.setattr(told_classes, "ALL", replace(told_classes.ALL, interval_scale=2.0))
    (problem,) = verify_classes(recorded.parent)
    assert "was measured in other sizes. Make it with: condlesson classes" in problem


@pytest.mark.slow
def test_the_books_record_is_there_and_current():
    assert verify_classes() == []
    made = load_classes()
    assert made["kept"].shape == made["anew"].shape == (7, 4, 100, 28, 28)
    assert made["in_interval"].shape == (3, 4, 100, 28, 28)
    assert made["equal_cost"].shape == (4, 100, 28, 28)
    assert plan.FULL[1] == CONFIG


@pytest.mark.slow
def test_the_command_records(recorded, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(told_classes, "ALL", FEW)
    assert main(["classes", "--data", "subset", "--out", str(tmp_path / "new")]) == 0
    assert f"Recorded in {tmp_path / 'new'}" in capsys.readouterr().out
