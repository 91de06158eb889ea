"""Wheel and sdist are built, installed where only the declared dependencies are, and used from another folder."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.skipif(not (ROOT / "pyproject.toml").is_file(), reason="not in a checkout")


def test_the_oldest_python_can_read_every_file():
    for path in sorted((ROOT / "src").rglob("*.py")):
        ast.parse(path.read_text(encoding="utf-8"), str(path), feature_version=(3, 10))


def test_no_dependency_is_pinned_from_above():
    """An upper limit would conflict with the newest numpy, torch and transformers."""
    for requirement in metadata.requires("coarse-to-fine") or []:
        assert "<" not in requirement.partition(";")[0], requirement
        assert "==" not in requirement.partition(";")[0], requirement
        assert not re.match(r"(decord|faiss|opencv|torchvision|torchcodec)", requirement), requirement


def test_ci_runs_every_system_and_python_that_is_claimed():
    """What one machine cannot show: other systems, other Pythons, the oldest and the newest versions."""
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))["jobs"]
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    claimed = re.findall(r'"Programming Language :: Python :: (3\.\d+)"', project)
    matrix = jobs["systems"]["strategy"]["matrix"]
    assert matrix["python"] == claimed
    assert {name.rpartition("-")[0].partition("-")[0] for name in matrix["os"]} == {"ubuntu", "macos", "windows"}
    assert any(name.endswith("-arm") for name in matrix["os"])
    lines = "\n".join(step.get("run", "") for job in jobs.values() for step in job["steps"])
    assert "--resolution lowest-direct" in lines
    assert "install -U numpy pandas torch transformers" in lines
    oldest = re.findall(r'"transformers>=([\d.]+)"', project)
    assert all(f"transformers=={version}" in lines for version in oldest)


SYSTEMS = {
    "windows": ["win_amd64"],
    "macos-arm": ["macosx_11_0_arm64", "macosx_12_0_arm64", "macosx_14_0_arm64"],
    "linux-arm": [f"manylinux_2_{minor}_aarch64" for minor in (17, 26, 27, 28)] + ["manylinux2014_aarch64"],
}
"""Tags of wheels that pip on a machine of today takes."""


@pytest.mark.network
@pytest.mark.parametrize("python", ["3.10", "3.11", "3.12", "3.13"])
@pytest.mark.parametrize("system", SYSTEMS)
def test_every_dependency_has_wheels(system, python, tmp_path):
    """The dependencies of the core in turn, the newest of each that has a wheel; nothing is built or installed."""
    tags = [word for tag in SYSTEMS[system] for word in ("--platform", tag)]
    names = sorted(distributions())
    command = [sys.executable, "-m", "pip", "install", "-q", "--dry-run", "--ignore-installed", "--no-deps"]
    command += ["--only-binary=:all:", "--python-version", python, "--target", str(tmp_path), *tags, *names]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


def distributions(extra: str = "") -> dict[str, metadata.Distribution]:
    """What the installed package declares to need, with what these need in turn."""
    found: dict[str, metadata.Distribution] = {}
    waiting = [("coarse-to-fine", extra)]
    while waiting:
        name, wanted = waiting.pop()
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue  # needed on another system only
        key = re.sub(r"[-_.]+", "-", name).lower()
        if key in found and not wanted:
            continue
        found[key] = distribution
        for requirement in distribution.requires or []:
            head, _, marker = requirement.partition(";")
            extras = re.findall(r"extra\s*==\s*['\"]([^'\"]+)['\"]", marker)
            if extras and wanted not in extras:
                continue
            matched = re.match(r"\s*([A-Za-z0-9_.-]+)\s*(?:\[([^\]]*)\])?", head)
            assert matched is not None
            waiting.append((matched[1], (matched[2] or "").split(",")[0].strip()))
    del found["coarse-to-fine"]
    return found


def link_distributions(folder: Path, found: dict[str, metadata.Distribution]) -> None:
    """Links to the top-level files and folders of distributions: an environment with these and nothing else."""
    folder.mkdir(exist_ok=True)
    for distribution in found.values():
        for name in {file.parts[0] for file in distribution.files or [] if file.parts[0] not in ("..", "__pycache__")}:
            link = folder / name
            if not link.exists():
                link.symlink_to(Path(str(distribution.locate_file(name))))


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder with the wheel and the sdist."""
    folder = tmp_path_factory.mktemp("built")
    for target in ("wheel", "sdist"):
        command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(folder)]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def environment(built, tmp_path_factory):
    """A new environment with the wheel and its declared dependencies; gives run(*arguments) from another folder."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")], check=True)
    python = folder / "venv" / "bin" / "python"
    wheel = next(built.glob("*.whl"))
    install = ["install", "-q", "--no-deps", "--no-index", "--disable-pip-version-check", str(wheel)]
    subprocess.run([sys.executable, "-m", "pip", "--python", str(python), *install], check=True)
    link_distributions(folder / "needed", distributions())
    site = next((folder / "venv" / "lib").glob("python*/site-packages"))
    (site / "needed.pth").write_text(f"{folder / 'needed'}\n")
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}

    def run(*arguments, code=0, command="python"):
        program = folder / "venv" / "bin" / command
        done = subprocess.run(
            [str(program), *map(str, arguments)],
            cwd=elsewhere,
            env={**clean, "PATH": "", "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stderr
        return done

    run.folder, run.site, run.elsewhere = folder, site, elsewhere
    return run


needs_posix = pytest.mark.skipif(os.name == "nt", reason="links and folders of a POSIX environment")


@pytest.mark.slow
@needs_posix
def test_the_wheel_holds_everything_that_the_package_reads(built):
    names = set(zipfile.ZipFile(next(built.glob("*.whl"))).namelist())
    package = ROOT / "src" / "coarse_to_fine"
    read = [path for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert {f"coarse_to_fine/{path.relative_to(package).as_posix()}" for path in read} <= names
    configs = [path.relative_to(ROOT).as_posix() for path in (ROOT / "configs").rglob("*.yaml")]
    assert {f"coarse_to_fine/{name}" for name in configs} <= names
    assert not [name for name in names if name.startswith("tests")]


@pytest.mark.slow
@needs_posix
def test_a_wheel_from_the_sdist_is_the_same(built, tmp_path):
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        archive.extractall(tmp_path, filter="data")
    source = next(tmp_path.iterdir())
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "again")]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    first, second = (zipfile.ZipFile(next(folder.glob("*.whl"))) for folder in (built, tmp_path / "again"))
    assert {one.filename: one.CRC for one in first.infolist()} == {one.filename: one.CRC for one in second.infolist()}


@pytest.mark.slow
@needs_posix
def test_it_comes_from_the_wheel_and_imports_every_module_without_extras(environment):
    code = """
