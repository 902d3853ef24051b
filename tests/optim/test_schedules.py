"""Schedules: value by value against PyTorch's, without accumulated error, and resumed."""

import numpy as np
import pytest

import tinyrnn as tr
from tinyrnn import optim

STEPS = 40
CASES = {
    "step": (lambda o: optim.StepLR(o, 7, gamma=0.3), lambda o, s: s.StepLR(o, 7, gamma=0.3)),
    "exponential": (lambda o: optim.ExponentialLR(o, 0.9), lambda o, s: s.ExponentialLR(o, 0.9)),
    "cosine": (lambda o: optim.CosineAnnealingLR(o, 15, eta_min=0.01), lambda o, s: s.CosineAnnealingLR(o, 15, eta_min=0.01)),
    "warm-up": (lambda o: optim.LinearWarmup(o, 12), lambda o, s: s.LinearLR(o, total_iters=12)),
    "lambda": (lambda o: optim.LambdaLR(o, lambda t: 1 / (t + 1)), lambda o, s: s.LambdaLR(o, lambda t: 1 / (t + 1))),
    "one cycle": (
        lambda o: optim.OneCycleLR(o, 0.5, STEPS + 1),
        lambda o, s: s.OneCycleLR(o, 0.5, STEPS + 1, cycle_momentum=False),
    ),
    "one cycle, lines": (
        lambda o: optim.OneCycleLR(o, 0.5, STEPS + 1, 0.4, "linear", 10.0, 100.0),
        lambda o, s: s.OneCycleLR(
            o, 0.5, STEPS + 1, None, None, 0.4, "linear", cycle_momentum=False, div_factor=10.0, final_div_factor=100.0
        ),
    ),
    "chained": (
        lambda o: optim.SequentialLR(
            o, [optim.LinearWarmup(o, 5, 0.1), optim.CosineAnnealingLR(o, 20), optim.StepLR(o, 3)], milestones=[5, 25]
        ),
        lambda o, s: s.SequentialLR(
            o, [s.LinearLR(o, 0.1, total_iters=5), s.CosineAnnealingLR(o, 20), s.StepLR(o, 3)], milestones=[5, 25]
        ),
    ),
}


def ours(lr=0.2):
    return optim.SGD([tr.Parameter(1.0)], lr=lr)


def rates_of(optimizer, schedule, steps=STEPS):
    rates = [optimizer.lr]
    for _ in range(steps):
        schedule.step()
        rates.append(optimizer.lr)
    return rates


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", CASES)
def test_each_rate_is_pytorchs(case):
    torch = pytest.importorskip("torch")
    make, make_theirs = CASES[case]
    optimizer = ours()
    found = rates_of(optimizer, make(optimizer))
    other = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.2)
    schedule, expected = make_theirs(other, torch.optim.lr_scheduler), []
    for _ in range(STEPS + 1):
        expected.append(other.param_groups[0]["lr"])
        other.step()
        schedule.step()
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    "options",
    [
        {"patience": 3},
        {"patience": 1, "factor": 0.5, "cooldown": 2},
        {"mode": "max", "patience": 0, "threshold": 0.05, "threshold_mode": "abs"},
        {"mode": "max", "patience": 2, "threshold": 0.1, "min_lr": 0.02},
        {"patience": 0, "factor": 0.1, "eps": 1e-3},
    ],
    ids=str,
)
def test_on_a_plateau_the_rate_is_pytorchs(options):
    torch = pytest.importorskip("torch")
    measures = np.random.default_rng(3).normal(size=60).cumsum() * 0.1 + np.linspace(3, 1, 60)
    optimizer, other = ours(), torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.2)
    schedule = optim.ReduceLROnPlateau(optimizer, **options)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(other, **options)
    rates = set()
    for measure in measures.tolist():
        schedule.step(measure)
        theirs.step(measure)
        assert optimizer.lr == pytest.approx(other.param_groups[0]["lr"], rel=1e-12)
        rates.add(optimizer.lr)
    assert len(rates) > 1


def test_no_error_accumulates():
    optimizer = ours(lr=0.3)
    schedule = optim.ExponentialLR(optimizer, 0.999)
    assert rates_of(optimizer, schedule, 2000)[-1] == 0.3 * 0.999**2000


