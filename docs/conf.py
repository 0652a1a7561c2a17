"""How the documentation is built."""

from __future__ import annotations

import importlib
import inspect
import logging
import sys
from importlib.metadata import metadata
from pathlib import Path

from docutils import nodes

info = metadata("cellot-sc")
project = info["Name"]
author = info["Author"]
copyright = f"2026, {author}"
version = release = info["Version"]
repository = "https://github.com/scverse/cellot-sc"

extensions = [
    "myst_nb",
    "scverse_misc.sphinx_ext",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx.ext.linkcode",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "sphinx_autodoc_typehints",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinxcontrib.bibtex",
    "sphinxext.opengraph",
]
exclude_patterns = ["_build", ".cache", "**.ipynb_checkpoints"]
source_suffix = {".rst": "restructuredtext", ".md": "myst-nb", ".ipynb": "myst-nb"}

nitpicky = True
# names of other projects are theirs to document, and without a network nobody can tell
others = "anndata|collections|contextlib|jax|matplotlib|numpy|optax|ott|pandas|pathlib|scanpy|scipy|typing"
nitpick_ignore_regex = [
    ("py:.*", rf"({others})\..+"),
    ("py:data", "Ellipsis"),
    # aliases of types, a cache, records that the package alone makes and reads, and what Python says of the methods of
    # every mapping
    ("py:(type|class)", r"cellot_sc\..+\.(Params|Run|PairBootstrap|Origin|Field|Support|Null|Reference)"),
    ("py:class", r"Stored|CellReader"),
    ("py:class", r"D\[k\].*|an? .*object providing a view.*"),
]

autosummary_generate = True
autodoc_member_order = "groupwise"
default_role = "literal"
napoleon_google_docstring = False
napoleon_numpy_docstring = True
napoleon_include_init_with_doc = False
napoleon_use_rtype = True
napoleon_use_param = True
always_use_bars_union = True
typehints_defaults = "braces"
bibtex_bibfiles = ["references.bib"]
bibtex_reference_style = "author_year"
myst_enable_extensions = ["amsmath", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
# tutorials are kept without their output, which `made` adds to those of the pages
nb_execution_mode = "off"
nb_merge_streams = True
ogp_site_url = "https://cellot-sc.readthedocs.io/"

intersphinx_mapping = {
    "anndata": ("https://anndata.readthedocs.io/en/stable/", None),
    "jax": ("https://docs.jax.dev/en/latest/", None),
    "matplotlib": ("https://matplotlib.org/stable/", None),
    "numpy": ("https://numpy.org/doc/stable/", None),
    "ott": ("https://ott-jax.readthedocs.io/", None),
    "pandas": ("https://pandas.pydata.org/docs/", None),
    "python": ("https://docs.python.org/3/", None),
    "scanpy": ("https://scanpy.readthedocs.io/en/stable/", None),
    "scipy": ("https://docs.scipy.org/doc/scipy/", None),
}

# without a network the links to other documentation are missing, which is no reason to fail
logging.getLogger("sphinx.sphinx.ext.intersphinx").addFilter(
    lambda record: "failed to reach any of the inventories" not in str(record.msg)
)

html_theme = "sphinx_book_theme"
html_title = project
html_static_path = ["_static"]
html_css_files = ["pages.css"]
# a summary for language models, at the root of the site
html_extra_path = ["llms.txt"]
html_theme_options = {
    "repository_url": repository,
    "use_repository_button": True,
    "path_to_docs": "docs/",
    "navigation_with_keys": False,
}


def linkcode_resolve(domain, info):
    """Return where on the web the source of an object is."""
    found = importlib.import_module(info["module"])
    for name in info["fullname"].split("."):
        found = getattr(found, name, None)
    found = inspect.unwrap(getattr(found, "fget", found))
    try:
        file, (lines, first) = inspect.getsourcefile(found), inspect.getsourcelines(found)
    except (OSError, TypeError):
        # a value, or what Python or another package defines
        return None
    if "cellot_sc" not in Path(file).parts:
        return None
    place = Path(file).relative_to(Path(sys.modules["cellot_sc"].__file__).parent).as_posix()
    return f"{repository}/blob/main/src/cellot_sc/{place}#L{first}-L{first + len(lines) - 1}"


def shorten_titles(app, doctree):
    """Leave out of the title of an object's page, and so of the sidebar, what all have in common."""
    if app.env.docname.startswith("generated/cellot_sc."):
        title = next(doctree.findall(nodes.title))
        title.clear()
        title += nodes.Text(app.env.docname.removeprefix("generated/cellot_sc."))


def setup(app):
    sys.path.insert(0, str(app.srcdir))
    import made
    import related

    app.connect("builder-inited", lambda app: made.bring(Path(app.srcdir) / "generated"))
    # after napoleon has read the docstring, and before the title is collected
    app.connect("autodoc-process-docstring", related.add, priority=900)
    app.connect("doctree-read", shorten_titles, priority=100)
