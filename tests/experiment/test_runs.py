import hashlib
import itertools
import json
import math
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from condlesson import conditioning, embeddings, training, unet
from condlesson.__main__ import _config, _parser
from condlesson.experiment import outputs, runs
from condlesson.experiment.outputs import CANARY_SIZES, compute_outputs
from condlesson.experiment.recording import record
from condlesson.experiment.runs import (
    RunError,
    canary_losses,
    expected_runs,
    list_runs,
    load_model,
    load_outputs,
    load_run,
    run_name,
    train_command,
    verify,
)
from condlesson.training import TIERS, TrainConfig
from condlesson.unet import VARIANTS
from tests.conftest import TINY

pytestmark = pytest.mark.usefixtures("one_thread", "few_lies")

NAME = "adagn-seed7-64x2-batch_size16-width8-val_images40-precisionfloat32"


@pytest.fixture
def folder(original, tmp_path):
    """A copy of that folder, to do damage to."""
    return shutil.copytree(original, tmp_path / "recorded")


@pytest.fixture
def no_replay(monkeypatch):
    monkeypatch.setattr(runs, "canary_losses", lambda config: pytest.fail("was replayed"))


def json_of(folder):
    return json.loads((folder / f"{NAME}.json").read_text())


def write(folder, content, name=NAME):
    (folder / f"{name}.json").write_text(json.dumps(content))


def hashed_again(content):
    """The record with a checksum that fits, as somebody who knows how would forge it."""
    body = {key: value for key, value in content.items() if key != "sha256"}
    text = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return {**body, "sha256": hashlib.sha256(text.encode()).hexdigest()}


def only_message(problems):
    (message,) = problems
    return message


def assert_tells_the_cure(message, name=NAME):
    assert name in message
    assert f"Make it with: condlesson train --variant {name.split('-')[0]} " in message


# --- names and commands -----------------------------------------------------------------------


def test_name_holds_what_is_not_at_its_default():
    assert run_name(TrainConfig()) == "sinusoidal-seed42-12800x5"
    assert run_name(TINY) == NAME
    assert run_name(replace(TrainConfig(), learning_rate=1e-3)).endswith("x5-learning_rate0.001")


def test_expected_runs_are_the_matrix_and_one_seed_of_other_sizes():
    names = {run_name(config) for config in expected_runs()}
    small = {f"{v}-seed{s}-12800x5" for v, s in itertools.product(VARIANTS, (42, 43, 44))}
    full = {f"{v}-seed42-60000x10" for v in ("simple", "sinusoidal", "adagn")}
    quick = {run_name(replace(TIERS["quick"], variant=v)) for v in ("none", "adagn")}
    assert names == small | full | quick


CHANGED = replace(TINY, learning_rate=3e-4, num_timesteps=500)


@pytest.mark.parametrize("config", [*expected_runs(), TINY, CHANGED], ids=run_name)
def test_the_command_means_the_run(config):
    words = train_command(config).split()
    assert words[0] == "condlesson"
    args = _parser().parse_args(words[1:])
    assert _config(args) == config
    small = config.images == 12_800 and config.epochs == 5
    needs_weights = config.variant in ("sinusoidal", "adagn") and config.seed == 42 and small
    assert args.weights == needs_weights
    assert args.outputs == (config.seed == 42 and config.width == 32)
    assert Path(args.out).resolve() == runs.RECORDED_DIR.resolve()


def test_the_command_can_name_another_folder():
    assert train_command(TINY, "a folder", weights=True).endswith(
        " --weights --data DIR --out 'a folder'"
    )


def test_the_command_can_name_the_data():
    assert " --data 'my data' --out " in train_command(TINY, data="my data")


def test_the_command_is_short_inside_the_repository(monkeypatch):
    monkeypatch.chdir(runs.RECORDED_DIR.parents[3])
    assert train_command(TrainConfig()).endswith("--out src/condlesson/experiment/recorded")
    monkeypatch.chdir("/")
    assert Path(train_command(TrainConfig()).split()[-1]).resolve() == runs.RECORDED_DIR.resolve()


# --- reading and verifying --------------------------------------------------------------------


def test_reading_a_run_gives_what_was_recorded(original):
    small = {name: getattr(TINY, name) for name in ("width", "images", "batch_size", "val_images")}
    run = load_run("adagn", 7, folder=original, epochs=2, precision="float32", **small)
    assert run == list_runs(original)[0]
    assert (run.config, run.name) == (TINY, NAME)


