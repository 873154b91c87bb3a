"""A pretrained language model: questions in text, several dies, impairments, layers and heads."""

from typing import Any

from sections.tables import grid, load, section


def questions() -> str:
    """Text questions asked of a pretrained model, and what fitted weights of a bound recall."""
    found, fitted = load("smollm2_table"), load("smollm2_bound")
    told = (
        "SmolLM2-135M-Instruct, texts of the language reference, of so many tokens as a table says, "
        "sink 4, window 64; 1 block in 8 chosen per "
        "layer and KV head, greedy decoding. The chip is die 0 of `bank_64x64_dual`, calibrated, its behavioral "
        "model. *All* is the share of questions whose every digit is right, with a 95 % interval that resamples "
        "whole texts, and Wilson's of independent questions; *digits* the share of digits that are right after right "
        "ones; *ΔNLL* what the answer's tokens "
        "lose of their likelihood against full attention, in nats each (its interval where files of all texts are "
        "there); *recall* that of the blocks with most exact attention. `bound_of_halves` takes 2 rows a block, "
        "`rows_of_16` 4 and 8, of mean keys, and so does `soft_rows`, of 0.7 of the mean key and 0.3 of the bound; all "
        "read every query head alone. `quarter_refined` and `half_refined` read the keys of the quarter or the half of "
        "the blocks that `soft_rows` finds best, and choose by exact attention among them. `half_of_parts` and the "
        "others of parts read as many keys, but those of the best rows of 16 tokens, in whichever blocks they lie, and "
        "add a block's exact attention on them up (`soft_parts_refined`). *Scan* is what a query of "
        "one KV head "
        "reads to choose: readings of the chip (pages, slices and shots), and bytes of signatures and keys in "
        "electronics. *Asked* counts the questions; the same command goes on where it stopped. *text* asks "
        "nothing: it is how the reference goes on, 64 tokens for each text."
    )
    parts = [told, "What the chip finds of what full attention finds, and what light costs:", of_full(found["groups"])]
    said = [by["then"] for by in found["chips"].values() if "then" in by]
    for then in dict.fromkeys(said):
        which = [group.split() for group, by in found["chips"].items() if by.get("then") == then]
        parts.append(", ".join(f"{task} of {int(context):,} tokens" for task, context in which) + f": {then}.")
    for group, rows in found["groups"].items():
        task, context = group.split()
        head = (
            *(f"{task}, {int(context):,} tokens", "block", "asked", "all", "95 %", "Wilson", "digits", "ΔNLL", "95 %"),
            *("tokens read", "recall", "scan"),
        )
        lines = [
            (
                f"`{row['selector'].split()[0]}`",
                str(row["block"] or "–"),
                str(row["trials"]),
                f"{row['all_right']:.2f}",
                f"{row['text_low']:.2f}–{row['text_high']:.2f}",
                f"{row['low']:.2f}–{row['high']:.2f}",
                f"{row['tokens_right']:.2f}",
                f"{row['delta_nll']:+z.3f}",
                f"{row['nll_low']:+z.2f} to {row['nll_high']:+z.2f}" if "nll_low" in row else "–",
                f"{row['tokens_read']:.0f}",
                f"{row['recall']:.2f}",
                scan(row),
            )
            for row in rows
        ]
        parts.append(grid(head, lines))
        if by := found["chips"].get(group):
            parts.append(f"Read by {chip_of(by)}.")
        if shares := found.get("asked", {}).get(group):
            counts = ", ".join(f"{share['texts']} texts at commit {share['commit']}" for share in shares)
            parts.append(f"Rows of most questions in float: {counts}; nothing that they compute changed in between.")
    weights = grid(
        ("recall of text not seen", "blocks of 64", "128"),
        [
            (name, *(f"{row['recall']:.2f}" for row in fitted["rows"] if row["weights"] == name))
            for name in ("plain", "fitted")
        ],
    )
    seconds = fitted["cpu_s"]
    parts.append(
        f"Weights of the bound, fitted to {fitted['texts']} texts, judged on {fitted['judged']} others with other "
        f"templates ({fitted['date']}; {seconds['lessons']:.0f} s of one core for the texts, "
        f"{seconds['fit 64']:.0f} and {seconds['fit 128']:.0f} s for the weights):\n\n{weights}"
    )
    asked = load("smollm2_cost")
    parts.append(
        f"The table that `prism lm ask` makes by itself ({', '.join(asked['kinds'])}; {asked['table_texts']} texts "
        f"of {asked['context']:,} tokens each) takes {asked['table_cpu_s'] / 60:.0f} minutes of one core: "
        f"{asked['text_cpu_s']:.0f} s for each text of all kinds, {asked['before_cpu_s']:.0f} s before the first "
        f"(`{asked['command']}`, {asked['date']}, of {asked['texts']} text of each kind, on a busy machine: "
        "`results/smollm2_cost.json`)."
    )
    return section("A pretrained language model", "smollm2_table", found, "\n\n".join(parts))


