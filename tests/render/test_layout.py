"""The layout: each stage against exhaustive search on tiny graphs, all of it on random ones, and against Graphviz."""

import time
from itertools import combinations, permutations, product

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import tinyrnn as tr
from tinyrnn import render
from tinyrnn.render import layout
from tinyrnn.render.curve import sampled
from tinyrnn.render.layout import Outline, Task, layers, ranks, sifting
from tinyrnn.render.layout.routes import Way
from tinyrnn.render.layout.simplex import Gap, Line, Tie

from .models import MODELS

SHAPES = [Outline(16, 16, 8.0), Outline(27, 19, 5.0), Outline(38, 19), Outline(30, 37, None), Outline(16, 2, None)]


@st.composite
def graphs(draw, most=7, edges=1.6):
    """(count, edges): a graph without cycles; its nodes are numbered in any order."""
    count = draw(st.integers(2, most))
    pairs = list(combinations(draw(st.permutations(range(count))), 2))
    chosen = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=round(edges * count)))
    return count, [(a, b, draw(st.sampled_from([1, 2, 8]))) for a, b in chosen]


@st.composite
def tasks(draw, most=14):
    count, edges = draw(graphs(most))
    nodes = st.lists(st.integers(0, count - 1), unique=True, max_size=3)
    left = draw(nodes)
    right = [node for node in draw(nodes) if node not in left]
    pairs = [(a, b) for a, b in combinations(draw(nodes), 2)]
    outlines = tuple(draw(st.sampled_from(SHAPES)) for _ in range(count))
    return Task(outlines, tuple(edges), tuple(left), tuple(right), tuple(pairs))


# -- network simplex ---------------------------------------------------------------------------------------------


@st.composite
def lines(draw):
    count = draw(st.integers(2, 4))
    pairs = list(combinations(range(count), 2))
    gaps = [
        Gap(a, b, draw(st.integers(0, 2)), draw(st.integers(0, 2))) for a, b in draw(st.lists(st.sampled_from(pairs), max_size=4))
    ]
    ties = [Tie(a, a + 1, draw(st.integers(1, 3))) for a in range(count - 1)]  # holds all together
    ties += [
        Tie(a, b, draw(st.integers(1, 3)), draw(st.integers(-2, 2)))
        for a, b in draw(st.lists(st.sampled_from(pairs), max_size=4))
    ]
    x = [0] * count
    for gap in sorted(gaps, key=lambda gap: gap.b):
        x[gap.b] = max(x[gap.b], x[gap.a] + gap.least)
    return x, gaps, ties


def price(x, gaps, ties):
    if any(x[b] - x[a] < least for a, b, least, _ in gaps):
        return np.inf
    lengths = sum(weight * (x[b] - x[a]) for a, b, _, weight in gaps)
    return lengths + sum(weight * abs(x[b] - x[a] - shift) for a, b, weight, shift in ties)


@given(lines())
@settings(deadline=None, max_examples=100)
def test_simplex_finds_the_cheapest_places_and_all_that_are_as_cheap(line):
    """Exhaustively: whole numbers suffice, and no more than the sum of all distances is ever needed."""
    start, gaps, ties = line
    assume(price(start, gaps, ties) < np.inf)
    solved = Line(start.copy(), gaps, ties).solve()
    ends = solved.extreme(-1), solved.extreme(+1)
    reach = range(-8, 9)
    prices = {rest: price((0, *rest), gaps, ties) for rest in product(reach, repeat=len(start) - 1)}
    least = min(prices.values())
    assert price(solved.x, gaps, ties) == least
    best = np.array([rest for rest, cost in prices.items() if cost == least]).reshape(-1, len(start) - 1)
    for end, place in zip((best.min(0), best.max(0)), ends):
        assert place[0] == solved.x[0] and price(place, gaps, ties) == least
        assert [p - place[0] for p in place[1:]] == end.tolist()


