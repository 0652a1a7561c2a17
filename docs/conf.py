"""How the documentation is built."""

from __future__ import annotations

import logging
import os
import shutil
import sys
from importlib.metadata import metadata
from pathlib import Path

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
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "sphinx_autodoc_typehints",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinxcontrib.bibtex",
    "sphinxext.opengraph",
]
exclude_patterns = ["_build", "**.ipynb_checkpoints"]
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
# tutorials are kept without their output, which takes minutes to make: only published pages need it, and tests run them
nb_execution_mode = "cache" if os.environ.get("READTHEDOCS") == "True" else "off"
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_timeout = 600
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
# a summary for language models, at the root of the site
html_extra_path = ["llms.txt"]
html_theme_options = {
    "repository_url": repository,
    "use_repository_button": True,
    "path_to_docs": "docs/",
    "navigation_with_keys": False,
}


def draw_figures(app):
    """Draw the pictures of the landing page, of contexts and of the gallery, which are not kept with the source."""
    sys.path.insert(0, str(app.srcdir))
    import contexts
    import gallery
    import landing

    generated = Path(app.srcdir) / "generated"
    landing.draw(generated / "landing.png")
    contexts.draw(generated / "contexts.png")
    gallery.draw(generated / "gallery")


def bring_tutorials(app):
    """Copy the tutorials to where Sphinx looks for pages."""
    folder = Path(app.srcdir) / "generated" / "tutorials"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for notebook in (Path(app.srcdir).parent / "tutorials").glob("*.ipynb"):
        shutil.copy2(notebook, folder)


def setup(app):
    app.connect("builder-inited", draw_figures)
    app.connect("builder-inited", bring_tutorials)
