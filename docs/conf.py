"""The documentation site: Markdown of the whole repository, and the API from docstrings. Built by ``make docs``.

The source folder is the repository's root, so that every link between its Markdown files is one that GitHub follows, too, and
is checked: warnings are errors. Pages load nothing from elsewhere.
"""

from __future__ import annotations

from importlib.metadata import version as installed
from typing import Any

project = "dataengine"
author = "the dataengine authors"
release = version = installed("dataengine-multimodal")
copyright = "dataengine, Apache-2.0"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.viewcode"]
include_patterns = [
    "docs/**.md", "docs/**.rst", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "filters/README.md", "schemas/README.md"
]  # fmt: skip
root_doc = "docs/index"
nitpicky = False

myst_heading_anchors = 3
suppress_warnings = ["myst.header"]

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True, "show-inheritance": True}
python_use_unqualified_type_names = True

html_theme = "furo"
html_title = "dataengine"
html_extra_path = ["site"]
html_copy_source = False
html_show_sourcelink = False
html_theme_options: dict[str, Any] = {"navigation_with_keys": True}
pygments_style = "friendly"
pygments_dark_style = "monokai"