def test_simplex_stops_when_its_effort_is_spent(monkeypatch):
    monkeypatch.setattr(layout.simplex, "EFFORT", 0)
    line = Line([0, 5, 9], [Gap(0, 1, 1), Gap(1, 2, 1)], [Tie(0, 2, 1)]).solve()
    assert line.x[1] - line.x[0] >= 1 and line.x[2] - line.x[1] >= 1


# -- ranks -------------------------------------------------------------------------------------------------------


@given(graphs(5))
@settings(deadline=None, max_examples=60)
def test_ranks_are_as_close_as_can_be(graph):
    count, edges = graph
    found = ranks.assign(count, edges)

    def length(rank):
        spans = [(rank[head] - rank[tail], weight) for tail, head, weight in edges]
        return np.inf if any(span < 1 for span, _ in spans) else sum(span * weight for span, weight in spans)

    assert min(found) == 0
    assert length(found) == min(map(length, product(range(count), repeat=count)))


def test_leaves_stand_directly_below_what_reads_them_first():
    edges = [(0, 1, 2), (1, 2, 2), (2, 3, 2), (4, 3, 2), (5, 2, 2), (5, 3, 2)]
    assert ranks.assign(6, edges) == [0, 1, 2, 3, 2, 1]


@pytest.mark.parametrize(
    "edges, free",
    [
        ([(0, 1), (0, 2), (0, 3), (1, 4), (2, 4), (4, 5), (3, 5)], 3),  # beside 1 and 2, which read 0, too
        ([(0, 1), (1, 2), (2, 3), (0, 4), (4, 3)], 4),  # beside 2, which 3 reads, too
    ],
)
def test_what_may_stand_anywhere_stands_where_it_has_company(edges, free):
    count = 6 if free == 3 else 5
    rank = ranks.assign(count, [(a, b, 2) for a, b in edges])
    assert rank[free] == (1 if free == 3 else 2)


def test_given_pairs_share_a_rank_unless_one_feeds_the_other():
    edges = [(0, 1, 2), (1, 2, 2), (3, 2, 2)]
    assert ranks.assign(4, edges, [(0, 3)])[3] == 0
    assert ranks.assign(4, edges, [(0, 2)]) == ranks.assign(4, edges)


@given(st.integers(1, 6), st.data())
@settings(deadline=None, max_examples=60)
def test_cycles_lose_one_edge_each_and_no_more(count, data):
    pairs = [(a, b) for a, b in product(range(count), repeat=2) if a != b]
    edges = data.draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
    down = ranks.backward(count, edges)
    rank = ranks.assign(count, [(a, b, 1) for a, b in edges])
    assert all((rank[a] > rank[b]) if i in down else (rank[a] < rank[b]) for i, (a, b) in enumerate(edges))
    for number in down:  # without it, its head leads to its tail
        rest = [edge for i, edge in enumerate(edges) if i not in down or i == number]
        assert ranks.backward(count, rest)


# -- order -------------------------------------------------------------------------------------------------------


def cut_up(count, edges, **sides):
    cut = layers.cut(ranks.assign(count, edges), edges)
    return cut, sifting.Sifting(cut, sides.get("left", ()), sides.get("right", ()), sides.get("given", ()))


def crossings(cut, order):
    """Two joints between the same ranks cross if their ends are in opposite orders."""
    place = {block: i for i, block in enumerate(order)}
    joints = [(a, b, rank) for a, b, *_ in cut.joints for rank in [cut.high[a]]]
    joints += [
        (block, block, rank) for block in range(cut.count, len(cut.low)) for rank in range(cut.low[block], cut.high[block])
    ]
    return sum(r == s and (place[a] - place[b]) * (place[c] - place[d]) < 0 for (a, c, r), (b, d, s) in combinations(joints, 2))


@given(graphs(8), st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=80)
def test_cost_counts_crossings(graph, random):
    cut, order = cut_up(*graph)
    blocks = list(range(len(cut.low)))
    random.shuffle(blocks)
    assert order.cost(blocks, order.pairs()) // sifting.CROSSING == crossings(cut, blocks)


