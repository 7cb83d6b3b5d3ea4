"""Pictures, style sheets and figures of a built site: whole, and there."""

import re

import pytest
from PIL import Image

import pictures
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
    "a picture's file holds text, another format than its name says, or is cut short",
    "the build fails and names page and file",
)
def test_pictures_that_are_none_fail_the_build_together(tmp_path):
    folder = tiny_book(tmp_path, "![A clock.](clock.png) ![A card.](card.jpg)") / "book"
    static = folder / "_static"
    (folder / "more.md").write_text(PAGE.format(text="![Cut.](cut.png) ![A logo.](logo.svg)"))
    with (tmp_path / "_toc.yml").open("a") as toc:
        toc.write("chapters:\n- file: more\n")
    (folder / "clock.png").write_bytes(b"a clock")
    (folder / "card.jpg").write_bytes((static / "card.png").read_bytes())
    (folder / "cut.png").write_bytes((static / "card.png").read_bytes()[:3000])
    (folder / "logo.svg").write_bytes((static / "logo.svg").read_bytes()[:-9])
    result = make_html(tmp_path)
    output = result.stdout + result.stderr
    assert result.returncode != 0
    for page, told in {
        "index": ["clock.png holds no image that can be read.", "card.jpg holds PNG, and its name"],
        "more": ["cut.png holds no image that can be", "logo.svg holds no image that can be read"],
    }.items():
        for fault in told:
            assert re.search(rf"{page}\.md:? .*WARNING: {re.escape(fault)}", output), output


def svg(inside):
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9">{inside}</svg>'


PICTURES = {  # what of an SVG is refused, and what is said
    "<script>go()</script>": "a.svg has <script>, which no page shows. Take it out.",
    '<g onclick="go()"/>': "a.svg has onclick, which no page runs. Take it out.",
    "<foreignObject/>": "a.svg has <foreignObject>, which no page shows. Take it out.",
    '<image href="b.png"/>': "a.svg asks for b.png, which no page loads. Draw it inside.",
    '<g style="fill: url(https://a.b/c)"/>': "a.svg asks for https://a.b/c, which no page loads.",
    '<use href="#a"/><image href="data:image/png;base64,"/>': "",
    f"<desc>{'a' * pictures.HEAVIEST}</desc>": "a.svg has 1,000,077 bytes, more than 1,000,000.",
}


@pytest.mark.fault(
    "a picture would run or load something, or is large", "the build fails and names page and file"
)
def test_what_a_picture_must_not_have_is_told(tmp_path):
    path = tmp_path / "a.svg"
    for inside, told in PICTURES.items():
        path.write_text(svg(inside))
        assert pictures.fault_of(path).startswith(told)
        assert told or not pictures.fault_of(path)
    Image.new("L", (4001, 2)).save(tmp_path / "a.png")
    Image.effect_noise((1400, 1400), 99).save(tmp_path / "b.png")
    Image.new("L", (2, 2)).save(tmp_path / "c.tiff")
    told = [pictures.fault_of(tmp_path / name) for name in ("a.png", "b.png", "c.tiff")]
    assert told[0] == "a.png has 4001 x 2 pixels, more than 4000 a side. Make it smaller."
    assert re.fullmatch(r"b\.png has [\d,]+ bytes, more than 1,000,000. Make it smaller.", told[1])
    assert told[2] == "c.tiff is no PNG, JPEG, WebP, GIF or SVG. Save it as one of these."


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
        assert f"{name} holds no image that can be read" in output


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
