"""What the pages say in words, checked against the code and the recorded runs.

`% claim: NAME` below a sentence says that test_NAME, in this folder, stands behind it; `make lint`
sees to it that each mark has its test and each test its mark. A changed formula or runs recorded
anew may make a sentence false. Then `make book` fails and names it: mend the sentence, and the test
with it.
"""

import pytest

from condlesson.data import load_subset, to_model_range
from condlesson.experiment.comparison import runs_of
from condlesson.experiment.runs import (
    COMPARED,
    SEEDS,
    load_model,
    load_outputs,
    load_run,
)
from condlesson.networks import VARIANTS


@pytest.fixture(scope="module")
def runs():
    return {variant: [load_run(variant, seed) for seed in SEEDS] for variant in COMPARED}


@pytest.fixture(scope="module")
def trained():
    return load_model(load_run("adagn"))


@pytest.fixture(scope="module")
def everyone():
    return runs_of("study")


@pytest.fixture(scope="module")
def outputs():
    return {v: load_outputs(load_run(v)) for v in VARIANTS}


@pytest.fixture(scope="module")
def test_images():
    return to_model_range(load_subset().test_images[:256])
