"""Pictures, style sheets and figures of a built site: whole, and there."""

import re

import pytest

from tests.book.test_broken_builds import PAGE, make_html, tiny_book

pytestmark = pytest.mark.slow

FIGURE = """\
```{code-cell} ipython3
---
mystnb:
  figure:
    name: fig-line
    caption: A line that rises.
---
import matplotlib.pyplot as plt
plt.plot([1, 2]);
```
"""


@pytest.mark.fault(
    "a picture's file holds text, or is cut short", "the build fails and names page and file"
)
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("clock.png", lambda whole: b"a clock"),
        pytest.param("card.png", lambda whole: whole[:3000], marks=pytest.mark.weekly),
        pytest.param("logo.svg", lambda whole: whole[:-9], marks=pytest.mark.weekly),
    ],
)
def test_a_picture_that_is_none_fails_the_build(tmp_path, name, content):
    tiny_book(tmp_path, f"![A clock.]({name})")
    whole = tmp_path / "book" / "_static" / name
    (tmp_path / "book" / name).write_bytes(content(whole.read_bytes() if whole.is_file() else b""))
    result = make_html(tmp_path)
    assert result.returncode != 0
    assert f"index: {name} holds no image that can be read." in result.stdout + result.stderr


@pytest.mark.fault(
    "a style sheet of the book is no CSS, or shows a file that is not there",
    "the build fails and names sheet and line, or the file",
)
@pytest.mark.parametrize(
    ("added", "told"),
    [
        ("\n}\n", r"lesson\.css, line \d+: it is no CSS"),
        pytest.param(
            "\nbody { background: url(nothing.png); }\n",
            r"a style sheet shows nothing\.png, and there is no such file",
            marks=pytest.mark.weekly,
        ),
    ],
)
def test_a_broken_style_sheet_fails_the_build(tmp_path, added, told):
    tiny_book(tmp_path, "Sound.")
    with (tmp_path / "book" / "_static" / "lesson.css").open("a") as sheet:
        sheet.write(added)
    result = make_html(tmp_path)
    assert result.returncode != 0
    assert re.search(told, result.stdout + result.stderr)


@pytest.mark.fault(
    "a script or a picture that pages share is broken",
    "the build fails before anything runs, and names file and line",
)
def test_shared_files_that_are_broken_are_named(tmp_path):
    static = tiny_book(tmp_path, "Sound.") / "book" / "_static"
    with (static / "lesson.js").open("a") as script:
        script.write("function ( {\n")
    pad = tmp_path / "book" / "desk" / "pad.js"
    pad.write_text(pad.read_text()[:-20])
    (static / "logo.svg").write_text((static / "logo.svg").read_text()[:200])
    (static / "card.png").write_bytes((static / "card.png").read_bytes()[:3000])
    result = make_html(tmp_path)
    output = result.stdout + result.stderr
    assert result.returncode != 0
    assert re.search(r"lesson\.js:\d+: it is no JavaScript: .*, at: function \( \{", output)
    assert re.search(r"pad\.js:\d+: it is no JavaScript", output)
    for name in ("logo.svg", "card.png"):
        assert f"{name} is no picture that can be read" in output


def test_a_page_in_a_folder_keeps_its_figure(tmp_path):
    tiny_book(tmp_path, "Sound.")
    with (tmp_path / "_toc.yml").open("a") as toc:
        toc.write("chapters:\n- file: more/sub\n")
    (tmp_path / "book" / "more").mkdir()
    (tmp_path / "book" / "more" / "sub.md").write_text(PAGE.format(text=FIGURE))
    result = make_html(tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    site = tmp_path / "_build" / "html"
    shown = re.findall(r'src="\.\./(_images/[^"]+)"', (site / "more" / "sub.html").read_text())
    assert shown
    assert all((site / name).is_file() for name in shown)


@pytest.mark.weekly
@pytest.mark.fault(
    "somebody deletes a page, a picture or a script of the built site", "the next build makes it"
)
def test_what_is_gone_from_the_site_is_made_again(tmp_path):
    tiny_book(tmp_path, FIGURE)
    assert make_html(tmp_path).returncode == 0
    site = tmp_path / "_build" / "html"
    gone = [site / "index.html", *site.glob("_images/*"), site / "_static" / "book.js"]
    before = [path.read_bytes() for path in gone]
    for path in gone:
        path.unlink()
    result = make_html(tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    assert [path.read_bytes() for path in gone] == before
    assert "Executing" not in result.stdout + result.stderr
