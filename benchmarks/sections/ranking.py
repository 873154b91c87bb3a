"""Ranking: the behavioral model, language models, and what an electronic scan takes."""

from sections.tables import grid, load, section, table

POINTS = [(context, block) for block in (16, 64, 128) for context in (1024, 4096, 16384)]
SELECTORS = (
    *("full", "oracle", "mean_key", "photonic_mean_key", "bound", "photonic_bound", "photonic_learned"),
    *("photonic_hierarchical", "hierarchical_learned", "salca_like", "streaming_llm", "h2o", "random"),
)


def held_out() -> str:
    """The behavioral model against dies that its fit never saw."""
    found = load("held_out")
    head = (
        "die",
        "KS p: Gaussian",
        "real",
        "noise, model / chip",
        "recall, Gaussian: chip",
        "model",
        "real: chip",
        "model",
    )
    rows = [tuple(die.values()) for die in found["dies"]]
    note = (
        f"The demonstrator, fitted on die {found['fitted_on_die']}; p-values of the Kolmogorov–Smirnov test of the "
        "score errors."
    )
    return section("The behavioral model on dies it never saw", "held_out", found, note + "\n\n" + grid(head, rows))


def needles() -> str:
    """The needle table of both models."""
    found = load("needle_table")
    note = (
        "1 block in 8 chosen per layer and KV head, one needle in 128 tokens. Accuracy / needle "
        "hit; chance 0.125. The chips are *calibrated* virtual dies: "
        "die 0 of `bank_32x256` for everything signed, die 0 of `bank_64x64_dual` for the "
        "bounds. The models are ours: two layers, 131,904 parameters, "
        "*selectable* trained with block selection in the loop, *plain* without."
    )
    parts = [note]
    for model in ("selectable", "plain"):
        groups = {point: found["groups"].get(f"{model} {point[0]} {point[1]}", []) for point in POINTS}
        points = [point for point in POINTS if groups[point]]
        head = (f"*{model}*", *(f"{context // 1024}K, blocks of {block}" for context, block in points))
        rows = []
        for name in SELECTORS:
            cells = [next((row for row in groups[point] if row["selector"] == name), None) for point in points]
            if any(cells):
                rows.append(
                    (f"`{name}`", *(f"{cell['accuracy']:.2f} / {cell['hit']:.2f}" if cell else "–" for cell in cells))
                )
        parts.append(grid(head, rows))
    return section("Needles in a language model", "needle_table", found, "\n\n".join(parts))


def scales() -> str:
    """One scale for a bank of signatures, or one for each block."""
    found = load("block_scale")
    rows = [
        (row["keys"], row["kind"], str(row["block"]), f"{row['per_bank']:.3f}", f"{row['per_block']:.3f}")
        for row in found["rows"]
    ]
    note = (
        f"Recall of float's choice, 1 block in 8 of 1,024 tokens, by `PhotonicSelector` on die 0 of `{found['chip']}`, "
        "calibrated, with programming errors and read noise; all layers and KV heads of SmolLM2. *Per block*: "
        '`program(…, signature_scale="block")`.'
    )
    head = ("keys", "signature", "block", "one scale a bank", "per block")
    return section("One scale for all signatures, or one each", "block_scale", found, note + "\n\n" + grid(head, rows))


