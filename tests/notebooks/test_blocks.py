import re

import pytest

from condlesson.conditioning import AdaGN
from condlesson.embeddings import sinusoidal_frequencies
from condlesson.notebooks.blocks import STEPS, Code, Translator
from condlesson.notebooks.pages import Book, PageError


@pytest.fixture
def translator(tmp_path, monkeypatch):
    """A function that makes a translator of a small book's page."""
    monkeypatch.setenv("CONDLESSON_REPOSITORY", "https://github.com/a/b")
    (tmp_path / "one.md").write_text("# Page one\n")
    (tmp_path / "references.bib").write_text("")
    book = Book(tmp_path)
    return lambda **options: Translator(book, book.pages["one"], {"x": 0.5}, **options)


ANSWER = "*A solution is on [this page of the book](https://a.github.io/b/one.html), folded away.*"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Text.\n\n- a\n- b", "Text.\n\n- a\n- b"),
        ("(label)=\n## Title", "## Title"),
        ("% a comment\nText.", "Text."),
        ("a\n\n<!-- a comment -->\n\nb", "a\n\nb"),
        ("```bash\n{doc}`a`\n```", "```bash\n{doc}`a`\n```"),
        ("    {doc}`a`  # code", "{doc}`a`  # code"),
        ("| {glue:text}`x` |\n|---|\n| a |", "| 0.5 |\n|---|\n| a |"),
        ("$$\na = b\n$$", "$$\na = b\n$$"),
        ("$$\na &= b\n$$", "$$\n\\begin{aligned}\na &= b\n\\end{aligned}\n$$"),
        ("$$\na\n$$ (label)", "$$\na\n\\tag{1}\n$$"),
        (
            "\\begin{align}\na &= b\n\\end{align}",
            "\\begin{align}\na &= b\n\\end{align}",
        ),
        (
            ":::{dropdown} Hint: `x`\n:open:\nThe *text* {glue:text}`x`.\n:::",
            "<details>\n<summary>Hint: <code>x</code></summary>\n\nThe *text* 0.5.\n\n</details>",
        ),
        (":::{note}\nA\n\nB\n:::", "> **Note**\n>\n> A\n>\n> B"),
        (":::{warning} A\n:::", "> **Warning**\n>\n> A"),
        (":::{admonition} Title\nA\n:::", "> **Title**\n>\n> A"),
        (
            "::::{note}\n:::{dropdown} D\nA\n:::\n::::",
            "> **Note**\n>\n> <details>\n> <summary>D</summary>\n>\n> A\n>\n> </details>",
        ),
        ("```{note}\nA\n```", "> **Note**\n>\n> A"),
        ("- a `b\n- {math}`x` `c`", "- a `b\n- $x$ `c`"),
        ("a\n\n```{bibliography}\n```\n\nb", "a\n\nb"),
        ("```{lesson-map} mlp block\n```",
         "t → sinusoid → **timestep MLP** → projection → scale and shift → **block**"),
        ("a\n\n:::{dropdown} Solution\n```{solution} condlesson.conditioning.AdaGN\n```\n:::",
         f"a\n\n{ANSWER}"),
        ("```{solution} condlesson.conditioning.AdaGN\n```", ANSWER),
    ],
)  # fmt: skip
def test_a_block_becomes_what_jupyter_shows(translator, text, expected):
    assert translator().text(text, 1) == [expected]


def test_a_choice_is_marked_right_or_wrong_where_it_is_unfolded(translator):
    choices = "- `One`\n\n  Too {glue:text}`x`.\n\n- Two\n\n  So.\n"
    text = f":::{{predict}} a-b\n:right: 2\nWhich?\n\n{choices}:::"
    assert translator().text(text, 1) == [
        "**Predict.** Which?\n\n"
        "<details>\n<summary><code>One</code></summary>\n\n✗ No. Too 0.5.\n\n</details>\n\n"
        "<details>\n<summary>Two</summary>\n\n✓ Right. So.\n\n</details>"
    ]


def test_a_map_has_all_steps(translator):
    [text] = translator().text("```{lesson-map}\n```", 1)
    assert text.split(" → ") == [name for name, _ in STEPS.values()]


def test_the_solution_stands_in_the_solution_notebook(translator):
    text = "::::{dropdown} Solution\nBefore.\n\n"
    text += "```{solution} condlesson.conditioning.AdaGN\n```\nAfter.\n::::"
    [shown] = translator(with_answers=True).text(text, 1)
    assert re.search("Before.*```python\nclass AdaGN.*chunk.*After", shown, re.S)
    assert "TODO" not in shown


