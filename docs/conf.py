"""Sphinx builds the site with this: sphinx-build -W -b html docs docs/_build"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from nn.version import __version__  # noqa: E402

project = "byhand"
author = "the authors of byhand"
copyright = author
release = version = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
]
exclude_patterns = ["_build", "_static/mathjax/README.md"]
templates_path = ["_templates"]

# Markdown
myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence"]
myst_heading_anchors = 3

# MathJax lies beside the pages: no other host is needed. See _static/mathjax/README.md.
mathjax_path = "mathjax/tex-svg.js"
mathjax3_config = {"options": {"enableMenu": False}}

# API reference
autosummary_generate = True
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
python_use_unqualified_type_names = True
numpydoc_show_class_members = False

# Appearance
html_theme = "pydata_sphinx_theme"
html_title = "byhand"
html_static_path = ["_static"]
html_css_files = ["byhand.css"]
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "navbar_center": [],
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_sidebars = {"**": ["sidebar-pages"]}


def escape_formulas(app, what, name, obj, options, lines):
    r"""Docstrings hold plain formulas, |x|, x * y, step_: keep reST from reading them as markup."""
    for i, line in enumerate(lines):
        if line.lstrip().startswith((">>>", "...", "* ", ".. ")):
            continue
        parts = re.split(r"(``.*?``|`[^`]*`)", line)
        for k in range(0, len(parts), 2):  # the others are literals
            parts[k] = re.sub(r"(?<!\\)([*|])", r"\\\1", parts[k])
            parts[k] = re.sub(r"(?<=\w)_(?!\w)", r"\\_", parts[k])
        lines[i] = "".join(parts)


def setup(app):
    app.connect(
        "autodoc-process-docstring", escape_formulas, priority=400
    )  # before numpydoc adds markup of its own