@given(graphs(8), st.lists(st.integers(0, 1), max_size=2), st.lists(st.integers(2, 3), max_size=2))
@settings(deadline=None, max_examples=60)
def test_no_block_alone_can_be_put_better(graph, left, right):
    assume(graph[0] > 3)
    _, order = cut_up(*graph, left=left, right=right)
    pairs = order.pairs()
    for cost, found in order.best():
        for block in found:
            rest = [other for other in found if other != block]
            moved = [rest[:i] + [block] + rest[i:] for i in range(len(found))]
            assert cost <= min(order.cost(other, pairs) for other in moved)


def test_few_crossings_are_as_few_as_can_be():
    """Against every order of every rank, in which long arrows may change sides on their way."""
    rng, found, fewest = np.random.default_rng(0), 0, 0
    rows = [(0, 1, 2), (3, 4, 5, 9), (6, 7, 8)]  # 9: a long arrow on its way
    places = [{node: i for row in order for i, node in enumerate(row)} for order in product(*map(permutations, rows))]
    for _ in range(100):
        steps = [(a, b) for low, high in ((rows[0], rows[1][:3]), (rows[1][:3], rows[2])) for a, b in product(low, high)]
        edges = [steps[i] for i in rng.choice(len(steps), 10, replace=False)]
        edges += [(a, b) for a, b in ((0, 3), (1, 4), (2, 5), (3, 6), (4, 7), (5, 8)) if (a, b) not in edges]  # holds the ranks
        long = (int(rng.integers(3)), int(rng.integers(6, 9)))
        cut = layers.cut([0] * 3 + [1] * 3 + [2] * 3, [(*edge, 1) for edge in [*edges, long]])
        found += sifting.Sifting(cut, (), ()).best()[0][0] // sifting.CROSSING
        joints = np.array([*edges, (long[0], 9), (9, long[1])])
        pairs = np.array([(i, j) for i, j in combinations(range(len(joints)), 2) if (joints[i, 0] < 3) == (joints[j, 0] < 3)])
        place = np.array([[p[node] for node in range(10)] for p in places])
        ends = place[:, joints[pairs]]  # order, pair, which of the two, which end
        fewest += ((ends[..., 0, 0] - ends[..., 1, 0]) * (ends[..., 0, 1] - ends[..., 1, 1]) < 0).sum(1).min()
    print(f"{found} crossings, {fewest} at best")
    assert fewest <= found <= 1.02 * fewest


@given(tasks())
@settings(deadline=None, max_examples=60)
def test_sides_and_given_pairs_are_kept(task):
    rank = ranks.assign(len(task.outlines), task.edges, task.order)
    done = layout.lay_out(task)
    x, y = zip(*done.centres)
    side = {**dict.fromkeys(task.left, -1), **dict.fromkeys(task.right, 1)}
    given = [(a, b) for a, b in task.order if rank[a] == rank[b]]
    assert all(x[a] < x[b] for a, b in given)
    for a, b in combinations(range(len(x)), 2):
        if y[a] == y[b] and not given:
            assert (side.get(a, 0) - side.get(b, 0)) * (x[a] - x[b]) >= 0


# -- curves ------------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(-50, 50), st.integers(1, 40)), min_size=2, max_size=6))
def test_ways_never_swing_out(knots):
    """Between two knots a way stays between their places, whatever comes before and after."""
    heights = np.cumsum([high for _, high in knots])
    way = Way([(float(x), float(y)) for (x, _), y in zip(knots, heights)])
    for (x0, y0), (x1, y1) in zip(way.knots, way.knots[1:]):
        xs = [way.at(y) for y in np.linspace(y0, y1, 20)]
        assert min(x0, x1) - 1e-9 <= min(xs) and max(xs) <= max(x0, x1) + 1e-9
    assert np.allclose([way.at(y) for _, y in sampled(way.chain())], [x for x, _ in sampled(way.chain())], atol=1e-6)


