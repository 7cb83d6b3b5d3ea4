"""Every address that opens or downloads a notebook names a file that is published."""

import re
import shutil
import subprocess
import sys
from pathlib import Path, PurePosixPath
from urllib.parse import parse_qs, urljoin, urlsplit
from zipfile import ZipFile

import nbformat
import pytest
import yaml
from bs4 import BeautifulSoup

from condlesson.notebooks import addresses
from tests.book.built import HTML, PAGES, ROOT, page

CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text())
REPOSITORY = addresses.repository_url()
SERVICES = ("colab_url", "binderhub_url")
EXERCISES = PurePosixPath("notebooks/exercises")
PUBLISH = yaml.safe_load((ROOT / ".github" / "workflows" / "publish.yml").read_text())


def exercises() -> list[str]:
    """Pages that have an exercise notebook."""
    return sorted(path.stem for path in (HTML / EXERCISES).glob("*.ipynb"))


def published_branch() -> str:
    """The branch that the workflow puts the built site on."""
    runs = " ".join(step.get("run", "") for step in PUBLISH["jobs"]["publish"]["steps"])
    return re.search(r"\.ci/publish \S+ (\S+)", runs)[1]


def made_by_binder() -> PurePosixPath:
    """The folder that Binder's last step writes the notebooks to."""
    script = (ROOT / ".binder" / "postBuild").read_text()
    return PurePosixPath(re.search(r"^condlesson notebooks (\S+)$", script, re.M)[1])


def in_site(url: str) -> tuple[str, str]:
    """Repository and file in the built site that a launch address names.

    Raises:
        ValueError: for an address of another form, or of a branch that nobody fills.
    """
    parts = urlsplit(url)
    if found := re.fullmatch(r"/github/([^/]+/[^/]+)/blob/([^/]+)/(.+)", parts.path):
        repository, branch, file = found.groups()
        expected = published_branch()
    elif found := re.fullmatch(r"/v2/gh/([^/]+/[^/]+)/([^/]+)", parts.path):
        repository, branch = found.groups()
        [opened] = parse_qs(parts.query)["urlpath"]
        inside = PurePosixPath(opened).relative_to("lab/tree").relative_to(made_by_binder())
        file, expected = str("notebooks" / inside), CONFIG["repository"]["branch"]
    elif parts.path.endswith("/hub/user-redirect/git-pull"):
        asked = {key: value for key, [value] in parse_qs(parts.query).items()}
        repository, branch = urlsplit(asked["repo"]).path.strip("/"), asked["branch"]
        folder = PurePosixPath("lab/tree") / PurePosixPath(repository).name
        file, expected = (
            str(PurePosixPath(asked["urlpath"]).relative_to(folder)),
            published_branch(),
        )
    else:
        raise ValueError(f"{url} is no launch address that we know.")
    if branch != expected:
        raise ValueError(f"{url} names the branch {branch}, but {expected} is filled.")
    return f"https://github.com/{repository}", file


def launch_addresses(tree: BeautifulSoup, services: list[str]) -> list[str]:
    """Addresses of the services on a page, with doubles."""
    links = [link["href"] for link in tree.select("a[href]")]
    return [url for url in links if url.startswith(tuple(services))]


def of_services() -> list[str]:
    return [CONFIG["launch_buttons"][key] for key in SERVICES]


@pytest.mark.parametrize("name", PAGES)
def test_launch_addresses_name_published_notebooks_of_their_page(name):
    addresses = launch_addresses(page(name), of_services())
    if name not in exercises():
        named = [in_site(url) for url in addresses if urlsplit(url).path.strip("/")]
        assert bool(named) == (name == "index")  # the landing page leads to the first exercise
        assert all((HTML / file).is_file() for repository, file in named if repository)
        assert {repository for repository, _ in named} <= {REPOSITORY}
        return
    assert len(addresses) == 2 * len(SERVICES)  # below the title, and in the menu
    named = {in_site(url) for url in addresses}
    assert named == {(REPOSITORY, f"{EXERCISES}/{name}.ipynb")}
    assert (HTML / EXERCISES / f"{name}.ipynb").is_file()


