from __future__ import annotations

from anndata import AnnData

import cellot_sc as cs
from cellot_sc.tl._effects.combination_choice import Choice

PARTS = {"b+a": ("b", "a"), "a+c": ("a", "c"), "b+c": ("b", "c")}


def test_the_order_that_is_right_elsewhere_is_chosen(doubled: AnnData) -> None:
    choice = Choice.of(doubled, cs.tl.maps(doubled), PARTS)
    assert choice.scores.shape == (3, 4)
    for name, parts in PARTS.items():
        chosen = choice.for_pair(parts, 1.0)
        assert chosen.rule == "larger_first" and chosen.n_others == 2
        others = choice.scores.drop(index=name, columns="max").mean()
        assert chosen.scores == others.to_dict()
        assert chosen.why.startswith("nearest to 2 other combinations (sum ")


def test_never_by_the_one_that_is_asked_for(doubled: AnnData) -> None:
    other = doubled.copy()
    other.X[(other.obs["perturbation"] == "a+c").to_numpy()] += 50
    first, second = (
        Choice.of(cells, cs.tl.maps(doubled), PARTS).for_pair(("c", "a"), 1.0) for cells in (doubled, other)
    )
    assert first == second
    # nor by the same two under another name
    assert Choice.of(doubled, cs.tl.maps(doubled), {"a+c": ("a", "c")}).for_pair(("c", "a"), 1.0).n_others == 0


def test_the_sum_where_nothing_is_known(doubled: AnnData) -> None:
    chosen = Choice.of(doubled, cs.tl.maps(doubled), {}).for_pair(("a", "b"), 1.0)
    assert (chosen.rule, chosen.n_others) == ("sum", 0)
    assert chosen.why == "no other combination was observed to choose by"
    # of cells that were held out nothing is known
    doubled.obs["split"] = doubled.obs["split"].astype(object)
    doubled.obs.loc[doubled.obs["perturbation"].isin(PARTS), "split"] = "ood"
    assert Choice.of(doubled, cs.tl.maps(doubled), PARTS).for_pair(("a", "b"), 1.0).n_others == 0
    del doubled.obs["split"]
    assert not len(Choice.of(doubled, cs.tl.maps(doubled), PARTS).scores)


def test_the_sum_where_ways_are_alike(doubled: AnnData) -> None:
    cs.tl.cellot(doubled, targets=["a", "b", "c"], solver="mean_shift", use_rep="X")
    choice = Choice.of(doubled, cs.tl.maps(doubled), PARTS)
    assert {choice.for_pair(parts, 1.0).rule for parts in PARTS.values()} == {"sum"}


def test_the_larger_alone_only_where_the_smaller_did_as_much_and_added_nothing(doubled: AnnData) -> None:
    labels, x = doubled.obs["perturbation"].to_numpy(), doubled.X.copy()
    # c moves cells further than a does, and a further than b
    for name, larger in {"b+a": "a", "a+c": "c", "b+c": "c"}.items():
        x[labels == name] = x[labels == larger]
    doubled.X = x
    choice = Choice.of(doubled, cs.tl.maps(doubled), PARTS)
    assert (choice.scores.idxmin(axis=1) == "max").all()
    order = choice.balance.sort_values().index
    found = [choice.for_pair(PARTS[name], choice.balance[name]) for name in order]
    assert [chosen.rule == "max" for chosen in found] == [True, True, False]
    assert [chosen.n_others for chosen in found] == [2, 1, 2]
    assert "max" in found[0].scores and "max" not in found[2].scores
