"""Every page, served and as a file: offline, within its policy, light, and whole on a phone."""

import hashlib
from io import BytesIO
from urllib.parse import urljoin

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image

from tests.book.built import HTML, PAGES, page
from tests.browser.site import (
    EVERY_PAGE,
    SOME_PAGES,
    STORAGE_FORBIDDEN,
    STORAGE_FULL,
    as_file,
    visit,
)
from tests.conftest import weekly_but

pytestmark = pytest.mark.slow

KILOBYTES, REQUESTS, SHIFT = 500, 20, 0.05
DESKTOP, PHONE = {"width": 1300, "height": 900}, {"width": 390, "height": 844}
every_page = pytest.mark.parametrize("name", EVERY_PAGE)
# What reaches beyond the window and lies in nothing that may scroll by itself.
CUT_OFF = """
() => {
  const scrolls = (box) => ["auto", "scroll"].includes(getComputedStyle(box).overflowX);
  const found = [];
  for (const box of document.querySelectorAll("body *")) {
    const place = box.getBoundingClientRect();
    if (place.width === 0 || getComputedStyle(box).visibility === "hidden") continue;
    if (box.closest(".visually-hidden, .bd-sidebar, .skip-link")) continue;
    if (place.right <= innerWidth + 1 && place.left >= -1) continue;
    let around = box.parentElement;
    while (around && !scrolls(around)) around = around.parentElement;
    if (!around || around.matches("body, main")) found.push(box.outerHTML.slice(0, 120));
  }
  return found;
}
"""
# Images that do not come, those included that are loaded when one scrolls to them.
BROKEN_IMAGES = """
async () => {
  const broken = [];
  for (const image of document.images) {
    image.loading = "eager";
    await image.decode().catch(() => broken.push(image.src));
  }
  return broken;
}
"""
# Boxes in which one must scroll sideways.
SCROLLING = """
() => [...document.querySelectorAll("body *")]
  .filter((box) => box.scrollWidth > box.clientWidth + 1 && box.clientWidth > 0)
  .filter((box) => ["auto", "scroll"].includes(getComputedStyle(box).overflowX))
  .filter((box) => getComputedStyle(box).visibility !== "hidden")
  .filter((box) => !box.matches("pre, .highlight") && !box.querySelector("pre, table"))
  .map((box) => box.outerHTML.slice(0, 120))
"""


@pytest.fixture
def desktop(chromium):
    """A context of its own, and so with nothing in its cache."""
    context = chromium.new_context(viewport=DESKTOP)
    yield context
    context.close()


@pytest.fixture
def phone(chromium):
    context = chromium.new_context(viewport=PHONE)
    yield context
    context.close()


@every_page
def test_a_page_is_light_and_quiet_and_stands_still(desktop, site, name):
    with visit(desktop, f"{site}/{name}.html") as opened:
        assert [url for url in opened.asked if not url.startswith((site, "data:"))] == []
        assert opened.complaints == []
        assert opened.forbidden == []
        assert opened.shift <= SHIFT
        asked = [url for url in opened.asked if not url.startswith("data:")]
        assert len(asked) <= REQUESTS, asked
        assert sum(opened.sizes.values()) <= KILOBYTES * 1000, opened.sizes


@pytest.mark.parametrize("name", weekly_but(SOME_PAGES, EVERY_PAGE))
def test_a_page_works_as_a_file(desktop, name):
    with visit(desktop, as_file(name)) as opened:
        assert [url for url in opened.asked if not url.startswith(("file:", "data:"))] == []
        assert opened.complaints == []
        assert opened.forbidden == []
        assert opened.page.evaluate(BROKEN_IMAGES) == []
        assert opened.complaints == []


@every_page
def test_everything_fits_a_phone(phone, name):
    with visit(phone, as_file(name)) as opened:
        assert opened.page.evaluate("document.scrollingElement.scrollWidth") == PHONE["width"]
        assert opened.page.evaluate(CUT_OFF) == []
        assert opened.page.evaluate(SCROLLING) == []
        assert opened.shift <= SHIFT


VIEWS = [(DESKTOP, "light"), (PHONE, "dark")]
OTHER_VIEWS = [(DESKTOP, "dark"), (PHONE, "light")]


@pytest.mark.parametrize("name", weekly_but(SOME_PAGES, EVERY_PAGE))
@pytest.mark.parametrize(
    "views", [VIEWS, pytest.param(OTHER_VIEWS, marks=pytest.mark.weekly)], ids=["views", "others"]
)
def test_axe_finds_nothing(desktop, name, views):
    with visit(desktop, as_file(name)) as opened:
        found = []
        for size, scheme in views:
            opened.page.set_viewport_size(size)
            opened.page.emulate_media(color_scheme=scheme)
            opened.page.wait_for_timeout(400)  # until what is wide can be focused
            for rule in Axe().run(opened.page).response["violations"]:
                nodes = [node["html"][:120] for node in rule["nodes"]]
                found.append((size["width"], scheme, rule["id"], nodes))
        assert found == []


@pytest.mark.parametrize("name", weekly_but(SOME_PAGES, PAGES))
def test_a_page_can_be_read_without_scripts(chromium, name):
    context = chromium.new_context(java_script_enabled=False, viewport=DESKTOP, color_scheme="dark")
    page = context.new_page()
    page.goto(as_file(name))
    assert page.locator("article h1").is_visible()
    assert page.locator("article p").last.inner_text().strip()
    assert page.locator(".needs-script:visible").count() == 0
    style = page.evaluate(
        "(({ backgroundColor, color, colorScheme }) => "
        "[backgroundColor, color, colorScheme])(getComputedStyle(document.body))"
    )
    assert style == ["rgb(255, 255, 255)", "rgb(34, 40, 50)", "light"]  # figures follow the last
    context.close()


