"""Every way of installing gives a `pyrootless` that runs a container.

In: the checkout.  Out: a wheel (from the sdist), installed in a venv, for a user, by pipx, and
editable; each is asked for its version and runs a program in `host`.
Never: a file outside the test's directories: each way gets a home of its own.

The wheel is built once; the packages it needs come from the environment the tests run in, so
that nothing is downloaded (pipx alone insists on fetching its own).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# What the build and the installed package import, from the environment the tests run in.
SITE = Path(next(path for path in sys.path if path.endswith("site-packages")))
PIP_TIMEOUT_SECONDS = 300

pytestmark = pytest.mark.slow


def call(
    words: list[str | Path], env: dict[str, str], cwd: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    """Run a command; its output is the assertion's message when it fails."""
    done = subprocess.run(
        [str(word) for word in words],
        env=env,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=PIP_TIMEOUT_SECONDS,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, f"{words}\n{done.stdout}{done.stderr}"
    return done


def environment(home: Path) -> dict[str, str]:
    """A clean environment with a home, a store and a runtime directory of its own."""
    kept = [name for name in os.environ if name.startswith(("PIP_", "SSL_", "LANG"))]
    kept += [name for name in os.environ if name.lower().endswith("_proxy")]
    env = {name: os.environ[name] for name in kept}
    runtime = home / "runtime"
    runtime.mkdir(parents=True, mode=0o700)
    source = ROOT / "build" / "yyjson"
    if (source / "yyjson.c").exists():
        env["PYROOTLESS_YYJSON_SOURCE"] = str(source)
    path = "/usr/local/bin:/usr/bin:/bin"
    return {**env, "HOME": str(home), "XDG_RUNTIME_DIR": str(runtime), "PATH": path}


def check_installed(launcher: Path, env: dict[str, str], cwd: Path) -> None:
    """The installed executable knows its version and runs a container."""
    version = call([launcher, "version"], env, cwd).stdout
    assert re.search(r"\b0\.1\.0\b", version), version
    done = call([launcher, "run", "--rm", "host", "echo", "from inside"], env, cwd)
    assert done.stdout == "from inside\n"
    call([launcher, "run", "--rm", "host", "true"], env, cwd)


def lend_packages(site: Path) -> None:
    """Show a fresh environment the tests' own packages (cffi): nothing is downloaded."""
    site.mkdir(parents=True, exist_ok=True)
    (site / "lent.pth").write_text(f"{SITE}\n")


def site_of(prefix: Path) -> Path:
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return prefix / "lib" / version / "site-packages"


@pytest.fixture(scope="module")
def source_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout: a build may leave files in its tree."""
    target = tmp_path_factory.mktemp("source") / "tree"
    everywhere = shutil.ignore_patterns(".git", "*.so", "*.egg-info", "__pycache__", ".*_cache")

    def skipped(folder: str, names: list[str]) -> set[str]:
        at_top = {"build", "dist"} if Path(folder) == ROOT else set()
        return everywhere(folder, names) | at_top

    shutil.copytree(ROOT, target, ignore=skipped, symlinks=True)
    return target


@pytest.fixture(scope="module")
def distributions(
    source_tree: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """(sdist, wheel) as `python -m build` makes them: the wheel from the sdist."""
    home = tmp_path_factory.mktemp("build-home")
    out = tmp_path_factory.mktemp("dist")
    words = [sys.executable, "-m", "build", "--no-isolation", "--outdir", out, source_tree]
    call(words, environment(home))
    return next(out.glob("*.tar.gz")), next(out.glob("*.whl"))


def test_sdist_holds_the_sources(distributions: tuple[Path, Path]) -> None:
    with tarfile.open(distributions[0]) as archive:
        names = {name.split("/", 1)[-1] for name in archive.getnames()}
    wanted = {
        *(str(path.relative_to(ROOT)) for path in (ROOT / "csrc").rglob("*.[ch]")),
        *(
            "pyrootless/core/_containers.pyx",
            "tools/native.py",
            "tools/system_packages.py",
            "LICENSE",
        ),
        *("Makefile", "tests/conftest.py", "tests/csrc/check.h", ".ci/run"),
    }
    assert wanted - names == set()
    assert [name for name in names if name.endswith(".so") or name.startswith("build")] == []


def test_wheel_holds_a_launcher_and_no_sources_of_it(distributions: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(distributions[1]) as archive:
        names = archive.namelist()
        scripts = [name for name in names if ".data/scripts/" in name]
        head = archive.read(scripts[0])[:4]
    assert [Path(name).name for name in scripts] == ["pyrootless"]
    assert head == b"\x7fELF"
    sources = [name for name in names if name.endswith((".c", ".h", ".pyx"))]
    hostile = "/sandbox/selftest/hostile/"  # of `selftest`
    others = [name for name in sources if hostile not in name]
    assert [Path(name).name for name in others] == ["floor.c"]  # of `pyrootless bench`
    assert any(name.endswith("share/pyrootless/benchmarks/bench.py") for name in names)
    assert any(re.search(r"pyrootless/core/_containers\..*\.so$", name) for name in names)
    assert any(re.search(r"pyrootless/seccomp/_cffi\..*so$", name) for name in names)
    assert "pyrootless/py.typed" in names


def make_venv(prefix: Path, env: dict[str, str]) -> Path:
    """A fresh venv that sees the tests' packages.  Returns its bin directory."""
    call(["/usr/bin/python3", "-m", "venv", "--without-pip", prefix], env)
    lend_packages(site_of(prefix))
    return prefix / "bin"


INSTALL = ["-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]


@pytest.mark.needs("user-namespaces")
def test_venv(distributions: tuple[Path, Path], tmp_path: Path) -> None:
    env = environment(tmp_path / "home")
    bin_dir = make_venv(tmp_path / "venv", env)
    call([bin_dir / "python", *INSTALL, distributions[1]], env)
    check_installed(bin_dir / "pyrootless", env, tmp_path)


@pytest.mark.needs("user-namespaces")
def test_user_install(distributions: tuple[Path, Path], tmp_path: Path) -> None:
    """pip install --user, in a home of its own, with the system's interpreter."""
    home = tmp_path / "home"
    env = {**environment(home), "PIP_BREAK_SYSTEM_PACKAGES": "1"}
    lend_packages(site_of(home / ".local"))
    call(["/usr/bin/python3", *INSTALL, "--user", distributions[1]], env)
    check_installed(home / ".local" / "bin" / "pyrootless", env, tmp_path)


@pytest.mark.needs("user-namespaces", "pipx")
def test_pipx(distributions: tuple[Path, Path], tmp_path: Path) -> None:
    """pipx makes a venv and a link to the executable: the launcher must follow its own link."""
    env = environment(tmp_path / "home")
    env |= {"PIPX_HOME": str(tmp_path / "pipx"), "PIPX_BIN_DIR": str(tmp_path / "bin")}
    env["PIPX_DEFAULT_PYTHON"] = "/usr/bin/python3"
    pipx = shutil.which("pipx", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    assert pipx
    call([pipx, "install", "--quiet", distributions[1]], env)
    assert (tmp_path / "bin" / "pyrootless").is_symlink()
    check_installed(tmp_path / "bin" / "pyrootless", env, tmp_path)


@pytest.mark.needs("user-namespaces")
def test_editable(source_tree: Path, tmp_path: Path) -> None:
    env = environment(tmp_path / "home")
    bin_dir = make_venv(tmp_path / "venv", env)
    call([bin_dir / "python", *INSTALL, "--editable", source_tree], env)
    check_installed(bin_dir / "pyrootless", env, tmp_path)
    where = call(
        [bin_dir / "python", "-c", "import pyrootless; print(pyrootless.__file__)"],
        env,
        tmp_path,
    )
    assert Path(where.stdout.strip()).is_relative_to(source_tree)


def test_missing_library_stops_with_the_line_that_installs_it(
    source_tree: Path, tmp_path: Path
) -> None:
    """A compiler that finds no seccomp.h stands for a system without libseccomp-dev."""
    fake = tmp_path / "cc"
    fake.write_text(
        "#!/bin/sh\nprogram=$(cat)\ncase $program in *seccomp.h*) exit 1 ;; esac\nexit 0\n"
    )
    fake.chmod(0o755)
    env = {**environment(tmp_path / "home"), "CC": str(fake)}
    done = subprocess.run(
        [sys.executable, "setup.py", "build_ext"],
        env=env,
        cwd=source_tree,
        capture_output=True,
        text=True,
        timeout=PIP_TIMEOUT_SECONDS,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode != 0
    assert "pyrootless cannot be built here: missing seccomp.h (libseccomp)." in done.stderr
    assert re.search(r"^    sudo .*(install|add|-S).* libseccomp", done.stderr, re.MULTILINE)
