"""The core of what readers do, in another browser than all the other tests have."""

import pytest

from condlesson import sinusoidal_embedding
from tests.browser.firefox import firefox
from tests.browser.site import EVERY_PAGE
from tests.browser.test_predictions import QUESTION
from tests.browser.test_site import BROKEN_IMAGES, CUT_OFF, PHONE, SCROLLING
from tests.conftest import weekly_but

pytestmark = pytest.mark.slow

HOME, END, RIGHT, ENTER = "\ue011", "\ue010", "\ue014", "\ue007"
SAYS = "document.querySelector('.desk-says').textContent"
THEME = "document.documentElement.dataset.theme"


@pytest.fixture(scope="module")
def started(tmp_path_factory):
    with firefox(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture
def opened(started, site):
    """Opens a page in a wide window, with nothing kept from before."""

    def at(name):
        started.resize(1300, 900)
        started.open(f"{site}/{name}.html")
        if started.evaluate("localStorage.length + sessionStorage.length"):
            started.evaluate("[localStorage.clear(), sessionStorage.clear()]")
            started.open(f"{site}/{name}.html")
        return started

    return at


PARTS = {2: "mfrac, mroot, msub, msup, munder, mover", 3: "msubsup, munderover"}
BROKEN_FORMULAS = " + ".join(
    f"[...document.querySelectorAll('{tags}')].filter(of => of.children.length != {count}).length"
    for count, tags in PARTS.items()
)


@pytest.mark.parametrize("name", weekly_but(("index", "exercise-3", "museum"), EVERY_PAGE))
def test_a_page_is_whole_and_fits_a_phone(opened, name):
    firefox = opened(name)
    assert firefox.evaluate(f"({BROKEN_IMAGES})()") == []
    assert firefox.evaluate(BROKEN_FORMULAS) == 0
    firefox.resize(PHONE["width"], PHONE["height"])
    too_wide = "document.scrollingElement.scrollWidth > document.scrollingElement.clientWidth"
    assert not firefox.evaluate(too_wide)  # a scroll bar takes some of the window
    firefox.until(f"({CUT_OFF})().length === 0")  # a drawer goes away first
    assert firefox.evaluate(f"({SCROLLING})()") == []
    assert firefox.complaints == []


def test_a_question_is_answered_and_the_answer_is_kept(opened):
    box = f"#predict-{QUESTION}"
    firefox = opened("exercise-1")
    firefox.click(f"{box} .predict-option:nth-of-type(1) input")
    firefox.click(f"{box} button")
    firefox.until(f"document.querySelector('{box} [role=status]').innerText")
    assert "A surprise." in firefox.text(f"{box} [role=status]")
    firefox.reload()
    firefox.until(f"document.querySelector('{box} input')?.checked")
    assert "A surprise." in firefox.text(f"{box} [role=status]")
    assert firefox.complaints == []


def test_a_chosen_theme_stays(opened, site):
    firefox = opened("exercise-1")
    before = firefox.evaluate(THEME)
    firefox.click(".theme-switch-button")
    chosen = firefox.evaluate(THEME)
    assert {before, chosen} == {"light", "dark"}
    firefox.open(f"{site}/exercise-2.html")
    assert firefox.evaluate(THEME) == chosen


def test_a_search_finds_its_page(opened):
    firefox = opened("search")
    firefox.evaluate("document.querySelector('.bd-search-container [name=q]').focus()")
    firefox.press(*"AdaGN", ENTER)
    firefox.until("document.querySelector('#search-results a[href*=\"exercise-3.html\"]')")
    assert firefox.complaints == []


def test_the_clock_turns_by_keyboard(opened):
    firefox = opened("exercise-1")
    figure = "figure.moving-clock.moves"
    firefox.evaluate("document.querySelector('.moving-clock .moving-stage').scrollIntoView()")
    firefox.until(f"document.querySelector('{figure} [name=t]')")
    firefox.evaluate(f"document.querySelector('{figure} [name=t]').focus()")
    firefox.press(HOME, RIGHT, RIGHT)
    assert firefox.text(f"{figure} output[data-value=t]") == "2"
    rows = firefox.evaluate(
        f"[...document.querySelectorAll('{figure} tbody tr')].map("
        "row => [...row.cells].map(cell => cell.textContent))"
    )
    emb = sinusoidal_embedding(2, 256)[0]
    for hand, *_, sine, cosine in rows:
        expected = emb[[int(hand), int(hand) + 128]].tolist()
        assert [float(sine), float(cosine)] == pytest.approx(expected, abs=5.1e-5)
    assert firefox.complaints == []


def test_the_told_time_of_the_first_page_moves(opened):
    firefox = opened("index")
    firefox.until(f"{SAYS}.includes('with the truth')")
    firefox.evaluate("document.querySelector('#fig-landing-told').focus()")
    firefox.press(HOME)
    firefox.until(f"{SAYS}.includes('told 0')")
    firefox.press(END)
    firefox.until(f"{SAYS}.includes('told 950')")  # the last of the recorded frames
    assert firefox.complaints == []
