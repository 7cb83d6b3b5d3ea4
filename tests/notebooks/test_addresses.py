from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from condlesson.notebooks import addresses

FORK = "https://github.com/Somebody/fork"


@pytest.fixture
def at(monkeypatch):
    """A function that puts the repository at an address."""
    return lambda url: monkeypatch.setenv("CONDLESSON_REPOSITORY", url)


def test_the_setting_counts_in_a_checkout(monkeypatch):
    monkeypatch.delenv("CONDLESSON_REPOSITORY", raising=False)
    settings = yaml.safe_load(addresses.CONFIG.read_text())["repository"]
    assert addresses.repository_url() == settings["url"]
    assert addresses.source_branch() == settings["branch"]


def test_the_environment_overrides_the_setting(at):
    at(f"{FORK}.git")
    assert addresses.repository_url() == FORK


@pytest.fixture
def installed(monkeypatch, tmp_path):
    """A function that puts the package where no checkout is, with settings beside it."""
    monkeypatch.delenv("CONDLESSON_REPOSITORY", raising=False)
    monkeypatch.setattr(addresses, "CONFIG", tmp_path / "_config.yml")
    return (tmp_path / "_config.yml").write_text


def test_an_installed_package_knows_where_it_is_from(installed):
    installed(f"repository:\n  url: {FORK}\n")
    assert addresses.repository_url() == FORK
    assert addresses.source_branch() == "main"


def test_no_address_is_a_fault(installed):
    installed("title: A book\n")
    with pytest.raises(ValueError, match="must be https://host/owner/name, got ''"):
        addresses.repository_url()


def test_a_package_without_settings_has_no_address(installed):
    with pytest.raises(ValueError, match=r"Set repository\.url in _config\.yml"):
        addresses.repository_url()


@pytest.mark.parametrize(
    "url", ["http://github.com/a/b", "https://github.com/a", "https://github.com/a/b/c", "a/b"]
)
def test_an_address_of_another_form_is_refused(at, url):
    at(url)
    with pytest.raises(ValueError, match="must be https://host/owner/name, got"):
        addresses.repository_url()


@pytest.mark.parametrize(
    ("url", "site"),
    [
        (FORK, "https://somebody.github.io/fork/"),
        ("https://github.com/Somebody/somebody.github.io", "https://somebody.github.io/"),
        ("https://gitlab.com/a/b", "https://a.gitlab.io/b/"),
        ("https://git.example.org/a/b", "https://git.example.org/a/b/raw/gh-pages/"),
    ],
)
def test_the_site_is_where_the_host_serves_it(at, url, site):
    at(url)
    assert addresses.site_address() == site
    assert addresses.site_address("notation") == f"{site}notation.html"
    assert addresses.notebook_path("a", "solutions") == "notebooks/solutions/a.ipynb"


def test_pip_takes_the_wheel_from_the_published_branch(at):
    at(FORK)
    assert addresses.wheel_address() == f"{FORK}/raw/gh-pages/{addresses.WHEEL}"


def test_colab_opens_the_exercise(at):
    at(FORK)
    assert addresses.colab_address("a", "https://colab.example.org") == (
        "https://colab.example.org/github/Somebody/fork/blob/gh-pages/notebooks/exercises/a.ipynb"
    )


def test_colab_reaches_github_only(at):
    at("https://gitlab.com/a/b")
    with pytest.raises(ValueError, match=r"must be on github\.com for Colab, got https://gitlab"):
        addresses.colab_address("a")


@pytest.mark.parametrize(
    ("url", "place"),
    [
        (FORK, "gh/Somebody/fork"),
        ("https://gitlab.com/a/b", "git/https%3A%2F%2Fgitlab.com%2Fa%2Fb"),
    ],
)
def test_binder_opens_the_exercise_that_it_has_made(at, url, place):
    at(url)
    split = urlsplit(addresses.binder_address("a"))
    assert split.path == f"/v2/{place}/{addresses.source_branch()}"
    opened = parse_qs(split.query)["urlpath"]
    assert opened == ["lab/tree/_build/notebooks/exercises/a.ipynb"]


def test_a_hub_pulls_the_published_branch(at):
    at(FORK)
    split = urlsplit(addresses.jupyterhub_address("a", "https://hub.example.edu"))
    assert f"{split.netloc}{split.path}" == "hub.example.edu/hub/user-redirect/git-pull"
    assert parse_qs(split.query) == {
        "repo": [FORK],
        "branch": ["gh-pages"],
        "urlpath": ["lab/tree/fork/notebooks/exercises/a.ipynb"],
    }