def chip_of(found: dict[str, Any]) -> str:
    """Which chip rows were read by: its name, and the beginnings of what specification and model hash to."""
    specs, models = (", ".join(f"`{each[:8]}`" for each in found[name]) for name in ("spec_hash", "bundles"))
    return f"`{found['chip']}`, specification {specs}, calibrated model {models}"


def of_full(groups: dict[str, list[dict[str, Any]]]) -> str:
    """The chip's rows beside full attention, and beside the same signature in float."""
    head = (
        *("task, tokens", "selector", "block", "asked", "full attention", "chip", "of it"),
        *("ΔNLL", "95 %", "light: all", "light: ΔNLL", "scan"),
    )
    lines = []
    for group, rows in groups.items():
        task, context = group.split()
        of = {row["selector"]: row for row in rows}
        for name in ("soft_rows", "half_refined", "eighth_of_parts", "quarter_of_parts", "half_of_parts"):
            for block in (64, 128):
                chip = of.get(f"photonic_{name} {block}")
                if not chip:
                    continue
                light = ("–", "–")
                if "exact_all_right" in chip:
                    light = (
                        f"{chip['all_right'] - chip['exact_all_right']:+z.2f}",
                        f"{chip['delta_nll'] - chip['exact_delta_nll']:+z.3f}",
                    )
                full, asks = chip["full_all_right"], task != "text"
                cells = (
                    *(f"{task}, {int(context):,}", f"`photonic_{name}`", str(block), str(chip["trials"])),
                    *(f"{full:.2f}", f"{chip['all_right']:.2f}", f"{chip['all_right'] / full if full else 0:.2f}"),
                    f"{chip['delta_nll']:+z.3f}",
                    f"{chip['nll_low']:+z.3f} to {chip['nll_high']:+z.3f}" if "nll_low" in chip else "–",
                    *light,
                    scan(chip),
                )
                shown = cells if asks else (*cells[:4], "–", "–", "–", *cells[7:9], "–", *cells[10:])
                lines.append(shown)
    note = (
        "*Full attention* and *light*, the chip's row less that of the same signature in float, are of the same "
        "questions."
    )
    return grid(head, lines) + "\n\n" + note


def scan(row: dict[str, Any]) -> str:
    """What a query of one KV head reads to choose: readings of the chip, and what electronics reads."""
    parts = [f"{row['passes']:.0f} readings"] if row.get("passes") else []
    parts += [f"{row['signature_bytes'] / 1024:.0f} KiB"] if row.get("signature_bytes") else []
    return " + ".join(parts) or "–"


