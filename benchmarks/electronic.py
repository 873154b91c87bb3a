"""Electronic selection on this machine: exact scans and approximate searches of equal recall, side by side in one run.

    python benchmarks/electronic.py [--json]

Signatures and queries are Gaussian, as in `bank_recall.py`, or keys of the built-in cache (every token a block, the
mean query of a group). Exact scans in float32 and 8 bits, an inverted file of √N lists and a graph (HNSW), all by
faiss, and the same graph by hnswlib (extra `ann`; hnswlib is built by a C++ compiler), on one thread, one query at a
time. Of all searches the smallest setting is taken that finds RECALL of the best K, which is what the calibrated bank
reaches (`bank_recall.py`). Times are processor time, shortest of TURNS; a visit is one signature that a search compares
with the query. `law` is visits of the graph's search over N and d, least
squares of the logarithms over the Gaussian sets; the ledger's baseline `ann` has its numbers.
"""

import datetime
import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from calibration_speed import machine

from prism_photonics.extras import asked_by
from prism_photonics.ranking.keys import KeyCache
from prism_photonics.ranking.recall import recall_at_k

with asked_by("benchmarks/electronic.py"):
    import faiss
    import hnswlib

K, RECALL, QUERIES, TURNS = 32, 0.92, 200, 5
SIZES = ((1024, 32), (4096, 32), (16384, 32), (65536, 32), (4096, 64), (4096, 128))
PROBES = (1, 2, 4, 8, 12, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256)
BREADTHS = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 256, 384, 512)
"""How many candidates a graph's search keeps (efSearch)."""
LINKS, CONSTRUCTION = 16, 200
"""Links of a graph's signature, and candidates kept while it is built: the same in both libraries; design choice."""


