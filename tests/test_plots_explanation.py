"""The picture of an explanation: bars from the base of a prediction to the prediction."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from cfcore import plots

RATINGS = cf.datasets.synthetic(60, 40, 900, random_state=0)
USER, ITEM = RATINGS.users[0].item(), RATINGS.item_ids[3].item()


def bars(ax: Any) -> list[tuple[float, float]]:
    """Left end and width of each bar, from above."""
    return [(bar.get_x(), bar.get_width()) for bar in sorted(ax.patches, key=lambda bar: bar.get_y())]


def texts(ax: Any) -> list[str]:
    return [text.get_text() for text in ax.texts]


@pytest.mark.parametrize("model", [cf.ItemKNN(), cf.EASE(), cf.SVD(n_factors=3, n_epochs=3, random_state=0)])
def test_bars_lead_from_the_base_to_the_score(model: Any) -> None:
    found = model.fit(RATINGS).explain(USER, ITEM, 4)
    ax = plots.explanation(found)
    drawn = bars(ax)
    sizes = [*found.effects[found.effects != 0], found.others - found.training]
    if not found.exact:
        sizes.append(found.training)
    np.testing.assert_allclose([width for _, width in drawn], sizes)
    at = found.base
    for left, width in drawn:
        assert left == pytest.approx(at)
        at += width
    assert at == pytest.approx(found.score)
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert len(labels) == len(drawn) + 2
    assert labels[1].startswith(f"item {found.items[0]}, rated {found.ratings[0]:g}")
    assert labels[-2 if found.exact else -3].startswith(f"{found.n_others} further ratings")
    if not found.exact:
        assert labels[-2] == "the fit, beyond these ratings"
    assert labels[-1] == ("preference" if isinstance(model, cf.EASE) else "predicted rating")
    assert ax.get_ylim()[0] > ax.get_ylim()[1]  # from above
    low, high = ax.get_xlim()
    assert low < min(found.base, found.score) <= max(found.base, found.score) < high
    assert found.number(found.score) in texts(ax)
    if not found.exact:
        assert "leaving one rating out" in ax.get_xlabel()


def test_effects_are_written_beside_their_bars() -> None:
    found = cf.Baseline().fit(RATINGS).explain(USER, ITEM, 3)
    ax = plots.explanation(found)
    for effect in found.effects:
        assert f"{effect:+.3f}".replace("-", "\N{MINUS SIGN}") in texts(ax)
    ups = [bar.get_facecolor() for bar in ax.patches if bar.get_width() > 0]
    downs = [bar.get_facecolor() for bar in ax.patches if bar.get_width() < 0]
    assert not {color[:3] for color in ups} & {color[:3] for color in downs}


def test_items_have_names_and_none_is_cut_off_at_the_border() -> None:
    found = cf.Baseline().fit(RATINGS).explain(USER, ITEM, 3)
    names = {found.items[0].item(): "A very long title of a film that goes on and on (1996)", ITEM: "Fargo"}
    ax = plots.explanation(found, names)
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels[1].startswith("A very long title")
    assert labels[1].endswith(f"…, rated {found.ratings[0]:g}")
    title = ax.get_title(loc="right")
    assert "Fargo" in title
    ax.figure.savefig(io.BytesIO(), format="png")
    canvas = ax.figure.bbox
    shown = [*ax.get_yticklabels(), *ax.texts, ax.xaxis.label]
    boxes = [text.get_window_extent() for text in shown if text.get_text()]
    for box in boxes:
        assert box.x0 >= canvas.x0 - 1
        assert box.x1 <= canvas.x1 + 1
    labelled = max(box.x1 for box in boxes[: len(labels)])
    assert all(text.get_window_extent().x0 > labelled for text in ax.texts)


def test_nothing_but_a_base() -> None:
    found = cf.GlobalMean().fit(RATINGS).explain(USER, ITEM)
    ax = plots.explanation(found)
    assert bars(ax) == []
    assert texts(ax) == [found.number(found.score)] * 2
    own = ax.figure.add_subplot()
    assert plots.explanation(found, ax=own) is own


def test_of_one_explanation_alone() -> None:
    model = cf.Baseline().fit(RATINGS)
    with pytest.raises(TypeError, match=r"must be an Explanation, as model\.explain\(user, item\)"):
        plots.explanation(model.explain(USER, [ITEM]))
