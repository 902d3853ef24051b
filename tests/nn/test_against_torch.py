"""Outputs, states, gradients, training and second derivatives of RNN, LSTM and GRU are PyTorch's, in float64."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinyrnn as tr
from tinyrnn import io, nn, optim

torch = pytest.importorskip("torch", reason="this file compares with PyTorch")

KINDS = {
    "RNN": (nn.RNN, torch.nn.RNN, {}),
    "RNN relu": (nn.RNN, torch.nn.RNN, {"nonlinearity": "relu"}),
    "LSTM": (nn.LSTM, torch.nn.LSTM, {}),
    "LSTM with projection": (nn.LSTM, torch.nn.LSTM, {"proj_size": 2}),
    "GRU": (nn.GRU, torch.nn.GRU, {}),
}


def pair(kind, *sizes, seed=0, **options):
    """One of PyTorch's layers with random weights and biases, and ours with the same."""
    torch.manual_seed(seed)
    theirs = KINDS[kind][1](*sizes, **KINDS[kind][2], **options).double()
    return io.from_torch(theirs), theirs


def gradients_by_our_names(named_parameters, gru):
    """PyTorch's gradients as they must come out here: transposed, and that of the one bias is that of either of the two."""
    found = {}
    for name, p in named_parameters:
        what, part, place = name.split("_", 2)
        cell = "layer" + place[1:]
        if what == "weight":
            found[f"{cell}.{ {'ih': 'W_x', 'hh': 'W_h', 'hr': 'W_p'}[part] }"] = p.grad.numpy().T
        elif part == "ih" or gru:
            found[f"{cell}.{'b' if part == 'ih' else 'b_h'}"] = p.grad.numpy()
    return found


def assert_close(ours, theirs, tolerance=1e-10):
    np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)


sizes = st.integers(1, 4)


@settings(deadline=None, max_examples=60)
@given(
    kind=st.sampled_from(sorted(KINDS)),
    size=st.tuples(sizes, sizes),
    layers=st.integers(1, 3),
    bias=st.booleans(),
    bidirectional=st.booleans(),
    batch_first=st.booleans(),
    steps=st.integers(1, 6),
    batch=st.integers(1, 4),
    with_state=st.booleans(),
    with_lengths=st.booleans(),
    seed=st.integers(0, 2**20),
)
def test_outputs_states_and_all_gradients(
    kind, size, layers, bias, bidirectional, batch_first, steps, batch, with_state, with_lengths, seed
):
    rng = np.random.default_rng(seed)
    options = {"bias": bias, "bidirectional": bidirectional, "batch_first": batch_first}
    size = (size[0], size[1] + 2) if kind == "LSTM with projection" else size
    ours, theirs = pair(kind, *size, layers, seed=seed, **options)
    x = rng.normal(size=(batch, steps, size[0]) if batch_first else (steps, batch, size[0]))
    widths = {"LSTM": [size[1]] * 2, "LSTM with projection": [2, size[1]]}.get(kind, [size[1]])
    count = len(widths)
    states = [rng.normal(size=(layers * (1 + bidirectional), batch, width)) for width in widths]
    lengths = rng.integers(1, steps + 1, batch)
    lengths[rng.integers(batch)] = steps if rng.random() < 0.5 else lengths[0]

    x1 = tr.tensor(x, requires_grad=True)
    s1 = [tr.tensor(s, requires_grad=True) for s in states]
    y1, f1 = ours(x1, (s1 if count == 2 else s1[0]) if with_state else None, lengths=lengths.tolist() if with_lengths else None)
    f1 = f1 if count == 2 else (f1,)

    x2 = torch.tensor(x, requires_grad=True)
    s2 = [torch.tensor(s, requires_grad=True) for s in states]
    sequence = x2
    if with_lengths:
        sequence = torch.nn.utils.rnn.pack_padded_sequence(x2, torch.tensor(lengths), batch_first, enforce_sorted=False)
    y2, f2 = theirs(sequence, (tuple(s2) if count == 2 else s2[0]) if with_state else None)
    if with_lengths:
        y2, _ = torch.nn.utils.rnn.pad_packed_sequence(y2, batch_first, total_length=steps)
    f2 = f2 if count == 2 else (f2,)

    assert_close(y1.numpy(), y2.detach().numpy())
    for a, b in zip(f1, f2):
        assert_close(a.numpy(), b.detach().numpy())

    # one number out of all that came out, so that every gradient depends on every output
    factors = [rng.normal(size=v.shape) for v in (y1, *f1)]
    sum((v * k).sum() for v, k in zip((y1, *f1), factors)).backward()
    sum((v * torch.tensor(k)).sum() for v, k in zip((y2, *f2), factors)).backward()
    expected = gradients_by_our_names(theirs.named_parameters(), kind == "GRU")
    found = {name: p.grad for name, p in ours.named_parameters()}
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        assert_close(found[name].numpy(), gradient)
    assert_close(x1.grad.numpy(), x2.grad.numpy())
    if with_state:
        for a, b in zip(s1, s2):
            assert_close(a.grad.numpy(), b.grad.numpy())


