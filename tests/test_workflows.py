"""What runs on GitHub: least rights, pinned actions, and commands that run here too."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.conftest import outside_make
from tools.contents import ROOT

FOLDER = ROOT / ".github" / "workflows"
TEXTS = {path.stem: path.read_text() for path in sorted(FOLDER.glob("*.yml"))}
WORKFLOWS = {name: yaml.safe_load(text) for name, text in TEXTS.items()}
JOBS = {
    f"{name}.{job}": content
    for name, workflow in WORKFLOWS.items()
    for job, content in workflow["jobs"].items()
}
# GitHub gives runs of other triggers than these the right to write, on code of a stranger.
TRIGGERS = {"push", "pull_request", "schedule", "workflow_dispatch"}
# Which jobs may write, and what.
MAY_WRITE = {
    "publish.publish": {"contents": "write"},
    "publish.sign": {"id-token": "write", "attestations": "write"},
    "weekly.report": {"issues": "write"},
}


def steps(job: dict, key: str) -> list:
    """What the steps of a job have under a key."""
    return [step[key] for step in job["steps"] if key in step]


def caches(path: str = "") -> list[dict]:
    """Settings of the caches, or of those of a path."""
    steps = [step for job in JOBS.values() for step in job["steps"]]
    found = [step["with"] for step in steps if "actions/cache@" in step.get("uses", "")]
    return [settings for settings in found if path in ("", settings["path"])]


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_may_only_read(name):
    workflow = WORKFLOWS[name]
    assert set(workflow[True]) <= TRIGGERS  # YAML reads the key `on` as a truth
    assert workflow["permissions"] == {"contents": "read"}


@pytest.mark.fault(
    "a job tests what the book says of its history, and fetches one commit",
    "the test of the workflows names the job",
)
def test_a_job_that_tests_claims_fetches_the_history_and_no_other_does():
    tests_claims = re.compile(r"\bmake (?:book|claims|test)(?![\w-])")
    needs = {name for name, job in JOBS.items() if any(map(tests_claims.search, steps(job, "run")))}
    fetches = {
        name
        for name, job in JOBS.items()
        if any(settings.get("fetch-depth") == 0 for settings in steps(job, "with"))
    }
    assert needs == fetches != set()


@pytest.mark.parametrize("name", JOBS)
def test_a_job_has_a_limit_and_takes_pinned_actions_that_keep_no_credentials(name):
    job = JOBS[name]
    assert "timeout-minutes" in job
    assert [use for use in steps(job, "uses") if not re.fullmatch(r".+@[0-9a-f]{40}", use)] == []
    checkouts = [step for step in job["steps"] if "actions/checkout@" in step.get("uses", "")]
    assert checkouts
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


@pytest.mark.parametrize("name", JOBS)
def test_only_the_jobs_that_must_may_write_and_one_step_of_each(name):
    job = JOBS[name]
    rights = {key: right for key, right in job.get("permissions", {}).items() if right != "read"}
    assert rights == MAY_WRITE.get(name, {})
    with_token = [step for step in job["steps"] if "github.token" in str(step)]
    assert with_token == (job["steps"][-1:] if rights else [])
    assert not any("secrets." in str(step) for step in job["steps"])


def test_what_is_signed_was_verified_and_nothing_is_installed_beside_the_right_to_sign():
    job = JOBS["publish.sign"]
    assert job["needs"] == "build"
    assert steps(job, "run") == ["make records"]
    assert job["steps"][-1]["with"]["subject-path"] == "_build/recorded.sha256"


def test_the_same_action_has_the_same_hash_everywhere():
    uses = {use for job in JOBS.values() for use in steps(job, "uses")}
    names = [use.partition("@")[0] for use in uses]
    assert len(names) == len(set(names))


def test_the_package_is_tested_on_every_python_it_promises():
    versions = JOBS["test.package"]["strategy"]["matrix"]["python"]
    [oldest] = re.findall(r'requires-python = ">=([\d.]+)"', (ROOT / "pyproject.toml").read_text())
    assert versions == [oldest, "3.11", "3.12", "3.13"]


def test_a_cache_of_pages_has_what_decides_in_its_key_and_nothing_published_comes_from_one():
    cached = caches("_build/.jupyter_cache")
    assert cached
    names = [settings["restore-keys"] for settings in cached]
    assert len(set(names)) == len(names)  # the addresses that pages name are not the same
    for settings, name in zip(cached, names, strict=True):
        files = "${{ hashFiles('book/**', 'src/**', 'requirements.txt') }}"
        assert settings["key"] == f"{name}{files}"
    assert "cache:" not in TEXTS["publish"]
    assert "actions/cache" not in TEXTS["publish"]


def test_a_cache_of_packages_is_that_of_one_lock():
    installed = caches("~/.cache/uv")
    assert len(installed) + len(caches("_build/.jupyter_cache")) == len(caches())
    ours = "${{ hashFiles('requirements.txt') }}"
    newest = "${{ matrix.python }}-${{ hashFiles('pyproject.toml') }}"
    assert {cache["key"] for cache in installed} == {f"uv-pinned-{ours}", f"uv-newest-{newest}"}
    assert not any("restore-keys" in cache for cache in installed)  # one of other pins only grows


COMMANDS = sorted({run for job in JOBS.values() for run in steps(job, "run")})


@pytest.mark.parametrize("command", [run for run in COMMANDS if run.startswith("make ")])
def test_make_knows_the_command(command):
    environment = outside_make()
    done = subprocess.run(
        [*command.split(), "--dry-run", "-o", f"{sys.prefix}/.installed", f"VENV={sys.prefix}"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_a_pull_request_is_tested_with_the_commands_of_continuous_integration():
    script = (ROOT / ".ci" / "run").read_text()
    targets = re.findall(r"^(?:exec )?(make [\w-]+)", script, re.M)
    assert targets == ["make test", "make test-weekly", "make test-colab"]
    targets[1] = "make coverage"  # of the weekly tests only a sample; all run each week
    assert "make test-weekly TORCH=cpu" in steps(JOBS["weekly.rare"], "run")
    assert steps(JOBS["test.book"], "run") == [f"{target} TORCH=cpu" for target in targets]


def test_what_publishes_builds_for_its_own_repository_and_pushes_last():
    job, last = JOBS["publish.build"], JOBS["publish.publish"]
    address = "${{ github.server_url }}/${{ github.repository }}"
    assert job["env"]["CONDLESSON_REPOSITORY"] == address
    assert JOBS["test.preview"]["env"]["CONDLESSON_REPOSITORY"] == address
    assert steps(job, "run") == ["make book TORCH=cpu"]
    [publish] = steps(last, "run")
    assert publish.startswith(".ci/publish ")
    assert last["needs"] == "build"


def test_what_the_build_installs_is_not_where_the_token_is():
    job, last = JOBS["publish.build"], JOBS["publish.publish"]
    assert "permissions" not in job
    assert "token" not in str(job)
    brought = [use.partition("@")[0] for use in steps(last, "uses")]
    assert brought == ["actions/checkout", "actions/download-artifact"]
    kept = job["steps"][-1]
    assert kept["uses"].startswith("actions/upload-artifact@")
    settings = [step["with"] for step in (kept, last["steps"][1])]
    assert [(one["name"], one["path"]) for one in settings] == [("site", "_build/html")] * 2
    assert kept["with"]["include-hidden-files"] is True


def test_a_weekly_job_that_fails_or_hangs_is_reported():
    report = JOBS["weekly.report"]
    assert set(report["needs"]) == set(WORKFLOWS["weekly"]["jobs"]) - {"report"}
    for result in ("failure", "cancelled"):  # what GitHub calls one that ran out of time
        assert f"contains(needs.*.result, '{result}')" in report["if"]
    assert report["if"].startswith("always() && (")


def test_no_step_hides_that_a_command_in_it_failed():
    assert [run for run in COMMANDS if re.search(r"^echo .*\$\(", run, re.M)] == []


def test_only_main_is_published():
    for name in ("publish.build", "publish.sign", "publish.publish"):
        assert JOBS[name]["if"] == "github.ref == 'refs/heads/main'"


def test_the_docs_say_of_each_command_that_it_runs():
    section = (ROOT / "docs" / "github.md").read_text()
    ours = [command for command in COMMANDS if command.startswith(("make ", ".ci/"))]
    assert len(ours) > 6
    for command in ours:
        called = re.match(r"[\w./-]+(?: [A-Za-z][\w=./-]*)*", command)[0].removesuffix(" TORCH=cpu")
        assert f"`{called}`" in section


# `gh` that writes down its arguments, and knows of one open issue or of none.
FAKE_GH = """#!/usr/bin/env python3
import json, os, sys
with open(os.environ["CALLS"], "a") as calls:
    print(json.dumps(sys.argv[1:]), file=calls)
