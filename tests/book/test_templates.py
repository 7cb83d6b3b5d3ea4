"""What is misspelt in a template ends the build: Jinja shows nothing of a name that is none."""

import pytest

from tests.book.test_broken_builds import GOOD, make_html, tiny_book

pytestmark = pytest.mark.slow

FAULTS = {  # what of a template is replaced, by what, and what is told
    "book-footer.html": (
        ("{{ author }}", "{{ auther }}", "book-footer.html: nothing is called auther"),
        ('href="{{ repository }}"', 'href="nowhere.html"', "around the text leads to nowhere.html"),
    ),
    "404.html": (("{%- endblock %}", "", "404.html, line 7: Unexpected end of template."),),
    "search.html": (
        (
            '"search-field.html"',
            '"serch-field.html"',
            "there is no template serch-field.html. Mend",
        ),
    ),
    "landing/start.html": (("minutes(", "minuts(", "start.html: 'minuts' is undefined. Mend the"),),
}


@pytest.mark.fault(
    "a template asks for a name that nothing has, or links to no page",
    "the build fails with the template, or the link, and a cure",
)
@pytest.mark.parametrize("name", FAULTS)
def test_what_is_misspelt_in_a_template_is_told(tmp_path, name):
    tiny_book(tmp_path, f"{GOOD}\n\n```{{start}}\n```")
    template = tmp_path / "book" / "_templates" / name
    text = template.read_text("utf-8")
    for old, new, _ in FAULTS[name]:
        assert old in text
        text = text.replace(old, new)
    template.write_text(text, "utf-8")
    result = make_html(tmp_path)
    output = result.stdout + result.stderr
    assert result.returncode != 0
    assert [told for _, _, told in FAULTS[name] if told not in output] == [], output
    assert "Traceback" not in output


@pytest.mark.fault(
    "a script that all pages share is gone", "the build fails with its name and a cure"
)
def test_a_shared_script_that_is_gone_is_told(tmp_path):
    tiny_book(tmp_path, GOOD)
    (tmp_path / "book" / "_static" / "lesson.js").unlink()
    result = make_html(tmp_path)
    output = result.stdout + result.stderr
    assert result.returncode != 0
    assert "the pages need the script lesson.js, and it is gone. Take it back." in output
    assert "Traceback" not in output
    assert "threw an exception" not in output