import importlib, json, pkgutil, coarse_to_fine
failed = {}
for module in pkgutil.walk_packages(coarse_to_fine.__path__, "coarse_to_fine."):
    if module.name.endswith("__main__"):
        continue
    try:
        importlib.import_module(module.name)
    except ModuleNotFoundError as error:
        failed[module.name] = error.name
print(json.dumps([coarse_to_fine.__file__, failed]))
"""
    place, failed = json.loads(environment("-c", code).stdout)
    assert place.startswith(str(environment.site))
    assert all(name.startswith("coarse_to_fine.web") for name in failed), failed
    assert set(failed.values()) <= {"fastapi", "starlette", "uvicorn"}


@pytest.mark.slow
@needs_posix
def test_the_web_page_is_there_with_its_extra(environment, tmp_path):
    link_distributions(tmp_path / "web", distributions("web"))
    path = f"import sys; sys.path.append({str(tmp_path / 'web')!r})"
    code = f"{path}; import coarse_to_fine.web.app as app; print(app.__file__)"
    place = Path(environment("-c", code).stdout.strip())
    assert (place.parent / "page" / "index.html").is_file()


@pytest.mark.slow
@needs_posix
def test_the_command_works_from_another_folder(environment):
    """Without a PATH: no program of the system is asked for; tokenizer, weights and configs come from the wheel."""
    ctf = environment.site.parents[2] / "bin" / "ctf"
    assert environment(ctf, "--version").stdout.startswith("coarse-to-fine ")
    environment(ctf, "generate", "world", "--videos", "1", "--out", "world", "--workers", "1")
    environment(ctf, "index", "world/videos", "--library", "videos.ctf", "--workers", "1")
    found = environment(ctf, "search", "a red ball jumps", "--library", "videos.ctf", "--json")
    hits = json.loads(found.stdout)["hits"]
    assert hits and hits[0]["video_id"] == "test-000000"
    plan = environment(ctf, "run", "--config", "world", "--dry-run", "--json")
    assert [line["step"] for line in json.loads(plan.stdout)["steps"]][-1] == "report"
    served = environment(ctf, "serve", "--library", "videos.ctf", code=2)
    assert "[web]" in served.stderr


@pytest.mark.slow
@needs_posix
@pytest.mark.parametrize(
    "module", ["coarse_to_fine", "coarse_to_fine.main_pipeline", "coarse_to_fine.evaluation.evaluate"]
)
def test_modules_that_are_programs_show_their_help(environment, module):
    assert "--" in environment("-m", module, "--help").stdout


@pytest.mark.slow
@needs_posix
def test_importing_it_is_fast(environment):
    """The best of five, above what an empty Python takes: other programs may be at work."""
    timed = "import time; start = time.perf_counter(); import coarse_to_fine; print(time.perf_counter() - start)"
    assert min(float(environment("-c", timed).stdout) for _ in range(5)) < 0.3