class Graph:
    """hnswlib's graph with faiss's calls."""

    is_trained = True

    def __init__(self, dims: int, *, blocks: int):
        self._index = hnswlib.Index(space="ip", dim=dims)
        self._index.init_index(max_elements=blocks, M=LINKS, ef_construction=CONSTRUCTION, random_seed=0)

    def add(self, signatures: np.ndarray) -> None:
        """Hold the signatures."""
        self._index.add_items(signatures, num_threads=1)

    def keep(self, candidates: int) -> None:
        """Candidates that a search keeps."""
        self._index.set_ef(candidates)

    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Distances and numbers of the k best."""
        found, distances = self._index.knn_query(queries, k, num_threads=1)
        return distances, found.astype(np.int64)


def found_by(index: Any, queries: np.ndarray, exact: np.ndarray) -> float:
    """Recall of an index, mean over queries."""
    scores = np.full(exact.shape, -np.inf)
    for row, chosen in zip(scores, index.search(queries, K)[1], strict=True):
        row[chosen[chosen >= 0]] = 1.0
    return float(recall_at_k(scores, exact, k=K).mean())


def query_us(index: Any, queries: np.ndarray) -> float:
    """Processor time of one query in µs."""
    found = []
    for _ in range(TURNS):
        start = time.process_time()
        for query in queries:
            index.search(query[None], K)
        found.append((time.process_time() - start) / len(queries))
    return 1e6 * min(found)


def built(make: Callable[[], Any], signatures: np.ndarray) -> tuple[Any, float]:
    """An index that holds the signatures, and what making it took, in ms of processor time."""
    start = time.process_time()
    index = make()
    if not index.is_trained:
        index.train(signatures)
    index.add(signatures)
    return index, 1e3 * (time.process_time() - start)


def settled(
    index: Any, settings: tuple[int, ...], use: Callable[[int], None], asked: tuple[Any, Any]
) -> tuple[int, float]:
    """The smallest setting of enough recall, and its recall."""
    for setting in settings:
        use(setting)
        recall = found_by(index, *asked)
        if recall >= RECALL:
            return setting, recall
    return settings[-1], recall


def compare(signatures: np.ndarray, queries: np.ndarray, name: str) -> dict[str, Any]:
    """All roads over one set of signatures."""
    blocks, dims = signatures.shape
    exact, metric = queries @ signatures.T, faiss.METRIC_INNER_PRODUCT
    flat, flat_ms = built(lambda: faiss.IndexFlatIP(dims), signatures)
    eight, eight_ms = built(lambda: faiss.IndexScalarQuantizer(dims, faiss.ScalarQuantizer.QT_8bit, metric), signatures)
    quantizer, lists = faiss.IndexFlatIP(dims), round(blocks**0.5)
    inverted, inverted_ms = built(lambda: faiss.IndexIVFFlat(quantizer, dims, lists, metric), signatures)

    def graph_of() -> Any:
        made = faiss.IndexHNSWFlat(dims, LINKS, metric)
        made.hnsw.efConstruction = CONSTRUCTION
        return made

    graph, graph_ms = built(graph_of, signatures)
    probes, inverted_recall = settled(
        inverted, tuple(p for p in PROBES if p <= lists), lambda n: setattr(inverted, "nprobe", n), (queries, exact)
    )
    breadth, graph_recall = settled(graph, BREADTHS, lambda n: setattr(graph.hnsw, "efSearch", n), (queries, exact))
    other, other_ms = built(lambda: Graph(dims, blocks=blocks), signatures)
    kept, other_recall = settled(other, BREADTHS, other.keep, (queries, exact))
    faiss.cvar.hnsw_stats.reset()
    graph.search(queries, K)
    visits = faiss.cvar.hnsw_stats.ndis / len(queries)
    faiss.cvar.indexIVF_stats.reset()
    inverted.search(queries, K)
    probed = lists + faiss.cvar.indexIVF_stats.ndis / len(queries)
    exact_us = query_us(flat, queries)
    graph_us = query_us(graph, queries)
    inverted.nprobe = min(8, lists)
    return {
        "set": name, "blocks": blocks, "dims": dims, "exact_us": exact_us, "exact_build_ms": flat_ms,
        "int8_recall": found_by(eight, queries, exact), "int8_over_exact": query_us(eight, queries) / exact_us,
        "int8_build_ms": eight_ms, "eight_probes_recall": found_by(inverted, queries, exact), "lists": lists,
        "probes": probes, "inverted_recall": inverted_recall, "inverted_visits": probed,
        "inverted_over_exact": _at(inverted, probes, queries) / exact_us, "inverted_build_ms": inverted_ms,
        "breadth": breadth, "graph_recall": graph_recall, "graph_visits": visits,
        "graph_over_exact": graph_us / exact_us, "graph_build_ms": graph_ms,
        "hnswlib_breadth": kept, "hnswlib_recall": other_recall,
        "hnswlib_over_graph": query_us(other, queries) / graph_us, "hnswlib_build_over_graph": other_ms / graph_ms,
    }  # fmt: skip


def _at(inverted: Any, probes: int, queries: np.ndarray) -> float:
    inverted.nprobe = probes
    return query_us(inverted, queries)


def real() -> dict[str, Any]:
    """The built-in cache: means over its sequences and KV heads."""
    cache, found = KeyCache.load(), []
    group = cache.queries.shape[1] // cache.keys.shape[1]
    for sequence, keys in enumerate(cache.keys):
        for head, signatures in enumerate(keys):
            asked = cache.queries[sequence, head * group : (head + 1) * group].mean(0)
            signatures = np.ascontiguousarray(signatures - signatures.mean(0), dtype=np.float32)
            found.append(compare(signatures, np.ascontiguousarray(asked, dtype=np.float32), "keys"))
    return {
        key: value if isinstance(value, str) else float(np.mean([one[key] for one in found]))
        for key, value in found[0].items()
    }


def main() -> None:
    """Measure and print."""
    faiss.omp_set_num_threads(1)
    rng, lines = np.random.default_rng(0), []
    for blocks, dims in SIZES:
        signatures, queries = (rng.standard_normal((count, dims)).astype(np.float32) for count in (blocks, QUERIES))
        lines.append(compare(signatures, queries, "gaussian"))
    lines.append(real())
    logs = np.array([[1.0, np.log(x["blocks"]), np.log(x["dims"] / 32.0)] for x in lines[:-1]])
    fitted, *_ = np.linalg.lstsq(logs, np.log([x["graph_visits"] for x in lines[:-1]]), rcond=None)
    law = {"visits": float(np.exp(fitted[0])), "blocks_exponent": float(fitted[1]), "dims_exponent": float(fitted[2])}
    if "--json" in sys.argv:
        told = {"date": datetime.date.today().isoformat(), "hardware": machine()}
        told |= {"command": "python benchmarks/electronic.py --json", "k": K, "recall": RECALL}
        print(json.dumps(told | {"law": law, "lines": lines}, indent=2))
        return
    for line in lines:
        print(
            "  ".join(
                f"{key} {value if isinstance(value, str) else format(value, '.3g')}" for key, value in line.items()
            )
        )
    print(law)


if __name__ == "__main__":
    main()