def test_a_run_that_is_not_there_cannot_be_read(original):
    with pytest.raises(RunError, match=r"run adagn-seed7-12800x5 is missing\. Make it with: "):
        load_run("adagn", 7, folder=original)


@pytest.mark.parametrize(
    ("kind", "shown"), [("cuda", "X1 (GPU), 2026-01-02"), ("cpu", "X1 (CPU), 2026-01-02")]
)
def test_a_gpu_is_named_only_if_it_was_one(kind, shown, original):
    (run,) = list_runs(original)
    provenance = {"device": "X1", "device_type": kind, "recorded": "2026-01-02"}
    assert replace(run, provenance=provenance).recorded_on == shown


def test_the_checksum_is_over_the_canonical_form(original):
    content = json_of(original)
    assert hashed_again(content)["sha256"] == content["sha256"]


def test_a_good_run_passes(original):
    assert verify(original, [TINY]) == []
    assert verify(str(original)) == []


def test_the_canary_is_the_same_whatever_the_threads(original):
    torch.set_num_threads(2)
    try:
        assert canary_losses(TINY) == json_of(original)["canary"]["losses"]
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)


def test_what_the_canary_reduces_does_not_change_it(original):
    bigger = replace(TINY, images=4096, epochs=5, batch_size=128, precision="bfloat16")
    assert canary_losses(bigger) == json_of(original)["canary"]["losses"]


def test_a_missing_run_is_named(folder):
    other = replace(TINY, seed=8)
    message = only_message(verify(folder, [TINY, other]))
    assert message.startswith(f"run {run_name(other)} is missing. Make it with: ")
    assert "--width 8" in message


def test_the_books_runs_are_expected_in_the_package_alone(folder, monkeypatch):
    assert verify(folder) == []
    monkeypatch.setattr(runs, "RECORDED_DIR", folder)
    problems = verify(folder)
    assert len(problems) == len(expected_runs())
    for message, config in zip(problems, sorted(expected_runs(), key=run_name), strict=True):
        assert f"run {run_name(config)} is missing" in message


def test_a_folder_that_is_not_there_is_no_good_news(tmp_path):
    assert "must be a folder of recorded runs" in only_message(verify(tmp_path / "none"))
    with pytest.raises(RunError, match="must be a folder of recorded runs"):
        list_runs(tmp_path / "none")


def paths_of(value, path=()):
    """The path of everything in a record; of a list its first item only."""
    yield path
    items = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value[:1])
        if isinstance(value, list)
        else ()
    )
    for key, item in items:
        yield from paths_of(item, (*path, key))


KEYS = {
    **{f.name: None for f in runs.fields(runs.Run)},
    "format": None,
    "name": None,
    "sha256": None,
    "config": asdict(TINY),
    "lie": {"timesteps": [0], "loss": [[0]]},
    "canary": {"losses": [0], "tolerances": [0]},
    "train_loss": [0],
    "val_loss": [0],
    "seconds": [0],
    "val_loss_by_t": [0],
    "provenance": dict.fromkeys(
        ("device", "device_type", "threads", "torch", "recorded", "wall_seconds", "data_sha256")
    ),
    "tolerances": dict.fromkeys(("train_loss", "val_loss", "final_val_loss")),
    "weights": dict.fromkeys(("file", "sha256", "dtype", "canary_loss", "tolerance")),
    "outputs": {**dict.fromkeys(("file", "sha256", "tolerance")), "canary": [0]},
}
PATHS = list(paths_of(KEYS))[1:]


def test_every_key_is_tampered_with_below(original):
    assert set(paths_of(json_of(original))) == {(), *PATHS}


def changed(value):
    if isinstance(value, dict):
        return {}
    if isinstance(value, list):
        return [*value, *value]
    return (
        value + 1 if isinstance(value, int) else value * 1.001 if isinstance(value, float) else "x"
    )


@pytest.mark.parametrize("path", PATHS, ids=lambda path: ".".join(map(str, path)))
def test_a_record_that_was_changed_is_caught(path, folder, no_replay):
    content = json_of(folder)
    holder = content
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = changed(holder[path[-1]])
    write(folder, content)
    assert_tells_the_cure(only_message(verify(folder, [TINY])))
    with pytest.raises(RunError, match=NAME):
        list_runs(folder)


@pytest.mark.parametrize("key", [path[0] for path in PATHS if len(path) == 1])
def test_a_record_that_lacks_a_key_is_caught(key, folder, no_replay):
    content = json_of(folder)
    del content[key]
    write(folder, content)
    assert_tells_the_cure(only_message(verify(folder, [TINY])))


