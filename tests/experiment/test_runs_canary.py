"""Runs whose canary, or whose code, is another."""

import math
from dataclasses import asdict, replace

import pytest
import torch
import torch.nn.functional as F

from condlesson import batches, conditioning, embeddings, training, unet
from condlesson.experiment import verifying
from condlesson.experiment.runs import run_name
from condlesson.experiment.verifying import verify
from tests.conftest import TINY
from tests.experiment.records import (
    NAME,
    assert_tells_the_cure,
    hashed_again,
    json_of,
    only_message,
    write,
)

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread", "few_lies")]


@pytest.mark.fault("a canary is forged, and the hash with it", "the replay tells")
@pytest.mark.parametrize("k", range(5))
def test_a_forged_canary_is_caught_by_the_replay(k, folder):
    content = json_of(folder)
    content["canary"]["losses"][k] *= 1.001
    write(folder, hashed_again(content))
    message = only_message(verify(folder, [TINY]))
    assert f"run {NAME} is out of date" in message
    assert f"Loss {k} of its canary was" in message
    assert message.endswith(" --again")  # it is there, so the command would do nothing
    assert_tells_the_cure(message)


FORGED = {"learning_rate": 3e-4, "num_timesteps": 900, "seed": 8, "width": 16, "variant": "none"}


@pytest.mark.fault("a configuration is forged, and the hash with it", "the replay tells")
@pytest.mark.parametrize("name", FORGED)
def test_a_forged_configuration_is_caught_by_the_replay(name, folder):
    config = replace(TINY, **{name: FORGED[name]})
    content = json_of(folder)
    content |= {"config": asdict(config), "name": run_name(config)}
    content |= {"weights": None, "outputs": None}
    (folder / f"{NAME}.json").unlink()
    write(folder, hashed_again(content), run_name(config))
    message = only_message(verify(folder))
    assert f"run {run_name(config)} is out of date" in message


@pytest.mark.parametrize(
    "canary",
    [
        {},
        {"losses": [1.0]},
        {"losses": [1.0], "tolerances": [1.0]},
        None,
        {"losses": 1, "tolerances": 2},
        {"losses": ["1"] * 5, "tolerances": [1.0] * 5},
    ],
)
def test_a_forged_canary_of_another_form_is_caught(canary, folder):
    write(folder, hashed_again({**json_of(folder), "canary": canary}))
    message = only_message(verify(folder, [TINY]))
    assert message.startswith(f"run {NAME} is damaged (")
    assert_tells_the_cure(message)


def test_a_canary_that_is_no_number_is_caught(folder, monkeypatch):
    monkeypatch.setattr(verifying, "canary_losses", lambda config: [math.nan] * 5)
    assert "is out of date" in only_message(verify(folder, [TINY]))


def leaky_relu(x, inplace=False):
    return torch.where(x > 0, x, 0.001 * x)


def other_schedule(num_timesteps):
    return torch.linspace(1e-4, 0.0201, num_timesteps)


def one_step_later(x_0, t, noise, schedule, q_sample=batches.q_sample):
    return q_sample(x_0, (t + 1).clamp(max=999), noise, schedule)


DRIFTS = {
    "SiLU for GELU": (embeddings.F, "gelu", F.silu),
    "leaky ReLU for ReLU": (unet.F, "relu", leaky_relu),
    "no gamma and beta": (conditioning.AdaGN, "forward", lambda layer, h, t_emb: layer.norm(h)),
    "another schedule": (training, "linear_beta_schedule", other_schedule),
    "another loss": (training.F, "mse_loss", F.smooth_l1_loss),
    "timesteps off by one": (batches, "q_sample", one_step_later),
}


@pytest.mark.fault(
    "a formula of the package is changed",
    "the runs that it touches are out of date",
)
@pytest.mark.parametrize("drift", DRIFTS)
def test_a_changed_formula_makes_the_run_out_of_date(drift, original, monkeypatch):
    monkeypatch.setattr(*DRIFTS[drift])
    message = only_message(verify(original, [TINY]))
    assert f"run {NAME} is out of date: the code no longer trains as it did. Loss " in message
    assert_tells_the_cure(message)
