from __future__ import annotations

import dataclasses
import time
from typing import Any

import numpy as np
import pytest

from cellot_sc import ot
from cellot_sc.ot import _checks
from cellot_sc.ot._solvers import registry

CONFIGS: dict[str, Any] = {name: solver.config for name, solver in ot.SOLVERS.items()} | {
    "autoencoder": ot.AutoencoderConfig
}
OPTIONS = [(name, field.name) for name, config in CONFIGS.items() for field in dataclasses.fields(config) if field.name]
NEVER: list[Any] = [
    *(float("nan"), float("inf"), -1, -0.5, 10**400, 10**5000, 1e300, np.float32("nan"), np.complex64(1)),
    *({}, set(), [], [[1, 2], [3, 4]], [[1], [2, 3]], np.zeros(0), np.ones((2, 2)), object(), b"1", 1j, [None]),
    *("many", np.datetime64(1, "s"), np.array(["a"]), range(1000)),
]
"""Values that are right for no option; text is for a folder."""


@pytest.mark.parametrize(("name", "option"), OPTIONS)
def test_impossible_values_are_one_sentence_for_every_option_of_every_solver(name: str, option: str) -> None:
    begin = time.perf_counter()
    for value in NEVER:
        if option == "checkpoint_dir" and isinstance(value, str):
            continue
        with pytest.raises(ValueError, match=rf"^{option} is .*(needed|at most .*)\.$") as error:
            CONFIGS[name](**{option: value})
        assert len(str(error.value)) < 200
    assert time.perf_counter() - begin < 1


@pytest.mark.parametrize(
    ("name", "option"), [(name, option) for name, option in OPTIONS if option not in ("checkpoint_dir", "resume")]
)
def test_numbers_of_numpy_make_the_same_options(name: str, option: str) -> None:
    value = getattr(CONFIGS[name](), option)
    same = CONFIGS[name](**{option: None if value is None else np.asarray(value)[()]})
    assert same == CONFIGS[name]()
    assert type(getattr(same, option)) is type(value)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("icnn", {"n_steps": 10**9}),
        ("icnn", {"min_steps": 10**9}),
        ("neural_dual", {"n_steps": 10**9}),
        ("entropic", {"max_iterations": 10**9}),
        ("entropic", {"epsilons": 1e-300}),
        ("paper", {"check_every": 10**12, "n_steps": 100}),
        ("monge_gap", {"width": 10**7}),
        ("monge_gap", {"depth": 10_000}),
        ("scgen", {"hidden": (10**7,)}),
        ("cae", {"hidden": (8,) * 10_000}),
        ("paper", {"n_inner": 10**6}),
        ("popalign", {"n_components": 10**6}),
    ],
    ids=str,
)
def test_what_would_never_end_is_refused(name: str, options: dict[str, Any]) -> None:
    [option] = list(options)[:1]
    with pytest.raises(ValueError, match=rf"^{option} is .* is needed\.$"):
        registry.configure(name, **options)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("icnn", {"width": 2000, "depth": 3}),
        ("icnn", {"batch_size": 10**5}),
        ("paper", {"n_inner": 1000, "batch_size": 1000}),
        ("expectile", {"batch_size": 10**6}),
        ("monge_gap", {"batch_size": 4000}),
        ("scgen", {"hidden": (5000,)}),
        ("cae", {"batch_size": 10**6}),
        ("neural_dual", {"width": 2000}),
        ("entropic", {}),
        ("popalign", {"n_components": 16}),
    ],
    ids=str,
)
def test_what_has_no_room_is_refused_before_it_is_made(
    name: str, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    x = np.random.default_rng(0).normal(size=(1600, 40)).astype(np.float32)
    problem = ot.Problem(x, np.where(x[:, :1] > 0, x + 2, x - 2))
    # a small machine
    monkeypatch.setattr(_checks, "memory", lambda: 2**23 if name != "popalign" else 2**16)
    with pytest.raises(ValueError, match=r"^the fit needs [\d,.]+ GiB at least, and the machine has 0.0: lower \w+"):
        ot.fit([problem], name, **options)


def test_an_autoencoder_without_room_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_checks, "memory", lambda: 2**20)
    config = ot.AutoencoderConfig(hidden=(5000,), linear=False, n_latent=2)
    with pytest.raises(ValueError, match="lower batch_size, hidden"):
        ot.fit_autoencoder(np.zeros((50, 40), np.float32), config)


def test_every_option_has_a_rule_and_every_rule_an_option() -> None:
    assert {option for _, option in OPTIONS} == set(_checks.RULES)


@pytest.mark.parametrize(("given", "expected"), [(8, (8,)), ([8, 4], (8, 4)), (np.array([8, 4]), (8, 4))])
def test_several_whole_numbers(given: Any, expected: tuple[int, ...]) -> None:
    assert _checks.RULES["hidden"](given, what="hidden") == expected


@pytest.mark.parametrize(("given", "expected"), [(0.5, (0.5,)), ([8, 0.4], (8.0, 0.4)), (np.float32(2), (2.0,))])
def test_several_numbers(given: Any, expected: tuple[float, ...]) -> None:
    assert _checks.RULES["penalties"](given, what="penalties") == expected