@pytest.mark.parametrize("outline", SHAPES)
@pytest.mark.parametrize("angle", np.linspace(0, 2 * np.pi, 9))
def test_arrows_end_on_the_outline(outline, angle):
    far, centre = (40 * np.cos(angle) + 3, 40 * np.sin(angle) + 5), (3.0, 5.0)
    thirds = [tuple(np.add(np.multiply(far, 1 - t), np.multiply(centre, t))) for t in (0, 1 / 3, 2 / 3, 1)]
    x, y = np.subtract(outline.clipped(thirds, centre)[-1], centre)
    assert not outline.holds(x * 1.001, y * 1.001) and outline.holds(x * 0.999, y * 0.999)


# -- all of it ---------------------------------------------------------------------------------------------------


def faults(task, done):
    """Nodes that overlap, arrows that run behind nodes, do not meet their ends, go down, or leave the page."""
    centres = np.array(done.centres)
    halves = np.array([(outline.width / 2, outline.height / 2) for outline in task.outlines])
    apart = abs(centres[:, None] - centres) - halves[:, None] - halves
    yield from (f"{a} and {b} overlap" for a, b in combinations(range(len(centres)), 2) if (apart[a, b] < 5).all())
    down = ranks.backward(len(centres), [edge[:2] for edge in task.edges])
    for i, ((tail, head, _), chain) in enumerate(zip(task.edges, done.curves)):
        points = np.array(sampled(chain, 8))
        behind = (abs(points[:, None] - centres) < halves - 0.1).all(-1).any(0)
        yield from (f"{tail} → {head} runs behind {node}" for node in np.flatnonzero(behind) if node not in (tail, head))
        for end, point in ((tail, points[0]), (head, points[-1])):
            x, y = point - centres[end]
            outline = task.outlines[end]
            if outline.holds(x * 1.01, y * 1.01) or not outline.holds(x * 0.99, y * 0.99):
                yield f"{tail} → {head} does not meet {end}"
        if not task.order and i not in down and not (np.diff(points[:, 1]) > -1e-6).all():
            yield f"{tail} → {head} does not go up"
        if not ((points >= 0).all() and (points <= (done.width, done.height)).all()):
            yield f"{tail} → {head} leaves the page"
    if not ((centres - halves >= 0).all() and (centres + halves <= (done.width, done.height)).all()):
        yield "a node leaves the page"


@given(tasks())
@settings(deadline=None, max_examples=150)
def test_random_graphs_have_no_faults(task):
    assert list(faults(task, layout.lay_out(task))) == []


@given(tasks())
@settings(deadline=None, max_examples=20)
def test_the_same_task_has_the_same_layout(task):
    first = layout.lay_out(task)
    layout.lay_out.cache_clear()
    assert layout.lay_out(task) == first


@pytest.mark.parametrize("edges", [[(0, 1), (1, 0)], [(0, 0)], [(0, 1), (1, 2), (2, 0), (2, 2)]])
def test_cycles_are_drawn(edges):
    done = layout.lay_out(Task((SHAPES[1],) * 3, tuple((a, b, 2) for a, b in edges)))
    assert len(done.curves) == len(edges) and all(len(chain) >= 4 for chain in done.curves)


def test_nothing_at_all():
    assert layout.lay_out(Task((), ())).centres == ()
    alone = layout.lay_out(Task((SHAPES[1],), ()))
    assert alone.centres == ((alone.width / 2, alone.height / 2),)


def test_an_arrow_alone_is_upright_and_parents_stand_in_the_middle():
    chain = layout.lay_out(Task((SHAPES[0], SHAPES[2], SHAPES[1]), ((0, 1, 2), (1, 2, 8))))
    assert len({x for x, _ in chain.centres}) == 1
    tree = layout.lay_out(Task((SHAPES[1],) * 3, ((0, 2, 2), (1, 2, 2))))
    (a, _), (b, _), (middle, _) = tree.centres
    assert middle == pytest.approx((a + b) / 2, abs=0.1) and a < b