# -- training ------------------------------------------------------------------------------------------------------

OPTIMISERS = {
    "SGD": ("SGD", {"lr": 0.3}),
    "SGD, momentum": ("SGD", {"lr": 0.1, "momentum": 0.9}),
    "SGD, Nesterov, decay": ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    "RMSprop": ("RMSprop", {"lr": 0.005}),
    "RMSprop, centred, momentum, decay": ("RMSprop", {"lr": 0.001, "centered": True, "momentum": 0.8, "weight_decay": 0.01}),
    "Adagrad": ("Adagrad", {"lr": 0.05}),
    "Adagrad, decay": ("Adagrad", {"lr": 0.05, "weight_decay": 0.01}),
    "Adam": ("Adam", {"lr": 0.01}),
    "Adam, decay": ("Adam", {"lr": 0.01, "betas": (0.8, 0.99), "weight_decay": 0.01}),
    "AdamW": ("AdamW", {"lr": 0.01}),
}
CLIPPING = {
    "no clipping": (lambda p: None, lambda p: None),
    "by norm": (lambda p: optim.clip_grad_norm(p, 0.1), lambda p: torch.nn.utils.clip_grad_norm_(p, 0.1)),
    "by value": (lambda p: optim.clip_grad_value(p, 0.02), lambda p: torch.nn.utils.clip_grad_value_(p, 0.02)),
}


def training(kind, optimiser, clipping, steps):
    """The losses of both libraries from the same weights, on the same data: symbols in, the next symbol out."""
    name, options = OPTIMISERS[optimiser]
    rng = np.random.default_rng(3)
    torch.manual_seed(5)
    recurrent, readout = pair(kind, 4, 5)[1], torch.nn.Linear(5, 4).double()
    embedding = torch.nn.Embedding(4, 4).double()
    for parameter, value in recurrent.named_parameters():
        if parameter.startswith("bias_hh") and kind != "GRU":  # here there is one bias: two would train twice as fast
            value.requires_grad_(False).zero_()
    ours = [io.from_torch(module) for module in (embedding, recurrent, readout)]
    p1 = [p for module in ours for p in module.parameters()]
    p2 = [p for module in (embedding, recurrent, readout) for p in module.parameters() if p.requires_grad]
    step1, step2 = getattr(optim, name)(p1, **options), getattr(torch.optim, name)(p2, **options)
    losses = []
    for _ in range(steps):
        symbols, following = rng.integers(0, 4, (6, 3)), rng.integers(0, 3, (6, 3))
        y, _ = ours[1](ours[0](symbols))
        loss1 = nn.cross_entropy(ours[2](y), following)
        step1.zero_grad()
        loss1.backward()
        CLIPPING[clipping][0](p1)
        step1.step()

        y, _ = recurrent(embedding(torch.tensor(symbols)))
        loss2 = torch.nn.functional.cross_entropy(readout(y).flatten(0, 1), torch.tensor(following).flatten())
        step2.zero_grad()
        loss2.backward()
        CLIPPING[clipping][1](p2)
        step2.step()
        losses.append((loss1.item(), loss2.item()))
    return np.array(losses).T


