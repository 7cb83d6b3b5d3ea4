"""Data of the figures that move: what a script reads is what the package measures."""

import base64
import io
import json
import re

import numpy as np
import pytest
import torch
from bs4 import BeautifulSoup
from PIL import Image

from condlesson import (
    TrainConfig,
    cosine_similarity_at,
    sinusoidal_embedding,
    sinusoidal_frequencies,
)
from condlesson.experiment.outputs import denoise_lied_to, to_bytes
from condlesson.figures import moving
from condlesson.probes import cosine_similarity_matrix, modulations
from condlesson.training import make_model

# What the templates of the figures read.
DATA = {
    "clock": {"frequencies": [1.0, 0.1], "steps": 1000},
    "similarity": {"t": [0, 10], "matrices": {"a": {}, "b": {}}},
    "score": {"t": [0, 25], "channels": 2, "blocks": {"enc_1": {}}},
    "lies": {"t": [50, 150, 250, 350, 450], "errors": {"a": {}}},
}


def unpacked(packed):
    """As moving.js unpacks it."""
    return np.frombuffer(base64.b64decode(packed["base64"]), "<i2") * packed["step"]


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return make_model(TrainConfig("adagn", width=8, epochs=1)).eval()


def test_packed_numbers_come_back_rounded():
    values = torch.tensor([[-1.23456, 0.0], [3.2767, 1e-5]])
    np.testing.assert_allclose(unpacked(moving.pack(values)), [-1.2346, 0, 3.2767, 0], atol=1e-12)
    np.testing.assert_allclose(unpacked(moving.pack(values, 1)), [-1.2, 0, 3.3, 0], atol=1e-12)


@pytest.mark.parametrize("value", [3.2768, -4.0, float("nan"), float("inf")])
def test_what_does_not_fit_is_refused(value):
    with pytest.raises(ValueError, match=r"values must be finite and below 3.2768, got"):
        moving.pack(torch.tensor([0.0, value]))


def test_a_page_gets_data_that_cannot_end_the_script(monkeypatch):
    monkeypatch.setenv(moving.BOOK, "1")
    shown = moving.Moving("clock", {"label": "</script><b>", "numbers": [1, 2]})._repr_html_()
    [(name, text)] = re.findall(r'data-moving="(\w+)">(.*?)</script>', shown)
    assert name == "clock"
    assert json.loads(text) == {"label": "</script><b>", "numbers": [1, 2]}
    assert repr(moving.Moving("clock", {})) == "Moving('clock')"


@pytest.mark.parametrize("name", ["clock", "similarity", "score", "lies"])
def test_a_notebook_gets_the_figure_itself_and_asks_for_nothing_else(name, monkeypatch):
    """A document in a frame, with scripts, controls and data; a sentence if there is no frame."""
    monkeypatch.delenv(moving.BOOK, raising=False)
    data = DATA[name] | {"label": "</script></template>\"'&"}
    shown = BeautifulSoup(moving.Moving(name, data)._repr_html_(), "html.parser")
    document = BeautifulSoup(shown.iframe["srcdoc"], "html.parser")
    assert json.loads(document.template["data-values"]) == data
    assert {tag["name"] for tag in document.select("input, select")} != set()
    assert len(document.select("svg.moving-stage, details.moving-values")) == 2
    scripts = "".join(tag.string for tag in document.select("script"))
    needed = ("window.moving =", f'moving.figure("{name}"', "frameElement")
    assert [text for text in needed if text not in scripts] == []
    assert ".moving-stage" in document.style.string
    assert document.select("[src], [href]") == []
    assert "trust the notebook" in shown.p.string


def test_a_folder_is_a_figure_with_all_its_parts():
    folders = [path for path in moving.FOLDER.iterdir() if (path / "__init__.py").exists()]
    assert len(folders) > 3
    for folder in folders:
        name = folder.name
        assert callable(getattr(moving, name))
        assert f'moving.figure("{name}"' in (folder / f"{name}.js").read_text()
        assert "stage()" in (folder / f"{name}.html").read_text()


def test_all_that_a_figure_draws_has_a_style():
    """A shape without one is black."""
    styles = "".join(path.read_text() for path in moving.FOLDER.rglob("*.css"))
    drawn = "".join(path.read_text() for path in moving.FOLDER.rglob("*.js"))
    classes = set(re.findall(r"moving-[a-z]+", drawn))
    assert len(classes) > 20
    assert [name for name in sorted(classes) if not re.search(rf"\.{name}\b", styles)] == []