def groups() -> str:
    """Coarse to fine: hits of a group's signature, and the pages that two levels read."""
    found = load("group_signatures")
    kinds, rows = ("mean", "bound", "softened", "distilled"), sorted({row["rows"] for row in found["hits"]})
    points = list(dict.fromkeys((row["context"], row["group"], row["opened"], row["groups"]) for row in found["hits"]))
    hit = {(row["context"], row["group"], row["kind"], row["rows"]): row["hit"] for row in found["hits"]}
    head = ("context, group", "opened", "rows", *kinds, "exact attention")
    lines = [
        (
            f"{context // 1024}K, {group} tokens",
            f"{kept} of {all_}",
            str(count),
            *(f"{hit[key]:.2f}" if (key := (context, group, kind, count)) in hit else "–" for kind in kinds),
            f"{hit[context, group, 'exact', 1]:.2f}",
        )
        for context, group, kept, all_ in points
        for count in rows
    ]
    few = min(row["trials"] for row in found["hits"])
    counts = [f"two levels, {count} row{'s' * (count > 1)}" for count in rows]
    pages = [
        (*(str(each[name]) for name in ("group", "block", "flat")), *(f"{p:.0f}" for p in each["two_levels"].values()))
        for each in found["pages"]
    ]
    note = (
        f"Groups of {found['children']} blocks of the *selectable* model, the best {found['keep']:.0%} opened: "
        f"share of needles whose group is opened, in the layer that retrieves, of at least {few} (needles times KV "
        "heads). *softened* lies between mean and bound; *distilled* is a projection of both to two numbers a "
        "dimension, learned from the attention on other sequences; *exact attention* opens the groups that hold "
        "most of it. Below, the pages of a chip of 64 rows and 64 channels that one query of one KV head reads on "
        "both levels (32 dimensions and their bound), where the blocks of a group fill a page: smaller groups "
        "would leave their pages half empty, and save none."
    )
    note += "\n\n" + grid(head, lines)
    note += "\n\n" + grid(("a million tokens, groups of", "blocks of", "flat, pages", *counts), pages)
    signal = [
        (
            str(each["block"]),
            *(f"{each[name]:.2f}" for name in ("estimated_snr", "measured_snr", "estimated_hit", "measured_hit")),
        )
        for each in found["signal"]
    ]
    note += (
        "\n\nHow far a needle's block stands out by its mean key (built-in keys, 1,024 tokens, 1 block in 8 chosen): "
    )
    note += "MoBA's estimate from single tokens, Δ/(σ·√(2·block)), and what is measured.\n\n"
    note += grid(("block", "SNR, estimated", "measured", "hit, estimated", "measured"), signal)
    return section("Coarse to fine", "group_signatures", found, note)


def selector() -> str:
    """The torch selector against a plain product and top-k."""
    found = load("selector_cost")
    lines = found["lines"]
    blocks = sorted({line["blocks"] for line in lines})
    kinds = list(
        dict.fromkeys(
            (line["dims"], line["encoding"], line["line_noise"] > 0, line["road"], line["banks"], line["queries"])
            for line in lines
        )
    )
    head = (
        "dims",
        "encoding",
        "noise of single lines",
        "road",
        "banks × queries",
        "measured",
        *(f"{count:,} blocks" for count in blocks),
    )
    rows = []
    for kind in kinds:
        of_kind = [
            line
            for line in lines
            if (line["dims"], line["encoding"], line["line_noise"] > 0, line["road"], line["banks"], line["queries"])
            == kind
        ]
        ratio = {line["blocks"]: line["ratio"] for line in of_kind}
        dims, encoding, noisy, road, banks, queries = kind
        cells = (f"{ratio[count]:.2f}" if count in ratio else "–" for count in blocks)
        measured = f"{of_kind[0]['date']}, load {of_kind[0]['load']:.0f}"
        rows.append((dims, encoding, "yes" if noisy else "no", road, f"{banks} × {queries}", measured, *cells))
    newest = max(line["date"] for line in lines)  # older lines are of an older build
    new = [line for line in lines if line["date"] == newest and line["queries"] > 1]
    inside = [line["ratio_to_called"] for line in new if line["road"] == "noise drawn inside"]
    called = [line["ratio_to_compiled"] for line in new if line["road"] == "called"]
    single = [line["ratio"] for line in lines if line["road"] == "compiled ahead" and line["queries"] == 1]
    buffers = {line["buffers_over_signatures"]: line for line in lines}
    most = buffers[max(buffers)]
    note = (
        "Time of `PhotonicSelector` over that of one product and top-k on the same tensors; "
        f"as many channels as dims, k = {found['k']}, torch {found['torch']}. Where several ask, as measured on "
        f"{newest}, it takes called {min(called):.2f} to {max(called):.2f} of the time compiled, and with noise drawn "
        f"inside {min(inside):.2f} to {max(inside):.2f} of the time with noise handed in. Compiled ahead, a single "
        f"query takes {min(single):.2f} to {max(single):.2f}. "
        f"All buffers together take {min(buffers):.2f} to {max(buffers):.2f} of the signatures' memory, the most for "
        f"{most['banks']} × {most['blocks']:,} blocks: there the chip's own tables count, which do not grow with them. "
        "Lines of an earlier day are of that day's build."
    )
    columns = {
        "tokens": lambda line: f"{line['tokens']:,}",
        "dense / ms": lambda line: f"{line['dense_ms']:.0f}",
        "chosen blocks / ms": lambda line: f"{line['sparse_ms']:.0f}",
        "ratio": lambda line: f"{line['ratio']:.2f}",
    }
    decode = (
        "One decode step of a random Llama of SmolLM2-135M's shape, 32 blocks of 16 tokens chosen in every layer, "
        "against the same model over everything; median of the turns' ratios."
    )
    body = "\n\n".join((note, grid(head, rows), decode, table(columns, zip(found["decode"])), selector_floor()))
    return section("Selector against a plain product and top-k", "selector_cost", found, body)


