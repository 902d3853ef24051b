"""Derived equations compute what autograd computes, at the length at which they were derived and at others."""

import ast
import re

import numpy as np
import pytest

import tinyrnn as tr
from tinyrnn import bptt, nn
from tinyrnn.primitive import REGISTRY

from ..cases import COMPOSED, CONSTANT, PRIMITIVES
from .networks import CELLS, IRREGULAR, NETWORKS, numbers

CASES = [case for group in (PRIMITIVES, CONSTANT, COMPOSED) for cases in group.values() for case in cases]


def leaves(loss):
    return [v for v in tr.graph.history(loss) if v.op is None and v.requires_grad]


def agree(loss, found):
    """Are these the loss, and the gradients of its leaves in their order?"""
    value, gradients = found
    wanted = [gradient for gradient in tr.grad(loss, leaves(loss)) if gradient is not None]
    assert len(gradients) == len(wanted)
    np.testing.assert_allclose(value, loss.item(), rtol=1e-10, atol=1e-12)
    for (name, gradient), expected in zip(gradients.items(), wanted):
        assert np.shape(gradient) == expected.shape, name
        np.testing.assert_allclose(gradient, expected.numpy(), rtol=1e-10, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("name", [*NETWORKS, *IRREGULAR])
@pytest.mark.parametrize("steps", [1, 2, 3, 10])
def test_equations_agree_with_autograd(name, steps):
    loss = {**NETWORKS, **IRREGULAR}[name](steps)
    equations = bptt.equations(loss)
    assert all(leaf.grad is None for leaf in leaves(loss))
    agree(loss, equations.run())
    assert "autograd" not in equations.program() and "tinyrnn" not in equations.program()
    check_latex(equations.latex())
    assert str(equations).split("Gradients")[1].count("∂L/∂") == len(leaves(loss))


@pytest.mark.parametrize("name", NETWORKS)
def test_equations_of_10_steps_hold_for_33(name):
    other = NETWORKS[name](33)
    there, here = bptt.equations(other), bptt.equations(NETWORKS[name](10))
    assert there.lengths.keys() == here.lengths.keys()
    agree(other, here.run(**there.lengths, **there.arguments))


@pytest.mark.parametrize("name", CELLS)
def test_the_text_is_the_same_for_any_length(name):
    assert str(bptt.equations(CELLS[name](5))) == str(bptt.equations(CELLS[name](40)))


# -- every primitive ---------------------------------------------------------------------------------------------


def in_a_loop(case, steps=2):
    """A loss that needs all results of a case at each of some steps."""
    rng = np.random.default_rng(0)
    inputs = [tr.Parameter(x, name=f"x_{k}") if x.dtype.kind == "f" else tr.Tensor(x) for k, x in enumerate(case.inputs)]
    s, loss = tr.Parameter(np.array(0.5), name="s"), tr.tensor(np.array(0.0))
    with tr.recording():
        for t in range(steps):
            with tr.step(t):
                y = case.f(*inputs)
                for part in y if isinstance(y, (list, tuple)) else [y]:
                    part = part if part.dtype.kind == "f" else tr.cast(part, dtype="float64")
                    loss = loss * s + tr.sum(part * tr.tensor(rng.normal(size=part.shape), name="v"))
    return loss


def test_the_cases_know_every_primitive():
    assert set(PRIMITIVES) | set(CONSTANT) == set(REGISTRY)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # some cases are about infinities
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_primitive_can_be_written_and_run(case):
    loss = in_a_loop(case)
    equations = bptt.equations(loss)
    agree(loss, equations.run())
    check_latex(equations.latex())
    assert str(equations)


# -- LaTeX -------------------------------------------------------------------------------------------------------


def check_latex(text):
    """Braces, environments and pairs of left and right are closed in order; no character is one that LaTeX lacks."""
    stack = []
    for token in re.findall(r"\\begin\{\w+\}|\\end\{\w+\}|\\left|\\right|\\.|[{}]", text):
        if token.startswith("\\begin") or token in ("{", "\\left"):
            stack.append(token)
        elif token.startswith("\\end"):
            assert stack.pop() == token.replace("end", "begin")
        elif token in ("}", "\\right"):
            assert stack.pop() == {"}": "{", "\\right": "\\left"}[token]
    assert not stack
    assert not re.search(r"[₀-₉ₐ-ₜᵀ⊙Σ∂δ⁽⁾·×∞≤≥≠−]", text), text
    assert "^{}" not in text and "_{}" not in text
    assert not re.search(r"[\^_]\{[^{}]*\}[\^_]\{[^{}]*\}[\^_]|\^\{[^{}]*\}\^|_\{[^{}]*\}_", text), "two scripts at one place"


def test_a_notebook_shows_latex():
    equations = bptt.equations(CELLS["RNN"](4))
    assert equations._repr_latex_() == f"$$\n{equations.latex()}\n$$"
    assert r"\frac{\partial L}{\partial W_{h}} &= \textstyle\sum_t h_{t-1}^{\top} \, \delta a_{t}" in equations.latex()


# -- names -------------------------------------------------------------------------------------------------------


def test_names_collide_neither_in_the_text_nor_in_the_program():
    equations = bptt.equations(NETWORKS["awkward names"](10))
    run = ast.parse(equations.program()).body[-1]
    arguments = [argument.arg for argument in run.args.args]
    assert len(set(arguments)) == len(arguments)
    lefts = [line.split(" = ")[0].strip() for line in str(equations).splitlines() if " = " in line and "for" not in line]
    assert len(set(lefts)) == len(lefts)


def test_layers_and_directions_have_tags():
    text = str(bptt.equations(NETWORKS["two layers, both directions"](10)))
    assert text.startswith("⁽¹⁺⁾ layer0, ⁽¹⁻⁾ layer0_reverse, ⁽²⁺⁾ layer1, ⁽²⁻⁾ layer1_reverse")
    assert "∂L/∂Wₕ⁽²⁻⁾ = Σₜ h⁽²⁻⁾ₜ₊₁ᵀ δa⁽²⁻⁾ₜ" in text
    assert "h⁽¹⁾ₜ = [h⁽¹⁺⁾ₜ  h⁽¹⁻⁾ₜ]" in text


def test_bare_arrays_are_inputs_as_tensors_are():
    """Also where they are read twice, and though NumPy itself has transposed them."""

    def loss(x):
        W, U = (tr.Parameter(numbers(3, 3, seed=k), name=name) for k, name in enumerate("WU"))
        h = tr.tensor(numbers(2, 3, seed=2))
        for t in range(5):
            with tr.step(t):
                (h,) = tr.named(h=tr.tanh(x[t] @ W + h @ U) + x[t])
        return tr.sum(h * h)

    x = numbers(5, 2, 3, seed=9)
    views = [x[t] for t in range(5)]
    bare, tensors = bptt.equations(loss(x)), bptt.equations(loss([tr.tensor(view) for view in views]))
    assert str(bare) == str(tensors) and "∂L/∂W = Σₜ xₜᵀ δaₜ" in str(bare)
    assert bare.arguments.keys() == tensors.arguments.keys()
    agree(loss(x), bare.run())


def test_a_loop_is_called_after_the_module_in_it():
    """Whatever else it computes outside of that; and by no number of the record's."""
    assert str(bptt.equations(NETWORKS["both directions by hand"](5))).startswith("⁽¹⁾ there, ⁽²⁾ back\n")


def test_gradients_are_called_as_the_model_calls_its_parameters():
    model = nn.LSTM(3, 4, 2)
    y, _ = model(tr.randn(5, 2, 3))
    _, gradients = bptt.equations(tr.mean(y * y)).run()
    assert set(gradients) == {name for name, _ in model.named_parameters()}


# -- what goes wrong ---------------------------------------------------------------------------------------------


def test_errors_say_what_is_wrong():
    w = tr.Parameter(np.array([2.0, 3.0]), name="w")
    with pytest.raises(TypeError, match="expected a loss, a Tensor, not float"):
        bptt.equations(1.0)
    with pytest.raises(ValueError, match=r"shape \(2,\)"):
        bptt.equations(w * w)
    with pytest.raises(RuntimeError, match="nothing that requires a gradient"):
        bptt.equations(tr.tensor(1.0))
    released = tr.sum(w * w)
    released.backward(release=True)
    with pytest.raises(RuntimeError, match="history"):
        bptt.equations(released)
    gradient = tr.grad(tr.sum(w**3), w, create_graph=True)
    with pytest.raises(ValueError, match="computed from gradients"):
        bptt.equations(tr.sum(gradient * gradient))
    with pytest.raises(TypeError, match="no argument 'W_q'; it has T, W_x"):
        bptt.equations(CELLS["RNN"](4)).run(W_q=1)


def test_an_operation_of_a_user_is_written_but_not_run(monkeypatch):
    monkeypatch.setattr("tinyrnn.primitive.REGISTRY", dict(REGISTRY))  # which the operation enters

    @tr.primitive.elementwise
    def cube(xp, x):
        return x**3

    cube.vjps(lambda g, y, x: g * 3 * x * x)
    w, h = tr.Parameter(np.array(0.5), name="w"), tr.tensor(np.array(0.7), name="h")
    for t in range(4):
        with tr.step(t):
            (h,) = tr.named(h=cube(w * h))
    equations = bptt.equations(h)
    assert "hₜ = cube(pₜ)" in str(equations)
    check_latex(equations.latex())
    with pytest.raises(NotImplementedError, match="'cube' is none of tinyrnn's"):
        equations.run()


def test_no_value_reads_like_a_step_of_another():
    """Beside s1, the second part of a state without names, an s at step 1 would look the same."""

    class Trace(nn.Module):
        state_sizes = (4, 4)

        def forward(self, x, state):
            h, m = state
            m = 0.9 * m + x * h
            return tr.tanh(m), m

    h, m = tr.tensor(numbers(2, 4), requires_grad=True), tr.tensor(numbers(2, 4))
    y, _ = nn.Recurrent(Trace())(numbers(5, 2, 4), (h, m))
    text = str(bptt.equations(tr.mean(y * y)))
    assert "s₁ₜ = " in text and not re.search("sₜ|s₁ =", text)


def test_other_arguments_may_be_tensors_and_lists():
    equations = bptt.equations(CELLS["RNN"](4))
    x = [tr.tensor(numbers(2, 3, seed=t)) for t in range(6)]
    value, _ = equations.run(T=6, x=x)
    expected, _ = equations.run(T=6, x=np.stack([a.numpy() for a in x]))
    assert value == expected != equations.run()[0]
