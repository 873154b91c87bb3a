"""Sections about the project's own tests."""

from sections.tables import grid, load, section


def suite_time() -> str:
    """The test suite beside that of an older commit."""
    found = load("suite_time")
    older, now, both, new = found["older"], found["now"], found["in both"], found["only now"]
    told = []
    for run in (older, now):
        part = "" if run["ran"] >= run["collected"] else f" of {run['collected']:,}"
        tests = f"{run['ran']:,}{part} tests of `{run['commit']}`"
        told.append(f"{tests} take {run['cpu_s']:,.0f} s, {run['ms_per_test']:.0f} ms each")
    whole = f", {found['whole']:.2f} of it" if found.get("whole") else ""
    note = (
        f"Processor time, children with it. {'; '.join(told)}{whole}. "
        f"The {both['tests']:,} tests that both have by one name take {both['older']:,.0f} s and {both['now']:,.0f} s, "
        f"{both['ratio']:.2f} of it; the {new['tests']:,} that came since take {new['cpu_s']:,.0f} s. "
        f"Collecting is not in it: {max(older['collection_cpu_s']):.0f} s and "
        f"{max(now['collection_cpu_s']):.0f} s a worker. {found['note']}"
    )
    rows = [
        (f"`{folder}`", f"{each['older']:.0f}", f"{each['now']:.0f}", f"{each['now'] / each['older']:.2f}")
        for folder, each in found["folders"].items()
    ]
    head = ("tests that both have, by folder", f"{older['commit']} / s", f"{now['commit']} / s", "ratio")
    return section("The test suite", "suite_time", found, note.strip() + "\n\n" + grid(head, rows))
