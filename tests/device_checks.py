"""What must hold on a GPU, whichever: `test_cupy.py` runs these on the stand-in, `gpu/test_gpu.py` on the real library.

Each takes the fixture `device`, the name of a GPU, and compares with the same computation on the CPU.
"""

import numpy as np
import pytest

import tinyrnn as tr
from tinyrnn import nn, optim

from .cases import COMPOSED, CONSTANT, PRIMITIVES

CASES = [case for table in (PRIMITIVES, COMPOSED) for cases in table.values() for case in cases]
CONSTANT_CASES = [case for cases in CONSTANT.values() for case in cases]
CLOSE = {"float64": {"rtol": 1e-9, "atol": 1e-10}, "float32": {"rtol": 1e-4, "atol": 1e-5}}


def host(x):
    """The numbers of a Tensor or an array, wherever they are."""
    return tr.backend.to_host(x.data if isinstance(x, tr.Tensor) else x)


def on(device, *arrays, dtype="float64"):
    return [
        tr.Tensor(x, dtype=dtype, device=device, requires_grad=True) if x.dtype.kind == "f" else tr.Tensor(x, device=device)
        for x in arrays
    ]


def results(y):
    return list(y) if isinstance(y, (list, tuple)) else [y]


def values_and_derivatives(f, arrays, device, dtype="float64"):
    """What f returns, its gradients, the gradients of those, and those of plain `backward`."""
    xs = on(device, *arrays, dtype=dtype)
    ys = results(f(*xs))
    floats = [x for x in xs if x.requires_grad]
    loss = sum([(y * y).sum() for y in ys[1:]], start=(ys[0] * ys[0]).sum())
    first = tr.grad(loss, floats, create_graph=True)
    second = tr.grad(sum([(g * g).sum() for g in first if g is not None], start=loss), floats)
    loss.backward(release=True)
    return [*ys, *first, *second, *(x.grad for x in floats)]


