import json
import os

import pytest
import torch

import desk
from benchmarks import desk as desk_benchmark
from benchmarks import sampling, training
from benchmarks.timing import in_turn, rate, show
from condlesson.diffusion import alphas_cumprod, linear_beta_schedule
from condlesson.sampling import sample_ddim
from condlesson.training import TrainConfig, make_model

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]

SMALL = ["--variant", "none", "--width", "8", "--threads", "1", "--json"]
STEPS = ["--batch-size", "8", "--val-images", "16", "--steps", "2", "--block", "1", "--seeds", "2"]


def tables_of(capsys):
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def assert_compares_two_loops(rows):
    plain, package, ratio = rows
    assert [row["loop"] for row in rows] == ["plain loop", "package", "ratio"]
    for row in (plain, package):
        assert 0 < row["slowest"] <= row["images/s"] <= row["fastest"]
    assert ratio["images/s"] == package["images/s"] / plain["images/s"]


def test_the_desk_is_timed_with_its_own_engine():
    """All of its scripts but the last, which takes turns with a page."""
    assert desk.ENGINE[:-1] == desk_benchmark.SCRIPTS


@pytest.mark.weekly
def test_training_is_compared_and_grows_with_processes(capsys, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    assert training.main([*SMALL, *STEPS]) == 0
    compared, grown = tables_of(capsys)
    assert_compares_two_loops(compared["rows"])
    plain, package, _ = compared["rows"]
    assert package["validation loss"] == pytest.approx(plain["validation loss"], rel=0.05)
    (row,) = grown["rows"]
    assert (row["processes"], row["threads each"]) == (1, 1)
    assert row["images/s"] > 0


@pytest.mark.slow
def test_sampling_is_compared(capsys):
    assert sampling.main([*SMALL, "--images", "2", "--timesteps", "3", "--rounds", "2"]) == 0
    (table,) = tables_of(capsys)
    assert_compares_two_loops(table["rows"])
    assert table["rows"][1]["apart (mean, of 2)"] < 0.1


def test_the_plain_sampler_is_the_packages():
    model = make_model(TrainConfig(variant="adagn", width=8)).eval()
    noise = torch.randn(3, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    schedule = alphas_cumprod(linear_beta_schedule())
    expected = sample_ddim(model, noise, schedule, num_steps=7)
    found = sampling.plain_ddim(model, noise, schedule, 7)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_more_images_than_there_are_are_refused():
    with pytest.raises(SystemExit, match=r"--steps must need at most 4096 images, got 4608\."):
        training.main([*SMALL, "--steps", "32"])


def test_work_is_done_in_turn():
    done = []
    works = {name: lambda name=name: done.append(name) for name in "ab"}
    seconds = in_turn(works, 2)
    assert done == ["a", "b"] * 3  # once before the clock starts
    assert [len(found) for found in seconds.values()] == [2, 2]
    assert rate(30, [1.0, 2.0, 30.0]) == 15


def test_a_table_has_a_line_for_each_row(capsys):
    rows = [{"loop": "a", "images/s": 1234.567}, {"loop": "longer", "images/s": None}]
    show("Title", rows, as_json=False)
    assert capsys.readouterr().out.splitlines() == [
        "",
        "Title",
        "loop    images/s",
        "a           1235",
        "longer          ",
    ]