def test_arguments_stand_in_their_order():
    """What crosses nothing is not turned round: x W stands left of W, and i, f, g, o side by side."""
    edges = [(0, 2, 2), (1, 2, 2), (2, 3, 2), (2, 4, 2), (2, 5, 2), (2, 6, 2)]
    x = [x for x, _ in layout.lay_out(Task((SHAPES[1],) * 7, tuple(edges))).centres]
    assert x[0] < x[1] and x[3] < x[4] < x[5] < x[6]


def test_fastened_arrows_begin_and_end_upright_where_they_are_fastened():
    """Two arguments of a wide box stand below the places where it reads them, and what reads it above where it is read."""
    edges, joints = ((0, 2, 2), (1, 2, 2), (2, 3, 2)), ((None, -30.0), (None, 30.0), (45.0, None))
    done = layout.lay_out(Task((SHAPES[0], SHAPES[0], Outline(100, 40), SHAPES[1]), edges, joints=joints))
    (a, _), (b, _), (x, y), (c, _) = done.centres
    assert [a - x, b - x, c - x] == pytest.approx([-30.0, 30.0, 45.0], abs=0.11)
    for (px, py), side, shift in ((done.curves[0][-1], -20, -30), (done.curves[1][-1], -20, 30), (done.curves[2][0], 20, 45)):
        assert (px - x, py - y) == pytest.approx((shift, side))
    crowded = ((0, 3, 2), (1, 3, 2), (2, 3, 2))
    done = layout.lay_out(Task((SHAPES[2],) * 3 + (Outline(100, 40),), crowded, joints=((None, 40.0),) * 3))
    assert all(chain[-2][0] == pytest.approx(chain[-1][0]) for chain in done.curves)


def test_layers_that_are_alike_are_laid_out_once():
    layout.lay_out.cache_clear()
    render.svg(tr.tape(MODELS["rnn3"](2)))
    before = layout.lay_out.cache_info()
    assert before.hits >= 2
    render.svg(tr.tape(MODELS["rnn3"](5)))
    assert layout.lay_out.cache_info().misses == before.misses


# -- speed, and Graphviz -----------------------------------------------------------------------------------------


def computation(count, seed=1):
    """A graph such as a recorded computation makes: each node reads one or two of those just before it."""
    rng, edges = np.random.default_rng(seed), {}
    for node in range(1, count):
        for _ in range(rng.choice(3, p=[0.25, 0.3, 0.45])):
            read = int(rng.integers(node)) if rng.random() < 0.02 else node - 1 - int(rng.random() ** 2 * min(node, 6))
            if read >= 0:
                edges[read, node] = int(rng.choice([2, 8]))
    outlines = tuple(SHAPES[int(i)] for i in rng.integers(3, size=count))
    return Task(outlines, tuple((a, b, weight) for (a, b), weight in edges.items()), (1, 2), (count - 1, count - 2))


@pytest.mark.parametrize("count", [1000, 5000])
def test_large_graphs_finish(count):
    task = computation(count)
    started = time.process_time()
    done = layout.lay_out(task)
    assert time.process_time() - started < 30
    assert np.isfinite(done.centres).all() and len(done.curves) == len(task.edges)


def test_one_node_that_all_read_does_not_hang():
    """A shared weight of a loop without steps: its arrows pass all ranks."""
    count = 1500
    task = Task((SHAPES[0],) * count, tuple((0, i, 2) for i in range(1, count)) + tuple((i - 1, i, 2) for i in range(2, count)))
    started = time.process_time()
    layout.lay_out(task)
    assert time.process_time() - started < 30


@pytest.mark.slow
@pytest.mark.parametrize("count, limit", [(30, 0.03), (100, 0.3), (1000, 8.0)])
def test_speed(count, limit):
    times = []
    for seed in range(5 if count < 1000 else 1):
        task = computation(count, seed)
        started = time.process_time()
        layout.lay_out(task)
        times.append(time.process_time() - started)
    print(f"{count} nodes: {1000 * np.median(times):.1f} ms")
    assert np.median(times) < limit