if sys.argv[1:3] == ["issue", "list"]:
    print(os.environ["OPEN"])
"""


def report(folder: Path, number: str) -> list[list[str]]:
    """What `.ci/report` asks of gh when two of four jobs failed, and one took too long."""
    (folder / "gh").write_text(FAKE_GH)
    (folder / "gh").chmod(0o755)
    results = {"newest": "failure", "colab": "success", "links": "failure", "late": "cancelled"}
    environment = {
        **os.environ,
        "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
        "CALLS": str(folder / "calls"),
        "OPEN": number,
        "JOBS": json.dumps({name: {"result": result} for name, result in results.items()}),
        "RUN": "https://example.org/runs/7",
    }
    subprocess.run([ROOT / ".ci" / "report"], env=environment, check=True)
    return [json.loads(line) for line in (folder / "calls").read_text().splitlines()]


def test_a_failure_opens_an_issue_that_names_the_jobs_and_the_run(tmp_path):
    *_, last = report(tmp_path, "")
    assert last[:2] == ["issue", "create"]
    body = last[last.index("--body") + 1]
    late = "late (ran out of time, or was cancelled)"
    assert re.findall("^- (.*)", body, re.M) == ["newest", "links", late]
    assert "https://example.org/runs/7" in body
    assert last[last.index("--label") + 1] == "weekly"


def test_a_second_failure_becomes_a_comment_on_the_open_issue(tmp_path):
    label, listing, last = report(tmp_path, "12")
    assert label[:3] == ["label", "create", "weekly"]
    assert "open" in listing
    assert last[:3] == ["issue", "comment", "12"]
    assert "- links" in last[-1]
