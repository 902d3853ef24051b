"""What a computation remembers: places, ordinals, loops, modes, threads, and the cutting of a history."""

import gc
import threading
import weakref

import numpy as np
import pytest

import tinyrnn as tr
from tinyrnn import nn
from tinyrnn.graph import Place, here, history


def parameter(x=0.5, name=None):
    return tr.Parameter(np.array(x), name=name)


def where_and_when(y):
    """(operation, scope, step, ordinal) of all that was recorded, oldest first."""
    return [(v.op.name, v.place.scope, v.place.step, v.ordinal) for v in history(y) if v.op is not None]


# -- scope, step, name ----------------------------------------


def test_scopes_nest():
    w = parameter()
    with tr.scope("a"):
        with tr.scope("b"):
            x = w * 1
        y = x * 1
    z = y * 1
    assert [v.place.scope for v in (x, y, z)] == [("a", "b"), ("a",), ()]


def test_a_scope_ends_with_an_exception():
    with pytest.raises(KeyError), tr.scope("a"), tr.step(3), tr.no_grad():
        raise KeyError
    y = parameter() * 2
    assert y.place == Place() and y.requires_grad


def test_modules_are_scopes():
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    y = model(tr.ones(1, 2))
    scopes = [scope for op, scope, _, _ in where_and_when(y) if op == "matmul"]
    assert scopes == [("Sequential", "0"), ("Sequential", "1")]


def test_a_place_reads_well():
    assert str(Place()) == "outside any module"
    assert str(Place(("model", "cell"), 3)) == "in module 'model.cell', at step 3"


def test_names():
    a, b = tr.named(a=parameter() * 1, b=3.0)
    assert a.name == "a" and b == 3.0


# -- ordinals ----------------------------------------


def test_the_same_operation_has_the_same_ordinal_at_every_step():
    w, h = parameter(), 1.0
    for t in range(4):
        with tr.step(t):
            h = tr.tanh(w * h + 1.0)
    places = where_and_when(h)
    of_step = [[(op, ordinal) for op, _, step, ordinal in places if step == t] for t in range(4)]
    assert of_step[1] == of_step[2] == of_step[3]


def test_another_module_that_records_something_extra_shifts_nothing():
    class Cell(nn.Module):
        def __init__(self):
            self.w = parameter()

        def forward(self, h):
            return tr.tanh(self.w * h)

    class Noisy(nn.Module):
        def forward(self, h, extra):
            for _ in range(extra):
                h = h * 1.0
            return h

    cell, noisy, h = Cell(), Noisy(), tr.tensor(np.array(1.0))
    cell.name, noisy.name = "cell", "noisy"
    for t in range(4):
        with tr.step(t):
            h = cell(noisy(h, extra=t % 3))
    ordinals = {(op, step): ordinal for op, scope, step, ordinal in where_and_when(h) if scope == ("cell",)}
    for t in range(4):
        assert (ordinals["mul", t], ordinals["tanh", t]) == (ordinals["mul", 0], ordinals["tanh", 0])


def test_ordinals_of_the_backward_pass_repeat_too():
    w, h = parameter(), tr.tensor(np.array(1.0))
    for t in range(5):
        with tr.step(t):
            h = tr.tanh(w * h)
    g = tr.grad(h, w, create_graph=True)
    backward = [v for v in history(g) if v.op is not None and v.place.backward and v.place.pull.into is not None]
    of_step = {
        t: sorted((v.op.name, v.place.pull.of.op.name, v.place.pull.into, v.ordinal) for v in backward if v.place.step == t)
        for t in range(5)
    }
    assert of_step[1] == of_step[2] == of_step[3]


def test_a_backward_operation_knows_what_it_differentiates_and_inherits_its_place():
    w = parameter()
    with tr.scope("cell"), tr.step(2):
        a = w * 3.0
        y = tr.tanh(a)
    g = tr.grad(y, w, create_graph=True)
    for v in history(g):
        if v.op is not None and v.place.backward:
            pull = v.place.pull
            if v.op.name != "total":
                assert v.place.scope == ("cell",) and v.place.step == 2
                assert (pull.of, pull.into) in ((y, 0), (a, 0))
            else:  # the Σ belongs to the value at which the shares arrive
                assert pull.into is None and v.place.scope == pull.of.place.scope


# -- loops ----------------------------------------


def loops(places):
    """The numbers of the loops, as small numbers in the order of their appearance."""
    seen = {}
    return [seen.setdefault(loop, len(seen)) for loop in places]


