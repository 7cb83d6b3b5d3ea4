"""The one stylesheet and the one script of the built pages."""

from types import SimpleNamespace

import pytest
import tinycss2

import assets
from execution import rereading
from tests.book.built import HTML, PAGES, ROOT, page

USED = {"p", "a", "shown", "href", "top"}
STATIC = HTML / "_static"


@pytest.mark.parametrize(
    ("css", "kept"),
    [
        ("p{color:red}", "p{color:red}"),
        ("table{color:red}", ""),
        (".shown, .hidden{color:red}", ".shown{color:red}"),
        ("p.shown > a:hover::after{color:red}", "p.shown > a:hover::after{color:red}"),
        ("p .hidden a{color:red}", ""),
        ("p:not(.hidden){color:red}", "p:not(.hidden){color:red}"),
        ('a[href^="x"]{color:red}', 'a[href^="x"]{color:red}'),
        ("a[download]{color:red}", ""),
        ("#top{color:red} #foot{color:red}", "#top{color:red}"),
        ("@media print{p{color:red} table{color:red}}", "@media print{p{color:red}}"),
        ("@media print{table{color:red}}", ""),
        ("p{--a:1;--b:2;color:var(--a)}", "p{--a:1;color:var(--a)}"),
        ("p{--a:var(--b);--b:2}", ""),
        ("p{--by-script:1}", "p{--by-script:1}"),
        ("p{color:red!important}", "p{color:red!important}"),
        ('@font-face{font-family:"Font Awesome 6 Free"}', ""),
        ("/*! a licence */p{color:red}", "/*! a licence */p{color:red}"),
        ("/* a remark */p{color:red}", "p{color:red}"),
    ],
)
def test_what_can_match_stays(css, kept):
    rules = list(assets._rules("a.css", css))
    assert assets._purge(rules, USED, {"--by-script"}).replace("\n", "") == kept


def test_a_script_names_what_it_sets():
    words = assets._words('box.classList.add("is-open"); box.dataset.someName = "x"')
    assert {"is-open", "data-some-name"} <= words


def test_addresses_are_those_of_the_one_sheet():
    css = "p{background:url(a.png)} a{background:url('data:x')}"
    [first, second] = assets._rules("styles/theme.css", css)
    assert "styles/a.png" in tinycss2.serialize([first])
    assert "styles" not in tinycss2.serialize([second])


def test_icons_are_a_font_of_few_glyphs():
    sheet = (STATIC / assets.SHEET).read_text()
    assert sheet.count("@font-face") == 2  # of formulas, and of icons
    assert len(sheet[sheet.index('@font-face{font-family:"Font Awesome') :]) < 10_000


def test_nothing_of_the_theme_lies_about():
    names = {path.name for path in STATIC.rglob("*") if path.is_file()}
    assert {name for name in names if name.endswith((".map", ".ttf", ".po", ".mo"))} == set()
    sheets = {name for name in names if name.endswith(".css")}
    assert sheets == {assets.SHEET}
    ours = {path.name for place in ("book", "src") for path in (ROOT / place).rglob("*.js")}
    networks = {path.name for path in (STATIC / "desk").glob("*.js")}  # loaded on request
    scripts = {name for name in names if name.endswith(".js")}
    assert scripts - ours - networks <= set(assets.KEPT)
    assert "sourceMappingURL" not in (STATIC / assets.SCRIPT).read_text()


@pytest.mark.parametrize("name", (*PAGES, "search", "genindex", "404"))
def test_a_page_has_a_policy_and_nothing_that_it_forbids(name):
    tree = page(name)
    policy = tree.select_one("meta[http-equiv='Content-Security-Policy']")["content"]
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy.replace("style-src-attr 'unsafe-inline'", "")
    assert [script for script in tree("script") if not script.get("src")] == []
    handlers = [key for tag in tree.find_all(True) for key in tag.attrs if key.startswith("on")]
    assert handlers == []
    assert tree("style") == []


def test_an_image_that_no_page_shows_any_more_is_removed(tmp_path):
    (tmp_path / "a.html").write_text('<img src="_images/new.svg" srcset="_images/n.webp 2x"/>')
    (tmp_path / "_images").mkdir()
    for name in ("old.svg", "new.svg", "n.webp"):
        (tmp_path / "_images" / name).touch()
    assets._remove_superseded(tmp_path)
    assert {path.name for path in tmp_path.glob("_images/*")} == {"new.svg", "n.webp"}


@pytest.mark.fault("a build ends while it writes the style sheet", "the next one writes it whole")
def test_a_sheet_that_was_cut_short_is_not_kept(tmp_path, monkeypatch):
    app = SimpleNamespace(doctreedir=tmp_path)
    arguments = app, {"a.css": "p{color:red}"}, USED, ""
    with monkeypatch.context() as patch:
        patch.setattr(assets.Path, "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            assets._kept(*arguments)
    assert list(tmp_path.glob("*.css")) == []
    assert assets._kept(*arguments) == "p{color:red}"


@pytest.mark.fault(
    "a build ends before all is written",
    "the next one knows that it was not sound",
)
def test_a_build_is_sound_only_when_all_else_is_written():
    """Or one that was interrupted while it made the sheet would leave a part of it for good."""
    times = {}
    for extension in (assets, rereading):
        app = SimpleNamespace(
            connect=lambda event, do, priority=500: times.update({(event, do): priority}),
            add_config_value=lambda *_: None,
        )
        extension.setup(app)
    finished = {do: when for (event, do), when in times.items() if event == "build-finished"}
    assert assets.write_assets in finished
    assert max(finished, key=finished.get) is rereading.end
