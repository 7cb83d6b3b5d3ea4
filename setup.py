"""What the pyproject.toml cannot say: the packages, one of them elsewhere, and the repository."""

import sys
from pathlib import Path

from setuptools import find_packages, setup

sys.path.insert(0, str(Path(__file__).parent / "src"))
from condlesson.notebooks.addresses import repository_url

setup(
    packages=[*find_packages("src"), "condlesson.pages"],
    project_urls={"Repository": repository_url()},
)