def selector_floor() -> str:
    """Each step of a selector's answer by itself."""
    found = load("selector_floor")
    lines, steps = found["lines"], list(found["lines"][0]["us"])
    rows = [(each["queries"], f"{each['blocks']:,}", *(f"{each['us'][step]:.0f}" for step in steps)) for each in lines]
    first = lines[0]["us"]
    parts = "compiled module that does nothing", "product"
    least = sum(first[step] for step in parts) / first["plain"]
    drawn = [each["us"]["random numbers"] / each["us"]["called"] for each in lines]
    number_ns = min(1e3 * each["us"]["random numbers"] / (each["queries"] * each["blocks"]) for each in lines)
    chosen = [
        f"{sum(each['us'][step] for step in (*parts, 'choice with the tie rule')) / each['us']['plain']:.1f}"
        for each in lines
        if each["queries"] == 1
    ]
    alone = [f"{each['us']['called'] / each['us']['plain']:.1f}" for each in lines if each["queries"] == 1]
    note = (
        f"What an answer is made of (`{found['command']}`, {found['date']}, {found['hardware']}, load "
        f"{found['load_average']:.0f}; `results/selector_floor.json`): processor time of each step by itself in µs, "
        f"one shot of light. One query called takes {', '.join(alone)} of the plain road. A module that does nothing, "
        f"compiled by `torch.compile`, and one product take {least:.1f} of the plain road for "
        f"{lines[0]['blocks']:,} blocks; with the choice by the tie rule, and nothing of the chip, {', '.join(chosen)}."
        f"{ahead(lines)} Random numbers "
        f"alone (`torch.randn`, {number_ns:.1f} ns each at best) take {min(drawn):.2f} to {max(drawn):.2f} of a call "
        f"with noise handed in, and drawing inside adds that: a call that takes less than {2 * number_ns:.1f} ns a "
        "reading takes more than 1.5 times as long with noise drawn inside, whatever the selector does."
    )
    if "compiled code alone" in first:
        code, whole = (f"{each / first['plain']:.1f}" for each in (first["compiled code alone"], first["compiled"]))
        made = [each["us"]["whole numbers"] / each["us"]["random numbers"] for each in lines]
        numpy = [each["us"]["the same of NumPy"] / each["us"]["random numbers"] for each in lines]
        note += (
            f" For one query of {lines[0]['blocks']:,} blocks compiled code alone takes {code} of the plain road, "
            f"the compiled call {whole}: the rest is torch looking whether the code still fits the module, some 200 "
            "comparisons and six for each tensor. The whole numbers that random numbers are made of take "
            f"{min(made):.1f} to {max(made):.1f} of their time, NumPy's normal numbers {min(numpy):.1f} to "
            f"{max(numpy):.1f}{': no generator at hand is cheaper' if min(numpy) >= 1.0 else ''}."
        )
    return note + "\n\n" + grid(("queries", "blocks", *steps), rows) + selector_called(found.get("called", []))


def selector_called(lines: list[dict]) -> str:
    """Each step of the selector as it is called."""
    if not lines:
        return ""
    steps = list(lines[0]["us"])
    first, last = lines[0], lines[-1]
    many = [line["us"] for line in lines if line["queries"] > 1]
    choice = [f"{us['choice with the tie rule'] / us['torch.topk']:.2f}" for us in many]
    numbers = "random numbers into memory that is there"
    alone = [us[numbers] / us["called"] for us in many]
    number_ns = min(1e3 * line["us"][numbers] / (line["queries"] * line["blocks"]) for line in lines)
    least = next(step for step in steps if step.startswith("called,"))
    note = (
        f"\n\nThe call again, step by step in µs (`python benchmarks/selector_floor.py called`, {first['date']}, load "
        f"{min(line['load'] for line in lines):.0f} to {max(line['load'] for line in lines):.0f}), with numbers that "
        "change from call to call, as the processor learns the same ones. Of "
        f"{last['queries']} queries the choice by the tie rule takes "
        f"{', '.join(choice)} of `torch.topk`. "
        f"Python and the libraries take {many[0][least]:.0f} µs of such a call whatever is asked, which for "
        f"1,024 blocks is {many[0][least] / many[0]['called']:.0%} of it. Random numbers alone, "
        f"{number_ns:.1f} ns each at best, take {', '.join(format(each, '.2f') for each in alone)} of a call with "
        "noise handed in; drawing inside adds that."
    )
    rows = [(line["queries"], f"{line['blocks']:,}", *(f"{line['us'][step]:.0f}" for step in steps)) for line in lines]
    return note + "\n\n" + grid(("queries", "blocks", *steps), rows)


