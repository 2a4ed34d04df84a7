"""Settings of Sphinx for the documentation of cfcore: `python -m sphinx -W docs build/docs`."""

from __future__ import annotations

import inspect
import os
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))  # the extensions of this folder
# Examples print the same on any machine: bars and colours are for terminals.
os.environ.setdefault("TQDM_DISABLE", "1")

import cfcore  # noqa: E402

project = "cfcore"
author = copyright = "The cfcore developers"
version = release = cfcore.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "references",
]
exclude_patterns = ["build", "README.md", "examples/*", "reference/_templates"]
templates_path = ["_templates"]
source_suffix = {".rst": "restructuredtext", ".md": "markdown"}
nitpicky = False
# Pages are read without a network: no inventories of other sites are fetched.
intersphinx_mapping: dict[str, tuple[str, str | None]] = {}
html_math_renderer = "mathml"

myst_enable_extensions = ["colon_fence", "dollarmath", "deflist"]
myst_heading_anchors = 3

autosummary_generate = True
autosummary_imported_members = False
autodoc_typehints = "none"  # types are in the docstrings
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
numpydoc_xref_param_type = False
add_module_names = False

sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "gallery",
    "image_scrapers": ("references",),
    "filename_pattern": "/plot_",
    "within_subsection_order": "FileNameSortKey",
    "download_all_examples": False,
    "remove_config_comments": True,
    "show_memory": False,
    "min_reported_time": 1,
    "abort_on_example_error": True,
    "matplotlib_animations": False,
}

html_theme = "pydata_sphinx_theme"
html_title = f"cfcore {version}"
html_static_path = ["_static"]
html_css_files = ["cfcore.css"]
html_show_sourcelink = False
#: The site of several versions (`versions.py`) has a menu of them; one that is built alone has none.
SHOWN = os.environ.get("CFCORE_DOCS_VERSION")
menu = {"json_url": "/switcher.json", "version_match": SHOWN}
html_theme_options = {
    "navbar_end": ["version-switcher", "theme-switcher"] if SHOWN else ["theme-switcher"],
    **({"switcher": menu, "check_switcher": False} if SHOWN else {}),
    "navbar_persistent": ["search-button"],  # the field would not fit into one line with the links
    "show_nav_level": 1,
    "navigation_with_keys": True,
    "footer_start": ["copyright"],
    "footer_end": [],
}
# Pages without pages below them have no navigation at the left.
SINGLE = (
    "article", "article_zh", "benchmarks", "beyond_one_machine", "coming_from_lenskit_and_implicit",
    "coming_from_surprise", "glossary",
)  # fmt: skip
html_sidebars = {page: [] for page in SINGLE}
html_context = {"default_mode": "auto"}


def signature_of(
    _app: Any, what: str, _name: str, found: Any, _options: Any, signature: str, _returns: str
) -> Any:
    """The signature of a model's ``__init__``: autodoc takes that of ``__new__``, which takes anything."""
    if what != "class" or signature != "(*args, **kwargs)":
        return None
    own = inspect.signature(found)
    parameters = [one.replace(annotation=inspect.Parameter.empty) for one in own.parameters.values()]
    return str(own.replace(parameters=parameters, return_annotation=inspect.Signature.empty)), None


def setup(app: Any) -> None:
    app.connect("autodoc-process-signature", signature_of)