def test_there_are_notebooks_for_all_exercises():
    assert {name for name in PAGES if name.startswith("exercise-")} <= set(exercises())
    assert set(exercises()) <= set(PAGES)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_with_a_notebook_offers_it_twice(name):
    links = {
        urljoin(f"{name}.html", link["href"]) for link in page(name).select(".launch a[download]")
    }
    menu = page(name).select(".btn-download-notebook-button")
    links |= {urljoin(f"{name}.html", link["href"]) for link in menu}
    expected = {f"{EXERCISES}/{name}.ipynb"} if name in exercises() else set()
    assert links == expected


def test_launch_links_say_where_they_lead_and_that_it_is_a_new_tab():
    for name in exercises():
        links = page(name).select(".launch a[target=_blank]")
        labels = [link.get_text() for link in links]
        assert labels == ["Open in Colab, in a new tab", "Open in Binder, in a new tab"]
        menu = page(name).select_one(".dropdown-launch-buttons")
        assert menu.summary["aria-label"] == "Open the exercise notebook"
        assert {link["target"] for link in menu.select("a")} == {"_blank"}


def test_what_is_published_is_where_the_addresses_say():
    assert published_branch() == addresses.PUBLISHED
    assert (HTML / addresses.WHEEL).is_file()
    assert (HTML / addresses.ARCHIVE).is_file()


def test_notebooks_install_the_published_wheel():
    for name in exercises():
        notebook = nbformat.read(HTML / EXERCISES / f"{name}.ipynb", as_version=4)
        first = next(cell for cell in notebook.cells if cell.cell_type == "code")
        published = addresses.wheel_address() if addresses.is_published() else ""
        assert f'get("CONDLESSON_WHEEL", "{published}")' in first.source


def test_the_page_on_working_offers_everything_in_one_archive():
    [link] = page("working").select("article a[href$='.zip']")
    assert link["href"] == addresses.ARCHIVE
    with ZipFile(HTML / addresses.ARCHIVE) as archive:
        names = {str(PurePosixPath(*Path(name).parts[1:])) for name in archive.namelist()}
    assert {name for name in names if name.endswith(".ipynb")} == {
        f"{n}.ipynb" for n in exercises()
    }
    assert {"README.txt", "condlesson/__init__.py"} <= names
    assert [name for name in names if name.startswith("condlesson/subset/")]


PAGE = """---
file_format: mystnb
kernelspec:
  name: python3
---

# A page

{text}
"""


@pytest.mark.slow
@pytest.mark.weekly
def test_a_fork_and_a_class_have_addresses_of_their_own(tmp_path, monkeypatch):
    """The repository comes from CI, the hub from the settings; the pages are two small ones."""
    monkeypatch.setenv("CONDLESSON_REPOSITORY", "https://github.com/somebody/fork")
    for name in ("_ext", "_static", "_templates", "desk"):
        shutil.copytree(ROOT / "book" / name, tmp_path / "book" / name)
    shutil.copy(ROOT / "requirements.txt", tmp_path)
    (tmp_path / "book" / "references.bib").touch()
    for name in ("index", "exercise-3"):
        (tmp_path / "book" / f"{name}.md").write_text(PAGE.format(text="Text."))
    settings = {**CONFIG, "launch_buttons": {"jupyterhub_url": "https://hub.example.edu/"}}
    config = {**CONFIG["sphinx"]["config"], "execution_checks": []}
    settings["sphinx"] = {**CONFIG["sphinx"], "config": config}
    (tmp_path / "_config.yml").write_text(yaml.safe_dump(settings))
    (tmp_path / "_toc.yml").write_text(
        "format: jb-book\nroot: index\nchapters:\n  - file: exercise-3\n"
    )
    command = [Path(sys.prefix, "bin", "jupyter-book"), "build", "book", "--config", "_config.yml"]
    command += ["--toc", tmp_path / "_toc.yml", "--path-output", ".", "-n", "-W"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    built = tmp_path / "_build" / "html" / "exercise-3.html"
    tree = BeautifulSoup(built.read_text(), "html.parser")
    addresses = launch_addresses(tree, ["https://hub.example.edu/hub/"])
    assert len(addresses) == 2
    expected = ("https://github.com/somebody/fork", f"{EXERCISES}/exercise-3.ipynb")
    assert {in_site(url) for url in addresses} == {expected}
    assert launch_addresses(tree, of_services()) == []
    assert str(tree).count("OWNER") == 0
    assert tree.select("a[href='https://github.com/somebody/fork']")
