"""The page of a report in a browser: charts are drawn, tables sort, tooltips show, and no error is logged."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import cfcore as cf
from cfcore.report import write_report

BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")

pytestmark = pytest.mark.skipif(BROWSER is None or DRIVER is None, reason="there is no chromium")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    ratings = cf.datasets.synthetic(n_users=120, n_items=60, n_ratings=3_000, random_state=0)
    train, test = cf.split.holdout(ratings, 0.2, random_state=0)
    models = [
        cf.Baseline().fit(train),
        cf.ItemKNN().fit(train),
        cf.SVD(n_epochs=3, random_state=0).fit(train),
    ]
    path = tmp_path_factory.mktemp("report") / "page.html"
    write_report(path, models, test, train)
    return path


@pytest.fixture(scope="module", params=["light", "dark"])
def browser(request: pytest.FixtureRequest, page: Path) -> Iterator[Any]:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service
    from selenium.webdriver.support.ui import WebDriverWait

    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    with tempfile.TemporaryDirectory() as profile:
        for flag in (
            "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--disable-dev-shm-usage", f"--user-data-dir={profile}", "--window-size=1400,1000",
        ):  # fmt: skip
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        driver = webdriver.Chrome(options=options, service=Service(DRIVER))
        try:
            feature = {"name": "prefers-color-scheme", "value": request.param}
            driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
            driver.get(page.as_uri())
            WebDriverWait(driver, 60).until(
                lambda shown: shown.execute_script("return document.body.dataset.drawn")
            )
            yield driver
        finally:
            driver.quit()


def column(browser: Any, number: int) -> list[str]:
    """Texts of a column of the table of models."""
    rows = "[...document.querySelectorAll('table.sortable tbody tr')]"
    script = f"return {rows}.map(row => row.cells[arguments[0]].textContent)"
    return browser.execute_script(script, number)


def test_charts_are_drawn_without_an_error(browser: Any) -> None:
    charts = browser.find_elements("css selector", ".chart")
    assert len(charts) >= 8
    for chart in charts:
        assert chart.find_elements("css selector", "svg"), chart.get_attribute("aria-label")
    assert [entry for entry in browser.get_log("browser") if entry["level"] in {"SEVERE", "WARNING"}] == []


def test_a_heading_sorts_by_mouse_and_by_keyboard(browser: Any) -> None:
    heads = browser.find_elements("css selector", "table.sortable th button")
    heads[1].click()
    errors = column(browser, 1)
    assert errors == sorted(errors, key=float)
    heads[1].send_keys("\ue007")  # Enter
    assert column(browser, 1) == errors[::-1]
    assert browser.find_elements("css selector", "th[aria-sort=descending]")[0].text.startswith("RMSE")
    heads[0].click()
    assert column(browser, 0) == sorted(column(browser, 0))


def test_a_mark_says_its_numbers(browser: Any) -> None:
    from selenium.webdriver import ActionChains
    from selenium.webdriver.support.ui import WebDriverWait

    bar = browser.find_elements("css selector", "#chart-0 svg .mark-rect path")[0]
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", bar)
    ActionChains(browser).move_to_element(bar).perform()
    text = "return document.getElementById('vg-tooltip-element')?.textContent ?? ''"
    WebDriverWait(browser, 10).until(lambda shown: "ratings" in shown.execute_script(text))


def test_nothing_is_wider_than_a_phone(browser: Any) -> None:
    size = {"width": 400, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        assert browser.execute_script("return document.documentElement.scrollWidth") <= 400
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_text_has_contrast(browser: Any) -> None:
    script = """
    const linear = v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    const luminance = c => {
      const [r, g, b] = c.match(/[\\d.]+/g).map(v => linear(v / 255));
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const style = getComputedStyle(document.body);
    const soft = getComputedStyle(document.querySelector('header p'));
    const [a, b, c] = [style.color, style.backgroundColor, soft.color].map(luminance);
    const ratio = (x, y) => (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05);
    return [ratio(a, b), ratio(c, b)];
    """
    assert min(browser.execute_script(script)) >= 4.5  # as WCAG 2 asks of text