def dies() -> str:
    """What several dies of one design lose against the same signatures in float."""
    found = load("smollm2_dies")
    count = len(found["dies"])
    rows = {(row["task"], row["signature"], row["block"], row["die"]): row for row in found["rows"]}
    points = list(dict.fromkeys(key[:3] for key in rows if key[2]))
    head = (
        *("task", "signature", "block", "asked", "full attention", "in float"),
        *(f"die {number}: all, loss" for number in range(count)),
    )
    lines = [
        (
            *(task, f"`{signature}`", str(block), str(rows[task, signature, block, None]["trials"])),
            f"{rows[task, 'full', 0, None]['all_right']:.2f}",
            f"{rows[task, signature, block, None]['all_right']:.2f}",
            *(
                f"{row['all_right']:.2f}, {row['cost']:+z.3f} ({row['cost_low']:+z.3f} to {row['cost_high']:+z.3f})"
                for row in (rows[task, signature, block, number] for number in range(count))
            ),
        )
        for task, signature, block in points
    ]
    noise = ", ".join(f"{die['noise_rms']:.4f}" for die in found["dies"])
    written = ", ".join(f"{die['weight_error_rms']:.1e}" for die in found["dies"])
    note = (
        f"SmolLM2, the same questions of {found['rows'][0]['texts']} texts asked with each of {count} virtual dies of "
        f"`{found['chip']}`, each calibrated by itself (read noise {noise}, writing errors {written} of a weight), "
        "with errors and noise of its own. *All* are right answers; the *loss* is that of the answer's likelihood "
        "against the same signature in float, nats a token, with a 95 % interval that resamples whole texts. "
        f"`soft_parts_refined` is `half_of_parts` above. Read by {chip_of(found)}."
    )
    return section("The same on several dies", "smollm2_dies", found, note + "\n\n" + grid(head, lines))


def second_stage() -> str:
    """What a second stage reads, against what it finds."""
    found = load("smollm2_second_stage")
    head = (
        *("selector", "keys read", "readings", "right", "95 %", "Wilson", "digits", "ΔNLL", "95 %"),
        *("tokens read", "recall"),
    )
    lines, of = [], {row["selector"].split()[0]: row for row in found["rows"]}
    for name, row in of.items():
        # In float the signatures of the first stage are read beside the keys.
        first = of["soft_rows"]["signature_bytes"] if name in ("soft_rows", "half_refined", "half_of_parts") else 0.0
        keys = (row["signature_bytes"] - first) / found["all_keys_bytes"] if "signature_bytes" in row else None
        lines.append(
            (
                *(f"`{name}`", "–" if keys is None else f"{keys:.3g}", f"{row.get('passes', 0):.0f}"),
                f"{row['all_right'] * row['trials']:.0f} of {row['trials']}",
                *(f"{row['text_low']:.2f}–{row['text_high']:.2f}", f"{row['low']:.2f}–{row['high']:.2f}"),
                *(f"{row['tokens_right']:.3f}", f"{row['delta_nll']:+z.3f}"),
                f"{row['nll_low']:+z.3f} to {row['nll_high']:+z.3f}",
                *(f"{row['tokens_read']:.0f}", f"{row['recall']:.2f}"),
            )
        )
    note = (
        f"SmolLM2, one of four keys asked for in {found['rows'][0]['context']:,} tokens, blocks of 128, 1 in 8 chosen: "
        f"the same questions of {found['rows'][0]['texts']} texts for every row. *Keys read* is the share of all keys "
        "that the second stage reads to choose, no values: of the best blocks (`…refined`), or of the best rows of 16 "
        "tokens in whichever blocks they lie (`…of_parts`), whose exact attention adds up to their block's. "
        f"Read by die 0 of {chip_of(found)}."
    )
    return section("What a second stage reads", "smollm2_second_stage", found, note + "\n\n" + grid(head, lines))


def reduced() -> str:
    """Keys of fewer dimensions."""
    found = load("smollm2_reduced")
    head = ("signature", "block", "dimensions", "readings", "asked", "all", "95 %", "digits", "ΔNLL", "95 %", "recall")
    lines = [
        (
            f"`{row['selector'].split()[0]}`",
            *(str(row["block"] or "–"), str(row["rank"]), f"{row['passes']:.0f}" if row.get("passes") else "–"),
            *(str(row["trials"]), f"{row['all_right']:.2f}", f"{row['text_low']:.2f}–{row['text_high']:.2f}"),
            *(f"{row['tokens_right']:.2f}", f"{row['delta_nll']:+z.3f}"),
            *(f"{row['nll_low']:+z.2f} to {row['nll_high']:+z.2f}", f"{row['recall']:.2f}"),
        )
        for row in found["rows"]
    ]
    note = (
        f"SmolLM2, one of four keys asked for in {found['rows'][0]['context']:,} tokens, 1 block in 8 chosen: keys and "
        "queries shown to the signature in so many of their 64 dimensions, by the two maps per layer and KV head that "
        f"keep most of the spread of their products on {found['taught']} other texts ({found['cpu_s']:.0f} s of one "
        "core). The second stage reads whole keys. *Readings* are those of one query of one KV head, on die 0 of "
        f"{chip_of(found)}."
    )
    return section("Keys of fewer dimensions", "smollm2_reduced", found, note + "\n\n" + grid(head, lines))


