import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import condlesson
from condlesson.moved import MOVED

SRC = Path(__file__).parents[1] / "src"
EXTRAS = ("matplotlib", "torchvision", "diffusers", "tqdm")
CHILD = f"""
import json, sys
for name in {EXTRAS}:
    sys.modules[name] = None  # importing it raises ModuleNotFoundError
import condlesson
loaded_by_import = sorted(sys.modules)
missing = [name for name in condlesson.__all__ if not hasattr(condlesson, name)]
print(json.dumps([loaded_by_import, missing, sorted(sys.modules)]))
"""


@pytest.fixture(scope="module")
def child():
    """What a bare interpreter loads, without the packages that come as extras."""
    env = {**os.environ, "PYTHONPATH": str(SRC), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", CHILD], env=env, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
def test_the_import_loads_next_to_nothing(child):
    loaded = {name.split(".")[0] for name in child[0]}
    assert "condlesson" in loaded
    assert loaded & {"torch", "numpy"} == set()
    assert [n for n in child[0] if n.startswith("condlesson.")] == ["condlesson.moved"]


def test_every_public_name_needs_torch_and_numpy_alone(child):
    assert child[1] == []
    assert "condlesson.figures.plots" not in child[2]


@pytest.mark.parametrize("name", condlesson.__all__)
def test_every_public_name_is_there(name):
    assert getattr(condlesson, name) is not None
    assert name in dir(condlesson)


@pytest.mark.parametrize("name", [n for n in dir(condlesson) if n not in condlesson.__all__])
def test_every_submodule_is_there(name):
    found = getattr(condlesson, name)
    assert found is importlib.import_module(found.__name__)
    assert found.__name__.rpartition(".")[2] == name


@pytest.mark.parametrize(("former", "now"), MOVED.items())
def test_a_module_is_found_by_the_name_that_it_had(former, now):
    found = importlib.import_module(f"condlesson.{now}")
    assert importlib.import_module(f"condlesson.{former}") is found
    assert getattr(condlesson, former) is found
    assert found.__name__ == found.__spec__.name == f"condlesson.{now}"


NAMES_OF_BEFORE = """
from condlesson.addresses import notebook_address
from condlesson.book import has_notebook
from condlesson.notebooks import PAGES
from condlesson.plots import lie_heatmap
from condlesson.runs import canary_losses, verify
assert notebook_address("exercise-1").endswith("notebooks/exercises/exercise-1.ipynb")
assert has_notebook("---\\nkernelspec:\\n  name: python3\\n---\\n# Page")
assert not has_notebook("# Page")
assert "exercise-4" in PAGES
assert len(lie_heatmap([[1, 2], [2, 1]], [0, 1]).images) == 1
assert verify(".") == []
assert callable(canary_losses)
"""


@pytest.mark.slow
def test_names_that_a_module_had_are_still_there():
    subprocess.run([sys.executable, "-c", NAMES_OF_BEFORE], cwd=Path(__file__).parent, check=True)


def test_a_module_that_never_was_is_not_found():
    with pytest.raises(ModuleNotFoundError, match=r"No module named .condlesson\.clocks."):
        importlib.import_module("condlesson.clocks")


def test_names_come_from_the_modules_that_define_them():
    from condlesson import AdaGN, TrainConfig, load_run

    assert AdaGN is importlib.import_module("condlesson.conditioning").AdaGN
    assert TrainConfig is importlib.import_module("condlesson.training").TrainConfig
    assert load_run is importlib.import_module("condlesson.experiment.runs").load_run


def test_no_name_is_public_twice():
    assert len(set(condlesson.__all__)) == len(condlesson.__all__)


def test_a_name_that_is_not_there_is_refused():
    with pytest.raises(AttributeError, match="module 'condlesson' has no attribute 'AdaLN'"):
        condlesson.AdaLN  # noqa: B018
