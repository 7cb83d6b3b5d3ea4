import pytest

from condlesson.notebooks.pages import PAGES_DIR
from condlesson.notebooks.references import read_references

ENTRY = """\
@misc{{key,
  author = {{{author}}},
  title = {{A {{Title}}}},
  year = {{2021}},
  {more}
}}
"""


@pytest.fixture
def read(tmp_path):
    """A function that reads an entry."""

    def read_entry(author="Who, Some", more="eprint = {2101.00001},"):
        path = tmp_path / "references.bib"
        path.write_text(ENTRY.format(author=author, more=more))
        return read_references(path)["key"]

    return read_entry


@pytest.mark.parametrize(
    ("author", "who"),
    [
        ("One, A.", "One"),
        ("One, A. and Two, B.", "One and Two"),
        ("One, A. and Two, B. and Three, C.", "One et al."),
        ("de Vries, Harm", "de Vries"),
        ("Bottou, L{\\'e}on and Gro{\\ss}, Bj{\\\"o}rn", "Bottou and Groß"),
        ("{The Team}", "The Team"),
    ],
)
def test_a_text_names_one_or_two_authors_or_the_first(read, author, who):
    assert read(author=author).who == who


@pytest.mark.parametrize(
    ("more", "url"),
    [
        ("eprint = {2101.00001},\n  archiveprefix = {arXiv},", "https://arxiv.org/abs/2101.00001"),
        ("doi = {10.1/2},", "https://doi.org/10.1/2"),
        ("url = {https://example.org},", "https://example.org"),
    ],
)
def test_it_says_where_to_read(read, more, url):
    assert read(more=more).url == url


def test_an_entry_of_the_list(read):
    found = read(author="Who, Some and Else, Any{\\'e}", more="doi = {1/2},\n  journal = {A {B}},")
    assert found.entry() == "Some Who and Anyé Else. [A Title](https://doi.org/1/2). A B, 2021."


def test_the_references_of_the_book_are_read():
    found = read_references(PAGES_DIR / "references.bib")
    assert found["ho2020"].who == "Ho et al."
    assert "Łukasz Kaiser" in found["vaswani2017"].entry()
    assert [key for key, reference in found.items() if set("{}\\") & set(reference.entry())] == []


@pytest.mark.parametrize(
    ("more", "fault"),
    [
        ("eprint = {1}, x", "must be BibTeX, got an error: .*line 6"),
        ("colour = {red},", "key must have known fields, got colour"),
        ("note = {\\emph{x}},\n  url = {u},", "key must be without further TeX"),
        ("note = {x},", "key must have an eprint, a doi or a url"),
    ],
)
def test_what_is_not_known_is_refused(read, more, fault):
    with pytest.raises(ValueError, match=f"references.bib.*{fault}"):
        read(more=more)


def test_an_entry_without_author_is_refused(tmp_path):
    path = tmp_path / "references.bib"
    path.write_text("@misc{key,\n  title = {A},\n  year = 2021,\n}\n")
    with pytest.raises(ValueError, match="key must have the field author"):
        read_references(path)


def test_macros_are_read_as_the_book_reads_them(tmp_path):
    path = tmp_path / "references.bib"
    path.write_text('@string{a = "b"}\n' + ENTRY.format(author="A", more="doi = 1, note = a # a"))
    assert read_references(path)["key"].fields["note"] == "bb"


def test_two_entries_of_one_key_are_refused(tmp_path):
    path = tmp_path / "references.bib"
    path.write_text(2 * ENTRY.format(author="A", more="doi = 1"))
    with pytest.raises(ValueError, match=r"must be BibTeX, got an error: repeated .* key"):
        read_references(path)
