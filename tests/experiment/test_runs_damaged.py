"""Records, weights and outputs that were changed, cut off or swapped."""

import hashlib
import io
import zipfile
from dataclasses import asdict, replace

import numpy as np
import pytest

from condlesson.experiment import outputs, plan, runs, verifying
from condlesson.experiment.outputs import compute_outputs
from condlesson.experiment.recording import record
from condlesson.experiment.records import RunError, npz_of
from condlesson.experiment.runs import list_runs, load_model, load_outputs, run_name
from condlesson.experiment.verifying import verify
from tests.conftest import OUTPUTS, TINY
from tests.experiment.records import (
    NAME,
    assert_tells_the_cure,
    hashed_again,
    json_of,
    only_message,
    write,
)

pytestmark = pytest.mark.usefixtures("one_thread", "few_lies")


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
    **{f.name: None for f in runs.fields(runs.Run) if f.name != "final"},  # of later runs only
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
    "provenance": {
        **dict.fromkeys(("device", "device_type", "threads", "torch", "started", "recorded")),
        **dict.fromkeys(("wall_seconds", "data_sha256")),
    },
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
        value + 1
        if isinstance(value, int)
        else value * 1.001 or 0.1
        if isinstance(value, float)
        else "x"
    )


@pytest.mark.fault(
    "any field of a record is changed",
    "the run is damaged, with the command that makes it again",
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


@pytest.mark.fault("a record lacks a key", "the run is damaged")
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
    "a key twice": '{"sha256": "0", "val_loss": [1.0], "val_loss": [2.0]}',
    "brackets without end": "[" * 100_000,
}


@pytest.mark.parametrize("kind", NOT_RECORDS)
def test_a_file_that_is_no_record_is_caught(kind, folder, no_replay):
    (folder / f"{NAME}.json").write_text(NOT_RECORDS[kind])
    message = only_message(verify(folder, [TINY]))
    assert message.startswith(f"run {NAME} is damaged (")
    assert_tells_the_cure(message)


@pytest.mark.fault("a record is cut short", "the run is damaged")
@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_file_that_was_cut_off_is_caught(share, folder, no_replay):
    path = folder / f"{NAME}.json"
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    assert "is damaged (JSONDecodeError" in only_message(verify(folder, [TINY]))


@pytest.mark.fault("a record is no text", "the run is damaged")
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
    name = run_name(plan.WITH_WEIGHTS[0])
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


@pytest.mark.fault("the weights or outputs of a run are gone", "the file is named")
@pytest.mark.parametrize("part", PARTS)
def test_a_missing_file_is_named(part, folder):
    (folder / PARTS[part]).unlink()
    message = only_message(verify(folder, [TINY]))
    assert message.startswith(f"the {part} of run {NAME} are missing.")
    assert_tells_the_cure(message)
    assert f" --{part} " in message


@pytest.mark.fault("the weights or outputs of a run are damaged", "the file is named")
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
    made = compute_outputs(load_model(run, folder), TINY, subset, OUTPUTS)
    for name, value in load_outputs(run, folder).items():
        if value.dtype.kind == "U":
            assert value.tolist() == made[name].tolist()
        else:  # made with float32 weights, compared with those of float16: a few grey levels
            np.testing.assert_allclose(value * 1.0, made[name] * 1.0, atol=8, rtol=0.01)


@pytest.mark.fault("outputs were made by other code", "the run is out of date")
def test_outputs_made_by_other_code_are_out_of_date(folder, monkeypatch):
    half = outputs.sample_ddim
    monkeypatch.setattr(outputs, "sample_ddim", lambda *args, **kwargs: half(*args, **kwargs) / 2)
    message = only_message(verify(folder, [TINY]))
    assert f"run {NAME} is out of date" in message
    assert " --outputs " in message


def write_outputs(folder, raw):
    """Put these bytes in the place of the outputs, with hashes that fit."""
    (folder / PARTS["outputs"]).write_bytes(raw)
    content = json_of(folder)
    content["outputs"]["sha256"] = hashlib.sha256(raw).hexdigest()
    write(folder, hashed_again(content))


def test_outputs_that_are_no_arrays_are_refused(folder):
    write_outputs(folder, b"no archive")
    message = only_message(verify(folder, [TINY]))
    assert message.startswith(f"the outputs of run {NAME} cannot be read.")


FORGED_OUTPUTS = {
    "lack ddim, movement, timesteps, blocks": {"hello": np.zeros(3)},
    "hold no finite numbers": {
        name: np.full(3, np.nan) for name in ("ddim", "movement", "timesteps", "blocks")
    },
}


@pytest.mark.fault("outputs hold nothing of a network, and their hash fits", "the run is named")
@pytest.mark.parametrize("told", FORGED_OUTPUTS)
def test_outputs_that_hold_something_else_are_refused(told, folder):
    write_outputs(folder, npz_of(FORGED_OUTPUTS[told]))
    message = only_message(verify(folder, [TINY]))
    assert message.startswith(f"the outputs of run {NAME} {told}.")
    assert_tells_the_cure(message)


@pytest.mark.fault("an array claims more memory than there is", "the run is named")
def test_an_array_of_a_huge_shape_is_refused(folder):
    header = io.BytesIO()
    told = {"descr": "<f8", "fortran_order": False, "shape": (10**15,)}
    np.lib.format.write_array_header_1_0(header, told)
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w") as archive:
        archive.writestr("ddim.npy", header.getvalue())
    write_outputs(folder, raw.getvalue())
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


@pytest.mark.fault("weights are swapped, and their hash with them", "their loss tells")
@pytest.mark.slow
def test_swapped_weights_are_caught_by_their_loss(folder, subset):
    message = swapped(folder, subset, replace(TINY, seed=8))
    assert f"run {NAME} is out of date" in message
    assert "Loss 5 of its canary" in message
    assert " --weights " in message


@pytest.mark.slow
def test_swapped_weights_of_another_network_do_not_fit(folder, subset):
    message = swapped(folder, subset, replace(TINY, variant="none"))
    assert message.startswith(f"the weights of run {NAME} do not fit its network.")


def test_a_run_without_weights_has_none_to_load(folder):
    (run,) = list_runs(folder)
    with pytest.raises(RunError, match=rf"run {NAME} must have weights, got none\. Make it with"):
        load_model(replace(run, weights=None), folder)


def test_a_run_of_the_book_that_lacks_its_weights_is_caught(folder, monkeypatch):
    monkeypatch.setattr(verifying, "WITH_WEIGHTS", (TINY,))
    monkeypatch.setattr(runs, "WITH_WEIGHTS", (TINY,))
    write(folder, hashed_again({**json_of(folder), "weights": None}))
    message = only_message(verify(folder, [TINY]))
    assert "must have weights, got none" in message
    assert_tells_the_cure(message)
