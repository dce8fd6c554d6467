"""The rules of the house: what stands where, what is packaged, what no file may hold."""

from __future__ import annotations

import fnmatch
import re
import stat
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = {".ci", "tui", "engine", "storage", "tests", "screenshots", "docs", "examples", "benchmarks", "requirements"}
FLOORS = ("tui", "engine", "storage")
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))


def tracked() -> list[Path]:
    """Every file of the repository, or of the unpacked archive when there is no git."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    names = (Path(name) for name in listed.stdout.decode().split("\0") if name)
    return [name for name in names if (ROOT / name).is_file()]


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_the_top_level_holds_only_the_folders_of_the_house() -> None:
    assert {name.parts[0] for name in tracked() if len(name.parts) > 1} <= FOLDERS


def test_every_folder_of_code_is_a_package() -> None:
    code = {name.parent for name in tracked() if name.suffix == ".py" and name.parts[0] in FLOORS}
    assert [str(folder) for folder in code if not (ROOT / folder / "__init__.py").is_file()] == []


def test_every_sql_and_style_file_is_packaged() -> None:
    packaged = project()["tool"]["setuptools"]["package-data"]
    data = [name for name in tracked() if name.parts[0] in FLOORS and name.suffix in {".sql", ".tcss"}]
    left_out = [
        str(name)
        for name in data
        if not any(
            fnmatch.fnmatch(str(name.relative_to(name.parts[0])), pattern.replace("**/", "*"))
            for pattern in packaged.get(name.parts[0], [])
        )
    ]
    assert left_out == []


def test_no_other_lock_or_index_file_stands_beside_the_requirements() -> None:
    foreign = {"uv.lock", "uv.toml", "poetry.lock", "Pipfile.lock", "pip.conf", "pip.ini", ".pypirc"}
    assert [str(name) for name in tracked() if name.name in foreign] == []


def test_every_csv_file_is_written_by_one_door() -> None:
    writes = re.compile(r"csv\.(writer|DictWriter)\(")
    code = [name for name in tracked() if name.suffix == ".py" and name.parts[0] in FLOORS]
    assert [str(name) for name in code if writes.search((ROOT / name).read_text())] == ["engine/sheets.py"]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_a_lock_names_no_index_address(lock: Path) -> None:
    options = re.compile(r"://|^\s*-+(i|f|index-url|extra-index-url|find-links|trusted-host)\b", re.IGNORECASE)
    assert [line for line in lock.read_text().splitlines() if options.search(line)] == []


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_every_requirement_of_a_lock_is_pinned_and_hashed(lock: Path) -> None:
    requirements = re.sub(r"\\\n\s*", " ", lock.read_text()).strip().splitlines()
    assert requirements
    assert [line for line in requirements if not re.match(r"\S+==\S+ .*--hash=sha256:[0-9a-f]{64}", line)] == []


def test_the_locks_hold_what_the_project_asks_for() -> None:
    def names(requirements: list[str]) -> set[str]:
        return {re.split(r"[^A-Za-z0-9_.-]", line, maxsplit=1)[0].lower().replace("_", "-") for line in requirements}

    def locked(file: str) -> set[str]:
        return set(re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements" / file).read_text(), re.MULTILINE))

    wanted = project()
    assert names(wanted["project"]["dependencies"]) <= locked("runtime.txt")
    assert names(wanted["project"]["optional-dependencies"]["dev"]) <= locked("dev.txt")
    assert names(wanted["build-system"]["requires"]) <= locked("build.txt")
    assert locked("runtime.txt") <= locked("dev.txt")


def test_every_dependency_has_its_reason_written_down() -> None:
    wanted = project()["project"]
    extras = [line for group in wanted["optional-dependencies"].values() for line in group]
    names = {re.split(r"[^A-Za-z0-9_.-]", line, maxsplit=1)[0] for line in wanted["dependencies"] + extras}
    reasons = (ROOT / "docs" / "dependencies.md").read_text()
    assert sorted(name for name in names if f"| `{name}` |" not in reasons) == []


def test_the_check_of_continuous_integration_can_be_run() -> None:
    mode = (ROOT / ".ci" / "run").stat().st_mode
    assert mode & stat.S_IXUSR


def test_the_makefile_has_the_promised_targets_and_a_reason_for_each() -> None:
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert set(re.findall(r"make (\w+) +\S", listed)) >= {"demo", "test", "check", "format", "lock"}


def test_reading_a_configuration_imports_no_channel() -> None:
    program = "import sys, engine.config; print([m for m in ('aiosmtplib', 'jinja2', 'textual') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
