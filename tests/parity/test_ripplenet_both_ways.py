"""RippleNet: triples that lead from tail to head, too."""

import pytest
from knowledge import with_graph

from tfrec.models.graph.ripplenet import RippleNet


@pytest.mark.parametrize("both_ways", [False, True])
def test_ripples_go_back_along_a_triple_if_asked_to(data, both_ways):
    known = with_graph(data)
    model = RippleNet(known.spec, hops=2, memories=32, both_ways=both_ways)
    model.adapt(known)
    graph = known.graph
    forth = set(zip(graph.head, graph.tail, strict=True))
    back = {(tail, head) for head, tail in forth} - forth
    drawn = [part.numpy()[2:].ravel() for part in (model.heads, model.tails)]
    found = {(head, tail) for head, tail in zip(*drawn, strict=True) if head}
    assert found <= forth | back
    assert bool(found & back) == both_ways
