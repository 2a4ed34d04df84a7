"""Examples of the documentation run as they are printed, and its application answers."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

import cfcore as cf
from cfcore.data.sources import UnavailableError

DOCS = Path(__file__).parents[1] / "docs"
#: Pages about other libraries, some of which are not installed here, have tests of their own. That about
#: clusters has calls on folders of a cluster; tests/distributed and tests/data/test_shards*.py make them.
PAGES = sorted(
    page
    for page in DOCS.rglob("*.md")
    if "```python" in page.read_text(encoding="utf-8")
    and not page.name.startswith(("coming_from", "beyond_one_machine"))
)

pytestmark = pytest.mark.skipif(not DOCS.exists(), reason="tests run without the repository around them")


def blocks(page: Path) -> list[str]:
    """Python blocks of a page, from opening to closing fence."""
    fenced = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    return fenced.findall(page.read_text(encoding="utf-8"))


@pytest.fixture
def data_set() -> None:
    try:
        cf.datasets.load("ml-100k")
    except UnavailableError as error:
        pytest.skip(str(error))


@pytest.mark.filterwarnings("ignore::cfcore.errors.ConvergenceWarning")  # short fits, as the pages say
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
@pytest.mark.usefixtures("data_set")
def test_examples_run_one_after_the_other(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "__main__"}
    for example in blocks(page):
        exec(compile(example, str(page), "exec"), names)


@pytest.mark.usefixtures("data_set")
def test_application_answers_and_exchanges_its_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fastapi.testclient import TestClient

    train = cf.datasets.load("ml-100k")
    first, second = cf.Popularity().fit(train), cf.EASE().fit(train)
    first.save(tmp_path / "first.cf")
    second.save(tmp_path / "second.cf")
    monkeypatch.setenv("MODEL", str(tmp_path / "first.cf"))
    monkeypatch.syspath_prepend(str(DOCS))
    monkeypatch.delitem(sys.modules, "serving_app", raising=False)
    import serving_app  # type: ignore[import-not-found]

    with TestClient(serving_app.app) as client:

        def listed(model: cf.Model) -> None:
            items = client.get("/lists/196?n=5").json()
            assert [row["item"] for row in items] == model.recommend(196, n=5)[0].tolist()
            assert all(type(row["item"]) is int for row in items)

        listed(first)
        assert client.get("/lists/99999").status_code == 404
        assert client.post("/reload", params={"path": str(tmp_path / "second.cf")}).status_code == 200
        assert client.post("/reload", params={"path": str(tmp_path / "third.cf")}).status_code == 422
        assert client.get("/lists/196?n=-1").status_code == 422
        listed(second)
        items = client.post("/lists?n=3", json={"50": 5, "172": 4}).json()
        assert [row["item"] for row in items] == second.recommend(given={50: 5, 172: 4}, n=3)[0].tolist()
        assert client.post("/lists", json={"50": 99}).status_code == 422


def test_every_public_name_has_a_page() -> None:
    listed = "\n".join(page.read_text(encoding="utf-8") for page in (DOCS / "reference").glob("*.rst"))
    names = set(re.findall(r"^   (\w+)$", listed, re.MULTILINE))
    public = {
        *cf.__all__, *cf.metrics.__all__, *cf.selection.__all__, *cf.plots.__all__, *cf.datasets.__all__,
        *cf.sklearn.__all__,
    }  # fmt: skip
    modules = {"datasets", "errors", "metrics", "plots", "selection", "sklearn", "split"}
    constants = {"COLORS", "METRICS", "NAMES"}
    assert public - modules - constants <= names