@pytest.mark.parametrize("name", ["nothing", "__pycache__", "moving.js"])
def test_what_is_no_folder_is_no_figure(name):
    with pytest.raises(AttributeError, match="has no attribute"):
        getattr(moving, name)


def test_the_clock_has_all_frequencies():
    frequencies = sinusoidal_frequencies(256)
    data = moving.clock(frequencies).data
    assert torch.equal(torch.tensor(data["frequencies"]), frequencies)
    assert data["steps"] == 1000


def test_similarities_are_those_of_all_pairs():
    t = torch.arange(0, 1000, 250)
    matrix = cosine_similarity_matrix(sinusoidal_embedding(t, 256))
    closed_form = cosine_similarity_at(torch.arange(751), 256)
    data = moving.similarity({"sinusoid": matrix}, t, closed_form).data
    upper = unpacked(data["matrices"]["sinusoid"])
    expected = [matrix[j, k].item() for j in range(4) for k in range(j, 4)]
    np.testing.assert_allclose(upper, expected, atol=5.1e-5)
    np.testing.assert_allclose(unpacked(data["closed_form"]), closed_form, atol=5.1e-5)
    assert data["t"] == [0, 250, 500, 750]


def test_the_score_is_that_of_the_network(network):
    t, x_t = torch.tensor([0, 500]), torch.randn(3, 1, 28, 28)
    data = moving.score(network, t, x_t, told=400, blocks=["enc_1", "dec_1"], channels=4).data
    seen = []
    hook = network.dec_1.norm_1.norm.register_forward_hook(lambda m, i, output: seen.append(output))
    with torch.no_grad():
        network(x_t, torch.full((3,), 400))
    hook.remove()
    for block, (gamma, beta) in modulations(network, t).items():
        if block in data["blocks"]:
            shown = data["blocks"][block]
            np.testing.assert_allclose(unpacked(shown["gamma"]), gamma[:, :4].ravel(), atol=5.1e-4)
            np.testing.assert_allclose(unpacked(shown["beta"]), beta[:, :4].ravel(), atol=5.1e-4)
    gamma, beta = modulations(network, t)["dec_1"]
    channel, block = seen[0][:, 2], data["blocks"]["dec_1"]
    share = ((1 + gamma[1, 2]) * channel + beta[1, 2] > 0).double().mean()
    assert unpacked(block["passed"]).reshape(2, 4)[1, 2] == pytest.approx(share.item(), abs=5.1e-5)
    counts, edges = np.histogram(channel.numpy(), data["edges"])
    density = counts / channel.numel() / np.diff(edges)
    histogram = unpacked(block["histograms"]).reshape(4, -1)[2]
    np.testing.assert_allclose(histogram, density, atol=2e-3)


def test_lies_hold_the_images_and_their_errors(network):
    torch.manual_seed(1)
    x_0, noised = torch.rand(1, 1, 28, 28), {t: torch.randn(1, 1, 28, 28) for t in (50, 450, 850)}
    data = moving.lies({"adagn": network}, x_0, noised).data
    sheet = data["sheet"]
    file = io.BytesIO(base64.b64decode(sheet["address"].partition(",")[2]))
    pixels = np.asarray(Image.open(file).convert("L"))
    assert pixels.shape == (sheet["rows"] * 28, sheet["columns"] * 28)

    def tile(number):
        row, column = divmod(number, sheet["columns"])
        return pixels[28 * row : 28 * row + 28, 28 * column : 28 * column + 28]

    np.testing.assert_array_equal(tile(0), to_bytes(x_0)[0])
    np.testing.assert_array_equal(tile(2), to_bytes(noised[450])[0])
    with torch.no_grad():
        estimates = denoise_lied_to(network, noised[450], 450, [50, 450, 850])
    np.testing.assert_array_equal(tile(1 + 3 + 3 + 2), to_bytes(estimates[2])[0])
    errors = unpacked(data["errors"]["adagn"]).reshape(3, 3)
    expected = (estimates - x_0).square().mean(dim=(1, 2, 3, 4)).sqrt()
    np.testing.assert_allclose(errors[1], expected, atol=5.1e-5)