@pytest.mark.parametrize("place", ["served", "file"])
def test_a_search_finds_its_page(desktop, site, place):
    root = f"{site}/" if place == "served" else HTML.as_uri() + "/"
    with visit(desktop, urljoin(root, "exercise-1.html")) as opened:
        opened.page.keyboard.press("Control+k")
        opened.page.keyboard.type("AdaGN")
        opened.page.keyboard.press("Enter")
        result = opened.page.locator("#search-results a[href*='exercise-3.html']").first
        result.wait_for()
        about = opened.page.locator("#search-results li .search-about").first
        assert len(about.inner_text()) > 30
        assert opened.complaints == []
        assert [url for url in opened.asked if not url.startswith((root, "data:"))] == []
        result.click()
        opened.page.locator("article h1", has_text="Exercise 3").wait_for()


def test_the_shortcut_of_the_search_works_on_its_page(desktop, site):
    with visit(desktop, f"{site}/search.html") as opened:
        field = opened.page.locator(".bd-search-container input")
        opened.page.keyboard.type("Ada")  # the field has the focus, and the shortcut gives it away
        opened.page.keyboard.press("Control+k")
        opened.page.keyboard.type("no")
        opened.page.keyboard.press("Control+k")
        opened.page.keyboard.type("GN")  # in the place of what is there, which is selected
        assert field.input_value() == "GN"
        assert opened.complaints == []


def test_words_of_a_search_are_marked_where_one_goes_on_to_and_nowhere_else(desktop):
    marked = "article .highlighted"
    for follow in (True, False):
        with visit(desktop, as_file("search") + "?q=projection") as opened:
            result = opened.page.locator("#search-results a[href*='exercise-3.html']").first
            result.wait_for()
            if follow:
                result.click()
                opened.page.locator(marked).first.wait_for()
            opened.page.goto(as_file("exercise-3"))
            assert opened.page.locator(marked).count() == 0


def test_scripts_and_sheets_name_their_versions():
    for name in EVERY_PAGE:
        tags = page(name).select("script[src], link[rel=stylesheet]")
        files = [tag.get("src") or tag.get("href") for tag in tags]
        for address in files:
            file, _, version = address.partition("?v=")
            digest = hashlib.sha256((HTML / file).read_bytes()).hexdigest()
            assert version, address
            assert digest.startswith(version), address


def test_a_chosen_theme_stays(desktop, site):
    theme = "document.documentElement.dataset.theme"
    with visit(desktop, f"{site}/exercise-1.html") as opened:
        assert opened.page.evaluate(theme) == "light"
        opened.page.emulate_media(color_scheme="dark")
        opened.page.wait_for_function(f"{theme} === 'dark'")  # it follows the system
        opened.page.locator(".theme-switch-button").focus()
        opened.page.keyboard.press("Enter")
        assert opened.page.evaluate(theme) == "light"
        opened.page.goto(f"{site}/exercise-2.html")
        assert opened.page.evaluate(theme) == "light"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_figures_follow_the_theme(desktop, site, scheme):
    """The ground of a figure, at its corner, is that of the page, whatever the system has."""
    with visit(desktop, f"{site}/exercise-1.html") as opened:
        opened.page.emulate_media(color_scheme="dark" if scheme == "light" else "light")
        opened.page.evaluate(f"localStorage.setItem('mode', '{scheme}')")
        opened.page.reload(wait_until="networkidle")
        figure = opened.page.locator("figure img").first
        figure.scroll_into_view_if_needed()
        opened.page.wait_for_load_state("networkidle")
        opened.page.wait_for_timeout(300)
        picture = Image.open(BytesIO(figure.screenshot())).convert("RGB")
        ground = opened.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert f"rgb{picture.getpixel((2, 2))}" == ground


@pytest.mark.parametrize("storage", [STORAGE_FORBIDDEN, STORAGE_FULL])
def test_nothing_breaks_where_storage_is_forbidden(desktop, site, storage):
    desktop.add_init_script(storage)
    with visit(desktop, f"{site}/exercise-1.html") as opened:
        opened.page.locator(".theme-switch-button").click()
        assert opened.page.evaluate("document.documentElement.dataset.theme") == "dark"
        assert opened.complaints == []


def test_a_menu_opens_and_closes_by_keyboard(desktop, site):
    with visit(desktop, f"{site}/exercise-1.html") as opened:
        menu = opened.page.locator(".dropdown-launch-buttons")
        menu.locator("summary").focus()
        opened.page.keyboard.press("Enter")
        assert menu.locator("a").first.is_visible()
        opened.page.keyboard.press("Tab")
        assert menu.locator("a").first.evaluate("link => link === document.activeElement")
        opened.page.keyboard.press("Escape")
        assert not menu.locator("a").first.is_visible()
        assert menu.locator("summary").evaluate("it => it === document.activeElement")


def test_the_contents_show_where_one_is(desktop, site):
    with visit(desktop, f"{site}/exercise-1.html") as opened:
        heading = opened.page.locator("article section[id='alike-or-not-alike'] > h2")
        heading.evaluate("it => it.scrollIntoView({ behavior: 'instant' })")
        current = opened.page.locator(".bd-toc-nav a[aria-current][href='#alike-or-not-alike']")
        current.wait_for()
