"""Build the site of several versions, with a menu that leads from a page to the same page of another one.

    python docs/versions.py build/site                      # all of docs/versions.json
    python docs/versions.py build/site --versions dev       # this one, beside those that are there
    python -m http.server --directory build/site            # http://localhost:8000/

Each version has a folder of its own. "dev" is this checkout, and a version is its tag (``v0.2.0``), checked
out and built in a temporary folder; a version without a tag is this checkout, if that has this version.
The folder is served as the root of a server of files; the menu is read from its ``switcher.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
LISTED = DOCS / "versions.json"


def has_tag(version: str) -> bool:
    """Whether the repository has the tag of a version."""
    command = ["git", "rev-parse", "--quiet", "--verify", f"refs/tags/v{version}"]
    return subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=False).returncode == 0


def build(tree: Path, version: str, out: Path, gallery: bool) -> None:
    """Build the site of a tree."""
    environment = {**os.environ, "CFCORE_DOCS_VERSION": version, "PYTHONPATH": str(tree)}
    command = [sys.executable, "-m", "sphinx", "-W", "-q", "docs", str(out / version)]
    if not gallery:
        command += ["-D", "plot_gallery=0"]
    subprocess.run(command, cwd=tree, env=environment, check=True)


def build_tag(version: str, out: Path, gallery: bool) -> None:
    """Build the site of a tag, from a temporary checkout whose kernels are compiled there."""
    with tempfile.TemporaryDirectory(prefix="cfcore-docs-") as folder:
        tree = Path(folder) / version
        subprocess.run(["git", "worktree", "add", "--detach", str(tree), f"v{version}"], cwd=ROOT, check=True)
        try:
            compiled = [sys.executable, "setup.py", "-q", "build_ext", "--inplace"]
            subprocess.run(compiled, cwd=tree, check=True)
            build(tree, version, out, gallery)
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", str(tree)], cwd=ROOT, check=True)


def main() -> None:
    """Build, and write the list of versions and the page that leads to the preferred one."""
    listed = json.loads(LISTED.read_text(encoding="utf-8"))
    versions = [entry["version"] for entry in listed]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="folder of all versions")
    parser.add_argument("--versions", default=",".join(versions), help="comma-separated")
    parser.add_argument("--no-gallery", action="store_true", help="do not run the examples")
    options = parser.parse_args()
    out = options.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    for version in options.versions.split(","):
        if version not in versions:
            parser.error(f"--versions {version}: docs/versions.json has {', '.join(versions)}")
        print(f"== {version}", flush=True)
        if version != "dev" and has_tag(version):
            build_tag(version, out, not options.no_gallery)
            continue
        sys.path.insert(0, str(ROOT))
        import cfcore

        if version not in ("dev", cfcore.__version__):
            sys.exit(f"there is no tag v{version}, and this checkout is {cfcore.__version__}")
        build(ROOT, version, out, not options.no_gallery)
    shutil.copy(LISTED, out / "switcher.json")
    built = [entry for entry in listed if (out / entry["version"] / "index.html").exists()]
    first = next((entry for entry in built if entry.get("preferred")), built[0])
    page = f'<!doctype html><meta http-equiv="refresh" content="0; url={first["version"]}/index.html">\n'
    (out / "index.html").write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