@pytest.mark.parametrize(
    ("optimiser", "clipping"),
    [
        *((optimiser, "no clipping") for optimiser in OPTIMISERS),
        *((o, c) for o in ("SGD, momentum", "AdamW") for c in CLIPPING if "by" in c),
    ],
)
def test_two_hundred_training_steps_follow(optimiser, clipping):
    ours, theirs = training("LSTM", optimiser, clipping, 200)
    assert ours[-20:].mean() < ours[:20].mean()  # it does learn
    assert_close(ours, theirs, 1e-6)


@pytest.mark.parametrize("kind", ["RNN", "RNN relu", "GRU"])
def test_training_follows_with_every_cell(kind):
    ours, theirs = training(kind, "Adam", "by norm", 200)
    assert_close(ours, theirs, 1e-6)


# -- second derivatives --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"num_layers": 2, "bidirectional": True}], ids=["one layer", "two, both ways"])
@pytest.mark.parametrize("kind", KINDS)
def test_second_derivatives(kind, options):
    """The gradient of a gradient penalty |∂L/∂x|² + Σ |∂L/∂w|² with respect to everything."""
    ours, theirs = pair(kind, 3, 4, seed=11, **options)
    rng = np.random.default_rng(12)
    x, width = rng.normal(size=(5, 2, 3)), 2 if kind == "LSTM with projection" else 4
    target = rng.normal(size=(5, 2, width * (1 + options.get("bidirectional", False))))

    x1 = tr.tensor(x, requires_grad=True)
    w1 = dict(ours.named_parameters())
    g1 = tr.grad(nn.mse(ours(x1)[0], target), [x1, *w1.values()], create_graph=True)
    penalty1 = sum((g * g).sum() for g in g1)
    second1 = dict(zip(["x", *w1], tr.grad(penalty1, [x1, *w1.values()])))

    x2 = torch.tensor(x, requires_grad=True)
    w2 = dict(theirs.named_parameters())
    if kind != "GRU":  # one bias here: its gradient enters the penalty once
        w2 = {name: p.requires_grad_(not name.startswith("bias_hh")) for name, p in w2.items()}
        w2 = {name: p for name, p in w2.items() if p.requires_grad}
    loss2 = torch.nn.functional.mse_loss(theirs(x2)[0], torch.tensor(target))
    g2 = torch.autograd.grad(loss2, [x2, *w2.values()], create_graph=True)
    penalty2 = sum((g * g).sum() for g in g2)
    assert_close(penalty1.item(), penalty2.item(), 1e-10)
    penalty2.backward()
    assert_close(second1.pop("x").numpy(), x2.grad.numpy(), 1e-8)
    expected = gradients_by_our_names(w2.items(), kind == "GRU")
    assert second1.keys() == expected.keys()
    for name, gradient in expected.items():
        assert_close(second1[name].numpy(), gradient, 1e-8)


# -- dropout between layers ----------------------------------------------------------------------------------------


def test_dropout_acts_between_layers_in_training_only():
    ours, theirs = pair("LSTM", 3, 4, 2, dropout=0.9)
    x = np.random.default_rng(0).normal(size=(4, 2, 3))
    assert ours.training and not np.allclose(ours(x)[0].numpy(), ours(x)[0].numpy())
    ours.eval(), theirs.eval()
    assert_close(ours(x)[0].numpy(), theirs(torch.tensor(x))[0].detach().numpy())
