import base64
import io
import json

import numpy as np
import pytest
import torch
from PIL import Image

from condlesson.data import load_subset, to_model_range
from condlesson.diffusion import alphas_cumprod, linear_beta_schedule, q_sample
from condlesson.experiment import plan
from condlesson.experiment.outputs import denoise_lied_to, to_bytes
from condlesson.experiment.runs import run_name
from condlesson.figures import desk
from condlesson.figures.desk import TOLD, TRUE, networks, write_files
from condlesson.training import TrainConfig

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("desk")
    write_files(folder)
    return folder, json.loads((folder / "about.json").read_text())


def test_every_network_is_there_with_its_size(written):
    folder, about = written
    assert list(about["networks"]) == list(networks())
    for name, (run, _) in networks().items():
        network = about["networks"][name]
        assert network["run"] == run.name
        assert network["label"] == f"{run.config.variant}, {run.config.images:,} images"
        for file in network["files"]:
            path = folder / file["address"]
            assert path.stat().st_size == file["size"] < 1_000_000
            assert f'"name": "{run.name}"' in path.read_text()[:300]


def test_a_run_that_is_not_recorded_is_not_offered(monkeypatch):
    missing, there = TrainConfig(seed=41), plan.FULL[0]
    monkeypatch.setattr(desk, "RUNS", {"drawing": missing, "adagn": there})
    assert {name: run.name for name, (run, _) in networks().items()} == {"adagn": run_name(there)}


def test_nothing_else_is_written(written):
    folder, about = written
    listed = [file["address"] for n in about["networks"].values() for file in n["files"]]
    assert sorted(p.name for p in folder.iterdir()) == sorted([*listed, "about.json", "first.webp"])


def test_the_digits_are_test_images(written):
    data = load_subset()
    for digit, text in enumerate(written[1]["digits"]):
        image = np.frombuffer(base64.b64decode(text), np.uint8).reshape(28, 28)
        of_digit = data.test_images[data.test_labels == digit].numpy()
        assert any(np.array_equal(image, other) for other in of_digit)


@torch.no_grad()
def test_the_first_screen_shows_what_the_network_makes(written):
    folder, about = written
    first, data = about["first"], load_subset()
    sheet = np.array(Image.open(io.BytesIO((folder / "first.webp").read_bytes())).convert("L"))
    x_0 = to_model_range(data.test_images[data.test_labels == 6][:1])
    steps = np.frombuffer(base64.b64decode(first["noise"]["base64"]), "<i2")
    noise = torch.tensor(steps * first["noise"]["step"]).float().view(x_0.shape)
    j, k = TRUE.index(450), TOLD.index(100)
    x_t = q_sample(x_0, 450, noise, alphas_cumprod(linear_beta_schedule()))
    estimate = denoise_lied_to(next(iter(networks().values()))[1], x_t, 450, [100])[0]
    error = (estimate - x_0).square().mean().sqrt().item()
    assert first["errors"][j][k] == pytest.approx(error, abs=2e-3)
    for row, column, image in ((0, j, x_t), (1 + j, k, estimate)):
        tile = sheet[28 * row : 28 * row + 28, 28 * column : 28 * column + 28]
        difference = np.abs(tile.astype(float) - to_bytes(image)[0])
        assert difference.mean() < 25  # not lossless; another tile is off by 60 or more