def assert_same(there, here, device, dtype="float64"):
    for a, b in zip(there, here, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            assert a.device == tr.Device.parse(device)
            assert (a.shape, a.dtype) == (b.shape, b.dtype)
            np.testing.assert_allclose(host(a), host(b), **CLOSE[dtype])


# -- operations ----------------------------------------


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_values_and_derivatives_to_order_2(case, device):
    assert_same(values_and_derivatives(case.f, case.inputs, device), values_and_derivatives(case.f, case.inputs, "cpu"), device)


@pytest.mark.parametrize("case", [cases[0] for cases in (*PRIMITIVES.values(), *COMPOSED.values())], ids=[*PRIMITIVES, *COMPOSED])
def test_float32(case, device):
    there, here = (values_and_derivatives(case.f, case.inputs, where, "float32") for where in (device, "cpu"))
    assert {y.dtype for y in there if y is not None} == {np.dtype("float32")}
    assert_same(there, here, device, "float32")


@pytest.mark.parametrize("case", CONSTANT_CASES, ids=[case.name for case in CONSTANT_CASES])
def test_what_is_piecewise_constant(case, device):
    y = case.f(*on(device, *case.inputs))
    assert y.device == tr.Device.parse(device) and not y.requires_grad
    np.testing.assert_array_equal(host(y), case.reference(*case.inputs))


def test_gradcheck(device):
    x, w = on(device, np.array([[0.3, -0.2]]), np.array([[0.5], [1.5]]))
    assert tr.gradcheck(lambda x, w: tr.tanh(x @ w), [x, w], order=2)


def test_arrays_among_the_arguments(device):
    """A vjp may see bare arrays of the GPU: no operation may rely on which GPU is current."""
    base, exponent = on(device, np.array([0.5, 2.0]))[0], tr.Tensor(np.array([2.0, 3.0]), device=device).data
    g = tr.grad((base**exponent).sum(), base, create_graph=True)
    np.testing.assert_allclose(host(g), [1.0, 12.0])
    np.testing.assert_allclose(host(tr.grad(g.sum(), base)), [2.0, 12.0])
    np.testing.assert_allclose(host((exponent * base).sum()), 7.0)


def test_index_by_lists_and_numbers(device):
    (x,) = on(device, np.arange(6.0).reshape(3, 2))
    assert host(x[[0, 2, 0]]).tolist() == [[0, 1], [4, 5], [0, 1]]
    assert host(x[[True, False, True], 1]).tolist() == [1, 5]
    assert host(x[np.int64(1)]).tolist() == [2, 3]
    assert host(tr.grad(x[[0, 2, 0]].sum(), x)).tolist() == [[2, 2], [0, 0], [1, 1]]


def test_numbers_out_of_a_tensor(device):
    (x,) = on(device, np.array([[1.0, 2.0], [3.0, 4.0]]))
    assert x.tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert x.numpy().tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert x.sum().item() == float(x.sum()) == 10.0 and int(x.sum()) == 10
    assert bool(x.sum() > 1.0) and len(x) == 2
    assert [row.tolist() for row in x] == [[1.0, 2.0], [3.0, 4.0]]
    assert f"device='{tr.Device.parse(device)}'" in repr(x)
    assert str(x.device) == str(tr.Device.parse(device))


def test_numpy_functions_of_a_tensor(device):
    (x,) = on(device, np.array([0.5, -1.0]))
    np.testing.assert_allclose(host(np.tanh(x)), np.tanh([0.5, -1.0]))
    assert host(np.sum(x, axis=0)) == -0.5
    assert host(np.float64(2.0) * x).tolist() == [1.0, -2.0]


def test_dlpack_shares_memory_on_the_device(device):
    x = tr.zeros(3, device=device)
    assert x.__dlpack_device__() == (2, tr.Device.parse(device).index)
    y = tr.from_dlpack(x)
    assert y.device == x.device
    with tr.backend.active(x.device):
        x.data[0] = 5.0
    assert y.tolist() == [5.0, 0.0, 0.0]


# -- devices ----------------------------------------


def test_use_decides_where_new_arrays_are_made(device):
    there = tr.Device.parse(device)
    with tr.use(device):
        made = [tr.zeros(2), tr.ones(2), tr.randn(2), tr.tensor([1.0]), tr.Parameter([1.0]), nn.LSTM(2, 3).layer0.b]
        assert {x.device for x in made} == {there}
        assert tr.tensor(np.ones(2)).device == tr.Device("cpu")  # an array stays where it is
    assert tr.zeros(2).device == tr.Device("cpu")


def test_to_moves_both_ways_and_gradients_flow_back(device):
    x = tr.tensor(np.array([1.0, 2.0]), requires_grad=True)
    y = x.to(device)
    z = (y * y).to("cpu")
    assert (y.device, z.device) == (tr.Device.parse(device), tr.Device("cpu"))
    assert y.to(device) is y
    (z * np.array([1.0, 10.0]) + x).sum().backward()
    assert x.grad.device == tr.Device("cpu") and x.grad.tolist() == [3.0, 41.0]
    g = tr.grad((x.to(device) ** 3).sum(), x, create_graph=True)
    assert tr.grad(g.sum(), x).tolist() == [6.0, 12.0]


def test_a_value_used_here_and_moved_away(device):
    (w,) = on(device, np.array([2.0]))
    h = w * 3.0
    loss = (h.to("cpu") * h.detach().to("cpu")).sum().to(device) + (h * h).sum() + h.to("cpu").sum().to(device)
    loss.backward()
    assert w.grad.device == tr.Device.parse(device)
    assert w.grad.tolist() == [3 * 6 + 2 * 6 * 3 + 3]


def test_mixed_devices_are_an_error_that_names_both_and_the_way(device):
    here, (there,) = tr.tensor(np.ones(2)), on(device, np.ones(2))
    named = rf"different devices, {tr.Device.parse(device)} and cpu: .*\.to\('{tr.Device.parse(device)}'\)"
    for mix in (lambda: here + there, lambda: there * here, lambda: tr.stack(here, there), lambda: there @ np.ones(2)):
        with pytest.raises(tr.DeviceError, match=named):
            mix()
    with pytest.raises(tr.DeviceError, match="different devices"):
        nn.Linear(2, 3)(there)
    with pytest.raises(tr.DeviceError, match="different devices"):
        there[np.array([0, 1])]


def test_same_seed_same_numbers_on_the_device(device):
    def numbers():
        tr.manual_seed(3)
        with tr.use(device):
            layer = nn.LSTM(2, 3, num_layers=2, dropout=0.5)
            y, _ = layer(tr.randn(4, 2, 2))
            (y * y).sum().backward()
        return [host(y).tobytes(), *(host(p.grad).tobytes() for p in layer.parameters())]

    assert numbers() == numbers()
    tr.manual_seed(3)
    a = tr.randn(3, device=device)
    b = tr.randn(3, device=device)
    assert a.tolist() != b.tolist()


# -- modules ----------------------------------------

LAYERS = {
    "RNN": lambda: nn.RNN(3, 4, nonlinearity="relu"),
    "LSTM": lambda: nn.LSTM(3, 4, num_layers=2, bidirectional=True),
    "GRU": lambda: nn.GRU(3, 4, batch_first=True),
    "GRU-paper": lambda: nn.GRU(3, 4, reset_after=False, bias=False),
    "Recurrent": lambda: nn.Recurrent(nn.GRUCell(3, 4), reverse=True),
    "Bidirectional": lambda: nn.Bidirectional(nn.RNNCell(3, 4), nn.LSTMCell(3, 4), merge_mode="ave", return_sequences=False),
    "Stack": lambda: nn.Stack(nn.GRUCell(3, 4), nn.LSTM(4, 2, bidirectional=True, merge_mode="mul")),
    "Residual": lambda: nn.Residual(nn.RNNCell(3, 3), return_sequences=False),
    "Highway": lambda: nn.Highway(nn.GRUCell(3, 3)),
    "Recurrent-IRNN": lambda: nn.Recurrent(nn.IRNNCell(3, 4)),
    "Recurrent-MGU": lambda: nn.Recurrent(nn.MGUCell(3, 4)),
    "Recurrent-peephole": lambda: nn.Recurrent(nn.PeepholeLSTMCell(3, 4)),
    "Recurrent-projection": lambda: nn.Recurrent(nn.LSTMCell(3, 4, proj_size=2)),
    "Recurrent-normalised LSTM": lambda: nn.Recurrent(nn.LayerNormLSTMCell(3, 4)),
    "Recurrent-normalised GRU": lambda: nn.Recurrent(nn.LayerNormGRUCell(3, 4)),
    "Recurrent-zoneout": lambda: nn.Recurrent(nn.Zoneout(nn.LSTMCell(3, 4), (0.1, 0.5)).eval()),
    "Linear": lambda: nn.Linear(3, 4),
    "LayerNorm": lambda: nn.LayerNorm(3),
    "Sequential": lambda: nn.Sequential(nn.Linear(3, 5), nn.LayerNorm(5), nn.Linear(5, 2)),
}


def flat(y):
    """The Tensors of an output, and of a state, however they are nested."""
    return [part for item in y for part in flat(item)] if isinstance(y, (list, tuple)) else [y]


def outcome(module, x, device, **options):
    """Outputs, states, gradients and second derivatives of a module."""
    given = {k: v.to(device) if isinstance(v, tr.Tensor) else v for k, v in options.items()}
    y = module(x.to(device), **given)
    found = flat(y)
    loss = sum([(part * part).mean() for part in found[1:]], start=(found[0] * found[0]).mean())
    parameters = list(module.parameters())
    first = tr.grad(loss, parameters, create_graph=True)
    second = tr.grad(sum([(g * g).sum() for g in first[1:]], start=(first[0] * first[0]).sum()), parameters)
    module.zero_grad()
    loss.backward()
    return [*found, *first, *second, *(p.grad for p in parameters)]


@pytest.mark.parametrize("kind", LAYERS)
def test_layers(kind, device):
    tr.manual_seed(0)
    module, x = LAYERS[kind](), tr.randn(4, 3, 3)
    recurrent = isinstance(module, nn.Layer)
    batch = 4 if kind == "GRU" else 3
    for options in [{}, {"lengths": [2, 4, 1, 3][:batch] if kind != "GRU" else [2, 3, 1, 3]}] if recurrent else [{}]:
        here = outcome(module.to("cpu"), x, "cpu", **options)
        assert module.to(device) is module
        assert {p.device for p in module.parameters()} == {tr.Device.parse(device)}
        assert_same(outcome(module, x, device, **options), here, device, "float32")


@pytest.mark.parametrize("lengths", ["list", "array", "tensor", "tensor there"])
def test_lengths_in_any_form(lengths, device):
    module, x = nn.LSTM(3, 2), tr.randn(4, 3, 3)
    forms = {"list": [4, 1, 2], "array": np.array([4, 1, 2]), "tensor": tr.tensor([4, 1, 2], dtype=int)}
    given = forms.get(lengths, forms["tensor"].to(device))
    here, _ = module(x, lengths=[4, 1, 2])
    there, _ = module.to(device)(x.to(device), lengths=given)
    np.testing.assert_allclose(host(there), host(here), **CLOSE["float32"])


def test_initial_states_are_made_where_the_input_is(device):
    for layer in (nn.RNN(2, 3), nn.LSTM(2, 3), nn.Recurrent(nn.LSTMCell(2, 3))):
        _, state = layer.to(device)(tr.zeros(2, 1, 2, device=device))
        assert {part.device for part in results(state)} == {tr.Device.parse(device)}


def test_embedding(device):
    tr.manual_seed(0)
    module = nn.Embedding(5, 3)
    here = module([[1, 4], [1, 0]])
    here.sum().backward()
    gradient = host(module.W.grad)
    module.zero_grad()
    module.to(device)
    for indices in ([[1, 4], [1, 0]], tr.tensor([[1, 4], [1, 0]], dtype=int, device=device)):
        module.zero_grad()
        there = module(indices)
        there.sum().backward()
        assert there.device == module.W.grad.device == tr.Device.parse(device)
        np.testing.assert_array_equal(host(there), host(here))
        np.testing.assert_array_equal(host(module.W.grad), gradient)


def test_dropout(device):
    tr.manual_seed(0)
    x = tr.ones(50, 40, device=device)
    y = nn.Dropout(0.25)(x)
    kept = host(y)[host(y) != 0]
    assert y.device == x.device and y.dtype == np.float32
    np.testing.assert_allclose(kept, 4 / 3, rtol=1e-6)
    assert 0.7 < kept.size / 2000 < 0.8


@pytest.mark.parametrize(
    "wrapper",
    [
        lambda cell: nn.VariationalDropout(cell, 0.3, 0.3),
        lambda cell: nn.WeightDrop(cell, 0.3),
        lambda cell: nn.Zoneout(cell, 0.3),
        lambda cell: nn.Zoneout(nn.VariationalDropout(nn.WeightDrop(cell, 0.3), 0.3, 0.3), 0.3),
    ],
    ids=["variational dropout", "weight drop", "zoneout", "all"],
)
def test_masks_around_cells(wrapper, device):
    """Drawn by the generator of the device; with the same masks on the CPU the same numbers come out."""
    tr.manual_seed(0)
    layer, x = nn.Recurrent(wrapper(nn.LSTMCell(3, 4))).to(device), tr.randn(5, 2, 3, device=device)

    def results():
        tr.manual_seed(1)
        y, _ = layer(x)
        layer.zero_grad()
        (y * y).sum().backward()
        return [y, *(p.grad for p in layer.parameters())]

    once, again = results(), results()
    assert all(a.device == tr.Device.parse(device) and a.dtype == np.float32 for a in once)
    assert [host(a).tobytes() for a in once] == [host(a).tobytes() for a in again]

    tr.manual_seed(1)
    with tr.recording():
        y, _ = layer(x)
    equations = tr.bptt.equations((y * y).sum())  # they run in NumPy, with the masks as they were
    loss, gradients = equations.run()
    np.testing.assert_allclose(loss, host((y * y).sum()), rtol=1e-4)
    for found, expected in zip(gradients.values(), once[1:], strict=True):
        np.testing.assert_allclose(found, host(expected), rtol=1e-3, atol=1e-5)


def test_module_to_moves_gradients_too(device):
    module = nn.Linear(2, 2)
    module(tr.ones(1, 2)).sum().backward()
    before = host(module.W.grad)
    module.to(device)
    assert module.W.grad.device == tr.Device.parse(device)
    np.testing.assert_array_equal(host(module.W.grad), before)
    module.to("cpu")
    with pytest.raises(ValueError, match="read-only"):
        module.W.data[...] = 0.0  # protected again


def test_states_load_across_devices(device):
    a, b = nn.LSTM(2, 3), nn.LSTM(2, 3).to(device)
    b.load_state_dict(a.state_dict())
    assert {p.device for p in b.parameters()} == {tr.Device.parse(device)}
    for name, array in b.state_dict().items():
        np.testing.assert_array_equal(host(array), a.state_dict()[name])
        assert tr.backend.device_of(array) == tr.Device.parse(device)
    a.load_state_dict(b.state_dict())
    assert {p.device for p in a.parameters()} == {tr.Device("cpu")}


def test_assignment_and_updates_in_place(device):
    w = tr.Parameter(tr.tensor([1.0, 2.0], device=device))
    for numbers in (np.array([3.0, 4.0]), tr.tensor([3.0, 4.0]), tr.tensor([3.0, 4.0], device=device), [3.0, 4.0]):
        w.assign(np.zeros(2))
        w.assign(numbers)
        assert w.tolist() == [3.0, 4.0] and w.device == tr.Device.parse(device)
    loss = (w * w).sum()
    with tr.no_grad():
        w -= 1.0
    assert w.tolist() == [2.0, 3.0]
    with pytest.raises(RuntimeError, match="changed in place"):
        loss.backward()


# -- losses, optimisers, clipping ----------------------------------------

LABELS, MASK = np.array([0, 2, 1]), np.array([True, False, True])
LOSSES = {
    "mse": lambda x, d: nn.mse(x, tr.zeros(3, 4, device=d)),
    "mae": lambda x, d: nn.mae(x, tr.zeros(3, 4, device=d), reduction="sum"),
    "huber": lambda x, d: nn.huber(x, tr.zeros(3, 4, device=d)),
    "cross_entropy": lambda x, d: nn.cross_entropy(x, tr.Tensor(LABELS, device=d)),
    "cross_entropy-smooth": lambda x, d: nn.cross_entropy(x, tr.Tensor(LABELS, device=d), label_smoothing=0.1),
    "cross_entropy-mask": lambda x, d: nn.cross_entropy(x, tr.Tensor(LABELS, device=d), mask=tr.Tensor(MASK, device=d)),
    "cross_entropy-soft": lambda x, d: nn.cross_entropy(x, tr.softmax(x * 2).detach()),
    "binary_cross_entropy": lambda x, d: nn.binary_cross_entropy(x, tr.ones(3, 4, device=d)),
}


@pytest.mark.parametrize("kind", LOSSES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_losses(kind, dtype, device):
    x = np.random.default_rng(0).normal(size=(3, 4))
    there = values_and_derivatives(lambda x: LOSSES[kind](x, device), [x], device, dtype)
    here = values_and_derivatives(lambda x: LOSSES[kind](x, "cpu"), [x], "cpu", dtype)
    assert_same(there, here, device, dtype)


OPTIMISERS = {
    "SGD": lambda p: optim.SGD(p, lr=0.1),
    "Nesterov": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    "RMSprop": lambda p: optim.RMSprop(p, lr=0.01),
    "Adagrad": lambda p: optim.Adagrad(p, lr=0.1),
    "Adam": lambda p: optim.Adam(p, lr=0.01),
    "AdamW": lambda p: optim.AdamW(p, lr=0.01),
}


def train(module, optimiser, x, steps):
    for _ in range(steps):
        y, _ = module(x)
        (y * y).mean().backward()
        optim.clip_grad_norm(module.parameters(), 0.5)
        optimiser.step()
        optimiser.zero_grad()


@pytest.mark.parametrize("kind", OPTIMISERS)
def test_optimisers(kind, device):
    tr.manual_seed(0)
    x, modules = tr.randn(4, 2, 3), [nn.LSTM(3, 2), nn.LSTM(3, 2).to(device)]
    modules[1].load_state_dict(modules[0].state_dict())
    optimisers = [OPTIMISERS[kind](m.parameters()) for m in modules]
    train(modules[0], optimisers[0], x, 2)
    train(modules[1], optimisers[1], x.to(device), 2)
    optimisers[1].load_state_dict(optimisers[0].state_dict())  # from the CPU
    train(modules[0], optimisers[0], x, 2)
    train(modules[1], optimisers[1], x.to(device), 2)
    for here, there in zip(*(m.parameters() for m in modules), strict=True):
        assert there.device == tr.Device.parse(device)
        np.testing.assert_allclose(host(there), host(here), rtol=1e-4, atol=1e-5)
    optimisers[0].load_state_dict(optimisers[1].state_dict())  # and back
    train(modules[0], optimisers[0], x, 1)


def test_clipping(device):
    w, v = (tr.Parameter(tr.tensor(x, device=device)) for x in ([3.0], [4.0]))
    ((w * w).sum() + (v * v).sum()).backward()
    norm = optim.clip_grad_norm([w, v], 5.0)
    assert norm.device == tr.Device.parse(device)  # nothing is read back
    assert norm.item() == pytest.approx(10.0)
    np.testing.assert_allclose([w.grad.item(), v.grad.item()], [3.0, 4.0], rtol=1e-5)
    optim.clip_grad_value([w, v], 3.5)
    np.testing.assert_allclose([w.grad.item(), v.grad.item()], [3.0, 3.5], rtol=1e-5)


# -- the record ----------------------------------------


def test_tape_with_values_and_gradients(device):
    layer = nn.RNN(2, 3).to(device, dtype="float64")
    y, _ = layer(tr.ones(3, 1, 2, dtype="float64", device=device))
    loss = (y * y).mean()
    graph = tr.tape(loss, values=True, gradients=True)
    loss.backward()
    weights = {n.name: n for n in graph.nodes if n.trainable}
    np.testing.assert_allclose(host(weights["W_h"].gradient), host(layer.layer0.W_h.grad), **CLOSE["float64"])
    assert all(norm >= 0 for norm in graph.flow.values())


def test_anomalies(device):
    x = tr.tensor([-1.0, 1.0], device=device, requires_grad=True)
    with tr.detect_anomaly(), np.errstate(all="ignore"), pytest.raises(FloatingPointError, match="log gave nan"):
        tr.log(x)


def test_release_and_unchain(device):
    (w,) = on(device, np.array([2.0]))
    h = tr.tensor(np.array([1.0]), device=device)
    for t in range(5):
        with tr.step(t):
            h = h * w
        tr.unchain(h, before=t - 1)
    h.sum().backward(release=True)
    assert w.grad.tolist() == [32.0]


# -- training ----------------------------------------


class Recurrent(nn.Module):
    """Scores for each step, with dropout that does not act, so that devices can be compared."""

    def __init__(self):
        self.layer, self.dropout, self.scores = nn.LSTM(2, 3), nn.Dropout(0.0), nn.Linear(3, 4)

    def forward(self, x, lengths=None):
        y, _ = self.layer(x, lengths=lengths)
        return self.scores(self.dropout(y))


def test_a_trainer_moves_batches_to_its_model(device, tmp_path):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(5, 10, 2)), rng.integers(0, 4, (5, 10))
    lengths = rng.integers(1, 6, 10)
    mask = np.arange(5)[:, None] < lengths
    results = []
    for where in ("cpu", device):
        tr.manual_seed(0)
        model = Recurrent().to(where)
        optimizer = optim.Adam(model.parameters(), lr=0.05)
        trainer = tr.Trainer(model, nn.cross_entropy, optimizer, metrics=["accuracy", "perplexity"], clip_norm=0.5, batch_axis=1)
        early = tr.train.EarlyStopping("loss", patience=3)
        saving = tr.train.Checkpoint(tmp_path / f"{where.replace(':', '')}.safetensors", every_steps=1, resume=True)
        options = {"lengths": lengths, "mask": mask, "batch_size": 4, "shuffle": False}
        for epochs in (2, 3):  # the third is resumed
            history = trainer.fit(x, y, epochs=epochs, callbacks=[early, tr.train.GradientNorms(), saving], **options)
        assert {p.device for p in model.parameters()} == {tr.Device.parse(where)}
        scores = trainer.predict(tr.tensor(x, device=where), lengths=lengths, batch_size=3)  # or from there
        results.append((history, scores, trainer.evaluate(x, y, lengths=lengths, mask=mask)))
    (here, scores, measured), (there, others, found) = results
    assert isinstance(others, np.ndarray)
    np.testing.assert_allclose(others, scores, rtol=1e-3, atol=1e-4)
    assert found == pytest.approx(measured, rel=1e-4)
    assert len(here["loss"]) == 3 and there["loss"] == pytest.approx(here["loss"], rel=1e-4)
    for name, column in here.steps.items():
        assert there.steps[name] == pytest.approx(column, rel=1e-3)


def test_a_trainer_finds_where_a_loss_on_the_device_is_not_finite(device):
    model = nn.Linear(1, 1).to(device)
    trainer = tr.Trainer(model, lambda p, y: tr.log(p * 0).mean(), optim.SGD(model.parameters(), lr=1.0))
    with np.errstate(all="ignore"), pytest.raises(FloatingPointError, match=r"step 1 .*log gave -inf"):
        trainer.fit(np.ones((2, 1)), np.ones((2, 1)))


def test_a_training_on_the_device_goes_on_with_what_its_layers_carry(device, tmp_path):
    class Break(tr.train.Callback):
        def on_step_end(self, run):
            if run.step == 7:
                raise RuntimeError("power failure")

    def train(path, *callbacks):
        tr.manual_seed(0)
        layer = nn.Stateful(nn.LSTM(3, 4), return_state=False)
        model = nn.Sequential(nn.Embedding(5, 3), layer, nn.Linear(4, 5)).to(device)
        optimizer = optim.Adam(model.parameters(), lr=0.05)
        schedule = optim.CosineAnnealingLR(optimizer, 12)
        trainer = tr.Trainer(model, nn.cross_entropy, optimizer, metrics=["bits_per_character"], schedule=schedule)
        text = tr.data.Streams(np.arange(65) % 5, streams=4, window=4)
        stop = tr.train.EarlyStopping(patience=2)
        saving = tr.train.Checkpoint(path, every_steps=3, resume=True)
        history = trainer.fit(text, epochs=3, validation_data=text, callbacks=[stop, *callbacks, saving])
        return [host(p) for p in model.parameters()], history.history, history.steps

    weights, *records = train(tmp_path / "whole.safetensors")
    with pytest.raises(RuntimeError, match="power failure"):
        train(tmp_path / "broken.safetensors", Break())
    others, *found = train(tmp_path / "broken.safetensors")
    assert found == records and all(np.array_equal(p, q) for p, q in zip(weights, others, strict=True))


# -- sequence to sequence ----------------------------------------


def encoder_decoder(kind):
    tr.manual_seed(0)
    encoder = nn.Encoder(nn.Embedding(6, 3), nn.LSTM(3, 4))
    if kind == "Bahdanau":
        scores, attention = nn.Linear(4 + 3 + 4, 5), nn.AdditiveAttention(4, 4, 3)
        return nn.Seq2Seq(encoder, nn.BahdanauDecoder(nn.Embedding(5, 3), nn.LSTMCell(3 + 4, 4), scores, attention))
    attention = nn.DotAttention(4, score_mode="general")
    decoder = nn.LuongDecoder(nn.Embedding(5, 3), nn.GRUCell(3 + 2, 4), nn.Linear(2, 5), attention, nn.Linear(8, 2))
    return nn.Seq2Seq(encoder, decoder, nn.Bridge(8, 4))


@pytest.mark.parametrize("kind", ["Bahdanau", "Luong"])
def test_sequence_to_sequence(kind, device):
    source, target = np.array([[1, 2], [3, 0], [4, 0]]), np.array([[1, 1], [3, 4]])
    results = []
    for where in ("cpu", device):
        model = encoder_decoder(kind).to(where)
        on_it = [tr.tensor(x, device=where) for x in (source, target)]
        logits, weights = model(*on_it, lengths=[3, 1], return_attention_scores=True)
        parameters = list(model.parameters())
        first = tr.grad((logits * logits).mean() + (weights * weights).sum(), parameters, create_graph=True)
        second = tr.grad(sum([(g * g).sum() for g in first[1:]], start=(first[0] * first[0]).sum()), parameters)
        options = {"start": 1, "end": 2, "max_length": 4, "lengths": [3, 1]}
        found = (*model.generate(on_it[0], **options), *model.beam_search(on_it[0], **options, width=3))
        results.append([logits, weights, *first, *second, *found])
    assert_same(results[1], results[0], device, "float32")


def test_scheduled_sampling(device):
    model = encoder_decoder("Luong").to(device)
    model.sampling = 0.5
    source, target = (tr.tensor(np.ones((3, 40), int), device=device) for _ in range(2))
    tr.manual_seed(1)
    first = host(model(source, target))
    tr.manual_seed(1)
    np.testing.assert_array_equal(host(model(source, target)), first)
    assert np.unique(first[1].round(5), axis=0).shape[0] == 2  # the given symbol was read, or the decoder's own


@pytest.mark.parametrize("options", [{}, {"top_k": 3}, {"top_p": 0.7}, {"top_k": 3, "top_p": 0.9, "temperature": 0.5}])
def test_sampling(options, device):
    p = np.array([0.05, 0.4, 0.15, 0.3, 0.1])
    logits = tr.tensor(np.broadcast_to(np.log(p), (20_000, 5)), device=device)
    tr.manual_seed(0)
    codes = nn.sample(logits, **options)
    assert codes.device == tr.Device.parse(device) and codes.dtype == np.int64
    table = nn.distribution(logits[0], **options)
    expected = table.drawn[np.argsort(table.codes)]
    np.testing.assert_allclose(np.bincount(host(codes), minlength=5) / 20_000, expected, atol=0.017)
    tr.manual_seed(0)
    np.testing.assert_array_equal(host(nn.sample(logits, **options)), host(codes))
    assert set(host(nn.sample(logits, temperature=0.0))) == {1}


def test_writing_on(device):
    tr.manual_seed(0)
    embedding, layer, scores = nn.Embedding(6, 4), nn.GRU(4, 5), nn.Linear(5, 6)

    def model(codes, state):
        y, state = layer(embedding(codes), state)
        return scores(y), state

    here = nn.generate(model, np.array([[0, 1], [2, 3]]), 6, temperature=0.0, end=5)
    for module in (embedding, layer, scores):
        module.to(device)
    there = nn.generate(model, tr.tensor(np.array([[0, 1], [2, 3]]), device=device), 6, temperature=[0.0, 0.0], end=5)
    np.testing.assert_array_equal(host(there), host(here))
