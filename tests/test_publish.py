"""`.ci/publish` puts the built site on a branch, on top of what is there; a workflow calls it."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
WHO = ["-c", "user.name=somebody", "-c", "user.email=somebody@example.org"]


def git(folder, *arguments):
    """What git says in a folder."""
    command = ["git", *WHO, *arguments]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return result.stdout.strip()


def publish(folder):
    """Run the script of a repository."""
    command = [folder / ".ci" / "publish", folder.parent / "remote", "gh-pages"]
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


def test_only_the_step_that_publishes_may_write():
    path = ROOT / ".github" / "workflows" / "publish.yml"
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"] == {"contents": "read"}
    [job] = workflow["jobs"].values()
    assert job["permissions"] == {"contents": "write"}
    checkout, *_, last = job["steps"]
    assert checkout["with"] == {"persist-credentials": False}
    assert last["run"].startswith(".ci/publish ")
    assert [step for step in job["steps"] if "github.token" in str(step)] == [last]
    assert "secrets." not in path.read_text()
    actions = re.findall(r"uses: (\S+)", path.read_text())
    assert [action for action in actions if not re.fullmatch(r".+@[0-9a-f]{40}", action)] == []


def test_the_site_is_built_for_the_repository_that_publishes_it():
    path = ROOT / ".github" / "workflows" / "publish.yml"
    [job] = yaml.safe_load(path.read_text())["jobs"].values()
    address = job["env"]["CONDLESSON_REPOSITORY"]
    assert address == "${{ github.server_url }}/${{ github.repository }}"
    assert "make book TORCH=cpu" in [step.get("run") for step in job["steps"]]


WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
# GitHub gives runs of other triggers than these the right to write, on code of a stranger.
TRIGGERS = {"push", "pull_request", "workflow_dispatch"}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_may_read_and_takes_pinned_actions_that_keep_no_credentials(path):
    workflow = yaml.safe_load(path.read_text())
    assert set(workflow[True]) <= TRIGGERS  # YAML reads the key `on` as a truth
    assert workflow["permissions"] == {"contents": "read"}
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    actions = [step["uses"] for step in steps if "uses" in step]
    assert [action for action in actions if not re.fullmatch(r".+@[0-9a-f]{40}", action)] == []
    checkouts = [step for step in steps if step.get("uses", "").startswith("actions/checkout@")]
    assert [step["with"]["persist-credentials"] for step in checkouts] == [False] * len(checkouts)
    assert all("timeout-minutes" in job for job in workflow["jobs"].values())


def test_a_pull_request_sees_no_secret_and_may_not_write():
    for path in WORKFLOWS:
        workflow = yaml.safe_load(path.read_text())
        if "pull_request" in workflow[True]:
            assert not re.search(r"secrets\.|github\.token|GITHUB_TOKEN", path.read_text())
            assert [job for job in workflow["jobs"].values() if "permissions" in job] == []


def test_continuous_integration_runs_the_tests_and_then_the_notebooks():
    steps = yaml.safe_load((ROOT / ".github" / "workflows" / "test.yml").read_text())["jobs"]
    runs = [step["run"] for job in steps.values() for step in job["steps"] if "run" in step]
    assert runs == ["make test TORCH=cpu", "make test-colab TORCH=cpu"]
    script = (ROOT / ".ci" / "run").read_text()
    assert script.index("make test\n") < script.index("make test-colab\n")
