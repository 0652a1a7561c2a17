"""Names the nearest valid name where one is wrong. Imports nothing, so that every package may use it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(name: object, valid: Iterable[object]) -> str:
    """Return the sentence that names the nearest of ``valid``, and then all of them if they are few."""
    names = [str(v) for v in valid]
    close = difflib.get_close_matches(str(name), names, n=1, cutoff=0.4)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    if not names:
        return f"{hint} There are none."
    shown = ", ".join(repr(n) for n in names[:20]) + (", ..." if len(names) > 20 else "")
    return f"{hint} Valid: {shown}."
