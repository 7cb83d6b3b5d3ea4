"""`.ci/publish` puts the built site on a branch, on top of what is there."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
WHO = ["-c", "user.name=somebody", "-c", "user.email=somebody@example.org"]


def git(folder, *arguments):
    """What git says in a folder."""
    command = ["git", *WHO, *arguments]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return result.stdout.strip()


def publish(folder, remote=""):
    """Run the script of a repository."""
    command = [folder / ".ci" / "publish", remote or folder.parent / "remote", "gh-pages"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def repository(tmp_path):
    """A repository with the script and a built site, beside an empty remote."""
    git(tmp_path, "init", "--quiet", "--bare", "remote")
    folder = tmp_path / "repository"
    site = folder / "_build" / "html"
    (site / "notebooks").mkdir(parents=True)
    (folder / ".ci").mkdir()
    shutil.copy2(ROOT / ".ci" / "publish", folder / ".ci")
    shutil.copy2(ROOT / ".gitignore", folder)
    for name in ("index.html", "notebooks/a.ipynb", "lesson.egg-info"):
        (site / name).write_text("first")
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message=Start")
    return folder


def test_publishes_everything_that_was_built_and_nothing_else(repository):
    result = publish(repository)
    assert result.returncode == 0, result.stderr
    remote = repository.parent / "remote"
    published = git(remote, "ls-tree", "-r", "--name-only", "gh-pages").split()
    assert published == [".nojekyll", "index.html", "lesson.egg-info", "notebooks/a.ipynb"]
    assert git(repository, "status", "--short") == ""


def test_adds_to_the_history_what_changed(repository):
    publish(repository)
    site = repository / "_build" / "html"
    (site / "notebooks" / "a.ipynb").unlink()
    (site / "b.html").write_text("second")
    assert publish(repository).returncode == 0
    remote = repository.parent / "remote"
    assert git(remote, "rev-list", "--count", "gh-pages") == "2"
    changed = git(remote, "diff", "--name-status", "gh-pages~", "gh-pages").split()
    assert changed == ["A", "b.html", "D", "notebooks/a.ipynb"]


def test_adds_nothing_when_nothing_changed(repository):
    publish(repository)
    assert "holds this site already" in publish(repository).stdout
    assert git(repository.parent / "remote", "rev-list", "--count", "gh-pages") == "1"


def test_says_what_to_do_without_a_built_site(repository):
    (repository / "_build" / "html" / "index.html").unlink()
    result = publish(repository)
    assert result.returncode == 1
    assert "make book" in result.stderr


@pytest.mark.fault("a repository lies inside the built site", "nothing is published")
def test_refuses_a_repository_inside_the_site(repository):
    inside = repository / "_build" / "html" / "notebooks" / "other"
    git(repository, "init", "--quiet", inside)
    result = publish(repository)
    assert result.returncode == 1
    assert "_build/html/notebooks/other/.git is a repository inside the site" in result.stderr
    assert git(repository.parent / "remote", "branch", "--list") == ""


@pytest.mark.fault("an address looks like an option of git", "it is taken as an address")
def test_an_address_is_never_an_option(repository):
    mark = repository / "ran"
    result = publish(repository, f"--upload-pack=touch {mark}")
    assert result.returncode
    assert not mark.exists()


@pytest.mark.fault("a build left a hook of git", "it is not run")
def test_no_hook_that_a_build_left_is_told_the_address(repository):
    mark = repository / "told"
    hook = repository / ".git" / "hooks" / "pre-push"
    hook.write_text(f"#!/bin/sh\necho $2 > {mark}\n")
    hook.chmod(0o755)
    assert publish(repository).returncode == 0
    assert not mark.exists()