SCAFFOLD = "a\n\n```{scaffold} condlesson.conditioning.AdaGN\n```\n\nb"


@pytest.mark.parametrize(("with_answers", "todos"), [(False, 4), (True, 0)])
def test_a_scaffold_becomes_a_cell(translator, with_answers, todos):
    before, code, after = translator(with_answers=with_answers).text(SCAFFOLD, 1)
    assert (before, after) == ("a", "b")
    assert isinstance(code, Code)
    assert code.count("TODO") == todos
    assert code.startswith("from torch import Tensor, nn\nfrom condlesson.conditioning import")
    namespace = {}
    exec(code, namespace)
    assert namespace["AdaGN"] is not AdaGN


def test_a_cell_imports_what_no_earlier_one_has(translator):
    one = translator()
    one.run("from torch import nn\nfrom condlesson.conditioning import check_groups\nTensor = 3")
    assert one.text(SCAFFOLD, 1)[1].startswith(
        "from torch import Tensor\nfrom condlesson.conditioning import check_inputs\n\n\nclass"
    )


def test_a_scaffold_imports_what_only_its_solution_uses(translator):
    text = "```{scaffold} condlesson.conditioning.AdditiveGN\n```"
    blank, filled = (translator(with_answers=answers).text(text, 1)[0] for answers in (0, 1))
    imports = filled.partition("\n\n\n")[0]
    assert "add_to_channels" in imports
    assert "add_to_channels" not in blank.removeprefix(imports)
    assert blank.startswith(imports)


def test_later_code_takes_what_the_learner_wrote(translator):
    one = translator()
    assert one.known == {}
    one.text("```{source} condlesson.embeddings.sinusoidal_frequencies\n```", 1)
    assert one.known["sinusoidal_frequencies"] is sinusoidal_frequencies
    [code] = one.text("```{source} condlesson.embeddings.sinusoidal_embedding\n```", 1)
    assert "import sinusoidal_frequencies" not in code
    assert "sinusoidal_frequencies(" in code


def test_a_source_to_read_is_no_cell(translator):
    [text] = translator().text("```{source} condlesson.unet.UNet\n:read-only:\n```", 1)
    assert not isinstance(text, Code)
    assert text.startswith("```python\nclass UNet")


def test_a_source_in_a_dropdown_is_to_be_read(translator):
    text = "::::{dropdown} D\n```{source} condlesson.conditioning.add_to_channels\n```\n::::"
    [shown] = translator().text(text, 1)
    assert "```python\n" in shown
    assert "def add_to_channels" in shown


@pytest.mark.parametrize(
    ("text", "line", "fault"),
    [
        ("```{tab-set}\n```", 7, r"the directive \{tab-set\} is not known"),
        ("a\n\n:::{note}\n{abbr}`x`\n:::", 10, r"the role \{abbr\} is not known"),
        (":::{note}\n:class: a\n\n{abbr}`x`\n:::", 10, r"the role \{abbr\}"),
        (":::{note}\n:name: a\n:::", 7, r"the option name of \{note\} is not known"),
        (":::not a directive\n:::", 7, "a fence must name a directive"),
        ("- a\n\n  ```{note}\n  b\n  ```", 9, "a directive must not be in a list"),
        ("word\n: what it means", 7, "a definition list is not known"),
        (":a: b", 7, "a field list is not known"),
        ("a\n\n[^b]: c", 9, "a footnote is not known"),
        ("```{source} condlesson.unet.UNet\n:right: 1\n```", 7, "option right of .source. is not"),
        (":::{admonition} A\n:read-only:\n:::", 7, "the option read-only of .admonition. is not"),
        ("{{ a }}", 7, "a substitution is not known"),
        ("```{lesson-map} nowhere\n```", 7, "there is no step nowhere"),
        ("```{source} condlesson.none.X\n```", 7, "condlesson.none.X: No module"),
        ("```{source} condlesson.unet.X\n```", 7, "condlesson.unet.X: .*no attribute"),
        ("```{source} X\n```", 7, "X: Empty module name"),
        ("```{source} condlesson.sampling.ddim_step\n```", 7, "public names .* _alpha_bars"),
        ("```{scaffold} condlesson.unet.UNet\n```", 7, "must have parts from # TODO"),
        (":::{note}\nnever closed", 7, "must be closed"),
    ],
)  # fmt: skip
def test_what_is_not_known_is_an_error_with_page_and_line(translator, text, line, fault):
    with pytest.raises(PageError, match=f"^one.md, line {line}: .*{fault}"):
        translator().text(text, 7)