def test_one_cycle_ends_where_it_is_lowest():
    schedule = optim.OneCycleLR(ours(), 1.0, 10)
    assert schedule.rate(9) == schedule.rate(50) == pytest.approx(1 / 25 / 1e4)


@pytest.mark.parametrize("case", [*CASES, "plateau"])
def test_a_schedule_goes_on_from_its_state(case):
    make = CASES[case][0] if case in CASES else lambda o: optim.ReduceLROnPlateau(o, patience=1, factor=0.5)
    rng = np.random.default_rng(0)

    def advance(schedule, steps):
        for _ in range(steps):
            schedule.step(*([rng.random()] if case == "plateau" else []))

    first, second = ours(), ours()
    schedule, again = make(first), make(second)
    advance(schedule, 13)
    second.load_state_dict(first.state_dict())
    again.load_state_dict(schedule.state_dict())
    assert second.lr == first.lr
    state = rng.bit_generator.state
    advance(schedule, 20)
    rng.bit_generator.state = state
    advance(again, 20)
    assert second.lr == first.lr


def test_a_schedule_shows_its_options_not_where_it_stands():
    optimizer = ours()
    plateau = optim.ReduceLROnPlateau(optimizer, patience=3)
    chain = optim.SequentialLR(optimizer, [optim.LinearWarmup(optimizer, 2, 0.5), optim.StepLR(optimizer, 3)], [2])
    before = repr(plateau), repr(chain)
    for _ in range(5):
        plateau.step(1.0)
        chain.step()
    assert (repr(plateau), repr(chain)) == before
    parts = "[LinearWarmup(total_iters=2, start_factor=0.5), StepLR(step_size=3, gamma=0.1)]"
    assert before[1] == f"SequentialLR(schedulers={parts}, milestones=[2])"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda o: optim.StepLR(o, 0), "step_size must be a whole number from 1, not 0"),
        (lambda o: optim.StepLR(0.1, 5), "expected an optimiser, not a float"),
        (lambda o: optim.ExponentialLR(o, -1), "gamma must not be negative"),
        (lambda o: optim.LinearWarmup(o, 5, 2.0), "start_factor must be from 0 to 1"),
        (lambda o: optim.OneCycleLR(o, 1.0, 10, anneal_strategy="log"), "expected 'cos' or 'linear'"),
        (lambda o: optim.OneCycleLR(o, 1.0, 10, div_factor=0), "div_factor must be above 0"),
        (lambda o: optim.ReduceLROnPlateau(o, "best"), "must be min or max"),
        (lambda o: optim.ReduceLROnPlateau(o, factor=1.0), "below 1"),
        (lambda o: optim.ReduceLROnPlateau(o).step("low"), "must be a number"),
        (lambda o: optim.SequentialLR(o, [optim.StepLR(o, 2)], [3]), "1 schedules and 1 milestones"),
        (lambda o: optim.SequentialLR(o, [optim.StepLR(o, 2), optim.StepLR(o, 3)], [0]), "must grow"),
        (lambda o: optim.SequentialLR(o, [optim.StepLR(ours(), 2)], []), "another optimiser"),
        (lambda o: optim.SequentialLR(o, [optim.ReduceLROnPlateau(o)], []), "no function of the step"),
    ],
)
def test_what_is_refused(make, message):
    with pytest.raises((ValueError, TypeError), match=message):
        make(ours())


def test_a_state_of_another_kind_is_refused():
    optimizer = optim.SGD([tr.Parameter(1.0)], lr=1.0)
    steps, plateau = optim.StepLR(optimizer, 2), optim.ReduceLROnPlateau(optimizer)
    for mine, other in ((steps, plateau), (plateau, steps)):
        with pytest.raises(ValueError, match="load_state_dict: expected"):
            mine.load_state_dict(other.state_dict())


@pytest.mark.parametrize("wrong", [{"patience": -1}, {"min_lr": float("nan")}, {"cooldown": "2"}, {"threshold": -0.1}])
def test_options_of_the_plateau_are_numbers_from_0(wrong):
    with pytest.raises((ValueError, TypeError), match=f"ReduceLROnPlateau: {next(iter(wrong))} must"):
        optim.ReduceLROnPlateau(optim.SGD([tr.Parameter(1.0)], lr=1.0), **wrong)
