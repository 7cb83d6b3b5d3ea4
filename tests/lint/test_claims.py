"""The ledger of claims: what counts as one, where it comes from, and what must not stand alone."""

import re

import pytest

from condlesson.notebooks.blocks import Translator
from condlesson.notebooks.pages import Book, Page
from tools.lint import claims
from tools.lint.claims import CHOSEN, Claim, ledger, lint, verdicts
from tools.lint.prose import ROOT, read_texts

FRONT = "---\nfile_format: mystnb\nkernelspec:\n  name: python3\n---\n\n"
CHECKS = """import pytest


@pytest.fixture
def test_images():
    pass


def test_sky_is_blue(test_images):
    pass
"""
CELL = "```{code-cell} ipython3\nloss = 0.125\n```\n"
REMOVED = "```{{code-cell}} ipython3\n:tags: [remove-cell]\n\n{}\n```\n"
GLUED = REMOVED.format('from myst_nb import glue\nglue("loss", 2 * loss, display=False)')
MARKED = "The sky is blue.\n% claim: sky_is_blue\n"
RESULTS = """<testsuites><testsuite>
<testcase name="test_sky_is_blue[day]"/>
<testcase name="test_sky_is_blue[night]">
<failure message="assert 'black' ==&#10;'blue'"/></testcase>
<testcase name="test_snow_is_white"><skipped message="night"/></testcase>
<testcase name="test_grass_is_green[a]"/><testcase name="test_grass_is_green[b]"/>
</testsuite></testsuites>"""


@pytest.fixture
def checks(tmp_path):
    (tmp_path / "test_colours.py").write_text(CHECKS)
    return tmp_path


def told(text, checks):
    page = Page("page", f"{FRONT}# Page\n\n{text}\n\n{'' if 'claim' in text else MARKED}")
    return [str(finding) for finding in lint({"book/page.md": page}, [page], checks)]


