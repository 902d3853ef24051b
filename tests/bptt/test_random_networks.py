"""Random networks, whose steps are not all alike: equations and contributions give what autograd gives."""

import random

import numpy as np
import pytest

import tinyrnn as tr
from tinyrnn import bptt, nn

from .networks import D, N, numbers
from .test_equations import agree, check_latex, leaves

OPERATIONS = (
    lambda a, b: tr.tanh(a),
    lambda a, b: tr.relu(a),
    lambda a, b: tr.softmax(a),
    lambda a, b: tr.sigmoid(a) * b,
    lambda a, b: a + b,
    lambda a, b: a - b,
    lambda a, b: a * 0.5,
    lambda a, b: a / (1.0 + b * b),
    lambda a, b: tr.maximum(a, b),
    lambda a, b: tr.where(np.arange(D) < 2, a, b),
    lambda a, b: tr.log(1.0 + tr.exp(a)),
    lambda a, b: a - tr.mean(a, axis=-1, keepdims=True),
    lambda a, b: tr.concatenate(tr.split(a, [1, 2])[::-1], axis=-1),
    lambda a, b: a[:, ::-1],
)


class Random(nn.Module):
    """A cell made of random operations, each of two values that are there."""

    def __init__(self, rng, seed):
        self.W, self.U = (tr.Parameter(0.4 * numbers(D, D, seed=seed + k)) for k in range(2))
        self.b = tr.Parameter(0.4 * numbers(D, seed=seed + 2))
        self.choices = [(rng.choice(OPERATIONS), rng.randrange(20), rng.randrange(20)) for _ in range(rng.randint(1, 6))]
        self.two = rng.random() < 0.4

    def forward(self, x, state):
        values = [x @ self.W + state[0] @ self.U + self.b, x, *state]
        for operation, i, j in self.choices:
            values.append(operation(values[i % len(values)], values[j % len(values)]))
        h = tr.tanh(values[-1])
        return h, values[-2] if self.two else h


def network(seed):
    """One or two random cells after each other, with a peculiarity of their steps and of their loss."""
    rng = random.Random(seed)
    steps, peculiarity, losses = rng.randint(3, 8), rng.randrange(5), rng.randrange(5)
    outputs, loss = [tr.tensor(numbers(N, D, seed=t), name="x") for t in range(steps)], 0.0
    for layer in range(rng.randint(1, 2)):
        cell, hs = Random(rng, 10 * layer), []
        state = tuple(tr.tensor(np.full((N, D), start)) for start in (0.1, 0.2))
        for t in reversed(range(steps)) if layer == 1 and peculiarity == 0 else range(steps):
            with tr.step(t):
                x = outputs[t]
                if peculiarity == 1 and len(hs) > 1:
                    x = x + hs[-2]
                if peculiarity == 2 and t == steps // 2:
                    x = x * 2.0
                h, other = cell(x, state)
                state = h, (other if cell.two else h)
                hs.append(h)
                if losses == 0 or (losses == 1 and t % 2 == 0):
                    loss = loss + tr.mean(h * h)
            if losses == 2:
                loss = loss + tr.sum(h)
        outputs = hs[::-1] if layer == 1 and peculiarity == 0 else hs
    y = tr.stack(outputs)
    if peculiarity == 3:
        loss = loss + tr.sum((y - tr.mean(y, axis=0)) ** 2)
    if losses == 3:
        loss = loss + tr.sum(y[-1] * y[-1])
    return loss + tr.mean(y * y)


@pytest.mark.parametrize(
    "seeds", [*(range(start, start + 15) for start in range(0, 120, 15)), (219, 236, 291, 321, 343, 695)], ids=str
)
def test_equations_and_contributions_agree_with_autograd(seeds):
    tried = 0
    for loss in map(network, seeds):
        if loss.requires_grad:
            tried += 1
            equations = bptt.equations(loss)
            assert str(equations)
            check_latex(equations.latex())
            agree(loss, equations.run())
            for leaf in leaves(loss):
                (gradient,) = tr.grad(loss, [leaf])
                if gradient is not None:
                    parts = bptt.contributions(loss, leaf)
                    np.testing.assert_allclose(parts.sum(axis=0), gradient.numpy(), rtol=1e-10, atol=1e-12)
    assert tried >= 5  # the others forget their weights


def test_one_input_that_is_read_in_two_loops():
    """Another module takes over halfway: x₁ … x₃ and x₄ … x₆ are read by different loops, and are one list."""
    W, h = tr.Parameter(numbers(D, D), name="W"), tr.Parameter(numbers(N, D), name="h0")
    for t in range(6):
        with tr.step(t), tr.scope("first" if t < 3 else "second"):
            (h,) = tr.named(h=tr.tanh((tr.tensor(numbers(N, D, seed=t), name="x") + h) @ W))
    loss = tr.sum(h * h)
    equations = bptt.equations(loss)
    assert len(equations.arguments["x"]) == 6
    agree(loss, equations.run())


def test_a_weight_that_cancels_out_has_a_gradient_of_zero():
    W, h = tr.Parameter(numbers(D, D), name="W"), tr.tensor(numbers(N, D))
    for t in range(3):
        with tr.step(t):
            a = h @ W
            h = tr.tanh(a - a)
    loss = tr.sum(h)
    equations = bptt.equations(loss)
    assert "∂L/∂W = " in str(equations)
    agree(loss, equations.run())