def reading() -> str:
    """More or fewer blocks of 128, and dense first layers."""
    found = load("smollm2_reading")
    head = ("task", "chosen by", "blocks", "dense layers", "asked", "all", "digits", "ΔNLL", "95 %", "tokens read")
    lines = [
        (
            *(row["task"], f"`{row['selector'].split()[0]}`", f"{row['k']} of 16" if row["k"] else "–"),
            *(str(row["dense_layers"]), str(row["trials"])),
            *(f"{row['all_right']:.2f}" if row["task"] != "text" else "–", f"{row['tokens_right']:.2f}"),
            *(f"{row['delta_nll']:+z.3f}", f"{row['nll_low']:+z.3f} to {row['nll_high']:+z.3f}"),
            f"{row['tokens_read']:.0f}",
        )
        for row in found["rows"]
    ]
    note = (
        "SmolLM2, 2,048 tokens, blocks of 128: what is lost where fewer or more of the 16 are read, and with the first "
        "two of 30 layers dense. *text* is how the reference goes on, 64 tokens for each text. `oracle` chooses by "
        "exact attention; `photonic_half_of_parts` by the keys of those rows of 16 tokens that the chip scores best, "
        f"half of all. Read by die 0 of {chip_of(found)}."
    )
    return section("Reading more of long blocks", "smollm2_reading", found, note + "\n\n" + grid(head, lines))


def gates() -> str:
    """A distilled signature of one row a block."""
    found = load("smollm2_gate")
    head = ("task", "signature", "block", "asked", "all", "95 %", "digits", "ΔNLL", "95 %", "recall", "coverage")
    lines = [
        (
            *(row["task"], row["selector"].removesuffix(f" {row['block']}"), str(row["block"] or "–")),
            *(str(row["trials"]), f"{row['all_right']:.2f}", f"{row['text_low']:.2f}–{row['text_high']:.2f}"),
            *(f"{row['tokens_right']:.2f}", f"{row['delta_nll']:+z.3f}"),
            *(f"{row['nll_low']:+z.2f} to {row['nll_high']:+z.2f}", f"{row['recall']:.2f}", f"{row['coverage']:.2f}"),
        )
        for row in found["rows"]
    ]
    seconds = dict(found["cpu_s"])
    prefills = seconds.pop("lessons")
    note = (
        f"SmolLM2, {found['context']:,} tokens, 1 block in 8 chosen. A *gate* of so many numbers is one row a block, "
        "linear in its mean, largest and smallest key before rotation, and is read by one dot product a query: "
        f"distilled from the exact attention of {found['teach']} texts of other words, {found['held_out']} more to "
        f"keep each head from learning by heart, in {found['steps']} steps through the model of the chip; "
        f"{prefills:.0f} s of one core for the texts, {min(seconds.values()):.0f} to {max(seconds.values()):.0f} s for "
        "each gate. The chip "
        f"is die 0 of {chip_of(found)}, which reads 32 numbers once and 64 twice. *Recall* and *coverage* are those of "
        "the exact attention on blocks."
    )
    return section("A signature distilled from the model", "smollm2_gate", found, note + "\n\n" + grid(head, lines))