NO_SOURCE = (
    "number: nobody measured or cited {}. "
    "Glue it in a removed cell, cite its paper, or mark a tested claim."
)
BROKEN = {
    "a decimal": ("It ends\nat 0.0301.", "9: " + NO_SOURCE.format("0.0301")),
    "a share": ("It falls by 12%.", "9: " + NO_SOURCE.format("12%")),
    "a share in words": ("About 12 per cent.", "9: " + NO_SOURCE.format("12%")),
    "a count": ("It has 394,240 weights.", "9: " + NO_SOURCE.format("394,240")),
    "a count without a comma": ("It has 394240 weights.", "9: " + NO_SOURCE.format("394240")),
    "a share in one word": ("About 12 percent.", "9: " + NO_SOURCE.format("12%")),
    "a share that does not break": ("About 12\u202f%.", "9: " + NO_SOURCE.format("12%")),
    "a negative number": ("A correlation of -0.31.", "9: " + NO_SOURCE.format("0.31")),
    "the end of a range": ("From 1-0.45 on.", "9: " + NO_SOURCE.format("0.45")),
    "a small number": ("It ends at 1.5e-3.", "9: " + NO_SOURCE.format("1.5e-3")),
    "a factor": ("It is 3.2x less.", "9: " + NO_SOURCE.format("3.2")),
    "one behind a made-up one": (
        "Say 7.5 (made up). It ends at 0.0301.", "9: " + NO_SOURCE.format("0.0301")),
    "one in a question": (
        ":::{predict} a-b\n:right: 1\nIs it 0.0301?\n\n- Yes.\n:::",
        "11: " + NO_SOURCE.format("0.0301"),
    ),
    "a mark without its colon": (
        "Grass is red.\n% claim grass_is_red",
        "10: claim: there is no test of the claim 'grass_is_red'. "
        "Write test_grass_is_red in a file of tests/claims.",
    ),
    "a removed cell that works": (
        CELL + "\n" + REMOVED.format("loss = loss / 2"),
        "13: removed-cell: a removed cell does more than glue: `loss = loss / 2`. "
        "Show the work in a visible cell, or write it into the call of glue.",
    ),
    "a mark without a test": (
        MARKED + "\nGrass is red.\n% claim: grass_is_red",
        "13: claim: there is no test of the claim 'grass_is_red'. "
        "Write test_grass_is_red in a file of tests/claims.",
    ),
    "a mark without a space": (
        MARKED + "\nGrass is red.\n%claim: grass_is_red",
        "13: claim: there is no test of the claim 'grass_is_red'. "
        "Write test_grass_is_red in a file of tests/claims.",
    ),
    "a mark without a sentence": (
        "```python\nx\n```\n% claim: sky_is_blue",
        "12: claim: no sentence stands above the mark of sky_is_blue. "
        "Put it right below what it is about.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", BROKEN)
def test_rule_says_what_is_wrong_and_what_to_do(fault, checks):
    text, message = BROKEN[fault]
    found = [line for line in told(text, checks) if "has the mark" not in line]
    assert found == [f"book/page.md:{message}"]


def test_a_test_without_a_mark_is_found(checks):
    page = Page("page", "# Page\n\nText.")
    assert [str(finding) for finding in lint({"book/page.md": page}, [page], checks)] == [
        "test_colours.py:9: claim: no page has the mark of test_sky_is_blue. "
        "Write % claim: sky_is_blue below the sentence that says so."
    ]


@pytest.mark.parametrize(
    "text",
    [
        "The loss is {glue:text}`loss:.2f`.\n\n" + CELL + "\n" + GLUED,
        "It ends at 0.0301 {cite}`ho2020`.",
        "A table {cite}`ho2020`:\n\n| a | b |\n|---|---|\n| 0.0301 | 2.75 |\n",
        "It ends at 0.125, as the code says, or 12.5 %.\n\n" + CELL,
        "It ends at 0.0301 (made up).",
        "Two intervals of 95 %, 1,000 steps and 12,800 images.",
        "Formulas: $0.0301$, code: `0.0301`, Python 3.10, CC BY 4.0.",
        "\\begin{align}\na &= 0.0301 \\\\\nb &= 0.5\n\\end{align}",
        "~~~python\nloss = 0.0301\n~~~",
        "<!-- It ended\n\nat 0.0301. -->",
        "GPT-4.5, 60000 images, 1990.",
        "It ends at 0.0301.\n% claim: sky_is_blue",
    ],
)
def test_numbers_with_a_source_pass(text, checks):
    assert told(text, checks) == []


def test_the_ledger_lists_what_is_measured_cited_and_checked():
    text = (
        f"{FRONT}# Page\n\nIt is {{glue:text}}`loss:.2f`. Others have 0.3\n{{cite}}`ho2020`.\n"
        f"% claim: sky_is_blue\n\n{CELL}\n{GLUED}"
    )
    page = Page("page", text)
    found = list(ledger({"p.md": page}, {"page": {"loss": 0.25}}, {"sky_is_blue": "holds"}))
    both = "It is 0.25. Others have 0.3 {cite}`ho2020`."
    assert found == [
        Claim("p.md", 9, "measured", "loss = 0.25", "cell at line 17: 2 * loss", "It is 0.25."),
        Claim("p.md", 9, "cited", "0.3", "ho2020", "Others have 0.3 {cite}`ho2020`."),
        Claim("p.md", 9, "checked", "holds", "test_sky_is_blue", both),
    ]
    assert (
        str(found[0])
        == "p.md:9: measured: loss = 0.25 (cell at line 17: 2 * loss)\n    It is 0.25."
    )


def test_a_claim_that_nobody_checked_is_no_claim_that_holds():
    page = Page("page", f"# Page\n\n{MARKED}")
    [claim] = ledger({"p.md": page}, {}, {})
    assert claim.value == "was not checked"


def test_a_number_that_is_glued_in_a_loop_or_by_name_has_a_place():
    code = "```{code-cell} ipython3\nfor k in range(2):\n    glue(f'x{k}', k)\n```\n"
    page = Page("page", f"{FRONT}# Page\n\nIt is {{glue:text}}`x1:.1f`.\n\n{code}")
    [claim] = ledger({"p.md": page}, {"page": {"x1": 1}}, {})
    assert (claim.value, claim.source) == ("x1 = 1.0", "a cell")


def test_a_fixture_that_a_test_uses_does_not_hide_the_test(tmp_path):
    file = tmp_path / "test_colours.py"
    file.write_text('@pytest.mark.usefixtures("one_thread")\ndef test_sky_is_blue():\n    pass\n')
    assert list(claims._tests(tmp_path)) == ["sky_is_blue"]


def test_verdicts_need_every_case_to_pass(tmp_path):
    file = tmp_path / "claims.xml"
    file.write_text(RESULTS)
    assert verdicts(file) == {
        "sky_is_blue": "does not hold: assert 'black' == 'blue'",
        "snow_is_white": "was not checked: night",
        "grass_is_green": "holds",
    }


@pytest.mark.slow
def test_a_claim_about_the_history_fails_no_build_without_one(tmp_path, capsys):
    names = sorted(claims._tests(claims.CHECKS))
    cases = [f'<testcase name="test_{name}"/>' for name in names]
    reason = f'<skipped message="{claims.NO_HISTORY}"/>'
    cases[0] = f'<testcase name="test_{names[0]}">{reason}</testcase>'
    (tmp_path / "claims.xml").write_text(f"<testsuite>{''.join(cases)}</testsuite>")
    claims.main("--hold", results=tmp_path / "claims.xml")
    assert "Left unchecked, since the whole history is not here: book/" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.fault("a sentence of the book no longer holds", "the build fails and names it")
def test_the_build_fails_when_a_claim_of_the_book_no_longer_holds(tmp_path):
    names = sorted(claims._tests(claims.CHECKS))
    assert "zero_init_adagn_is_group_norm" in names
    cases = [f'<testcase name="test_{name}"/>' for name in names]
    file = tmp_path / "claims.xml"
    file.write_text(f"<testsuites>{''.join(cases)}</testsuites>")
    claims.main("--hold", results=file)
    broken = file.read_text().replace(
        'name="test_zero_init_adagn_is_group_norm"/>',
        'name="test_zero_init_adagn_is_group_norm"><failure message="assert False"/></testcase>',
    )
    file.write_text(broken)
    with pytest.raises(
        SystemExit, match=r"book/exercise-3\.md:\d+: checked: does not hold: assert"
    ):
        claims.main("--hold", results=file)


def test_chosen_numbers_are_needed():
    said = " ".join(page.text for page in read_texts(Book(ROOT / "book")).values())
    assert [number for number in CHOSEN if number not in said] == []


def test_notebooks_do_not_show_the_marks():
    book = Book(ROOT / "book")
    marked = {name: page for name, page in book.with_notebook.items() if "% claim:" in page.text}
    assert "exercise-3" in marked
    for page in marked.values():
        glued = dict.fromkeys(re.findall(r"\{glue:text\}`(\w+)", page.text), 0.5)
        translator = Translator(book, page, glued)
        for cell in page.cells:
            if cell.kind == "markdown":
                shown = "\n".join(map(str, translator.text(cell.source, cell.line)))
                assert not re.search(r"% ?claim", shown)
