import base64
import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from condlesson.__main__ import main
from condlesson.experiment.network_file import PRECISIONS, VARIANTS, network_file
from condlesson.training import TrainConfig, make_model

CONFIG = TrainConfig(variant="adagn", width=8)


def read(texts):
    """What the files of a network say, read apart from the code that wrote them."""
    heads, tensors = [], {}
    for text in texts:
        content = json.loads(re.fullmatch(r"//.*\ncondlessonNetwork\((.*)\);\n", text, re.S)[1])
        for entry in content.pop("tensors"):
            values = base64.b64decode(entry["values"])
            if "scales" in entry:
                scales = np.frombuffer(base64.b64decode(entry["scales"]), "<f4")
                steps = np.frombuffer(values, np.int8).reshape(entry["shape"]).astype(float)
                axis = entry["shape"].index(len(scales)) if entry["name"].startswith("up_") else 0
                shape = [-1 if k == axis else 1 for k in range(steps.ndim)]
                tensors[entry["name"]] = (steps * scales.reshape(shape), scales)
            else:
                values = np.frombuffer(values, "<f4").reshape(entry["shape"])
                tensors[entry["name"]] = (values, None)
        heads.append(content)
    return heads, tensors


@pytest.mark.parametrize("variant", VARIANTS)
def test_float32_changes_nothing(variant):
    config = replace(CONFIG, variant=variant)
    model = make_model(config)
    (head,), tensors = read(network_file(model, config, "mine", precision="float32"))
    expected = {n: v for n, v in model.state_dict().items() if v.is_floating_point()}
    assert list(tensors) == list(expected)
    for name, (values, _) in tensors.items():
        assert torch.equal(torch.tensor(values), expected[name])
    assert head == {
        "format": 1,
        "name": "mine",
        "variant": variant,
        "width": 8,
        "num_timesteps": 1000,
    }


@pytest.mark.parametrize("variant", VARIANTS)
def test_int8_is_off_by_half_a_step_at_most(variant):
    config = replace(CONFIG, variant=variant)
    model = make_model(config)
    _, tensors = read(network_file(model, config, "mine"))
    for name, weight in model.state_dict().items():
        if weight.is_floating_point():
            values, scales = tensors[name]
            assert (scales is None) == (weight.ndim == 1)
            half = 0.501 * scales.max() if scales is not None else 0
            assert np.abs(values - weight.numpy()).max() <= half


def test_each_output_channel_has_its_own_scale():
    model = make_model(CONFIG)
    with torch.no_grad():
        model.enc_2.conv_1.weight[3] *= 1000
        model.enc_2.conv_1.weight[5] = 0
        model.up_2.weight[:, 2] *= 1000  # transposed: (in, out, 2, 2)
    _, tensors = read(network_file(model, CONFIG, "mine"))
    for name, axis in (("enc_2.conv_1.weight", 0), ("up_2.weight", 1)):
        weight = model.get_parameter(name).detach().numpy()
        values, scales = tensors[name]
        assert len(scales) == weight.shape[axis]
        error = np.moveaxis(np.abs(values - weight), axis, 0).reshape(len(scales), -1).max(axis=1)
        assert (error <= 0.501 * scales).all()
    assert not tensors["enc_2.conv_1.weight"][0][5].any()


def test_parts_are_together_the_whole():
    model = make_model(CONFIG)
    (whole,) = network_file(model, CONFIG, "mine")
    parts = network_file(model, CONFIG, "mine", part_size=40_000)
    largest = max(len(line) for line in whole.splitlines())
    assert len(parts) > 3
    assert all(len(part) < max(40_000, largest) + 500 for part in parts)
    heads, tensors = read(parts)
    assert all(head == heads[0] for head in heads)
    expected = read([whole])[1]
    assert list(tensors) == list(expected)
    for name, (values, _) in tensors.items():
        assert np.array_equal(values, expected[name][0])


@pytest.mark.parametrize(
    "config, precision, message",
    [
        (
            replace(CONFIG, variant="none"),
            "int8",
            "variant must be one of adagn, adagn_class, sinusoidal",
        ),
        (replace(CONFIG, num_timesteps=500), "int8", "num_timesteps must be 1000 .* got 500"),
        (CONFIG, "int4", f"precision must be one of {', '.join(PRECISIONS)}, got 'int4'"),
    ],
)
def test_what_the_desk_cannot_run_is_refused(config, precision, message):
    with pytest.raises(ValueError, match=message):
        network_file(make_model(config), config, "mine", precision=precision)


def test_a_recorded_run_is_exported(original, tmp_path, capsys):
    (record,) = original.glob("*.json")
    for path in (record, record.with_suffix("")):
        out = tmp_path / "my-network.js"
        assert main(["export", str(path), "--out", str(out)]) == 0
        assert re.search(r"my-network.js, \d\.\d MB\. Open it", capsys.readouterr().out)
        ((head,), tensors) = read([out.read_text()])
        assert head["name"] == record.stem
        assert "dec_1.conv_2.weight" in tensors


@pytest.mark.fault("a network is exported onto a file of its run", "it is refused")
@pytest.mark.parametrize("ending", [".json", ".npz", "-outputs.npz"])
def test_a_run_is_not_exported_onto_itself(original, tmp_path, capsys, ending):
    folder = shutil.copytree(original, tmp_path / "runs")
    (record,) = folder.glob("*.json")
    before = {path: path.read_bytes() for path in folder.iterdir()}
    out = folder / f"{record.stem}{ending}"
    assert main(["export", str(record.with_suffix("")), "--out", str(out)]) == 1
    assert "out must be another file than those of the run" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_a_run_that_is_not_there_is_named(tmp_path, capsys):
    assert main(["export", str(tmp_path / "no-run"), "--out", str(tmp_path / "x.js")]) == 1
    assert "no-run.json must be a recorded run, and is no file" in capsys.readouterr().err


def test_a_run_without_weights_is_refused(original, tmp_path, capsys):
    from condlesson.experiment.runs import RECORDED_DIR

    path = RECORDED_DIR / "adagn-seed43-12800x5.json"
    assert main(["export", str(path), "--out", str(tmp_path / "x.js")]) == 1
    assert "must have weights, got none. Train it again with --weights" in capsys.readouterr().err
