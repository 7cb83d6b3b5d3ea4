"""A learner's session: what the Binder link opens, in JupyterLab, with a check that fails first."""

import re
import shutil
from urllib.parse import parse_qs, urlsplit

import pytest

from condlesson import AdaGN, scaffold
from tests.book.built import HTML, page
from tests.browser.chromium import browser
from tests.browser.jupyterlab import Session, server

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def path():
    """The notebook that the Binder link of exercise 3 opens, relative to the repository."""
    link = page("exercise-3").select_one(".launch a[href^='https://mybinder.org']")
    [opened] = parse_qs(urlsplit(link["href"]).query)["urlpath"]
    return opened.removeprefix("lab/tree/")


@pytest.fixture
def session(path, tmp_path):
    """The notebook, open in JupyterLab in a folder laid out like Binder's."""
    folder = tmp_path / "repository"
    copied = folder / path
    copied.parent.mkdir(parents=True)
    shutil.copy2(HTML / "notebooks" / "exercises" / copied.name, copied)
    home = tmp_path / "home"
    home.mkdir()
    with server(folder, home) as address, browser() as chromium:
        window = chromium.new_page(viewport={"width": 1280, "height": 900})
        yield Session(window, address, folder, path)


@pytest.mark.weekly
def test_an_unfilled_notebook_runs_and_its_check_says_not_done_yet(session):
    session.run_all()
    assert "not done yet" in session.output("check_adagn(AdaGN)").lower()
    assert "Traceback" not in session.outputs()


def test_a_gap_is_filled_wrong_and_then_right(session):
    imports = "from torch import Tensor, nn\n"
    imports += "from condlesson.conditioning import check_groups, check_inputs\n\n"
    right = imports + scaffold.solution(AdaGN)
    session.fill("class AdaGN(", right.replace("(1 + gamma)", "gamma"))
    session.run_all()
    assert "gamma multiplies without the 1" in session.output("check_adagn(AdaGN)").lower()
    session.fill("class AdaGN(", right)
    session.run_all()
    assert "passed" in session.output("check_adagn(AdaGN)").lower()
    assert re.search(r"passed\W+check_adagn", session.output("progress([").lower())
    assert "Traceback" not in session.outputs()
