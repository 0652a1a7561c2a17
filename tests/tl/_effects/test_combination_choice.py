from __future__ import annotations

from anndata import AnnData

import cellot_sc as cs
from cellot_sc.tl._effects.combination_choice import Choice

PARTS = {"b+a": ("b", "a"), "a+c": ("a", "c"), "b+c": ("b", "c")}


def test_the_order_that_is_right_elsewhere_is_chosen(doubled: AnnData) -> None:
    choice = Choice.of(doubled, cs.tl.maps(doubled), PARTS)
    assert choice.scores.shape == (3, 3)
    for name, parts in PARTS.items():
        chosen = choice.for_pair(parts)
        assert chosen.rule == "larger_first" and chosen.n_others == 2
        others = choice.scores.drop(index=name).mean()
        assert chosen.scores == others.to_dict()
        assert chosen.why.startswith("nearest to 2 other combinations (sum ")


def test_never_by_the_one_that_is_asked_for(doubled: AnnData) -> None:
    other = doubled.copy()
    other.X[(other.obs["perturbation"] == "a+c").to_numpy()] += 50
    first, second = (Choice.of(cells, cs.tl.maps(doubled), PARTS).for_pair(("c", "a")) for cells in (doubled, other))
    assert first == second
    # nor by the same two under another name
    assert Choice.of(doubled, cs.tl.maps(doubled), {"a+c": ("a", "c")}).for_pair(("c", "a")).n_others == 0


def test_the_sum_where_nothing_is_known(doubled: AnnData) -> None:
    chosen = Choice.of(doubled, cs.tl.maps(doubled), {}).for_pair(("a", "b"))
    assert (chosen.rule, chosen.n_others) == ("sum", 0)
    assert chosen.why == "no other combination was observed to choose by"
    # of cells that were held out nothing is known
    doubled.obs["split"] = doubled.obs["split"].astype(object)
    doubled.obs.loc[doubled.obs["perturbation"].isin(PARTS), "split"] = "ood"
    assert Choice.of(doubled, cs.tl.maps(doubled), PARTS).for_pair(("a", "b")).n_others == 0
    del doubled.obs["split"]
    assert not len(Choice.of(doubled, cs.tl.maps(doubled), PARTS).scores)


def test_the_sum_where_ways_are_alike(doubled: AnnData) -> None:
    cs.tl.cellot(doubled, targets=["a", "b", "c"], solver="mean_shift", use_rep="X")
    choice = Choice.of(doubled, cs.tl.maps(doubled), PARTS)
    assert {choice.for_pair(parts).rule for parts in PARTS.values()} == {"sum"}