@pytest.mark.parametrize("key", ["format", "name"])
def test_a_forged_format_or_name_is_caught(key, folder, no_replay):
    content = json_of(folder)
    content[key] = changed(content[key])
    write(folder, hashed_again(content))
    assert_tells_the_cure(only_message(verify(folder, [TINY])))


def test_a_key_too_many_is_caught(folder, no_replay):
    write(folder, hashed_again({**json_of(folder), "note": "mine"}))
    assert "was changed after it was recorded" in only_message(verify(folder, [TINY]))


NOT_RECORDS = {
    "empty": "",
    "not JSON": "variant: adagn",
    "null": "null",
    "a list": "[]",
    "a number": "3",
    "an empty object": "{}",
    "nothing but a checksum": '{"sha256": "0"}',
}


@pytest.mark.parametrize("kind", NOT_RECORDS)
def test_a_file_that_is_no_record_is_caught(kind, folder, no_replay):
    (folder / f"{NAME}.json").write_text(NOT_RECORDS[kind])
    message = only_message(verify(folder, [TINY]))
    assert message.startswith(f"run {NAME} is damaged (")
    assert_tells_the_cure(message)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_file_that_was_cut_off_is_caught(share, folder, no_replay):
    path = folder / f"{NAME}.json"
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    assert "is damaged (JSONDecodeError" in only_message(verify(folder, [TINY]))


def test_bytes_that_are_no_text_are_caught(folder, no_replay):
    (folder / f"{NAME}.json").write_bytes(b"\xff\xfe")
    assert "is damaged (UnicodeDecodeError" in only_message(verify(folder, [TINY]))


def test_a_folder_in_the_place_of_a_run_is_caught(folder, no_replay):
    (folder / "adagn-seed8.json").mkdir()
    (folder / f"{NAME}.json").unlink()
    message = only_message(verify(folder))
    assert message.startswith("run adagn-seed8 is damaged (IsADirectoryError")


def test_a_run_nobody_knows_is_to_be_deleted(folder, no_replay):
    (folder / f"{NAME}.json").write_text("{}")
    assert only_message(verify(folder)).endswith(f"Delete {NAME}.json and record it again.")


def test_a_damaged_run_of_the_book_has_its_command_in_any_folder(tmp_path):
    name = run_name(TrainConfig())
    (tmp_path / f"{name}.json").write_text("{}")
    message = only_message(verify(tmp_path))
    assert_tells_the_cure(message, name)
    assert message.endswith(f" --weights --outputs --data DIR --out {tmp_path}")


def test_a_run_under_another_name_is_caught(folder, no_replay):
    other = replace(TINY, seed=8)
    (folder / f"{NAME}.json").rename(folder / f"{run_name(other)}.json")
    message = only_message(verify(folder, [other]))
    assert_tells_the_cure(message, run_name(other))
    assert "--seed 8" in message


PARTS = {"weights": f"{NAME}.npz", "outputs": f"{NAME}-outputs.npz"}


@pytest.mark.parametrize("part", PARTS)
def test_a_missing_file_is_named(part, folder):
    (folder / PARTS[part]).unlink()
    message = only_message(verify(folder, [TINY]))
    assert message.startswith(f"the {part} of run {NAME} are missing.")
    assert_tells_the_cure(message)
    assert f" --{part} " in message


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("damage", ["cut off", "a byte changed", "another network's"])
def test_a_damaged_file_is_named(damage, part, folder):
    path = folder / PARTS[part]
    raw = path.read_bytes()
    forms = {
        "cut off": raw[:-1],
        "a byte changed": raw[:-1] + bytes([raw[-1] ^ 1]),
        "another network's": (folder / f"{NAME}.json").read_bytes(),
    }
    path.write_bytes(forms[damage])
    message = only_message(verify(folder, [TINY]))
    assert message.startswith(f"the {part} of run {NAME} are damaged.")
    assert_tells_the_cure(message)


def test_outputs_are_those_that_the_network_makes(folder, subset):
    (run,) = list_runs(folder)
    made = compute_outputs(load_model(run, folder), TINY, subset, CANARY_SIZES)
    for name, value in load_outputs(run, folder).items():
        if value.dtype.kind == "U":
            assert value.tolist() == made[name].tolist()
        else:  # made with float32 weights, compared with those of float16: a few grey levels
            np.testing.assert_allclose(value * 1.0, made[name] * 1.0, atol=8, rtol=0.01)


