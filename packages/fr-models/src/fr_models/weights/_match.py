"""Which layer of a file belongs to which of a model's: by name, by what feeds it, or by order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise

from fr_models.weights._kinds import ROLES
from fr_models.weights._records import File, FileLayer, OurLayer, natural, words
from fr_models.weights._refusals import check_steps, check_windows

Pairs = dict[int, int]


def match(ours: Sequence[OurLayer], has_graph: bool, file: File) -> Pairs:
    """Positions in the file by positions in the model.

    A batch normalisation that the file has folded into the convolution before it has no entry.

    Raises
    ------
    ValueError
        If a layer has no counterpart, or order alone cannot tell it.
    """
    pairs = _by_name(ours, file)
    if file.has_graph and has_graph:
        if len(pairs) < len(ours):
            pairs = _by_graph(ours, file)
        else:
            _check_feeds(ours, file, pairs)
    elif len(pairs) < len(ours):
        pairs = _by_order(ours, has_graph, file, pairs)
    check_windows(ours, file, pairs)
    check_steps(ours, file, pairs)
    return pairs


def _by_name(ours: Sequence[OurLayer], file: File) -> Pairs:
    """Pair layers of one name, kind and shape.

    Names that Keras made up say nothing; those of its numbered files count if they fit for all layers.
    """
    positions = {layer.name: position for position, layer in enumerate(file.layers)}
    pairs = {}
    for position, our in enumerate(ours):
        found = positions.get(our.other_name if file.is_numbered else our.name)
        if found is None and "/" in our.name and not file.is_numbered:
            attributes = our.other_name.partition("/")[2]
            found = positions.get(f"{our.name.split('/')[0]}/{attributes}")
        if found is not None and (our.named or file.is_numbered) and _fits(our, file.layers[found]):
            pairs[position] = found
    return pairs if not file.is_numbered or len(pairs) == len(ours) == len(file.layers) else {}


def _check_feeds(ours: Sequence[OurLayer], file: File, pairs: Pairs) -> None:
    """Refuse a file whose layers of our names are connected in another way, as those of a deeper network."""
    for position, our in enumerate(ours):
        their = file.layers[pairs[position]]
        if their.feeds != {pairs[feed] for feed in our.feeds}:
            before = sorted(file.layers[feed].name for feed in their.feeds - {pairs[f] for f in our.feeds})
            expected = sorted(ours[feed].name for feed in our.feeds) or ["the input"]
            raise ValueError(
                f"{file.path}: {our.name}: expected it to be fed by {', '.join(expected)} alone, found "
                f"{', '.join(before) or 'fewer'}"
            )


def _fits(our: OurLayer, their: FileLayer) -> bool:
    """Whether shapes are equal: of what makes a kind, else of all tensors in order."""
    if our.kind == their.kind and "0" not in (*our.variables, *their.tensors):
        return our.shape == their.shape
    if {our.kind, their.kind} <= set(ROLES) and our.kind != their.kind:
        return False
    return [tuple(v.shape) for v in our.variables.values()] == [
        tuple(t.shape) for t in their.tensors.values()
    ]


def _by_graph(ours: Sequence[OurLayer], file: File) -> Pairs:
    """Walk the model along its graph; the counterpart of a layer is fed by the counterparts of its feeds."""
    theirs = file.layers
    followers = {layer.follower for layer in theirs}
    fed_by: dict[frozenset[int], list[int]] = defaultdict(list)
    for position, their in enumerate(theirs):
        fed_by[their.feeds].append(position)
    pairs: Pairs = {}
    ends: Pairs = {}  # as pairs, with the convolution where a batch normalisation is folded into it
    convolution_of = {our.follower: position for position, our in enumerate(ours) if our.follower is not None}
    taken: set[int] = set()
    for position, our in enumerate(ours):
        if position in convolution_of:
            convolution = ends[convolution_of[position]]
            follower = theirs[convolution].follower
            ends[position] = convolution if follower is None else follower
            if follower is None:
                continue
            candidates = [follower]
        else:
            feeds = frozenset(ends[feed] for feed in our.feeds)
            candidates = [
                found
                for found in fed_by[feeds]
                if found not in taken and not (our.kind == "bn" and found in followers)
            ]
        pairs[position] = ends[position] = _only(our, theirs, candidates, file.path)
        taken.add(pairs[position])
    return pairs


def _only(our: OurLayer, theirs: Sequence[FileLayer], candidates: Sequence[int], path: str) -> int:
    fitting = [found for found in candidates if _fits(our, theirs[found])]
    if len(fitting) > 1:
        part = our.name.split("/")[-1]
        fitting = [found for found in fitting if theirs[found].name.split("/")[-1] == part] or fitting
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        names = ", ".join(theirs[found].name for found in fitting)
        raise ValueError(f"{path}: {our.name}: {names} have the same inputs and shape; only names could tell")
    same_kind = [found for found in candidates if theirs[found].kind == our.kind] or candidates
    found = ", ".join(f"{words(theirs[at])} ({theirs[at].name})" for at in same_kind) or "nothing"
    raise ValueError(f"{path}: {our.name}: expected {words(our)}, found {found} at its place in the graph")


def _by_order(ours: Sequence[OurLayer], has_graph: bool, file: File, pairs: Pairs) -> Pairs:
    """Pair what names have left: layers of one kind and shape, one after the other."""
    theirs, ancestors = file.layers, _ancestors(ours)
    pairs = dict(pairs)
    convolutions = [p for p, our in enumerate(ours) if our.kind in ("conv", "depthwise") and p not in pairs]
    pairs |= _groups(ours, convolutions, has_graph, file, pairs, ancestors)
    for position, our in enumerate(ours):
        if our.follower is not None and our.follower not in pairs and position in pairs:
            follower = theirs[pairs[position]].follower
            if follower is not None and _fits(ours[our.follower], theirs[follower]):
                pairs[our.follower] = follower
    rest = [p for p in range(len(ours)) if p not in pairs]
    return pairs | _groups(ours, rest, has_graph, file, pairs, ancestors)


def _groups(
    ours: Sequence[OurLayer],
    wanted: Sequence[int],
    has_graph: bool,
    file: File,
    pairs: Mapping[int, int],
    ancestors: Sequence[int],
) -> Pairs:
    theirs, taken = file.layers, set(pairs.values())
    by_words: dict[str, list[int]] = defaultdict(list)
    for position in wanted:
        by_words[words(ours[position])].append(position)
    found_pairs: Pairs = {}
    for what, group in by_words.items():
        found = [p for p, their in enumerate(theirs) if words(their) == what and p not in taken]
        first = ours[group[0]]
        if len(found) != len(group):
            _refuse(first, len(group), len(found), file, {words(our) for our in ours})
        for before, after in pairwise(group):
            if not has_graph or not ancestors[after] >> before & 1:
                raise ValueError(
                    f"{file.path}: {ours[before].name}: {ours[after].name} has the same shape and does not "
                    "come after it; only names could tell which tensor of the file is whose"
                )
        if file.is_sorted:
            _check_names([theirs[p].name for p in found], first, file.path)
        found_pairs |= dict(zip(group, found, strict=True))
    return found_pairs


def _check_names(names: Sequence[str], first: OurLayer, path: str) -> None:
    """Refuse names whose order does not come from their numbers."""
    for one, other in pairwise(names):
        parts = zip(natural(one), natural(other), strict=False)
        differing = next(((a, b) for a, b in parts if a != b), ((-1, ""), (-1, "")))
        if min(differing)[0] < 0:
            raise ValueError(
                f"{path}: {first.name}: {one} and {other} have its shape; which comes first, the "
                "file does not tell"
            )


def _refuse(first: OurLayer, n_ours: int, n_theirs: int, file: File, wanted: set[str]) -> None:
    """Say what was expected, and what the file has: by name, else what no layer of ours wants."""
    if n_theirs:
        raise ValueError(
            f"{file.path}: {first.name}: expected {n_ours} layers {words(first)} that no name settles, "
            f"found {n_theirs}"
        )
    near = [their for their in file.layers if their.name in (first.name, first.other_name)] or [
        their for their in file.layers if their.kind == first.kind and words(their) not in wanted
    ]
    found = f"{words(near[0])} ({near[0].name})" if near else "none"
    raise ValueError(f"{file.path}: {first.name}: expected {words(first)}, found {found}")


def _ancestors(ours: Sequence[OurLayer]) -> list[int]:
    """For each layer the set, as bits, of all that it comes after."""
    before: list[int] = []
    for our in ours:
        bits = 0
        for feed in our.feeds:
            bits |= before[feed] | 1 << feed
        before.append(bits)
    return before