def run(steps, w=None):
    w, found = w or parameter(), []
    for t in steps:
        with tr.step(t):
            found.append((w * 1.0).place.loop)
    return loops(found)


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([0], [0]),
        ([0, 1], [0, 0]),
        ([0, 1, 2, 3], [0, 0, 0, 0]),
        ([3, 2, 1, 0], [0, 0, 0, 0]),
        ([0, 1, 2, 0, 1, 2], [0, 0, 0, 1, 1, 1]),
        ([0, 1, 0, 1], [0, 0, 1, 1]),  # two sequences of two steps
        ([0, 0, 1, 1, 2, 2], [0, 0, 0, 0, 0, 0]),  # to come back to the latest step is to go on with it
        ([0, 1, 2, 2, 1, 0], [0, 0, 0, 1, 1, 1]),  # both directions, one after the other
        ([2, 1, 0, 0, 1, 2], [0, 0, 0, 1, 1, 1]),
        ([0, 0, 1, 1, 1, 1, 0, 0], [0, 0, 0, 0, 1, 1, 1, 1]),  # each in two parts
        ([0, 1, 1, 2], [0, 0, 1, 0]),  # what is done at one step only
        ([0, 1, 5, 6], [0, 0, 1, 1]),
        ([5, 6, 7], [0, 0, 0]),
    ],
)
def test_which_steps_are_one_loop(steps, expected):
    with tr.scope("fresh"):
        assert run(steps) == expected


def test_a_step_re_entered_goes_on_counting():
    w = parameter()
    with tr.step(0):
        a = w * 1
    with tr.step(0):
        b = w * 1
    assert (a.place.loop, a.ordinal) == (b.place.loop, b.ordinal - 1)


@pytest.mark.parametrize("T", [1, 2, 3])
def test_each_layer_and_each_direction_is_a_loop_of_its_own(T):
    y, _ = nn.RNN(2, 3, num_layers=2, bidirectional=True)(tr.ones(T, 1, 2))
    found = {}
    for v in history(y):
        if v.op is not None and v.op.name == "tanh":
            found.setdefault(v.place.scope[-1], []).append((v.place.step, v.place.loop, v.ordinal))
    assert len(found) == 4
    assert len({loop for runs in found.values() for _, loop, _ in runs}) == 4
    for runs in found.values():
        assert len({(loop, ordinal) for _, loop, ordinal in runs}) == 1
        assert sorted(step for step, _, _ in runs) == list(range(T))


def test_two_sequences_through_one_layer_are_two_loops():
    layer = nn.RNN(2, 3)
    (a, _), (b, _) = layer(tr.ones(3, 1, 2)), layer(tr.ones(3, 1, 2))
    numbers = [{v.place.loop for v in history(y) if v.place.step is not None} for y in (a, b)]
    assert not numbers[0] & numbers[1]


def test_what_a_time_loop_carries_is_marked_even_for_one_step():
    y, _ = nn.LSTM(2, 3)(np.ones((1, 1, 2), "float32"))
    carried = [(v.name, v.place.step) for v in history(y) if v.carried]
    assert sorted(carried, key=str) == [("c", 0), ("c", None), ("h", 0), ("h", None)]


# -- modes ----------------------------------------


def test_no_grad_remembers_nothing_and_nests():
    w = parameter()
    with tr.no_grad():
        with tr.no_grad():
            assert not (w * 2).requires_grad
        assert (w * 2).op is None
    assert (w * 2).requires_grad


def test_recording_keeps_what_no_gradient_needs():
    x = tr.tensor(np.array(1.0))
    assert (x * 2).op is None
    with tr.recording():
        y = x * 2
        with tr.no_grad():
            z = parameter() * 2
    assert y.op.name == "mul" and not y.requires_grad
    assert z.op.name == "mul" and not z.requires_grad


def test_without_a_gradient_nothing_is_kept_alive():
    x = tr.tensor(np.ones(3))
    y = x * 2
    inner = weakref.ref(y)
    z = y * 3
    del y
    assert inner() is None and z.tolist() == [6.0] * 3


# -- threads ----------------------------------------