def test_outputs_made_by_other_code_are_out_of_date(folder, monkeypatch):
    half = outputs.sample_ddim
    monkeypatch.setattr(outputs, "sample_ddim", lambda *args, **kwargs: half(*args, **kwargs) / 2)
    message = only_message(verify(folder, [TINY]))
    assert f"run {NAME} is out of date" in message
    assert " --outputs " in message


def test_outputs_that_are_no_arrays_are_refused(folder):
    raw = b"no archive"
    (folder / PARTS["outputs"]).write_bytes(raw)
    content = json_of(folder)
    content["outputs"]["sha256"] = hashlib.sha256(raw).hexdigest()
    write(folder, hashed_again(content))
    message = only_message(verify(folder, [TINY]))
    assert message.startswith(f"the outputs of run {NAME} cannot be read.")


def swapped(folder, subset, config):
    """The run of TINY with the weights of another, and with a checksum that fits."""
    record(config, subset, folder, weights=True)
    raw = (folder / f"{run_name(config)}.npz").read_bytes()
    (folder / f"{NAME}.npz").write_bytes(raw)
    content = json_of(folder)
    content["weights"]["sha256"] = hashlib.sha256(raw).hexdigest()
    write(folder, hashed_again(content))
    return only_message(verify(folder, [TINY]))


def test_swapped_weights_are_caught_by_their_loss(folder, subset):
    message = swapped(folder, subset, replace(TINY, seed=8))
    assert f"run {NAME} is out of date" in message
    assert "Loss 5 of its canary" in message
    assert " --weights " in message


def test_swapped_weights_of_another_network_do_not_fit(folder, subset):
    message = swapped(folder, subset, replace(TINY, variant="none"))
    assert message.startswith(f"the weights of run {NAME} do not fit its network.")


def test_a_run_without_weights_has_none_to_load(folder):
    (run,) = list_runs(folder)
    with pytest.raises(RunError, match=rf"run {NAME} must have weights, got none\. Make it with"):
        load_model(replace(run, weights=None), folder)


def test_a_run_of_the_book_that_lacks_its_weights_is_caught(folder, monkeypatch):
    monkeypatch.setattr(runs, "WITH_WEIGHTS", (TINY,))
    write(folder, hashed_again({**json_of(folder), "weights": None}))
    message = only_message(verify(folder, [TINY]))
    assert "must have weights, got none" in message
    assert_tells_the_cure(message)


# --- the canary -------------------------------------------------------------------------------


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


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_configuration_is_caught_by_the_replay(name, folder):
    config = replace(TINY, **{name: FORGED[name]})
    content = json_of(folder)
    content |= {"config": asdict(config), "name": run_name(config), "weights": None}
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
    monkeypatch.setattr(runs, "canary_losses", lambda config: [math.nan] * 5)
    assert "is out of date" in only_message(verify(folder, [TINY]))


def leaky_relu(x, inplace=False):
    return torch.where(x > 0, x, 0.001 * x)


def other_schedule(num_timesteps):
    return torch.linspace(1e-4, 0.0201, num_timesteps)


def one_step_later(x_0, t, noise, schedule, q_sample=training.q_sample):
    return q_sample(x_0, (t + 1).clamp(max=999), noise, schedule)


DRIFTS = {
    "SiLU for GELU": (embeddings.F, "gelu", F.silu),
    "leaky ReLU for ReLU": (unet.F, "relu", leaky_relu),
    "no gamma and beta": (conditioning.AdaGN, "forward", lambda layer, h, t_emb: layer.norm(h)),
    "another schedule": (training, "linear_beta_schedule", other_schedule),
    "another loss": (training.F, "mse_loss", F.smooth_l1_loss),
    "timesteps off by one": (training, "q_sample", one_step_later),
}


@pytest.mark.parametrize("drift", DRIFTS)
def test_a_changed_formula_makes_the_run_out_of_date(drift, original, monkeypatch):
    monkeypatch.setattr(*DRIFTS[drift])
    message = only_message(verify(original, [TINY]))
    assert f"run {NAME} is out of date: the code no longer trains as it did. Loss " in message
    assert_tells_the_cure(message)


def test_the_shipped_runs_are_whole():
    """Their canaries are replayed by the book's build and by `make runs-verify`."""
    assert {run.config for run in list_runs()} <= set(expected_runs())
    for run in list_runs():
        assert run.lie["timesteps"] == [50, 150, 250, 350, 450, 550, 650, 750, 850, 950]
        assert len(run.canary["losses"]) == len(run.canary["tolerances"]) == 5
        assert all(math.isfinite(x) for x in (*run.train_loss, *run.val_loss, *run.val_loss_by_t))
        if run.weights is not None:
            assert load_model(run)
