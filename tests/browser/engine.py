"""The scripts of the desk on an empty page, and numbers on their way there and back."""

import base64
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.desk import SCRIPTS
from condlesson import load_model, load_run
from condlesson.experiment.network_file import network_file

DESK = Path("book/desk").resolve()
# Floats go as base64, so that not one bit is lost on the way.
HELPERS = """
const floats = (text) =>
  new Float32Array(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer);
const text = (values) => {
  const bytes = new Uint8Array(Float32Array.from(values).buffer);
  let letters = "";
  for (const byte of bytes) letters += String.fromCharCode(byte);
  return btoa(letters);
};
const finish = (steps) => {
  const seen = [];
  for (;;) {
    const { value, done } = steps.next();
    if (done) return [value, seen];
    if (value !== undefined) seen.push(value);
  }
};
const networks = {};
for (const { id, textContent } of document.querySelectorAll("[type='text/plain']")) {
  const [tensors] = finish(networkFile.read([networkFile.parse(textContent)]));
  [networks[id]] = finish(unet.build(tensors));
}
"""


def trained(variant: str) -> nn.Module:
    """The recorded network of a variant."""
    return load_model(load_run(variant))


def packed(variant: str, precision: str) -> str:
    """The file of that network."""
    run = load_run(variant)
    return network_file(load_model(run), run.config, run.name, precision=precision)[0]


def write_page(folder: Path, networks: dict[str, str]) -> str:
    """Write a page with the scripts and networks; returns its address."""
    scripts = [f'<script src="{(DESK / f"{name}.js").as_uri()}"></script>' for name in SCRIPTS]
    files = [f'<script type="text/plain" id="{id_}">{t}</script>' for id_, t in networks.items()]
    page = folder / "engine.html"
    page.write_text("\n".join(["<!doctype html>", *files, *scripts, f"<script>{HELPERS}</script>"]))
    return page.as_uri()


def js(values: Tensor) -> str:
    """An expression whose value is these numbers."""
    data = base64.b64encode(values.detach().numpy().astype("<f4").tobytes()).decode()
    return f'floats("{data}")'


def numbers(text: str) -> Tensor:
    """What `text` of the page wrote."""
    return torch.from_numpy(np.frombuffer(base64.b64decode(text), "<f4").copy())


class Engine:
    """The engine in a browser, by a function that evaluates an expression there."""

    def __init__(self, evaluate: Callable[[str], object]) -> None:
        self.evaluate = evaluate

    def floats(self, expression: str) -> Tensor:
        """Value of an expression that is a list of numbers."""
        return numbers(self.evaluate(f"text({expression})"))

    def predict(self, network: str, x_t: Tensor, told: object, bugs: str = "") -> Tensor:
        """Noise in an image, (1, 1, 28, 28); told is one timestep or a mapping of blocks."""
        told = json.dumps(told) if isinstance(told, dict) else f"diffusion.everywhere({told})"
        options = f'{{ bugs: {{ "{bugs}": true }} }}'
        call = f"unet.predict(networks.{network}, {js(x_t)}, {told}, {options})"
        return self.floats(f"finish({call})[0]").view(x_t.shape)
