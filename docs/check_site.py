"""Check a built site without a network: links and anchors, search, and the switcher of versions.

    python docs/versions.py build/site --versions dev
    python docs/check_site.py build/site --version dev

Every link of every page to a file of the site, and every anchor in it, must exist. In headless Chromium the
search is asked for words and must list their pages, and the menu of versions must have several. These need
selenium, and Chromium with its driver; the site is served on this machine. Exit code 1: a fault.
"""

from __future__ import annotations

import argparse
import functools
import http.server
import shutil
import sys
import tempfile
import threading
import urllib.parse
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

#: Words that are asked for, and a page that must be among the results.
WORDS = {"Zwischenzug": None, "fold_in": "new_users", "popularity": "lists"}
#: Pages that a theme makes without links that matter.
SKIPPED = {"_modules", "_static", "_sources"}


class Page(HTMLParser):
    """Links and anchors of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect what a tag refers to, and its name."""
        for name, value in attrs:
            if value and name in ("id", "name"):
                self.anchors.add(value)
            elif value and name in ("href", "src") and tag in ("a", "img", "script", "link", "source"):
                self.links.append(value)


def broken(site: Path) -> Iterator[str]:
    """Links of pages to files and anchors that do not exist."""
    pages = {
        path: Page(path.read_text(encoding="utf-8"))
        for path in sorted(site.rglob("*.html"))
        if not SKIPPED & set(path.relative_to(site).parts)
    }
    for path, page in pages.items():
        for link in dict.fromkeys(page.links):
            place = urllib.parse.urlsplit(link)
            if place.scheme or place.netloc:
                continue
            target = path.parent / urllib.parse.unquote(place.path) if place.path else path
            target = (site / place.path[1:] if place.path.startswith("/") else target).resolve()
            if target.is_dir():
                target /= "index.html"
            said = f"{path.relative_to(site)}: {link}"
            if not target.exists():
                yield f"{said}: no such file"
            elif place.fragment and target in pages:
                anchor = urllib.parse.unquote(place.fragment)
                if anchor not in pages[target].anchors and anchor not in ("", "top"):
                    yield f"{said}: no such anchor"


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files and says nothing."""

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def browser() -> Any:
    """A headless Chromium."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for option in ("headless=new", "no-sandbox", "disable-gpu", f"user-data-dir={tempfile.mkdtemp()}"):
        options.add_argument(f"--{option}")
    return webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))


def searched(driver: Any, root: str) -> Iterator[str]:
    """Faults of the search."""
    from selenium.webdriver.support.ui import WebDriverWait

    for word, page in WORDS.items():
        driver.get(f"{root}/search.html?q={urllib.parse.quote(word)}")

        def ended(shown: Any) -> bool:
            text = "return document.querySelector('#search-results p')?.textContent ?? ''"
            return "found" in shown.execute_script(text) or "did not match" in shown.execute_script(text)

        WebDriverWait(driver, 60).until(ended)
        links = [
            link.get_attribute("href")
            for link in driver.find_elements("css selector", "#search-results ul.search li a")
        ]
        if page is not None and not any(page in link for link in links):
            yield f"search for {word!r}: {len(links)} results, none of them {page}"
        elif page is None and links:
            yield f"search for {word!r}, which no page has: {len(links)} results"
        else:
            print(f"search for {word!r}: {len(links)} results")


def switched(driver: Any, root: str) -> Iterator[str]:
    """Faults of the menu of versions."""
    from selenium.webdriver.support.ui import WebDriverWait

    driver.get(f"{root}/index.html")
    script = (
        "return [...document.querySelector('.version-switcher__menu').querySelectorAll('a')]"
        ".map(link => [link.textContent, link.getAttribute('href')])"
    )
    try:
        WebDriverWait(driver, 30).until(lambda shown: len(shown.execute_script(script)) > 1)
    except Exception:
        yield "the menu of versions has fewer than two"
        return
    found = driver.execute_script(script)
    print("versions:", ", ".join(f"{name} ({link})" for name, link in found))
    if not driver.find_elements("css selector", ".version-switcher__menu a.active"):
        yield "no version of the menu is the one that is shown"


def main() -> None:
    """Check, and print the faults."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("site", type=Path, help="folder of the built site")
    parser.add_argument("--version", default="", help="its folder, in a site of several versions")
    parser.add_argument("--links", action="store_true", help="links alone, without a browser")
    options = parser.parse_args()
    site = options.site.resolve()
    faults = list(broken(site))
    print(f"{sum(1 for _ in site.rglob('*.html'))} pages, {len(faults)} broken links")
    if not options.links:
        handler = functools.partial(Quiet, directory=str(site))
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            root, driver = f"http://127.0.0.1:{server.server_port}/{options.version}".rstrip("/"), browser()
            try:
                faults += searched(driver, root)
                if options.version:
                    faults += switched(driver, root)
            finally:
                driver.quit()
                server.shutdown()
    for fault in faults:
        print(fault)
    if faults:
        sys.exit(1)


if __name__ == "__main__":
    main()