def test_two_threads_do_not_mix_their_places():
    """Both record the same network at the same time; each gets the record it would have got alone."""
    barrier, found, errors = threading.Barrier(2), {}, []

    def work(name):
        try:
            layer = nn.RNN(2, 3)
            layer.name = name
            for _ in range(20):
                barrier.wait(10)
                y, _ = layer(tr.ones(4, 1, 2))
                places = [(v.op.name, v.place.scope[0], v.place.step, v.ordinal) for v in history(y) if v.op is not None]
                found.setdefault(name, []).append((places, len({v.place.loop for v in history(y) if v.place.step is not None})))
        except BaseException as error:
            errors.append(error)
            barrier.abort()

    threads = [threading.Thread(target=work, args=(name,)) for name in ("left", "right")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    for name, records in found.items():
        assert {scope for places, _ in records for _, scope, _, _ in places} == {name}
        assert {loops for _, loops in records} == {1}
    shapes = [
        [(op, step, ordinal) for op, _, step, ordinal in places if step is not None]
        for records in found.values()
        for places, _ in records
    ]
    assert len(shapes) == 40 and all(shape == shapes[0] for shape in shapes)


def test_modes_belong_to_a_thread():
    seen = []
    with tr.no_grad():
        thread = threading.Thread(target=lambda: seen.append((parameter() * 2).requires_grad))
        thread.start()
        thread.join()
        assert not (parameter() * 2).requires_grad
    assert seen == [True]


def test_a_thread_begins_at_the_top():
    seen = []
    with tr.scope("outer"), tr.step(3):
        thread = threading.Thread(target=lambda: seen.append(here().place))
        thread.start()
        thread.join()
    assert seen == [Place()]


# -- history and its cutting ----------------------------------------


def test_history_is_oldest_first_and_has_each_value_once():
    w = parameter()
    a = w * 2
    b = a * a
    c = b + a
    assert history(c) == sorted(history(c), key=lambda v: v.serial)
    assert len(history(c)) == 4


def test_unchain_at_the_value_itself():
    w = parameter(2.0)
    h = w * 3
    y = h * w
    tr.unchain(h)
    y.backward()
    assert w.grad.item() == 6.0  # h counts as a constant now
    assert h.op is None and not h.requires_grad


@pytest.mark.parametrize("window", [1, 2, 3, 7])
def test_a_sliding_window_has_the_gradient_of_the_window(window):
    """Truncated BPTT: after cutting, the gradient is that of the window with the state before it as a constant."""
    rng, T = np.random.default_rng(0), 10
    w, xs = tr.Parameter(rng.normal(size=(3, 3)) / 2), rng.normal(size=(T, 1, 3))
    h, states = tr.tensor(np.zeros((1, 3))), []
    for t in range(T):
        states.append(h)
        with tr.step(t):
            h = tr.tanh(h @ w + xs[t])
        tr.unchain(h, before=t - window + 1)
    (h * h).sum().backward()
    v, k = tr.Parameter(w.numpy()), tr.tensor(states[T - window].numpy())
    for t in range(T - window, T):
        k = tr.tanh(k @ v + xs[t])
    (k * k).sum().backward()
    np.testing.assert_allclose(w.grad.numpy(), v.grad.numpy(), rtol=1e-12)


def test_a_sliding_window_bounds_memory():
    w, h, watched = tr.Parameter(np.full((3, 3), 0.1)), tr.tensor(np.ones((1, 3))), []
    gc.disable()
    try:
        for t in range(200):
            with tr.step(t):
                h = tr.tanh(h @ w)
            watched.append(weakref.ref(h))
            h.unchain(before=t - 4)
            assert len(history(h)) <= 2 + 2 * 5
        assert sum(ref() is not None for ref in watched) <= 6
    finally:
        gc.enable()


def test_unchain_of_many_values_and_of_a_layer():
    layer = nn.LSTM(2, 3)
    y, (h, c) = layer(tr.ones(6, 1, 2))
    full = sum(v.op is not None for v in history(y, h, c))
    tr.unchain(y, h, c, before=4)
    left = [v.place.step for v in history(y, h, c) if v.op is not None and v.place.step is not None]
    assert set(left) == {4, 5} and len(left) < full
    (y.sum() + h.sum() + c.sum()).backward()


def test_contexts_nest_decorate_and_combine():
    quiet = tr.no_grad()
    with quiet, quiet:
        assert not (tr.Parameter(1.0) * 2.0).requires_grad
    assert (tr.Parameter(1.0) * 2.0).requires_grad

    @tr.no_grad()
    def f(w):
        return w * 2.0

    assert not f(tr.Parameter(1.0)).requires_grad and f(tr.Parameter(1.0)).op is None
    with tr.recording(), quiet:  # the modes are those where the block begins
        assert (tr.Parameter(1.0) * 2.0).op is not None