def ahead(lines: list[dict]) -> str:
    """What it brings to leave out torch's guards."""
    if "compiled ahead" not in lines[0]["us"]:
        return ""

    def ratios(step: str) -> str:
        return ", ".join(f"{each['us'][step] / each['us']['plain']:.1f}" for each in lines if each["queries"] == 1)

    return (
        " That is the call's, not the answer's: compiled ahead (`export.ahead`), which hands memory over in C++ and "
        f"looks at sizes only, one query takes {ratios('compiled ahead')}, its code alone {ratios('ahead, code alone')}"
        f", where `torch.compile` takes {ratios('compiled')}, with every kernel tuned (`max-autotune-no-cudagraphs`) "
        f"{ratios('compiled, kernels tuned')} and guarded by sizes alone (`keep_tensor_guards_unsafe`) "
        f"{ratios('compiled, guarded by sizes')}."
    )


def paged() -> str:
    """Signing and scoring the pages of a serving engine's cache."""
    found = load("paged_signatures")
    head = ("dimensions", "signature", "signed in / ms", "scored in / ms")
    rows = [
        (str(row["dims"]), row["signature"], f"{row['sign_ms']:.1f}", f"{row['score_ms']:.2f}") for row in found["rows"]
    ]
    note = (
        f"`PagedSignatures` in float: {found['pages']} pages of 16 tokens and 8 KV heads of one layer, four query "
        f"heads each; processor time of one core, the least of some turns (load {found['load']}: other work on the "
        "machine shares its caches, and signing reads 8 MB of keys)."
    )
    parts = found["parts"]
    shares, instead = parts["shares"], parts["instead"]
    left = (
        "Where the time of bounds of 128 dimensions goes, a call's parts in turn with the whole "
        f"({parts['date']}, load {parts['load']}, which slows all alike): "
        + ", ".join(f"{name} {share:.0%}" for name, share in shares.items())
        + ". The median that blocks are centred on takes the sort; other ways to the same numbers gain next to nothing "
        "or lose: "
        f"a partition takes {instead['partition']:.2f} of it, torch's `kthvalue` {instead['kthvalue']:.1f}, and "
        f"`aminmax` {instead['aminmax']:.1f} of largest and smallest key."
    )
    return section(
        "Signing and scoring pages", "paged_signatures", found, note + "\n\n" + grid(head, rows) + "\n\n" + left
    )


def electronic() -> str:
    """Exact scans and approximate searches of one machine."""
    found = load("electronic")
    columns = {
        "signatures": lambda line: "Gaussian" if line["set"] == "gaussian" else "keys of the needle model",
        "blocks": lambda line: f"{line['blocks']:,.0f}",
        "dims": lambda line: f"{line['dims']:.0f}",
        "exact scan / µs": lambda line: f"{line['exact_us']:.0f}",
        "8 bits: ratio, recall": lambda line: f"{line['int8_over_exact']:.2f}, {line['int8_recall']:.3f}",
        "inverted file: ratio, lists probed": lambda line: (
            f"{line['inverted_over_exact']:.2f}, {line['probes']:.0f} of {line['lists']:.0f}"
        ),
        "of eight probes: recall": lambda line: f"{line['eight_probes_recall']:.2f}",
        "graph: ratio, visits": lambda line: f"{line['graph_over_exact']:.2f}, {line['graph_visits']:,.0f}",
        "graph built in / ms": lambda line: f"{line['graph_build_ms']:,.0f}",
        "hnswlib over this graph: query, build": lambda line: (
            f"{line['hnswlib_over_graph']:.2f}, {line['hnswlib_build_over_graph']:.2f}"
        ),
    }
    law = found["law"]
    note = (
        f"One query at a time on one thread, times over the exact scan's; both searches at a recall@{found['k']} of "
        f"{found['recall']:g}, which is the calibrated bank's. Signatures of this kind have little order that a search "
        "could use: an inverted file has to look into a third to two thirds of its lists, and up to 4,096 blocks "
        "nothing beats reading all. The graph visits "
        f"{law['visits']:.0f}·N^{law['blocks_exponent']:.2f}·(d/32)^{law['dims_exponent']:.2f} signatures, which the "
        "ledger's `ann` charges. hnswlib's graph of as many links, at the same recall, is measured beside it in one "
        f"process ({found.get('hnswlib', 'the same run')})."
    )
    return section("Selection without light", "electronic", found, note + "\n\n" + table(columns, zip(found["lines"])))
