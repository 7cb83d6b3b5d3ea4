"""The versions that Colab has are read from what its developers publish."""

import re

import pytest

from tests.colab.today import OURS, python, requirements

# Of different years, as published at github.com/googlecolab/backend-info.
FROZEN = """\
# Do not modify this file directly
matplotlib==3.7.1
matplotlib-inline==0.1.6
numpy==1.23.5
torch @ https://download.pytorch.org/whl/cu118/torch-2.1.0%2Bcu118-cp310-cp310-linux_x86_64.whl#a8
torchvision @ https://download.pytorch.org/whl/cu118/torchvision-0.16.0%2Bcu118-cp310.whl
"""
SYSTEM = "# Do not modify\nUbuntu 22.04.4 LTS\nPython 3.11.12\nR version 4.4.3\n"


def test_versions_are_exact_and_without_their_build():
    found = requirements(FROZEN, OURS.read_text())
    assert found == ["torch==2.1.0", "numpy==1.23.5", "matplotlib==3.7.1"]


def test_a_build_behind_the_version_is_left_out():
    frozen = re.sub("torch @ .*\n", "torch==2.9.0+cu126\n", FROZEN)
    assert requirements(frozen, "torch==1") == ["torch==2.9.0"]


def test_a_package_that_colab_does_not_name_is_an_error():
    with pytest.raises(ValueError, match="say which torch Colab has"):
        requirements(FROZEN.replace("torch @", "torch_xla @"), "torch==1")


def test_the_python_of_colab_has_two_numbers():
    assert python(SYSTEM) == "3.11"
    with pytest.raises(ValueError, match="say which Python"):
        python("Ubuntu 22.04.4 LTS\n")