def impaired() -> str:
    """Softened rows on a pretrained model, against chosen blocks, bits, drift and light."""
    found = load("smollm2_sweep")
    units = {"blocks": "of 32 blocks", "bits": "bits", "drift": "of a weight unit", "light": "of the chip's light"}
    head = ("changed", "to", "all", "95 %", "digits", "ΔNLL", "tokens read", "recall")
    lines = [
        (
            {"full": "`full`", "as it is": "nothing"}.get(row["kind"], row["kind"]),
            f"{row['setting']:g} {units[row['kind']]}" if row["kind"] in units else "–",
            f"{row['all_right']:.2f}",
            f"{row['text_low']:.2f}–{row['text_high']:.2f}",
            f"{row['tokens_right']:.2f}",
            f"{row['delta_nll']:+z.2f}",
            f"{row['tokens_read']:.0f}",
            f"{row['recall']:.2f}",
        )
        for row in found["rows"]
    ]
    trials, texts = found["rows"][0]["trials"], found["rows"][0]["texts"]
    note = (
        f"`soft_rows` read by the same chip, blocks of 64, one of four keys asked for: {trials} questions on {texts} "
        "texts of 2,048 tokens, so differences of a few questions say nothing; the likelihood of the digits says more. "
        "*Bits* are those of both converters, *drift* an independent error of every weight since it was written."
    )
    return section(
        "The same under fewer bits, drift and less light", "smollm2_sweep", found, note + "\n\n" + grid(head, lines)
    )


def layers() -> str:
    """Mean key or bound in each layer, chosen on other text."""
    found = load("smollm2_layers")
    names = {
        "mean_key": "mean key",
        "bound": "bound",
        "by_layer": "chosen by layer",
        "after_the_fact": "after the fact",
    }
    rows = [
        (str(row["block"]), *(f"{row['recall'][name]:.3f}" for name in names), str(row["layers_with_bound"]))
        for row in found["rows"]
    ]
    note = (
        f"SmolLM2, {found['context']:,} tokens, 1 block in 8: recall of the blocks with most exact attention, mean of "
        f"all layers and KV heads. Each layer takes mean key or bound by its recall on {found['teach']} texts to learn "
        f"from; judged on {found['judge']} others, with other templates and names. *After the fact* is the better "
        "of the first two columns in each layer, which nobody can know; layers also see what earlier ones let through."
    )
    head = ("block", *names.values(), "layers with bounds")
    return section("Mean key or bound, layer by layer", "smollm2_layers", found, note + "\n\n" + grid(head, rows))


def sizes() -> str:
    """Block size by head, at the rows of one size for all."""
    found = load("smollm2_sizes")
    head = (
        "blocks",
        "rows of signatures",
        "asked",
        "all",
        "95 %",
        "digits",
        "ΔNLL",
        "tokens read",
        "coverage",
        "where taught",
    )
    lines = [
        (
            f"`{row['selector']}`" if row["selector"] == "full" else row["selector"],
            f"{row['rows_of_signatures']:.0f}" if row["rows_of_signatures"] else "–",
            str(row["trials"]),
            f"{row['all_right']:.2f}",
            f"{row['text_low']:.2f}–{row['text_high']:.2f}",
            f"{row['tokens_right']:.2f}",
            f"{row['delta_nll']:+z.2f}",
            f"{row['tokens_read']:.0f}",
            f"{row['coverage']:.2f}",
            f"{found['taught'][row['selector']]:.2f}" if row["selector"] in found["taught"] else "–",
        )
        for row in found["rows"]
    ]
    heads = ", ".join(f"{count} heads take {size}" for size, count in found["heads_by_size"].items())
    note = (
        f"SmolLM2, one of four keys asked for in {found['context']:,} tokens, 1 token in 8 chosen; softened bounds, "
        "one row for a block, each query head reading alone. *By head*: each layer's KV heads take blocks of 32, "
        f"64 or 128 tokens as that covers most attention on {found['teach']} texts to learn from, with no more rows "
        f"than blocks of 64 for all ({heads}). *Coverage* is the attention on blocks that the chosen ones hold, "
        f"*where taught* that on the texts to learn from. The chip is die 0 of {chip_of(found)}."
    )
    return section("Block size by head", "smollm2_sizes", found, note + "\n\n" + grid(head, lines))
